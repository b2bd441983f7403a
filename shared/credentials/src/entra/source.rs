//! What is declared for Microsoft Entra.

use crate::refresh::Fetched;
use crate::unavailable::Unavailable;
use crate::{Environment, Hidden, Proof};

/// What is declared for Microsoft Entra, by LiteLLM's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Source {
    /// `tenant_id`
    pub tenant_id: Option<String>,
    /// `client_id`
    pub client_id: Option<String>,
    /// `client_secret`
    pub client_secret: Option<Hidden>,
    /// `azure_ad_token`: a token, or where one is (`oidc/…`).
    pub ad_token: Option<Hidden>,
    /// `azure_scope`
    pub scope: Option<String>,
}

impl Source {
    /// A token that is declared itself.
    pub(crate) fn declared(&self) -> Option<Proof> {
        let token = self.ad_token.as_ref().filter(|token| !token.expose().starts_with("oidc/"))?;
        Some(Proof::Bearer(token.secret().clone()))
    }

    pub(crate) async fn fetch(&self, _environment: &Environment) -> Result<Fetched, Unavailable> {
        Err(Unavailable::until_changed("credentials of Microsoft Entra's are not read yet"))
    }
}
