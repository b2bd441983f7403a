//! The form → a request.

use bytes::{Bytes, BytesMut};

use super::super::RequestOptions;
use super::super::form::{Request, Tool, ToolChoice};
use super::super::json::{get, items};
use super::super::loss::Losses;
use super::super::messages::write_parameters;
use super::super::write::{self, Fields, USUAL_SIZE};
use super::options_writer::write_options;
use super::turn_writer::Turns;

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
        let mut turns = Turns::new(options, losses);
        body.array("messages", |messages| turns.write(&request.turns, messages));
        let documents = turns.into_documents();
        write_tools(request, body, losses);
        write_options(request, options, &documents, body, losses);
        if let Some(stream) = request.stream {
            body.flag("stream", stream);
        }
    });
    out.freeze()
}

fn write_tools(request: &Request<'_>, body: &mut Fields<'_>, losses: &mut Losses) {
    let forced = forced(request, losses);
    let tools =
        || request.tools.iter().enumerate().filter(|(_, tool)| forced.is_none_or(|it| it == tool.name));
    let count = tools().count();
    if count == 0 {
        return;
    }
    body.array("tools", |items| {
        for (at, tool) in tools() {
            if tool.cache.is_some() {
                losses.aside("cache_control", format_args!("tools[{at}]"));
            }
            items.object(|fields| write_tool(tool, fields));
        }
    });
    write_strict(&tools().map(|(_, tool)| tool).collect::<Vec<_>>(), body, losses);
    match &request.tool_choice {
        Some(ToolChoice::None) => body.text("tool_choice", "NONE"),
        Some(ToolChoice::Required) => body.text("tool_choice", "REQUIRED"),
        Some(ToolChoice::Tool(_)) if forced.is_some() => body.text("tool_choice", "REQUIRED"),
        Some(ToolChoice::Auto | ToolChoice::Tool(_)) | None => {}
    }
    if request.parallel_tools == Some(false) && count > 1 {
        losses.asked("parallel_tool_calls", "");
    }
}

/// The one tool that must be called. Cohere can only be told to call any, so it is shown no other.
fn forced<'r>(request: &'r Request<'_>, losses: &mut Losses) -> Option<&'r str> {
    let Some(ToolChoice::Tool(name)) = &request.tool_choice else { return None };
    if request.tools.iter().any(|tool| tool.name == *name) {
        return Some(name);
    }
    losses.asked("tool_choice", "");
    None
}

fn write_tool(tool: &Tool<'_>, fields: &mut Fields<'_>) {
    fields.text("type", "function");
    fields.object("function", |function| {
        function.text("name", &tool.name);
        if let Some(description) = &tool.description {
            function.text("description", description);
        }
        write_parameters(tool.parameters, function.value("parameters"));
    });
}

/// Cohere is strict with all tools or with none, and refuses to be with one that requires nothing.
fn write_strict(tools: &[&Tool<'_>], body: &mut Fields<'_>, losses: &mut Losses) {
    let requires = |tool: &Tool<'_>| {
        let required = tool.parameters.and_then(|schema| get(schema, "required"));
        required.is_some_and(|list| items(list).next().is_some())
    };
    if tools.iter().all(|tool| tool.strict == Some(true) && requires(tool)) {
        body.flag("strict_tools", true);
    } else if tools.iter().any(|tool| tool.strict == Some(true)) {
        losses.aside("strict", "tools");
    }
}
