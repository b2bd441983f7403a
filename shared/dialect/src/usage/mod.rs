//! Token counts as providers report them, brought to one meaning: totals, and parts of totals.

mod anthropic;
mod openai;

use bulkhead_model::usage::ServiceTier;
use bulkhead_model::{Endpoint, Usage};

use crate::json::view::{find, inner_text, members, part, path, text};
use anthropic::Tokens;

/// The members of an answer that tell its usage.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reported<'a> {
    usage: Option<&'a [u8]>,
    /// Groq's own place for it, used where nobody asked for the usage.
    groq: Option<&'a [u8]>,
    tier: Option<&'a [u8]>,
}

impl<'a> Reported<'a> {
    /// Remembers a top-level member if it tells something.
    pub(crate) fn take(&mut self, name: &[u8], value: &'a [u8]) {
        match name {
            b"usage" => self.usage = Some(value),
            b"x_groq" => self.groq = Some(value),
            b"service_tier" => self.tier = Some(value),
            _ => {}
        }
    }

    /// The usage. `None` when none is reported; counting tokens is not using them.
    pub(crate) fn usage(&self, endpoint: Endpoint) -> Option<Usage> {
        match endpoint {
            Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Embeddings | Endpoint::Responses => {
                self.of_openai()
            }
            Endpoint::Messages => {
                let mut tokens = Tokens::default();
                tokens.add(self.usage?);
                tokens.usage()
            }
            Endpoint::CountTokens => None,
        }
    }

    fn of_openai(&self) -> Option<Usage> {
        let own = || self.groq.and_then(|groq| openai::read(part(groq, find(groq, "usage")?)));
        let usage = self.usage.and_then(openai::read).or_else(own)?;
        let tier = self.tier.and_then(text).map(|name| ServiceTier::from_answer(&name));
        Some(Usage { tier: tier.unwrap_or_default(), ..usage })
    }
}

/// The usage of a chunk of OpenAI's dialect.
fn of_openai(chunk: &[u8]) -> Option<Usage> {
    let mut reported = Reported::default();
    for (name, range) in members(chunk) {
        reported.take(name, part(chunk, range));
    }
    reported.of_openai()
}

/// Gathers the usage of a stream.
///
/// OpenAI's last report counts; some providers repeat a growing one in every chunk. Responses report once, with the
/// event that ends the answer. Anthropic reports with `message_start` and again, cumulative, with `message_delta`.
#[derive(Debug, Clone)]
pub struct UsageMeter {
    endpoint: Endpoint,
    usage: Option<Usage>,
    tokens: Tokens,
    is_final: bool,
}

impl UsageMeter {
    /// A meter for a stream of this endpoint.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, usage: None, tokens: Tokens::default(), is_final: false }
    }

    /// Reads the data of one event; most have no usage.
    pub fn event(&mut self, data: &[u8]) {
        match self.endpoint {
            Endpoint::Responses => self.response(data),
            Endpoint::Messages | Endpoint::CountTokens => self.message(data),
            Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Embeddings => self.chunk(data),
        }
    }

    /// What was reported up to now.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// True when the usage covers the whole answer.
    pub fn is_final(&self) -> bool {
        self.is_final && self.usage.is_some()
    }

    fn chunk(&mut self, data: &[u8]) {
        let Some(usage) = of_openai(data) else { return };
        self.usage = Some(usage);
        self.is_final = ends_choices(data);
    }

    fn response(&mut self, data: &[u8]) {
        if let Some(usage) = find(data, "response").and_then(|range| of_openai(part(data, range))) {
            self.usage = Some(usage);
            self.is_final = true;
        }
    }

    fn message(&mut self, data: &[u8]) {
        let nested = path(data, &["message", "usage"]);
        let Some(usage) = nested.or_else(|| find(data, "usage")) else { return };
        self.tokens.add(part(data, usage));
        self.usage = self.tokens.usage();
        if let Some(reason) = path(data, &["delta", "stop_reason"]) {
            self.is_final = part(data, reason) != b"null";
        }
    }
}

/// True for the chunk without choices that carries the usage, and for one that finishes a choice.
fn ends_choices(chunk: &[u8]) -> bool {
    let Some(choices) = find(chunk, "choices") else { return false };
    let choices = part(chunk, choices);
    let mut reasons = crate::json::view::elements(choices).map(|choice| {
        let choice = part(choices, choice);
        find(choice, "finish_reason").is_some_and(|reason| inner_text(part(choice, reason)).is_some())
    });
    reasons.next().unwrap_or(true) || reasons.any(|finished| finished)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_answer(endpoint: Endpoint, body: &[u8]) -> Option<Usage> {
        let mut reported = Reported::default();
        for (name, range) in members(body) {
            reported.take(name, part(body, range));
        }
        reported.usage(endpoint)
    }

    #[test]
    fn openai_answers() {
        let body = br#"{"id":"x","choices":[],"service_tier":"priority","usage":{"prompt_tokens":320,
            "completion_tokens":180,"total_tokens":500,"prompt_tokens_details":{"cached_tokens":12,"audio_tokens":30},
            "completion_tokens_details":{"reasoning_tokens":15,"audio_tokens":20}}}"#;
        let usage = Usage {
            input: 320,
            output: 180,
            cache_read: 12,
            reasoning: 15,
            input_audio: 30,
            output_audio: 20,
            tier: ServiceTier::Priority,
            ..Usage::default()
        };
        assert_eq!(from_answer(Endpoint::ChatCompletions, body), Some(usage));
        let body = br#"{"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":3},
            "output_tokens":5,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":15}}"#;
        let usage =
            Usage { input: 10, output: 5, cache_read: 4, cache_write: 3, reasoning: 2, ..Usage::default() };
        assert_eq!(from_answer(Endpoint::Responses, body), Some(usage));
    }

    #[test]
    fn an_answer_without_usage_has_none() {
        for body in ["{}", r#"{"usage":null}"#, r#"{"usage":{}}"#, "rubbish", r#"{"input_tokens":7}"#] {
            for endpoint in Endpoint::ALL {
                assert_eq!(from_answer(endpoint, body.as_bytes()), None, "{body}");
            }
        }
        let counted = br#"{"usage":{"input_tokens":7}}"#;
        assert_eq!(from_answer(Endpoint::CountTokens, counted), None);
    }

    #[test]
    fn the_last_report_of_a_stream_counts() {
        let mut meter = UsageMeter::new(Endpoint::ChatCompletions);
        let chunk = |choices: &str, output: u64| {
            format!(r#"{{"choices":{choices},"usage":{{"prompt_tokens":3,"completion_tokens":{output}}}}}"#)
        };
        for (choices, output, is_final) in [
            (r#"[{"delta":{},"finish_reason":null}]"#, 1, false),
            (r#"[{"delta":{}}]"#, 2, false),
            (r#"[{"delta":{},"finish_reason":"stop"}]"#, 3, true),
            ("[]", 4, true),
        ] {
            meter.event(chunk(choices, output).as_bytes());
            assert_eq!(meter.usage().map(|usage| usage.output), Some(output));
            assert_eq!(meter.is_final(), is_final);
        }
        meter.event(br#"{"choices":[],"usage":null}"#);
        assert_eq!(meter.usage().map(|usage| usage.output), Some(4));
    }

    #[test]
    fn groq_reports_in_a_place_of_its_own() {
        let mut meter = UsageMeter::new(Endpoint::ChatCompletions);
        meter.event(br#"{"choices":[{"finish_reason":"stop"}],"x_groq":{"id":"r","usage":{"prompt_tokens":21,"completion_tokens":9}}}"#);
        assert_eq!(meter.usage().map(|usage| (usage.input, usage.output)), Some((21, 9)));
        assert!(meter.is_final());
    }

    #[test]
    fn responses_report_at_the_end() {
        let mut meter = UsageMeter::new(Endpoint::Responses);
        meter.event(br#"{"type":"response.created","response":{"usage":null}}"#);
        assert_eq!((meter.usage(), meter.is_final()), (None, false));
        meter.event(br#"{"type":"response.completed","response":{"service_tier":"flex","usage":{"input_tokens":1,"output_tokens":2}}}"#);
        let usage = Usage { input: 1, output: 2, tier: ServiceTier::Flex, ..Usage::default() };
        assert_eq!((meter.usage(), meter.is_final()), (Some(usage), true));
    }

    #[test]
    fn messages_report_twice() {
        let mut meter = UsageMeter::new(Endpoint::Messages);
        meter.event(br#"{"type":"message_start","message":{"usage":{"input_tokens":4,"cache_creation_input_tokens":10,
            "cache_read_input_tokens":20,"cache_creation":{"ephemeral_5m_input_tokens":7,"ephemeral_1h_input_tokens":3},
            "output_tokens":1,"service_tier":"batch"}}}"#);
        let start = Usage {
            input: 34,
            output: 1,
            cache_read: 20,
            cache_write: 7,
            cache_write_1h: 3,
            tier: ServiceTier::Batch,
            ..Usage::default()
        };
        assert_eq!((meter.usage(), meter.is_final()), (Some(start), false));
        meter.event(br#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":5}}"#);
        assert!(!meter.is_final());
        meter.event(
            br#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},
            "usage":{"input_tokens":0,"output_tokens":9,"output_tokens_details":{"thinking_tokens":2}}}"#,
        );
        assert_eq!(meter.usage(), Some(Usage { output: 9, reasoning: 2, ..start }));
        assert!(meter.is_final());
    }
}
