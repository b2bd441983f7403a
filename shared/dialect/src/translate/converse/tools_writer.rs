//! `toolConfig`.

use super::super::RequestOptions;
use super::super::form::{Block, Output, Request, Tool, ToolChoice};
use super::super::loss::Losses;
use super::super::messages::{ANY_OBJECT, OUTPUT_TOOL, write_parameters};
use super::super::write::{Fields, Items};
use super::cache::write_cache;
use super::model_fields::ModelFields;

/// LiteLLM's name of a tool that is there because Bedrock wants one where tools were called before.
const DUMMY_TOOL: &str = "dummy_tool";

/// The schema of the tool whose input is the output, where there has to be one.
pub(super) fn output_tool<'a>(request: &'a Request<'_>, options: &RequestOptions<'_>) -> Option<&'a [u8]> {
    match request.output.as_ref()? {
        Output::Schema { schema: Some(_), .. } if options.output_schema => None,
        Output::Schema { schema: Some(schema), .. } => Some(schema),
        Output::Json | Output::Schema { schema: None, .. } => Some(ANY_OBJECT),
    }
}

/// What of it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    None,
    Tools,
    /// And which to call.
    Choice,
}

/// Writes the member. Bedrock cannot be told to call nothing, so then there are no tools, unless some were called
/// before.
pub(super) fn write_tools(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    own: &ModelFields<'_>,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) -> Written {
    let output = output_tool(request, options);
    let (calls_nothing, has_called) = (request.tool_choice == Some(ToolChoice::None), has_called(request));
    let tools = if calls_nothing && !has_called { &[] } else { &*request.tools };
    if tools.is_empty() && output.is_none() && !has_called {
        return Written::None;
    }
    if request.parallel_tools == Some(false) && !own.single() {
        losses.asked("parallel_tool_calls", "");
    }
    let choice = choice(request, output.is_some(), own.thinking().is_on(), losses);
    body.object("toolConfig", |config| {
        config.array("tools", |items| {
            for (at, tool) in tools.iter().enumerate() {
                write_tool(tool, at, options, items, losses);
            }
            if let Some(schema) = output {
                write_spec(OUTPUT_TOOL, None, Some(schema), false, items);
            } else if tools.is_empty() {
                write_spec(DUMMY_TOOL, Some("There is no tool to call."), None, false, items);
            }
        });
        let Some((kind, name)) = choice else { return };
        config.object("toolChoice", |choice| {
            choice.object(kind, |choice| {
                if let Some(name) = name {
                    choice.text("name", name);
                }
            });
        });
    });
    if choice.is_some() { Written::Choice } else { Written::Tools }
}

fn has_called(request: &Request<'_>) -> bool {
    let is_call = |block: &Block<'_>| matches!(block, Block::ToolCall { .. } | Block::ToolResult { .. });
    request.turns.iter().any(|turn| turn.parts.iter().any(|part| is_call(&part.block)))
}

fn write_tool(
    tool: &Tool<'_>,
    at: usize,
    options: &RequestOptions<'_>,
    items: &mut Items<'_>,
    losses: &mut Losses,
) {
    let is_strict = tool.strict == Some(true);
    // Models that take a schema for their output follow one for their arguments.
    if is_strict && !options.output_schema {
        losses.aside("strict", format_args!("tools[{at}]"));
    }
    let strict = is_strict && options.output_schema;
    write_spec(&tool.name, tool.description.as_deref(), tool.parameters, strict, items);
    if let Some(cache) = tool.cache {
        write_cache(items, cache);
    }
}

fn write_spec(
    name: &str,
    description: Option<&str>,
    parameters: Option<&[u8]>,
    strict: bool,
    items: &mut Items<'_>,
) {
    items.object(|tool| {
        tool.object("toolSpec", |spec| {
            spec.text("name", name);
            if let Some(description) = description.filter(|description| !description.is_empty()) {
                spec.text("description", description);
            }
            spec.object("inputSchema", |schema| write_parameters(parameters, schema.value("json")));
            if strict {
                spec.flag("strict", true);
            }
        });
    });
}

fn choice<'a>(
    request: &'a Request<'_>,
    output: bool,
    thinks: bool,
    losses: &mut Losses,
) -> Option<(&'static str, Option<&'a str>)> {
    Some(match &request.tool_choice {
        // A model that thinks cannot be forced; one that may call other tools may do that first.
        Some(ToolChoice::Tool(_) | ToolChoice::Required) if thinks => {
            losses.asked("tool_choice", "");
            ("auto", None)
        }
        _ if output && !thinks && request.tools.is_empty() => ("tool", Some(OUTPUT_TOOL)),
        Some(ToolChoice::Tool(name)) => ("tool", Some(&**name)),
        Some(ToolChoice::None) if output && !thinks => ("tool", Some(OUTPUT_TOOL)),
        _ if output && !thinks => ("any", None),
        Some(ToolChoice::Required) => ("any", None),
        Some(ToolChoice::None) => {
            losses.asked("tool_choice", "");
            return None;
        }
        Some(ToolChoice::Auto) => ("auto", None),
        None => return None,
    })
}
