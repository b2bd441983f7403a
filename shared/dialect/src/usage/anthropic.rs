//! `usage` in Anthropic's dialect.

use bulkhead_model::Usage;
use bulkhead_model::usage::ServiceTier;

use crate::json::view::{elements, members, part, text, whole_number};

/// Anthropic's counts, as they add up over a stream. Input leaves out what the cache gave and took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tokens {
    counts: Counts,
    /// Summaries of the context made on the way: billed, but not part of the counts beside them.
    compaction: Counts,
    thinking: u64,
    tier: ServiceTier,
    reported: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    cache_write_5m: u64,
    cache_write_1h: u64,
}

impl Tokens {
    /// Takes a `usage` object in. Counts are cumulative, so a later one replaces an earlier one. A zero of the input's
    /// does not, because some providers fill in what they do not know with zeros; output may turn out to be none.
    pub(super) fn add(&mut self, usage: &[u8]) {
        for (name, range) in members(usage) {
            let value = part(usage, range);
            match name {
                b"output_tokens_details" => {
                    for (_, range) in members(value).filter(|(name, _)| *name == b"thinking_tokens") {
                        replace(&mut self.thinking, part(value, range));
                    }
                }
                b"iterations" => self.compaction = compaction(value),
                b"service_tier" => {
                    if let Some(name) = text(value) {
                        self.tier = ServiceTier::from_answer(&name);
                    }
                }
                _ => self.reported |= self.counts.add(name, value),
            }
        }
    }

    /// The counts as totals. `None` when none was reported.
    pub(super) fn usage(&self) -> Option<Usage> {
        if !self.reported {
            return None;
        }
        let [counts, compaction] = [self.counts.usage(), self.compaction.usage()];
        let output = counts.output.saturating_add(compaction.output);
        Some(Usage {
            input: counts.input.saturating_add(compaction.input),
            output,
            cache_read: counts.cache_read.saturating_add(compaction.cache_read),
            cache_write: counts.cache_write.saturating_add(compaction.cache_write),
            cache_write_1h: counts.cache_write_1h.saturating_add(compaction.cache_write_1h),
            reasoning: self.thinking.min(output),
            tier: self.tier,
            ..Usage::default()
        })
    }
}

impl Counts {
    /// Takes one member of a `usage` object in; true when it is a count.
    fn add(&mut self, name: &[u8], value: &[u8]) -> bool {
        match name {
            b"input_tokens" => replace(&mut self.input, value),
            b"output_tokens" => {
                let reported = whole_number(value);
                self.output = reported.unwrap_or(self.output);
                reported.is_some()
            }
            b"cache_read_input_tokens" => replace(&mut self.cache_read, value),
            b"cache_creation_input_tokens" => replace(&mut self.cache_write, value),
            b"cache_creation" => members(value)
                .fold(false, |any, (name, range)| self.add_write(name, part(value, range)) || any),
            _ => false,
        }
    }

    fn add_write(&mut self, name: &[u8], value: &[u8]) -> bool {
        match name {
            b"ephemeral_5m_input_tokens" => replace(&mut self.cache_write_5m, value),
            b"ephemeral_1h_input_tokens" => replace(&mut self.cache_write_1h, value),
            _ => false,
        }
    }

    fn usage(&self) -> Usage {
        let split = self.cache_write_5m.saturating_add(self.cache_write_1h);
        let cache_write = self.cache_write.max(split);
        Usage {
            input: self.input.saturating_add(self.cache_read).saturating_add(cache_write),
            output: self.output,
            cache_read: self.cache_read,
            cache_write: cache_write - self.cache_write_1h,
            cache_write_1h: self.cache_write_1h,
            ..Usage::default()
        }
    }
}

/// The sum over the iterations that summarised the context. The other iterations are what the totals consist of, or
/// belong to another model.
fn compaction(iterations: &[u8]) -> Counts {
    let mut sum = Counts::default();
    for range in elements(iterations) {
        let iteration = part(iterations, range);
        let mut counts = Counts::default();
        let mut is_compaction = false;
        for (name, range) in members(iteration) {
            let value = part(iteration, range);
            is_compaction |= name == b"type" && value == br#""compaction""#;
            counts.add(name, value);
        }
        if is_compaction {
            sum.input = sum.input.saturating_add(counts.input);
            sum.output = sum.output.saturating_add(counts.output);
            sum.cache_read = sum.cache_read.saturating_add(counts.cache_read);
            sum.cache_write = sum.cache_write.saturating_add(counts.cache_write);
            sum.cache_write_5m = sum.cache_write_5m.saturating_add(counts.cache_write_5m);
            sum.cache_write_1h = sum.cache_write_1h.saturating_add(counts.cache_write_1h);
        }
    }
    sum
}

fn replace(count: &mut u64, value: &[u8]) -> bool {
    let reported = whole_number(value);
    if let Some(number) = reported.filter(|number| *number > 0) {
        *count = number;
    }
    reported.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(text: &str) -> Option<Usage> {
        let mut tokens = Tokens::default();
        tokens.add(text.as_bytes());
        tokens.usage()
    }

    #[test]
    fn input_is_a_total() {
        let read = usage(
            r#"{"input_tokens":6,"cache_creation_input_tokens":100,"cache_read_input_tokens":30,
            "cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":100},"output_tokens":9}"#,
        );
        let expected =
            Usage { input: 136, output: 9, cache_read: 30, cache_write_1h: 100, ..Usage::default() };
        assert_eq!(read, Some(expected));
        let read = usage(r#"{"input_tokens":6,"cache_creation_input_tokens":null,"output_tokens":0}"#);
        assert_eq!(read, Some(Usage { input: 6, ..Usage::default() }));
        assert_eq!(usage(r#"{"service_tier":"standard"}"#), None);
    }

    #[test]
    fn compaction_is_billed_on_top_and_other_iterations_are_not() {
        let read = usage(
            r#"{"input_tokens":10,"output_tokens":5,"iterations":[
            {"type":"compaction","input_tokens":1000,"output_tokens":200,"cache_read_input_tokens":50},
            {"type":"advisor_message","model":"m","input_tokens":7,"output_tokens":7},
            {"type":"message","input_tokens":10,"output_tokens":5}]}"#,
        );
        let expected = Usage { input: 1060, output: 205, cache_read: 50, ..Usage::default() };
        assert_eq!(read, Some(expected));
    }
}
