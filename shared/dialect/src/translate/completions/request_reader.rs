//! A request of completions → the form.

use super::super::form::{Block, Knob, Request, Role, Setting, Turn};
use super::super::json::{fields, flag, get, items, text};
use super::super::loss::Losses;
use super::super::{Dialect, TranslateError};

/// Reads a request. The prompt is what a user says; what the form has no place for is lost.
pub(crate) fn read_request<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Request<'a>, TranslateError> {
    let mut request = Request::default();
    for (name, value) in fields(body) {
        if let Some(knob) = Knob::from_name(&name, Dialect::Completions) {
            request.settings.push(Setting { knob, name, value });
            continue;
        }
        let known = match &*name {
            "model" => text(value).map(|model| request.model = Some(model)).is_some(),
            "prompt" => read_prompt(value, &mut request),
            "stop" => {
                request.stop =
                    text(value).map_or_else(|| items(value).filter_map(text).collect(), |one| vec![one]);
                value.starts_with(b"\"") || value.starts_with(b"[")
            }
            "logprobs" => {
                read_logprobs(value, &mut request);
                true
            }
            "user" => text(value).map(|user| request.user = Some(user)).is_some(),
            "stream" => flag(value).map(|it| request.stream = Some(it)).is_some(),
            "stream_options" => {
                request.include_usage = get(value, "include_usage") == Some(b"true");
                true
            }
            "echo" if value == b"false" => true,
            "best_of" if value == b"1" => true,
            "suffix" if value == b"\"\"" => true,
            other => {
                losses.asked(other, "");
                true
            }
        };
        if !known {
            return Err(TranslateError::Invalid { name: name.into_owned(), place: "request".to_owned() });
        }
    }
    Ok(request)
}

/// One text, or a list of one: several prompts are several requests, and tokens mean something to their model only.
fn read_prompt<'a>(value: &'a [u8], request: &mut Request<'a>) -> bool {
    let mut list = items(value);
    let prompt = match (text(value), list.next(), list.next()) {
        (Some(prompt), ..) => Some(prompt),
        (None, Some(one), None) => text(one),
        _ => None,
    };
    let Some(prompt) = prompt else { return false };
    request.turns = vec![Turn { role: Role::User, at: 0, parts: vec![Block::Text(prompt).into()] }];
    true
}

/// A number of alternatives; even none of them asks for the probability of what was chosen.
fn read_logprobs<'a>(value: &'a [u8], request: &mut Request<'a>) {
    request.settings.push(Setting { knob: Knob::Logprobs, name: "logprobs".into(), value: b"true" });
    if value != b"0" {
        request.settings.push(Setting { knob: Knob::TopLogprobs, name: "logprobs".into(), value });
    }
}
