//! The inference endpoints and the dialects they speak.

/// A wire format family: decides how errors and streams look to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's chat, completions, embeddings and responses APIs.
    OpenAi,
    /// Anthropic's messages API.
    Anthropic,
    /// Google's API of Gemini models.
    Gemini,
    /// Amazon Bedrock's runtime API.
    Bedrock,
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
    /// `POST /v1beta/models/{model}:generateContent`, and `:streamGenerateContent` for a stream
    GenerateContent,
    /// `POST /model/{model}/converse`, and `/converse-stream` for a stream
    Converse,
}

impl Endpoint {
    /// Every endpoint, in the order of [`Endpoint::index`].
    pub const ALL: [Self; 8] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
        Self::Messages,
        Self::CountTokens,
        Self::GenerateContent,
        Self::Converse,
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
            Self::GenerateContent => Dialect::Gemini,
            Self::Converse => Dialect::Bedrock,
        }
    }

    /// The canonical path of a request that does not stream, for records, messages and metrics.
    pub const fn route(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
            Self::CountTokens => "/v1/messages/count_tokens",
            Self::GenerateContent => "/v1beta/models/{model}:generateContent",
            Self::Converse => "/model/{model}/converse",
        }
    }

    /// The same without a version: a metric label, and the path appended to a provider's base URL.
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::Responses => "/responses",
            Self::Messages => "/messages",
            Self::CountTokens => "/messages/count_tokens",
            Self::GenerateContent => "/models/{model}:generateContent",
            Self::Converse => "/model/{model}/converse",
        }
    }

    /// True where the path says the model and whether to stream, and the body says neither.
    pub const fn is_said_by_path(self) -> bool {
        matches!(self, Self::GenerateContent | Self::Converse)
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
            Self::GenerateContent => "agenerate_content",
            Self::Converse => "converse",
        }
    }

    /// False for endpoints that a provider answers without charge and without generating.
    pub const fn is_billed(self) -> bool {
        !matches!(self, Self::CountTokens)
    }
}
