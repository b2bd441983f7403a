//! The form → a request of messages.

use bytes::{Bytes, BytesMut};

use super::super::form::{Output, Request, Tool, ToolChoice};
use super::super::json::get;
use super::super::loss::Losses;
use super::super::speakers::speakers;
use super::super::write::{self, Fields, Items, USUAL_SIZE};
use super::super::{Plan, RequestOptions};
use super::OUTPUT_TOOL;
use super::block_writer::{is_written, write_block, write_system};
use super::cache::write_cache;
use super::options_writer::{Thinking, write_options};
use super::schema::write_schema;

/// What any JSON object fits.
pub(crate) const ANY_OBJECT: &[u8] = br#"{"type":"object","additionalProperties":true,"properties":{}}"#;

/// Writes a request.
pub(crate) fn write_request(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    plan: &mut Plan,
    losses: &mut Losses,
) -> Bytes {
    let mut out = BytesMut::with_capacity(USUAL_SIZE);
    let thinking = Thinking::decide(request, options, losses);
    plan.output_tool = output_tool(request, options).is_some();
    write::object(&mut out, |body| {
        if let Some(model) = options.model.or(request.model.as_deref()) {
            body.text("model", model);
        }
        write_system(request, body, losses);
        body.array("messages", |items| write_messages(request, items, losses));
        write_tools(request, options, thinking.is_on(), body, losses);
        write_options(request, &thinking, options, body, losses);
    });
    out.freeze()
}

fn write_messages(request: &Request<'_>, items: &mut Items<'_>, losses: &mut Losses) {
    let said = speakers(&request.turns, |part, at| is_written(&part.block, at, losses));
    // Anthropic wants a user to say something; others take a system prompt alone. LiteLLM says this.
    if said.is_empty() {
        items.object(|message| {
            message.text("role", "user");
            message.text("content", ".");
        });
    }
    for speaker in &said {
        items.object(|message| {
            message.text("role", speaker.role());
            message.array("content", |blocks| {
                for (at, part) in &speaker.parts {
                    write_block(part, *at, blocks, losses);
                }
            });
        });
    }
}

/// The schema of the tool whose input is the output, where there has to be one.
fn output_tool<'a>(request: &'a Request<'_>, options: &RequestOptions<'_>) -> Option<&'a [u8]> {
    match request.output.as_ref()? {
        Output::Schema { schema: Some(_), .. } if options.output_schema => None,
        Output::Schema { schema: Some(schema), .. } => Some(schema),
        Output::Json | Output::Schema { schema: None, .. } => Some(ANY_OBJECT),
    }
}

fn write_tools(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    thinks: bool,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) {
    let output = output_tool(request, options);
    let search = request.settings.iter().find(|setting| setting.knob == super::super::form::Knob::WebSearch);
    if request.tools.is_empty() && output.is_none() && search.is_none() {
        return;
    }
    body.array("tools", |items| {
        for tool in &request.tools {
            items.object(|fields| write_tool(tool, fields));
        }
        if let Some(search) = search {
            items.object(|fields| write_search(search.value, fields, losses));
        }
        if let Some(schema) = output {
            items.object(|fields| {
                fields.text("name", OUTPUT_TOOL);
                fields.raw("input_schema", schema);
            });
        }
    });
    write_choice(request, output.is_some(), thinks, body, losses);
}

fn write_tool(tool: &Tool<'_>, fields: &mut Fields<'_>) {
    fields.text("name", &tool.name);
    if let Some(description) = &tool.description {
        fields.text("description", description);
    }
    write_parameters(tool.parameters, fields.value("input_schema"));
    if let Some(strict) = tool.strict {
        fields.flag("strict", strict);
    }
    if let Some(cache) = tool.cache {
        write_cache(fields, cache);
    }
}

/// Writes the schema of a tool's arguments, which has to be one of an object.
pub(crate) fn write_parameters(parameters: Option<&[u8]>, out: &mut BytesMut) {
    match parameters {
        Some(schema) if get(schema, "type").is_some() => out.extend_from_slice(schema),
        Some(schema) => write::object(out, |copy| {
            copy.text("type", "object");
            super::super::json::fields(schema).for_each(|(name, value)| copy.raw(&name, value));
        }),
        None => out.extend_from_slice(br#"{"type":"object","properties":{}}"#),
    }
}

/// LiteLLM's numbers of searches for OpenAI's sizes.
fn write_search(options: &[u8], fields: &mut Fields<'_>, losses: &mut Losses) {
    fields.text("type", "web_search_20250305");
    fields.text("name", "web_search");
    for (name, value) in super::super::json::fields(options) {
        match (&*name, value) {
            ("search_context_size", b"\"low\"") => fields.number("max_uses", 1),
            ("search_context_size", b"\"medium\"") => fields.number("max_uses", 5),
            ("search_context_size", b"\"high\"") => fields.number("max_uses", 10),
            ("user_location", location) => {
                let Some(approximate) = get(location, "approximate") else { continue };
                fields.object("user_location", |place| {
                    place.text("type", "approximate");
                    for (name, value) in super::super::json::fields(approximate) {
                        place.raw(&name, value);
                    }
                });
            }
            (other, _) => losses.aside(&format!("web_search_options.{other}"), ""),
        }
    }
}

fn write_choice(
    request: &Request<'_>,
    output: bool,
    thinks: bool,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) {
    let single = request.parallel_tools == Some(false);
    let (kind, name) = match &request.tool_choice {
        // A model that thinks cannot be forced; one that may call other tools may do that first.
        Some(ToolChoice::Tool(_) | ToolChoice::Required) if thinks => {
            losses.asked("tool_choice", "");
            ("auto", None)
        }
        _ if output && !thinks && request.tools.is_empty() => ("tool", Some(OUTPUT_TOOL)),
        Some(ToolChoice::Tool(name)) => ("tool", Some(&**name)),
        _ if output && !thinks => ("any", None),
        Some(ToolChoice::Required) => ("any", None),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Auto) => ("auto", None),
        None if single => ("auto", None),
        None => return,
    };
    body.object("tool_choice", |choice| {
        choice.text("type", kind);
        if let Some(name) = name {
            choice.text("name", name);
        }
        if single && kind != "none" {
            choice.flag("disable_parallel_tool_use", true);
        }
    });
}

/// Writes the schema of the output where the model takes one.
pub(super) fn write_format(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    config: &mut Fields<'_>,
    losses: &mut Losses,
) {
    if let (true, Some(Output::Schema { schema: Some(schema), .. })) =
        (options.output_schema, &request.output)
    {
        config.object("format", |format| {
            format.text("type", "json_schema");
            write_schema(schema, format.value("schema"), losses);
        });
    }
}
