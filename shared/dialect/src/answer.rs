//! Answers that come in one piece.

use std::ops::Range;

use bulkhead_model::{Endpoint, Usage};

use crate::json::view::{members, part};
use crate::relay::StreamFailure;
use crate::translate::{Dialect, embed, measure};
use crate::usage::Reported;

/// What the gateway reads out of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Where the model's name stands in the body, with its quotes.
    pub model: Option<Range<usize>>,
    /// The usage reported.
    pub usage: Option<Usage>,
    /// The usage is estimated by length.
    pub is_estimate: bool,
    /// Bytes of what was generated, as it is spelled. For estimates.
    pub produced: u64,
    /// It is an error, although its status says otherwise.
    pub failure: Option<StreamFailure>,
}

/// Reads an answer in one pass over its top level. `None` when it is not one whole JSON object.
pub fn read(endpoint: Endpoint, body: &[u8]) -> Option<Answer> {
    let mut model = None;
    let mut produced = None;
    let (mut said_error, mut is_answer) = (false, false);
    let mut reported = Reported::default();
    let mut all = members(body);
    for (name, range) in all.by_ref() {
        let value = part(body, range.clone());
        match name {
            b"model" if value.starts_with(b"\"") => model = Some(range),
            // Of chat and completions, of messages, of responses and Converse, of Gemini, of Cohere and Ollama.
            b"choices" | b"content" | b"output" | b"candidates" => produced = u64::try_from(value.len()).ok(),
            b"message" if value.starts_with(b"{") => produced = u64::try_from(value.len()).ok(),
            b"data" => is_answer = true,
            b"error" => said_error = is_error(value),
            _ => reported.take(name, value),
        }
    }
    if !body.get(all.end()?..)?.trim_ascii().is_empty() {
        return None;
    }
    let is_failure = said_error && produced.is_none() && !is_answer;
    let usage = match Dialect::of(endpoint) {
        Some(dialect @ (Dialect::Gemini | Dialect::Converse | Dialect::Cohere | Dialect::Ollama)) => {
            measure(dialect, body)
        }
        _ if endpoint.embeds() && endpoint != Endpoint::Embeddings => embed::measure(endpoint, body),
        _ => reported.usage(endpoint),
    };
    Some(Answer {
        model,
        usage,
        is_estimate: false,
        produced: produced.unwrap_or_default(),
        failure: is_failure.then(|| StreamFailure::read(body)),
    })
}

/// `null`, or an empty text, is no error.
fn is_error(value: &[u8]) -> bool {
    value.starts_with(b"{") || (value.starts_with(b"\"") && value != b"\"\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_and_what_is_no_object_is_refused() {
        let answer =
            read(Endpoint::ChatCompletions, br#"{"id":1,"model":"a","choices":[{"model":"b"}]}"#).unwrap();
        assert_eq!((answer.model, answer.produced), (Some(16..19), 15));
        assert_eq!(answer.failure, None);
        for body in ["", "[]", "1", "{", r#"{"model":"a""#, r#"{"model":"a"} {}"#, "<html>"] {
            assert_eq!(read(Endpoint::ChatCompletions, body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn an_error_with_a_good_status_is_one() {
        for (body, status) in [
            (r#"{"error":{"message":"busy","code":503}}"#, Some(503)),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#, Some(529)),
            (r#"{"error":"busy","id":1}"#, None),
        ] {
            let failure = read(Endpoint::ChatCompletions, body.as_bytes()).unwrap().failure.unwrap();
            assert_eq!((&*failure.message, failure.status), ("busy", status), "{body}");
        }
        for body in [
            r#"{"error":null,"choices":[]}"#,
            r#"{"error":{"message":"m"},"output":[],"status":"failed"}"#,
            r#"{"error":{"message":"m"},"data":[]}"#,
            r#"{"error":""}"#,
        ] {
            assert_eq!(read(Endpoint::Responses, body.as_bytes()).unwrap().failure, None, "{body}");
        }
    }
}
