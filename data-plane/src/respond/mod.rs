//! Respond: from the provider's answer to the client's. Same dialect in and out: bytes are forwarded, `model` is put
//! back to the name asked for, usage is read on the way.

mod buffered;
mod credentials;
mod decode;
mod headers;
mod out;
mod stream;

pub(crate) use buffered::{Buffered, buffered, response};
pub(crate) use credentials::without_credentials;
pub(crate) use decode::Decoder;
pub(crate) use headers::{
    Facts, PrefixedNames, add_facts, add_stream_headers, client_headers, named_by_connection,
};
pub(crate) use out::{BrokenOff, OutBody};
pub(crate) use stream::{Pending, Terms, awaited, streamed};

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// True for an answer in events.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| text.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
}
