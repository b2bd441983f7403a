//! Workload identity federation: somebody else's token for one of Google's, and from there to a service account.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::SCOPE;
use crate::aws_identity;
use crate::machine::Machine;
use crate::token::Token;
use crate::unavailable::Unavailable;
use crate::{oidc, request, token};

const WHO: &str = "Google's federation";
const TOKEN_URL: &str = "https://sts.googleapis.com/v1/token";

/// A credentials file of the type `external_account`.
#[derive(Deserialize)]
pub(super) struct ExternalAccount {
    audience: String,
    subject_token_type: String,
    token_url: Option<String>,
    service_account_impersonation_url: Option<String>,
    credential_source: Subject,
    pub(super) quota_project_id: Option<String>,
}

/// Where the other token is.
#[derive(Deserialize)]
struct Subject {
    file: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    format: Format,
    /// `aws1`: it is a signed request to AWS.
    environment_id: Option<String>,
    regional_cred_verification_url: Option<String>,
}

/// How it is written.
#[derive(Deserialize, Default)]
struct Format {
    /// `json`, or else it is all of the text.
    #[serde(rename = "type")]
    kind: Option<String>,
    subject_token_field_name: Option<String>,
}

impl ExternalAccount {
    pub(super) async fn token(&self, machine: &Machine, trusted: bool) -> Result<Token, Unavailable> {
        let subject = self.subject(machine, trusted).await?;
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", &*self.audience),
            ("scope", SCOPE),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token_type", &*self.subject_token_type),
            ("subject_token", &*subject),
        ];
        let url = request::url("token_url", self.token_url.as_deref().unwrap_or(TOKEN_URL))?;
        let federated: Token =
            token::ask(&machine.network, WHO, request::form(url, &fields), &[&subject]).await?;
        match &self.service_account_impersonation_url {
            Some(url) => impersonate(machine, url, federated.secret()).await,
            None => Ok(federated),
        }
    }

    async fn subject(&self, machine: &Machine, trusted: bool) -> Result<String, Unavailable> {
        let source = &self.credential_source;
        if source.environment_id.as_deref().is_some_and(|id| id.starts_with("aws")) {
            return aws_identity::signed(
                machine,
                &self.audience,
                source.regional_cred_verification_url.as_deref(),
            )
            .await;
        }
        let text = match (&source.file, &source.url) {
            (Some(file), _) if trusted => machine.read("credential_source.file", file).await?,
            (Some(file), _) => oidc::allowed_file(machine, file).await?,
            (None, Some(url)) => source.fetch(machine, url).await?,
            (None, None) => {
                let why = "credential_source has neither file nor url nor the environment_id aws1; nothing else is read";
                return Err(Unavailable::until_changed(why));
            }
        };
        source.format.token(text)
    }
}

impl Subject {
    async fn fetch(&self, machine: &Machine, url: &str) -> Result<String, Unavailable> {
        let mut request = request::get(request::url("credential_source.url", url)?, &[]);
        for (name, value) in &self.headers {
            request = request::with(request, name, value)?;
        }
        token::ask_text(&machine.network, "credential_source.url", request).await
    }
}

impl Format {
    fn token(&self, text: String) -> Result<String, Unavailable> {
        if self.kind.as_deref() != Some("json") {
            return Ok(text);
        }
        let name = self.subject_token_field_name.as_deref().unwrap_or_default();
        let document: Option<Value> = serde_json::from_str(&text).ok();
        let token = document.as_ref().and_then(|document| document.get(name)).and_then(Value::as_str);
        token.map(str::to_owned).ok_or_else(|| {
            Unavailable::until_changed(format!(
                "credential_source: what is there is no JSON with the text {name:?}"
            ))
        })
    }
}

/// What the service account credentials API answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Impersonated {
    access_token: String,
    /// As `2026-01-01T00:00:00Z`.
    expire_time: String,
}

/// A service account's token, by one that may act for it.
pub(super) async fn impersonate(machine: &Machine, url: &str, base: &str) -> Result<Token, Unavailable> {
    let url = request::url("service_account_impersonation_url", url)?;
    let request = request::json(url, &json!({"scope": [SCOPE], "lifetime": "3600s"}));
    let who = "Google's service account credentials";
    let answer: Impersonated =
        token::ask(&machine.network, who, request::with_bearer(request, base)?, &[base]).await?;
    let ends: Timestamp = answer
        .expire_time
        .parse()
        .map_err(|_| Unavailable::for_now(format!("{who}: expireTime is no time")))?;
    Ok(Token::until(answer.access_token, ends.into()))
}
