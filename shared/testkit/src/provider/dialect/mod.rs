//! The forms an answer takes: JSON bodies and events of each API.

pub(crate) mod chat;
pub(crate) mod cohere;
pub(crate) mod completions;
pub(crate) mod embeddings;
pub(crate) mod gemini;
pub(crate) mod messages;
pub(crate) mod models;
pub(crate) mod ollama;
pub(crate) mod responses;
pub(crate) mod vectors;

use bulkhead_model::{Endpoint, Usage};

use super::ask::Ask;
use super::say::{Say, Voice};

/// One event of a stream.
pub(crate) struct Event {
    /// The `event:` line, where the dialect has one.
    pub(crate) name: Option<&'static str>,
    /// The `data:` line.
    pub(crate) data: String,
    pub(crate) part: Part,
    /// Bytes of content in it.
    pub(crate) content: usize,
    /// What it reports.
    pub(crate) usage: Option<Usage>,
}

/// Where in the stream an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Before any content.
    Opening,
    /// A piece of content: faults count these.
    Content,
    /// After the content, or between blocks of it.
    Closing,
    /// Says that the stream is whole.
    Terminal,
}

impl Event {
    pub(crate) fn new(name: Option<&'static str>, part: Part, data: String) -> Self {
        Self { name, data, part, content: 0, usage: None }
    }

    pub(crate) fn content(name: Option<&'static str>, data: String, bytes: usize) -> Self {
        Self { content: bytes, ..Self::new(name, Part::Content, data) }
    }

    pub(crate) fn reporting(mut self, usage: Option<Usage>) -> Self {
        self.usage = usage;
        self
    }
}

/// The answer as one JSON body.
pub(crate) fn body(ask: &Ask<'_>, say: &Say, voice: &Voice) -> String {
    match ask.endpoint {
        Endpoint::ChatCompletions => chat::body(say, voice),
        Endpoint::Completions => completions::body(say, voice),
        Endpoint::Embeddings => embeddings::body(ask, say, voice),
        Endpoint::Responses => responses::body(ask, say, voice),
        Endpoint::Messages => messages::body(say, voice),
        Endpoint::CountTokens => format!("{{\"input_tokens\":{}}}", say.usage.input),
        Endpoint::CohereChat => cohere::body(say, voice),
        Endpoint::OllamaChat => ollama::body(say, voice),
        Endpoint::GeminiCountTokens => format!("{{\"totalTokens\":{}}}", say.usage.input),
        Endpoint::BedrockCountTokens => format!("{{\"inputTokens\":{}}}", say.usage.input),
        Endpoint::EmbedContent
        | Endpoint::BatchEmbedContents
        | Endpoint::CohereEmbed
        | Endpoint::InvokeEmbeddings
        | Endpoint::PredictEmbeddings => vectors::body(ask, say),
        Endpoint::GenerateContent => gemini::body(say, voice),
        // Not spoken here: no path leads to them.
        Endpoint::Converse => String::new(),
    }
}

/// The answer as events; `None` where the API does not stream.
pub(crate) fn events(ask: &Ask<'_>, say: &Say, voice: &Voice) -> Option<Vec<Event>> {
    match ask.endpoint {
        Endpoint::ChatCompletions => Some(chat::events(ask, say, voice)),
        Endpoint::Completions => Some(completions::events(ask, say, voice)),
        Endpoint::Responses => Some(responses::events(ask, say, voice)),
        Endpoint::Messages => Some(messages::events(say, voice)),
        Endpoint::CohereChat => Some(cohere::events(say, voice)),
        Endpoint::OllamaChat => Some(ollama::events(say, voice)),
        Endpoint::GenerateContent => Some(gemini::events(say, voice)),
        _ => None,
    }
}
