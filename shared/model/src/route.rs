//! The inference endpoints and the dialects they speak.

/// A wire format family: decides how errors and streams look to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's chat, completions, embeddings and responses APIs.
    OpenAi,
    /// Anthropic's messages API.
    Anthropic,
}

/// What an inference request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
}

impl Endpoint {
    /// Every endpoint, in the order of [`Endpoint::index`].
    pub const ALL: [Self; 6] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
        Self::Messages,
        Self::CountTokens,
    ];

    /// A dense number for tables.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The dialect of request and answer.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::ChatCompletions | Self::Completions | Self::Embeddings | Self::Responses => Dialect::OpenAi,
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
        }
    }

    /// The canonical path, which is also the metric label and the path appended to a provider's base URL
    /// (without `/v1`, which the base URL carries).
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::Responses => "/responses",
            Self::Messages => "/messages",
            Self::CountTokens => "/messages/count_tokens",
        }
    }

    /// The name in usage records: LiteLLM's `call_type`.
    pub const fn call_type(self) -> &'static str {
        match self {
            Self::ChatCompletions => "acompletion",
            Self::Completions => "atext_completion",
            Self::Embeddings => "aembedding",
            Self::Responses => "aresponses",
            Self::Messages => "anthropic_messages",
            Self::CountTokens => "acount_tokens",
        }
    }

    /// False for endpoints that a provider answers without charge and without generating.
    pub const fn is_billed(self) -> bool {
        !matches!(self, Self::CountTokens)
    }
}
