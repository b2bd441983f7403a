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
    /// Cohere's `POST /v2/chat`, which only providers have.
    CohereChat,
    /// Ollama's own `POST /api/chat`, which only providers have.
    OllamaChat,
    /// `POST /v1beta/models/{model}:embedContent`
    EmbedContent,
    /// `POST /v1beta/models/{model}:batchEmbedContents`
    BatchEmbedContents,
    /// `POST /v1beta/models/{model}:countTokens`
    GeminiCountTokens,
    /// Cohere's `POST /v2/embed`, which only providers have.
    CohereEmbed,
    /// Bedrock's `POST /model/{model}/invoke` for models that embed, which only providers have.
    InvokeEmbeddings,
    /// Vertex' `POST …/models/{model}:predict` for models that embed, which only providers have.
    PredictEmbeddings,
    /// Bedrock's `POST /model/{model}/count-tokens`, which only providers have.
    BedrockCountTokens,
}

impl Endpoint {
    /// Every endpoint, in the order of [`Endpoint::index`].
    pub const ALL: [Self; 17] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
        Self::Messages,
        Self::CountTokens,
        Self::GenerateContent,
        Self::Converse,
        Self::CohereChat,
        Self::OllamaChat,
        Self::EmbedContent,
        Self::BatchEmbedContents,
        Self::GeminiCountTokens,
        Self::CohereEmbed,
        Self::InvokeEmbeddings,
        Self::PredictEmbeddings,
        Self::BedrockCountTokens,
    ];

    /// True for an endpoint that we ask providers at and no client asks us at.
    pub const fn is_upstream_only(self) -> bool {
        matches!(
            self,
            Self::CohereChat
                | Self::OllamaChat
                | Self::CohereEmbed
                | Self::InvokeEmbeddings
                | Self::PredictEmbeddings
                | Self::BedrockCountTokens
        )
    }

    /// Every endpoint that clients ask us at.
    pub fn of_clients() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|endpoint| !endpoint.is_upstream_only())
    }

    /// A dense number for tables.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The dialect of request and answer; of those that no client has, the one whose headers they are sent.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::ChatCompletions
            | Self::Completions
            | Self::Embeddings
            | Self::Responses
            | Self::CohereChat
            | Self::OllamaChat
            | Self::CohereEmbed => Dialect::OpenAi,
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            Self::GenerateContent
            | Self::EmbedContent
            | Self::BatchEmbedContents
            | Self::GeminiCountTokens
            | Self::PredictEmbeddings => Dialect::Gemini,
            Self::Converse | Self::InvokeEmbeddings | Self::BedrockCountTokens => Dialect::Bedrock,
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
            Self::CohereChat => "/v2/chat",
            Self::OllamaChat => "/api/chat",
            Self::EmbedContent => "/v1beta/models/{model}:embedContent",
            Self::BatchEmbedContents => "/v1beta/models/{model}:batchEmbedContents",
            Self::GeminiCountTokens => "/v1beta/models/{model}:countTokens",
            Self::CohereEmbed => "/v2/embed",
            Self::InvokeEmbeddings => "/model/{model}/invoke",
            Self::PredictEmbeddings => "/models/{model}:predict",
            Self::BedrockCountTokens => "/model/{model}/count-tokens",
        }
    }

    /// The same without a version that base URLs have: a metric label, and the path appended to a provider's base URL.
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
            Self::CohereChat => "/v2/chat",
            Self::OllamaChat => "/api/chat",
            Self::EmbedContent => "/models/{model}:embedContent",
            Self::BatchEmbedContents => "/models/{model}:batchEmbedContents",
            Self::GeminiCountTokens => "/models/{model}:countTokens",
            Self::CohereEmbed => "/v2/embed",
            Self::InvokeEmbeddings => "/model/{model}/invoke",
            Self::PredictEmbeddings => "/models/{model}:predict",
            Self::BedrockCountTokens => "/model/{model}/count-tokens",
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
                | Self::BedrockCountTokens
        )
    }

    /// The name in usage records: LiteLLM's `call_type`.
    pub const fn call_type(self) -> &'static str {
        match self {
            Self::ChatCompletions | Self::CohereChat | Self::OllamaChat => "acompletion",
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
            Self::GeminiCountTokens | Self::BedrockCountTokens => "acount_tokens",
        }
    }

    /// False for endpoints that a provider answers without charge and without generating.
    pub const fn is_billed(self) -> bool {
        !matches!(self, Self::CountTokens | Self::GeminiCountTokens | Self::BedrockCountTokens)
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
