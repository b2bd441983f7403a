//! `generationConfig` → the form.

use std::borrow::Cow;

use super::super::Dialect;
use super::super::form::{Effort, Knob, Output, Reasoning, Request, Setting};
use super::super::json::{items, text};
use super::super::loss::Losses;
use super::names::{fields, get, get_text};
use crate::json::view::whole_number;

/// How the provider looks at what it is shown.
const ASIDE: [&str; 2] = ["mediaResolution", "audioTimestamp"];

/// Reads the member.
pub(super) fn read_config<'a>(value: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) -> bool {
    let (mut media_type, mut schema) = (None, None);
    for (name, value) in fields(value) {
        if let Some(knob) = Knob::from_name(&name, Dialect::Gemini) {
            request.settings.push(setting(knob, name, value));
            continue;
        }
        match &*name {
            "stopSequences" if value.starts_with(b"[") => {
                request.stop = items(value).filter_map(text).collect();
            }
            "responseMimeType" if value.starts_with(b"\"") => media_type = text(value),
            "responseJsonSchema" => schema = value.starts_with(b"{").then_some(value),
            "thinkingConfig" if value.starts_with(b"{") => read_thinking(value, request),
            "responseModalities" if value == b"[]" => {}
            "responseModalities" => match read_modalities(value) {
                Some(value) => request.settings.push(Setting { knob: Knob::Modalities, name, value }),
                None => losses.asked(&name, "generationConfig"),
            },
            other if ASIDE.contains(&other) => losses.aside(other, "generationConfig"),
            other => losses.asked(other, "generationConfig"),
        }
    }
    request.output = match media_type.as_deref() {
        None | Some("" | "application/json") if schema.is_some() => {
            Some(Output::Schema { name: None, description: None, schema, strict: None })
        }
        Some("application/json") => Some(Output::Json),
        None | Some("" | "text/plain") => None,
        Some(_) => {
            losses.asked("responseMimeType", "generationConfig");
            None
        }
    };
    value.starts_with(b"{")
}

/// A setting. Google's clients write whole numbers with a fraction of nothing, which others refuse.
pub(super) fn setting<'a>(knob: Knob, name: Cow<'a, str>, value: &'a [u8]) -> Setting<'a> {
    let is_whole =
        matches!(knob, Knob::MaxTokens | Knob::TopK | Knob::Seed | Knob::Choices | Knob::TopLogprobs);
    let whole = value.strip_suffix(b".0").filter(|_| is_whole);
    Setting { knob, name, value: whole.unwrap_or(value) }
}

/// Where Google is told nothing but to show its thoughts, it thinks as it likes.
fn read_thinking(value: &[u8], request: &mut Request<'_>) {
    let level = get_text(value, "thinkingLevel").map(|level| level.to_ascii_lowercase());
    let level = level.and_then(|level| Effort::from_name(&level)).map(Reasoning::Effort);
    let budget = get(value, "thinkingBudget").and_then(|budget| match budget {
        b"0" => Some(Reasoning::Off),
        b"-1" => Some(Reasoning::Adaptive(None)),
        budget => whole_number(budget).map(Reasoning::Budget),
    });
    request.shows_thoughts = get(value, "includeThoughts") == Some(b"true");
    let shown = request.shows_thoughts.then_some(Reasoning::Adaptive(None));
    request.reasoning = level.or(budget).or(shown).map(|reasoning| (reasoning, "thinkingConfig"));
}

/// OpenAI's names of the kinds of output.
fn read_modalities(value: &[u8]) -> Option<&'static [u8]> {
    if !value.starts_with(b"[") {
        return None;
    }
    let (mut text_too, mut audio, mut image) = (false, false, false);
    for kind in items(value).filter_map(text) {
        match &*kind.to_ascii_uppercase() {
            "TEXT" => text_too = true,
            "AUDIO" => audio = true,
            "IMAGE" => image = true,
            _ => return None,
        }
    }
    Some(match (text_too, audio, image) {
        (_, false, false) => b"[\"text\"]",
        (true, true, false) => b"[\"text\",\"audio\"]",
        (false, true, false) => b"[\"audio\"]",
        (true, false, true) => b"[\"text\",\"image\"]",
        (false, false, true) => b"[\"image\"]",
        _ => return None,
    })
}
