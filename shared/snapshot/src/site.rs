//! Where a model stands at its provider. Clouds serve models of several makers, each in its maker's API and behind
//! addresses of its own; what the model is tells which.

use bulkhead_dialect::providers::{Auth, Provider};
use bulkhead_dialect::translate;
use bulkhead_model::Endpoint;

use crate::address::{Target, is_foundry};

/// How a provider serves a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// The provider's one API, its paths behind the base URL.
    Own,
    /// Azure OpenAI: a deployment in the path, or the unversioned API.
    Azure,
    /// Ollama's own API, with OpenAI's beside it.
    Ollama,
    /// Other models in a resource of Microsoft Foundry, which has responses beside the API of its models.
    Foundry,
    /// Claude at Microsoft Foundry.
    FoundryClaude,
    /// Gemini at Vertex AI.
    VertexGemini,
    /// Claude at Vertex AI.
    VertexClaude,
    /// Other makers at Vertex AI whose models stand behind rawPredict and speak chat.
    VertexRaw(&'static str),
    /// All others at Vertex AI, behind its OpenAI-compatible endpoint.
    VertexOpen,
    /// Bedrock's Converse.
    Converse,
    /// Claude at Bedrock, asked by Converse whatever the client speaks.
    ConverseClaude,
    /// Claude at Bedrock: asked in its own API where the client speaks that, by Converse otherwise.
    BedrockClaude,
    /// Claude at Bedrock, asked in its own API whatever the client speaks.
    BedrockInvoke,
}

impl Site {
    /// Where a model of this name stands. `base` is the price book's name of it, where that is declared: an ARN or the
    /// name of a deployment says nothing itself.
    pub(crate) fn of(provider: &Provider, model: &str, base: Option<&str>, target: &Target) -> Self {
        let is_claude = || model.contains("claude") || base.is_some_and(|base| base.contains("claude"));
        match (&*provider.name, provider.auth) {
            ("vertex_ai", _) if is_claude() => Self::VertexClaude,
            ("vertex_ai", _) => at_vertex(model),
            // Of other makers' models Converse says all that their own APIs do.
            ("bedrock", _) if !is_claude() => Self::Converse,
            ("bedrock", _) if model.starts_with("converse/") => Self::ConverseClaude,
            ("bedrock", _) if model.starts_with("invoke/") => Self::BedrockInvoke,
            ("bedrock", _) => Self::BedrockClaude,
            (_, Auth::Foundry) if is_claude() => Self::FoundryClaude,
            // As in LiteLLM: endpoints of single models have addresses of another kind.
            (_, Auth::Foundry) if is_foundry(&target.host) => Self::Foundry,
            (_, Auth::AzureApiKey) => Self::Azure,
            _ if provider.endpoints.contains(Endpoint::OllamaChat) => Self::Ollama,
            _ => Self::Own,
        }
    }

    /// The provider's endpoint for requests to one of ours: the same where it has it, else one that they can be
    /// translated to.
    pub(crate) fn upstream(self, provider: &Provider, endpoint: Endpoint) -> Option<Endpoint> {
        if self.has(provider, endpoint) {
            return Some(endpoint);
        }
        // As LiteLLM does it, and Converse says what Invoke does.
        let taken = |way: Endpoint| !(self == Self::BedrockClaude && way == Endpoint::Messages);
        translate::ways(endpoint).iter().copied().find(|way| taken(*way) && self.has(provider, *way))
    }

    pub(crate) fn has(self, provider: &Provider, endpoint: Endpoint) -> bool {
        match self {
            // Of the models there it counts Claude's tokens only.
            Self::Converse if endpoint == Endpoint::BedrockCountTokens => false,
            Self::Own
            | Self::Azure
            | Self::Ollama
            | Self::VertexGemini
            | Self::Converse
            | Self::ConverseClaude => provider.endpoints.contains(endpoint),
            Self::Foundry => endpoint == Endpoint::Responses || provider.endpoints.contains(endpoint),
            Self::VertexClaude | Self::FoundryClaude => {
                matches!(endpoint, Endpoint::Messages | Endpoint::CountTokens)
            }
            Self::VertexRaw(_) | Self::VertexOpen => endpoint == Endpoint::ChatCompletions,
            Self::BedrockClaude => {
                matches!(endpoint, Endpoint::Messages | Endpoint::Converse | Endpoint::BedrockCountTokens)
            }
            Self::BedrockInvoke => matches!(endpoint, Endpoint::Messages | Endpoint::BedrockCountTokens),
        }
    }

    /// True where the path of an endpoint says whether to stream.
    pub(crate) fn streams_by_path(self, endpoint: Endpoint) -> bool {
        let raw = matches!(
            self,
            Self::VertexClaude | Self::VertexRaw(_) | Self::BedrockClaude | Self::BedrockInvoke
        );
        raw || endpoint.is_said_by_path()
    }

    /// The `anthropic_version` that a body of messages has here. Its `model` is in the path then.
    pub fn anthropic_version(self) -> Option<&'static str> {
        match self {
            Self::VertexClaude => Some("vertex-2023-10-16"),
            Self::BedrockClaude | Self::BedrockInvoke => Some("bedrock-2023-05-31"),
            _ => None,
        }
    }

    /// True where what Anthropic reads in headers is in the body, and whether to stream in the path.
    pub fn takes_no_headers(self) -> bool {
        matches!(self, Self::BedrockClaude | Self::BedrockInvoke)
    }
}

/// LiteLLM's rules: a publisher before a slash is asked behind the OpenAI-compatible endpoint.
fn at_vertex(model: &str) -> Site {
    let starts_with = |names: &[&str]| names.iter().any(|name| model.starts_with(name));
    if starts_with(&["mistral", "codestral"]) {
        return Site::VertexRaw("mistralai");
    }
    if starts_with(&["jamba"]) {
        return Site::VertexRaw("ai21");
    }
    match model.split_once('/') {
        None | Some(("gemini" | "google", _)) => Site::VertexGemini,
        Some(_) => Site::VertexOpen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulkhead_dialect::providers::provider;
    use bulkhead_model::Endpoint::{
        BedrockCountTokens, ChatCompletions, Converse, CountTokens, GeminiCountTokens, GenerateContent,
        Messages, Responses,
    };

    fn elsewhere() -> Target {
        Target { https: true, host: "h".into(), port: 443 }
    }

    #[test]
    fn responses_are_asked_for_where_foundry_has_them() {
        let provider = provider("azure_ai").unwrap();
        for (host, model, responses) in [
            ("x.services.ai.azure.com", "gpt-5.4-pro", Responses),
            ("x.openai.azure.com", "grok-4", Responses),
            ("x.services.ai.azure.com", "claude-opus-4-1", Messages),
            ("m.eastus2.models.ai.azure.com", "mistral-large", ChatCompletions),
            ("proxy", "grok-4", ChatCompletions),
        ] {
            let site = Site::of(provider, model, None, &Target { host: host.into(), ..elsewhere() });
            assert_eq!(site.upstream(provider, Responses), Some(responses), "{host} {model}");
        }
    }

    #[test]
    fn a_model_says_where_it_stands_and_so_what_it_is_asked() {
        for (at, model, base, site, chat, messages, count) in [
            ("openai", "gpt-4o", None, Site::Own, ChatCompletions, ChatCompletions, None),
            ("azure", "my-deployment", None, Site::Azure, ChatCompletions, ChatCompletions, None),
            ("azure_ai", "mistral-large", None, Site::Own, ChatCompletions, ChatCompletions, None),
            ("azure_ai", "claude-opus-4-1", None, Site::FoundryClaude, Messages, Messages, Some(CountTokens)),
            (
                "azure_ai",
                "mine",
                Some("claude-x"),
                Site::FoundryClaude,
                Messages,
                Messages,
                Some(CountTokens),
            ),
            (
                "vertex_ai",
                "gemini-2.5-pro",
                None,
                Site::VertexGemini,
                GenerateContent,
                GenerateContent,
                Some(GeminiCountTokens),
            ),
            (
                "vertex_ai",
                "gemini/123",
                None,
                Site::VertexGemini,
                GenerateContent,
                GenerateContent,
                Some(GeminiCountTokens),
            ),
            (
                "vertex_ai",
                "claude-sonnet-4-5@20250929",
                None,
                Site::VertexClaude,
                Messages,
                Messages,
                Some(CountTokens),
            ),
            (
                "vertex_ai",
                "mistral-medium-3",
                None,
                Site::VertexRaw("mistralai"),
                ChatCompletions,
                ChatCompletions,
                None,
            ),
            (
                "vertex_ai",
                "meta/llama-4-scout",
                None,
                Site::VertexOpen,
                ChatCompletions,
                ChatCompletions,
                None,
            ),
            ("bedrock", "amazon.nova-lite-v1:0", None, Site::Converse, Converse, Converse, None),
            (
                "bedrock",
                "us.anthropic.claude-x",
                None,
                Site::BedrockClaude,
                Converse,
                Messages,
                Some(BedrockCountTokens),
            ),
            (
                "bedrock",
                "arn:aws:bedrock:x",
                Some("claude"),
                Site::BedrockClaude,
                Converse,
                Messages,
                Some(BedrockCountTokens),
            ),
            (
                "bedrock",
                "invoke/eu.anthropic.claude-x",
                None,
                Site::BedrockInvoke,
                Messages,
                Messages,
                Some(BedrockCountTokens),
            ),
            (
                "bedrock",
                "converse/anthropic.claude-x",
                None,
                Site::ConverseClaude,
                Converse,
                Converse,
                Some(BedrockCountTokens),
            ),
            ("bedrock", "invoke/amazon.nova-lite-v1:0", None, Site::Converse, Converse, Converse, None),
        ] {
            let provider = provider(at).unwrap();
            let found = Site::of(provider, model, base, &elsewhere());
            assert_eq!(found, site, "{at}/{model}");
            assert_eq!(found.upstream(provider, ChatCompletions), Some(chat), "{at}/{model}");
            assert_eq!(found.upstream(provider, Messages), Some(messages), "{at}/{model}");
            assert_eq!(found.upstream(provider, CountTokens), count, "{at}/{model}");
        }
    }

    #[test]
    fn a_model_is_asked_for_embeddings_where_it_has_them() {
        for (at, model, embeddings) in [
            ("openai", "text-embedding-3-small", Some(Endpoint::Embeddings)),
            ("gemini", "gemini-embedding-001", Some(Endpoint::BatchEmbedContents)),
            ("vertex_ai", "text-embedding-005", Some(Endpoint::PredictEmbeddings)),
            ("vertex_ai", "claude-x", None),
            ("cohere", "embed-v4.0", Some(Endpoint::CohereEmbed)),
            ("cohere_chat", "embed-v4.0", Some(Endpoint::CohereEmbed)),
            ("ollama", "nomic-embed-text", Some(Endpoint::Embeddings)),
            ("bedrock", "amazon.titan-embed-text-v2:0", Some(Endpoint::InvokeEmbeddings)),
            ("bedrock", "anthropic.claude-x", None),
            ("bedrock", "invoke/anthropic.claude-x", None),
        ] {
            let provider = provider(at).unwrap();
            let site = Site::of(provider, model, None, &elsewhere());
            assert_eq!(site.upstream(provider, Endpoint::Embeddings), embeddings, "{at}/{model}");
        }
    }
}
