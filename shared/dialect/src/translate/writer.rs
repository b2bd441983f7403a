//! The client's side of an answer, whatever its dialect.

use bytes::{Bytes, BytesMut};

use super::form::Event;
use super::{AnswerOptions, Dialect, chat, completions, converse, gemini, messages, responses};
use crate::relay::StreamFailure;

/// Writes events as a stream, or as an answer in one piece.
pub(super) enum Writer {
    Chat(chat::Writer),
    Messages(messages::Writer),
    Responses(Box<responses::Writer>),
    Completions(completions::Writer),
    Gemini(gemini::Writer),
    Converse(converse::Writer),
}

impl Writer {
    /// `None` for a dialect that no client speaks.
    pub(super) fn new(client: Dialect, options: AnswerOptions, streams: bool) -> Option<Self> {
        Some(match client {
            Dialect::Chat => Self::Chat(chat::Writer::new(options, streams)),
            Dialect::Messages => Self::Messages(messages::Writer::new(options, streams)),
            Dialect::Responses => Self::Responses(Box::new(responses::Writer::new(options, streams))),
            Dialect::Completions => Self::Completions(completions::Writer::new(options, streams)),
            Dialect::Gemini => Self::Gemini(gemini::Writer::new(options, streams)),
            Dialect::Converse => Self::Converse(converse::Writer::new(options, streams)),
            Dialect::Cohere | Dialect::Ollama => return None,
        })
    }

    /// Writes one event; in one piece, nothing is in `out` before the end.
    /// Fails when what came before leaves no place for the event.
    pub(super) fn write(&mut self, event: Event<'_>, out: &mut BytesMut) -> Option<StreamFailure> {
        match self {
            Self::Chat(writer) => {
                writer.write(event, out);
                None
            }
            Self::Messages(writer) => writer.write(event, out),
            Self::Responses(writer) => writer.write(event, out),
            Self::Completions(writer) => {
                writer.write(event, out);
                None
            }
            Self::Gemini(writer) => {
                writer.write(event, out);
                None
            }
            Self::Converse(writer) => writer.write(event, out),
        }
    }

    /// The answer in one piece.
    pub(super) fn into_whole(self) -> Bytes {
        match self {
            Self::Chat(writer) => writer.into_whole(),
            Self::Messages(writer) => writer.into_whole(),
            Self::Responses(writer) => writer.into_whole(),
            Self::Completions(writer) => writer.into_whole(),
            Self::Gemini(writer) => writer.into_whole(),
            Self::Converse(writer) => writer.into_whole(),
        }
    }
}
