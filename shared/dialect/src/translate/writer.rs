//! The client's side of an answer, whatever its dialect.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::form::{Delta, Event};
use super::{AnswerOptions, Dialect, chat, completions, converse, gemini, messages, responses};
use crate::relay::StreamFailure;

/// Writes events as a stream, or as an answer in one piece.
pub(super) struct Writer {
    /// Names of tools as the client has them, by what the provider calls them.
    renamed: BTreeMap<String, String>,
    client: Client,
}

enum Client {
    Chat(chat::Writer),
    Messages(messages::Writer),
    Responses(Box<responses::Writer>),
    Completions(completions::Writer),
    Gemini(gemini::Writer),
    Converse(converse::Writer),
}

impl Writer {
    /// `None` for a dialect that no client speaks.
    pub(super) fn new(client: Dialect, mut options: AnswerOptions, streams: bool) -> Option<Self> {
        let renamed = std::mem::take(&mut options.plan.renamed);
        let client = match client {
            Dialect::Chat => Client::Chat(chat::Writer::new(options, streams)),
            Dialect::Messages => Client::Messages(messages::Writer::new(options, streams)),
            Dialect::Responses => Client::Responses(Box::new(responses::Writer::new(options, streams))),
            Dialect::Completions => Client::Completions(completions::Writer::new(options, streams)),
            Dialect::Gemini => Client::Gemini(gemini::Writer::new(options, streams)),
            Dialect::Converse => Client::Converse(converse::Writer::new(options, streams)),
            Dialect::Cohere | Dialect::Ollama => return None,
        };
        Some(Self { renamed, client })
    }

    /// Writes one event; in one piece, nothing is in `out` before the end.
    /// Fails when what came before leaves no place for the event.
    pub(super) fn write(&mut self, mut event: Event<'_>, out: &mut BytesMut) -> Option<StreamFailure> {
        if let Event::More { delta: Delta::Tool { name, .. }, .. } = &mut event
            && let Some(own) = self.renamed.get(&**name)
        {
            *name = own.clone().into();
        }
        match &mut self.client {
            Client::Chat(writer) => {
                writer.write(event, out);
                None
            }
            Client::Messages(writer) => writer.write(event, out),
            Client::Responses(writer) => writer.write(event, out),
            Client::Completions(writer) => {
                writer.write(event, out);
                None
            }
            Client::Gemini(writer) => {
                writer.write(event, out);
                None
            }
            Client::Converse(writer) => writer.write(event, out),
        }
    }

    /// The answer in one piece.
    pub(super) fn into_whole(self) -> Bytes {
        match self.client {
            Client::Chat(writer) => writer.into_whole(),
            Client::Messages(writer) => writer.into_whole(),
            Client::Responses(writer) => writer.into_whole(),
            Client::Completions(writer) => writer.into_whole(),
            Client::Gemini(writer) => writer.into_whole(),
            Client::Converse(writer) => writer.into_whole(),
        }
    }
}
