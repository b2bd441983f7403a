//! `router_settings`.

use bulkhead_model::rows::SettingsRow;

use super::alias::{self, Aliases};
use crate::check;
use crate::field::{Cx, Field, Fields};
use crate::suggest;
use crate::table::Section;

const STRATEGY: &str = "simple-shuffle";

/// LiteLLM's other strategies.
const OTHER_STRATEGIES: &[&str] = &[
    "least-busy",
    "usage-based-routing",
    "usage-based-routing-v2",
    "latency-based-routing",
    "cost-based-routing",
    "lar1",
    "provider-budget-routing",
];

pub(super) fn read(section: &Fields<'_>, row: &mut SettingsRow, cx: &mut Cx<'_>) -> Aliases {
    check::strict(section, Section::Router, cx);
    if let Some(field) = section.get("routing_strategy") {
        strategy(&field, cx);
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
    section.get("model_group_alias").map(|field| alias::read(&field, cx)).unwrap_or_default()
}

fn strategy(field: &Field<'_>, cx: &mut Cx<'_>) {
    let Some(strategy) = field.text(cx, STRATEGY) else { return };
    if OTHER_STRATEGIES.contains(&strategy.as_str()) {
        let what = format!("`{strategy}` is not available in this version; {STRATEGY} is used");
        field.warn(cx, what, format!("routing_strategy: {STRATEGY}"));
    } else if strategy != STRATEGY {
        let known = OTHER_STRATEGIES.iter().copied().chain([STRATEGY]);
        let near = suggest::question(suggest::nearest(&strategy, known));
        field.error(
            cx,
            format!("there is no strategy `{strategy}`{near}"),
            format!("routing_strategy: {STRATEGY}"),
        );
    }
}
