//! A request of Converse → the form.

use std::borrow::Cow;

use super::super::form::{Knob, Output, Request, Role, Setting, Tool, ToolChoice, Turn};
use super::super::json::{fields, flag, get, get_text, is_object, items, text};
use super::super::loss::Losses;
use super::super::{Dialect, TranslateError};
use super::cache::read_cache;
use super::content::read_parts;
use super::model_fields::read_model_fields;

/// Members that change nothing about the answer.
const ASIDE: [&str; 2] = ["requestMetadata", "additionalModelResponseFieldPaths"];

/// The schema of the output, which is text within the request.
pub(crate) fn read_schema(body: &[u8]) -> Option<Cow<'_, str>> {
    let structure = get(get(get(body, "outputConfig")?, "textFormat")?, "structure")?;
    get_text(get(structure, "jsonSchema")?, "schema").filter(|schema| is_object(schema))
}

/// Reads a request, with what [`read_schema`] found in it; what the form has no place for is lost.
pub(crate) fn read_request<'a>(
    body: &'a [u8],
    schema: Option<&'a str>,
    losses: &mut Losses,
) -> Result<Request<'a>, TranslateError> {
    let mut request = Request { include_usage: true, ..Request::default() };
    let mut system = None;
    for (name, value) in fields(body) {
        let known = match &*name {
            // It stands in the path; some clients say it here as well.
            "model" | "modelId" => text(value).map(|model| request.model = Some(model)).is_some(),
            "system" => read_parts(value, "system", losses).map(|parts| system = Some(parts)).is_some(),
            "messages" => read_messages(value, &mut request, losses)?,
            "inferenceConfig" => read_inference(value, &mut request, losses),
            "toolConfig" => read_tools(value, &mut request, losses),
            "additionalModelRequestFields" => read_model_fields(value, &mut request, losses),
            "outputConfig" => read_output(value, schema, &mut request, losses),
            "serviceTier" => get_text(value, "type").map(|tier| request.tier = Some(tier)).is_some(),
            "guardrailConfig" | "performanceConfig" => setting(name.clone(), value, &mut request),
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
    if let Some(parts) = system.filter(|parts| !parts.is_empty()) {
        request.turns.insert(0, Turn { role: Role::System, at: 0, parts });
    }
    Ok(request)
}

fn setting<'a>(name: Cow<'a, str>, value: &'a [u8], request: &mut Request<'a>) -> bool {
    let Some(knob) = Knob::from_name(&name, Dialect::Converse) else { return false };
    request.settings.push(Setting { knob, name, value });
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
            _ => return Err(wrong("role")),
        };
        let content = get(message, "content").ok_or_else(|| wrong("content"))?;
        let parts = read_parts(content, &place, losses).ok_or_else(|| wrong("content"))?;
        request.turns.push(Turn { role, at, parts });
    }
    Ok(value.starts_with(b"["))
}

fn read_inference<'a>(value: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) -> bool {
    for (name, value) in fields(value) {
        if name == "stopSequences" && value.starts_with(b"[") {
            request.stop = items(value).filter_map(text).collect();
        } else if !setting(name.clone(), value, request) {
            losses.asked(&format!("inferenceConfig.{name}"), "");
        }
    }
    value.starts_with(b"{")
}

fn read_tools<'a>(value: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) -> bool {
    request.tools.clear();
    for (at, tool) in get(value, "tools").into_iter().flat_map(items).enumerate() {
        let Some((kind, spec)) = fields(tool).next() else { continue };
        match &*kind {
            "toolSpec" => request.tools.push(read_tool(spec)),
            "cachePoint" => match request.tools.last_mut() {
                Some(last) => last.cache = Some(read_cache(spec)),
                None => losses.aside("cachePoint", format_args!("toolConfig.tools[{at}]")),
            },
            other => losses.asked(other, format_args!("toolConfig.tools[{at}]")),
        }
    }
    if let Some((kind, choice)) = get(value, "toolChoice").and_then(|choice| fields(choice).next()) {
        request.tool_choice = match (&*kind, get_text(choice, "name")) {
            ("auto", _) => Some(ToolChoice::Auto),
            ("any", _) => Some(ToolChoice::Required),
            ("tool", Some(name)) => Some(ToolChoice::Tool(name)),
            _ => return false,
        };
    }
    value.starts_with(b"{")
}

fn read_tool(spec: &[u8]) -> Tool<'_> {
    Tool {
        name: get_text(spec, "name").unwrap_or_default(),
        description: get_text(spec, "description"),
        parameters: get(spec, "inputSchema")
            .and_then(|schema| get(schema, "json"))
            .filter(|schema| schema.starts_with(b"{")),
        strict: get(spec, "strict").and_then(flag),
        cache: None,
    }
}

fn read_output<'a>(
    value: &'a [u8],
    schema: Option<&'a str>,
    request: &mut Request<'a>,
    losses: &mut Losses,
) -> bool {
    for (name, format) in fields(value) {
        let spec = get(format, "structure").and_then(|structure| get(structure, "jsonSchema"));
        match (&*name, spec, schema) {
            ("textFormat", Some(spec), Some(schema)) => {
                request.output = Some(Output::Schema {
                    name: get_text(spec, "name"),
                    description: get_text(spec, "description"),
                    schema: Some(schema.as_bytes()),
                    // Bedrock keeps to every schema it takes.
                    strict: Some(true),
                });
            }
            ("textFormat", ..) => return false,
            (other, ..) => losses.asked(&format!("outputConfig.{other}"), ""),
        }
    }
    value.starts_with(b"{")
}
