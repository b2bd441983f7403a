//! Chunks of OpenAI's chat completions and completions.

use std::ops::Range;

use super::progress::{Progress, Reading, says_something, text_bytes, within};
use super::template::HoleKind;
use crate::json::view::{elements, find, members, part, text, whole_number};
use crate::usage::Reported;

/// What the choices of one chunk bring.
#[derive(Default)]
struct Brought {
    content: bool,
    bytes: usize,
    /// Strings whose text counts.
    strings: usize,
    /// Text came in an array of parts.
    parts: bool,
    finished: bool,
}

/// Reads the data of one event.
pub(super) fn read(data: &[u8], event: Option<&[u8]>, progress: &mut Progress, reading: &mut Reading) {
    if data.trim_ascii() == b"[DONE]" {
        progress.complete = true;
        return;
    }
    let mut choices = None;
    let mut reported = Reported::default();
    let mut error = event == Some(b"error");
    for (name, range) in members(data) {
        let value = part(data, range.clone());
        match name {
            b"choices" => choices = Some(range),
            b"model" if value.starts_with(b"\"") => reading.model = Some(range),
            b"usage" | b"x_groq" | b"service_tier" => reported.take(name, value),
            b"error" => error |= says_something(value),
            // Padding against traffic analysis, fingerprints: what follows the choices does not matter here.
            _ if choices.is_some() && value.starts_with(b"\"") => reading.text_hole(range, HoleKind::Text),
            _ => {}
        }
    }
    if error {
        progress.meter.chunk(&reported, false);
        return progress.failed(data);
    }
    let Some(choices) = choices else { return };
    let mut brought = Brought::default();
    let mut count = 0;
    for choice in elements(part(data, choices.clone())) {
        read_choice(data, within(&choices, choice), progress, reading, &mut brought);
        count += 1;
    }
    if brought.content {
        progress.content(brought.bytes);
    }
    let usage = reported.says_something();
    if usage {
        progress.meter.chunk(&reported, count == 0 || brought.finished);
    }
    reading.only_usage = usage && count == 0;
    reading.repeats = brought.strings == 1 && !brought.parts && !brought.finished && !usage;
}

fn read_choice(
    data: &[u8],
    choice: Range<usize>,
    progress: &mut Progress,
    reading: &mut Reading,
    brought: &mut Brought,
) {
    let mut index = 0;
    let mut reason = None;
    for (name, range) in members(part(data, choice.clone())) {
        let range = within(&choice, range);
        let value = part(data, range.clone());
        match name {
            b"index" => index = whole_number(value).unwrap_or_default(),
            b"delta" => read_delta(data, range, reading, brought),
            b"text" => count_text(data, range, reading, brought),
            b"finish_reason" => reason = text(value),
            _ => {}
        }
    }
    progress.choices.note(index, reason.is_some());
    if let Some(reason) = reason {
        progress.finished(&reason);
        brought.finished = true;
    }
}

fn read_delta(data: &[u8], delta: Range<usize>, reading: &mut Reading, brought: &mut Brought) {
    let mut reasoning = false;
    for (name, range) in members(part(data, delta.clone())) {
        let range = within(&delta, range);
        match name {
            b"content" | b"refusal" => count_text(data, range, reading, brought),
            // Some providers send the same text under both names.
            b"reasoning_content" | b"reasoning" if !reasoning => {
                let before = brought.bytes;
                count_text(data, range, reading, brought);
                reasoning = brought.bytes > before;
            }
            b"reasoning_content" | b"reasoning" if part(data, range.clone()).starts_with(b"\"") => {
                reading.text_hole(range, HoleKind::Text);
            }
            b"tool_calls" => {
                brought.content |= says_something(part(data, range.clone()));
                for call in elements(part(data, range.clone())) {
                    let call = within(&range, call);
                    for (name, inner) in members(part(data, call.clone())) {
                        if matches!(name, b"function" | b"custom") {
                            count_call(data, within(&call, inner), reading, brought);
                        }
                    }
                }
            }
            b"function_call" => {
                brought.content |= says_something(part(data, range.clone()));
                count_call(data, range, reading, brought);
            }
            b"audio" => {
                brought.content |= says_something(part(data, range.clone()));
                if let Some(transcript) = find(part(data, range.clone()), "transcript") {
                    count_text(data, within(&range, transcript), reading, brought);
                }
            }
            b"reasoning_details" | b"images" | b"annotations" => {
                brought.content |= says_something(part(data, range));
            }
            _ => {}
        }
    }
}

fn count_call(data: &[u8], call: Range<usize>, reading: &mut Reading, brought: &mut Brought) {
    for (name, range) in members(part(data, call.clone())) {
        if matches!(name, b"name" | b"arguments" | b"input") {
            count_text(data, within(&call, range), reading, brought);
        }
    }
}

fn count_text(data: &[u8], range: Range<usize>, reading: &mut Reading, brought: &mut Brought) {
    let value = part(data, range.clone());
    match text_bytes(value) {
        Some(0) => {}
        Some(bytes) => {
            brought.content = true;
            brought.bytes += bytes;
            brought.strings += 1;
            reading.text_hole(range, HoleKind::Content);
        }
        // Text in parts.
        None if says_something(value) && value.starts_with(b"[") => {
            brought.content = true;
            brought.parts = true;
            brought.bytes += value.len();
        }
        None => {}
    }
}
