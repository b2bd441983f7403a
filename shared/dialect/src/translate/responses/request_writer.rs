//! The form → a request of responses.

use bytes::{Bytes, BytesMut};

use super::super::chat::{effort_name, write_tier, write_user};
use super::super::form::{Effort, Knob, Output, Reasoning, Request};
use super::super::loss::Losses;
use super::super::write::{self, Fields, USUAL_SIZE};
use super::super::{Dialect, ReasoningStyle, RequestOptions};
use super::input_writer::write_input;
use super::tools::write_tools;
use super::{ENCRYPTED_REASONING, LOGPROBS};
use crate::json::view::whole_number;

/// What LiteLLM calls a schema that has no name.
const SCHEMA_NAME: &str = "structured_output";

/// The smallest limit of output that OpenAI takes.
const LEAST_OUTPUT: u64 = 16;

/// Writes a request.
pub(crate) fn write_request(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    losses: &mut Losses,
) -> Bytes {
    let mut out = BytesMut::with_capacity(USUAL_SIZE);
    write::object(&mut out, |body| {
        if let Some(model) = options.model.or(request.model.as_deref()) {
            body.text("model", model);
        }
        write_input(request, body, losses);
        write_tools(request, request.setting(Knob::WebSearch).map(|setting| setting.value), body, losses);
        write_settings(request, body, losses);
        write_text(request, body);
        write_include(request, write_reasoning(request, options, body, losses), body);
        if !request.stop.is_empty() {
            losses.asked("stop", "");
        }
        write_user(request, body, losses);
        write_tier(request, body, losses);
        if request.cache.is_some() {
            losses.aside("cache_control", "");
        }
        // The client brings the whole conversation, and did not ask anybody to keep it.
        body.flag("store", false);
        if let Some(stream) = request.stream {
            body.flag("stream", stream);
        }
    });
    out.freeze()
}

fn write_settings(request: &Request<'_>, body: &mut Fields<'_>, losses: &mut Losses) {
    for setting in &request.settings {
        match (setting.knob, setting.knob.name_in(Dialect::Responses)) {
            // These have a place of their own.
            (Knob::Verbosity | Knob::WebSearch, _) => {}
            (Knob::Logprobs, _) if matches!(setting.value, b"true" | b"false") => {}
            (Knob::MaxTokens, Some(name))
                if whole_number(setting.value).is_some_and(|it| it < LEAST_OUTPUT) =>
            {
                losses.aside(&setting.name, "");
                body.number(name, LEAST_OUTPUT);
            }
            (_, Some(name)) => body.raw(name, setting.value),
            (_, None) if setting.is_idle() => {}
            (_, None) => losses.asked(&setting.name, ""),
        }
    }
}

fn write_text(request: &Request<'_>, body: &mut Fields<'_>) {
    let verbosity = request.setting(Knob::Verbosity).map(|setting| setting.value);
    if request.output.is_none() && verbosity.is_none() {
        return;
    }
    body.object("text", |text| {
        if let Some(output) = &request.output {
            text.object("format", |format| write_format(output, format));
        }
        if let Some(verbosity) = verbosity {
            text.raw("verbosity", verbosity);
        }
    });
}

fn write_format(output: &Output<'_>, format: &mut Fields<'_>) {
    match output {
        Output::Json | Output::Schema { schema: None, .. } => format.text("type", "json_object"),
        Output::Schema { name, description, schema: Some(schema), strict } => {
            format.text("type", "json_schema");
            format.text("name", name.as_deref().unwrap_or(SCHEMA_NAME));
            if let Some(description) = description {
                format.text("description", description);
            }
            format.raw("schema", schema);
            if let Some(strict) = strict {
                format.flag("strict", *strict);
            }
        }
    }
}

/// Writes how much to think. True when the model will.
fn write_reasoning(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) -> bool {
    let Some((reasoning, name)) = request.reasoning else { return false };
    if options.reasoning == ReasoningStyle::None {
        losses.reasoning(reasoning, name);
        return false;
    }
    let effort = match reasoning {
        // Not every model takes `none`, and a client of messages says it where it means nothing by it.
        Reasoning::Off if name == "thinking" => return false,
        Reasoning::Off => Some("none"),
        Reasoning::Adaptive(None) => None,
        Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort)) => Some(effort_name(effort)),
        Reasoning::Budget(tokens) => Some(effort_name(Effort::of_budget(tokens))),
    };
    body.object("reasoning", |fields| {
        if let Some(effort) = effort {
            fields.text("effort", effort);
        }
        if request.shows_thoughts {
            fields.text("summary", "auto");
        }
    });
    reasoning != Reasoning::Off
}

/// Models that do not think refuse to prove that they did.
fn write_include(request: &Request<'_>, thinks: bool, body: &mut Fields<'_>) {
    let logprobs = request.setting(Knob::Logprobs).map(|setting| setting.value) == Some(b"true");
    if !thinks && !logprobs {
        return;
    }
    body.array("include", |items| {
        if thinks {
            items.text(ENCRYPTED_REASONING);
        }
        if logprobs {
            items.text(LOGPROBS);
        }
    });
}
