//! Bedrock's InvokeModelWithResponseStream: events of the model's own API, each in a frame.
//!
//! They become the server-sent events that the model's maker would send, so that everybody behind this reads one kind.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bulkhead_model::Endpoint;
use bytes::BytesMut;

use crate::error::{ErrorBody, render_event};
use crate::frames::{self, Boundary, Frame};
use crate::json::view::{find, inner_text, part};
use crate::relay::{RelayError, StreamFailure};

/// Takes a stream of Anthropic's events out of its frames.
#[derive(Debug)]
pub struct Unframed {
    max_event: usize,
    boundary: Boundary,
    partial: BytesMut,
    failed: bool,
}

impl Unframed {
    /// A stream before the first byte.
    pub fn new(max_event: usize) -> Self {
        Self { max_event, boundary: Boundary::default(), partial: BytesMut::new(), failed: false }
    }

    /// Takes the next bytes of the body and appends the events that are complete now.
    pub fn feed(&mut self, chunk: &[u8], out: &mut BytesMut) -> Result<(), RelayError> {
        let mut at = 0;
        while at < chunk.len() {
            let ahead = part(chunk, at..chunk.len());
            let Some(length) = self.boundary.find(ahead) else {
                self.partial.extend_from_slice(ahead);
                return self.check(self.partial.len());
            };
            self.check(self.partial.len() + length)?;
            let frame = part(ahead, 0..length);
            if self.partial.is_empty() {
                self.frame(frame, out);
            } else {
                self.partial.extend_from_slice(frame);
                let whole = self.partial.split();
                self.frame(&whole, out);
            }
            at += length;
        }
        Ok(())
    }

    fn check(&self, length: usize) -> Result<(), RelayError> {
        match length > self.max_event {
            true => Err(RelayError::EventTooLarge { limit: self.max_event }),
            false => Ok(()),
        }
    }

    fn frame(&mut self, raw: &[u8], out: &mut BytesMut) {
        // After a failure nothing is an answer.
        if self.failed {
            return;
        }
        match frames::read(raw) {
            Ok(Frame::Event { payload, .. }) => write_event(&payload, out),
            Ok(Frame::Exception { name, payload }) => {
                self.fail(&StreamFailure::exception(&name, &payload), out);
            }
            Err(error) => self.fail(&StreamFailure::damaged(&error), out),
        }
    }

    fn fail(&mut self, failure: &StreamFailure, out: &mut BytesMut) {
        self.failed = true;
        let error = ErrorBody {
            message: &failure.message,
            kind: "",
            param: None,
            code: "",
            status: failure.status.unwrap_or(500),
        };
        out.extend_from_slice(&render_event(Endpoint::Messages, &error, 0));
    }
}

/// The event in a `chunk`; what has none says nothing.
fn write_event(payload: &[u8], out: &mut BytesMut) {
    let encoded = find(payload, "bytes").and_then(|range| inner_text(part(payload, range)));
    let Some(data) = encoded.and_then(|encoded| STANDARD.decode(encoded).ok()) else { return };
    let data = one_line(data.as_slice().into());
    if let Some(name) = find(&data, "type").and_then(|range| inner_text(part(&data, range))) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name);
        out.extend_from_slice(b"\n");
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&data);
    out.extend_from_slice(b"\n\n");
}

/// JSON on one line, as an event's data is. In strings a line end cannot be as it is, so elsewhere a space says the same.
pub(crate) fn one_line(data: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\n', b'\r', &data).is_none() {
        return data;
    }
    data.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{write_event, write_exception};

    const EVENTS: [&str; 3] = [
        r#"{"type":"message_start","message":{"model":"m"}}"#,
        r#"{"type":"content_block_delta","delta":{"text":"é\n"}}"#,
        r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1}}"#,
    ];

    fn framed(events: &[&str]) -> BytesMut {
        let mut out = BytesMut::new();
        for event in events {
            let payload = format!(r#"{{"bytes":"{}","p":"abc"}}"#, STANDARD.encode(event));
            write_event("chunk", payload.into(), &mut out);
        }
        out
    }

    fn unframed(chunks: &[&[u8]]) -> String {
        let mut stream = Unframed::new(1 << 20);
        let mut out = BytesMut::new();
        chunks.iter().for_each(|chunk| stream.feed(chunk, &mut out).unwrap());
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn events_are_as_their_maker_sends_them_wherever_frames_are_cut() {
        let raw = framed(&EVENTS);
        let expected: String = EVENTS
            .iter()
            .zip(["message_start", "content_block_delta", "message_stop"])
            .map(|(event, name)| format!("event: {name}\ndata: {event}\n\n"))
            .collect();
        for at in 0..=raw.len() {
            let (before, after) = raw.split_at(at);
            assert_eq!(unframed(&[before, after]), expected, "{at}");
        }
        let bytes: Vec<_> = raw.chunks(1).collect();
        assert_eq!(unframed(&bytes), expected);
        assert_eq!(
            unframed(&[&framed(&["{\"type\":\n\"ping\"}"])]),
            "event: ping\ndata: {\"type\": \"ping\"}\n\n"
        );
    }

    #[test]
    fn an_exception_is_an_error_of_the_makers_and_the_last_event() {
        for (name, kind) in [
            ("throttlingException", "rate_limit_error"),
            ("serviceUnavailableException", "overloaded_error"),
            ("validationException", "invalid_request_error"),
            ("modelTimeoutException", "timeout_error"),
            ("modelStreamErrorException", "api_error"),
            ("internalServerException", "api_error"),
        ] {
            let mut raw = framed(&EVENTS[..1]);
            write_exception(name, r#"{"message":"no \"luck\""}"#.into(), &mut raw);
            raw.extend_from_slice(&framed(&EVENTS[1..]));
            let said = unframed(&[&raw]);
            let error = format!(
                "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":\"no \\\"luck\\\"\"}}}}\n\n"
            );
            assert!(said.starts_with("event: message_start\n") && said.ends_with(&error), "{said}");
            assert_eq!(said.matches("event: ").count(), 2, "{said}");
        }
    }

    #[test]
    fn damage_is_told_and_what_is_no_event_is_not() {
        let mut raw = framed(&EVENTS[..1]);
        let middle = raw.len() / 2;
        raw[middle] ^= 1;
        assert!(
            unframed(&[&raw]).starts_with("event: error\ndata: {\"type\":\"error\""),
            "{}",
            unframed(&[&raw])
        );
        let mut odd = BytesMut::new();
        for payload in ["{}", "", r#"{"bytes":"%"}"#, r#"{"bytes":1}"#] {
            write_event("chunk", payload.into(), &mut odd);
        }
        assert_eq!(unframed(&[&odd]), "");
        let mut small = Unframed::new(100);
        let error = RelayError::EventTooLarge { limit: 100 };
        assert_eq!(small.feed(&framed(&EVENTS), &mut BytesMut::new()), Err(error));
        assert_eq!(unframed(&[&framed(&EVENTS)[..20]]), "");
    }
}
