//! Messages of a chat request → turns.

use std::borrow::Cow;

use super::super::TranslateError;
use super::super::form::{Block, Cache, Part, Role, Source, Turn};
use super::super::json::{fields, get, get_text, items, text};
use super::super::loss::Losses;
use super::super::messages::read_cache;
use super::signature::{read_signature, split_id};

/// Reads one message.
pub(super) fn read_turn<'a>(
    at: usize,
    message: &'a [u8],
    losses: &mut Losses,
) -> Result<Turn<'a>, TranslateError> {
    let invalid =
        |name: &str| TranslateError::Invalid { name: name.to_owned(), place: format!("messages[{at}]") };
    let role = get_text(message, "role").unwrap_or_default();
    let (speaker, is_tool) = match &*role {
        "system" => (Role::System, false),
        "developer" => (Role::Developer, false),
        "user" => (Role::User, false),
        "assistant" => (Role::Assistant, false),
        "tool" => (Role::User, true),
        _ => return Err(invalid("role")),
    };
    let mut said = Said::default();
    for (name, value) in fields(message) {
        match &*name {
            "role" | "tool_call_id" => {}
            "content" => {
                read_content(at, value, &mut said.content, losses).ok_or_else(|| invalid("content"))?
            }
            "refusal" => said.refusal = text(value).map(Block::Refusal),
            "thinking_blocks" => said.thinking = items(value).filter_map(read_thinking_block).collect(),
            "reasoning_content" | "reasoning" => said.reasoning = said.reasoning.or_else(|| text(value)),
            "tool_calls" => said.calls = read_calls(value).ok_or_else(|| invalid("tool_calls"))?,
            "cache_control" => said.cache = read_cache(value),
            "provider_specific_fields" => {
                let signatures = get(value, "thought_signatures").into_iter().flat_map(items);
                said.signatures = signatures.filter_map(text).map(Block::ThoughtSignature).collect();
            }
            "function_call" => losses.asked("function_call", format_args!("messages[{at}]")),
            other => losses.aside(other, format_args!("messages[{at}]")),
        }
    }
    let mut parts = said.into_parts();
    if !is_tool {
        return Ok(Turn { role: speaker, at, parts });
    }
    let (id, _) = split_id(get_text(message, "tool_call_id").ok_or_else(|| invalid("tool_call_id"))?);
    let cache = parts.iter_mut().filter_map(|part| part.cache.take()).next_back();
    let result = Part { block: Block::ToolResult { id, content: parts, is_error: false }, cache };
    Ok(Turn { role: speaker, at, parts: vec![result] })
}

/// What a message says, before it is put in order.
#[derive(Default)]
struct Said<'a> {
    thinking: Vec<Block<'a>>,
    reasoning: Option<Cow<'a, str>>,
    signatures: Vec<Block<'a>>,
    content: Vec<Part<'a>>,
    refusal: Option<Block<'a>>,
    calls: Vec<Block<'a>>,
    cache: Option<Cache>,
}

impl<'a> Said<'a> {
    /// Thoughts come first, calls last, as the model made them.
    fn into_parts(self) -> Vec<Part<'a>> {
        let Self { mut thinking, reasoning, signatures, content, refusal, calls, cache } = self;
        if let (true, Some(text)) = (thinking.is_empty(), reasoning) {
            thinking.push(Block::Thinking { text, signature: None });
        }
        let blocks = |blocks: Vec<Block<'a>>| blocks.into_iter().map(Part::from);
        let said = blocks(thinking).chain(blocks(signatures)).chain(content);
        let mut parts: Vec<Part<'a>> = said.chain(refusal.map(Part::from)).chain(blocks(calls)).collect();
        if let Some(last) = parts.last_mut() {
            last.cache = last.cache.or(cache);
        }
        parts
    }
}

fn read_content<'a>(
    at: usize,
    value: &'a [u8],
    parts: &mut Vec<Part<'a>>,
    losses: &mut Losses,
) -> Option<()> {
    if let Some(text) = text(value) {
        parts.push(Block::Text(text).into());
        return Some(());
    }
    for (number, part) in items(value).enumerate() {
        let kind = get_text(part, "type").unwrap_or_default();
        match read_part(&kind, part) {
            Some(block) => {
                parts.push(Part { block, cache: get(part, "cache_control").and_then(read_cache) });
            }
            None => losses.asked(&kind, format_args!("messages[{at}].content[{number}]")),
        }
    }
    value.starts_with(b"[").then_some(())
}

fn read_part<'a>(kind: &str, part: &'a [u8]) -> Option<Block<'a>> {
    Some(match kind {
        "text" => Block::Text(get_text(part, "text").unwrap_or_default()),
        "refusal" => Block::Refusal(get_text(part, "refusal")?),
        "thinking" | "redacted_thinking" => return read_thinking_block(part),
        "image_url" => {
            let image = get(part, "image_url")?;
            // Some clients leave the object out.
            let url = text(image).or_else(|| get_text(image, "url"))?;
            Block::Image { source: read_url(url), detail: get_text(image, "detail") }
        }
        "file" => {
            let file = get(part, "file")?;
            let source = match get_text(file, "file_data") {
                Some(data) => read_url(data),
                None => Source::FileId(get_text(file, "file_id")?),
            };
            Block::File { source, name: get_text(file, "filename") }
        }
        "document_url" => Block::File { source: read_url(get_text(part, "document_url")?), name: None },
        "input_audio" => {
            let audio = get(part, "input_audio")?;
            Block::Audio {
                data: get_text(audio, "data")?,
                format: get_text(audio, "format").unwrap_or_default(),
            }
        }
        _ => return None,
    })
}

fn read_thinking_block(block: &[u8]) -> Option<Block<'_>> {
    Some(match &*get_text(block, "type")? {
        "thinking" => Block::Thinking {
            text: get_text(block, "thinking").unwrap_or_default(),
            signature: get_text(block, "signature").filter(|signature| !signature.is_empty()),
        },
        "redacted_thinking" => Block::RedactedThinking(get_text(block, "data")?),
        _ => return None,
    })
}

fn read_calls(value: &[u8]) -> Option<Vec<Block<'_>>> {
    let mut blocks = Vec::new();
    for call in items(value) {
        let function = get(call, "function")?;
        let (id, signature) = split_id(get_text(call, "id").unwrap_or_default());
        blocks.extend(read_signature(call).or(signature).map(Block::ThoughtSignature));
        blocks.push(Block::ToolCall {
            id,
            name: get_text(function, "name")?,
            arguments: get_text(function, "arguments").unwrap_or_default(),
        });
    }
    Some(blocks)
}

/// A `data:` URL holds what it names.
pub(crate) fn read_url(url: Cow<'_, str>) -> Source<'_> {
    match url {
        Cow::Borrowed(url) => split_data(url)
            .map_or(Source::Url(Cow::Borrowed(url)), |(media_type, data)| base64(media_type, data)),
        Cow::Owned(url) => match split_data(&url) {
            Some((media_type, data)) => base64(media_type.to_owned(), data.to_owned()),
            None => Source::Url(Cow::Owned(url)),
        },
    }
}

fn base64<'a>(media_type: impl Into<Cow<'a, str>>, data: impl Into<Cow<'a, str>>) -> Source<'a> {
    Source::Base64 { media_type: media_type.into(), data: data.into() }
}

fn split_data(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    Some((media_type.split(';').next().unwrap_or_default(), data))
}
