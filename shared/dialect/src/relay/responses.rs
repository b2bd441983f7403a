//! Events of OpenAI's Responses.

use std::ops::Range;

use super::progress::{Progress, Reading, says_something, text_bytes, within};
use super::template::{Hole, HoleKind};
use crate::bound::{of_item, of_object};
use crate::json::view::{inner_text, members, part, path, text};

/// The members of an event that matter.
#[derive(Default)]
struct Event<'a> {
    kind: Option<&'a [u8]>,
    response: Option<Range<usize>>,
    delta: Option<Range<usize>>,
}

/// Reads the data of one event.
pub(super) fn read(data: &[u8], event: Option<&[u8]>, progress: &mut Progress, reading: &mut Reading) {
    let mut seen = Event { kind: event, ..Event::default() };
    for (name, range) in members(data) {
        match name {
            b"type" => seen.kind = inner_text(part(data, range)).or(event),
            b"response" => seen.response = Some(range),
            b"delta" => seen.delta = Some(range),
            b"item" => of_item(part(data, range.clone()), range.start, &mut reading.bound),
            b"sequence_number" => reading.holes.push(Hole { range, kind: HoleKind::Digits }),
            b"obfuscation" if part(data, range.clone()).starts_with(b"\"") => {
                reading.text_hole(range, HoleKind::Text);
            }
            _ => {}
        }
    }
    if let Some(response) = &seen.response {
        let model = path(part(data, response.clone()), &["model"]).map(|range| within(response, range));
        reading.model = model.filter(|range| part(data, range.clone()).starts_with(b"\""));
        of_object(part(data, response.clone()), response.start, &mut reading.bound);
    }
    let response = seen.response.map_or(&[][..], |range| part(data, range));
    match seen.kind {
        Some(kind) if kind.ends_with(b".delta") => read_delta(data, seen.delta, progress, reading),
        Some(b"response.output_item.done" | b"response.image_generation_call.partial_image") => {
            progress.content(0);
        }
        Some(b"response.completed" | b"response.incomplete") => {
            progress.meter.response(response);
            progress.finished(&response_finish(response).unwrap_or_else(|| "completed".to_owned()));
            progress.complete = true;
        }
        Some(b"response.failed") => {
            progress.meter.response(response);
            progress.failed(response);
            progress.complete = true;
        }
        Some(b"error") => progress.failed(data),
        // An error in the shape of the older APIs.
        None if path(data, &["error"]).is_some_and(|range| says_something(part(data, range))) => {
            progress.failed(data);
        }
        _ => {}
    }
}

fn read_delta(data: &[u8], delta: Option<Range<usize>>, progress: &mut Progress, reading: &mut Reading) {
    let Some(delta) = delta else { return progress.content(0) };
    let value = part(data, delta.clone());
    match text_bytes(value) {
        Some(bytes) => {
            progress.content(bytes);
            reading.text_hole(delta, HoleKind::Content);
            reading.repeats = true;
        }
        None => progress.content(value.len()),
    }
}

/// Why a response ended: what left it incomplete, else its status.
fn response_finish(response: &[u8]) -> Option<String> {
    let said = |names: &[&str]| text(part(response, path(response, names)?)).map(|text| text.into_owned());
    said(&["incomplete_details", "reason"]).or_else(|| said(&["status"]))
}
