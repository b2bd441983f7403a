//! Content of messages → parts.

use super::super::form::{Block, Part, Source};
use super::super::json::{fields, get, get_text, items, text};
use super::super::loss::Losses;
use super::super::seal::read_thoughts;
use super::cache::read_cache;

/// Reads a content: a string, or a list of blocks.
pub(super) fn read_parts<'a>(content: &'a [u8], place: &str, losses: &mut Losses) -> Option<Vec<Part<'a>>> {
    read_content(content, place, losses, |kind, block, place, losses| {
        let read = read_block(kind, block, place, losses)?;
        note_unknown(kind, block, place, losses);
        Some(read)
    })
}

/// The content of a result: what a user may show, and nothing that nests any further.
fn read_result<'a>(content: &'a [u8], place: &str, losses: &mut Losses) -> Option<Vec<Part<'a>>> {
    read_content(content, place, losses, |kind, block, place, losses| match kind {
        "text" | "image" | "document" => read_block(kind, block, place, losses),
        _ => None,
    })
}

fn read_content<'a>(
    content: &'a [u8],
    place: &str,
    losses: &mut Losses,
    read: fn(&str, &'a [u8], &str, &mut Losses) -> Option<Block<'a>>,
) -> Option<Vec<Part<'a>>> {
    if let Some(text) = text(content) {
        return Some(vec![Block::Text(text).into()]);
    }
    let mut parts = Vec::new();
    for (number, block) in items(content).enumerate() {
        let kind = get_text(block, "type").unwrap_or_default();
        let place = format!("{place}.content[{number}]");
        match read(&kind, block, &place, losses) {
            Some(Block::Thinking { text, signature }) => {
                parts.extend(read_thoughts(text, signature).map(Part::from));
            }
            Some(read) => {
                parts.push(Part { block: read, cache: get(block, "cache_control").and_then(read_cache) });
            }
            None => losses.asked(&kind, &place),
        }
    }
    content.starts_with(b"[").then_some(parts)
}

fn read_block<'a>(kind: &str, block: &'a [u8], place: &str, losses: &mut Losses) -> Option<Block<'a>> {
    Some(match kind {
        "text" => Block::Text(get_text(block, "text")?),
        "image" => Block::Image { source: read_source(get(block, "source")?)?, detail: None },
        "document" => {
            Block::File { source: read_source(get(block, "source")?)?, name: get_text(block, "title") }
        }
        "thinking" => Block::Thinking {
            text: get_text(block, "thinking").unwrap_or_default(),
            signature: get_text(block, "signature").filter(|signature| !signature.is_empty()),
        },
        "redacted_thinking" => Block::RedactedThinking(get_text(block, "data")?),
        "tool_use" => Block::ToolCall {
            id: get_text(block, "id")?,
            name: get_text(block, "name")?,
            arguments: std::str::from_utf8(get(block, "input")?).ok()?.into(),
        },
        "tool_result" => Block::ToolResult {
            id: get_text(block, "tool_use_id")?,
            content: match get(block, "content") {
                Some(content) => read_result(content, place, losses)?,
                None => Vec::new(),
            },
            is_error: get(block, "is_error") == Some(b"true"),
        },
        _ => return None,
    })
}

fn read_source(source: &[u8]) -> Option<Source<'_>> {
    Some(match &*get_text(source, "type")? {
        "base64" => {
            Source::Base64 { media_type: get_text(source, "media_type")?, data: get_text(source, "data")? }
        }
        "url" => Source::Url(get_text(source, "url")?),
        "file" => Source::FileId(get_text(source, "file_id")?),
        "text" => Source::Text(get_text(source, "data")?),
        "content" => {
            let content = get(source, "content")?;
            let joined = || items(content).filter_map(|block| get_text(block, "text")).collect::<String>();
            Source::Text(text(content).unwrap_or_else(|| joined().into()))
        }
        _ => return None,
    })
}

fn note_unknown(kind: &str, block: &[u8], place: &str, losses: &mut Losses) {
    let known: &[&str] = match kind {
        "text" => &["text"],
        "image" => &["source"],
        "document" => &["source", "title"],
        "thinking" => &["thinking", "signature"],
        "redacted_thinking" => &["data"],
        "tool_use" => &["id", "name", "input"],
        _ => &["tool_use_id", "content", "is_error"],
    };
    for (name, _) in fields(block) {
        if !known.contains(&&*name) && !matches!(&*name, "type" | "cache_control") {
            losses.aside(&name, place);
        }
    }
}
