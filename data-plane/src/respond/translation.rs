//! Answers that leave in another dialect than they came in.

use bulkhead_dialect::answer::Answer;
use bulkhead_dialect::bound::Sealing;
use bulkhead_dialect::error::{ErrorBody, render_event};
use bulkhead_dialect::relay::{End, Relay, RelayError, RelayOptions, StreamFailure};
use bulkhead_dialect::translate::{AnswerOptions, Back, Dialect, Plan, Stream};
use bulkhead_model::{Endpoint, UnixMillis, Usage};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::stream::MAX_EVENT;
use crate::fault::Fault;

const INPUT_TOKENS: &str = "x-amzn-bedrock-input-token-count";

/// From which dialect to which, and what has to be known for it.
pub(crate) struct Translation {
    pub(crate) back: Back,
    /// What the answer goes on from, where the request was sent in several parts.
    pub(crate) earlier: Earlier,
    /// The answer's id where the provider gives none.
    pub(crate) id: String,
    pub(crate) now: UnixMillis,
    /// Google's stream as one JSON array.
    pub(crate) json_array: bool,
}

impl Translation {
    /// An answer in one piece, in the client's dialect; `None` where it is none of the provider's.
    pub(super) fn answer(self, text: &[u8], shown: &str) -> Option<(Answer, Bytes)> {
        let options = self.options(shown.to_owned(), usize::MAX);
        let done = self.back.answer(&self.earlier.bodies, text, options).ok()?;
        let (usage, is_estimate) = (done.usage, done.is_estimate);
        let read = Answer { usage, is_estimate, produced: done.content_bytes, ..Answer::default() };
        Some((read, done.body))
    }

    /// An answer in events; `None` where the client's dialect has none.
    pub(crate) fn stream(self, shown: String) -> Option<Box<Stream>> {
        let options = self.options(shown, MAX_EVENT);
        self.back.stream(options).map(Box::new)
    }

    fn options(&self, shown: String, max_event: usize) -> AnswerOptions {
        let created = u64::try_from(self.now.0 / 1000).unwrap_or_default();
        AnswerOptions {
            shown_model: Some(shown),
            id: self.id.clone(),
            created,
            plan: Plan::default(),
            max_event,
            input_tokens: self.earlier.input_tokens,
            json_array: self.json_array,
        }
    }
}

/// Answers to parts of a request that came before the last one.
#[derive(Default)]
pub(crate) struct Earlier {
    pub(crate) bodies: Vec<Bytes>,
    /// What headers of all of them said of the input, the last one's included.
    pub(crate) input_tokens: Option<u64>,
}

impl Earlier {
    /// Counts what Bedrock says of the input in the headers of one more answer; what one of them does not say is
    /// not known of all.
    pub(crate) fn add_input(&mut self, headers: &HeaderMap) {
        let said = headers.get(INPUT_TOKENS).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        self.input_tokens = match (self.bodies.is_empty(), self.input_tokens, said) {
            (true, None, said) => said,
            (_, Some(before), Some(said)) => Some(before.saturating_add(said)),
            _ => None,
        };
    }
}

/// What events go through that are the client's already.
pub(super) fn same(options: RelayOptions, sealing: Option<Sealing>) -> Passage {
    match Dialect::of(options.endpoint) {
        // What the client calls the model is in no answer of theirs.
        Some(dialect @ (Dialect::Gemini | Dialect::Converse)) => {
            let options = AnswerOptions { max_event: options.max_event, ..AnswerOptions::default() };
            Passage::Translated(Box::new(Stream::verbatim(dialect, &options)))
        }
        _ => Passage::Same(Relay::new(options).sealing(sealing)),
    }
}

/// What a provider's events go through on their way to the client.
#[expect(clippy::large_enum_variant, reason = "what holds it is boxed, and the large one is the usual one")]
pub(super) enum Passage {
    /// The client speaks the same dialect, and the model's name is put back.
    Same(Relay),
    /// Another dialect, or one in which nothing is put back.
    Translated(Box<Stream>),
}

macro_rules! either {
    ($passage:expr, $stream:ident => $what:expr) => {
        match $passage {
            Self::Same($stream) => $what,
            Self::Translated($stream) => $what,
        }
    };
}

impl Passage {
    /// Takes bytes of the provider and appends what the client gets for them.
    pub(super) fn feed(&mut self, chunk: &[u8], out: &mut BytesMut) -> Result<(), RelayError> {
        either!(self, stream => stream.feed(chunk, out))
    }

    /// The provider's bytes are over.
    pub(super) fn finish(&mut self, out: &mut BytesMut) -> End {
        either!(self, stream => stream.finish(out))
    }

    /// The last event of a stream that fails here, in the client's dialect.
    pub(super) fn fail(&mut self, endpoint: Endpoint, fault: &Fault, out: &mut BytesMut) {
        let body = fault.body();
        let error = body.as_error_body();
        let (said, before) = match self {
            Self::Same(relay) => (false, relay.events()),
            Self::Translated(stream) => (stream.fail(failure(&error), out), 0),
        };
        if !said {
            out.extend_from_slice(&render_event(endpoint, &error, before));
        }
    }

    pub(super) fn has_content(&self) -> bool {
        either!(self, stream => stream.has_content())
    }

    pub(super) fn failure(&self) -> Option<&StreamFailure> {
        either!(self, stream => stream.failure())
    }

    pub(super) fn usage(&self) -> Option<Usage> {
        either!(self, stream => stream.usage())
    }

    pub(super) fn usage_is_final(&self) -> bool {
        either!(self, stream => stream.usage_is_final())
    }

    pub(super) fn is_complete(&self) -> bool {
        either!(self, stream => stream.is_complete())
    }

    pub(super) fn content_bytes(&self) -> u64 {
        either!(self, stream => stream.content_bytes())
    }
}

fn failure(error: &ErrorBody<'_>) -> StreamFailure {
    StreamFailure {
        status: Some(error.status),
        kind: Some(error.kind.to_owned()),
        code: Some(error.code.to_owned()),
        message: error.message.to_owned(),
    }
}
