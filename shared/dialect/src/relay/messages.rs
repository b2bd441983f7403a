//! Events of Anthropic's messages.

use std::ops::Range;

use super::progress::{Progress, Reading, says_something, text_bytes, within};
use super::template::{Hole, HoleKind};
use crate::json::view::{find, inner_text, members, part, path, text};

/// Reads the data of one event.
pub(super) fn read(data: &[u8], event: Option<&[u8]>, progress: &mut Progress, reading: &mut Reading) {
    let said = find(data, "type").and_then(|range| inner_text(part(data, range)));
    match said.or(event) {
        Some(b"message_start") => {
            progress.meter.message(data);
            let model = path(data, &["message", "model"]);
            reading.model = model.filter(|range| part(data, range.clone()).starts_with(b"\""));
        }
        Some(b"content_block_start") => {
            if let Some(block) = find(data, "content_block") {
                read_block(part(data, block), progress);
            }
        }
        Some(b"content_block_delta") => read_delta(data, progress, reading),
        Some(b"message_delta") => {
            progress.meter.message(data);
            let reason = path(data, &["delta", "stop_reason"]);
            if let Some(reason) = reason.and_then(|range| text(part(data, range))) {
                progress.finished(&reason);
            }
        }
        Some(b"message_stop") => progress.complete = true,
        Some(b"error") => progress.failed(data),
        _ => {}
    }
}

/// A block begins empty when deltas are to fill it, and whole otherwise.
fn read_block(block: &[u8], progress: &mut Progress) {
    let (mut bytes, mut content) = (0, false);
    for (name, range) in members(block) {
        let value = part(block, range);
        match name {
            b"type" => {}
            b"text" | b"thinking" => {
                bytes += text_bytes(value).unwrap_or_default();
                content |= says_something(value);
            }
            _ => content |= says_something(value),
        }
    }
    if content {
        progress.content(bytes);
    }
}

fn read_delta(data: &[u8], progress: &mut Progress, reading: &mut Reading) {
    let mut bytes = 0;
    let mut strings = 0;
    let delta = find(data, "delta").unwrap_or_default();
    for (name, range) in members(part(data, delta.clone())) {
        if matches!(name, b"text" | b"thinking" | b"partial_json" | b"content") {
            let range = within(&delta, range);
            if let Some(length) = text_bytes(part(data, range.clone())) {
                bytes += length;
                strings += 1;
                reading.text_hole(range, HoleKind::Content);
            }
        }
    }
    progress.content(bytes);
    reading.repeats = strings == 1;
    reading.holes.extend(padding(data).map(|range| Hole { range, kind: HoleKind::Spaces }));
}

/// The spaces before the last brace, of which Anthropic sends a random number.
fn padding(data: &[u8]) -> Option<Range<usize>> {
    let inside = data.trim_ascii_end().strip_suffix(b"}")?;
    let spaces = inside.iter().rev().take_while(|byte| **byte == b' ').count();
    Some(inside.len() - spaces..inside.len())
}
