//! The framing of AWS's event stream.

use bulkhead_dialect::frames::{self, Frame, write_event, write_exception};
use bulkhead_dialect::sse::Framer;
use bulkhead_dialect::translate::{AnswerOptions, Dialect, Stream};
use bytes::BytesMut;

use super::cut::ways;

/// What holds a frame together: its length, the length of its headers, and a checksum of both; another one at its end.
const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;

/// Names that events and exceptions of ConverseStream have.
const EVENTS: [&str; 6] =
    ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"];
const EXCEPTIONS: [&str; 5] = [
    "internalServerException",
    "modelStreamErrorException",
    "serviceUnavailableException",
    "throttlingException",
    "validationException",
];

/// As they are, and with checksums that are right, without which hardly anything is read.
pub(crate) fn check(input: &[u8]) {
    framed(input);
    framed(&with_checksums(input));
}

fn framed(input: &[u8]) {
    let [whole, bytes, odd] = ways(input).map(|chunks| forwarded(&chunks));
    assert_eq!(whole, bytes);
    assert_eq!(whole, odd);
    let frames = plain(input);
    assert_eq!(whole.0, frames.concat());
    frames.iter().for_each(|frame| drop(frames::read(frame)));
    let _ = frames::read(input);
}

fn forwarded(chunks: &[&[u8]]) -> (Vec<u8>, String) {
    let options = AnswerOptions { max_event: usize::MAX, ..AnswerOptions::default() };
    let mut stream = Stream::verbatim(Dialect::Converse, &options);
    let mut out = BytesMut::new();
    chunks.iter().for_each(|chunk| stream.feed(chunk, &mut out).unwrap());
    let end = stream.finish(&mut out);
    let told = format!("{end:?} {:?} {:?} {}", stream.failure(), stream.usage(), stream.content_bytes());
    (out.to_vec(), told)
}

/// Whole frames; one that says that it is shorter than its length is as long as that.
fn plain(mut input: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some(length) = input.first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap().max(length.len());
        let Some((frame, rest)) = input.split_at_checked(length) else { break };
        frames.push(frame);
        input = rest;
    }
    frames
}

/// The same bytes with the checksums that belong to them.
fn with_checksums(input: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let frames = plain(input);
    for frame in &frames {
        let mut frame = frame.to_vec();
        if let Some((prelude, _)) = frame.split_at_checked(PRELUDE).filter(|(_, rest)| rest.len() >= CHECKSUM)
        {
            let checksum = crc32(&prelude[..PRELUDE - CHECKSUM]).to_be_bytes();
            frame[PRELUDE - CHECKSUM..PRELUDE].copy_from_slice(&checksum);
            let end = frame.len() - CHECKSUM;
            let checksum = crc32(&frame[..end]).to_be_bytes();
            frame[end..].copy_from_slice(&checksum);
        }
        all.extend(frame);
    }
    let rest = &input[all.len()..];
    [&all, rest].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// Frames of server-sent events: names and data.
pub(crate) fn as_events(input: &[u8]) -> Vec<u8> {
    let mut framer = Framer::new(usize::MAX);
    framer.push(input.to_vec().into());
    let mut out = BytesMut::new();
    while let Some(event) = framer.next().unwrap() {
        let known = |name: &&&'static str| event.event() == Some(**name);
        let data = event.data().into_owned().into();
        match EXCEPTIONS.iter().find(known) {
            Some(name) => write_exception(name, data, &mut out),
            None => write_event(EVENTS.iter().find(known).unwrap_or(&EVENTS[2]), data, &mut out),
        }
    }
    out.to_vec()
}

/// What whole frames hold, where each can be read.
pub(crate) fn payloads(body: &[u8]) -> Vec<bytes::Bytes> {
    let frames = plain(body);
    assert_eq!(frames.iter().map(|frame| frame.len()).sum::<usize>(), body.len());
    let payload = |frame: &&[u8]| match frames::read(frame) {
        Ok(Frame::Event { payload, .. } | Frame::Exception { payload, .. }) => payload,
        Err(error) => panic!("{error}"),
    };
    frames.iter().map(payload).collect()
}
