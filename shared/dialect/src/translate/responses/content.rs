//! Parts of messages and of results of tools.

use std::borrow::Cow;

use super::super::chat::{data_url, is_film, read_url};
use super::super::form::{Block, Cache, Part, Source};
use super::super::json::{get, get_text, items, text};
use super::super::loss::Losses;
use super::super::write::{Fields, Items};

/// What base64 of no type most likely is.
const FILE_TYPE: &str = "application/pdf";

/// OpenAI wants a name for every file that is sent along.
const FILE_NAME: &str = "document.pdf";

/// Reads a content: a string, or a list of parts.
pub(super) fn read_parts<'a>(value: &'a [u8], place: &str, losses: &mut Losses) -> Option<Vec<Part<'a>>> {
    if let Some(text) = text(value) {
        return Some(vec![Block::Text(text).into()]);
    }
    let mut parts = Vec::new();
    for (number, part) in items(value).enumerate() {
        let kind = get_text(part, "type").unwrap_or_default();
        match read_part(&kind, part) {
            Some(block) => {
                let cache = get(part, "prompt_cache_breakpoint").map(|_| Cache::Default);
                parts.push(Part { block, cache });
            }
            None => losses.asked(&kind, format_args!("{place}.content[{number}]")),
        }
    }
    value.starts_with(b"[").then_some(parts)
}

fn read_part<'a>(kind: &str, part: &'a [u8]) -> Option<Block<'a>> {
    Some(match kind {
        "input_text" | "output_text" | "text" => Block::Text(get_text(part, "text").unwrap_or_default()),
        "refusal" => Block::Refusal(get_text(part, "refusal")?),
        "input_image" => {
            let source = match get_text(part, "image_url") {
                Some(url) => read_url(url),
                None => Source::FileId(get_text(part, "file_id")?),
            };
            Block::Image { source, detail: get_text(part, "detail") }
        }
        "input_file" => {
            let source = match (get_text(part, "file_data"), get_text(part, "file_url")) {
                (Some(data), _) => match read_url(data) {
                    Source::Url(data) => Source::Base64 { media_type: FILE_TYPE.into(), data },
                    source => source,
                },
                (None, Some(url)) => read_url(url),
                (None, None) => Source::FileId(get_text(part, "file_id")?),
            };
            Block::File { source, name: get_text(part, "filename") }
        }
        "input_audio" => {
            let audio = get(part, "input_audio")?;
            Block::Audio { data: get_text(audio, "data")?, format: get_text(audio, "format")? }
        }
        _ => return None,
    })
}

/// What the user, the operator or a tool may say, as a part of an item.
pub(super) enum Shape<'a> {
    Text(&'a str),
    Image { url: Cow<'a, str>, detail: &'a str },
    ImageId { id: &'a str, detail: &'a str },
    File { name: &'a str, data: String },
    FileUrl { name: Option<&'a str>, url: &'a str },
    FileId(&'a str),
}

impl<'a> Shape<'a> {
    /// The part that a block is. There is none for sound, and none for what is an item of its own.
    pub(super) fn of(block: &'a Block<'_>) -> Option<Self> {
        Some(match block {
            Block::Text(text) | Block::Refusal(text) => Self::Text(text),
            Block::Image { source, detail } => {
                let detail = detail.as_deref().unwrap_or("auto");
                match source {
                    Source::Url(url) => Self::Image { url: Cow::Borrowed(&**url), detail },
                    Source::Base64 { media_type, data } => {
                        Self::Image { url: data_url(media_type, data).into(), detail }
                    }
                    Source::FileId(id) if !source.is_uri() => Self::ImageId { id, detail },
                    Source::FileId(_) | Source::Text(_) => return None,
                }
            }
            Block::File { source, name } => match source {
                Source::Base64 { media_type, .. } if is_film(media_type) => return None,
                Source::Base64 { media_type, data } => Self::File {
                    name: name.as_deref().unwrap_or(FILE_NAME),
                    data: data_url(media_type, data),
                },
                Source::Url(url) => Self::FileUrl { name: name.as_deref(), url },
                Source::FileId(id) if !source.is_uri() => Self::FileId(id),
                Source::FileId(_) => return None,
                Source::Text(text) => Self::Text(text),
            },
            Block::Audio { .. }
            | Block::ToolCall { .. }
            | Block::ToolResult { .. }
            | Block::Thinking { .. }
            | Block::RedactedThinking(_)
            | Block::ThoughtSignature(_) => return None,
        })
    }

    pub(super) fn write(&self, items: &mut Items<'_>) {
        items.object(|fields| match self {
            Self::Text(text) => {
                fields.text("type", "input_text");
                fields.text("text", text);
            }
            Self::Image { url, detail } => image(fields, "image_url", url, detail),
            Self::ImageId { id, detail } => image(fields, "file_id", id, detail),
            Self::File { name, data } => {
                fields.text("type", "input_file");
                fields.text("filename", name);
                fields.text("file_data", data);
            }
            Self::FileUrl { name, url } => {
                fields.text("type", "input_file");
                if let Some(name) = name {
                    fields.text("filename", name);
                }
                fields.text("file_url", url);
            }
            Self::FileId(id) => {
                fields.text("type", "input_file");
                fields.text("file_id", id);
            }
        });
    }
}

fn image(fields: &mut Fields<'_>, name: &str, place: &str, detail: &str) {
    fields.text("type", "input_image");
    fields.text(name, place);
    fields.text("detail", detail);
}
