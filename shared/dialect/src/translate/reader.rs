//! The upstream's side of an answer, whatever its dialect.

use super::form::Event;
use super::{AnswerOptions, Dialect, chat, cohere, converse, gemini, messages, ollama, responses};
use crate::usage::UsageMeter;

/// Reads an answer into events.
pub(super) enum Reader {
    Chat(chat::Reader),
    Messages(messages::Reader),
    Responses(responses::Reader),
    Gemini(gemini::Reader),
    Converse(converse::Reader),
    Cohere(cohere::Reader),
    Ollama(ollama::Reader),
}

impl Reader {
    pub(super) fn new(upstream: Dialect, options: &AnswerOptions) -> Self {
        match upstream {
            // A text's choices are chat's without a message.
            Dialect::Chat | Dialect::Completions => Self::Chat(chat::Reader::default()),
            Dialect::Messages => Self::Messages(messages::Reader::new(options.plan.output_tool)),
            Dialect::Responses => Self::Responses(responses::Reader::default()),
            Dialect::Gemini => Self::Gemini(gemini::Reader::new(options)),
            Dialect::Cohere => Self::Cohere(cohere::Reader::default()),
            Dialect::Ollama => Self::Ollama(ollama::Reader::new(options)),
            Dialect::Converse => Self::Converse(converse::Reader::new(options.plan.output_tool)),
        }
    }

    /// Reads the data of one event of a stream.
    pub(super) fn event(&mut self, data: &[u8], name: Option<&[u8]>, sink: &mut impl FnMut(Event<'_>)) {
        match self {
            Self::Chat(reader) => reader.event(data, name, sink),
            Self::Messages(reader) => reader.event(data, name, sink),
            Self::Responses(reader) => reader.event(data, name, sink),
            Self::Gemini(reader) => reader.event(data, sink),
            Self::Converse(reader) => reader.event(data, name, sink),
            Self::Cohere(reader) => reader.event(data, sink),
            Self::Ollama(reader) => reader.event(data, sink),
        }
    }

    /// Reads an answer in one piece. False when it is none.
    pub(super) fn whole(&mut self, body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> bool {
        match self {
            Self::Chat(reader) => reader.whole(body, sink),
            Self::Messages(reader) => reader.whole(body, sink),
            Self::Responses(reader) => reader.whole(body, sink),
            Self::Gemini(reader) => reader.whole(body, sink),
            Self::Converse(reader) => reader.whole(body, sink),
            Self::Cohere(reader) => reader.whole(body, sink),
            Self::Ollama(reader) => reader.whole(body, sink),
        }
    }

    /// True when the body may end here and nothing is missing.
    pub(super) fn may_end(&self) -> bool {
        match self {
            Self::Chat(reader) => reader.may_end(),
            Self::Messages(_) | Self::Responses(_) | Self::Cohere(_) | Self::Ollama(_) => false,
            Self::Gemini(reader) => reader.may_end(),
            Self::Converse(reader) => reader.may_end(),
        }
    }

    /// Ends a stream that [`Self::may_end`].
    pub(super) fn end(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if let Self::Gemini(reader) = self {
            reader.finish_all(sink);
        }
        sink(Event::End);
    }

    pub(super) fn meter(&self) -> &UsageMeter {
        match self {
            Self::Chat(reader) => &reader.meter,
            Self::Messages(reader) => &reader.meter,
            Self::Responses(reader) => &reader.meter,
            Self::Gemini(reader) => &reader.meter,
            Self::Converse(reader) => &reader.meter,
            Self::Cohere(reader) => &reader.meter,
            Self::Ollama(reader) => &reader.meter,
        }
    }

    /// Why the answer ended, in the upstream's own words.
    pub(super) fn finish_reason(&self) -> Option<&str> {
        match self {
            Self::Chat(reader) => reader.finish.as_deref(),
            Self::Messages(reader) => reader.finish.as_deref(),
            Self::Responses(reader) => reader.finish.as_deref(),
            Self::Gemini(reader) => reader.finish.as_deref(),
            Self::Converse(reader) => reader.finish.as_deref(),
            Self::Cohere(reader) => reader.finish.as_deref(),
            Self::Ollama(reader) => reader.finish.as_deref(),
        }
    }
}

/// Longest finish reason that is remembered, in bytes.
const LONGEST_REASON: usize = 64;

/// What is remembered of a finish reason.
pub(super) fn remembered(reason: &str) -> String {
    reason.get(..reason.floor_char_boundary(LONGEST_REASON)).unwrap_or_default().to_owned()
}
