//! What a provider says it used.

/// Token counts of one exchange, normalised over the dialects.
///
/// `input` and `output` are totals; every other field is a part of one of them. OpenAI counts that way itself;
/// Anthropic's `input_tokens` excludes cache reads and writes, so its reader adds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All input tokens, cached and cache-written ones included.
    pub input: u64,
    /// All output tokens, reasoning included.
    pub output: u64,
    /// Input tokens read from the provider's prompt cache.
    pub cache_read: u64,
    /// Input tokens written to the prompt cache for five minutes.
    pub cache_write: u64,
    /// Input tokens written to the prompt cache for an hour.
    pub cache_write_1h: u64,
    /// Output tokens spent on reasoning.
    pub reasoning: u64,
    /// Audio input tokens.
    pub input_audio: u64,
    /// Audio output tokens.
    pub output_audio: u64,
    /// The provider's service tier, where the answer names one that has a price of its own.
    pub tier: ServiceTier,
}

/// A service tier that changes the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServiceTier {
    /// The ordinary price.
    #[default]
    Standard,
    /// `priority`.
    Priority,
    /// `flex`.
    Flex,
    /// `batch`.
    Batch,
}

impl ServiceTier {
    /// Reads the `service_tier` of an answer; names without a price of their own are standard.
    pub fn from_answer(name: &str) -> Self {
        match name {
            "priority" => Self::Priority,
            "flex" => Self::Flex,
            "batch" => Self::Batch,
            _ => Self::Standard,
        }
    }

    /// The name in the price data's field suffixes.
    pub fn label(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Priority => "priority",
            Self::Flex => "flex",
            Self::Batch => "batch",
        }
    }
}

/// How sure a usage record is (design §8). Never zero for "we don't know".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UsageSource {
    /// The provider said so.
    Reported,
    /// Computed from bytes seen: the exchange was cut before the provider reported.
    Estimated,
    /// Nothing was seen; only the reserved bound is known.
    Unknown,
}

impl UsageSource {
    /// The value of the `usage` field in records.
    pub fn label(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Estimated => "estimated",
            Self::Unknown => "unknown",
        }
    }
}
