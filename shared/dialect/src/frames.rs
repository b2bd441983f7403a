//! AWS's event stream (`application/vnd.amazon.eventstream`): frames of headers and a payload, with checksums.

use aws_smithy_eventstream::frame::{read_message_from, write_message_to};
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::{Bytes, BytesMut};

/// What a body of frames is called.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// Bytes that say how long a frame is.
const LENGTH: usize = 4;

/// Why bytes are no frame: lengths, headers or a checksum are wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event stream is damaged: {0}")]
pub struct FrameError(String);

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Something of the answer.
    Event {
        /// Its `:event-type`.
        name: String,
        /// Its payload: JSON.
        payload: Bytes,
    },
    /// The answer failed.
    Exception {
        /// Its `:exception-type` or `:error-code`.
        name: String,
        /// JSON that has a `message`.
        payload: Bytes,
    },
}

/// Reads a whole frame, checksums included.
pub fn read(raw: &[u8]) -> Result<Frame, FrameError> {
    let message = read_message_from(raw).map_err(|error| FrameError(error.to_string()))?;
    let header = |name: &str| {
        let found = message.headers().iter().find(|header| header.name().as_str() == name)?;
        found.value().as_string().ok().map(|value| value.as_str())
    };
    let name = |name: &str| header(name).unwrap_or_default().to_owned();
    Ok(match header(":message-type") {
        Some("exception") => {
            Frame::Exception { name: name(":exception-type"), payload: message.payload().clone() }
        }
        Some("error") => {
            let payload = serde_json::json!({ "message": header(":error-message") });
            Frame::Exception { name: name(":error-code"), payload: payload.to_string().into() }
        }
        _ => Frame::Event { name: name(":event-type"), payload: message.payload().clone() },
    })
}

/// Writes an event.
pub fn write_event(name: &'static str, payload: Bytes, out: &mut BytesMut) {
    write("event", ":event-type", name, payload, out);
}

/// Writes an exception, after which nothing may follow.
pub fn write_exception(name: &'static str, payload: Bytes, out: &mut BytesMut) {
    write("exception", ":exception-type", name, payload, out);
}

fn write(kind: &'static str, header: &'static str, name: &'static str, payload: Bytes, out: &mut BytesMut) {
    let text = |name: &'static str, value: &'static str| Header::new(name, HeaderValue::String(value.into()));
    let message = Message::new(payload)
        .add_header(text(header, name))
        .add_header(text(":content-type", "application/json"))
        .add_header(text(":message-type", kind));
    // Only lengths beyond 32 bits fail.
    let _ = write_message_to(&message, out);
}

/// Where frames end, found without looking at a byte twice.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Boundary {
    /// What is known of the frame's length.
    length: u32,
    /// Bytes of the frame so far.
    seen: usize,
}

impl Boundary {
    /// How many of these bytes belong to the current frame, if it ends here. Otherwise they all do, and the next call
    /// goes on with the bytes after them.
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let before = self.seen;
        for byte in bytes.iter().take(LENGTH.saturating_sub(before)) {
            self.length = self.length << 8 | u32::from(*byte);
            self.seen += 1;
        }
        if self.seen < LENGTH {
            return None;
        }
        // A frame that says it is shorter than its length is none, which its reader will tell.
        let end = usize::try_from(self.length).unwrap_or(usize::MAX).max(LENGTH);
        if end - before > bytes.len() {
            self.seen = before + bytes.len();
            return None;
        }
        *self = Self::default();
        Some(end - before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(name: &'static str, payload: &'static str) -> Vec<u8> {
        let mut out = BytesMut::new();
        write_event(name, payload.into(), &mut out);
        out.to_vec()
    }

    #[test]
    fn what_is_written_is_read() {
        let raw = event("messageStart", r#"{"role":"assistant"}"#);
        let read_back =
            Frame::Event { name: "messageStart".to_owned(), payload: r#"{"role":"assistant"}"#.into() };
        assert_eq!(read(&raw), Ok(read_back));
        let mut out = BytesMut::new();
        write_exception("throttlingException", r#"{"message":"m"}"#.into(), &mut out);
        let read_back =
            Frame::Exception { name: "throttlingException".to_owned(), payload: r#"{"message":"m"}"#.into() };
        assert_eq!(read(&out), Ok(read_back));
    }

    #[test]
    fn an_error_without_a_payload_is_an_exception() {
        let text =
            |name: &'static str, value: &'static str| Header::new(name, HeaderValue::String(value.into()));
        let message = Message::new(Bytes::new())
            .add_header(text(":message-type", "error"))
            .add_header(text(":error-code", "500"))
            .add_header(text(":error-message", "m"));
        let mut raw = BytesMut::new();
        write_message_to(&message, &mut raw).unwrap();
        let exception = Frame::Exception { name: "500".to_owned(), payload: r#"{"message":"m"}"#.into() };
        assert_eq!(read(&raw), Ok(exception));
    }

    #[test]
    fn a_wrong_byte_is_noticed() {
        let raw = event("contentBlockDelta", "{}");
        for at in 0..raw.len() {
            let mut wrong = raw.clone();
            wrong[at] ^= 1;
            assert!(read(&wrong).is_err(), "{at}");
        }
    }

    proptest! {
        #[test]
        fn frames_are_found_however_they_are_cut(size in 1usize..40) {
            let frames = [event("a", "{}"), event("b", r#"{"a":"bcdefghijklmnopq"}"#), event("c", "")];
            let (all, mut found, mut partial) = (frames.concat(), Vec::new(), Vec::new());
            let mut boundary = Boundary::default();
            for mut chunk in all.chunks(size) {
                while let Some(length) = boundary.find(chunk) {
                    partial.extend_from_slice(&chunk[..length]);
                    found.push(std::mem::take(&mut partial));
                    chunk = &chunk[length..];
                    if chunk.is_empty() {
                        break;
                    }
                }
                partial.extend_from_slice(chunk);
            }
            prop_assert_eq!(found, frames);
        }

        #[test]
        fn anything_can_be_read(raw in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(read(&raw).is_err());
        }
    }
}
