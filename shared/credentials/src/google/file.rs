//! Google's credentials files.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use super::{SCOPE, federation};
use crate::machine::Machine;
use crate::token::Token;
use crate::unavailable::Unavailable;
use crate::{request, token};

const WHO: &str = "Google's token service";
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// How long an assertion is good for. Google takes no longer one.
const ASSERTED: Duration = Duration::from_hours(1);

/// A credentials file.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum File {
    ServiceAccount(ServiceAccount),
    AuthorizedUser(AuthorizedUser),
    ExternalAccount(federation::ExternalAccount),
    ImpersonatedServiceAccount(Impersonated),
}

/// An account of its own, with its key.
#[derive(Deserialize)]
pub(super) struct ServiceAccount {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: Option<String>,
    project_id: Option<String>,
}

/// What `gcloud auth application-default login` leaves.
#[derive(Deserialize)]
pub(super) struct AuthorizedUser {
    client_id: String,
    client_secret: String,
    refresh_token: String,
    token_uri: Option<String>,
    quota_project_id: Option<String>,
}

/// An account that another one may act for.
#[derive(Deserialize)]
pub(super) struct Impersonated {
    service_account_impersonation_url: String,
    source_credentials: Box<File>,
    quota_project_id: Option<String>,
}

impl File {
    /// `what` says where the text is from. What serde says of values may repeat them, so that it is not passed on.
    pub(super) fn read(what: &str, text: &str) -> Result<Self, Unavailable> {
        serde_json::from_str(text).map_err(|error| {
            let said = error.to_string();
            let why = match error.classify() {
                Category::Data if said.starts_with("missing field") => said,
                Category::Data => {
                    "its type is none of service_account, authorized_user, external_account and \
                                   impersonated_service_account, or what belongs to it is of another kind"
                        .to_owned()
                }
                _ => format!("it is no JSON from line {}, column {} on", error.line(), error.column()),
            };
            Unavailable::until_changed(format!("{what}: no credentials of Google's: {why}"))
        })
    }

    /// The project that it names.
    pub(super) fn project(&self) -> Option<&str> {
        match self {
            Self::ServiceAccount(account) => account.project_id.as_deref(),
            Self::AuthorizedUser(user) => user.quota_project_id.as_deref(),
            Self::ExternalAccount(account) => account.quota_project_id.as_deref(),
            Self::ImpersonatedServiceAccount(account) => {
                account.quota_project_id.as_deref().or_else(|| account.source_credentials.project())
            }
        }
    }

    /// A token by it. Other files that it names are read anywhere only if it is `trusted`.
    pub(super) async fn token(&self, machine: &Machine, trusted: bool) -> Result<Token, Unavailable> {
        match self {
            Self::ServiceAccount(account) => account.token(machine).await,
            Self::AuthorizedUser(user) => user.token(machine).await,
            Self::ExternalAccount(account) => account.token(machine, trusted).await,
            Self::ImpersonatedServiceAccount(account) => {
                let base = Box::pin(account.source_credentials.token(machine, trusted)).await?;
                federation::impersonate(machine, &account.service_account_impersonation_url, base.secret())
                    .await
            }
        }
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

impl ServiceAccount {
    async fn token(&self, machine: &Machine) -> Result<Token, Unavailable> {
        let token_uri = self.token_uri.as_deref().unwrap_or(TOKEN_URI);
        let assertion = self.assertion(token_uri)?;
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.as_str()),
        ];
        let request = request::form(request::url("token_uri", token_uri)?, &fields);
        token::ask(&machine.network, WHO, request, &[&assertion]).await
    }

    fn assertion(&self, audience: &str) -> Result<String, Unavailable> {
        let wrong = |_| {
            Unavailable::until_changed(format!(
                "the private_key of {} is no RSA key in PEM",
                self.client_email
            ))
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let claims = Claims {
            iss: &self.client_email,
            scope: SCOPE,
            aud: audience,
            iat: now.as_secs(),
            exp: (now + ASSERTED).as_secs(),
        };
        let header = Header { kid: self.private_key_id.clone(), ..Header::new(Algorithm::RS256) };
        let key = EncodingKey::from_rsa_pem(self.private_key.as_bytes()).map_err(wrong)?;
        encode(&header, &claims, &key).map_err(wrong)
    }
}

impl AuthorizedUser {
    async fn token(&self, machine: &Machine) -> Result<Token, Unavailable> {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", &self.client_id),
            ("client_secret", &self.client_secret),
            ("refresh_token", &self.refresh_token),
        ];
        let url = request::url("token_uri", self.token_uri.as_deref().unwrap_or(TOKEN_URI))?;
        let secrets = [&*self.client_secret, &*self.refresh_token];
        token::ask(&machine.network, WHO, request::form(url, &fields), &secrets).await
    }
}
