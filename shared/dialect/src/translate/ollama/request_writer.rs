//! The form → a request.

use bytes::{Bytes, BytesMut};

use super::super::RequestOptions;
use super::super::form::{Request, Tool, ToolChoice};
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
    let model = options.model.or(request.model.as_deref());
    write::object(&mut out, |body| {
        if let Some(model) = model {
            body.text("model", model);
        }
        body.array("messages", |messages| {
            let mut turns = Turns::new(losses);
            request.turns.iter().for_each(|turn| turns.write(turn, messages));
        });
        write_tools(request, body, losses);
        write_options(request, model.unwrap_or_default(), options, body, losses);
        // Ollama streams where nobody says whether to.
        body.flag("stream", request.stream.unwrap_or(false));
    });
    out.freeze()
}

/// Ollama cannot be told what to call. A model that shall call nothing is shown no tools.
fn write_tools(request: &Request<'_>, body: &mut Fields<'_>, losses: &mut Losses) {
    if request.tools.is_empty() {
        return;
    }
    match &request.tool_choice {
        Some(ToolChoice::None) => return,
        Some(ToolChoice::Required | ToolChoice::Tool(_)) => losses.asked("tool_choice", ""),
        Some(ToolChoice::Auto) | None => {}
    }
    body.array("tools", |items| {
        for (at, tool) in request.tools.iter().enumerate() {
            items.object(|fields| write_tool(at, tool, fields, losses));
        }
    });
    if request.parallel_tools == Some(false) && request.tools.len() > 1 {
        losses.asked("parallel_tool_calls", "");
    }
}

fn write_tool(at: usize, tool: &Tool<'_>, fields: &mut Fields<'_>, losses: &mut Losses) {
    if tool.strict == Some(true) {
        losses.aside("strict", format_args!("tools[{at}]"));
    }
    if tool.cache.is_some() {
        losses.aside("cache_control", format_args!("tools[{at}]"));
    }
    fields.text("type", "function");
    fields.object("function", |function| {
        function.text("name", &tool.name);
        if let Some(description) = &tool.description {
            function.text("description", description);
        }
        write_parameters(tool.parameters, function.value("parameters"));
    });
}
