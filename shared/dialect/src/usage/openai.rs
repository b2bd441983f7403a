//! `usage` in OpenAI's dialect, with the names of both of its APIs and of providers that speak it their own way.

use bulkhead_model::Usage;

use crate::json::view::{members, part, whole_number};

#[derive(Debug, Default)]
struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    total: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    reasoning: u64,
    input_audio: u64,
    output_audio: u64,
}

/// Reads a `usage` object. `None` when it has no count.
pub(super) fn read(usage: &[u8]) -> Option<Usage> {
    let mut counts = Counts::default();
    for (name, range) in members(usage) {
        let value = part(usage, range);
        match name {
            b"prompt_tokens" | b"input_tokens" => counts.input = whole_number(value),
            b"completion_tokens" | b"output_tokens" => counts.output = whole_number(value),
            b"total_tokens" => counts.total = whole_number(value),
            b"prompt_tokens_details" | b"input_tokens_details" => counts.input_details(value),
            b"completion_tokens_details" | b"output_tokens_details" => counts.output_details(value),
            // DeepSeek, Moonshot, Mistral, and Anthropic's own names behind another gateway.
            b"prompt_cache_hit_tokens"
            | b"cached_tokens"
            | b"num_cached_tokens"
            | b"cache_read_input_tokens" => {
                counts.cache_read = counts.cache_read.or(whole_number(value));
            }
            b"cache_creation_input_tokens" => counts.cache_write = counts.cache_write.or(whole_number(value)),
            _ => {}
        }
    }
    counts.usage()
}

impl Counts {
    fn input_details(&mut self, details: &[u8]) {
        for (name, range) in members(details) {
            let count = whole_number(part(details, range));
            match name {
                b"cached_tokens" => self.cache_read = count.or(self.cache_read),
                b"cache_write_tokens" | b"cache_creation_tokens" => {
                    self.cache_write = count.or(self.cache_write);
                }
                b"audio_tokens" => self.input_audio = count.unwrap_or_default(),
                _ => {}
            }
        }
    }

    fn output_details(&mut self, details: &[u8]) {
        for (name, range) in members(details) {
            let count = whole_number(part(details, range)).unwrap_or_default();
            match name {
                b"reasoning_tokens" => self.reasoning = count,
                b"audio_tokens" => self.output_audio = count,
                _ => {}
            }
        }
    }

    /// Totals, and parts that are no larger than their totals.
    fn usage(&self) -> Option<Usage> {
        let output = self.output.unwrap_or_default();
        // Voyage reports nothing but a total, and all of it is input.
        let input = self.input.or_else(|| Some(self.total?.saturating_sub(output)));
        if input.is_none() && self.output.is_none() {
            return None;
        }
        let input = input.unwrap_or_default();
        // xAI and Gemini leave reasoning out of the completion's count but not out of the total.
        let output = output.max(self.total.unwrap_or_default().saturating_sub(input));
        let cache_read = self.cache_read.unwrap_or_default().min(input);
        Some(Usage {
            input,
            output,
            cache_read,
            cache_write: self.cache_write.unwrap_or_default().min(input - cache_read),
            reasoning: self.reasoning.min(output),
            input_audio: self.input_audio.min(input),
            output_audio: self.output_audio.min(output),
            ..Usage::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_count_in_their_own_ways() {
        for (usage, expected) in [
            // xAI: 291 + 26 + 196 = 513.
            (
                r#"{"prompt_tokens":291,"completion_tokens":26,"total_tokens":513,"completion_tokens_details":{"reasoning_tokens":196}}"#,
                Usage { input: 291, output: 222, reasoning: 196, ..Usage::default() },
            ),
            // Gemini does not even say what the rest of the total is.
            (
                r#"{"prompt_tokens":7,"completion_tokens":0,"total_tokens":8}"#,
                Usage { input: 7, output: 1, ..Usage::default() },
            ),
            // OpenRouter has been seen to report more reasoning than output.
            (
                r#"{"prompt_tokens":43,"completion_tokens":10,"total_tokens":53,"completion_tokens_details":{"reasoning_tokens":11}}"#,
                Usage { input: 43, output: 10, reasoning: 10, ..Usage::default() },
            ),
            (r#"{"total_tokens":3}"#, Usage { input: 3, ..Usage::default() }),
            (
                r#"{"prompt_tokens":9,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4},"prompt_cache_hit_tokens":4}"#,
                Usage { input: 9, output: 5, cache_read: 4, ..Usage::default() },
            ),
            (
                r#"{"prompt_tokens":9.0,"completion_tokens":5,"cached_tokens":99,"prompt_tokens_details":null}"#,
                Usage { input: 9, output: 5, cache_read: 9, ..Usage::default() },
            ),
            (
                r#"{"prompt_tokens":9,"completion_tokens":5,"cache_creation_input_tokens":2,"cache_read_input_tokens":3}"#,
                Usage { input: 9, output: 5, cache_read: 3, cache_write: 2, ..Usage::default() },
            ),
        ] {
            assert_eq!(read(usage.as_bytes()), Some(expected), "{usage}");
        }
        assert_eq!(read(br#"{"prompt_tokens":null,"cost":1}"#), None);
    }
}
