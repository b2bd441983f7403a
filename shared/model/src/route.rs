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
    /// `POST /v1beta/models/{model}:embedContent`
    EmbedContent,
    /// `POST /v1beta/models/{model}:batchEmbedContents`
    BatchEmbedContents,
    /// `POST /v1beta/models/{model}:countTokens`
    GeminiCountTokens,
    /// `POST /v2/embed` of Cohere; nobody asks us there.
    CohereEmbed,
    /// `POST /model/{model}/invoke` of Bedrock, for models that embed; nobody asks us there.
    InvokeEmbeddings,
    /// `POST …/models/{model}:predict` of Vertex, for models that embed; nobody asks us there.
    PredictEmbeddings,
}

impl Endpoint {
    /// Every endpoint, in the order of [`Endpoint::index`].
    pub const ALL: [Self; 14] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
        Self::Messages,
        Self::CountTokens,
        Self::GenerateContent,
        Self::Converse,
        Self::EmbedContent,
        Self::BatchEmbedContents,
        Self::GeminiCountTokens,
        Self::CohereEmbed,
        Self::InvokeEmbeddings,
        Self::PredictEmbeddings,
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
            Self::EmbedContent | Self::BatchEmbedContents | Self::GeminiCountTokens => Dialect::Gemini,
            // It has no clients, and wants no headers of its own.
            Self::CohereEmbed => Dialect::OpenAi,
            Self::InvokeEmbeddings => Dialect::Bedrock,
            Self::PredictEmbeddings => Dialect::Gemini,
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
            Self::EmbedContent => "/v1beta/models/{model}:embedContent",
            Self::BatchEmbedContents => "/v1beta/models/{model}:batchEmbedContents",
            Self::GeminiCountTokens => "/v1beta/models/{model}:countTokens",
            Self::CohereEmbed => "/v2/embed",
            Self::InvokeEmbeddings => "/model/{model}/invoke",
            Self::PredictEmbeddings => "/models/{model}:predict",
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
            Self::EmbedContent => "/models/{model}:embedContent",
            Self::BatchEmbedContents => "/models/{model}:batchEmbedContents",
            Self::GeminiCountTokens => "/models/{model}:countTokens",
            Self::CohereEmbed => "/v2/embed",
            Self::InvokeEmbeddings => "/model/{model}/invoke",
            Self::PredictEmbeddings => "/models/{model}:predict",
        }
    }

    /// True where the path says the model and whether to stream, and the body says neither.
    pub const fn is_said_by_path(self) -> bool {
        matches!(
            self,
            Self::GenerateContent
                | Self::Converse
                | Self::EmbedContent
                | Self::BatchEmbedContents
                | Self::GeminiCountTokens
                | Self::InvokeEmbeddings
                | Self::PredictEmbeddings
        )
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
            Self::EmbedContent
            | Self::BatchEmbedContents
            | Self::CohereEmbed
            | Self::InvokeEmbeddings
            | Self::PredictEmbeddings => "aembedding",
            Self::GeminiCountTokens => "acount_tokens",
        }
    }

    /// False for endpoints that a provider answers without charge and without generating.
    pub const fn is_billed(self) -> bool {
        !matches!(self, Self::CountTokens | Self::GeminiCountTokens)
    }

    /// True where the answer is vectors: nothing is generated, and all tokens are input.
    pub const fn embeds(self) -> bool {
        matches!(
            self,
            Self::Embeddings
                | Self::EmbedContent
                | Self::BatchEmbedContents
                | Self::CohereEmbed
                | Self::InvokeEmbeddings
                | Self::PredictEmbeddings
        )
    }
}
