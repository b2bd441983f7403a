//! Token counts as providers report them, brought to one meaning: totals, and parts of totals.

mod anthropic;
mod bedrock;
mod cohere;
mod gemini;
mod ollama;
mod openai;

use bulkhead_model::usage::ServiceTier;
use bulkhead_model::{Endpoint, Usage};

use crate::json::view::{find, members, part, path, text};
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

    /// True when there is a usage to read.
    pub(crate) fn says_something(&self) -> bool {
        self.usage.is_some_and(|usage| usage.starts_with(b"{"))
            || self.groq.is_some_and(|groq| find(groq, "usage").is_some())
    }

    /// The usage. `None` when none is reported; counting tokens is not using them.
    pub(crate) fn usage(&self, endpoint: Endpoint) -> Option<Usage> {
        match endpoint {
            Endpoint::ChatCompletions
            | Endpoint::Completions
            | Endpoint::Embeddings
            | Endpoint::Responses => self.of_openai(),
            Endpoint::Messages => {
                let mut tokens = Tokens::default();
                tokens.add(self.usage?);
                tokens.usage()
            }
            Endpoint::CountTokens | Endpoint::GeminiCountTokens | Endpoint::BedrockCountTokens => None,
            // These are read by `translate`.
            Endpoint::GenerateContent
            | Endpoint::Converse
            | Endpoint::CohereChat
            | Endpoint::OllamaChat
            | Endpoint::EmbedContent
            | Endpoint::BatchEmbedContents
            | Endpoint::CohereEmbed
            | Endpoint::InvokeEmbeddings
            | Endpoint::PredictEmbeddings => None,
        }
    }

    fn of_openai(&self) -> Option<Usage> {
        let own = || self.groq.and_then(|groq| openai::read(part(groq, find(groq, "usage")?)));
        let usage = self.usage.and_then(openai::read).or_else(own)?;
        let tier = self.tier.and_then(text).map(|name| ServiceTier::from_answer(&name));
        Some(Usage { tier: tier.unwrap_or_default(), ..usage })
    }
}

/// Gathers the usage of a stream.
///
/// OpenAI's last report counts; some providers repeat a growing one in every chunk. Responses report once, with the
/// event that ends the answer. Anthropic reports with `message_start` and again, cumulative, with `message_delta`;
/// Bedrock reports once.
#[derive(Debug, Default)]
pub(crate) struct UsageMeter {
    usage: Option<Usage>,
    tokens: Tokens,
    is_final: bool,
}

impl UsageMeter {
    /// Takes what a chunk of OpenAI's older APIs reported.
    pub(crate) fn chunk(&mut self, reported: &Reported<'_>, is_final: bool) {
        if let Some(usage) = reported.of_openai() {
            self.usage = Some(usage);
            self.is_final = is_final;
        }
    }

    /// What was reported up to now.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// True when the usage covers the whole answer.
    pub(crate) fn is_final(&self) -> bool {
        self.is_final && self.usage.is_some()
    }

    /// Takes what a response that has ended reports.
    pub(crate) fn response(&mut self, response: &[u8]) {
        let mut reported = Reported::default();
        for (name, range) in members(response) {
            reported.take(name, part(response, range));
        }
        self.chunk(&reported, true);
    }

    /// Takes a `usageMetadata` of Google's, which every event of a stream may have; the last one counts.
    pub(crate) fn gemini(&mut self, metadata: &[u8]) -> Option<Usage> {
        let usage = gemini::read(metadata)?;
        self.usage = Some(usage);
        self.usage
    }

    /// Takes what Converse reports, in an answer or in a stream's `metadata`.
    pub(crate) fn converse(&mut self, data: &[u8]) {
        let Some(usage) = find(data, "usage").and_then(|range| bedrock::read(part(data, range))) else {
            return;
        };
        let tier = path(data, &["serviceTier", "type"]).and_then(|range| text(part(data, range)));
        let tier = tier.map(|name| ServiceTier::from_answer(&name)).unwrap_or_default();
        self.usage = Some(Usage { tier, ..usage });
        self.is_final = true;
    }

    /// Takes the `usage` of Cohere's that an answer ends with.
    pub(crate) fn cohere(&mut self, usage: &[u8]) -> Option<Usage> {
        self.usage = cohere::read(usage);
        self.is_final = true;
        self.usage
    }

    /// Takes what the last piece of an answer of Ollama's reports.
    pub(crate) fn ollama(&mut self, answer: &[u8]) -> Option<Usage> {
        self.usage = ollama::read(answer);
        self.is_final = true;
        self.usage
    }

    /// Takes what an event of Anthropic's reports.
    pub(crate) fn message(&mut self, data: &[u8]) {
        let nested = path(data, &["message", "usage"]);
        let Some(usage) = nested.or_else(|| find(data, "usage")) else { return };
        self.tokens.add(part(data, usage));
        self.usage = self.tokens.usage();
        if let Some(reason) = path(data, &["delta", "stop_reason"]) {
            self.is_final = part(data, reason) != b"null";
        }
    }
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
}
