//! Compiled settings.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_dialect::beta::Betas;
use bulkhead_model::rows::{ListenerRow, SettingsRow};
use bulkhead_model::{KeyHash, Network};
use bulkhead_sealed::{NoTextKey, TextKey};
use http::header::HeaderName;
use jiff::tz::TimeZone;

use crate::compile::CompileError;
use crate::routing::Routing;

/// Settings in the form that a request needs.
#[derive(Debug)]
pub struct Settings {
    /// Hash of the master key.
    pub master_key: Option<KeyHash>,
    /// A header that is looked at first for the key.
    pub key_header: Option<HeaderName>,
    /// The largest request body, in bytes.
    pub max_request_bytes: u64,
    /// Memory for request bodies of the whole process, in bytes.
    pub body_memory_bytes: u64,
    /// Route by tags.
    pub tag_filtering: bool,
    /// One common tag is enough.
    pub tag_match_any: bool,
    /// The status of `budget_exceeded`.
    pub budget_exceeded_status: u16,
    /// Time without an upstream byte before a stream's head goes out; zero is never.
    pub keepalive: Duration,
    /// Pass a provider's 401, 402, 403 on.
    pub expose_upstream_auth: bool,
    /// Forward the client's `x-*` headers.
    pub forward_client_headers: bool,
    /// Pass on ids of responses that the gateway did not give out.
    pub unmanaged_response_ids: bool,
    /// Whoever has the id of a response may use it, whosever it is.
    pub shared_response_ids: bool,
    /// What is sealed with it is understood by every node with the same master key.
    pub text_key: Arc<TextKey>,
    /// The zone of budget windows.
    pub zone: TimeZone,
    /// The file names a database whose keys this gateway cannot see.
    pub mentions_database: bool,
    /// Time for all tries of a request together.
    pub overall_timeout: Duration,
    /// Metrics have LiteLLM's names, too.
    pub litellm_metrics: bool,
    /// What becomes of values of `anthropic-beta`.
    pub betas: Betas,
    /// How requests find a deployment.
    pub routing: Routing,
    /// Who may connect.
    pub listener: Listener,
}

/// Who may connect, and how many at once.
#[derive(Debug)]
pub struct Listener {
    /// Where clients may be; empty allows all.
    pub allowed_ips: Box<[Network]>,
    /// Proxies that are believed when they say whose request they forward.
    pub trusted_proxies: Box<[Network]>,
    /// Requests in flight at once, in the whole process.
    pub max_in_flight: Option<u32>,
    /// A line for each request on standard output.
    pub access_log: bool,
}

/// What all tries of a request may take together, where nobody says so and one try may not take longer.
const OVERALL: Duration = Duration::from_secs(6000);

impl Settings {
    pub(crate) fn compile(row: &SettingsRow) -> Result<Self, CompileError> {
        let wrong = |what: String| CompileError { id: "settings".to_owned(), what };
        let key_header = match &row.key_header {
            None => None,
            Some(name) => Some(
                HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| wrong(format!("litellm_key_header_name: `{name}` is not a header name")))?,
            ),
        };
        let zone = TimeZone::get(&row.timezone)
            .map_err(|_| wrong(format!("timezone: `{}` is not an IANA time zone", row.timezone)))?;
        Ok(Self {
            master_key: row.master_key,
            key_header,
            max_request_bytes: row.max_request_bytes,
            body_memory_bytes: row.body_memory_bytes,
            tag_filtering: row.tag_filtering,
            tag_match_any: row.tag_match_any,
            budget_exceeded_status: row.budget_exceeded_status,
            keepalive: row.keepalive,
            expose_upstream_auth: row.expose_upstream_auth,
            forward_client_headers: row.forward_client_headers,
            unmanaged_response_ids: row.unmanaged_response_ids,
            shared_response_ids: row.shared_response_ids,
            text_key: Arc::new(text_key(row.master_key).map_err(|error| wrong(error.to_string()))?),
            zone,
            mentions_database: row.mentions_database,
            overall_timeout: row.overall_timeout.unwrap_or(row.request_timeout.max(OVERALL)),
            litellm_metrics: row.litellm_metrics,
            betas: betas(row),
            routing: Routing::compile(&row.routing),
            listener: Listener::compile(&row.listener).map_err(wrong)?,
        })
    }
}

fn betas(row: &SettingsRow) -> Betas {
    let mut betas = Betas::default();
    for rule in &row.betas {
        betas.set(&rule.provider, &rule.beta, rule.sent.as_deref());
    }
    betas
}

/// Follows from the master key's hash, which every node has. Without a master key nobody else understands what is sealed.
fn text_key(master_key: Option<KeyHash>) -> Result<TextKey, NoTextKey> {
    match master_key {
        Some(KeyHash(hash)) => TextKey::new(&hash),
        None => TextKey::random(),
    }
}

impl Listener {
    fn compile(row: &ListenerRow) -> Result<Self, String> {
        let networks = |name: &str, texts: &[String]| {
            let network =
                |text: &String| text.parse().map_err(|error| format!("{name}: `{text}` is {error}"));
            texts.iter().map(network).collect::<Result<Box<[Network]>, String>>()
        };
        Ok(Self {
            allowed_ips: networks("allowed_ips", &row.allowed_ips)?,
            trusted_proxies: networks("trusted_proxy_ranges", &row.trusted_proxies)?,
            max_in_flight: row.max_in_flight,
            access_log: row.access_log,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tries_together_have_at_least_as_much_time_as_one() {
        let secs = Duration::from_secs;
        let overall = |overall_timeout, request_timeout| {
            let row = SettingsRow { overall_timeout, request_timeout, ..SettingsRow::default() };
            Settings::compile(&row).unwrap().overall_timeout
        };
        assert_eq!(overall(None, secs(60)), secs(6000));
        assert_eq!(overall(None, secs(9000)), secs(9000));
        assert_eq!(overall(Some(secs(30)), secs(60)), secs(30));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        let listener =
            ListenerRow { allowed_ips: vec!["10.0.0.0/8".into(), "here".into()], ..Default::default() };
        let error = Settings::compile(&SettingsRow { listener, ..SettingsRow::default() }).unwrap_err();
        assert!(error.what.starts_with("allowed_ips: `here` is not an address"), "{}", error.what);
    }
}
