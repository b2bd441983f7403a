//! Parts → content blocks.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::form::{Block, Part, Source};
use super::super::loss::Losses;
use super::super::messages::write_input;
use super::super::seal::is_provable;
use super::super::write::{Fields, Items};
use super::cache::write_cache;
use super::content::write_redacted;
use super::documents::{Names, format, image_format};

/// The formats of sound that Bedrock takes.
const SOUNDS: [&str; 15] = [
    "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm",
    "webm",
];

/// The longest id of a call that Bedrock takes.
const LONGEST_ID: usize = 64;

/// True for a block that Converse can have; another one is lost, but for blank texts, which say nothing.
pub(super) fn is_written(block: &Block<'_>, at: usize, losses: &mut Losses) -> bool {
    match block {
        Block::Text(text) | Block::Refusal(text) => !text.trim().is_empty(),
        Block::Thinking { .. } | Block::RedactedThinking(_) | Block::ThoughtSignature(_) => {
            is_provable(block, at, losses)
        }
        Block::ToolCall { .. } | Block::ToolResult { .. } => true,
        Block::Image { .. } | Block::File { .. } | Block::Audio { .. } => {
            let is_known = Media::of(block).is_some();
            if !is_known {
                losses.asked(block.name(), format_args!("messages[{at}]"));
            }
            is_known
        }
    }
}

/// Writes parts, and knows what documents are called.
#[derive(Default)]
pub(super) struct Parts {
    names: Names,
}

impl Parts {
    /// Writes a part that [`is_written`], and what shall be cached up to it.
    pub(super) fn write(&mut self, part: &Part<'_>, at: usize, items: &mut Items<'_>, losses: &mut Losses) {
        let mut cache = part.cache;
        items.object(|fields| match &part.block {
            Block::Text(text) | Block::Refusal(text) => fields.text("text", text),
            Block::Thinking { text, signature } => fields.object("reasoningContent", |content| {
                content.object("reasoningText", |thoughts| {
                    thoughts.text("text", text);
                    thoughts.text("signature", signature.as_deref().unwrap_or_default());
                });
            }),
            Block::RedactedThinking(data) => fields.object("reasoningContent", |content| {
                content.text("redactedContent", &write_redacted(data));
            }),
            Block::ToolCall { id, name, arguments } => fields.object("toolUse", |call| {
                call.text("toolUseId", &clean_id(id));
                call.text("name", name);
                write_input(arguments, call);
            }),
            Block::ToolResult { id, content, is_error } => fields.object("toolResult", |result| {
                result.text("toolUseId", &clean_id(id));
                result.array("content", |items| self.write_result(content, at, items, losses));
                if *is_error {
                    result.text("status", "error");
                }
                // Within a result there is no place for it.
                cache = cache.or_else(|| content.iter().rev().find_map(|part| part.cache));
            }),
            Block::Image { detail, .. } => {
                if detail.as_deref().is_some_and(|detail| detail != "auto") {
                    losses.aside("detail", format_args!("messages[{at}]"));
                }
                self.write_media(&part.block, fields);
            }
            Block::File { .. } | Block::Audio { .. } => self.write_media(&part.block, fields),
            Block::ThoughtSignature(_) => {}
        });
        if let Some(cache) = cache {
            write_cache(items, cache);
        }
    }

    fn write_result(&mut self, content: &[Part<'_>], at: usize, items: &mut Items<'_>, losses: &mut Losses) {
        for part in content {
            match &part.block {
                Block::Audio { .. } => losses.asked(part.block.name(), format_args!("messages[{at}]")),
                block if is_written(block, at, losses) => {
                    self.write(&Part { block: block.clone(), cache: None }, at, items, losses);
                }
                _ => {}
            }
        }
    }

    fn write_media(&mut self, block: &Block<'_>, fields: &mut Fields<'_>) {
        let Some(media) = Media::of(block) else { return };
        fields.object(media.kind, |into| {
            into.text("format", media.format);
            if media.kind == "document" {
                into.text("name", &self.names.give(media.name, media.format));
            }
            into.object("source", |source| match &media.place {
                Place::Bytes(data) => source.text("bytes", data),
                Place::Bucket(uri) => source.object("s3Location", |location| location.text("uri", uri)),
            });
        });
    }
}

/// Something that is not text, as Bedrock has it.
struct Media<'a> {
    kind: &'static str,
    format: &'a str,
    name: Option<&'a str>,
    place: Place<'a>,
}

enum Place<'a> {
    /// Here, in base64.
    Bytes(Cow<'a, str>),
    /// In AWS's object store. Bedrock takes no other addresses.
    Bucket(&'a str),
}

impl<'a> Media<'a> {
    fn of(block: &'a Block<'_>) -> Option<Self> {
        let media = match block {
            Block::Image { source, .. } => Self::of_source(source, None),
            Block::File { source, name } => Self::of_source(source, name.as_deref()),
            Block::Audio { data, format } if SOUNDS.contains(&&**format) => {
                Some(Self { kind: "audio", format, name: None, place: Place::Bytes(Cow::Borrowed(data)) })
            }
            _ => None,
        };
        media.filter(|media| !matches!(&media.place, Place::Bytes(data) if data.is_empty()))
    }

    fn of_source(source: &'a Source<'_>, name: Option<&'a str>) -> Option<Self> {
        let (media_type, name, place) = match source {
            Source::Base64 { media_type, data } => (&**media_type, name, Place::Bytes(Cow::Borrowed(data))),
            Source::Text(text) => ("text/plain", name, Place::Bytes(Cow::Owned(STANDARD.encode(&**text)))),
            Source::Url(url) if url.starts_with("s3://") => {
                let last = url.rsplit_once('/').map(|(_, last)| last);
                (image_type(last), last, Place::Bucket(url))
            }
            Source::Url(_) | Source::FileId(_) => return None,
        };
        let (kind, format) = match image_format(media_type) {
            Some(format) => ("image", format),
            None => ("document", format(media_type, name)?),
        };
        Some(Self { kind, format, name, place })
    }
}

/// The media type of an image by the name of its file.
fn image_type(name: Option<&str>) -> &'static str {
    match name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending) {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        _ => "",
    }
}

/// Bedrock takes letters, digits, `_`, `.`, `:` and `-`, and not many of them: of a long id both ends are kept.
fn clean_id(id: &str) -> Cow<'_, str> {
    let is_clean = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | ':' | '-');
    if id.len() <= LONGEST_ID && id.chars().all(is_clean) {
        return id.into();
    }
    let clean: String = id.chars().map(|letter| if is_clean(letter) { letter } else { '_' }).collect();
    match (clean.get(..LONGEST_ID / 2), clean.get(clean.len().saturating_sub(LONGEST_ID / 2)..)) {
        (Some(head), Some(tail)) if clean.len() > LONGEST_ID => format!("{head}{tail}").into(),
        _ => clean.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_only_what_bedrock_takes() {
        assert_eq!(clean_id("tooluse_A-1.b:c"), "tooluse_A-1.b:c");
        assert_eq!(clean_id("call|1/\u{e9}"), "call_1__");
        let long = format!("{}{}", "a".repeat(60), "b".repeat(60));
        assert_eq!(clean_id(&long), format!("{}{}", "a".repeat(32), "b".repeat(32)));
    }
}
