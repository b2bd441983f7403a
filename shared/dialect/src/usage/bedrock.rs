//! `usage` of Bedrock's Converse.

use bulkhead_model::Usage;

use crate::json::view::{elements, find, members, part, whole_number};

/// Reads a `usage` object. Input leaves out what the cache gave and took. `None` when nothing is counted.
pub(super) fn read(usage: &[u8]) -> Option<Usage> {
    let (mut input, mut output, mut cache_read, mut written, mut hour) = (None, None, 0, 0, 0u64);
    for (name, range) in members(usage) {
        let value = part(usage, range);
        match name {
            b"inputTokens" => input = whole_number(value),
            b"outputTokens" => output = whole_number(value),
            b"cacheReadInputTokens" => cache_read = whole_number(value).unwrap_or(0),
            b"cacheWriteInputTokens" => written = whole_number(value).unwrap_or(0),
            b"cacheDetails" => hour = for_an_hour(value),
            _ => {}
        }
    }
    if input.is_none() && output.is_none() {
        return None;
    }
    let written = written.max(hour);
    Some(Usage {
        input: input.unwrap_or(0).saturating_add(cache_read).saturating_add(written),
        output: output.unwrap_or(0),
        cache_read,
        cache_write: written - hour,
        cache_write_1h: hour,
        ..Usage::default()
    })
}

/// What was written for an hour, of the list that tells it by time.
fn for_an_hour(details: &[u8]) -> u64 {
    let tokens = elements(details).map(|range| part(details, range)).filter_map(|detail| {
        let value = |name| find(detail, name).map(|range| part(detail, range));
        if value("ttl") == Some(b"\"1h\"") { whole_number(value("inputTokens")?) } else { None }
    });
    tokens.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_a_total() {
        let usage = br#"{"inputTokens":3,"outputTokens":61,"totalTokens":2435,"cacheReadInputTokens":2074,
            "cacheWriteInputTokens":297,"cacheDetails":[{"inputTokens":97,"ttl":"5m"},{"inputTokens":200,"ttl":"1h"}]}"#;
        let expected = Usage {
            input: 2374,
            output: 61,
            cache_read: 2074,
            cache_write: 97,
            cache_write_1h: 200,
            ..Usage::default()
        };
        assert_eq!(read(usage), Some(expected));
        let usage = br#"{"inputTokens":3,"outputTokens":1,"totalTokens":4,"serverToolUsage":{}}"#;
        assert_eq!(read(usage), Some(Usage { input: 3, output: 1, ..Usage::default() }));
        assert_eq!(read(b"{}"), None);
    }
}
