//! `input` → turns. What a model says at once is several items here and one turn in the form.

use std::borrow::Cow;

use bytes::BytesMut;

use super::super::form::{Block, Request, Role, Turn};
use super::super::json::{fields, get, get_text, items, text};
use super::super::loss::Losses;
use super::super::seal::{Sealed, mark_encrypted, read_thoughts};
use super::super::write;
use super::super::{Namespaced, TranslateError};
use super::content::read_parts;
use super::plain_input::INPUT;

/// Reads a text of the user, or a list of items.
pub(super) fn read_input<'a>(
    value: &'a [u8],
    request: &mut Request<'a>,
    losses: &mut Losses,
) -> Result<bool, TranslateError> {
    request.turns.clear();
    if let Some(text) = text(value) {
        request.turns.push(Turn { role: Role::User, at: 0, parts: vec![Block::Text(text).into()] });
        return Ok(true);
    }
    for (at, item) in items(value).enumerate() {
        read_item(at, item, &mut request.turns, losses)?;
    }
    Ok(value.starts_with(b"["))
}

fn read_item<'a>(
    at: usize,
    item: &'a [u8],
    turns: &mut Vec<Turn<'a>>,
    losses: &mut Losses,
) -> Result<(), TranslateError> {
    let place = format!("input[{at}]");
    let kind = get_text(item, "type").unwrap_or_else(|| {
        // A message may leave its type out, and so may a mere reference.
        if get(item, "role").is_some() { "message".into() } else { "item_reference".into() }
    });
    let wrong = |name: &str| TranslateError::Invalid { name: name.to_owned(), place: place.clone() };
    let known: &[&str] = match &*kind {
        "message" => {
            read_message(at, item, turns, losses, &place)?;
            &["role", "content", "phase"]
        }
        "function_call" => {
            let call = read_call(item, "arguments", false).ok_or_else(|| wrong("name"))?;
            add_said(at, call, turns);
            &["call_id", "namespace", "name", "arguments"]
        }
        "custom_tool_call" => {
            let call = read_call(item, "input", true).ok_or_else(|| wrong("name"))?;
            add_said(at, call, turns);
            &["call_id", "name", "input"]
        }
        "function_call_output" | "custom_tool_call_output" => {
            let result = read_result(item, &place, losses).ok_or_else(|| wrong("output"))?;
            add_result(at, result, turns);
            &["call_id", "output"]
        }
        "reasoning" => {
            for block in read_reasoning(item, &place, losses) {
                add_said(at, block, turns);
            }
            &["summary", "content", "encrypted_content"]
        }
        other => {
            losses.asked(other, &place);
            return Ok(());
        }
    };
    for (name, _) in fields(item) {
        if !known.contains(&&*name) && !matches!(&*name, "type" | "id" | "status") {
            losses.aside(&name, &place);
        }
    }
    Ok(())
}

fn read_message<'a>(
    at: usize,
    item: &'a [u8],
    turns: &mut Vec<Turn<'a>>,
    losses: &mut Losses,
    place: &str,
) -> Result<(), TranslateError> {
    let wrong = |name: &str| TranslateError::Invalid { name: name.to_owned(), place: place.to_owned() };
    let role = match get_text(item, "role").as_deref() {
        Some("user") => Role::User,
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        Some("assistant") => Role::Assistant,
        _ => return Err(wrong("role")),
    };
    let content = get(item, "content").ok_or_else(|| wrong("content"))?;
    let parts = read_parts(content, place, losses).ok_or_else(|| wrong("content"))?;
    match turns.last_mut() {
        Some(last) if role == Role::Assistant && goes_on(last) => last.parts.extend(parts),
        _ => turns.push(Turn { role, at, parts }),
    }
    Ok(())
}

/// True for a turn of the model that has more than texts: what it says next belongs to it. Texts alone are messages
/// of their own.
fn goes_on(turn: &Turn<'_>) -> bool {
    turn.role == Role::Assistant
        && turn.parts.iter().any(|part| !matches!(part.block, Block::Text(_) | Block::Refusal(_)))
}

/// Adds a call or thoughts to what the model says: results come after all of it.
fn add_said<'a>(at: usize, block: Block<'a>, turns: &mut Vec<Turn<'a>>) {
    match turns.last_mut() {
        Some(turn) if turn.role == Role::Assistant => turn.parts.push(block.into()),
        _ => turns.push(Turn { role: Role::Assistant, at, parts: vec![block.into()] }),
    }
}

/// Adds a result: those of one round are one turn.
fn add_result<'a>(at: usize, block: Block<'a>, turns: &mut Vec<Turn<'a>>) {
    let is_results = |turn: &Turn<'_>| {
        turn.role == Role::User
            && turn.parts.first().is_some_and(|part| matches!(part.block, Block::ToolResult { .. }))
    };
    match turns.last_mut() {
        Some(turn) if is_results(turn) => turn.parts.push(block.into()),
        _ => turns.push(Turn { role: Role::User, at, parts: vec![block.into()] }),
    }
}

fn read_call<'a>(item: &'a [u8], member: &str, is_plain: bool) -> Option<Block<'a>> {
    let input = get_text(item, member).unwrap_or_default();
    let arguments = if is_plain { as_arguments(&input) } else { input };
    let mut name = get_text(item, "name")?;
    if let Some(namespace) = get_text(item, "namespace").filter(|_| !is_plain) {
        let named = Namespaced { namespace: namespace.into_owned(), name: name.into_owned() };
        name = named.whole_name().into();
    }
    Some(Block::ToolCall { id: get_text(item, "call_id").unwrap_or_default(), name, arguments })
}

/// What a tool that takes plain text was called with, as arguments.
fn as_arguments<'a>(input: &str) -> Cow<'a, str> {
    let mut json = BytesMut::new();
    write::object(&mut json, |fields| fields.text(INPUT, input));
    String::from_utf8_lossy(&json).into_owned().into()
}

fn read_result<'a>(item: &'a [u8], place: &str, losses: &mut Losses) -> Option<Block<'a>> {
    Some(Block::ToolResult {
        id: get_text(item, "call_id")?,
        content: read_parts(get(item, "output")?, place, losses)?,
        is_error: false,
    })
}

/// Thoughts, and the proof of them, whosever it is.
fn read_reasoning<'a>(item: &'a [u8], place: &str, losses: &mut Losses) -> Vec<Block<'a>> {
    let text = read_summary(item);
    let Some(encrypted) = get_text(item, "encrypted_content").filter(|content| !content.is_empty()) else {
        let is_said = !text.is_empty();
        return is_said.then_some(Block::Thinking { text, signature: None }).into_iter().collect();
    };
    let signature = match Sealed::read(&encrypted) {
        Some(Sealed::Redacted(data)) => return vec![Block::RedactedThinking(data.into())],
        Some(Sealed::Signature { text_bytes, signature }) => {
            // What is proved is the whole text.
            let is_whole = u64::try_from(text.len()) == Ok(text_bytes);
            if !is_whole {
                losses.aside("encrypted_content", place);
            }
            is_whole.then_some(signature)
        }
        None => Some(mark_encrypted(&get_text(item, "id").unwrap_or_default(), &encrypted)),
    };
    read_thoughts(text, signature.map(Cow::Owned)).collect()
}

/// The summary, or where there is none the thoughts themselves.
fn read_summary(item: &[u8]) -> Cow<'_, str> {
    let texts = |name| get(item, name).into_iter().flat_map(items).filter_map(|part| get_text(part, "text"));
    let joined = |name| texts(name).reduce(|all, next| all + "\n\n" + next);
    joined("summary").or_else(|| joined("content")).unwrap_or_default()
}
