//! `bulkhead_settings`: what LiteLLM has no key for.

use bulkhead_model::rows::{AffinityRow, SettingsRow};

use super::betas;
use super::general::megabytes;
use crate::accept;
use crate::check;
use crate::field::{Cx, Field, Fields};
use crate::table::Section;

/// Reads `accept_unenforced` only: everything else is judged by it.
pub(crate) fn accept_unenforced(root: &Fields<'_>, cx: &mut Cx<'_>) {
    let section =
        root.get("bulkhead_settings").filter(|field| matches!(field.node.value, crate::yaml::Value::Map(_)));
    let list =
        section.and_then(|field| field.fields(cx, "{}")).and_then(|section| section.get("accept_unenforced"));
    if let Some(list) = list {
        accept::read(&list, cx);
    }
}

pub(super) fn read(section: &Fields<'_>, row: &mut SettingsRow, cx: &mut Cx<'_>) {
    check::strict(section, Section::Bulkhead, cx);
    if let Some(keepalive) =
        section.get("keepalive_seconds").and_then(|field| field.seconds_or_zero(cx, "15"))
    {
        row.keepalive = keepalive;
    }
    if let Some(bytes) = section.get("body_memory_mb").and_then(|field| megabytes(&field, cx)) {
        row.body_memory_bytes = bytes;
    }
    timeouts(section, row, cx);
    affinity(section, &mut row.routing.affinity, cx);
    if let Some(log) = section.get("access_log").and_then(|field| field.boolean(cx)) {
        row.listener.access_log = log;
    }
    if let Some(field) = section.get("anthropic_beta_headers") {
        row.betas = betas::read(&field, cx);
    }
    if let Some(field) = section.get("upstream_auth_errors") {
        row.expose_upstream_auth = upstream_auth_errors(&field, cx).unwrap_or(false);
    }
}

fn timeouts(section: &Fields<'_>, row: &mut SettingsRow, cx: &mut Cx<'_>) {
    let mut seconds =
        |name: &str, example: &str| section.get(name).and_then(|field| field.seconds(cx, example));
    row.first_byte_timeout = seconds("first_byte_timeout", "60");
    row.idle_timeout = seconds("idle_timeout", "60");
    row.overall_timeout = seconds("overall_timeout", "900");
    if let Some(timeout) = seconds("connect_timeout", "10") {
        row.connect_timeout = timeout;
    }
}

fn affinity(section: &Fields<'_>, row: &mut AffinityRow, cx: &mut Cx<'_>) {
    if let Some(on) = section.get("session_affinity").and_then(|field| field.boolean(cx)) {
        row.session = on;
    }
    let expected = "a number of bytes from 1 to 65536 such as 4096";
    let head = section.get("prompt_affinity_bytes").and_then(|field| {
        field.parse(cx, expected, "4096", |scalar| {
            scalar.text.trim().parse().ok().filter(|bytes| (1..=65_536).contains(bytes))
        })
    });
    row.prompt_head = head.or(row.prompt_head);
}

fn upstream_auth_errors(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<bool> {
    let expected = "\"502\" (the gateway's fault) or \"litellm\" (the provider's status)";
    field.parse(cx, expected, "\"502\"", |scalar| match scalar.text.trim() {
        "502" => Some(false),
        "litellm" => Some(true),
        _ => None,
    })
}

/// A body that is larger than all memory for bodies could never be read.
pub(super) fn check_memory(root: &Fields<'_>, row: &SettingsRow, cx: &mut Cx<'_>) {
    if row.max_request_bytes <= row.body_memory_bytes {
        return;
    }
    let setting = |section: &str, name: &str, cx: &mut Cx<'_>| root.get(section)?.fields(cx, "{}")?.get(name);
    let field = setting("bulkhead_settings", "body_memory_mb", cx)
        .or_else(|| setting("general_settings", "max_request_size_mb", cx));
    let Some(field) = field else { return };
    let megabytes = |bytes: u64| bytes >> 20;
    let (largest, memory) = (megabytes(row.max_request_bytes), megabytes(row.body_memory_bytes));
    let what =
        format!("a request of max_request_size_mb ({largest}) does not fit into body_memory_mb ({memory})");
    field.error(cx, what, format!("body_memory_mb: {} under bulkhead_settings", largest.saturating_mul(10)));
}
