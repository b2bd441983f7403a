//! Tokens as the services of OAuth 2 and the metadata services next to them give them.

use std::time::{Duration, SystemTime};

use bulkhead_model::Secret;
use reqwest::Request;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Proof;
use crate::network::{Answer, Network, place};
use crate::refresh::Fetched;
use crate::unavailable::Unavailable;

/// An answer with a token.
#[derive(Deserialize)]
pub(crate) struct Token {
    access_token: String,
    /// In seconds. Azure's metadata service writes it as a string.
    expires_in: Option<Value>,
    /// In seconds since 1970; App Service gives this one only.
    expires_on: Option<Value>,
}

impl Token {
    /// Where it says when it ends in another way.
    pub(crate) fn until(access_token: String, ends: SystemTime) -> Self {
        let ends = ends.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { access_token, expires_in: None, expires_on: Some(ends.as_secs().into()) }
    }

    pub(crate) fn secret(&self) -> &str {
        &self.access_token
    }

    pub(crate) fn fetched(self, project: Option<String>) -> Fetched {
        let ends = self.ends();
        Fetched { proof: Proof::Bearer(Secret::new(self.access_token)), ends, project }
    }

    /// Whatever the answer counts from. A token that does not say is fetched again after a while.
    fn ends(&self) -> Option<SystemTime> {
        let number = |value: &Option<Value>| match value {
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_u64(),
            None => None,
        };
        match (number(&self.expires_in), number(&self.expires_on)) {
            (Some(seconds), _) => SystemTime::now().checked_add(Duration::from_secs(seconds)),
            (None, Some(seconds)) => SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)),
            (None, None) => None,
        }
    }
}

/// Asks `who` for a JSON document. An error's words come without these secrets, in case it repeats what it was sent.
pub(crate) async fn ask<T: DeserializeOwned>(
    network: &Network,
    who: &str,
    request: Request,
    secrets: &[&str],
) -> Result<T, Unavailable> {
    let place = place(request.url());
    let body = ask_body(network, who, request, secrets).await?;
    // No more than where: what serde says may repeat the document.
    serde_json::from_slice(&body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Unavailable::for_now(format!("{who}: {place} answered with something else ({line}:{column})"))
    })
}

/// Asks `who` for a line of text.
pub(crate) async fn ask_text(network: &Network, who: &str, request: Request) -> Result<String, Unavailable> {
    let place = place(request.url());
    let body = ask_body(network, who, request, &[]).await?;
    let text =
        String::from_utf8(body).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    text.ok_or_else(|| Unavailable::for_now(format!("{who}: {place} answered with no text")))
}

async fn ask_body(
    network: &Network,
    who: &str,
    request: Request,
    secrets: &[&str],
) -> Result<Vec<u8>, Unavailable> {
    let place = place(request.url());
    let answer = network.send(request).await.map_err(|trouble| trouble.of(who))?;
    if answer.status == 200 {
        return Ok(answer.body);
    }
    Err(refusal(&answer, &format!("{who}: {place}")).without(secrets))
}

/// Why it did not answer with 200.
fn refusal(answer: &Answer, who: &str) -> Unavailable {
    let reason = format!("{who} answered {}{}", answer.status, words(answer));
    if may_pass(answer.status) { Unavailable::for_now(reason) } else { Unavailable::until_changed(reason) }
}

/// Metadata services that have just started know nothing yet: 404, 410.
fn may_pass(status: u16) -> bool {
    matches!(status, 404 | 408 | 410 | 421 | 425 | 429 | 500..)
}

/// `error` and `error_description` of OAuth 2, or `error.message` of Google's APIs: the first line, as Entra's go on with
/// ids and the time.
fn words(answer: &Answer) -> String {
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else { return String::new() };
    let texts =
        ["/error", "/error_description", "/error/message"].map(|at| body.pointer(at).and_then(Value::as_str));
    let words: String = texts.into_iter().flatten().map(|text| format!(": {text}")).collect();
    words.lines().next().unwrap_or_default().to_owned()
}
