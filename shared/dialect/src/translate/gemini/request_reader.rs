//! A request → the form.

use std::borrow::Cow;

use super::super::form::{Knob, Request, Setting, Tool, ToolChoice};
use super::super::json::{items as list, text};
use super::super::loss::Losses;
use super::super::{Dialect, TranslateError};
use super::config::{read_config, setting};
use super::content::{read_contents, read_system};
use super::names::{fields, get, get_text, items};

/// Reads a request; what the form has no place for is lost. The model's name is in the path, and may be missing here.
pub(crate) fn read_request<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Request<'a>, TranslateError> {
    let mut request = Request { include_usage: true, ..Request::default() };
    let mut allowed = None;
    for (name, value) in fields(body) {
        if let Some(knob) = Knob::from_name(&name, Dialect::Gemini) {
            request.settings.push(setting(knob, name, value));
            continue;
        }
        let known = match &*name {
            "model" => text(value).map(|model| request.model = Some(bare_model(model))).is_some(),
            "contents" => read_contents(value, &mut request, losses)?,
            "systemInstruction" => read_system(value, &mut request, losses),
            "tools" => read_tools(value, &mut request, losses),
            "toolConfig" => {
                allowed = read_tool_config(value, &mut request, losses);
                value.starts_with(b"{")
            }
            "generationConfig" => read_config(value, &mut request, losses),
            "labels" => {
                losses.aside("labels", "");
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
    if let Some(allowed) = allowed {
        restrict(&mut request, &allowed);
    }
    Ok(request)
}

/// `models/x` is `x`.
fn bare_model(model: Cow<'_, str>) -> Cow<'_, str> {
    match model {
        Cow::Borrowed(name) => name.strip_prefix("models/").unwrap_or(name).into(),
        Cow::Owned(name) => name.strip_prefix("models/").unwrap_or(&name).to_owned().into(),
    }
}

fn read_tools<'a>(value: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) -> bool {
    for (at, tool) in items(value).enumerate() {
        for (name, value) in fields(tool) {
            match &*name {
                "functionDeclarations" => {
                    for function in items(value) {
                        request.tools.push(read_function(function, at, losses));
                    }
                }
                "googleSearch" | "googleSearchRetrieval" => {
                    request.settings.push(Setting { knob: Knob::WebSearch, name, value: b"{}" });
                }
                other => losses.asked(other, format_args!("tools[{at}]")),
            }
        }
    }
    value.starts_with(b"[") || value.starts_with(b"{")
}

fn read_function<'a>(function: &'a [u8], at: usize, losses: &mut Losses) -> Tool<'a> {
    let name = get_text(function, "name").unwrap_or_default();
    let mut tool = Tool { name, ..Tool::default() };
    for (name, value) in fields(function) {
        match &*name {
            "name" => {}
            "description" => tool.description = text(value),
            "parametersJsonSchema" => tool.parameters = value.starts_with(b"{").then_some(value),
            "behavior" if value == b"\"NON_BLOCKING\"" => {
                losses.asked("behavior", format_args!("tools[{at}].functionDeclarations"));
            }
            other => losses.aside(other, format_args!("tools[{at}].functionDeclarations")),
        }
    }
    tool
}

/// Reads how tools are called, and the names of those that may be.
fn read_tool_config<'a>(
    value: &'a [u8],
    request: &mut Request<'a>,
    losses: &mut Losses,
) -> Option<Vec<Cow<'a, str>>> {
    let mut allowed = None;
    for (name, value) in fields(value) {
        match &*name {
            "functionCallingConfig" => {
                let mode = get_text(value, "mode").map(|mode| mode.to_ascii_uppercase());
                request.tool_choice = match mode.as_deref() {
                    Some("ANY") => Some(ToolChoice::Required),
                    Some("NONE") => Some(ToolChoice::None),
                    Some("AUTO") => Some(ToolChoice::Auto),
                    // Arguments may be other than the schema says.
                    Some("VALIDATED") => {
                        losses.aside("mode", "toolConfig.functionCallingConfig");
                        Some(ToolChoice::Auto)
                    }
                    _ => None,
                };
                let names =
                    get(value, "allowedFunctionNames").map(|names| list(names).filter_map(text).collect());
                allowed = names.filter(|names: &Vec<_>| !names.is_empty());
            }
            "includeServerSideToolInvocations" => losses.aside(&name, "toolConfig"),
            other => losses.asked(other, "toolConfig"),
        }
    }
    allowed
}

/// One tool that must be called is the choice; of several, the others are left out.
fn restrict(request: &mut Request<'_>, allowed: &[Cow<'_, str>]) {
    match (allowed, &request.tool_choice) {
        ([one], Some(ToolChoice::Required)) => {
            if let Some(tool) = request.tools.iter().find(|tool| tool.name == *one) {
                request.tool_choice = Some(ToolChoice::Tool(tool.name.clone()));
            }
        }
        _ => {
            let allowed: std::collections::HashSet<&str> = allowed.iter().map(|name| &**name).collect();
            request.tools.retain(|tool| allowed.contains(&*tool.name));
        }
    }
}
