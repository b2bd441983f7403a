//! What must hold for any bytes. The fuzz targets in `shared/dialect/fuzz` run these, and so does the normal suite over
//! what the fuzzer kept and over all recordings.

mod cut;
mod error;
mod frames;
mod json;
mod linear;
mod relay;
mod sse;
mod translate;

use bulkhead_dialect::translate::Dialect;
use bulkhead_model::Endpoint;

/// What is checked. Whatever is read is written for every dialect, so that a target covers all pairs
/// of its dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The scanner, the splice and the lenient look.
    Json,
    /// The framing of server-sent events.
    Sse,
    /// The framing of AWS's event stream.
    EventStream,
    /// Bodies of errors.
    Error,
    /// A stream that is forwarded in its dialect, and an answer that is.
    Relay(Endpoint),
    /// A request.
    Request(Dialect),
    /// An answer in one piece.
    Answer(Dialect),
    /// A stream. Those of Converse are given as server-sent events, of which frames are made.
    Stream(Dialect),
    /// Long requests, answers and streams: the time they take grows as they do.
    Linear(Dialect),
}

impl Target {
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::Json, Self::Sse, Self::EventStream, Self::Error];
        all.extend([Endpoint::ChatCompletions, Endpoint::Messages, Endpoint::Responses].map(Self::Relay));
        all.push(Self::Request(Dialect::Completions));
        all.extend(Dialect::ALL.map(Self::Request));
        for of in [Self::Answer, Self::Stream, Self::Linear] {
            all.extend(Dialect::UPSTREAMS.map(of));
        }
        all
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Json => "json".to_owned(),
            Self::Sse => "sse".to_owned(),
            Self::EventStream => "event_stream".to_owned(),
            Self::Error => "error".to_owned(),
            Self::Relay(endpoint) => format!("relay_{}", Dialect::of(endpoint).map_or("", Dialect::name)),
            Self::Request(dialect) => format!("request_{}", dialect.name()),
            Self::Answer(dialect) => format!("answer_{}", dialect.name()),
            Self::Stream(dialect) => format!("stream_{}", dialect.name()),
            Self::Linear(dialect) => format!("linear_{}", dialect.name()),
        }
    }

    /// Panics where something does not hold.
    pub(crate) fn check(self, input: &[u8]) {
        match self {
            Self::Json => json::check(input),
            Self::Sse => sse::check(input),
            Self::EventStream => frames::check(input),
            Self::Error => error::check(input),
            Self::Relay(endpoint) => relay::check(endpoint, input),
            Self::Request(dialect) => translate::request_of(dialect, input),
            Self::Answer(dialect) => translate::answer_of(dialect, input),
            Self::Stream(dialect) => translate::stream_of(dialect, input),
            Self::Linear(dialect) => linear::check(dialect, input),
        }
    }
}
