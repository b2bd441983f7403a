//! `general_settings`, but for the master key.

use bulkhead_model::Network;
use bulkhead_model::rows::{ListenerRow, SettingsRow};
use http::header::HeaderName;

use crate::check;
use crate::field::{Cx, Field, Fields};
use crate::table::Section;

pub(super) fn read(section: &Fields<'_>, row: &mut SettingsRow, cx: &mut Cx<'_>) {
    check::strict(section, Section::General, cx);
    row.key_header = section.get("litellm_key_header_name").and_then(|field| header(&field, cx));
    if let Some(bytes) = section.get("max_request_size_mb").and_then(|field| megabytes(&field, cx)) {
        row.max_request_bytes = bytes;
    }
    if let Some(forward) =
        section.get("forward_client_headers_to_llm_api").and_then(|field| field.boolean(cx))
    {
        row.forward_client_headers = forward;
    }
    let flag = |name: &str, cx: &mut Cx<'_>| section.get(name).and_then(|field| field.boolean(cx));
    row.unmanaged_response_ids = flag("allow_unmanaged_response_ids", cx).unwrap_or(false);
    row.shared_response_ids = flag("disable_responses_id_security", cx).unwrap_or(false);
    if let Some(field) = section.get("database_url") {
        database(&field, row, cx);
    }
    listener(section, &mut row.listener, cx);
}

fn listener(section: &Fields<'_>, row: &mut ListenerRow, cx: &mut Cx<'_>) {
    row.allowed_ips = section.get("allowed_ips").map(|field| networks(&field, cx)).unwrap_or_default();
    row.trusted_proxies = trusted_proxies(section, cx);
    let caps = ["max_in_flight_requests_per_worker", "global_max_parallel_requests"];
    // Both hold.
    row.max_in_flight = caps.into_iter().filter_map(|name| cap(&section.get(name)?, cx)).min();
}

/// LiteLLM believes the header only where it is told to, and from those ranges.
fn trusted_proxies(section: &Fields<'_>, cx: &mut Cx<'_>) -> Vec<String> {
    let believed = section.get("use_x_forwarded_for");
    let is_believed = believed.as_ref().and_then(|field| field.boolean(cx)).unwrap_or(false);
    let ranges = section.get("trusted_proxy_ranges");
    let networks = ranges.as_ref().map(|field| networks(field, cx)).unwrap_or_default();
    match (believed, ranges) {
        (Some(field), _) if is_believed && networks.is_empty() => {
            let what = "anybody can write x-forwarded-for, so it is believed only from trusted_proxy_ranges, and there are none";
            field.warn(cx, what, "trusted_proxy_ranges: [10.0.0.0/8]");
        }
        (_, Some(field)) if !is_believed && !networks.is_empty() => {
            let what = "without use_x_forwarded_for nothing of what these proxies say is believed";
            field.warn(cx, what, "use_x_forwarded_for: true");
        }
        _ => {}
    }
    if is_believed { networks } else { Vec::new() }
}

fn networks(field: &Field<'_>, cx: &mut Cx<'_>) -> Vec<String> {
    let expected = "an address or a network such as 10.0.0.0/8";
    let mut out = Vec::new();
    for item in field.items(cx, "[10.0.0.0/8]").unwrap_or_default() {
        let network = item.parse(cx, expected, "10.0.0.0/8", |scalar| scalar.text.parse::<Network>().ok());
        out.extend(network.map(|network| network.to_string()));
    }
    out
}

fn cap(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<u32> {
    let expected = "a whole number above zero such as 1000";
    field.parse(cx, expected, "1000", |scalar| scalar.text.trim().parse().ok().filter(|cap| *cap > 0))
}

fn header(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<String> {
    let expected = "the name of a header such as x-litellm-key";
    let name = field.parse(cx, expected, "x-litellm-key", |scalar| {
        HeaderName::from_bytes(scalar.text.trim().as_bytes()).ok().filter(|_| scalar.is_text())
    })?;
    Some(name.as_str().to_owned())
}

/// Megabytes above zero, as bytes.
pub(super) fn megabytes(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<u64> {
    let expected = "a number of megabytes above zero such as 100";
    let value = field.parse(cx, expected, "100", |scalar| {
        // A terabyte: above it is no limit but a slip.
        scalar.decimal().filter(|value| *value > 0.0 && *value <= 1_048_576.0)
    })?;
    // In range, so the conversion only drops the fraction of a byte.
    Some((value * 1_048_576.0).ceil() as u64)
}

/// The URL itself is not needed, so its variable need not be set.
fn database(field: &Field<'_>, row: &mut SettingsRow, cx: &mut Cx<'_>) {
    if !matches!(field.node.value, crate::yaml::Value::Scalar(_)) {
        let _ = field.text(cx, "os.environ/DATABASE_URL");
        return;
    }
    row.mentions_database = true;
    let what = "keys, teams and models of this database are not visible to a standalone gateway";
    field.warn(cx, what, "`virtual_keys` here, or run a control plane with this database");
}
