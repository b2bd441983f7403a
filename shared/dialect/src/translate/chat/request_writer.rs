//! The form → a chat request.

use bytes::{Bytes, BytesMut};

use super::super::form::{Effort, Knob, Output, Reasoning, Request, Tool, ToolChoice};
use super::super::loss::Losses;
use super::super::messages::write_cache;
use super::super::write::{self, Fields, Items, USUAL_SIZE};
use super::super::{Dialect, ReasoningStyle, RequestOptions};
use super::turn_writer::write_turn;
use crate::fit::Verdict;

/// What LiteLLM calls a schema that has no name.
const SCHEMA_NAME: &str = "structured_output";

/// The longest name of an end user that OpenAI takes, in bytes.
const LONGEST_USER: usize = 64;

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
        body.array("messages", |messages| {
            for turn in &request.turns {
                write_turn(turn, options, messages, losses);
            }
        });
        write_tools(request, options, body, losses);
        write_settings(request, options, body, losses);
        write_output(request, body);
        write_reasoning(request, options, body, losses);
        match request.stop.as_slice() {
            [] => {}
            _ if verdict("stop", b"", request, options) != Verdict::Keep => losses.asked("stop", ""),
            stops => body.array("stop", |items| stops.iter().for_each(|stop| items.text(stop))),
        }
        match verdict("user", b"", request, options) {
            Verdict::Aside if request.user.is_some() => losses.aside("user", ""),
            _ => write_user(request, body, losses),
        }
        match verdict("service_tier", b"", request, options) {
            Verdict::Aside if request.tier.is_some() => losses.aside("service_tier", ""),
            _ => write_tier(request, body, losses),
        }
        if request.cache.is_some() && !options.cache_control {
            losses.aside("cache_control", "");
        } else if let Some(cache) = request.cache {
            write_cache(body, cache);
        }
        if let Some(stream) = request.stream {
            body.flag("stream", stream);
            if stream && options.stream_usage {
                body.object("stream_options", |fields| fields.flag("include_usage", true));
            }
        }
    });
    out.freeze()
}

fn write_tools(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) {
    if request.tools.is_empty() {
        return;
    }
    body.array("tools", |items| {
        for (at, tool) in request.tools.iter().enumerate() {
            if tool.cache.is_some() && !options.cache_control {
                losses.aside("cache_control", format_args!("tools[{at}]"));
            }
            write_tool(tool, options, items);
        }
    });
    match &request.tool_choice {
        None => {}
        Some(ToolChoice::Auto) => body.text("tool_choice", "auto"),
        Some(ToolChoice::None) => body.text("tool_choice", "none"),
        Some(ToolChoice::Required) => {
            let word: &[u8] = b"\"required\"";
            body.raw("tool_choice", options.members.value("tool_choice", word).unwrap_or(word));
        }
        Some(ToolChoice::Tool(name)) => body.object("tool_choice", |choice| {
            choice.text("type", "function");
            choice.object("function", |function| function.text("name", name));
        }),
    }
    if let Some(parallel) = request.parallel_tools {
        body.flag("parallel_tool_calls", parallel);
    }
}

fn write_tool(tool: &Tool<'_>, options: &RequestOptions<'_>, items: &mut Items<'_>) {
    items.object(|fields| {
        fields.text("type", "function");
        fields.object("function", |function| {
            function.text("name", &tool.name);
            if let Some(description) = &tool.description {
                function.text("description", description);
            }
            if let Some(parameters) = tool.parameters {
                function.raw("parameters", parameters);
            }
            if let Some(strict) = tool.strict {
                function.flag("strict", strict);
            }
        });
        if let Some(cache) = tool.cache.filter(|_| options.cache_control) {
            write_cache(fields, cache);
        }
    });
}

fn write_settings(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) {
    for setting in &request.settings {
        let name = setting.knob.name_in(Dialect::Chat).unwrap_or_default();
        match verdict(name, setting.value, request, options) {
            Verdict::Keep => {}
            Verdict::Idle => continue,
            Verdict::Refuse if setting.is_googles_default() => continue,
            Verdict::Aside => {
                losses.aside(&setting.name, "");
                continue;
            }
            Verdict::Refuse => {
                losses.asked(&setting.name, "");
                continue;
            }
        }
        match setting.knob.name_in(Dialect::Chat) {
            Some("max_tokens") if options.max_completion_tokens => {
                body.raw("max_completion_tokens", setting.value);
            }
            // A chat client has chosen between the two names itself.
            Some("max_tokens") if setting.name == "max_completion_tokens" => {
                body.raw("max_completion_tokens", setting.value);
            }
            // A tool that the model may use; chat's option is for models that always search.
            Some(_) if setting.knob == Knob::WebSearch && setting.name == "web_search" => {
                losses.asked(&setting.name, "tools");
            }
            Some(name) => body.raw(options.members.name(name), setting.value),
            None if setting.is_idle() => {}
            None => losses.asked(&setting.name, ""),
        }
    }
}

fn verdict(name: &str, value: &[u8], request: &Request<'_>, options: &RequestOptions<'_>) -> Verdict {
    options.members.verdict(name, value, effort(request))
}

/// How much the model is told to reason, in chat's words where that matters.
fn effort(request: &Request<'_>) -> Option<&'static str> {
    match request.reasoning? {
        (Reasoning::Off, "thinking") | (Reasoning::Adaptive(None), _) => None,
        (Reasoning::Off, _) => Some("none"),
        _ => Some("some"),
    }
}

fn write_output(request: &Request<'_>, body: &mut Fields<'_>) {
    match &request.output {
        None => {}
        Some(Output::Json) => body.object("response_format", |format| format.text("type", "json_object")),
        Some(Output::Schema { name, description, schema, strict }) => {
            body.object("response_format", |format| {
                format.text("type", "json_schema");
                format.object("json_schema", |spec| {
                    spec.text("name", name.as_deref().unwrap_or(SCHEMA_NAME));
                    if let Some(description) = description {
                        spec.text("description", description);
                    }
                    if let Some(schema) = schema {
                        spec.raw("schema", schema);
                    }
                    if let Some(strict) = strict {
                        spec.flag("strict", *strict);
                    }
                });
            });
        }
    }
}

fn write_reasoning(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) {
    let Some((reasoning, name)) = request.reasoning else { return };
    if options.reasoning == ReasoningStyle::None {
        losses.reasoning(reasoning, name);
        return;
    }
    let effort = match reasoning {
        // Not every model takes `none`, and a client of messages says it where it means nothing by it.
        Reasoning::Off if name == "thinking" => return,
        Reasoning::Off => "none",
        Reasoning::Adaptive(None) => return,
        Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort)) => effort_name(effort),
        Reasoning::Budget(tokens) => effort_name(Effort::of_budget(tokens)),
    };
    body.text("reasoning_effort", effort);
}

/// OpenAI has nothing above `xhigh`.
pub(crate) fn effort_name(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Xhigh | Effort::Max => "xhigh",
    }
}

/// The beginning of a long name tells users apart as well.
pub(crate) fn write_user(request: &Request<'_>, body: &mut Fields<'_>, losses: &mut Losses) {
    let Some(user) = &request.user else { return };
    let shown = user.get(..user.floor_char_boundary(LONGEST_USER)).unwrap_or_default();
    if shown.len() < user.len() {
        losses.aside("user", "");
    }
    body.text("user", shown);
}

pub(crate) fn write_tier(request: &Request<'_>, body: &mut Fields<'_>, losses: &mut Losses) {
    match request.tier.as_deref() {
        None => {}
        Some("standard_only") => body.text("service_tier", "default"),
        Some(tier @ ("auto" | "default" | "flex" | "priority" | "scale" | "on_demand")) => {
            body.text("service_tier", tier);
        }
        Some(_) => losses.asked("service_tier", ""),
    }
}
