//! Contents of a request → turns.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::TranslateError;
use super::super::form::{Block, Part, Request, Role, Source, Turn};
use super::super::json::text;
use super::super::loss::Losses;
use super::calls::Calls;
use super::media::{elsewhere, inline, standard};
use super::names::{fields, get, get_text, items};

/// Notes on a part that change nothing about what it says.
const ASIDE: [&str; 3] = ["videoMetadata", "mediaResolution", "partMetadata"];

/// Reads the conversation.
pub(super) fn read_contents<'a>(
    value: &'a [u8],
    request: &mut Request<'a>,
    losses: &mut Losses,
) -> Result<bool, TranslateError> {
    let mut calls = Calls::default();
    for (at, content) in items(value).enumerate() {
        let place = format!("contents[{at}]");
        let role = match get_text(content, "role").as_deref() {
            // Google's older name of who answers a call.
            None | Some("" | "user" | "function" | "tool") => Role::User,
            Some("model") => Role::Assistant,
            Some(_) => return Err(TranslateError::Invalid { name: "role".to_owned(), place }),
        };
        // A client that was answered with a stream sends every event back as a content of its own.
        let goes_on = |turn: &mut Turn<'_>| role == Role::Assistant && turn.role == role;
        let (at, parts) = match request.turns.pop_if(goes_on) {
            Some(turn) => (turn.at, turn.parts),
            None => (at, Vec::new()),
        };
        let mut said = Said { from_model: role == Role::Assistant, parts, calls: &mut calls, losses };
        get(content, "parts").into_iter().flat_map(items).enumerate().for_each(|(number, part)| {
            said.take(part, &format!("{place}.parts[{number}]"));
        });
        let Said { from_model, parts, .. } = said;
        if !(from_model && parts.is_empty()) {
            request.turns.push(Turn { role, at, parts });
        }
    }
    Ok(value.starts_with(b"[") || value.starts_with(b"{"))
}

/// Reads the system prompt: a content, or its text.
pub(super) fn read_system<'a>(value: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) -> bool {
    let mut parts = Vec::new();
    if let Some(text) = text(value) {
        parts.push(Block::Text(text).into());
    }
    for part in get(value, "parts").into_iter().flat_map(items) {
        match get_text(part, "text") {
            Some(text) => parts.push(Block::Text(text).into()),
            None => losses.asked(&kind(part), "systemInstruction"),
        }
    }
    if !parts.is_empty() {
        request.turns.insert(0, Turn { role: Role::System, at: 0, parts });
    }
    value.starts_with(b"\"") || value.starts_with(b"{")
}

/// The first member of a part that says what it is.
fn kind(part: &[u8]) -> String {
    fields(part).next().map_or_else(|| "part".to_owned(), |(name, _)| name.into_owned())
}

/// What a content says, part by part.
struct Said<'a, 'c> {
    /// Then texts are pieces of one.
    from_model: bool,
    parts: Vec<Part<'a>>,
    calls: &'c mut Calls<'a>,
    losses: &'c mut Losses,
}

impl<'a> Said<'a, '_> {
    fn take(&mut self, part: &'a [u8], place: &str) {
        let mut block = None;
        let mut thought = false;
        let mut signature = None;
        for (name, value) in fields(part) {
            let read = match &*name {
                "text" => text(value).map(Block::Text),
                "inlineData" => read_inline(value),
                "fileData" => read_file(value),
                "functionCall" => self.read_call(value),
                "functionResponse" => self.read_response(value, place),
                "thought" => {
                    thought = value == b"true";
                    continue;
                }
                "thoughtSignature" => {
                    signature = text(value).filter(|text| !text.is_empty()).map(standard);
                    continue;
                }
                // What the provider ran itself is between it and its model.
                "executableCode" | "codeExecutionResult" | "toolCall" | "toolResponse" => {
                    return self.losses.aside(&name, place);
                }
                other if ASIDE.contains(&other) => {
                    self.losses.aside(other, place);
                    continue;
                }
                _ => None,
            };
            match read {
                Some(read) => block = Some(read),
                None => self.losses.asked(&name, place),
            }
        }
        match block {
            Some(Block::Text(text)) if thought => self.think(text, signature),
            None if thought => self.think("".into(), signature),
            Some(Block::Text(text)) if self.from_model => {
                self.sign(signature);
                self.say(text);
            }
            block => {
                self.sign(signature);
                self.parts.extend(block.map(Part::from));
            }
        }
    }

    fn say(&mut self, more: Cow<'a, str>) {
        match self.parts.last_mut().map(|part| &mut part.block) {
            _ if more.is_empty() => {}
            Some(Block::Text(text)) => text.to_mut().push_str(&more),
            _ => self.parts.push(Block::Text(more).into()),
        }
    }

    fn sign(&mut self, signature: Option<Cow<'a, str>>) {
        self.parts.extend(signature.map(|signature| Block::ThoughtSignature(signature).into()));
    }

    /// A stream brings thoughts in pieces, and clients send them back so.
    fn think(&mut self, more: Cow<'a, str>, proof: Option<Cow<'a, str>>) {
        match self.parts.last_mut().map(|part| &mut part.block) {
            Some(Block::Thinking { text, signature: signature @ None }) => {
                text.to_mut().push_str(&more);
                *signature = proof;
            }
            _ if more.is_empty() && proof.is_none() => {}
            _ => self.parts.push(Block::Thinking { text: more, signature: proof }.into()),
        }
    }

    fn read_call(&mut self, call: &'a [u8]) -> Option<Block<'a>> {
        let name = get_text(call, "name")?;
        let arguments = match get(call, "args") {
            Some(arguments) => std::str::from_utf8(arguments).ok()?,
            None => "{}",
        };
        let id = self.calls.call(&name, get_text(call, "id").filter(|id| !id.is_empty()));
        Some(Block::ToolCall { id, name, arguments: arguments.into() })
    }

    fn read_response(&mut self, result: &'a [u8], place: &str) -> Option<Block<'a>> {
        let name = get_text(result, "name").unwrap_or_default();
        let id = self.calls.result(&name, get_text(result, "id").filter(|id| !id.is_empty()));
        let (said, is_error) = read_output(get(result, "response").unwrap_or(b"{}"));
        let mut content: Vec<Part<'a>> = vec![Block::Text(said).into()];
        for part in get(result, "parts").into_iter().flat_map(items) {
            let inline = get(part, "inlineData").and_then(read_inline);
            match inline.or_else(|| get(part, "fileData").and_then(read_file)) {
                Some(block) => content.push(block.into()),
                None => self.losses.asked(&kind(part), place),
            }
        }
        Some(Block::ToolResult { id, content, is_error })
    }
}

/// What a function said: Google's members for an output and for an error, or the whole object.
fn read_output(response: &[u8]) -> (Cow<'_, str>, bool) {
    let raw = |value| String::from_utf8_lossy(value);
    let mut members = super::super::json::fields(response);
    match (members.next(), members.next()) {
        (Some((name, value)), None) if name == "output" || name == "error" => {
            (text(value).unwrap_or_else(|| raw(value)), name == "error")
        }
        _ => (raw(response), false),
    }
}

fn read_inline(data: &[u8]) -> Option<Block<'_>> {
    let media_type = get_text(data, "mimeType").unwrap_or("application/octet-stream".into());
    let block = inline(media_type, get_text(data, "data")?, get_text(data, "displayName"));
    Some(match block {
        Block::File { source: Source::Base64 { media_type, data }, name }
            if media_type.starts_with("text/") =>
        {
            let plain = STANDARD.decode(&*data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let source = match plain {
                Some(text) => Source::Text(text.into()),
                None => Source::Base64 { media_type, data },
            };
            Block::File { source, name }
        }
        block => block,
    })
}

fn read_file(data: &[u8]) -> Option<Block<'_>> {
    let media_type = get_text(data, "mimeType");
    Some(elsewhere(media_type.as_deref(), get_text(data, "fileUri")?, get_text(data, "displayName")))
}
