//! Parts → content of messages.

use std::borrow::Cow;

use super::super::form::{Block, Part, Request, Role, Source};
use super::super::json::is_object;
use super::super::loss::Losses;
use super::super::plain::plain_text;
use super::super::seal::is_provable;
use super::super::write::{Fields, Items};
use super::cache::write_cache;

/// All system prompts come first, wherever they stood.
pub(super) fn write_system(request: &Request<'_>, body: &mut Fields<'_>, losses: &mut Losses) {
    let is_system = |role| matches!(role, Role::System | Role::Developer);
    let turns = request.turns.iter().filter(|turn| is_system(turn.role));
    let mut texts = Vec::new();
    for (turn, part) in turns.flat_map(|turn| turn.parts.iter().map(move |part| (turn, part))) {
        match &part.block {
            Block::Text(text) if text.is_empty() => {}
            Block::Text(text) => texts.push((text, part.cache)),
            other => losses.asked(other.name(), format_args!("messages[{}]", turn.at)),
        }
    }
    if texts.is_empty() {
        return;
    }
    body.array("system", |items| {
        for (text, cache) in texts {
            items.object(|block| {
                write_text(text, block);
                if let Some(cache) = cache {
                    write_cache(block, cache);
                }
            });
        }
    });
}

/// True for a block that messages can have; another one is lost, but for empty texts, which say nothing.
pub(super) fn is_written(block: &Block<'_>, at: usize, losses: &mut Losses) -> bool {
    match block {
        Block::Text(text) | Block::Refusal(text) => !text.is_empty(),
        Block::Thinking { .. } | Block::RedactedThinking(_) | Block::ThoughtSignature(_) => {
            is_provable(block, at, losses)
        }
        Block::ToolCall { .. } | Block::ToolResult { .. } => true,
        Block::Image { source, .. } | Block::File { source, .. } if source.is_uri() => {
            losses.asked(block.name(), format_args!("messages[{at}]"));
            false
        }
        Block::Image { source, .. } if !matches!(source, Source::Text(_)) => true,
        Block::File { source, .. } if document(source).is_some() => true,
        Block::Image { .. } | Block::File { .. } | Block::Audio { .. } => {
            losses.asked(block.name(), format_args!("messages[{at}]"));
            false
        }
    }
}

/// Writes a block that [`is_written`].
pub(super) fn write_block(part: &Part<'_>, at: usize, items: &mut Items<'_>, losses: &mut Losses) {
    items.object(|fields| {
        match &part.block {
            Block::Text(text) | Block::Refusal(text) => write_text(text, fields),
            Block::Image { source, detail } => {
                if detail.as_deref().is_some_and(|detail| detail != "auto") {
                    losses.aside("detail", format_args!("messages[{at}]"));
                }
                fields.text("type", "image");
                fields.object("source", |into| write_source(source, into));
            }
            Block::File { source, name } => write_file(source, name.as_deref(), fields),
            Block::Thinking { text, signature } => {
                fields.text("type", "thinking");
                fields.text("thinking", text);
                fields.text("signature", signature.as_deref().unwrap_or_default());
            }
            Block::RedactedThinking(data) => {
                fields.text("type", "redacted_thinking");
                fields.text("data", data);
            }
            Block::ToolCall { id, name, arguments } => {
                fields.text("type", "tool_use");
                fields.text("id", &clean_id(id));
                fields.text("name", name);
                write_input(arguments, fields);
            }
            Block::ToolResult { id, content, is_error } => {
                fields.text("type", "tool_result");
                fields.text("tool_use_id", &clean_id(id));
                write_result(content, at, fields, losses);
                if *is_error {
                    fields.flag("is_error", true);
                }
            }
            Block::Audio { .. } | Block::ThoughtSignature(_) => {}
        }
        if let Some(cache) = part.cache {
            write_cache(fields, cache);
        }
    });
}

fn write_text(text: &str, fields: &mut Fields<'_>) {
    fields.text("type", "text");
    fields.text("text", text);
}

fn write_source(source: &Source<'_>, fields: &mut Fields<'_>) {
    match source {
        Source::Base64 { media_type, data } => {
            fields.text("type", "base64");
            fields.text("media_type", media_type);
            fields.text("data", data);
        }
        Source::Url(url) => {
            fields.text("type", "url");
            fields.text("url", url);
        }
        Source::FileId(id) => {
            fields.text("type", "file");
            fields.text("file_id", id);
        }
        Source::Text(text) => {
            fields.text("type", "text");
            fields.text("media_type", "text/plain");
            fields.text("data", text);
        }
    }
}

fn write_file(source: &Source<'_>, name: Option<&str>, fields: &mut Fields<'_>) {
    let Some((kind, source)) = document(source) else { return };
    fields.text("type", kind);
    fields.object("source", |into| write_source(&source, into));
    if let Some(name) = name.filter(|_| kind == "document") {
        fields.text("title", name);
    }
}

/// A file as a kind of block and its source. Anthropic reads PDF, images and plain text.
fn document<'a>(source: &'a Source<'_>) -> Option<(&'static str, Source<'a>)> {
    Some(match source {
        Source::Base64 { media_type, data } => {
            let data = || Cow::Borrowed(&**data);
            let here = |data| Source::Base64 { media_type: Cow::Borrowed(&**media_type), data };
            match &**media_type {
                "application/pdf" => ("document", here(data())),
                kind if kind.starts_with("image/") => ("image", here(data())),
                kind if kind.starts_with("text/") => ("document", Source::Text(plain_text(source)?)),
                _ => return None,
            }
        }
        Source::Url(url) => ("document", Source::Url(Cow::Borrowed(url))),
        Source::FileId(id) => ("document", Source::FileId(Cow::Borrowed(id))),
        Source::Text(text) => ("document", Source::Text(Cow::Borrowed(text))),
    })
}

/// Arguments keep their bytes. What is no object cannot be an input, and goes along as text.
pub(crate) fn write_input(arguments: &str, fields: &mut Fields<'_>) {
    if is_object(arguments) {
        fields.raw("input", arguments.as_bytes());
    } else if arguments.trim().is_empty() {
        fields.raw("input", b"{}");
    } else {
        fields.object("input", |input| input.text("raw_arguments", arguments));
    }
}

fn write_result(content: &[Part<'_>], at: usize, fields: &mut Fields<'_>, losses: &mut Losses) {
    let parts: Vec<&Part<'_>> = content.iter().filter(|part| is_written(&part.block, at, losses)).collect();
    match parts.as_slice() {
        [] => {}
        [Part { block: Block::Text(text), cache: None }] => fields.text("content", text),
        parts => fields.array("content", |items| {
            for part in parts {
                write_block(part, at, items, losses);
            }
        }),
    }
}

/// Anthropic takes letters, digits, `_` and `-`; other providers' ids have more.
fn clean_id(id: &str) -> Cow<'_, str> {
    let is_clean = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if id.chars().all(is_clean) {
        return id.into();
    }
    id.chars().map(|letter| if is_clean(letter) { letter } else { '_' }).collect::<String>().into()
}
