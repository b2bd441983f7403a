//! A deployment, compiled down to what sending a request to it takes.

use std::borrow::Cow;
use std::time::Duration;

use bulkhead_dialect::providers::Provider;
use bulkhead_dialect::translate::ways;
use bulkhead_model::Endpoint;
use bulkhead_model::rows::{ByFailure, DeploymentRow, JsonMember, SettingsRow};
use bulkhead_pricing::{Abilities, PriceBook, Rates};
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::uri::PathAndQuery;

use crate::account::account;
use crate::address::{Target, parse_base};
use crate::compile::CompileError;
use crate::headers::{header, headers};
use crate::identity::{Identity, identity};
use crate::path::Base;
use crate::pattern::Pattern;
use crate::site::Site;
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
    /// Whose signature or token goes with every request, where no key does.
    pub identity: Option<Box<Identity>>,
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
    pub(crate) base: Base,
    pub(crate) prices: Vec<(String, bulkhead_model::PicoUsd)>,
    pub(crate) paths: [Option<PathAndQuery>; Endpoint::ALL.len()],
    /// Where a fixed model stands.
    site: Option<Site>,
    /// The provider's endpoint for each of ours, for a fixed model.
    upstream: [Option<Endpoint>; Endpoint::ALL.len()],
    /// What a fixed model can do, where that is known.
    pub(crate) abilities: Option<Abilities>,
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
        let site = fixed.then(|| Site::of(provider, &row.model, row.base_model.as_deref(), &target));
        let headers = headers(row, provider, &target, site).map_err(wrong)?;
        let identity = identity(row, provider, &target, &headers).map_err(wrong)?;
        let base_path = Base::new(provider, prefix, row.api_version.as_deref());
        if base_path.lacks_project && identity.is_none() {
            let what =
                "no credentials are fetched that could name the project; write vertex_project: my-project";
            return Err(wrong(what.to_owned()));
        }
        let mut deployment = Self {
            account: account(&target, &headers, identity.as_deref()),
            identity,
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
            base: base_path,
            site,
            prices: row.prices.clone(),
            paths: Default::default(),
            upstream: Default::default(),
            abilities: price.map(|price| price.abilities),
        };
        if let Some(site) = site {
            deployment.upstream = Endpoint::ALL.map(|endpoint| deployment.find_upstream(site, endpoint));
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

    /// Where a model that this deployment serves stands.
    pub fn site(&self, model: &str) -> Site {
        self.site.unwrap_or_else(|| Site::of(self.provider, model, self.base_model.as_deref(), &self.target))
    }

    /// The provider's endpoint for requests to one of ours for a model that this deployment serves. Models that are for
    /// responses alone are asked there.
    pub fn upstream(&self, endpoint: Endpoint, model: &str) -> Option<Endpoint> {
        match self.site {
            Some(_) => self.upstream.get(endpoint.index()).copied().flatten(),
            None => self.find_upstream(self.site(model), endpoint),
        }
    }

    fn find_upstream(&self, site: Site, endpoint: Endpoint) -> Option<Endpoint> {
        let only_responses = self.mode.as_deref() == Some("responses");
        let responses = Endpoint::Responses;
        if only_responses && site.has(self.provider, responses) && ways(endpoint).contains(&responses) {
            return Some(responses);
        }
        site.upstream(self.provider, endpoint)
    }

    /// The provider's name of the model, where the group's stars stand for these texts.
    pub fn model_of(&self, captured: &[&str]) -> Cow<'_, str> {
        match self.model_json {
            Some(_) => self.model.text().into(),
            None => self.model.fill(captured).into(),
        }
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

fn remaining(what: &str, group: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(format!("x-litellm-key-remaining-{what}-{group}").as_bytes()).ok()
}

fn json_text(text: &str) -> Bytes {
    serde_json::Value::from(text).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::tests::deployment;

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
}
