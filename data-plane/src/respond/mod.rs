//! Respond: from the provider's answer to the client's. Same dialect in and out: bytes are forwarded, `model` is put
//! back to the name asked for, usage is read on the way. Otherwise it is translated.

mod awaited;
mod buffered;
mod credentials;
mod decode;
mod headers;
mod out;
mod stream;
mod translation;

pub(crate) use awaited::{Awaited, Opening};
pub(crate) use buffered::{AnswerTerms, Buffered, buffered, response, shown_to_client, whole};
pub(crate) use credentials::without_credentials;
pub(crate) use decode::Decoder;
pub(crate) use headers::{
    Facts, PrefixedNames, add_facts, add_stream_headers, client_headers, named_by_connection,
};
pub(crate) use out::{BrokenOff, OutBody};
pub(crate) use stream::{Terms, streamed};
pub(crate) use translation::{Earlier, Translation};

use std::time::Duration;

use bulkhead_model::Endpoint;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use crate::attempt::bad_answer;
use crate::fault::Fault;
use crate::read::Call;
use crate::settle::Settle;

/// An answer that failed before anything of it was sent to the client, and its leg.
pub(crate) struct Failed {
    pub(crate) fault: Box<Fault>,
    pub(crate) settle: Box<Settle>,
}

impl Failed {
    /// The provider answered, and it is no answer.
    pub(crate) fn bad_answer(mut settle: Box<Settle>, what: &str) -> Self {
        let fault = bad_answer(&settle.exchange.routed.deployment, what);
        settle.fail(fault.kind);
        Self { fault, settle }
    }
}

const EVENT_STREAM: &str = "text/event-stream";
/// The content type of events.
pub(crate) const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
/// Amazon's frames.
const FRAMES: &str = "application/vnd.amazon.eventstream";
/// Ollama's lines.
const LINES: &str = "application/x-ndjson";

/// True for an answer in events.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    is_of_kind(headers, EVENT_STREAM) || is_of_kind(headers, LINES) || is_framed(headers)
}

/// True for an answer in Amazon's frames.
pub(crate) fn is_framed(headers: &HeaderMap) -> bool {
    is_of_kind(headers, FRAMES)
}

fn is_of_kind(headers: &HeaderMap, kind: &str) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    let value = value.as_bytes().trim_ascii_start();
    value.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind.as_bytes()))
}

/// The content type of a stream to a client.
pub(crate) fn stream_type(call: &Call) -> HeaderValue {
    match call.endpoint {
        Endpoint::Converse => HeaderValue::from_static(FRAMES),
        _ if call.as_array => HeaderValue::from_static("application/json"),
        _ => EVENTS,
    }
}

/// The silence after which a client hears a comment; zero is never. Frames and arrays have none.
pub(crate) fn keepalive(call: &Call, declared: Duration) -> Duration {
    let has_comments = call.endpoint != Endpoint::Converse && !call.as_array;
    if has_comments { declared } else { Duration::ZERO }
}
