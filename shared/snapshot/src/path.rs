//! Paths of requests to providers.

use bulkhead_dialect::cloud::PROJECT_GAP;
use bulkhead_dialect::providers::{Auth, Provider};
use bulkhead_dialect::translate::bedrock_path;
use bulkhead_model::Endpoint;
use http::uri::PathAndQuery;

use crate::address::encode;
use crate::deployment::Deployment;
use crate::site::Site;

impl Deployment {
    /// The path and query of an endpoint. `model` and `stream` matter where the provider has them in the path.
    pub fn path(&self, endpoint: Endpoint, model: &str, stream: bool) -> Result<PathAndQuery, String> {
        match self.paths.get(endpoint.index()) {
            Some(Some(path)) if !(stream && self.site(model).streams_by_path(endpoint)) => Ok(path.clone()),
            _ => self.build_path(endpoint, model, stream),
        }
    }

    /// True where paths have a gap for the project that the credentials name.
    pub fn lacks_project(&self) -> bool {
        self.base.lacks_project
    }

    /// A path of [`Self::path`] with this project in its gap.
    pub fn path_in(&self, path: &PathAndQuery, project: &str) -> Result<PathAndQuery, String> {
        let path = path.as_str().replacen(PROJECT_GAP, &encode(project), 1);
        path.parse().map_err(|_| format!("`{path}` is not a URL path"))
    }

    pub(crate) fn build_path(
        &self,
        endpoint: Endpoint,
        model: &str,
        stream: bool,
    ) -> Result<PathAndQuery, String> {
        // An ARN does not say which model it leads to.
        let counts = endpoint == Endpoint::BedrockCountTokens && model.starts_with("arn:");
        let named = self.base_model.as_deref().filter(|_| counts).unwrap_or(model);
        let path = self.base.path(self.site(model), endpoint, named, stream);
        path.parse().map_err(|_| format!("`{path}` is not a URL path"))
    }
}

/// What of a deployment's address is the same for all its requests.
#[derive(Debug)]
pub(crate) struct Base {
    /// The base URL's path.
    prefix: Box<str>,
    /// `api-version`.
    version: Option<Box<str>>,
    /// The project is the one that the credentials name.
    pub(crate) lacks_project: bool,
}

/// Versions of Azure's that have a path and no date.
const UNDATED: [&str; 3] = ["v1", "preview", "latest"];
/// The last version of Foundry's API of models.
const MODELS_VERSION: &str = "2024-05-01-preview";

impl Base {
    pub(crate) fn new(provider: &Provider, prefix: String, version: Option<&str>) -> Self {
        let of_models = provider.auth == Auth::Foundry && prefix.ends_with("/models");
        let version = version.or(of_models.then_some(MODELS_VERSION)).map(Into::into);
        Self { lacks_project: prefix.contains(PROJECT_GAP), prefix: prefix.into(), version }
    }

    /// The path and query of an endpoint. `model` and `stream` matter where they are in the path.
    pub(crate) fn path(&self, site: Site, endpoint: Endpoint, model: &str, stream: bool) -> String {
        let prefix = &self.prefix;
        match (site, endpoint) {
            (Site::Azure, _) => self.azure(endpoint, model),
            (Site::FoundryClaude, _) => format!("{}/anthropic/v1{}", foundry(prefix), endpoint.path()),
            (Site::Foundry, Endpoint::Responses) => format!("{}/openai/v1/responses", foundry(prefix)),
            (Site::VertexGemini, _) => self.vertex_gemini(model, action(endpoint, stream)),
            (Site::VertexClaude, Endpoint::CountTokens) => {
                let models = self.models_of("anthropic");
                format!("{models}/count-tokens:rawPredict")
            }
            (Site::VertexClaude, _) => self.vertex_raw("anthropic", model, stream),
            (Site::VertexRaw(publisher), _) => {
                self.vertex_raw(publisher, model.strip_prefix("mistralai/").unwrap_or(model), stream)
            }
            (Site::VertexOpen, _) => format!("{prefix}/endpoints/openapi{}", endpoint.path()),
            (Site::BedrockClaude | Site::BedrockInvoke, Endpoint::Messages) => {
                let action = if stream { "invoke-with-response-stream" } else { "invoke" };
                format!("{prefix}{}", bedrock_path(own_name(model), action))
            }
            // What OpenAI has is beside Ollama's own.
            (Site::Ollama, endpoint) if endpoint != Endpoint::OllamaChat => {
                format!("{prefix}/v1{}", endpoint.path())
            }
            (_, Endpoint::BedrockCountTokens) => {
                format!("{prefix}{}", bedrock_path(counted(model), "count-tokens"))
            }
            (_, Endpoint::Converse | Endpoint::InvokeEmbeddings) => {
                format!("{prefix}{}", bedrock_path(own_name(model), action(endpoint, stream)))
            }
            (
                _,
                Endpoint::GenerateContent
                | Endpoint::EmbedContent
                | Endpoint::BatchEmbedContents
                | Endpoint::GeminiCountTokens,
            ) => format!("{prefix}/models/{}:{}", encode(model), action(endpoint, stream)),
            _ => self.plain(endpoint),
        }
    }

    fn plain(&self, endpoint: Endpoint) -> String {
        let path = format!("{}{}", self.prefix, endpoint.path());
        match self.version.as_deref() {
            Some(version) => format!("{path}?api-version={}", encode(version)),
            None => path,
        }
    }

    fn azure(&self, endpoint: Endpoint, model: &str) -> String {
        let prefix = &self.prefix;
        match self.version.as_deref() {
            Some(version) if prefix.contains("/openai/deployments/") => {
                format!("{prefix}{}?api-version={}", endpoint.path(), encode(version))
            }
            // What is in the preview is had by asking for it.
            Some("preview") => format!("{prefix}/openai/v1{}?api-version=preview", endpoint.path()),
            Some(version) if !UNDATED.contains(&version) && endpoint == Endpoint::Responses => {
                format!("{prefix}/openai/responses?api-version={}", encode(version))
            }
            Some(version) if !UNDATED.contains(&version) => {
                let (model, path) = (encode(model), endpoint.path());
                format!("{prefix}/openai/deployments/{model}{path}?api-version={}", encode(version))
            }
            _ => format!("{prefix}/openai/v1{}", endpoint.path()),
        }
    }

    /// A model that was tuned has a number, and an endpoint of its own.
    fn vertex_gemini(&self, model: &str, action: &str) -> String {
        let own =
            ["gemini/", "google/"].iter().find_map(|prefix| model.strip_prefix(prefix)).unwrap_or(model);
        if self.names_model() {
            return format!("{}:{action}", self.prefix);
        }
        match own.bytes().all(|byte| byte.is_ascii_digit()) {
            true => format!("{}/endpoints/{}:{action}", self.prefix, encode(own)),
            false => format!("{}/{}:{action}", self.models_of("google"), encode(own)),
        }
    }

    fn vertex_raw(&self, publisher: &str, model: &str, stream: bool) -> String {
        let action = if stream { "streamRawPredict" } else { "rawPredict" };
        if self.names_model() {
            return format!("{}:{action}", self.prefix);
        }
        format!("{}/{}:{action}", self.models_of(publisher), encode(model))
    }

    /// A base URL may name the model already, as LiteLLM's do at Vertex.
    fn names_model(&self) -> bool {
        matches!(self.prefix.rsplit('/').nth(1), Some("models" | "endpoints"))
    }

    fn models_of(&self, publisher: &str) -> String {
        match self.prefix.rsplit_once('/').filter(|_| self.names_model()) {
            Some((models, _)) => models.to_owned(),
            None => format!("{}/publishers/{publisher}/models", self.prefix),
        }
    }
}

/// What is done with the model that Google's and Amazon's paths name.
fn action(endpoint: Endpoint, stream: bool) -> &'static str {
    match endpoint {
        Endpoint::Converse if stream => "converse-stream",
        Endpoint::Converse => "converse",
        Endpoint::InvokeEmbeddings => "invoke",
        Endpoint::EmbedContent => "embedContent",
        Endpoint::BatchEmbedContents => "batchEmbedContents",
        Endpoint::GeminiCountTokens => "countTokens",
        Endpoint::PredictEmbeddings => "predict",
        _ if stream => "streamGenerateContent?alt=sse",
        _ => "generateContent",
    }
}

/// Bedrock's name of a model, without LiteLLM's word for how it is asked.
fn own_name(model: &str) -> &str {
    ["invoke/", "converse/"].iter().find_map(|route| model.strip_prefix(route)).unwrap_or(model)
}

/// The name by which Bedrock counts: that of the model itself, neither of a profile that leads to it across regions nor
/// its ARN.
fn counted(model: &str) -> &str {
    model.find("anthropic.").and_then(|at| model.get(at..)).unwrap_or_else(|| own_name(model))
}

/// A Foundry resource's path, without that of one of its APIs.
fn foundry(prefix: &str) -> &str {
    ["/anthropic", "/openai", "/models"]
        .iter()
        .find_map(|api| prefix.split_once(api))
        .map_or(prefix, |cut| cut.0)
}

#[cfg(test)]
mod tests;
