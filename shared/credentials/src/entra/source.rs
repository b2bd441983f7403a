//! Where a token of Microsoft Entra's comes from.

use super::managed;
use crate::machine::Machine;
use crate::refresh::Fetched;
use crate::token::Token;
use crate::unavailable::Unavailable;
use crate::{Environment, Hidden, Proof, oidc, request, token};

const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
const AUTHORITY: &str = "https://login.microsoftonline.com";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

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

/// What proves to Entra that this is the client.
enum Client {
    Secret(String),
    /// A token of somebody else's.
    Assertion(String),
}

impl Source {
    /// A token that is declared itself.
    pub(crate) fn declared(&self, environment: &Environment) -> Option<Proof> {
        let token = self.token(environment).filter(|token| !token.expose().starts_with("oidc/"))?;
        Some(Proof::Bearer(token.secret().clone()))
    }

    /// The variable is for deployments that declare nothing else.
    fn token(&self, environment: &Environment) -> Option<Hidden> {
        let variable = || environment.get("AZURE_AD_TOKEN").map(Hidden::from);
        self.ad_token.clone().or_else(|| if self.client_secret.is_none() { variable() } else { None })
    }

    pub(crate) async fn fetch(&self, machine: &Machine) -> Result<Fetched, Unavailable> {
        let environment = &machine.environment;
        let scope = self.scope.as_deref().or_else(|| environment.get("AZURE_SCOPE")).unwrap_or(SCOPE);
        let client_id = self.client_id.as_deref().or_else(|| environment.get("AZURE_CLIENT_ID"));
        let token = match self.client(machine).await? {
            Some(client) => self.by_client(machine, scope, client_id, &client).await?,
            None => managed::token(machine, scope, client_id).await?,
        };
        Ok(token.fetched(None))
    }

    /// A declared token, a secret, or the file of AKS' workload identity: the first of them.
    async fn client(&self, machine: &Machine) -> Result<Option<Client>, Unavailable> {
        let environment = &machine.environment;
        if let Some(token) = self.token(environment) {
            return Ok(Some(Client::Assertion(oidc::token(machine, token.expose()).await?)));
        }
        if let Some(secret) = &self.client_secret {
            return Ok(Some(Client::Secret(secret.expose().to_owned())));
        }
        if environment.get("AZURE_CREDENTIAL") == Some("ManagedIdentityCredential") {
            return Ok(None);
        }
        if let Some(secret) = environment.get("AZURE_CLIENT_SECRET") {
            return Ok(Some(Client::Secret(secret.to_owned())));
        }
        let Some(path) = environment.get("AZURE_FEDERATED_TOKEN_FILE") else { return Ok(None) };
        Ok(Some(Client::Assertion(machine.read("AZURE_FEDERATED_TOKEN_FILE", path).await?)))
    }

    async fn by_client(
        &self,
        machine: &Machine,
        scope: &str,
        client_id: Option<&str>,
        client: &Client,
    ) -> Result<Token, Unavailable> {
        let environment = &machine.environment;
        let missing =
            |what: &str| Unavailable::until_changed(format!("{what} is missing for Microsoft Entra"));
        let tenant = self.tenant_id.as_deref().or_else(|| environment.get("AZURE_TENANT_ID"));
        let tenant = tenant.ok_or_else(|| missing("tenant_id (or the variable AZURE_TENANT_ID)"))?;
        let client_id = client_id.ok_or_else(|| missing("client_id (or the variable AZURE_CLIENT_ID)"))?;
        let authority = environment.get("AZURE_AUTHORITY_HOST").unwrap_or(AUTHORITY).trim_end_matches('/');
        let url = request::url("AZURE_AUTHORITY_HOST", &format!("{authority}/{tenant}/oauth2/v2.0/token"))?;
        let mut fields =
            vec![("grant_type", "client_credentials"), ("client_id", client_id), ("scope", scope)];
        let secret = match client {
            Client::Secret(secret) => {
                fields.push(("client_secret", secret));
                secret
            }
            Client::Assertion(token) => {
                fields.extend([("client_assertion_type", ASSERTION), ("client_assertion", &**token)]);
                token
            }
        };
        token::ask(&machine.network, "Microsoft Entra", request::form(url, &fields), &[secret]).await
    }
}
