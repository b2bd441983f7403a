//! Probabilities: lists side by side, where chat has a list of tokens.

use bytes::BytesMut;

use super::super::json::{get, get_text, items};
use super::super::write::{self, Fields, Items};

/// What was gathered of a choice.
#[derive(Default)]
pub(super) struct Logprobs {
    /// Elements, with commas between them.
    tokens: BytesMut,
    values: BytesMut,
    top: BytesMut,
    offsets: BytesMut,
    /// Where the next token stands, in characters.
    offset: u64,
}

impl Logprobs {
    /// Takes chat's.
    pub(super) fn take(&mut self, logprobs: &[u8]) {
        for element in get(logprobs, "content").into_iter().flat_map(items) {
            let token = get_text(element, "token").unwrap_or_default();
            write::string(next(&mut self.tokens), &token);
            next(&mut self.values).extend_from_slice(get(element, "logprob").unwrap_or(b"null"));
            write::object(next(&mut self.top), |fields| {
                for other in get(element, "top_logprobs").into_iter().flat_map(items) {
                    if let (Some(token), Some(value)) = (get_text(other, "token"), get(other, "logprob")) {
                        fields.raw(&token, value);
                    }
                }
            });
            write::number(next(&mut self.offsets), self.offset);
            self.offset += u64::try_from(token.chars().count()).unwrap_or_default();
        }
    }

    /// Writes what was taken, or null.
    pub(super) fn write(&self, choice: &mut Fields<'_>) {
        if self.tokens.is_empty() {
            return choice.raw("logprobs", b"null");
        }
        choice.object("logprobs", |fields| {
            let lists = [
                ("tokens", &self.tokens),
                ("token_logprobs", &self.values),
                ("top_logprobs", &self.top),
                ("text_offset", &self.offsets),
            ];
            for (name, list) in lists {
                fields.array(name, |items: &mut Items<'_>| items.value().extend_from_slice(list));
            }
        });
    }

    /// Begins anew where the last token ended.
    pub(super) fn clear(&mut self) {
        *self = Self { offset: self.offset, ..Self::default() };
    }
}

fn next(list: &mut BytesMut) -> &mut BytesMut {
    if !list.is_empty() {
        list.extend_from_slice(b",");
    }
    list
}
