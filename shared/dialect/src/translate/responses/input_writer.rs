//! Turns → `instructions` and `input`.

use super::super::form::{Block, Part, Request, Role, Turn};
use super::super::loss::Losses;
use super::super::seal::read_encrypted;
use super::super::write::{Fields, Items};
use super::content::Shape;

/// Writes the conversation. The system prompt that it begins with is the instructions.
pub(super) fn write_input(request: &Request<'_>, body: &mut Fields<'_>, losses: &mut Losses) {
    let is_system = |turn: &&Turn<'_>| {
        turn.role == Role::System && turn.parts.iter().all(|part| matches!(part.block, Block::Text(_)))
    };
    let leading = request.turns.iter().take_while(is_system).count();
    let (system, rest) = request.turns.split_at_checked(leading).unwrap_or_default();
    let mut instructions = Vec::new();
    for (turn, part) in system.iter().flat_map(|turn| turn.parts.iter().map(move |part| (turn, part))) {
        note_cache(part, turn.at, losses);
        if let Block::Text(text) = &part.block {
            instructions.push(&**text);
        }
    }
    if !instructions.is_empty() {
        body.text("instructions", &instructions.join("\n\n"));
    }
    body.array("input", |items| {
        for turn in rest {
            write_turn(turn, items, losses);
        }
    });
}

fn write_turn(turn: &Turn<'_>, items: &mut Items<'_>, losses: &mut Losses) {
    for part in &turn.parts {
        note_cache(part, turn.at, losses);
    }
    match turn.role {
        Role::System => write_message("system", &turn.parts, turn.at, items, losses),
        Role::Developer => write_message("developer", &turn.parts, turn.at, items, losses),
        Role::User => write_user(turn, items, losses),
        Role::Assistant => write_assistant(turn, items, losses),
    }
}

fn note_cache(part: &Part<'_>, at: usize, losses: &mut Losses) {
    if part.cache.is_some() {
        losses.aside("cache_control", format_args!("messages[{at}]"));
    }
}

/// Results are items of their own, between what the user says before and after.
fn write_user(turn: &Turn<'_>, items: &mut Items<'_>, losses: &mut Losses) {
    let is_result = |part: &Part<'_>| matches!(part.block, Block::ToolResult { .. });
    for parts in turn.parts.chunk_by(|one, other| !is_result(one) && !is_result(other)) {
        match parts {
            [Part { block: Block::ToolResult { id, content, is_error }, .. }] => {
                if *is_error {
                    losses.aside("is_error", format_args!("messages[{}]", turn.at));
                }
                items.object(|item| {
                    item.text("type", "function_call_output");
                    item.text("call_id", id);
                    write_content("output", content, turn.at, item, losses);
                });
            }
            parts => write_message("user", parts, turn.at, items, losses),
        }
    }
}

fn write_message(role: &str, parts: &[Part<'_>], at: usize, items: &mut Items<'_>, losses: &mut Losses) {
    items.object(|item| {
        item.text("type", "message");
        item.text("role", role);
        write_content("content", parts, at, item, losses);
    });
}

/// One text is a string, anything else is a list.
fn write_content(name: &str, parts: &[Part<'_>], at: usize, item: &mut Fields<'_>, losses: &mut Losses) {
    let mut shapes = Vec::with_capacity(parts.len());
    for part in parts {
        match Shape::of(&part.block) {
            Some(shape) => shapes.push(shape),
            None => losses.asked(part.block.name(), format_args!("messages[{at}]")),
        }
    }
    match shapes.as_slice() {
        [] => item.text(name, ""),
        [Shape::Text(text)] => item.text(name, text),
        shapes => item.array(name, |items| shapes.iter().for_each(|shape| shape.write(items))),
    }
}

/// Thoughts, texts and calls in their order. Texts that follow each other are one message.
fn write_assistant(turn: &Turn<'_>, items: &mut Items<'_>, losses: &mut Losses) {
    let mut text = String::new();
    for part in &turn.parts {
        if let Block::Text(more) | Block::Refusal(more) = &part.block {
            text.push_str(more);
            continue;
        }
        write_said(&mut text, items);
        match &part.block {
            Block::ToolCall { id, name, arguments } => items.object(|item| {
                item.text("type", "function_call");
                item.text("call_id", id);
                item.text("name", name);
                item.text("arguments", if arguments.trim().is_empty() { "{}" } else { arguments });
            }),
            Block::Thinking { text, signature } => {
                match signature.as_deref().and_then(read_encrypted) {
                    Some((id, encrypted)) => write_reasoning(id, text, encrypted, items),
                    // OpenAI takes back only what it has encrypted.
                    None => losses.aside("thinking", format_args!("messages[{}]", turn.at)),
                }
            }
            Block::RedactedThinking(_) => {
                losses.aside("redacted_thinking", format_args!("messages[{}]", turn.at));
            }
            Block::ThoughtSignature(_) => {
                losses.aside("thought_signature", format_args!("messages[{}]", turn.at));
            }
            other => losses.asked(other.name(), format_args!("messages[{}]", turn.at)),
        }
    }
    write_said(&mut text, items);
}

fn write_said(text: &mut String, items: &mut Items<'_>) {
    if !text.is_empty() {
        items.object(|item| {
            item.text("type", "message");
            item.text("role", "assistant");
            item.text("content", text);
        });
        text.clear();
    }
}

fn write_reasoning(id: &str, text: &str, encrypted: &str, items: &mut Items<'_>) {
    items.object(|item| {
        item.text("type", "reasoning");
        if !id.is_empty() {
            item.text("id", id);
        }
        item.array("summary", |summary| {
            if !text.is_empty() {
                summary.object(|part| {
                    part.text("type", "summary_text");
                    part.text("text", text);
                });
            }
        });
        item.text("encrypted_content", encrypted);
    });
}
