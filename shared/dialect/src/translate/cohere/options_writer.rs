//! Everything of a request that is neither conversation nor tools.

use super::super::form::{Effort, Knob, Output, Reasoning, Request, Setting};
use super::super::json::items;
use super::super::loss::Losses;
use super::super::write::{Fields, Items};
use super::super::{Dialect, ReasoningStyle, RequestOptions};
use super::OWN;
use super::turn_writer::Document;

/// The most that Cohere takes: others say 1 where they want no bound at all.
const MOST_P: f64 = 0.99;

/// Writes the options. `documents` are those of the conversation.
pub(super) fn write_options(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    documents: &[Document<'_>],
    body: &mut Fields<'_>,
    losses: &mut Losses,
) {
    let settings = &request.settings;
    write_settings(settings, body, losses);
    let own = settings.iter().find(|setting| setting.knob == Knob::Native && setting.name == "documents");
    if own.is_some() || !documents.is_empty() {
        body.array("documents", |items| write_documents(own.map(|own| own.value), documents, items));
    }
    let has_documents = own.is_some() || !documents.is_empty();
    write_output(request, has_documents, body, losses);
    write_reasoning(request, options, body, losses);
    if !request.stop.is_empty() {
        body.array("stop_sequences", |items| request.stop.iter().for_each(|stop| items.text(stop)));
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

fn write_settings(settings: &[Setting<'_>], body: &mut Fields<'_>, losses: &mut Losses) {
    for setting in settings {
        match (setting.knob, setting.knob.name_in(Dialect::Cohere)) {
            (Knob::Native, _) if setting.name == "documents" => {}
            (Knob::Native, _) if OWN.contains(&&*setting.name) => body.raw(&setting.name, setting.value),
            // Of the two penalties some models take only one, and nobody means anything by a zero.
            (knob, _) if knob.is_idle(setting.value) => {}
            (Knob::TopP, Some(name)) => {
                let asked: Option<f64> = serde_json::from_slice(setting.value).ok();
                let most = asked.is_some_and(|asked| asked > MOST_P).then_some(&b"0.99"[..]);
                body.raw(name, most.unwrap_or(setting.value));
            }
            (_, Some(name)) => body.raw(name, setting.value),
            (_, None) => losses.asked(&setting.name, ""),
        }
    }
}

fn write_documents(own: Option<&[u8]>, documents: &[Document<'_>], list: &mut Items<'_>) {
    for document in own.into_iter().flat_map(items) {
        list.value().extend_from_slice(document);
    }
    for document in documents {
        list.object(|fields| document.write(fields));
    }
}

fn write_output(request: &Request<'_>, has_documents: bool, body: &mut Fields<'_>, losses: &mut Losses) {
    let Some(output) = &request.output else { return };
    // Cohere refuses them together.
    if has_documents || !request.tools.is_empty() {
        return losses.asked("response_format", "");
    }
    body.object("response_format", |format| {
        format.text("type", "json_object");
        if let Output::Schema { schema: Some(schema), .. } = output {
            format.raw("json_schema", schema);
        }
    });
}

/// Models that reason do so unless they are told not to.
fn write_reasoning(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) {
    let Some((reasoning, name)) = request.reasoning else { return };
    if options.reasoning == ReasoningStyle::None {
        return losses.reasoning(reasoning, name);
    }
    let budget = match reasoning {
        Reasoning::Off | Reasoning::Adaptive(None) => None,
        Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort)) => Some(Effort::budget(effort)),
        Reasoning::Budget(tokens) => Some(tokens),
    };
    body.object("thinking", |thinking| {
        thinking.text("type", if reasoning == Reasoning::Off { "disabled" } else { "enabled" });
        if let Some(budget) = budget {
            thinking.number("token_budget", budget);
        }
    });
}
