//! Everything of a request that is neither conversation nor tools.

use bytes::BytesMut;

use super::super::form::{Effort, Knob, Output, Reasoning, Request, Setting};
use super::super::loss::Losses;
use super::super::write::{self, Fields};
use super::super::{Dialect, ReasoningStyle, RequestOptions};
use super::{OPTIONS, OWN};

/// Writes the options.
pub(super) fn write_options(
    request: &Request<'_>,
    model: &str,
    options: &RequestOptions<'_>,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) {
    let settings = &request.settings;
    let own = |name: &str| settings.iter().any(|it| it.knob == Knob::Native && it.name == name);
    let mut sampling = BytesMut::new();
    write::object(&mut sampling, |sampling| {
        for setting in settings {
            write_setting(setting, &own, body, sampling, losses);
        }
        if !request.stop.is_empty() {
            sampling.array("stop", |items| request.stop.iter().for_each(|stop| items.text(stop)));
        }
    });
    if sampling.len() > b"{}".len() {
        body.raw("options", &sampling);
    }
    if !own("format") {
        write_format(request, body);
    }
    if !own("think") {
        write_think(request, model, options, body, losses);
    }
    if request.user.is_some() {
        losses.aside("user", "");
    }
    if request.cache.is_some() {
        losses.aside("cache_control", "");
    }
    match request.tier.as_deref() {
        None | Some("auto" | "default" | "standard_only") => {}
        Some(_) => losses.asked("service_tier", ""),
    }
}

fn write_setting(
    setting: &Setting<'_>,
    own: &impl Fn(&str) -> bool,
    body: &mut Fields<'_>,
    sampling: &mut Fields<'_>,
    losses: &mut Losses,
) {
    match (setting.knob, setting.knob.name_in(Dialect::Ollama)) {
        (Knob::Native, _) if OPTIONS.contains(&&*setting.name) => sampling.raw(&setting.name, setting.value),
        (Knob::Native, _) if OWN.contains(&&*setting.name) => body.raw(&setting.name, setting.value),
        (Knob::Logprobs | Knob::TopLogprobs, Some(name)) => body.raw(name, setting.value),
        // Ollama's own name for the same counts.
        (Knob::MaxTokens, Some(name)) if own(name) => {}
        (_, Some(name)) => sampling.raw(name, setting.value),
        (knob, None) if knob.is_idle(setting.value) => {}
        (_, None) => losses.asked(&setting.name, ""),
    }
}

fn write_format(request: &Request<'_>, body: &mut Fields<'_>) {
    match &request.output {
        None => {}
        Some(Output::Schema { schema: Some(schema), .. }) => body.raw("format", schema),
        Some(Output::Json | Output::Schema { schema: None, .. }) => body.text("format", "json"),
    }
}

/// As LiteLLM has it: only gpt-oss is told how much to think, others whether to, and the least effort is none. What a
/// model likes is its default; one that cannot think would refuse to be told.
fn write_think(
    request: &Request<'_>,
    model: &str,
    options: &RequestOptions<'_>,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) {
    let Some((reasoning, name)) = request.reasoning else { return };
    if options.reasoning == ReasoningStyle::None {
        return losses.reasoning(reasoning, name);
    }
    let effort = match reasoning {
        Reasoning::Adaptive(None) => return,
        Reasoning::Off => None,
        Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort)) => Some(effort),
        Reasoning::Budget(tokens) => Some(Effort::of_budget(tokens).max(Effort::Low)),
    };
    match (model.contains("gpt-oss"), effort) {
        // It cannot be told not to think.
        (true, None | Some(Effort::Minimal | Effort::Low)) => body.text("think", "low"),
        (true, Some(Effort::Medium)) => body.text("think", "medium"),
        (true, Some(Effort::High | Effort::Xhigh | Effort::Max)) => body.text("think", "high"),
        (false, effort) => body.flag("think", effort.is_some_and(|effort| effort > Effort::Minimal)),
    }
}
