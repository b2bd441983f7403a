//! Compiled settings.

use std::time::Duration;

use bulkhead_model::KeyHash;
use bulkhead_model::rows::SettingsRow;
use http::header::HeaderName;
use jiff::tz::TimeZone;

use crate::compile::CompileError;

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
    /// The zone of budget windows.
    pub zone: TimeZone,
    /// The file names a database whose keys this gateway cannot see.
    pub mentions_database: bool,
}

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
            zone,
            mentions_database: row.mentions_database,
        })
    }
}
