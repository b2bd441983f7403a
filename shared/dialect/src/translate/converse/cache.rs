//! `cachePoint`, an element of its own after what shall be cached.

use super::super::form::Cache;
use super::super::json::get_text;
use super::super::write::Items;

/// Reads the value of a `cachePoint`.
pub(super) fn read_cache(value: &[u8]) -> Cache {
    match get_text(value, "ttl").as_deref() {
        Some("1h") => Cache::Hour,
        Some("5m") => Cache::FiveMinutes,
        _ => Cache::Default,
    }
}

/// Writes the element.
pub(super) fn write_cache(items: &mut Items<'_>, cache: Cache) {
    items.object(|block| {
        block.object("cachePoint", |point| {
            point.text("type", "default");
            match cache {
                Cache::Default => {}
                Cache::FiveMinutes => point.text("ttl", "5m"),
                Cache::Hour => point.text("ttl", "1h"),
            }
        });
    });
}
