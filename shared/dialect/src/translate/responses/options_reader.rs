//! `text`, `reasoning` and `include` of a request.

use super::super::form::{Effort, Knob, Output, Reasoning, Request, Setting};
use super::super::json::{fields, flag, get, get_text, items, text};
use super::super::loss::Losses;
use super::{ENCRYPTED_REASONING, LOGPROBS};

/// Reads what form the output has, and how wordy it is.
pub(super) fn read_text<'a>(value: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) -> bool {
    for (name, value) in fields(value) {
        match &*name {
            "format" if !read_format(value, request) => return false,
            "format" => {}
            "verbosity" => {
                request.settings.push(Setting {
                    knob: Knob::Verbosity,
                    name: "text.verbosity".into(),
                    value,
                });
            }
            other => losses.aside(&format!("text.{other}"), ""),
        }
    }
    value.starts_with(b"{")
}

fn read_format<'a>(value: &'a [u8], request: &mut Request<'a>) -> bool {
    request.output = match get_text(value, "type").as_deref() {
        Some("text") => None,
        Some("json_object") => Some(Output::Json),
        Some("json_schema") => Some(Output::Schema {
            name: get_text(value, "name"),
            description: get_text(value, "description"),
            schema: get(value, "schema").filter(|schema| schema.starts_with(b"{")),
            strict: get(value, "strict").and_then(flag),
        }),
        _ => return false,
    };
    true
}

/// Reads how much to think. A summary is what every other dialect shows of thoughts, whether asked for or not.
pub(super) fn read_reasoning(value: &[u8], request: &mut Request<'_>, losses: &mut Losses) -> bool {
    for (name, value) in fields(value) {
        match &*name {
            "effort" => {
                let reasoning = match text(value).as_deref() {
                    Some("none") => Some(Reasoning::Off),
                    Some(name) => Effort::from_name(name).map(Reasoning::Effort),
                    None => None,
                };
                let Some(reasoning) = reasoning else { return false };
                request.reasoning = Some((reasoning, "reasoning.effort"));
            }
            "summary" | "generate_summary" => request.shows_thoughts = true,
            other => losses.aside(&format!("reasoning.{other}"), ""),
        }
    }
    value.starts_with(b"{")
}

/// Reads what the answer shall have beyond the usual. Proofs of thoughts it has wherever there are any.
pub(super) fn read_include<'a>(value: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) -> bool {
    for wanted in items(value).filter_map(text) {
        match &*wanted {
            ENCRYPTED_REASONING => {}
            LOGPROBS => {
                request.settings.push(Setting {
                    knob: Knob::Logprobs,
                    name: "include".into(),
                    value: b"true",
                });
            }
            // What tools of the provider found: those are lost by their names.
            _ => losses.aside("include", ""),
        }
    }
    value.starts_with(b"[")
}
