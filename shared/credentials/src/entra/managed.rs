//! Managed identities: the token of the machine that this runs on.

use reqwest::Request;

use crate::Environment;
use crate::machine::Machine;
use crate::token::Token;
use crate::unavailable::Unavailable;
use crate::{request, token};

/// App Service's and Container Apps' endpoint where there is one, or else the metadata service of virtual machines.
pub(super) async fn token(
    machine: &Machine,
    scope: &str,
    client_id: Option<&str>,
) -> Result<Token, Unavailable> {
    let resource = scope.strip_suffix("/.default").unwrap_or(scope);
    let (request, secret) = match machine.environment.get("IDENTITY_ENDPOINT") {
        Some(endpoint) => {
            let secret = machine.environment.get("IDENTITY_HEADER").unwrap_or_default();
            let query = query("2019-08-01", resource, client_id);
            let url = request::url("IDENTITY_ENDPOINT", endpoint)?;
            (request::with(request::get(url, &query), "x-identity-header", secret)?, secret)
        }
        None => (metadata(&machine.environment, &query("2018-02-01", resource, client_id))?, ""),
    };
    token::ask(&machine.network, "Azure's managed identity", request, &[secret]).await
}

fn metadata(environment: &Environment, query: &[(&str, &str)]) -> Result<Request, Unavailable> {
    let variable = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
    let host = environment.get(variable).unwrap_or("http://169.254.169.254").trim_end_matches('/');
    let url = request::url(variable, &format!("{host}/metadata/identity/oauth2/token"))?;
    request::with(request::get(url, query), "metadata", "true")
}

fn query<'a>(version: &'a str, resource: &'a str, client_id: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let client_id = client_id.map(|id| ("client_id", id));
    [("api-version", version), ("resource", resource)].into_iter().chain(client_id).collect()
}
