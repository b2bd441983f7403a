//! Turns → messages, in which text is one string and pictures stand beside it.

use std::collections::HashMap;

use super::super::form::{Block, Part, Role, Source, Turn};
use super::super::json::is_object;
use super::super::loss::Losses;
use super::super::plain::plain_text;
use super::super::write::{Fields, Items};

/// Messages that are being written.
pub(super) struct Turns<'a, 'w> {
    /// Of the calls so far, by id: Ollama wants them with the results.
    names: HashMap<&'a str, &'a str>,
    losses: &'w mut Losses,
}

/// What a message says.
#[derive(Default)]
struct Said<'a> {
    text: String,
    thoughts: String,
    images: Vec<&'a str>,
    calls: Vec<(&'a str, &'a str, &'a str)>,
}

impl<'a, 'w> Turns<'a, 'w> {
    pub(super) fn new(losses: &'w mut Losses) -> Self {
        Self { names: HashMap::new(), losses }
    }

    /// Writes one turn: results of tools are messages of their own, and come before what the user says.
    pub(super) fn write(&mut self, turn: &'a Turn<'_>, messages: &mut Items<'_>) {
        let role = match turn.role {
            Role::System | Role::Developer => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let mut said = Said::default();
        let mut only_results = !turn.parts.is_empty();
        for part in &turn.parts {
            self.note_cache(part, turn.at);
            if let Block::ToolResult { id, content, is_error } = &part.block {
                if *is_error {
                    self.aside("is_error", turn.at);
                }
                self.result(id, content, turn.at, messages);
            } else {
                only_results = false;
                self.take(&part.block, turn, &mut said);
            }
        }
        if !only_results {
            messages.object(|message| {
                message.text("role", role);
                said.write(message);
            });
        }
    }

    fn result(&mut self, id: &'a str, content: &'a [Part<'_>], at: usize, messages: &mut Items<'_>) {
        let mut said = Said::default();
        for part in content {
            self.note_cache(part, at);
            self.say(&part.block, "\n", at, &mut said);
        }
        messages.object(|message| {
            message.text("role", "tool");
            if let Some(name) = self.names.get(id) {
                message.text("tool_name", name);
            }
            if !id.is_empty() {
                message.text("tool_call_id", id);
            }
            said.write(message);
        });
    }

    fn take(&mut self, block: &'a Block<'_>, turn: &Turn<'_>, said: &mut Said<'a>) {
        let from_model = turn.role == Role::Assistant;
        match block {
            Block::Thinking { text, .. } if from_model => said.thoughts.push_str(text),
            Block::ToolCall { id, name, arguments } if from_model => {
                self.names.insert(id, name);
                said.calls.push((id, name, arguments));
            }
            Block::RedactedThinking(_) | Block::ThoughtSignature(_) => self.aside(block.name(), turn.at),
            // A model goes on where it stopped; others' parts are paragraphs.
            block => self.say(block, if from_model { "" } else { "\n" }, turn.at, said),
        }
    }

    fn say(&mut self, block: &'a Block<'_>, between: &str, at: usize, said: &mut Said<'a>) {
        match block {
            Block::Text(text) | Block::Refusal(text) => said.append(text, between),
            Block::Image { source: Source::Base64 { data, .. }, detail } => {
                if detail.as_deref().is_some_and(|detail| detail != "auto") {
                    self.aside("detail", at);
                }
                said.images.push(data);
            }
            Block::File { source, .. } => match plain_text(source) {
                Some(text) => said.append(&text, between),
                None => self.asked(block, at),
            },
            other => self.asked(other, at),
        }
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

impl Said<'_> {
    fn append(&mut self, text: &str, between: &str) {
        if !self.text.is_empty() && !text.is_empty() {
            self.text.push_str(between);
        }
        self.text.push_str(text);
    }

    fn write(&self, message: &mut Fields<'_>) {
        message.text("content", &self.text);
        if !self.thoughts.is_empty() {
            message.text("thinking", &self.thoughts);
        }
        if !self.images.is_empty() {
            message.array("images", |items| self.images.iter().for_each(|image| items.text(image)));
        }
        if !self.calls.is_empty() {
            message.array("tool_calls", |items| {
                for (id, name, arguments) in &self.calls {
                    items.object(|call| write_call(id, name, arguments, call));
                }
            });
        }
    }
}

/// Arguments are an object. What is none goes along as text.
fn write_call(id: &str, name: &str, arguments: &str, call: &mut Fields<'_>) {
    if !id.is_empty() {
        call.text("id", id);
    }
    call.object("function", |function| {
        function.text("name", name);
        if is_object(arguments) {
            function.raw("arguments", arguments.as_bytes());
        } else if arguments.trim().is_empty() {
            function.raw("arguments", b"{}");
        } else {
            function.object("arguments", |object| object.text("raw_arguments", arguments));
        }
    });
}
