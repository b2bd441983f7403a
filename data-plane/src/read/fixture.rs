//! Requests for tests.

use std::sync::Arc;

use bulkhead_dialect::json::{Scanner, Segments};
use bulkhead_model::Endpoint;
use bytes::Bytes;

use super::Call;
use super::memory::{BodyLease, BodyMemory};
use crate::receive::Inference;

/// A chat request with this body.
pub(crate) fn call(memory: &Arc<BodyMemory>, body: String) -> Box<Call> {
    let mut scanner = Scanner::new();
    scanner.feed(body.as_bytes()).unwrap();
    let mut segments = Segments::default();
    segments.push(Bytes::from(body));
    let scan = scanner.finish().unwrap();
    let asked = Inference { endpoint: Endpoint::ChatCompletions, model: None, streams: false };
    Call::read(asked, segments, scan, BodyLease::new(memory)).unwrap()
}
