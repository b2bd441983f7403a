//! What is declared for AWS.

use super::Keys;
use crate::refresh::Fetched;
use crate::unavailable::Unavailable;
use crate::{Environment, Hidden, Proof};

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
    pub(crate) fn declared(&self) -> Option<Proof> {
        if self.role_name.is_some() || self.profile_name.is_some() {
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

    pub(crate) async fn fetch(&self, _environment: &Environment) -> Result<Fetched, Unavailable> {
        Err(Unavailable::until_changed("roles, profiles and the default chain of AWS are not read yet"))
    }
}
