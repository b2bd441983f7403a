//! Recordings as inputs of targets.

use bulkhead_dialect::frames::{self, Frame};
use bulkhead_dialect::translate::Dialect;
use bulkhead_testkit::{Recording, corpus, recordings};

use super::checks::Target;

/// Longest input that a fuzzer is given: it changes a few bytes at a time.
const LONGEST: usize = 4096;

/// What a recording is an input of.
pub(crate) fn inputs(recording: &Recording) -> Vec<(Target, Vec<u8>)> {
    let Recording { request, body, endpoint, .. } = recording;
    let Some(dialect) = Dialect::of(*endpoint) else { return Vec::new() };
    let mut inputs = Vec::new();
    if request.len() > 2 {
        inputs.push((Target::Json, request.clone()));
        inputs.push((Target::Request(dialect), request.clone()));
        inputs.push((Target::Linear(dialect), request.clone()));
    }
    if recording.status != 200 {
        inputs.push((Target::Error, body.clone()));
    } else if !recording.streams {
        inputs.push((Target::Answer(dialect), body.clone()));
        inputs.push((Target::Linear(dialect), body.clone()));
        inputs.push((Target::Relay(*endpoint), body.clone()));
    } else {
        let text = if dialect == Dialect::Converse {
            inputs.push((Target::EventStream, body.clone()));
            as_text(body)
        } else {
            inputs.push((Target::Sse, body.clone()));
            inputs.push((Target::Relay(*endpoint), body.clone()));
            body.clone()
        };
        inputs.push((Target::Stream(dialect), text.clone()));
        inputs.push((Target::Linear(dialect), text));
    }
    let targets = Target::all();
    inputs.retain(|(target, _)| targets.contains(target));
    inputs
}

/// Frames as server-sent events, which a fuzzer can change and which its targets make frames of again.
fn as_text(mut body: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    while let Some(length) = body.first_chunk() {
        let (frame, rest) = body.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
        let (Frame::Event { name, payload } | Frame::Exception { name, payload }) =
            frames::read(frame).unwrap();
        text.extend_from_slice(&[b"event: ", name.as_bytes(), b"\ndata: ", &payload, b"\n\n"].concat());
        body = rest;
    }
    text
}

/// Long streams are shortened in the middle, so that they still end.
fn shortened(input: Vec<u8>) -> Option<Vec<u8>> {
    if input.len() <= LONGEST {
        return Some(input);
    }
    let text = String::from_utf8(input).ok().filter(|text| !text.starts_with('{'))?;
    let events: Vec<&str> = text.split_inclusive("\n\n").collect();
    let half = |events: &mut dyn Iterator<Item = &&str>| -> Vec<String> {
        let mut left = LONGEST / 2;
        let fits = |event: &&&str| {
            left = left.saturating_sub(event.len());
            left > 0
        };
        events.take_while(fits).map(|event| (*event).to_owned()).collect()
    };
    let (head, tail) = (half(&mut events.iter()), half(&mut events.iter().rev()));
    let short: String = head.into_iter().chain(tail.into_iter().rev()).collect();
    (short.len() < text.len()).then(|| short.into_bytes())
}

/// Writes inputs to start from where `BULKHEAD_SEEDS` names a folder: one for each target in it.
#[test]
fn seeds_can_be_written() {
    let Some(root) = std::env::var_os("BULKHEAD_SEEDS").map(std::path::PathBuf::from) else { return };
    for recording in recordings(&corpus()) {
        for (target, input) in inputs(&recording) {
            let Some(input) = shortened(input) else { continue };
            let folder = root.join(target.name());
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(recording.id.replace('/', "_")), input).unwrap();
        }
    }
}
