//! `usage` of Cohere's chat.

use bulkhead_model::Usage;

use crate::json::view::{find, members, part, whole_number};

/// Reads a `usage` object. Like LiteLLM, by what the model read and wrote (`tokens`), which has Cohere's own words
/// around the prompt in it; by what is billed only where that is all there is. `None` when nothing is counted.
pub(super) fn read(usage: &[u8]) -> Option<Usage> {
    let count = |name| find(usage, name).and_then(|range| whole_number(part(usage, range)));
    let of = |name| find(usage, name).and_then(|range| counts(part(usage, range)));
    let (input, output) = of("tokens").or_else(|| of("billed_units"))?;
    Some(Usage { input, output, cache_read: count("cached_tokens").unwrap_or(0), ..Usage::default() })
}

fn counts(tokens: &[u8]) -> Option<(u64, u64)> {
    let (mut input, mut output) = (None, None);
    for (name, range) in members(tokens) {
        match name {
            b"input_tokens" => input = whole_number(part(tokens, range)),
            b"output_tokens" => output = whole_number(part(tokens, range)),
            _ => {}
        }
    }
    (input.is_some() || output.is_some()).then(|| (input.unwrap_or(0), output.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_count_before_what_is_billed() {
        let usage = br#"{"billed_units":{"input_tokens":46,"output_tokens":14},
            "tokens":{"input_tokens":1445,"output_tokens":43},"cached_tokens":704}"#;
        let expected = Usage { input: 1445, output: 43, cache_read: 704, ..Usage::default() };
        assert_eq!(read(usage), Some(expected));
        let usage = br#"{"billed_units":{"input_tokens":3.0,"output_tokens":1},"tokens":null}"#;
        assert_eq!(read(usage), Some(Usage { input: 3, output: 1, ..Usage::default() }));
        assert_eq!(read(br#"{"billed_units":{"search_units":1}}"#), None);
    }
}
