//! The form → a request of Converse.

use bytes::{Bytes, BytesMut};

use super::super::form::{Block, Knob, Output, Request, Role};
use super::super::loss::Losses;
use super::super::messages::write_schema;
use super::super::speakers::speakers;
use super::super::write::{self, Fields, Items, USUAL_SIZE};
use super::super::{Dialect, Plan, RequestOptions};
use super::cache::write_cache;
use super::model_fields::ModelFields;
use super::part_writer::{Parts, is_written};
use super::tools_writer::{output_tool, write_tools};

/// Writes a request. Its model, and whether it is a stream, go into the path.
pub(crate) fn write_request(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    plan: &mut Plan,
    losses: &mut Losses,
) -> Bytes {
    let mut out = BytesMut::with_capacity(USUAL_SIZE);
    let own = ModelFields::decide(request, options, losses);
    plan.output_tool = output_tool(request, options).is_some();
    write::object(&mut out, |body| {
        write_system(request, body, losses);
        body.array("messages", |items| write_messages(request, items, losses));
        write_inference(request, &own, options, body, losses);
        let tools = write_tools(request, options, &own, body, losses);
        own.write(tools, body);
        write_output(request, options, body, losses);
        write_tier(request, body, losses);
        if request.user.is_some() {
            losses.aside("user", "");
        }
    });
    out.freeze()
}

/// All system prompts come first, wherever they stood.
fn write_system(request: &Request<'_>, body: &mut Fields<'_>, losses: &mut Losses) {
    let is_system = |role| matches!(role, Role::System | Role::Developer);
    let turns = request.turns.iter().filter(|turn| is_system(turn.role));
    let mut texts = Vec::new();
    for (turn, part) in turns.flat_map(|turn| turn.parts.iter().map(move |part| (turn, part))) {
        match &part.block {
            Block::Text(text) if text.trim().is_empty() => {}
            Block::Text(text) => texts.push((text, part.cache)),
            other => losses.asked(other.name(), format_args!("messages[{}]", turn.at)),
        }
    }
    if texts.is_empty() {
        return;
    }
    body.array("system", |items| {
        for (text, cache) in texts {
            items.object(|block| block.text("text", text));
            if let Some(cache) = cache {
                write_cache(items, cache);
            }
        }
    });
}

fn write_messages(request: &Request<'_>, items: &mut Items<'_>, losses: &mut Losses) {
    let said = speakers(&request.turns, |part, at| is_written(&part.block, at, losses));
    let count = said.len();
    // As Anthropic, Bedrock wants a user to say something.
    if said.is_empty() {
        items.object(|message| {
            message.text("role", "user");
            message.array("content", |blocks| blocks.object(|block| block.text("text", ".")));
        });
    }
    let mut writer = Parts::default();
    for (number, speaker) in said.iter().enumerate() {
        items.object(|message| {
            message.text("role", speaker.role());
            message.array("content", |blocks| {
                for (at, part) in &speaker.parts {
                    writer.write(part, *at, blocks, losses);
                }
                if let Some(cache) = request.cache.filter(|_| number + 1 == count) {
                    write_cache(blocks, cache);
                }
            });
        });
    }
}

fn write_inference(
    request: &Request<'_>,
    own: &ModelFields<'_>,
    options: &RequestOptions<'_>,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) {
    let mut values = Vec::new();
    // Bedrock's own default may be less than what the model thinks.
    let limit = own.thinking().limit(options).filter(|_| request.setting(Knob::MaxTokens).is_none());
    for setting in &request.settings {
        match (setting.knob, setting.knob.name_in(Dialect::Converse)) {
            (_, Some(_)) if !own.thinking().allows(setting) && setting.is_idle() => {}
            (_, Some(_)) if !own.thinking().allows(setting) => losses.asked(&setting.name, ""),
            (Knob::TopK, _) => {}
            (Knob::Guardrail | Knob::Performance, Some(name)) => body.raw(name, setting.value),
            (_, Some(name)) => values.push((name, setting.value)),
            (_, None) if setting.is_idle() => {}
            (_, None) => losses.asked(&setting.name, ""),
        }
    }
    // Bedrock takes no stop sequence of nothing but white space.
    let (stops, blank): (Vec<_>, Vec<_>) = request.stop.iter().partition(|stop| !stop.trim().is_empty());
    if !blank.is_empty() {
        losses.asked("stop", "");
    }
    if limit.is_none() && values.is_empty() && stops.is_empty() {
        return;
    }
    body.object("inferenceConfig", |config| {
        if let Some(limit) = limit {
            config.number("maxTokens", limit);
        }
        values.into_iter().for_each(|(name, value)| config.raw(name, value));
        if !stops.is_empty() {
            config.array("stopSequences", |items| stops.iter().for_each(|stop| items.text(stop)));
        }
    });
}

/// Writes the schema of the output where the model takes one: as text.
fn write_output(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) {
    let Some(Output::Schema { name, description, schema: Some(schema), .. }) = &request.output else {
        return;
    };
    if !options.output_schema {
        return;
    }
    let mut text = BytesMut::new();
    write_schema(schema, &mut text, losses);
    body.object("outputConfig", |config| {
        config.object("textFormat", |format| {
            format.text("type", "json_schema");
            format.object("structure", |structure| {
                structure.object("jsonSchema", |spec| {
                    spec.text("schema", &String::from_utf8_lossy(&text));
                    if let Some(name) = name {
                        spec.text("name", name);
                    }
                    if let Some(description) = description {
                        spec.text("description", description);
                    }
                });
            });
        });
    });
}

fn write_tier(request: &Request<'_>, body: &mut Fields<'_>, losses: &mut Losses) {
    let tier = match request.tier.as_deref() {
        None | Some("auto") => return,
        Some("default" | "standard_only") => "default",
        Some(tier @ ("flex" | "priority" | "reserved")) => tier,
        Some(_) => return losses.asked("service_tier", ""),
    };
    body.object("serviceTier", |fields| fields.text("type", tier));
}
