//! From paths to endpoints.

use bulkhead_model::{Dialect, Endpoint};
use http::HeaderMap;

use super::errors::Flavour;
use super::hosted::Hosted;

/// What a path means.
pub(crate) struct Route {
    pub(crate) target: Target,
    pub(crate) flavour: Flavour,
    /// Azure, Google and Amazon name the model in the path.
    pub(crate) deployment: Option<String>,
    /// A cloud serves the API, in its own way.
    pub(crate) hosted: Option<Hosted>,
    /// The path asks for a stream.
    pub(crate) streams: bool,
}

/// What is asked for.
pub(crate) enum Target {
    Api(Endpoint),
    /// The list of models, or one of them.
    Models(Option<String>),
    Unknown,
}

impl Route {
    /// Reads a path, with or without its version, or Azure's.
    pub(crate) fn of(path: &str, headers: &HeaderMap) -> Self {
        if let Some(hosted) = Hosted::of(path) {
            return Self {
                target: Target::Api(hosted.endpoint),
                flavour: Flavour::Anthropic,
                deployment: hosted.model.as_deref().map(percent_decoded),
                streams: hosted.streams,
                hosted: Some(hosted),
            };
        }
        let azure = path.strip_prefix("/openai");
        let (deployment, rest) = match azure.and_then(|rest| rest.strip_prefix("/deployments/")) {
            Some(rest) => match rest.split_once('/') {
                Some((model, rest)) => (Some(percent_decoded(model)), rest),
                None => (None, ""),
            },
            None => (None, azure.unwrap_or(path).trim_start_matches('/')),
        };
        let rest = ["v1/", "v1beta/"].iter().find_map(|version| rest.strip_prefix(version)).unwrap_or(rest);
        if let Some(named) = action_on_model(rest) {
            return named;
        }
        let target = target(rest);
        let own = match target {
            Target::Api(Endpoint::CohereChat | Endpoint::CohereEmbed) => Some(Flavour::Cohere),
            Target::Api(Endpoint::OllamaChat) => Some(Flavour::Ollama),
            _ => None,
        };
        let anthropic = match target {
            Target::Api(endpoint) => endpoint.dialect() == Dialect::Anthropic,
            _ => headers.contains_key("anthropic-version"),
        };
        let flavour = match azure {
            Some(_) => Flavour::Azure,
            None if anthropic => Flavour::Anthropic,
            None => own.unwrap_or(Flavour::OpenAi),
        };
        Self { target, flavour, deployment, hosted: None, streams: false }
    }

    /// The canonical path, for the ledger.
    pub(crate) fn label(&self) -> &'static str {
        match self.target {
            Target::Api(endpoint) => endpoint.route(),
            Target::Models(_) => "/v1/models",
            Target::Unknown => "unknown",
        }
    }
}

/// Google's and Amazon's paths, as far as they are spoken here: `models/{model}:action`, `model/{model}/action`.
fn action_on_model(rest: &str) -> Option<Route> {
    let actions = [
        Endpoint::GenerateContent,
        Endpoint::EmbedContent,
        Endpoint::BatchEmbedContents,
        Endpoint::GeminiCountTokens,
        Endpoint::InvokeEmbeddings,
        Endpoint::PredictEmbeddings,
        Endpoint::BedrockCountTokens,
    ];
    let named = |endpoint: Endpoint| {
        let (before, after) = endpoint.path().strip_prefix('/')?.split_once("{model}")?;
        // Vertex has more before it.
        let rest = rest.get(rest.rfind(before)? + before.len()..)?;
        let streamed =
            || rest.strip_suffix(":streamGenerateContent").filter(|_| endpoint == Endpoint::GenerateContent);
        let (model, streams) = match rest.strip_suffix(after) {
            Some(model) => (model, false),
            None => (streamed()?, true),
        };
        let flavour = if endpoint.dialect() == Dialect::Gemini { Flavour::Google } else { Flavour::Amazon };
        let deployment = Some(percent_decoded(model));
        Some(Route { target: Target::Api(endpoint), flavour, deployment, hosted: None, streams })
    };
    actions.into_iter().find_map(named)
}

fn target(rest: &str) -> Target {
    let found = Endpoint::ALL.into_iter().find(|endpoint| endpoint.path().strip_prefix('/') == Some(rest));
    match found {
        Some(endpoint) => Target::Api(endpoint),
        None if rest == "models" => Target::Models(None),
        None => rest
            .strip_prefix("models/")
            .map_or(Target::Unknown, |name| Target::Models(Some(percent_decoded(name)))),
    }
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digits = (ahead.next().and_then(hex_digit), ahead.next().and_then(hex_digit));
        match (byte, digits) {
            (b'%', (Some(high), Some(low))) => {
                out.push(high << 4 | low);
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOGLE: &str = "/v1beta/models/{model}:generateContent";

    #[test]
    fn paths_find_their_endpoint() {
        let none = HeaderMap::new();
        for (path, label, deployment) in [
            ("/v1/chat/completions", "/v1/chat/completions", None),
            ("/chat/completions", "/v1/chat/completions", None),
            ("/v1/messages/count_tokens", "/v1/messages/count_tokens", None),
            ("/openai/deployments/ok%2Bcrlf/embeddings", "/v1/embeddings", Some("ok+crlf")),
            ("/openai/v1/responses", "/v1/responses", None),
            ("/v1/models/gpt-4o", "/v1/models", None),
            ("/model/claude%3A0/invoke", "/v1/messages", Some("claude:0")),
            ("/v1/publishers/anthropic/models/c:streamRawPredict", "/v1/messages", Some("c")),
            ("/v1/publishers/anthropic/models/count-tokens:rawPredict", "/v1/messages/count_tokens", None),
            ("/v2/chat", "/v2/chat", None),
            ("/api/chat", "/api/chat", None),
            ("/v1beta/models/m:countTokens", "/v1beta/models/{model}:countTokens", Some("m")),
            ("/model/titan%3A0/invoke", "/model/{model}/invoke", Some("titan:0")),
            (
                "/v1/projects/p/locations/l/publishers/google/models/m:predict",
                "/models/{model}:predict",
                Some("m"),
            ),
            ("/v2/embed", "/v2/embed", None),
            ("/v1beta/models/ok%2Bcrlf:generateContent", GOOGLE, Some("ok+crlf")),
            ("/models/gemini:streamGenerateContent", GOOGLE, Some("gemini")),
            ("/v1beta/models/gemini:countAll", "/v1/models", None),
            ("/v1/nothing", "unknown", None),
        ] {
            let route = Route::of(path, &none);
            assert_eq!((route.label(), route.deployment.as_deref()), (label, deployment), "{path}");
        }
        assert!(matches!(Route::of("/v1/messages", &none).flavour, Flavour::Anthropic));
    }
}
