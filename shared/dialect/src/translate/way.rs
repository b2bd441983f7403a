//! From which endpoint of ours to which of a provider a request goes, and its answer back.

use bulkhead_model::Endpoint;
use bytes::Bytes;

use super::{
    AnswerOptions, Answered, Dialect, Loss, Plan, RequestOptions, Stream, TranslateError, Translated, answer,
    count, embed, request,
};

/// What is translated on the way to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A conversation, from one dialect into another.
    Conversation(Dialect, Dialect),
    /// Embeddings, likewise.
    Embeddings(embed::Dialect, embed::Dialect),
    /// A prompt whose tokens are counted, likewise.
    Count(Dialect, Dialect),
}

/// What is translated on the way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Back {
    /// A conversation, from the provider's dialect into the client's.
    Conversation(Dialect, Dialect, Plan),
    /// Embeddings, likewise.
    Embeddings(embed::Dialect, embed::Dialect, embed::Plan),
    /// A number of tokens, likewise.
    Count(Dialect, Dialect),
}

/// A request that is ready to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// The body to send.
    pub body: Bytes,
    /// More of them, to be sent one after the other: some models take one input at a time.
    pub more: Vec<Bytes>,
    /// What of the client's request is not in them.
    pub losses: Vec<Loss>,
    /// The way back.
    pub back: Back,
}

impl Way {
    /// The way from an endpoint of ours to one of a provider; `None` where there is none.
    pub fn between(client: Endpoint, upstream: Endpoint) -> Option<Self> {
        if let (Some(from), Some(to)) = (embed::Dialect::of(client), embed::Dialect::of(upstream)) {
            return Some(Self::Embeddings(from, to));
        }
        if let (Some(from), Some(to)) = (count::dialect(client), count::dialect(upstream)) {
            return Some(Self::Count(from, to));
        }
        Some(Self::Conversation(Dialect::of(client)?, Dialect::of(upstream)?))
    }

    /// True where the provider's names are those that LiteLLM gives to parameters of a deployment.
    pub fn leads_to_openai(self) -> bool {
        matches!(self, Self::Conversation(_, Dialect::Chat) | Self::Embeddings(_, embed::Dialect::OpenAi))
    }

    /// The dialect of conversations that the provider speaks.
    pub fn upstream(self) -> Option<Dialect> {
        match self {
            Self::Conversation(_, to) | Self::Count(_, to) => Some(to),
            Self::Embeddings(..) => None,
        }
    }

    /// Translates a request.
    pub fn request(self, body: &[u8], options: &RequestOptions<'_>) -> Result<Leaving, TranslateError> {
        match self {
            Self::Conversation(from, to) => {
                let Translated { body, losses, plan } = request(from, to, body, options)?;
                Ok(Leaving { body, more: Vec::new(), losses, back: Back::Conversation(to, from, plan) })
            }
            Self::Embeddings(from, to) => {
                let embed::Translated { bodies, losses, plan } = embed::request(from, to, body, options)?;
                let mut bodies = bodies.into_iter();
                let body = bodies.next().unwrap_or_default();
                Ok(Leaving { body, more: bodies.collect(), losses, back: Back::Embeddings(to, from, plan) })
            }
            Self::Count(from, to) => {
                let (body, losses) = count::request(from, to, body, options)?;
                Ok(Leaving { body, more: Vec::new(), losses, back: Back::Count(to, from) })
            }
        }
    }
}

impl Back {
    /// Translates what came in one piece. `before` are the answers to what was sent before it for the same request.
    pub fn answer(
        self,
        before: &[Bytes],
        last: &[u8],
        options: AnswerOptions,
    ) -> Result<Answered, TranslateError> {
        match self {
            Self::Conversation(upstream, client, plan) => {
                answer(upstream, client, last, AnswerOptions { plan, ..options })
            }
            Self::Embeddings(upstream, client, plan) => {
                let bodies: Vec<&[u8]> = before.iter().map(|body| &**body).chain([last]).collect();
                embed::answer(upstream, client, &bodies, plan, &options)
            }
            Self::Count(upstream, client) => count::answer(upstream, client, last),
        }
    }

    /// Translates a stream; only conversations come as one.
    pub fn stream(self, options: AnswerOptions) -> Option<Stream> {
        match self {
            Self::Conversation(upstream, client, plan) => {
                Some(Stream::new(upstream, client, AnswerOptions { plan, ..options }))
            }
            Self::Embeddings(..) | Self::Count(..) => None,
        }
    }
}
