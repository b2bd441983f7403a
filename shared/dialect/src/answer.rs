//! Answers that come in one piece.

use std::ops::Range;

use bulkhead_model::{Endpoint, Usage};

use crate::json::view::{members, part};
use crate::usage::Reported;

/// What the gateway reads out of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Where the model's name stands in the body, with its quotes.
    pub model: Option<Range<usize>>,
    /// The usage reported.
    pub usage: Option<Usage>,
    /// Bytes of what was generated, as it is spelled. For estimates.
    pub produced: u64,
}

/// Reads an answer in one pass over its top level. `None` when it is not one whole JSON object.
pub fn read(endpoint: Endpoint, body: &[u8]) -> Option<Answer> {
    let mut model = None;
    let mut produced = 0;
    let mut reported = Reported::default();
    let mut all = members(body);
    for (name, range) in all.by_ref() {
        let value = part(body, range.clone());
        match name {
            b"model" if value.starts_with(b"\"") => model = Some(range),
            // Of chat and completions, of messages, of responses.
            b"choices" | b"content" | b"output" => produced = u64::try_from(value.len()).unwrap_or(u64::MAX),
            _ => reported.take(name, value),
        }
    }
    if !body.get(all.end()?..)?.trim_ascii().is_empty() {
        return None;
    }
    Some(Answer { model, usage: reported.usage(endpoint), produced })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_and_what_is_no_object_is_refused() {
        let answer =
            read(Endpoint::ChatCompletions, br#"{"id":1,"model":"a","choices":[{"model":"b"}]}"#).unwrap();
        assert_eq!((answer.model, answer.produced), (Some(16..19), 15));
        for body in ["", "[]", "1", "{", r#"{"model":"a""#, r#"{"model":"a"} {}"#, "<html>"] {
            assert_eq!(read(Endpoint::ChatCompletions, body.as_bytes()), None, "{body}");
        }
    }
}
