//! Answers that come in one piece.

use std::ops::Range;

use bulkhead_model::{Endpoint, Usage};

use crate::json::view::{elements, find, members, part, path, text};
use crate::usage;

/// What the gateway reads out of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Where the model's name stands in the body, with its quotes.
    pub model: Option<Range<usize>>,
    /// The usage reported.
    pub usage: Option<Usage>,
    /// Why the answer ended, in the dialect's own words; of several choices, the first one's.
    pub finish: Option<String>,
}

/// Reads an answer. `None` when it is not one whole JSON object.
pub fn read(endpoint: Endpoint, body: &[u8]) -> Option<Answer> {
    let mut answer = Answer::default();
    let mut all = members(body);
    for (name, range) in all.by_ref() {
        let value = part(body, range.clone());
        match name {
            b"model" if value.starts_with(b"\"") => answer.model = Some(range),
            b"choices" => answer.finish = first_finish(value).or(answer.finish),
            b"stop_reason" if endpoint == Endpoint::Messages => answer.finish = owned_text(value),
            _ => {}
        }
    }
    if !body.get(all.end()?..)?.trim_ascii().is_empty() {
        return None;
    }
    if endpoint == Endpoint::Responses {
        answer.finish = response_finish(body);
    }
    answer.usage = usage::from_answer(endpoint, body);
    Some(answer)
}

/// Why a response ended: what left it incomplete, else its status.
pub(crate) fn response_finish(response: &[u8]) -> Option<String> {
    let said = |names: &[&str]| owned_text(part(response, path(response, names)?));
    said(&["incomplete_details", "reason"]).or_else(|| said(&["status"]))
}

fn first_finish(choices: &[u8]) -> Option<String> {
    let choice = part(choices, elements(choices).next()?);
    owned_text(part(choice, find(choice, "finish_reason")?))
}

fn owned_text(value: &[u8]) -> Option<String> {
    text(value).map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_says_why_it_ended_in_its_own_place() {
        for (endpoint, body, finish) in [
            (
                Endpoint::ChatCompletions,
                r#"{"choices":[{"finish_reason":"stop"},{"finish_reason":"length"}]}"#,
                Some("stop"),
            ),
            (Endpoint::Completions, r#"{"choices":[{"text":"a","finish_reason":null}]}"#, None),
            (Endpoint::Embeddings, r#"{"data":[],"stop_reason":"x"}"#, None),
            (Endpoint::Messages, r#"{"stop_reason":"tool_use"}"#, Some("tool_use")),
            (Endpoint::Responses, r#"{"status":"completed","incomplete_details":null}"#, Some("completed")),
            (
                Endpoint::Responses,
                r#"{"status":"incomplete","incomplete_details":{"reason":"content_filter"}}"#,
                Some("content_filter"),
            ),
        ] {
            assert_eq!(read(endpoint, body.as_bytes()).unwrap().finish.as_deref(), finish, "{body}");
        }
    }

    #[test]
    fn the_models_name_is_the_one_at_the_top() {
        let body = br#" {"choices":[{"model":"inner"}],"model" : "m\u0031","usage":{"prompt_tokens":1,"completion_tokens":2}} "#;
        let answer = read(Endpoint::ChatCompletions, body).unwrap();
        assert_eq!(part(body, answer.model.unwrap()), br#""m\u0031""#);
        assert_eq!(answer.usage.map(|usage| (usage.input, usage.output)), Some((1, 2)));
        assert_eq!(read(Endpoint::ChatCompletions, br#"{"model":null}"#), Some(Answer::default()));
    }

    #[test]
    fn what_is_no_object_is_no_answer() {
        for body in ["", "[]", "null", "<html>", r#"{"model":"m""#, r#"{"model":"m"} x"#] {
            assert_eq!(read(Endpoint::ChatCompletions, body.as_bytes()), None, "{body}");
        }
    }
}
