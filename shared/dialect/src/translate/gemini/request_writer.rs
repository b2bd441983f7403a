//! The form → a request.

use bytes::{Bytes, BytesMut};

use super::super::RequestOptions;
use super::super::form::{Knob, Request, Tool, ToolChoice};
use super::super::loss::Losses;
use super::super::write::{self, Fields, USUAL_SIZE};
use super::options_writer::write_options;
use super::schema::write_schema;
use super::turn_writer::{write_contents, write_system};

/// Writes a request. The model's name and whether to stream stand in the path.
pub(crate) fn write_request(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    losses: &mut Losses,
) -> Bytes {
    let mut out = BytesMut::with_capacity(USUAL_SIZE);
    write::object(&mut out, |body| {
        write_contents(request, options, body, losses);
        write_system(request, body, losses);
        write_tools(request, body, losses);
        write_options(request, options, body, losses);
        if request.cache.is_some() {
            losses.aside("cache_control", "");
        }
    });
    out.freeze()
}

fn write_tools(request: &Request<'_>, body: &mut Fields<'_>, losses: &mut Losses) {
    let search = request.settings.iter().find(|setting| setting.knob == Knob::WebSearch);
    if let Some(search) = search {
        if request.tools.is_empty() {
            for (name, _) in super::super::json::fields(search.value) {
                losses.aside(&format!("{}.{name}", search.name), "");
            }
            body.array("tools", |items| items.object(|tool| tool.object("googleSearch", |_| {})));
        } else {
            // Google searches or calls, not both.
            losses.asked(&search.name, "");
        }
    }
    if request.tools.is_empty() {
        return;
    }
    body.array("tools", |items| {
        items.object(|tool| {
            tool.array("functionDeclarations", |items| {
                for (at, tool) in request.tools.iter().enumerate() {
                    items.object(|fields| write_tool(at, tool, fields, losses));
                }
            });
        });
    });
    write_choice(request, body);
    if request.parallel_tools == Some(false) && request.tools.len() > 1 {
        losses.asked("parallel_tool_calls", "");
    }
}

fn write_tool(at: usize, tool: &Tool<'_>, fields: &mut Fields<'_>, losses: &mut Losses) {
    let place = format!("tools[{at}]");
    fields.text("name", &tool.name);
    // Google requires one.
    fields.text("description", tool.description.as_deref().unwrap_or_default());
    if let Some(parameters) = tool.parameters {
        write_schema(parameters, fields.value("parametersJsonSchema"), &place, losses);
    }
    if tool.strict == Some(true) {
        losses.aside("strict", &place);
    }
    if tool.cache.is_some() {
        losses.aside("cache_control", &place);
    }
}

fn write_choice(request: &Request<'_>, body: &mut Fields<'_>) {
    let (mode, name) = match &request.tool_choice {
        None => return,
        Some(ToolChoice::Auto) => ("AUTO", None),
        Some(ToolChoice::None) => ("NONE", None),
        Some(ToolChoice::Required) => ("ANY", None),
        Some(ToolChoice::Tool(name)) => ("ANY", Some(name)),
    };
    body.object("toolConfig", |config| {
        config.object("functionCallingConfig", |calling| {
            calling.text("mode", mode);
            if let Some(name) = name {
                calling.array("allowedFunctionNames", |names| names.text(name));
            }
        });
    });
}
