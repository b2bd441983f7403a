//! A request of messages → the form.

use super::super::form::{Effort, Knob, Output, Reasoning, Request, Role, Setting, Tool, ToolChoice, Turn};
use super::super::json::{fields, flag, get, get_text, items, text};
use super::super::loss::Losses;
use super::super::{Dialect, TranslateError};
use super::cache::read_cache;
use super::content::read_parts;
use crate::json::view::whole_number;

/// What a provider does with a long conversation by itself; a target without it is sent all of it.
const ASIDE: [&str; 2] = ["context_management", "diagnostics"];

/// Reads a request; what the form has no place for is lost.
pub(crate) fn read_request<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Request<'a>, TranslateError> {
    let mut request = Request { include_usage: true, ..Request::default() };
    let mut effort = None;
    let (mut system, mut thinking) = (None, None);
    for (name, value) in fields(body) {
        if let Some(knob) = Knob::from_name(&name, Dialect::Messages) {
            request.settings.push(Setting { knob, name, value });
            continue;
        }
        let known = match &*name {
            "model" => text(value).map(|model| request.model = Some(model)).is_some(),
            "system" => {
                system = Some(value);
                true
            }
            "messages" => read_messages(value, &mut request, losses)?,
            "tools" => read_tools(value, &mut request, losses),
            "tool_choice" => read_choice(value, &mut request).is_some(),
            "stop_sequences" => {
                request.stop = items(value).filter_map(text).collect();
                value.starts_with(b"[")
            }
            "stream" => flag(value).map(|it| request.stream = Some(it)).is_some(),
            "thinking" => {
                thinking = Some(value);
                true
            }
            "output_config" => {
                effort = read_output_config(value, &mut request, losses);
                value.starts_with(b"{")
            }
            "output_format" => read_format(value, &mut request),
            "metadata" => read_metadata(value, &mut request, losses),
            "service_tier" => text(value).map(|tier| request.tier = Some(tier)).is_some(),
            "cache_control" => {
                request.cache = read_cache(value);
                request.cache.is_some()
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
    if let Some(value) = system {
        let parts = read_parts(value, "system", losses).ok_or_else(|| invalid("system"))?;
        request.turns.insert(0, Turn { role: Role::System, at: 0, parts });
    }
    request.reasoning = effort.map(|effort| (Reasoning::Effort(effort), "output_config.effort"));
    match thinking {
        Some(value) if !read_thinking(value, effort, &mut request) => Err(invalid("thinking")),
        _ => Ok(request),
    }
}

fn invalid(name: &str) -> TranslateError {
    TranslateError::Invalid { name: name.to_owned(), place: "request".to_owned() }
}

/// Reads `thinking`, which LiteLLM takes from chat clients as well.
pub(crate) fn read_thinking(value: &[u8], effort: Option<Effort>, request: &mut Request<'_>) -> bool {
    let reasoning = match get_text(value, "type").as_deref() {
        Some("enabled") => match get(value, "budget_tokens").and_then(whole_number) {
            Some(tokens) => Reasoning::Budget(tokens),
            None => Reasoning::Adaptive(effort),
        },
        Some("adaptive") => Reasoning::Adaptive(effort),
        Some("disabled") => Reasoning::Off,
        _ => return false,
    };
    request.reasoning = Some((reasoning, "thinking"));
    // Who turns thinking on expects to see the thoughts.
    request.shows_thoughts = reasoning != Reasoning::Off;
    true
}

fn read_messages<'a>(
    value: &'a [u8],
    request: &mut Request<'a>,
    losses: &mut Losses,
) -> Result<bool, TranslateError> {
    request.turns.clear();
    for (at, message) in items(value).enumerate() {
        let place = format!("messages[{at}]");
        let wrong = |name: &str| TranslateError::Invalid { name: name.to_owned(), place: place.clone() };
        let role = match get_text(message, "role").as_deref() {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            _ => return Err(wrong("role")),
        };
        let content = get(message, "content").ok_or_else(|| wrong("content"))?;
        let parts = read_parts(content, &place, losses).ok_or_else(|| wrong("content"))?;
        for (name, _) in fields(message) {
            if !matches!(&*name, "role" | "content") {
                losses.aside(&name, &place);
            }
        }
        request.turns.push(Turn { role, at, parts });
    }
    Ok(value.starts_with(b"["))
}

fn read_tools<'a>(value: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) -> bool {
    request.tools.clear();
    for (at, tool) in items(value).enumerate() {
        if let Some(kind) = get_text(tool, "type").filter(|kind| kind != "custom") {
            losses.asked(&kind, format_args!("tools[{at}]"));
            continue;
        }
        let mut read = Tool { name: get_text(tool, "name").unwrap_or_default(), ..Tool::default() };
        for (name, value) in fields(tool) {
            match &*name {
                "type" | "name" => {}
                "description" => read.description = text(value),
                "input_schema" => read.parameters = value.starts_with(b"{").then_some(value),
                "strict" => read.strict = flag(value),
                "cache_control" => read.cache = read_cache(value),
                other => losses.aside(other, format_args!("tools[{at}]")),
            }
        }
        request.tools.push(read);
    }
    value.starts_with(b"[")
}

fn read_choice<'a>(value: &'a [u8], request: &mut Request<'a>) -> Option<()> {
    request.tool_choice = Some(match &*get_text(value, "type")? {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Tool(get_text(value, "name")?),
        _ => return None,
    });
    if let Some(disabled) = get(value, "disable_parallel_tool_use").and_then(flag) {
        request.parallel_tools = Some(!disabled);
    }
    Some(())
}

fn read_output_config<'a>(value: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) -> Option<Effort> {
    let mut effort = None;
    for (name, value) in fields(value) {
        match &*name {
            "effort" => {
                effort = text(value).and_then(|name| Effort::from_name(&name));
                if effort.is_none() {
                    losses.asked("output_config.effort", "");
                }
            }
            "format" => {
                if !read_format(value, request) {
                    losses.asked("output_config.format", "");
                }
            }
            other => losses.aside(&format!("output_config.{other}"), ""),
        }
    }
    effort
}

fn read_format<'a>(value: &'a [u8], request: &mut Request<'a>) -> bool {
    if get_text(value, "type").as_deref() != Some("json_schema") {
        return false;
    }
    let schema = get(value, "schema").filter(|schema| schema.starts_with(b"{"));
    // Anthropic keeps to every schema it takes.
    request.output = Some(Output::Schema { name: None, description: None, schema, strict: Some(true) });
    schema.is_some()
}

fn read_metadata<'a>(value: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) -> bool {
    for (name, value) in fields(value) {
        match &*name {
            "user_id" => request.user = text(value),
            other => losses.aside(&format!("metadata.{other}"), ""),
        }
    }
    value.starts_with(b"{")
}
