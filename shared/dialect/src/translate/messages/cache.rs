//! `cache_control`, which LiteLLM takes from chat clients as well.

use super::super::form::Cache;
use super::super::json::get_text;
use super::super::write::Fields;

/// Reads the value of a `cache_control`.
pub(crate) fn read_cache(value: &[u8]) -> Option<Cache> {
    if !value.starts_with(b"{") {
        return None;
    }
    Some(match get_text(value, "ttl").as_deref() {
        Some("1h") => Cache::Hour,
        Some("5m") => Cache::FiveMinutes,
        _ => Cache::Default,
    })
}

/// Writes the member.
pub(crate) fn write_cache(fields: &mut Fields<'_>, cache: Cache) {
    fields.object("cache_control", |control| {
        control.text("type", "ephemeral");
        match cache {
            Cache::Default => {}
            Cache::FiveMinutes => control.text("ttl", "5m"),
            Cache::Hour => control.text("ttl", "1h"),
        }
    });
}
