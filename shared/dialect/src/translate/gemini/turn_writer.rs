//! Turns → contents.

use std::borrow::Cow;
use std::collections::HashMap;

use super::super::form::{Block, Part, Request, Role, Source};
use super::super::json::is_object;
use super::super::loss::Losses;
use super::super::write::{Fields, Items};
use super::super::{ReasoningStyle, RequestOptions};
use super::media::{of_audio, of_url};

/// Google's own word for a call of another provider's model, which has no signature.
const UNSIGNED: &str = "skip_thought_signature_validator";

/// All system prompts are one, wherever they stood.
pub(super) fn write_system(request: &Request<'_>, body: &mut Fields<'_>, losses: &mut Losses) {
    let is_system = |role| matches!(role, Role::System | Role::Developer);
    let mut texts = Vec::new();
    for turn in request.turns.iter().filter(|turn| is_system(turn.role)) {
        for part in &turn.parts {
            match &part.block {
                Block::Text(text) if text.is_empty() => {}
                Block::Text(text) => texts.push(text),
                other => losses.asked(other.name(), format_args!("messages[{}]", turn.at)),
            }
            note_cache(part, turn.at, losses);
        }
    }
    if !texts.is_empty() {
        body.object("systemInstruction", |content| {
            content.array("parts", |parts| {
                texts.iter().for_each(|text| parts.object(|part| part.text("text", text)));
            });
        });
    }
}

/// What one side says in several turns is one content.
pub(super) fn write_contents(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) {
    let mut contents: Vec<(bool, Vec<(usize, &Part<'_>)>)> = Vec::new();
    for turn in &request.turns {
        let from_model = match turn.role {
            Role::System | Role::Developer => continue,
            Role::User => false,
            Role::Assistant => true,
        };
        let parts = turn.parts.iter().filter(|part| is_written(&part.block, turn.at, losses));
        let parts: Vec<_> = parts.map(|part| (turn.at, part)).collect();
        match contents.last_mut() {
            _ if parts.is_empty() => {}
            Some((same, list)) if *same == from_model => list.extend(parts),
            _ => contents.push((from_model, parts)),
        }
    }
    let (signed, ids) = (options.reasoning == ReasoningStyle::Adaptive, options.gemini_api);
    body.array("contents", |items| {
        // Google wants a user to say something, even where there is only a system prompt.
        if contents.is_empty() {
            write_content(false, items, |parts| parts.object(|part| part.text("text", " ")));
        }
        let mut names = HashMap::new();
        for (from_model, blocks) in &contents {
            write_content(*from_model, items, |parts| {
                let mut writer = Parts { names: &mut names, signature: None, calls: 0, signed, ids, losses };
                for (at, part) in blocks {
                    writer.write(*at, &part.block, parts);
                    note_cache(part, *at, writer.losses);
                }
                writer.leave_signature(parts);
            });
        }
    });
}

fn write_content(from_model: bool, items: &mut Items<'_>, fill: impl FnOnce(&mut Items<'_>)) {
    items.object(|content| {
        content.text("role", if from_model { "model" } else { "user" });
        content.array("parts", fill);
    });
}

/// Google caches by itself.
fn note_cache(part: &Part<'_>, at: usize, losses: &mut Losses) {
    if part.cache.is_some() {
        losses.aside("cache_control", format_args!("messages[{at}]"));
    }
}

/// True for a block that a content can have; another one is lost, but for empty texts, which say nothing.
fn is_written(block: &Block<'_>, at: usize, losses: &mut Losses) -> bool {
    match block {
        Block::Text(text) | Block::Refusal(text) | Block::Thinking { text, .. } => !text.is_empty(),
        Block::RedactedThinking(_) => {
            losses.aside("redacted_thinking", format_args!("messages[{at}]"));
            false
        }
        // A URI leads to what was uploaded to Google; an id of another provider does not.
        Block::Image { source: source @ Source::FileId(_), .. }
        | Block::File { source: source @ Source::FileId(_), .. }
            if !source.is_uri() =>
        {
            losses.asked(block.name(), format_args!("messages[{at}]"));
            false
        }
        _ => true,
    }
}

/// The parts of one content.
struct Parts<'a, 'w> {
    /// Of the calls so far, by id: Google wants them with the results.
    names: &'w mut HashMap<&'a str, &'a str>,
    /// For the next text or call.
    signature: Option<&'a str>,
    /// Calls so far.
    calls: usize,
    /// The model refuses calls without a signature.
    signed: bool,
    /// It takes ids of calls.
    ids: bool,
    losses: &'w mut Losses,
}

impl<'a> Parts<'a, '_> {
    fn write(&mut self, at: usize, block: &'a Block<'_>, parts: &mut Items<'_>) {
        match block {
            Block::Text(text) | Block::Refusal(text) => parts.object(|part| {
                part.text("text", text);
                self.sign(part);
            }),
            Block::Thinking { text, .. } => parts.object(|part| {
                part.text("text", text);
                part.flag("thought", true);
            }),
            Block::ThoughtSignature(signature) => {
                self.leave_signature(parts);
                self.signature = Some(signature);
            }
            Block::Image { source, detail } => {
                if detail.as_deref().is_some_and(|detail| detail != "auto") {
                    self.losses.aside("detail", format_args!("messages[{at}]"));
                }
                parts.object(|part| write_source(source, part));
            }
            Block::File { source, .. } => parts.object(|part| write_source(source, part)),
            Block::Audio { data, format } => parts.object(|part| write_inline(&of_audio(format), data, part)),
            Block::ToolCall { id, name, arguments } => {
                self.names.insert(id, name);
                let id = if self.ids { id } else { "" };
                parts.object(|part| {
                    part.object("functionCall", |call| write_call(call, id, name, arguments));
                    if self.signed && self.calls == 0 {
                        self.signature = self.signature.or(Some(UNSIGNED));
                    }
                    self.sign(part);
                });
                self.calls += 1;
            }
            Block::ToolResult { id, content, is_error } => {
                self.write_result(at, id, content, *is_error, parts);
            }
            Block::RedactedThinking(_) => {}
        }
    }

    fn sign(&mut self, part: &mut Fields<'_>) {
        if let Some(signature) = self.signature.take() {
            part.text("thoughtSignature", signature);
        }
    }

    /// A signature that nothing came after stands alone, as in a stream.
    fn leave_signature(&mut self, parts: &mut Items<'_>) {
        if self.signature.is_some() {
            parts.object(|part| {
                part.text("text", "");
                self.sign(part);
            });
        }
    }

    /// What a function shows stands beside what it says.
    fn write_result(
        &mut self,
        at: usize,
        id: &str,
        content: &'a [Part<'_>],
        is_error: bool,
        parts: &mut Items<'_>,
    ) {
        let name = self.names.get(id).copied().unwrap_or(id).to_owned();
        let mut said = Cow::Borrowed("");
        for part in content {
            if let Block::Text(text) = &part.block {
                if said.is_empty() { said = Cow::Borrowed(text) } else { said.to_mut().push_str(text) }
            }
        }
        parts.object(|part| {
            part.object("functionResponse", |result| {
                if self.ids && !id.is_empty() {
                    result.text("id", id);
                }
                result.text("name", &name);
                if is_error {
                    result.object("response", |response| response.text("error", &said));
                } else if is_object(&said) {
                    result.raw("response", said.as_bytes());
                } else {
                    result.object("response", |response| response.text("output", &said));
                }
            });
        });
        for part in content.iter().filter(|part| !matches!(part.block, Block::Text(_))) {
            if is_written(&part.block, at, self.losses) {
                self.write(at, &part.block, parts);
            }
        }
    }
}

/// Writes the members of a call. Arguments keep their bytes; what is no object goes along as text.
pub(super) fn write_call(call: &mut Fields<'_>, id: &str, name: &str, arguments: &str) {
    if !id.is_empty() {
        call.text("id", id);
    }
    call.text("name", name);
    if is_object(arguments) {
        call.raw("args", arguments.as_bytes());
    } else if arguments.trim().is_empty() {
        call.raw("args", b"{}");
    } else {
        call.object("args", |args| args.text("raw_arguments", arguments));
    }
}

fn write_source(source: &Source<'_>, part: &mut Fields<'_>) {
    match source {
        Source::Base64 { media_type, data } => write_inline(media_type, data, part),
        Source::Text(text) => part.text("text", text),
        Source::Url(url) | Source::FileId(url) => part.object("fileData", |file| {
            if let Some(media_type) = of_url(url) {
                file.text("mimeType", media_type);
            }
            file.text("fileUri", url);
        }),
    }
}

pub(super) fn write_inline(media_type: &str, data: &str, part: &mut Fields<'_>) {
    part.object("inlineData", |blob| {
        blob.text("mimeType", media_type);
        blob.text("data", data);
    });
}
