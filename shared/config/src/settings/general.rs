//! `general_settings`, but for the master key.

use bulkhead_model::rows::SettingsRow;
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
    if let Some(field) = section.get("database_url") {
        database(&field, row, cx);
    }
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
