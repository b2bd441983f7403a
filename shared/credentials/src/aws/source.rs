//! Where keys come from.

use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use bulkhead_model::Secret;

use super::sts::Sts;
use super::{Keys, sdk};
use crate::machine::Machine;
use crate::refresh::Fetched;
use crate::unavailable::Unavailable;
use crate::{Environment, Hidden, Proof, oidc};

/// Where nothing says one: the region of the STS that answers for all.
const REGION: &str = "us-east-1";
/// What AWS's logs call this.
const SESSION: &str = "bulkhead";

/// What is declared for AWS, by LiteLLM's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Source {
    /// `aws_access_key_id`
    pub access_key_id: Option<String>,
    /// `aws_secret_access_key`
    pub secret_access_key: Option<Hidden>,
    /// `aws_session_token`
    pub session_token: Option<Hidden>,
    /// `aws_profile_name`
    pub profile_name: Option<String>,
    /// `aws_role_name`: the ARN of a role to assume.
    pub role_name: Option<String>,
    /// `aws_session_name`
    pub session_name: Option<String>,
    /// `aws_external_id`
    pub external_id: Option<String>,
    /// `aws_web_identity_token`: a token, its path, or where one is (`oidc/…`).
    pub web_identity_token: Option<Hidden>,
    /// `aws_sts_endpoint`
    pub sts_endpoint: Option<String>,
    /// `aws_region_name`: the region of the STS.
    pub region_name: Option<String>,
}

impl Source {
    /// Keys that are declared themselves, with no role to assume by them.
    pub(crate) fn declared(&self, environment: &Environment) -> Option<Proof> {
        let all = self.with(environment);
        if all.role_name.is_some() || all.profile_name.is_some() || all.web_identity_token.is_some() {
            return None;
        }
        self.keys().map(Proof::Aws)
    }

    fn keys(&self) -> Option<Keys> {
        Some(Keys {
            access_key_id: self.access_key_id.clone()?,
            secret_access_key: self.secret_access_key.as_ref()?.secret().clone(),
            session_token: self.session_token.as_ref().map(|token| token.secret().clone()),
        })
    }

    /// The same, with LiteLLM's variables where nothing is declared. Keys are left to AWS's own chain.
    fn with(&self, environment: &Environment) -> Self {
        let or = |declared: &Option<String>, names: &[&str]| {
            declared.clone().or_else(|| environment.first(names).map(str::to_owned))
        };
        Self {
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.clone(),
            session_token: self.session_token.clone(),
            profile_name: or(&self.profile_name, &["AWS_PROFILE_NAME"]),
            role_name: or(&self.role_name, &["AWS_ROLE_NAME"]),
            session_name: or(&self.session_name, &["AWS_SESSION_NAME", "AWS_ROLE_SESSION_NAME"]),
            external_id: or(&self.external_id, &["AWS_EXTERNAL_ID"]),
            web_identity_token: self
                .web_identity_token
                .clone()
                .or_else(|| environment.get("AWS_WEB_IDENTITY_TOKEN").map(Hidden::from)),
            sts_endpoint: or(&self.sts_endpoint, &["AWS_STS_ENDPOINT", "AWS_ENDPOINT_URL_STS"]),
            region_name: or(&self.region_name, &["AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"]),
        }
    }

    pub(crate) async fn fetch(&self, machine: &Machine) -> Result<Fetched, Unavailable> {
        let all = self.with(&machine.environment);
        let sts = Sts {
            region: all.region(),
            endpoint: all.sts_endpoint.clone(),
            network: machine.network.clone(),
        };
        let credentials = match (&all.web_identity_token, &all.role_name) {
            (Some(token), Some(role)) => {
                if all.external_id.is_some() {
                    let why = "aws_external_id does not go with aws_web_identity_token; leave it out";
                    return Err(Unavailable::until_changed(why));
                }
                let token = web_identity(machine, token.expose()).await?;
                sts.assume_by_token(role, all.session(), &token).await?
            }
            (Some(_), None) => {
                let why = "aws_web_identity_token needs the role it is for: aws_role_name";
                return Err(Unavailable::until_changed(why));
            }
            (None, Some(role)) if !all.is_ambient(role, &machine.environment) => {
                let base = all.base(machine).await?;
                sts.assume(role, all.session(), all.external_id.as_deref(), base).await?
            }
            (None, _) => all.base(machine).await?,
        };
        Ok(fetched(&credentials))
    }

    fn region(&self) -> Region {
        Region::new(self.region_name.clone().unwrap_or_else(|| REGION.to_owned()))
    }

    fn session(&self) -> &str {
        self.session_name.as_deref().unwrap_or(SESSION)
    }

    /// True in a pod of EKS that has this role already: a role seldom may assume itself.
    fn is_ambient(&self, role: &str, environment: &Environment) -> bool {
        self.access_key_id.is_none()
            && self.profile_name.is_none()
            && environment.get("AWS_ROLE_ARN") == Some(role)
            && environment.get("AWS_WEB_IDENTITY_TOKEN_FILE").is_some()
    }

    /// Declared keys, a profile's, or what AWS's own chain finds. As in LiteLLM, a profile comes before keys, and for a
    /// role keys before a profile.
    async fn base(&self, machine: &Machine) -> Result<Credentials, Unavailable> {
        let declared = self.access_key_id.is_some() || self.secret_access_key.is_some();
        if declared && (self.profile_name.is_none() || self.role_name.is_some()) {
            let half = "aws_access_key_id and aws_secret_access_key go together; one of them is missing";
            return self
                .keys()
                .map(|keys| keys.credentials())
                .ok_or_else(|| Unavailable::until_changed(half));
        }
        let config = ProviderConfig::without_region()
            .with_region(Some(self.region()))
            .with_http_client(sdk::http_client(&machine.network));
        match &self.profile_name {
            Some(profile) => {
                let profiles = ProfileFileCredentialsProvider::builder().configure(&config);
                provided(&profiles.profile_name(profile).build()).await
            }
            None => {
                let chain = DefaultCredentialsChain::builder().configure(config).region(self.region());
                provided(&chain.build().await).await
            }
        }
    }
}

/// The keys that AWS's own chain finds: what Google's federation with AWS stands on.
pub(crate) async fn ambient(machine: &Machine, region: &str) -> Result<Keys, Unavailable> {
    let source = Source { region_name: Some(region.to_owned()), ..Source::default() };
    Ok(keys(&source.base(machine).await?))
}

/// A token, its path, or where one is.
async fn web_identity(machine: &Machine, declared: &str) -> Result<String, Unavailable> {
    if declared.starts_with("oidc/") {
        oidc::token(machine, declared).await
    } else if declared.starts_with('/') {
        oidc::allowed_file(machine, declared).await
    } else {
        Ok(declared.to_owned())
    }
}

async fn provided(provider: &impl ProvideCredentials) -> Result<Credentials, Unavailable> {
    provider.provide_credentials().await.map_err(|error| {
        let reason = format!("AWS credentials: {}", words(&error));
        match error {
            CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => {
                Unavailable::until_changed(reason)
            }
            _ => Unavailable::for_now(reason),
        }
    })
}

/// What an error says, and what it comes from.
pub(super) fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}

fn fetched(credentials: &Credentials) -> Fetched {
    Fetched { proof: Proof::Aws(keys(credentials)), ends: credentials.expiry(), project: None }
}

fn keys(credentials: &Credentials) -> Keys {
    Keys {
        access_key_id: credentials.access_key_id().to_owned(),
        secret_access_key: Secret::new(credentials.secret_access_key()),
        session_token: credentials.session_token().map(Secret::new),
    }
}
