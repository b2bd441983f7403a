//! Turns → messages.

use std::borrow::Cow;

use super::super::chat::data_url;
use super::super::form::{Block, Part, Role, Source, Turn};
use super::super::loss::Losses;
use super::super::plain::plain_text;
use super::super::write::{Fields, Items};
use super::super::{ReasoningStyle, RequestOptions};

/// A text that the answer may cite.
pub(super) struct Document<'a> {
    text: Cow<'a, str>,
    title: Option<&'a str>,
}

impl Document<'_> {
    pub(super) fn write(&self, fields: &mut Fields<'_>) {
        fields.object("data", |data| {
            data.text("text", &self.text);
            if let Some(title) = self.title {
                data.text("title", title);
            }
        });
    }
}

/// Messages that are being written, and the documents found on the way: they stand beside the messages.
pub(super) struct Turns<'a, 'w> {
    documents: Vec<Document<'a>>,
    /// The model has a place for thoughts of its own.
    thinks: bool,
    losses: &'w mut Losses,
}

impl<'a, 'w> Turns<'a, 'w> {
    pub(super) fn new(options: &RequestOptions<'_>, losses: &'w mut Losses) -> Self {
        Self { documents: Vec::new(), thinks: options.reasoning != ReasoningStyle::None, losses }
    }

    pub(super) fn into_documents(self) -> Vec<Document<'a>> {
        self.documents
    }

    /// Writes all messages. Cohere wants the system prompt first, wherever it stood.
    pub(super) fn write(&mut self, turns: &'a [Turn<'_>], messages: &mut Items<'_>) {
        let is_system = |turn: &&Turn<'_>| matches!(turn.role, Role::System | Role::Developer);
        self.system(turns.iter().filter(is_system), messages);
        for turn in turns {
            match turn.role {
                Role::System | Role::Developer => {}
                Role::User => self.user(turn, messages),
                Role::Assistant => self.assistant(turn, messages),
            }
        }
    }

    fn system(&mut self, turns: impl Iterator<Item = &'a Turn<'a>>, messages: &mut Items<'_>) {
        let mut texts = Vec::new();
        for turn in turns {
            for part in &turn.parts {
                match &part.block {
                    Block::Text(text) if text.is_empty() => {}
                    Block::Text(text) => texts.push(Said::Text(text)),
                    other => self.losses.asked(other.name(), format_args!("messages[{}]", turn.at)),
                }
                self.note_cache(part, turn.at);
            }
        }
        if !texts.is_empty() {
            messages.object(|message| {
                message.text("role", "system");
                write_content(&texts, message);
            });
        }
    }

    /// Results of tools are messages of their own, and come before what the user says.
    fn user(&mut self, turn: &'a Turn<'_>, messages: &mut Items<'_>) {
        let mut rest = Vec::new();
        for part in &turn.parts {
            self.note_cache(part, turn.at);
            match &part.block {
                Block::ToolResult { id, content, is_error } => {
                    if *is_error {
                        self.aside("is_error", turn.at);
                    }
                    self.result(id, content, turn.at, &mut rest, messages);
                }
                block => rest.extend(self.said(block, turn.at)),
            }
        }
        let only_results = rest.is_empty() && turn.parts.iter().any(|part| is_result(&part.block));
        if !only_results {
            messages.object(|message| {
                message.text("role", "user");
                write_content(&rest, message);
            });
        }
    }

    /// What a tool wrote is its message's; only a user can show something.
    fn result(
        &mut self,
        id: &str,
        content: &'a [Part<'_>],
        at: usize,
        rest: &mut Vec<Said<'a>>,
        messages: &mut Items<'_>,
    ) {
        let mut told = Vec::new();
        for part in content {
            self.note_cache(part, at);
            match &part.block {
                Block::File { source, name } => match plain_text(source) {
                    Some(text) => told.push(Said::Document(Document { text, title: name.as_deref() })),
                    None => self.asked(&part.block, at),
                },
                block @ Block::Image { .. } => rest.extend(self.said(block, at)),
                block => told.extend(self.said(block, at)),
            }
        }
        messages.object(|message| {
            message.text("role", "tool");
            message.text("tool_call_id", id);
            write_content(&told, message);
        });
    }

    /// What a user says, but for documents.
    fn said(&mut self, block: &'a Block<'_>, at: usize) -> Option<Said<'a>> {
        match block {
            Block::Text(text) | Block::Refusal(text) => return Some(Said::Text(text)),
            Block::Image { source, detail } => {
                let url = match source {
                    Source::Url(url) => Some(Cow::Borrowed(&**url)),
                    Source::Base64 { media_type, data } => Some(data_url(media_type, data).into()),
                    Source::FileId(_) | Source::Text(_) => None,
                };
                if let Some(url) = url {
                    return Some(Said::Image { url, detail: detail.as_deref() });
                }
            }
            Block::File { source, name } => {
                if let Some(text) = plain_text(source) {
                    self.documents.push(Document { text, title: name.as_deref() });
                    return None;
                }
            }
            Block::Audio { .. }
            | Block::ToolCall { .. }
            | Block::ToolResult { .. }
            | Block::Thinking { .. }
            | Block::RedactedThinking(_)
            | Block::ThoughtSignature(_) => {}
        }
        self.asked(block, at);
        None
    }

    fn assistant(&mut self, turn: &'a Turn<'_>, messages: &mut Items<'_>) {
        let (mut said, mut calls, mut plan) = (Vec::new(), Vec::new(), String::new());
        let called = turn.parts.iter().any(|part| matches!(part.block, Block::ToolCall { .. }));
        for part in &turn.parts {
            self.note_cache(part, turn.at);
            match &part.block {
                Block::Text(text) | Block::Refusal(text) if !text.is_empty() => said.push(Said::Text(text)),
                Block::Text(_) | Block::Refusal(_) => {}
                Block::Thinking { text, .. } if text.is_empty() => {}
                Block::Thinking { text, .. } if self.thinks => said.push(Said::Thought(text)),
                // Models that do not reason plan their calls.
                Block::Thinking { text, .. } if called => plan.push_str(text),
                Block::ToolCall { id, name, arguments } => calls.push((id, name, arguments)),
                Block::Thinking { .. } | Block::RedactedThinking(_) | Block::ThoughtSignature(_) => {
                    self.aside(part.block.name(), turn.at);
                }
                other => self.asked(other, turn.at),
            }
        }
        messages.object(|message| {
            message.text("role", "assistant");
            if !plan.is_empty() {
                message.text("tool_plan", &plan);
            }
            if !said.is_empty() || calls.is_empty() {
                write_content(&said, message);
            }
            if !calls.is_empty() {
                message.array("tool_calls", |items| {
                    for (id, name, arguments) in calls {
                        items.object(|call| write_call(id, name, arguments, call));
                    }
                });
            }
        });
    }

    fn note_cache(&mut self, part: &Part<'_>, at: usize) {
        if part.cache.is_some() {
            self.aside("cache_control", at);
        }
    }

    fn asked(&mut self, block: &Block<'_>, at: usize) {
        self.losses.asked(block.name(), format_args!("messages[{at}]"));
    }

    fn aside(&mut self, name: &str, at: usize) {
        self.losses.aside(name, format_args!("messages[{at}]"));
    }
}

fn is_result(block: &Block<'_>) -> bool {
    matches!(block, Block::ToolResult { .. })
}

/// An element of a message's content.
enum Said<'a> {
    Text(&'a str),
    Thought(&'a str),
    Image { url: Cow<'a, str>, detail: Option<&'a str> },
    Document(Document<'a>),
}

/// One text is a string, as every model takes it; anything else is a list.
fn write_content(said: &[Said<'_>], message: &mut Fields<'_>) {
    match said {
        [] => message.text("content", ""),
        [Said::Text(text)] => message.text("content", text),
        said => message.array("content", |items| {
            for one in said {
                items.object(|fields| one.write(fields));
            }
        }),
    }
}

impl Said<'_> {
    fn write(&self, fields: &mut Fields<'_>) {
        match self {
            Self::Text(text) => {
                fields.text("type", "text");
                fields.text("text", text);
            }
            Self::Thought(text) => {
                fields.text("type", "thinking");
                fields.text("thinking", text);
            }
            Self::Image { url, detail } => {
                fields.text("type", "image_url");
                fields.object("image_url", |image| {
                    image.text("url", url);
                    if let Some(detail) = detail {
                        image.text("detail", detail);
                    }
                });
            }
            Self::Document(document) => {
                fields.text("type", "document");
                fields.object("document", |fields| document.write(fields));
            }
        }
    }
}

fn write_call(id: &str, name: &str, arguments: &str, call: &mut Fields<'_>) {
    call.text("id", id);
    call.text("type", "function");
    call.object("function", |function| {
        function.text("name", name);
        function.text("arguments", arguments);
    });
}
