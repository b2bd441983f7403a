//! A chat request → the form.

use super::super::form::{Effort, Knob, Output, Reasoning, Request, Setting, Tool, ToolChoice};
use super::super::json::{fields, flag, get, get_text, items, text};
use super::super::loss::Losses;
use super::super::messages::read_cache;
use super::super::{Dialect, TranslateError};
use super::content::read_turn;
use crate::json::view::whole_number;

/// Members that change nothing about the answer.
const ASIDE: [&str; 7] = [
    "metadata",
    "store",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "moderation",
    "reasoning_format",
];

/// Reads a request; what the form has no place for is lost.
pub(crate) fn read_request<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Request<'a>, TranslateError> {
    let mut request = Request::default();
    for (name, value) in fields(body) {
        if let Some(knob) = Knob::from_name(&name, Dialect::Chat) {
            request.settings.push(Setting { knob, name, value });
            continue;
        }
        let known = match &*name {
            "model" => text(value).map(|model| request.model = Some(model)).is_some(),
            "messages" => read_messages(value, &mut request, losses)?,
            "tools" => read_tools(value, &mut request, losses),
            "tool_choice" => read_choice(value, losses).map(|it| request.tool_choice = Some(it)).is_some(),
            "parallel_tool_calls" => flag(value).map(|it| request.parallel_tools = Some(it)).is_some(),
            "response_format" => read_format(value, &mut request),
            "stop" => read_stop(value, &mut request),
            "reasoning_effort" => read_effort(value, &mut request),
            // Z.ai says here what becomes of earlier thoughts.
            "thinking" if get(value, "type").is_none() => {
                losses.aside("thinking", "");
                true
            }
            "thinking" => super::super::messages::read_thinking(value, None, &mut request),
            "user" => text(value).map(|user| request.user = Some(user)).is_some(),
            "service_tier" => text(value).map(|tier| request.tier = Some(tier)).is_some(),
            "stream" => flag(value).map(|it| request.stream = Some(it)).is_some(),
            "stream_options" => {
                request.include_usage = get(value, "include_usage") == Some(b"true");
                true
            }
            "cache_control" => {
                request.cache = read_cache(value);
                true
            }
            other if ASIDE.contains(&other) => {
                losses.aside(other, "");
                true
            }
            other => {
                losses.asked(other, "");
                true
            }
        };
        if !known {
            return Err(TranslateError::Invalid { name: name.into_owned(), place: "request".to_owned() });
        }
    }
    Ok(request)
}

fn read_messages<'a>(
    value: &'a [u8],
    request: &mut Request<'a>,
    losses: &mut Losses,
) -> Result<bool, TranslateError> {
    request.turns.clear();
    for (at, message) in items(value).enumerate() {
        request.turns.push(read_turn(at, message, losses)?);
    }
    Ok(value.starts_with(b"["))
}

fn read_tools<'a>(value: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) -> bool {
    request.tools.clear();
    for (at, tool) in items(value).enumerate() {
        let kind = get_text(tool, "type").unwrap_or("function".into());
        if kind != "function" {
            losses.asked(&kind, format_args!("tools[{at}]"));
            continue;
        }
        let Some(function) = get(tool, "function") else { return false };
        let mut read = Tool {
            name: get_text(function, "name").unwrap_or_default(),
            cache: get(tool, "cache_control").and_then(read_cache),
            ..Tool::default()
        };
        for (name, value) in fields(function) {
            match &*name {
                "name" => {}
                "description" => read.description = text(value),
                "parameters" => read.parameters = value.starts_with(b"{").then_some(value),
                "strict" => read.strict = flag(value),
                "cache_control" => read.cache = read_cache(value),
                other => losses.aside(other, format_args!("tools[{at}].function")),
            }
        }
        for (name, _) in fields(tool) {
            if !matches!(&*name, "type" | "function" | "cache_control") {
                losses.aside(&name, format_args!("tools[{at}]"));
            }
        }
        request.tools.push(read);
    }
    value.starts_with(b"[")
}

fn read_choice<'a>(value: &'a [u8], losses: &mut Losses) -> Option<ToolChoice<'a>> {
    if let Some(word) = text(value) {
        return Some(match &*word {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" | "any" => ToolChoice::Required,
            _ => return None,
        });
    }
    // Hugging Face leaves the type out.
    match &*get_text(value, "type").unwrap_or("function".into()) {
        "function" => Some(ToolChoice::Tool(get_text(get(value, "function")?, "name")?)),
        other => {
            losses.asked(other, "tool_choice");
            Some(ToolChoice::Auto)
        }
    }
}

fn read_format<'a>(value: &'a [u8], request: &mut Request<'a>) -> bool {
    request.output = match get_text(value, "type").as_deref() {
        Some("text") => None,
        Some("json_object") => Some(Output::Json),
        Some("json_schema") => {
            let Some(spec) = get(value, "json_schema") else { return false };
            Some(Output::Schema {
                name: get_text(spec, "name"),
                description: get_text(spec, "description"),
                schema: get(spec, "schema").filter(|schema| schema.starts_with(b"{")),
                strict: get(spec, "strict").and_then(flag),
            })
        }
        _ => return false,
    };
    true
}

fn read_stop<'a>(value: &'a [u8], request: &mut Request<'a>) -> bool {
    match text(value) {
        Some(one) => request.stop = vec![one],
        None => request.stop = items(value).filter_map(text).collect(),
    }
    value.starts_with(b"\"") || value.starts_with(b"[")
}

fn read_effort(value: &[u8], request: &mut Request<'_>) -> bool {
    // LiteLLM takes OpenAI's newer object as well.
    let word = text(value).or_else(|| get_text(value, "effort"));
    let reasoning = match word.as_deref() {
        // What the model does by itself, in Groq's words.
        Some("default" | "auto") => return true,
        Some("none" | "disable") => Some(Reasoning::Off),
        Some(name) => Effort::from_name(name).map(Reasoning::Effort),
        None => whole_number(value).map(Reasoning::Budget),
    };
    request.reasoning = reasoning.map(|reasoning| (reasoning, "reasoning_effort"));
    reasoning.is_some()
}
