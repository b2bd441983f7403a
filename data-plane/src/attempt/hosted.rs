//! Requests for Anthropic's models at a cloud: what Anthropic reads in its path and headers is in the body there, and the
//! other way round. Everything else of a body stays as it is.

use bulkhead_dialect::json::{Kind, Scan, Splice};
use bulkhead_model::{Dialect, Endpoint};
use bulkhead_snapshot::{Deployment, Settings, Site};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::headers::ANTHROPIC_BETA;
use crate::route::Routed;

const VERSION: &str = "anthropic_version";
const BETA: &str = "anthropic_beta";

/// What a request to a provider says of Anthropic's API besides the question.
#[derive(Debug, Default)]
pub(crate) struct Hosted {
    /// The `anthropic-beta` header.
    pub(super) header: Option<HeaderValue>,
    /// Values of it that the provider does not take.
    pub(crate) dropped: Vec<String>,
    /// What the body says instead, at a cloud.
    body: Option<InBody>,
}

#[derive(Debug)]
struct InBody {
    version: &'static str,
    /// Members that the path says.
    leaves_out: &'static [&'static str],
    betas: Vec<String>,
}

impl Hosted {
    /// What is to be said to a deployment's endpoint.
    pub(crate) fn of(routed: &Routed, to: Endpoint, client: &HeaderMap, settings: &Settings) -> Self {
        if to.dialect() != Dialect::Anthropic {
            return Self::default();
        }
        let site = routed.deployment.site(&routed.model);
        let (betas, dropped) = betas(client, &routed.deployment, settings);
        let Some(version) = site.anthropic_version() else {
            return Self { header: header(&betas), dropped, body: None };
        };
        let leaves_out: &[_] = match (site, to) {
            // The path of counting names no model.
            (_, Endpoint::CountTokens) => &[],
            (Site::VertexClaude, _) => &["model"],
            _ => &["model", "stream"],
        };
        let (header, betas) = match site.takes_no_headers() {
            true => (None, with_operators(betas, &routed.deployment)),
            false => (header(&betas), Vec::new()),
        };
        Self { header, dropped, body: Some(InBody { version, leaves_out, betas }) }
    }

    /// True where there is something to write into a body.
    pub(super) fn is_in_body(&self) -> bool {
        self.body.is_some()
    }

    /// True for a member that [`Self::write`] writes, whoever else would.
    pub(super) fn writes(&self, name: &str) -> bool {
        self.body.as_ref().is_some_and(|body| name == VERSION || name == BETA && !body.betas.is_empty())
    }

    /// Puts a body right.
    pub(super) fn write(&self, scan: &Scan, splice: &mut Splice<'_>) {
        let Some(body) = &self.body else { return };
        for member in body.leaves_out.iter().filter_map(|name| scan.find(name)) {
            splice.remove(member);
        }
        set(scan, splice, VERSION, format!("\"{}\"", body.version));
        if body.betas.is_empty() {
            return;
        }
        let json = body.betas.iter().map(|beta| serde_json::Value::from(beta.as_str()).to_string());
        let betas = json.collect::<Vec<_>>().join(",");
        match scan.find(BETA) {
            Some(member) if matches!(member.kind, Kind::Array { .. }) => {
                splice.insert_into_array(member, Bytes::from(betas));
            }
            _ => set(scan, splice, BETA, format!("[{betas}]")),
        }
    }
}

fn set(scan: &Scan, splice: &mut Splice<'_>, name: &str, json: String) {
    match scan.find(name) {
        Some(member) => splice.replace(member, json.into()),
        None => splice.append(name, json),
    }
}

/// The values of `anthropic-beta` as the provider takes them, and those that it does not take. A client may send the
/// header more than once.
fn betas(client: &HeaderMap, deployment: &Deployment, settings: &Settings) -> (Vec<String>, Vec<String>) {
    if !client.contains_key(ANTHROPIC_BETA) {
        return (Vec::new(), Vec::new());
    }
    let sent: Vec<_> =
        client.get_all(ANTHROPIC_BETA).iter().filter_map(|value| value.to_str().ok()).collect();
    let filtered = settings.betas.filter(&deployment.provider.name, &sent.join(","));
    let kept = filtered.keep.split(',').filter(|value| !value.is_empty());
    (kept.map(str::to_owned).collect(), filtered.dropped)
}

/// An operator asks for betas in a header, as of Anthropic, or in the body.
fn with_operators(mut betas: Vec<String>, deployment: &Deployment) -> Vec<String> {
    let headers = deployment.headers.iter().filter(|(name, _)| *name == ANTHROPIC_BETA);
    let headers = headers.filter_map(|(_, value)| value.to_str().ok());
    let in_headers = headers.flat_map(|value| value.split(',')).map(|beta| beta.trim().to_owned());
    let members = deployment.defaults().filter(|member| member.name == BETA);
    let in_bodies =
        members.flat_map(|member| serde_json::from_str::<Vec<String>>(&member.json).unwrap_or_default());
    for beta in in_headers.chain(in_bodies) {
        if !betas.contains(&beta) {
            betas.push(beta);
        }
    }
    betas
}

/// Providers want one list.
fn header(betas: &[String]) -> Option<HeaderValue> {
    HeaderValue::from_str(&betas.join(",")).ok().filter(|value| !value.is_empty())
}
