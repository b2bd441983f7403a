//! What a translation leaves out.

use std::fmt::Display;

use super::Dialect;

/// Most losses that are reported: a body of rubbish shall not become a report as long.
const MOST: usize = 64;

/// What leaving something out means for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weight {
    /// The answer may be another one than was asked for.
    Asked,
    /// The answer is the same: hints for caching, bookkeeping, notes on earlier turns.
    Aside,
}

/// Something of a request that the upstream's dialect cannot express.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The member in the client's dialect.
    pub name: String,
    /// Where it first stands: empty for the top level, else like `messages[3].content[0]`.
    pub place: String,
    /// What leaving it out means.
    pub weight: Weight,
}

/// Collects losses, each name once.
#[derive(Debug, Default)]
pub(super) struct Losses(Vec<Loss>);

impl Losses {
    /// The answer may be another one without this.
    pub(super) fn asked(&mut self, name: &str, place: impl Display) {
        self.add(name, &place, Weight::Asked);
    }

    /// The answer is the same without this.
    pub(super) fn aside(&mut self, name: &str, place: impl Display) {
        self.add(name, &place, Weight::Aside);
    }

    fn add(&mut self, name: &str, place: &dyn Display, weight: Weight) {
        if self.0.len() < MOST && !self.0.iter().any(|loss| loss.name == name && loss.weight == weight) {
            self.0.push(Loss { name: name.to_owned(), place: place.to_string(), weight });
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Calls what was lost after the first so many as the client does: a writer knows only the words that it has.
    pub(super) fn in_words_of(&mut self, client: Dialect, first: usize) {
        let written = self.0.split_off(first.min(self.0.len()));
        for Loss { name, place, weight } in written {
            let place = match (client, place.strip_prefix("messages")) {
                (Dialect::Responses, Some(rest)) => format!("input{rest}"),
                (Dialect::Completions, Some(_)) => "prompt".to_owned(),
                _ => place,
            };
            self.add(word_of(client, &name), &place, weight);
        }
    }

    pub(super) fn into_vec(self) -> Vec<Loss> {
        self.0
    }
}

/// What a client calls what a writer calls otherwise.
fn word_of(client: Dialect, name: &str) -> &str {
    match (client, name) {
        (Dialect::Responses, "thinking" | "redacted_thinking" | "reasoning_content") => "reasoning",
        (Dialect::Responses, "cache_control") => "prompt_cache_breakpoint",
        (Dialect::Responses, "image" | "image_url") => "input_image",
        (Dialect::Responses, "document" | "file") => "input_file",
        (Dialect::Messages, "stop") => "stop_sequences",
        (Dialect::Messages, "reasoning_content") => "thinking",
        (Dialect::Messages, "image_url") => "image",
        (Dialect::Messages, "file") => "document",
        (Dialect::Chat, "image") => "image_url",
        (Dialect::Chat, "document") => "file",
        _ => name,
    }
}
