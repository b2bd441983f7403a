//! Members of a request that are one value.

use std::borrow::Cow;

use super::super::json::{get_text, items};
use super::super::{Dialect, chat, cohere, completions, converse, gemini, messages, ollama, responses};

/// A member of a request that is one value, the same in every dialect that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knob {
    /// The most tokens of output.
    MaxTokens,
    /// Sampling temperature.
    Temperature,
    /// Nucleus sampling.
    TopP,
    /// Sampling among the first so many.
    TopK,
    /// Repeatable sampling.
    Seed,
    /// Against repeating often.
    FrequencyPenalty,
    /// Against repeating at all.
    PresencePenalty,
    /// Tokens made more or less likely.
    LogitBias,
    /// Answer with probabilities.
    Logprobs,
    /// Of how many alternatives.
    TopLogprobs,
    /// How many answers.
    Choices,
    /// How wordy.
    Verbosity,
    /// What kinds of output.
    Modalities,
    /// How spoken output sounds.
    Audio,
    /// Text that the output is likely to have.
    Prediction,
    /// Search the web, how.
    WebSearch,
    /// What the provider shall block.
    SafetySettings,
    /// A prompt that the provider has stored.
    CachedContent,
    /// Bedrock's guardrail.
    Guardrail,
    /// How Bedrock trades latency.
    Performance,
    /// What Cohere or Ollama alone has. Its name is the provider's own.
    Native,
}

impl Knob {
    const ALL: [Self; 20] = [
        Self::MaxTokens,
        Self::Temperature,
        Self::TopP,
        Self::TopK,
        Self::Seed,
        Self::FrequencyPenalty,
        Self::PresencePenalty,
        Self::LogitBias,
        Self::Logprobs,
        Self::TopLogprobs,
        Self::Choices,
        Self::Verbosity,
        Self::Modalities,
        Self::Audio,
        Self::Prediction,
        Self::WebSearch,
        Self::SafetySettings,
        Self::CachedContent,
        Self::Guardrail,
        Self::Performance,
    ];

    /// Its name in a dialect that has it.
    pub fn name_in(self, dialect: Dialect) -> Option<&'static str> {
        match dialect {
            Dialect::Chat => chat::name_of(self),
            Dialect::Messages => messages::name_of(self),
            Dialect::Responses => responses::name_of(self),
            Dialect::Completions => completions::name_of(self),
            Dialect::Gemini => gemini::name_of(self),
            Dialect::Converse => converse::name_of(self),
            Dialect::Cohere => cohere::name_of(self),
            Dialect::Ollama => ollama::name_of(self),
        }
    }

    /// The knob that a dialect calls so. LiteLLM takes `top_k` and what Gemini, Bedrock, Cohere and Ollama have for
    /// themselves from chat clients, too, and operators set it for all of a deployment's.
    pub fn from_name(name: &str, dialect: Dialect) -> Option<Self> {
        match name {
            "max_completion_tokens" if dialect == Dialect::Chat => Some(Self::MaxTokens),
            "top_k" => Some(Self::TopK),
            "safety_settings" if dialect == Dialect::Chat => Some(Self::SafetySettings),
            "cached_content" if dialect == Dialect::Chat => Some(Self::CachedContent),
            "guardrailConfig" => Some(Self::Guardrail),
            "performanceConfig" => Some(Self::Performance),
            _ if cohere::OWN.contains(&name) || ollama::is_own(name) => Some(Self::Native),
            _ => Self::ALL.into_iter().find(|knob| knob.name_in(dialect) == Some(name)),
        }
    }

    /// True for a value that asks for nothing but what happens anyhow.
    pub fn is_idle(self, value: &[u8]) -> bool {
        match self {
            Self::Choices => value == b"1",
            Self::FrequencyPenalty | Self::PresencePenalty => matches!(value, b"0" | b"0.0"),
            Self::Logprobs => value == b"false",
            Self::TopLogprobs => value == b"0",
            Self::LogitBias => value == b"{}",
            Self::SafetySettings => {
                value.starts_with(b"[")
                    && items(value).all(|setting| {
                        let threshold = get_text(setting, "threshold");
                        matches!(threshold.as_deref(), Some("BLOCK_NONE" | "OFF"))
                    })
            }
            Self::Modalities => value
                .strip_prefix(b"[")
                .and_then(|rest| rest.strip_suffix(b"]"))
                .is_some_and(|inner| inner.trim_ascii() == b"\"text\""),
            _ => false,
        }
    }
}

/// A knob and where it is set.
#[derive(Debug, Clone)]
pub struct Setting<'a> {
    /// Which.
    pub knob: Knob,
    /// Its name in the client's request.
    pub name: Cow<'a, str>,
    /// Its value, as it is spelled.
    pub value: &'a [u8],
}

impl Setting<'_> {
    /// True where it asks for nothing but what happens anyhow. Google's clients send its default of `topK` along.
    pub fn is_idle(&self) -> bool {
        self.knob == Knob::TopK && self.is_googles_default() || self.knob.is_idle(self.value)
    }

    /// True for what Google's clients send although nobody asked for it.
    pub fn is_googles_default(&self) -> bool {
        matches!((&*self.name, self.value), ("topK", b"64") | ("topP", b"0.95"))
    }
}
