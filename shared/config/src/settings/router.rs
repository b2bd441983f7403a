//! `router_settings`.

use bulkhead_model::rows::{AffinityRow, RoutingRow, SettingsRow, Strategy};

use super::alias::{self, Aliases};
use super::fallbacks::{self, Mentions};
use super::retries;
use crate::check;
use crate::field::{Cx, Field, Fields};
use crate::suggest;
use crate::table::Section;

const SHUFFLE: &str = Strategy::SimpleShuffle.name();

/// LiteLLM's strategies; those without one here are not available.
const STRATEGIES: [(&str, Option<Strategy>); 8] = [
    (SHUFFLE, Some(Strategy::SimpleShuffle)),
    (Strategy::LeastBusy.name(), Some(Strategy::LeastBusy)),
    (Strategy::LatencyBased.name(), Some(Strategy::LatencyBased)),
    (Strategy::UsageBased.name(), Some(Strategy::UsageBased)),
    ("usage-based-routing-v2", Some(Strategy::UsageBased)),
    (Strategy::CostBased.name(), Some(Strategy::CostBased)),
    ("lar1", None),
    ("provider-budget-routing", None),
];

/// Providers keep prompts of 1024 tokens and more, which are about so many bytes.
const PROMPT_HEAD: u32 = 4096;

pub(super) fn read(
    section: &Fields<'_>,
    row: &mut SettingsRow,
    mentions: &mut Mentions,
    cx: &mut Cx<'_>,
) -> Aliases {
    check::strict(section, Section::Router, cx);
    if let Some(strategy) = section.get("routing_strategy").and_then(|field| strategy(&field, cx)) {
        row.routing.strategy = strategy;
    }
    if let Some(on) = section.get("enable_tag_filtering").and_then(|field| field.boolean(cx)) {
        row.tag_filtering = on;
    }
    if let Some(any) = section.get("tag_filtering_match_any").and_then(|field| field.boolean(cx)) {
        row.tag_match_any = any;
    }
    // The router's timeout is nearer to the request than litellm_settings.request_timeout, so it wins.
    if let Some(timeout) = section.get("timeout").and_then(|field| field.seconds(cx, "600")) {
        row.request_timeout = timeout;
    }
    if let Some(timeout) = section.get("stream_timeout").and_then(|field| field.seconds(cx, "60")) {
        row.stream_timeout = Some(timeout);
    }
    fallbacks::read(section, &mut row.routing, mentions, cx);
    retries::read_router(section, &mut row.routing, mentions, cx);
    checks(section, &mut row.routing, cx);
    section.get("model_group_alias").map(|field| alias::read(&field, cx)).unwrap_or_default()
}

fn strategy(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<Strategy> {
    let name = field.text(cx, SHUFFLE)?;
    match STRATEGIES.iter().find(|(known, _)| *known == name) {
        Some((_, Some(strategy))) => return Some(*strategy),
        Some((_, None)) => {
            let what = format!("`{name}` is not available in this version; {SHUFFLE} is used");
            field.warn(cx, what, format!("routing_strategy: {SHUFFLE}"));
        }
        None => {
            let near = suggest::nearest(&name, STRATEGIES.iter().map(|(known, _)| *known));
            field.error(
                cx,
                format!("there is no strategy `{name}`{}", suggest::question(near)),
                format!("routing_strategy: {}", near.unwrap_or(SHUFFLE)),
            );
        }
    }
    None
}

/// What is looked at before a request is sent.
fn checks(section: &Fields<'_>, routing: &mut RoutingRow, cx: &mut Cx<'_>) {
    if let Some(on) = section.get("enable_pre_call_checks").and_then(|field| field.boolean(cx)) {
        routing.context_check = on;
    }
    if let Some(most) = section.get("default_max_parallel_requests").and_then(|field| field.whole(cx, "100"))
    {
        routing.default_max_parallel = Some(most);
    }
    if let Some(ttl) =
        section.get("deployment_affinity_ttl_seconds").and_then(|field| field.seconds(cx, "3600"))
    {
        routing.affinity.ttl = ttl;
    }
    let named = section.get("optional_pre_call_checks");
    for check in named.iter().flat_map(Field::plain_texts) {
        let AffinityRow { session, prompt_head, .. } = &mut routing.affinity;
        match check {
            "enforce_model_rate_limits" => routing.enforce_model_limits = true,
            "session_affinity" | "deployment_affinity" => *session = true,
            "prompt_caching" => *prompt_head = Some(PROMPT_HEAD),
            _ => {}
        }
    }
}
