//! Content blocks → parts. A block has one member, which names its kind.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::form::{Block, Part, Source};
use super::super::json::text;
use super::super::json::{fields, get, get_text, items};
use super::super::loss::Losses;
use super::super::seal::read_thoughts;
use super::cache::read_cache;
use super::documents::{media_type, with_ending};

/// Reads a list of blocks.
pub(super) fn read_parts<'a>(list: &'a [u8], place: &str, losses: &mut Losses) -> Option<Vec<Part<'a>>> {
    read_list(list, place, losses, read_block)
}

/// The content of a result: what a user may show, and nothing that nests any further.
fn read_result<'a>(list: &'a [u8], place: &str, losses: &mut Losses) -> Option<Vec<Part<'a>>> {
    read_list(list, place, losses, |kind, value, place, losses| match kind {
        "text" | "image" | "document" => read_block(kind, value, place, losses),
        "json" => Some(Block::Text(std::str::from_utf8(value).ok()?.into())),
        _ => None,
    })
}

fn read_list<'a>(
    list: &'a [u8],
    place: &str,
    losses: &mut Losses,
    read: fn(&str, &'a [u8], &str, &mut Losses) -> Option<Block<'a>>,
) -> Option<Vec<Part<'a>>> {
    let mut parts: Vec<Part<'a>> = Vec::new();
    for (number, block) in items(list).enumerate() {
        let place = format!("{place}.content[{number}]");
        // Some clients give a type as well.
        let Some((kind, value)) = fields(block).find(|(name, _)| name != "type") else { continue };
        if kind == "cachePoint" {
            match parts.last_mut() {
                Some(last) => last.cache = Some(read_cache(value)),
                None => losses.aside("cachePoint", &place),
            }
            continue;
        }
        match read(&kind, value, &place, losses) {
            Some(Block::Thinking { text, signature }) => {
                parts.extend(read_thoughts(text, signature).map(Part::from));
            }
            Some(block) => parts.push(block.into()),
            None => losses.asked(&kind, &place),
        }
    }
    list.starts_with(b"[").then_some(parts)
}

fn read_block<'a>(kind: &str, value: &'a [u8], place: &str, losses: &mut Losses) -> Option<Block<'a>> {
    Some(match kind {
        "text" => Block::Text(text(value)?),
        "image" => read_image(value)?,
        "document" => read_document(value, place, losses)?,
        "audio" => Block::Audio { data: read_bytes(value)?, format: get_text(value, "format")? },
        // What the provider's own tools did is between it and the model.
        "toolUse" | "toolResult" if is_providers(value) => return None,
        "toolUse" => Block::ToolCall {
            id: get_text(value, "toolUseId")?,
            name: get_text(value, "name")?,
            arguments: std::str::from_utf8(get(value, "input")?).ok()?.into(),
        },
        "toolResult" => Block::ToolResult {
            id: get_text(value, "toolUseId")?,
            content: read_result(get(value, "content")?, place, losses)?,
            is_error: get(value, "status") == Some(b"\"error\""),
        },
        "reasoningContent" => read_reasoning(value)?,
        "citationsContent" => {
            losses.aside("citations", place);
            let texts = get(value, "content").into_iter().flat_map(items);
            Block::Text(texts.filter_map(|part| get_text(part, "text")).collect::<String>().into())
        }
        "guardContent" => {
            losses.aside("guardContent", place);
            match get(value, "text") {
                Some(guarded) => Block::Text(get_text(guarded, "text")?),
                None => read_image(get(value, "image")?)?,
            }
        }
        _ => return None,
    })
}

/// True for a call, or a result, of a tool of the provider's.
pub(super) fn is_providers(tool: &[u8]) -> bool {
    get_text(tool, "type").is_some_and(|kind| kind != "tool_use" && kind != "tool_result")
}

fn read_image(image: &[u8]) -> Option<Block<'_>> {
    let media_type = format!("image/{}", get_text(image, "format")?).into();
    let source = Source::Base64 { media_type, data: read_bytes(image)? };
    Some(Block::Image { source, detail: None })
}

fn read_bytes(media: &[u8]) -> Option<Cow<'_, str>> {
    get_text(get(media, "source")?, "bytes")
}

fn read_document<'a>(document: &'a [u8], place: &str, losses: &mut Losses) -> Option<Block<'a>> {
    for (name, _) in fields(document) {
        if !matches!(&*name, "format" | "name" | "source") {
            losses.aside(&name, place);
        }
    }
    let format = get_text(document, "format").unwrap_or("txt".into());
    let name = get_text(document, "name").map(|name| with_ending(name, &format));
    let source = get(document, "source")?;
    let texts = || get(source, "content").map(items).into_iter().flatten();
    let source = match get_text(source, "bytes") {
        Some(data) => Source::Base64 { media_type: media_type(&format)?.into(), data },
        None => match get_text(source, "text") {
            Some(text) => Source::Text(text),
            None if get(source, "content").is_some() => {
                Source::Text(texts().filter_map(|part| get_text(part, "text")).collect::<String>().into())
            }
            None => return None,
        },
    };
    Some(Block::File { source, name })
}

fn read_reasoning(value: &[u8]) -> Option<Block<'_>> {
    if let Some(data) = get_text(value, "redactedContent") {
        return Some(Block::RedactedThinking(read_redacted(data)));
    }
    let thoughts = get(value, "reasoningText")?;
    Some(Block::Thinking {
        text: get_text(thoughts, "text").unwrap_or_default(),
        signature: get_text(thoughts, "signature").filter(|signature| !signature.is_empty()),
    })
}

/// Bedrock sends the bytes of what Anthropic sends as text, in base64.
pub(super) fn read_redacted(data: Cow<'_, str>) -> Cow<'_, str> {
    let bytes = STANDARD.decode(data.as_bytes()).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).map_or(data, Cow::Owned)
}

/// The other way.
pub(super) fn write_redacted(data: &str) -> String {
    STANDARD.encode(data)
}
