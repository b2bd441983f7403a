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
pub(crate) use buffered::{AnswerTerms, Buffered, buffered, response};
pub(crate) use credentials::without_credentials;
pub(crate) use decode::Decoder;
pub(crate) use headers::{
    Facts, PrefixedNames, add_facts, add_stream_headers, client_headers, named_by_connection,
};
pub(crate) use out::{BrokenOff, OutBody};
pub(crate) use stream::{Terms, streamed};
pub(crate) use translation::Translation;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::attempt::bad_answer;
use crate::fault::Fault;
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

const EVENT_STREAM: &[u8] = b"text/event-stream";

/// True for an answer in events.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.as_bytes().trim_ascii_start().get(..EVENT_STREAM.len()))
        .is_some_and(|start| start.eq_ignore_ascii_case(EVENT_STREAM))
}
