//! Translation between dialects, by way of one typed form ([`form`]).
//!
//! Each dialect reads requests and answers into the form and writes them out of it; none knows another. An answer is
//! a sequence of events in the form, whether it comes as a stream or in one piece, so both take the same way. What a
//! dialect cannot express is reported by name, and the caller decides what that means. Same dialect never takes this
//! way.

mod answer;
mod chat;
mod cohere;
mod completions;
mod converse;
mod count;
pub mod embed;
pub mod form;
mod framing;
mod gemini;
mod json;
mod loss;
mod messages;
mod ollama;
mod options;
mod plain;
mod reader;
mod responses;
mod seal;
mod speakers;
mod stream;
mod way;
mod within;
mod write;
mod writer;

use bulkhead_model::Endpoint;
use bytes::Bytes;

pub(crate) use answer::measure;
pub use answer::{Answered, answer};
pub use converse::bedrock_path;
pub use count::counted;
pub use loss::{Loss, Weight};
pub use options::{AnswerOptions, Namespaced, Plan, ReasoningStyle, RequestOptions};
pub use stream::Stream;
pub use way::{Back, Leaving, Way};
pub use within::{developers, models_within, with_model_within};

use crate::json::{ScanError, Scanner};
use loss::Losses;

/// A wire format that the form can be read from and written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's chat completions, with what LiteLLM and its providers add to it.
    Chat,
    /// Anthropic's messages.
    Messages,
    /// OpenAI's responses.
    Responses,
    /// OpenAI's older completions, which no provider is asked in.
    Completions,
    /// Google's generateContent and streamGenerateContent, of the Gemini API and of Vertex.
    Gemini,
    /// Bedrock's Converse and ConverseStream.
    Converse,
    /// Cohere's chat, version 2, which no client asks us in.
    Cohere,
    /// Ollama's own chat, which no client asks us in.
    Ollama,
}

impl Dialect {
    /// Every dialect that both clients and providers speak.
    pub const ALL: [Self; 5] = [Self::Chat, Self::Messages, Self::Responses, Self::Gemini, Self::Converse];

    /// Every dialect that providers speak. All but the last two are clients', too.
    pub const UPSTREAMS: [Self; 7] = [
        Self::Chat,
        Self::Messages,
        Self::Responses,
        Self::Gemini,
        Self::Converse,
        Self::Cohere,
        Self::Ollama,
    ];

    /// What is spoken at an endpoint, where it can be translated.
    pub const fn of(endpoint: Endpoint) -> Option<Self> {
        match endpoint {
            Endpoint::ChatCompletions => Some(Self::Chat),
            Endpoint::Messages => Some(Self::Messages),
            Endpoint::Responses => Some(Self::Responses),
            Endpoint::Completions => Some(Self::Completions),
            Endpoint::GenerateContent => Some(Self::Gemini),
            Endpoint::Converse => Some(Self::Converse),
            Endpoint::CohereChat => Some(Self::Cohere),
            Endpoint::OllamaChat => Some(Self::Ollama),
            Endpoint::Embeddings
            | Endpoint::EmbedContent
            | Endpoint::BatchEmbedContents
            | Endpoint::CohereEmbed
            | Endpoint::InvokeEmbeddings
            | Endpoint::PredictEmbeddings
            | Endpoint::CountTokens
            | Endpoint::GeminiCountTokens => None,
        }
    }

    /// A name for tables and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Messages => "messages",
            Self::Responses => "responses",
            Self::Completions => "completions",
            Self::Gemini => "gemini",
            Self::Converse => "converse",
            Self::Cohere => "cohere",
            Self::Ollama => "ollama",
        }
    }
}

/// The endpoints of providers that can stand in for one of ours, the one that loses least first.
pub const fn ways(endpoint: Endpoint) -> &'static [Endpoint] {
    use Endpoint::{ChatCompletions, CohereChat, Converse, GenerateContent, Messages, OllamaChat, Responses};
    use Endpoint::{InvokeEmbeddings, PredictEmbeddings};
    match endpoint {
        ChatCompletions => &[Messages, GenerateContent, Converse, Responses, CohereChat, OllamaChat],
        Messages => &[Converse, GenerateContent, ChatCompletions, Responses, CohereChat, OllamaChat],
        Responses => &[ChatCompletions, Messages, GenerateContent, Converse, CohereChat, OllamaChat],
        Endpoint::Completions => {
            &[ChatCompletions, Messages, GenerateContent, Converse, Responses, CohereChat, OllamaChat]
        }
        GenerateContent => &[ChatCompletions, Messages, Converse, Responses, CohereChat, OllamaChat],
        Converse => &[Messages, ChatCompletions, GenerateContent, Responses, CohereChat, OllamaChat],
        Endpoint::Embeddings => {
            &[Endpoint::BatchEmbedContents, Endpoint::CohereEmbed, PredictEmbeddings, InvokeEmbeddings]
        }
        Endpoint::EmbedContent | Endpoint::BatchEmbedContents => {
            &[PredictEmbeddings, Endpoint::Embeddings, Endpoint::CohereEmbed, InvokeEmbeddings]
        }
        Endpoint::CountTokens => &[Endpoint::GeminiCountTokens],
        Endpoint::GeminiCountTokens => &[Endpoint::CountTokens],
        CohereChat | OllamaChat | Endpoint::CohereEmbed | InvokeEmbeddings | PredictEmbeddings => &[],
    }
}

/// Why something cannot be translated at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// Not one JSON object, or nested too deep.
    #[error("{0}")]
    Json(#[from] ScanError),
    /// A member of the request has a value that its dialect does not know.
    #[error("invalid value of '{name}' in {place}")]
    Invalid {
        /// The member.
        name: String,
        /// Where it stands.
        place: String,
    },
    /// No provider is asked in this dialect.
    #[error("no provider is asked in this dialect")]
    NoUpstream,
    /// No client asks in this dialect.
    #[error("no client asks in this dialect")]
    NoClient,
    /// The provider does not take what is asked, and it cannot be left out.
    #[error("'{name}': {what}")]
    Refused {
        /// The member that holds it.
        name: &'static str,
        /// Why, and what to do.
        what: &'static str,
    },
    /// The answer has none of the members that its dialect requires.
    #[error("the answer is none of its dialect's")]
    NoAnswer,
}

/// A request in the upstream's dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// The body to send.
    pub body: Bytes,
    /// What of the client's request is not in it.
    pub losses: Vec<Loss>,
    /// What the translation of the answer has to know of the request.
    pub plan: Plan,
}

/// Translates a request from the client's dialect into the upstream's.
pub fn request(
    from: Dialect,
    to: Dialect,
    body: &[u8],
    options: &RequestOptions<'_>,
) -> Result<Translated, TranslateError> {
    check(body)?;
    let mut losses = Losses::default();
    let body = if from == Dialect::Gemini { gemini::with_json_schemas(body) } else { body.into() };
    let body = &body;
    let schema = if from == Dialect::Converse { converse::read_schema(body) } else { None };
    let mut request = match from {
        Dialect::Chat => chat::read_request(body, &mut losses)?,
        Dialect::Messages => messages::read_request(body, &mut losses)?,
        Dialect::Responses => responses::read_request(body, &mut losses)?,
        Dialect::Completions => completions::read_request(body, &mut losses)?,
        Dialect::Gemini => gemini::read_request(body, &mut losses)?,
        Dialect::Converse => converse::read_request(body, schema.as_deref(), &mut losses)?,
        Dialect::Cohere | Dialect::Ollama => return Err(TranslateError::NoClient),
    };
    request.stream = request.stream.or(options.stream);
    request.keep_last_settings();
    losses.written_for(from);
    let namespaced = std::mem::take(&mut request.namespaced);
    let mut plan = Plan { include_usage: request.include_usage, namespaced, ..Plan::default() };
    let body = match to {
        Dialect::Chat => chat::write_request(&request, options, &mut losses),
        Dialect::Messages => messages::write_request(&request, options, &mut plan, &mut losses),
        Dialect::Responses => responses::write_request(&request, options, &mut losses),
        Dialect::Completions => return Err(TranslateError::NoUpstream),
        Dialect::Gemini => gemini::write_request(&request, options, &mut losses),
        Dialect::Converse => converse::write_request(&request, options, &mut plan, &mut losses),
        Dialect::Cohere => cohere::write_request(&request, options, &mut losses),
        Dialect::Ollama => ollama::write_request(&request, options, &mut losses),
    };
    Ok(Translated { body, losses: losses.into_vec(), plan })
}

/// One strict pass, after which the lenient readers find what is there: valid JSON in Unicode, nested no deeper than
/// [`crate::json::MAX_DEPTH`].
fn check(body: &[u8]) -> Result<(), ScanError> {
    let mut scanner = Scanner::new();
    scanner.feed(body)?;
    scanner.finish().map(drop)
}
