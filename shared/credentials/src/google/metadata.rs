//! Google's metadata server.

use reqwest::Request;

use super::SCOPE;
use crate::machine::Machine;
use crate::token::Token;
use crate::unavailable::Unavailable;
use crate::{request, token};

const WHO: &str = "Google's metadata server";
const ACCOUNT: &str = "instance/service-accounts/default";

/// The token of the machine's service account.
pub(super) async fn token(machine: &Machine) -> Result<Token, Unavailable> {
    let request = ask(machine, &format!("{ACCOUNT}/token"), &[("scopes", SCOPE)])?;
    token::ask(&machine.network, WHO, request, &[]).await
}

/// The project that the machine is in.
pub(super) async fn project(machine: &Machine) -> Result<String, Unavailable> {
    token::ask_text(&machine.network, WHO, ask(machine, "project/project-id", &[])?).await
}

/// Who the machine is, for others: a token that this audience takes.
pub(crate) async fn identity(machine: &Machine, audience: &str) -> Result<String, Unavailable> {
    let query = [("audience", audience), ("format", "full")];
    token::ask_text(&machine.network, WHO, ask(machine, &format!("{ACCOUNT}/identity"), &query)?).await
}

fn ask(machine: &Machine, path: &str, query: &[(&str, &str)]) -> Result<Request, Unavailable> {
    let host = machine.environment.get("GCE_METADATA_HOST").unwrap_or("metadata.google.internal");
    let url = request::url("GCE_METADATA_HOST", &format!("http://{host}/computeMetadata/v1/{path}"))?;
    request::with(request::get(url, query), "metadata-flavor", "Google")
}
