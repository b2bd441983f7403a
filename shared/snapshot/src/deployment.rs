//! A deployment, compiled down to what sending a request to it takes.

use std::time::Duration;

use bulkhead_dialect::providers::{Auth, Provider};
use bulkhead_dialect::translate;
use bulkhead_model::Endpoint;
use bulkhead_model::rows::{ByFailure, DeploymentRow, JsonMember, SettingsRow};
use bulkhead_pricing::{Abilities, PriceBook, Rates};
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::uri::PathAndQuery;

use crate::account::account;
use crate::address::{Target, encode, parse_base};
use crate::compile::CompileError;
use crate::pattern::Pattern;
use crate::timeouts::{Timeouts, timeouts};

/// One place where a model is served.
#[derive(Debug)]
pub struct Deployment {
    /// `model_info.id`.
    pub id: Box<str>,
    /// The model group's name.
    pub group: Box<str>,
    /// The provider.
    pub provider: &'static Provider,
    /// The provider's name of the model; a pattern that the group's captures fill.
    pub model: Pattern,
    /// `model` as a JSON text, where it holds no `*`.
    pub model_json: Option<Bytes>,
    /// Where to connect.
    pub target: Target,
    /// The `Host` header.
    pub host: HeaderValue,
    /// The base URL, for the `x-litellm-model-api-base` header.
    pub api_base: HeaderValue,
    /// The id as a header value.
    pub id_header: HeaderValue,
    /// The group's name as a header value.
    pub group_header: HeaderValue,
    /// `x-litellm-key-remaining-requests-{group}`, where the group's name can be part of a header's.
    pub remaining_requests: Option<HeaderName>,
    /// `x-litellm-key-remaining-tokens-{group}`, likewise.
    pub remaining_tokens: Option<HeaderName>,
    /// Credentials and extra headers, marked sensitive, set on every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Timeouts.
    pub timeouts: Timeouts,
    /// The same number for deployments of one account with a provider: same address, same credentials. Another one in
    /// each process.
    pub account: u64,
    /// As declared; `None`: the general number.
    pub num_retries: Option<u32>,
    /// Requests in flight at once.
    pub max_parallel: Option<u32>,
    /// Requests per minute: a hint, or a limit where the settings say so.
    pub rpm: Option<u64>,
    /// Tokens per minute, likewise.
    pub tpm: Option<u64>,
    /// As declared; `None`: the general time.
    pub cooldown_time: Option<Duration>,
    /// As declared; `None`: the general number.
    pub allowed_fails: Option<u32>,
    /// As declared.
    pub allowed_fails_policy: ByFailure,
    /// Share of `simple-shuffle`; all zero means uniform.
    pub weight: u64,
    /// Lower orders are tried first.
    pub order: i64,
    /// Tags for tag routing.
    pub tags: Box<[Box<str>]>,
    /// Members added where the client sent none, in LiteLLM's names. What `extra_body` says again is not among them.
    pub call_params: Box<[JsonMember]>,
    /// Members added where the client sent none, in the provider's names.
    pub extra_body: Box<[JsonMember]>,
    /// Drop what the provider does not know instead of refusing it.
    pub drop_params: bool,
    /// Top-level members that are always dropped.
    pub drop_always: Box<[Box<str>]>,
    /// The price of a fixed model; `None` is unknown or depends on the captures.
    pub rates: Option<Rates>,
    /// The price book's name of the model where it is declared.
    pub base_model: Option<Box<str>>,
    /// `model_info.mode`, else the price book's.
    pub mode: Option<Box<str>>,
    /// Declared or known limits, for `/v1/models`.
    pub max_input_tokens: Option<u64>,
    /// As `max_input_tokens`.
    pub max_output_tokens: Option<u64>,
    /// Access groups that its group belongs to.
    pub(crate) access_groups: Box<[Box<str>]>,
    /// What `simple-shuffle` may go by: `weight`, `rpm`, `tpm`.
    pub(crate) hints: [Option<u64>; 3],
    prefix: Box<str>,
    api_version: Option<Box<str>>,
    prices: Vec<(String, bulkhead_model::PicoUsd)>,
    paths: [Option<PathAndQuery>; Endpoint::ALL.len()],
    /// The provider's endpoint for each of ours.
    upstream: [Option<Endpoint>; Endpoint::ALL.len()],
    /// What a fixed model can do, where that is known.
    abilities: Option<Abilities>,
}

impl Deployment {
    pub(crate) fn compile(
        row: &DeploymentRow,
        settings: &SettingsRow,
        book: &PriceBook,
    ) -> Result<Self, CompileError> {
        let wrong = |what: String| CompileError { id: row.id.clone(), what };
        let provider = bulkhead_dialect::providers::provider(&row.provider)
            .ok_or_else(|| wrong(format!("unknown provider `{}`", row.provider)))?;
        let base = row.api_base.as_deref().or(provider.base_url.as_deref());
        let base = base.ok_or_else(|| wrong(format!("provider `{}` needs an api_base", row.provider)))?;
        let (target, host, prefix) = parse_base(base, provider).map_err(wrong)?;
        let price = book.find(&row.provider, row.base_model.as_deref().unwrap_or(&row.model));
        let model = Pattern::new(&row.model);
        let fixed = !Pattern::is_wildcard(&row.model);
        let headers = headers(row, provider).map_err(wrong)?;
        let mut deployment = Self {
            account: account(&target, &headers),
            num_retries: row.num_retries,
            max_parallel: row.max_parallel.or(settings.routing.default_max_parallel),
            rpm: row.rpm,
            tpm: row.tpm,
            cooldown_time: row.cooldown_time,
            allowed_fails: row.allowed_fails,
            allowed_fails_policy: row.allowed_fails_policy,
            id: row.id.as_str().into(),
            group: row.group.as_str().into(),
            provider,
            model_json: fixed.then(|| json_text(&row.model)),
            model,
            target,
            host,
            api_base: header(base).map_err(wrong)?,
            id_header: header(&row.id).map_err(wrong)?,
            group_header: header(&row.group).map_err(wrong)?,
            remaining_requests: remaining("requests", &row.group),
            remaining_tokens: remaining("tokens", &row.group),
            headers,
            timeouts: timeouts(row, settings),
            weight: 0,
            order: row.order.unwrap_or(0),
            tags: row.tags.iter().map(|tag| tag.as_str().into()).collect(),
            call_params: call_params(row),
            extra_body: row.extra_body.clone().into(),
            drop_params: row.drop_params.unwrap_or(settings.drop_params),
            drop_always: row.drop_always.iter().map(|name| name.as_str().into()).collect(),
            rates: None,
            base_model: row.base_model.as_deref().map(Into::into),
            mode: row.mode.as_deref().or(price.and_then(|price| price.mode.as_deref())).map(Into::into),
            max_input_tokens: row.max_input_tokens.or(price.and_then(|price| price.max_input_tokens)),
            max_output_tokens: row.max_output_tokens.or(price.and_then(|price| price.max_output_tokens)),
            access_groups: row.access_groups.iter().map(|group| group.as_str().into()).collect(),
            hints: [row.weight.map(u64::from), row.rpm, row.tpm],
            prefix: prefix.into(),
            api_version: row.api_version.as_deref().map(Into::into),
            prices: row.prices.clone(),
            paths: Default::default(),
            upstream: Default::default(),
            abilities: price.map(|price| price.abilities),
        };
        deployment.upstream = Endpoint::ALL.map(|endpoint| deployment.find_upstream(endpoint));
        if fixed {
            deployment.rates = deployment.look_up(&row.model, book);
            for endpoint in Endpoint::ALL {
                let path = deployment.build_path(endpoint, &row.model, false).map_err(wrong)?;
                if let Some(slot) = deployment.paths.get_mut(endpoint.index()) {
                    *slot = Some(path);
                }
            }
        }
        Ok(deployment)
    }

    /// Members added where the client sent none.
    pub fn defaults(&self) -> impl Iterator<Item = &JsonMember> {
        self.call_params.iter().chain(&self.extra_body)
    }

    /// The provider's endpoint for requests to one of ours: the same where it has it, else one that they can be
    /// translated to. Models that are for responses alone are asked there.
    pub fn upstream(&self, endpoint: Endpoint) -> Option<Endpoint> {
        self.upstream.get(endpoint.index()).copied().flatten()
    }

    fn find_upstream(&self, endpoint: Endpoint) -> Option<Endpoint> {
        let has = |endpoint| self.provider.endpoints.contains(endpoint);
        let ways = translate::ways(endpoint);
        let only_responses = self.mode.as_deref() == Some("responses") && has(Endpoint::Responses);
        if only_responses && ways.contains(&Endpoint::Responses) {
            return Some(Endpoint::Responses);
        }
        if has(endpoint) {
            return Some(endpoint);
        }
        ways.iter().copied().find(|way| has(*way))
    }

    /// What a model that this deployment serves can do.
    pub fn abilities_of(&self, model: &str, book: &PriceBook) -> Option<Abilities> {
        if self.model_json.is_some() {
            return self.abilities;
        }
        let name = self.base_model.as_deref().unwrap_or(model);
        book.find(&self.provider.name, name).map(|price| price.abilities)
    }

    /// True for a member of a request that the deployment never gets.
    pub fn drops_always(&self, name: &str) -> bool {
        self.drop_always.iter().any(|listed| **listed == *name)
    }

    /// True for a member of a request that the deployment does not get: it never does, or its provider does not know it
    /// and the configuration says to drop what it does not know.
    pub fn drops(&self, name: &str) -> bool {
        self.drops_always(name) || (self.drop_params && self.provider.refuses(name))
    }

    /// The path and query of an endpoint. `model` and `stream` matter where the provider has them in the path.
    pub fn path(&self, endpoint: Endpoint, model: &str, stream: bool) -> Result<PathAndQuery, String> {
        match self.paths.get(endpoint.index()) {
            Some(Some(path)) if !(stream && endpoint.is_said_by_path()) => Ok(path.clone()),
            _ => self.build_path(endpoint, model, stream),
        }
    }

    /// The price of a model that this deployment serves.
    pub fn rates_of(&self, model: &str, book: &PriceBook) -> Option<Rates> {
        if self.rates.is_some() || self.model_json.is_some() {
            self.rates.clone()
        } else {
            self.look_up(model, book)
        }
    }

    fn look_up(&self, model: &str, book: &PriceBook) -> Option<Rates> {
        let name = self.base_model.as_deref().unwrap_or(model);
        let listed = book.find(&self.provider.name, name).map(|price| price.rates.clone());
        match self.prices.is_empty() {
            true => listed,
            false => Some(listed.unwrap_or_default().overridden(&self.prices)),
        }
    }

    fn build_path(&self, endpoint: Endpoint, model: &str, stream: bool) -> Result<PathAndQuery, String> {
        let prefix = &self.prefix;
        let path = match (endpoint, stream) {
            (Endpoint::GenerateContent, false) => {
                format!("{prefix}/models/{}:generateContent", encode(model))
            }
            (Endpoint::GenerateContent, true) => {
                format!("{prefix}/models/{}:streamGenerateContent?alt=sse", encode(model))
            }
            (Endpoint::EmbedContent, _) => format!("{prefix}/models/{}:embedContent", encode(model)),
            (Endpoint::BatchEmbedContents, _) => {
                format!("{prefix}/models/{}:batchEmbedContents", encode(model))
            }
            (Endpoint::GeminiCountTokens, _) => format!("{prefix}/models/{}:countTokens", encode(model)),
            (Endpoint::PredictEmbeddings, _) => format!("{prefix}/models/{}:predict", encode(model)),
            (Endpoint::InvokeEmbeddings, _) => format!("{prefix}/model/{}/invoke", encode(model)),
            (Endpoint::Converse, stream) => format!("{prefix}{}", translate::converse_path(model, stream)),
            _ => self.path_without_model(endpoint, model),
        };
        path.parse().map_err(|_| format!("`{path}` is not a URL path"))
    }

    fn path_without_model(&self, endpoint: Endpoint, model: &str) -> String {
        let prefix = &self.prefix;
        match (self.provider.auth, self.api_version.as_deref()) {
            (Auth::AzureApiKey, Some("v1" | "preview" | "latest") | None) => {
                format!("{prefix}/openai/v1{}", endpoint.path())
            }
            (Auth::AzureApiKey, Some(version)) if endpoint == Endpoint::Responses => {
                format!("{prefix}/openai/responses?api-version={}", encode(version))
            }
            (Auth::AzureApiKey, Some(version)) => {
                let (model, path) = (encode(model), endpoint.path());
                format!("{prefix}/openai/deployments/{model}{path}?api-version={}", encode(version))
            }
            (_, Some(version)) => format!("{prefix}{}?api-version={}", endpoint.path(), encode(version)),
            (_, None) => format!("{prefix}{}", endpoint.path()),
        }
    }

    #[cfg(test)]
    pub(crate) fn for_test(provider: &str) -> Self {
        let row = crate::compile::tests::deployment("test", "test", provider);
        Self::compile(&row, &SettingsRow::default(), &PriceBook::embedded()).unwrap()
    }
}

/// `extra_body` goes over them.
fn call_params(row: &DeploymentRow) -> Box<[JsonMember]> {
    let said_again = |name: &str| row.extra_body.iter().any(|member| member.name == name);
    row.call_params.iter().filter(|member| !said_again(&member.name)).cloned().collect()
}

fn headers(row: &DeploymentRow, provider: &Provider) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut out = Vec::new();
    if let Some(key) = row.api_key.as_ref().filter(|key| !key.is_empty()) {
        let (name, value) = match provider.auth {
            Auth::Bearer => (http::header::AUTHORIZATION, format!("Bearer {}", key.expose())),
            Auth::XApiKey => (HeaderName::from_static("x-api-key"), key.expose().to_owned()),
            Auth::AzureApiKey => (HeaderName::from_static("api-key"), key.expose().to_owned()),
            Auth::XGoogApiKey => (HeaderName::from_static("x-goog-api-key"), key.expose().to_owned()),
        };
        out.push((name, secret_header(&value).ok_or("api_key holds characters that a header cannot")?));
    }
    if let Some(organization) = &row.organization {
        out.push((HeaderName::from_static("openai-organization"), header(organization)?));
    }
    for extra in &row.extra_headers {
        let name = HeaderName::from_bytes(extra.name.as_bytes())
            .map_err(|_| format!("extra_headers: `{}` is not a header name", extra.name))?;
        let value = secret_header(extra.value.expose()).ok_or_else(|| {
            format!("extra_headers: the value of `{}` holds characters that a header cannot", name)
        })?;
        out.retain(|(existing, _)| *existing != name);
        out.push((name, value));
    }
    Ok(out)
}

fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn remaining(what: &str, group: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(format!("x-litellm-key-remaining-{what}-{group}").as_bytes()).ok()
}

pub(crate) fn header(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("`{text}` holds characters that a header cannot"))
}

fn json_text(text: &str) -> Bytes {
    serde_json::Value::from(text).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::tests::deployment;

    fn url(
        provider: &str,
        base: Option<&str>,
        version: Option<&str>,
        endpoint: Endpoint,
        model: &str,
    ) -> String {
        let mut row = deployment("g", model, provider);
        row.api_base = base.map(Into::into);
        row.api_version = version.map(Into::into);
        let compiled = Deployment::compile(&row, &SettingsRow::default(), &PriceBook::embedded()).unwrap();
        let scheme = if compiled.target.https { "https" } else { "http" };
        format!(
            "{scheme}://{}:{}{}",
            compiled.target.host,
            compiled.target.port,
            compiled.path(endpoint, model, false).unwrap()
        )
    }

    #[test]
    fn urls_are_what_each_provider_expects() {
        let chat = Endpoint::ChatCompletions;
        for (provider, base, version, endpoint, expected) in [
            ("openai", None, None, chat, "https://api.openai.com:443/v1/chat/completions"),
            (
                "openai",
                Some("http://127.0.0.1:8000/v1/"),
                None,
                chat,
                "http://127.0.0.1:8000/v1/chat/completions",
            ),
            (
                "openai",
                Some("http://h/v1/chat/completions"),
                None,
                Endpoint::Embeddings,
                "http://h:80/v1/embeddings",
            ),
            ("anthropic", None, None, Endpoint::Messages, "https://api.anthropic.com:443/v1/messages"),
            (
                "anthropic",
                Some("http://h:1"),
                None,
                Endpoint::CountTokens,
                "http://h:1/v1/messages/count_tokens",
            ),
            ("anthropic", Some("http://h:1/v1/messages"), None, Endpoint::Messages, "http://h:1/v1/messages"),
            (
                "azure",
                Some("https://x.openai.azure.com"),
                Some("2024-10-21"),
                chat,
                "https://x.openai.azure.com:443/openai/deployments/a%2Fb/chat/completions?api-version=2024-10-21",
            ),
            (
                "azure",
                Some("https://x.openai.azure.com/openai/v1"),
                Some("preview"),
                Endpoint::Responses,
                "https://x.openai.azure.com:443/openai/v1/responses",
            ),
            (
                "openai",
                Some("http://[::1]:9/v1"),
                Some("7"),
                chat,
                "http://::1:9/v1/chat/completions?api-version=7",
            ),
        ] {
            assert_eq!(url(provider, base, version, endpoint, "a/b"), expected);
        }
    }

    fn compiled(row: &DeploymentRow, settings: &SettingsRow) -> Deployment {
        Deployment::compile(row, settings, &PriceBook::embedded()).unwrap()
    }

    #[test]
    fn parallel_requests_have_a_default() {
        let mut settings = SettingsRow::default();
        settings.routing.default_max_parallel = Some(9);
        let mut row = deployment("g", "gpt-4o", "openai");
        assert_eq!(compiled(&row, &settings).max_parallel, Some(9));
        row.max_parallel = Some(2);
        assert_eq!(compiled(&row, &settings).max_parallel, Some(2));
    }

    #[test]
    fn credentials_are_sensitive_and_extra_headers_win() {
        let mut row = deployment("g", "gpt-4o", "openai");
        row.api_key = Some(bulkhead_model::Secret::new("sk-one"));
        row.extra_headers = vec![bulkhead_model::rows::ExtraHeader {
            name: "authorization".into(),
            value: bulkhead_model::Secret::new("Bearer two"),
        }];
        let compiled = Deployment::compile(&row, &SettingsRow::default(), &PriceBook::embedded()).unwrap();
        let values: Vec<_> =
            compiled.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(values, [("authorization", &b"Bearer two"[..])]);
        assert!(compiled.headers.iter().all(|(_, value)| value.is_sensitive()));
        assert!(!format!("{compiled:?}").contains("two"));
    }
}
