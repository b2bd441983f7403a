//! The provider table: what is known about each provider without asking it.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use bulkhead_model::Endpoint;
use serde::Deserialize;

use crate::cloud::Cloud;

/// How a provider wants the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// `Authorization: Bearer`
    #[default]
    Bearer,
    /// `x-api-key`
    XApiKey,
    /// `api-key`; the path carries the deployment and the query an `api-version`.
    AzureApiKey,
    /// `x-goog-api-key`
    XGoogApiKey,
    /// `Authorization: Bearer` for a token, `x-goog-api-key` for a key
    Google,
    /// At an address of Azure's `api-key`, for Claude `x-api-key`; elsewhere `Authorization: Bearer`
    Foundry,
}

/// True for a key of Google's; anything else is a token.
pub fn is_google_key(text: &str) -> bool {
    ["AIza", "AQ."].iter().any(|start| text.starts_with(start))
}

/// A set of endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "Vec<EndpointName>")]
pub struct EndpointSet(u32);

impl EndpointSet {
    /// True when the endpoint is in the set.
    pub fn contains(self, endpoint: Endpoint) -> bool {
        self.0 & (1 << endpoint.index()) != 0
    }

    /// The endpoints in the set.
    pub fn iter(self) -> impl Iterator<Item = Endpoint> {
        Endpoint::ALL.into_iter().filter(move |endpoint| self.contains(*endpoint))
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EndpointName {
    ChatCompletions,
    Completions,
    Embeddings,
    Responses,
    Messages,
    CountTokens,
    GenerateContent,
    Converse,
    CohereChat,
    OllamaChat,
    EmbedContent,
    BatchEmbedContents,
    GeminiCountTokens,
    CohereEmbed,
    InvokeEmbeddings,
    PredictEmbeddings,
    BedrockCountTokens,
}

impl From<Vec<EndpointName>> for EndpointSet {
    fn from(names: Vec<EndpointName>) -> Self {
        let endpoint = |name| match name {
            EndpointName::ChatCompletions => Endpoint::ChatCompletions,
            EndpointName::Completions => Endpoint::Completions,
            EndpointName::Embeddings => Endpoint::Embeddings,
            EndpointName::Responses => Endpoint::Responses,
            EndpointName::Messages => Endpoint::Messages,
            EndpointName::CountTokens => Endpoint::CountTokens,
            EndpointName::GenerateContent => Endpoint::GenerateContent,
            EndpointName::Converse => Endpoint::Converse,
            EndpointName::CohereChat => Endpoint::CohereChat,
            EndpointName::OllamaChat => Endpoint::OllamaChat,
            EndpointName::EmbedContent => Endpoint::EmbedContent,
            EndpointName::BatchEmbedContents => Endpoint::BatchEmbedContents,
            EndpointName::GeminiCountTokens => Endpoint::GeminiCountTokens,
            EndpointName::CohereEmbed => Endpoint::CohereEmbed,
            EndpointName::InvokeEmbeddings => Endpoint::InvokeEmbeddings,
            EndpointName::PredictEmbeddings => Endpoint::PredictEmbeddings,
            EndpointName::BedrockCountTokens => Endpoint::BedrockCountTokens,
        };
        Self(names.into_iter().map(endpoint).fold(0, |set, endpoint| set | (1 << endpoint.index())))
    }
}

/// A provider, as far as it is the same for everybody.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The name in `model: name/model`.
    pub name: String,
    /// What the endpoint's path is appended to; `None` where everybody has an address of their own. Anthropic's
    /// comes without the `/v1` of its paths.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Environment variables that name another base URL; the first that is set counts.
    pub base_url_env: Vec<String>,
    /// Environment variables that hold the key; the first that is set counts.
    pub api_key_env: Vec<String>,
    /// The environment variable that holds the `api-version`, where there is one.
    #[serde(default)]
    pub api_version_env: Option<String>,
    /// How it wants the key.
    #[serde(default)]
    pub auth: Auth,
    /// Whose signature or token stands in for the key where there is none.
    #[serde(default)]
    pub cloud: Option<Cloud>,
    /// What it serves.
    pub endpoints: EndpointSet,
    /// It knows `stream_options.include_usage`.
    #[serde(default)]
    pub stream_usage: bool,
    /// Its chat takes `max_completion_tokens`, and not every model `max_tokens`.
    #[serde(default)]
    pub max_completion_tokens: bool,
    /// Its chat knows the role `developer`.
    #[serde(default)]
    pub developer: bool,
    /// Its chat takes `cache_control`.
    #[serde(default)]
    pub cache_control: bool,
    /// Its chat wants earlier thoughts back as `reasoning_content`.
    #[serde(default)]
    pub reasoning_content: bool,
    /// Top-level request members that it refuses.
    #[serde(default)]
    pub unsupported: Vec<String>,
    /// Members of chat that it has by another name, and that name.
    #[serde(default)]
    pub renamed: BTreeMap<String, String>,
    /// Top-level members that it refuses and that change nothing about the answer.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// Its chat is as strict as Mistral's: no member of a message beyond those it knows, ids of calls of nine letters
    /// and digits, and `any` for a tool that has to be called.
    #[serde(default)]
    pub strict_messages: bool,
    /// Its chat serves OpenAI's models, of which those that reason take less.
    #[serde(default)]
    pub openai_models: bool,
    /// What LiteLLM's gateways put into ids of calls means something to it.
    #[serde(default)]
    pub keeps_marks: bool,
    /// Its name in LiteLLM's messages, such as `OpenAIException`.
    #[serde(default)]
    pub exception: String,
}

impl Provider {
    /// True for a top-level member of a request that it refuses.
    pub fn refuses(&self, name: &str) -> bool {
        self.unsupported.iter().any(|listed| listed == name)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    provider: Vec<Provider>,
}

struct Known {
    all: Vec<Provider>,
    by_name: HashMap<String, usize>,
}

/// The provider of this name.
pub fn provider(name: &str) -> Option<&'static Provider> {
    let known = known();
    known.all.get(*known.by_name.get(name)?)
}

/// Every provider.
pub fn all() -> &'static [Provider] {
    &known().all
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        // The table is part of the program; a test reads it.
        let mut all = parse().map_or_else(|_| Vec::new(), |table| table.provider);
        for provider in &mut all {
            if provider.exception.is_empty() {
                provider.exception = exception(&provider.name);
            }
        }
        let by_name =
            all.iter().enumerate().map(|(index, provider)| (provider.name.clone(), index)).collect();
        Known { all, by_name }
    })
}

fn parse() -> Result<Table, toml::de::Error> {
    toml::from_str(include_str!("providers.toml"))
}

/// LiteLLM's rule for names in messages: `groq` is `GroqException`.
fn exception(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).chain("Exception".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let table = parse().unwrap();
        assert_eq!(table.provider.len(), all().len());
        assert_eq!(known().by_name.len(), all().len(), "a name occurs twice");
        for row in all() {
            assert_ne!(row.endpoints, EndpointSet::default(), "{}", row.name);
            assert!(!row.api_key_env.is_empty() && !row.base_url_env.is_empty(), "{}", row.name);
            let url = row.base_url.as_deref().unwrap_or("https://own.example");
            let local = url.starts_with("http://localhost:") || url.starts_with("http://127.0.0.1:");
            assert!((url.starts_with("https://") || local) && !url.ends_with('/'), "{}", row.name);
            let streams_usage = [Endpoint::ChatCompletions, Endpoint::Completions];
            assert!(
                !row.stream_usage || streams_usage.iter().any(|it| row.endpoints.contains(*it)),
                "{}",
                row.name
            );
            assert!(!row.stream_usage || !row.unsupported.iter().any(|name| name == "stream_options"));
        }
    }

    #[test]
    fn well_known_providers_are_known() {
        let seen = |name: &str| {
            let row = provider(name)?;
            Some((row.base_url.as_deref(), row.auth, row.exception.as_str(), row.endpoints.iter().count()))
        };
        assert_eq!(
            seen("openai"),
            Some((Some("https://api.openai.com/v1"), Auth::Bearer, "OpenAIException", 4))
        );
        assert_eq!(
            seen("anthropic"),
            Some((Some("https://api.anthropic.com"), Auth::XApiKey, "AnthropicException", 2))
        );
        assert_eq!(seen("azure"), Some((None, Auth::AzureApiKey, "AzureException", 4)));
        assert_eq!(
            seen("groq"),
            Some((Some("https://api.groq.com/openai/v1"), Auth::Bearer, "GroqException", 2))
        );
        assert_eq!(seen("nobody"), None);
        assert!(provider("anthropic").unwrap().endpoints.contains(Endpoint::CountTokens));
        assert!(!provider("openai").unwrap().endpoints.contains(Endpoint::Messages));
    }
}
