//! Turns → messages of a chat request.

use std::borrow::Cow;

use super::super::RequestOptions;
use super::super::form::{Block, Part, Role, Source, Turn};
use super::super::loss::Losses;
use super::super::messages::write_cache;
use super::super::write::{Fields, Items};
use crate::fit::short_call_id;

/// OpenAI wants a name for every file.
const FILE_NAME: &str = "document.pdf";

/// Writes one turn: results of tools are messages of their own, and come before what the user says.
pub(super) fn write_turn(
    turn: &Turn<'_>,
    options: &RequestOptions<'_>,
    messages: &mut Items<'_>,
    losses: &mut Losses,
) {
    let mut writer = Turns { at: turn.at, options, losses };
    match turn.role {
        Role::System => writer.plain("system", &turn.parts, messages),
        Role::Developer if options.developer => writer.plain("developer", &turn.parts, messages),
        Role::Developer => writer.plain("system", &turn.parts, messages),
        Role::Assistant => writer.assistant(&turn.parts, messages),
        Role::User => writer.user(&turn.parts, messages),
    }
}

struct Turns<'a> {
    at: usize,
    options: &'a RequestOptions<'a>,
    losses: &'a mut Losses,
}

impl Turns<'_> {
    fn plain(&mut self, role: &str, parts: &[Part<'_>], messages: &mut Items<'_>) {
        let parts: Vec<&Part<'_>> = parts.iter().collect();
        messages.object(|message| {
            message.text("role", role);
            self.content(message, &parts);
        });
    }

    fn user(&mut self, parts: &[Part<'_>], messages: &mut Items<'_>) {
        let mut rest: Vec<&Part<'_>> = Vec::new();
        for part in parts {
            let Block::ToolResult { id, content, is_error } = &part.block else {
                rest.push(part);
                continue;
            };
            if *is_error {
                self.losses.aside("is_error", format_args!("messages[{}]", self.at));
            }
            let (told, shown): (Vec<_>, Vec<_>) =
                content.iter().partition(|part| matches!(part.block, Block::Text(_)));
            messages.object(|message| {
                message.text("role", "tool");
                message.text("tool_call_id", &self.id(id));
                self.content(message, &told);
                self.cache(message, part);
            });
            // Only a user can show something.
            rest.extend(shown);
        }
        let only_results = rest.is_empty() && !parts.is_empty();
        if !only_results {
            messages.object(|message| {
                message.text("role", "user");
                self.content(message, &rest);
            });
        }
    }

    fn assistant(&mut self, parts: &[Part<'_>], messages: &mut Items<'_>) {
        let mut calls = Vec::new();
        let (mut text, mut thoughts, mut refusal) = (String::new(), String::new(), String::new());
        for part in parts {
            match &part.block {
                Block::Text(more) => text.push_str(more),
                Block::Refusal(more) if self.options.members.is_strict() => text.push_str(more),
                Block::Refusal(more) => refusal.push_str(more),
                Block::Thinking { text: more, .. } if self.options.reasoning_content => {
                    thoughts.push_str(more);
                }
                Block::Thinking { .. } => self.aside("thinking"),
                Block::RedactedThinking(_) => self.aside("redacted_thinking"),
                Block::ThoughtSignature(_) => self.aside("thought_signature"),
                Block::ToolCall { id, name, arguments } => calls.push((id, name, arguments)),
                other => self.losses.asked(other.name(), format_args!("messages[{}]", self.at)),
            }
            if part.cache.is_some() && !self.options.cache_control {
                self.aside("cache_control");
            }
        }
        messages.object(|message| {
            message.text("role", "assistant");
            if !thoughts.is_empty() {
                message.text("reasoning_content", &thoughts);
            }
            if !text.is_empty() || (calls.is_empty() && refusal.is_empty()) {
                message.text("content", &text);
            }
            if !refusal.is_empty() {
                message.text("refusal", &refusal);
            }
            if !calls.is_empty() {
                message.array("tool_calls", |items| {
                    for (id, name, arguments) in calls {
                        write_call(items, &self.id(id), name, arguments);
                    }
                });
            }
            if let Some(part) = parts.iter().rev().find(|part| part.cache.is_some()) {
                self.cache(message, part);
            }
        });
    }

    /// The id of a call as the provider takes it.
    fn id<'i>(&self, id: &'i str) -> Cow<'i, str> {
        let short = self.options.members.is_strict().then(|| short_call_id(id)).flatten();
        short.map_or(Cow::Borrowed(id), Cow::Owned)
    }

    /// One text is a string, as every provider takes it; anything else is a list.
    fn content(&mut self, message: &mut Fields<'_>, parts: &[&Part<'_>]) {
        let mut shapes = Vec::with_capacity(parts.len());
        for part in parts {
            match shape(&part.block) {
                Some(shape) => shapes.push((shape, *part)),
                None => self.losses.asked(part.block.name(), format_args!("messages[{}]", self.at)),
            }
        }
        match shapes.as_slice() {
            [] => message.text("content", ""),
            [(Shape::Text(text), part)] if part.cache.is_none() || !self.options.cache_control => {
                message.text("content", text);
                self.cache(message, part);
            }
            _ => message.array("content", |items| {
                for (shape, part) in shapes {
                    self.part(shape, part, items);
                }
            }),
        }
    }

    fn part(&mut self, shape: Shape<'_>, part: &Part<'_>, items: &mut Items<'_>) {
        items.object(|fields| {
            match shape {
                Shape::Text(text) => {
                    fields.text("type", "text");
                    fields.text("text", text);
                }
                Shape::Image { url, detail } => {
                    fields.text("type", "image_url");
                    fields.object("image_url", |image| {
                        image.text("url", &url);
                        if let Some(detail) = detail {
                            image.text("detail", detail);
                        }
                    });
                }
                Shape::File { name, data } => {
                    fields.text("type", "file");
                    fields.object("file", |file| {
                        file.text("filename", name);
                        file.text("file_data", &data);
                    });
                }
                Shape::FileId(id) => {
                    fields.text("type", "file");
                    fields.object("file", |file| file.text("file_id", id));
                }
                Shape::Audio { data, format } => {
                    fields.text("type", "input_audio");
                    fields.object("input_audio", |audio| {
                        audio.text("data", data);
                        audio.text("format", format);
                    });
                }
            }
            self.cache(fields, part);
        });
    }

    fn cache(&mut self, fields: &mut Fields<'_>, part: &Part<'_>) {
        match part.cache {
            Some(cache) if self.options.cache_control => write_cache(fields, cache),
            Some(_) => self.aside("cache_control"),
            None => {}
        }
    }

    fn aside(&mut self, name: &str) {
        self.losses.aside(name, format_args!("messages[{}]", self.at));
    }
}

/// A part as chat can have it.
enum Shape<'a> {
    Text(&'a str),
    Image { url: Cow<'a, str>, detail: Option<&'a str> },
    File { name: &'a str, data: String },
    FileId(&'a str),
    Audio { data: &'a str, format: &'a str },
}

fn shape<'a>(block: &'a Block<'_>) -> Option<Shape<'a>> {
    Some(match block {
        Block::Text(text) | Block::Refusal(text) => Shape::Text(text),
        Block::Image { source, detail } => {
            let url = match source {
                Source::Url(url) => Cow::Borrowed(&**url),
                Source::Base64 { media_type, data } => Cow::Owned(data_url(media_type, data)),
                Source::FileId(_) | Source::Text(_) => return None,
            };
            Shape::Image { url, detail: detail.as_deref() }
        }
        Block::File { source, name } => match source {
            Source::Base64 { media_type, .. } if is_film(media_type) => return None,
            Source::Base64 { media_type, data } => {
                Shape::File { name: name.as_deref().unwrap_or(FILE_NAME), data: data_url(media_type, data) }
            }
            Source::Text(text) => Shape::Text(text),
            Source::FileId(id) if !source.is_uri() => Shape::FileId(id),
            Source::FileId(_) | Source::Url(_) => return None,
        },
        Block::Audio { data, format } => Shape::Audio { data, format },
        Block::ToolCall { .. }
        | Block::ToolResult { .. }
        | Block::Thinking { .. }
        | Block::RedactedThinking(_)
        | Block::ThoughtSignature(_) => return None,
    })
}

/// True for what OpenAI takes as no file.
pub(crate) fn is_film(media_type: &str) -> bool {
    media_type.starts_with("video/")
}

pub(crate) fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

fn write_call(items: &mut Items<'_>, id: &str, name: &str, arguments: &str) {
    items.object(|call| {
        call.text("id", id);
        call.text("type", "function");
        call.object("function", |function| {
            function.text("name", name);
            function.text("arguments", arguments);
        });
    });
}
