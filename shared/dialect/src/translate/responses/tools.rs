//! Tools of a request.

use super::super::Namespaced;
use super::super::form::{Knob, Request, Setting, Tool, ToolChoice};
use super::super::json::{fields, flag, get, get_text, items, text};
use super::super::loss::Losses;
use super::super::write::{Fields, Items};

/// What a tool that takes plain text is called with elsewhere.
const PLAIN: &[u8] =
    br#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}"#;

/// Reads the functions, those of namespaces and those that take plain text, too; tools of the provider are lost by their
/// names.
pub(super) fn read_tools<'a>(value: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) -> bool {
    request.tools.clear();
    request.namespaced.clear();
    request.plain_tools.clear();
    for (at, tool) in items(value).enumerate() {
        match get_text(tool, "type").as_deref() {
            Some("function") => request.tools.push(read_function(at, tool, losses)),
            Some("custom") => read_plain(at, tool, request, losses),
            Some("namespace") => read_namespace(at, tool, request, losses),
            Some(kind) if kind.starts_with("web_search") => read_search(at, tool, request, losses),
            kind => losses.asked(kind.unwrap_or_default(), format_args!("tools[{at}]")),
        }
    }
    value.starts_with(b"[")
}

fn read_function<'a>(at: usize, tool: &'a [u8], losses: &mut Losses) -> Tool<'a> {
    let mut read = Tool { name: get_text(tool, "name").unwrap_or_default(), ..Tool::default() };
    for (name, value) in fields(tool) {
        match &*name {
            "type" | "name" => {}
            "description" => read.description = text(value),
            "parameters" => read.parameters = value.starts_with(b"{").then_some(value),
            "strict" => read.strict = flag(value),
            other => losses.aside(other, format_args!("tools[{at}]")),
        }
    }
    read
}

/// A tool that takes plain text: a function with one text here. What form the text has is told in its description, as
/// LiteLLM tells it; nobody holds the model to it.
fn read_plain<'a>(at: usize, tool: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) {
    let name = get_text(tool, "name").unwrap_or_default();
    let mut description = get_text(tool, "description").unwrap_or_default().into_owned();
    for (member, value) in fields(tool) {
        match &*member {
            "type" | "name" | "description" => {}
            "format" => {
                let said = |name| get_text(value, name).unwrap_or_default();
                if !said("definition").is_empty() {
                    losses.aside("format", format_args!("tools[{at}]"));
                    let (syntax, definition) = (said("syntax"), said("definition"));
                    description.push_str(&format!("\n\nFormat:\n```{syntax}\n{definition}\n```"));
                }
            }
            other => losses.aside(other, format_args!("tools[{at}]")),
        }
    }
    request.plain_tools.insert(name.clone().into_owned());
    let description = (!description.is_empty()).then_some(description.into());
    request.tools.push(Tool { name, description, parameters: Some(PLAIN), ..Tool::default() });
}

/// A search of the web, wherever it likes: what says where is lost.
fn read_search<'a>(at: usize, tool: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) {
    for (name, value) in fields(tool) {
        match &*name {
            "type" => {}
            "external_web_access" if value == b"true" => {}
            "search_context_size" | "user_location" => losses.aside(&name, format_args!("tools[{at}]")),
            other => losses.asked(other, format_args!("tools[{at}]")),
        }
    }
    request.settings.push(Setting { knob: Knob::WebSearch, name: "web_search".into(), value: b"{}" });
}

/// The functions of a namespace, by whole names.
fn read_namespace<'a>(at: usize, tool: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) {
    let namespace = get_text(tool, "name").unwrap_or_default();
    for (name, value) in fields(tool) {
        match &*name {
            "type" | "name" => {}
            "tools" => {
                for inner in items(value) {
                    let kind = get_text(inner, "type").unwrap_or_default();
                    if kind != "function" {
                        losses.asked(&kind, format_args!("tools[{at}].tools"));
                        continue;
                    }
                    let mut function = read_function(at, inner, losses);
                    let (namespace, name) = (namespace.clone().into_owned(), function.name.into_owned());
                    let named = Namespaced { namespace, name };
                    function.name = named.whole_name().into();
                    request.tools.push(function);
                    request.namespaced.push(named);
                }
            }
            other => losses.aside(&format!("namespace.{other}"), format_args!("tools[{at}]")),
        }
    }
}

/// Reads what to call. Where only some tools are allowed, the others are not offered.
pub(super) fn read_choice<'a>(value: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) -> Option<()> {
    let by_word = |word: &str| match word {
        "auto" => Some(ToolChoice::Auto),
        "none" => Some(ToolChoice::None),
        "required" => Some(ToolChoice::Required),
        _ => None,
    };
    if let Some(word) = text(value) {
        request.tool_choice = Some(by_word(&word)?);
        return Some(());
    }
    let choice = match &*get_text(value, "type")? {
        "function" | "custom" => ToolChoice::Tool(get_text(value, "name")?),
        "allowed_tools" => {
            let choice = by_word(&get_text(value, "mode")?)?;
            allow(get(value, "tools")?, request, losses);
            choice
        }
        other => {
            losses.asked(other, "tool_choice");
            ToolChoice::Auto
        }
    };
    request.tool_choice = Some(choice);
    Some(())
}

fn allow(tools: &[u8], request: &mut Request<'_>, losses: &mut Losses) {
    let mut allowed = Vec::new();
    let mut searches = false;
    for (at, tool) in items(tools).enumerate() {
        match get_text(tool, "type").as_deref() {
            Some("function" | "custom") => allowed.extend(get_text(tool, "name")),
            Some(kind) if kind.starts_with("web_search") => searches = true,
            kind => losses.asked(kind.unwrap_or_default(), format_args!("tool_choice.tools[{at}]")),
        }
    }
    allowed.sort_unstable();
    request.tools.retain(|tool| allowed.binary_search(&tool.name).is_ok());
    request.settings.retain(|setting| searches || setting.knob != Knob::WebSearch);
}

/// Writes the functions, and what to call.
pub(super) fn write_tools(
    request: &Request<'_>,
    search: Option<&[u8]>,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) {
    if request.tools.is_empty() && search.is_none() {
        return;
    }
    body.array("tools", |items| {
        for (at, tool) in request.tools.iter().enumerate() {
            if tool.cache.is_some() {
                losses.aside("cache_control", format_args!("tools[{at}]"));
            }
            write_tool(tool, items);
        }
        if let Some(search) = search {
            items.object(|fields| write_search(search, fields, losses));
        }
    });
    match &request.tool_choice {
        None => {}
        Some(ToolChoice::Auto) => body.text("tool_choice", "auto"),
        Some(ToolChoice::None) => body.text("tool_choice", "none"),
        Some(ToolChoice::Required) => body.text("tool_choice", "required"),
        Some(ToolChoice::Tool(name)) => body.object("tool_choice", |choice| {
            choice.text("type", "function");
            choice.text("name", name);
        }),
    }
    if let Some(parallel) = request.parallel_tools {
        body.flag("parallel_tool_calls", parallel);
    }
}

fn write_tool(tool: &Tool<'_>, items: &mut Items<'_>) {
    items.object(|fields| {
        fields.text("type", "function");
        fields.text("name", &tool.name);
        if let Some(description) = &tool.description {
            fields.text("description", description);
        }
        fields.raw("parameters", tool.parameters.unwrap_or(br#"{"type":"object","properties":{}}"#));
        // Left out it would be true here, and false everywhere else.
        fields.flag("strict", tool.strict.unwrap_or(false));
    });
}

/// Chat's `web_search_options` as the tool that it is here.
fn write_search(options: &[u8], fields: &mut Fields<'_>, losses: &mut Losses) {
    fields.text("type", "web_search");
    for (name, value) in super::super::json::fields(options) {
        match &*name {
            "search_context_size" => fields.raw(&name, value),
            "user_location" => fields.object("user_location", |place| {
                place.text("type", "approximate");
                let members = get(value, "approximate").unwrap_or_default();
                super::super::json::fields(members)
                    .filter(|(name, _)| matches!(&**name, "city" | "country" | "region" | "timezone"))
                    .for_each(|(name, value)| place.raw(&name, value));
            }),
            other => losses.aside(&format!("web_search_options.{other}"), ""),
        }
    }
}
