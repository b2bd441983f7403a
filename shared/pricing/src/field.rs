//! The names of price fields, as the price data spells them.
//!
//! A rate's name is `<what>[_above_<N>_tokens][_<service tier>]`, for example
//! `cache_read_input_token_cost_above_200k_tokens_priority`. Shared with the build script.

use std::fmt;

/// What one unit of a rate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// An input token that nothing else covers.
    Input,
    /// An input token read from the prompt cache.
    CacheRead,
    /// An input token written to the prompt cache for five minutes.
    CacheWrite,
    /// An input token written to the prompt cache for an hour.
    CacheWrite1h,
    /// An audio input token.
    InputAudio,
    /// An output token that nothing else covers.
    Output,
    /// A reasoning token.
    Reasoning,
    /// An audio output token.
    OutputAudio,
    /// The request itself.
    Request,
}

impl Kind {
    const NAMES: [(Self, &'static str); 9] = [
        (Self::Input, "input_cost_per_token"),
        (Self::CacheRead, "cache_read_input_token_cost"),
        (Self::CacheWrite, "cache_creation_input_token_cost"),
        (Self::CacheWrite1h, "cache_creation_input_token_cost_above_1hr"),
        (Self::InputAudio, "input_cost_per_audio_token"),
        (Self::Output, "output_cost_per_token"),
        (Self::Reasoning, "output_cost_per_reasoning_token"),
        (Self::OutputAudio, "output_cost_per_audio_token"),
        (Self::Request, "input_cost_per_request"),
    ];

    /// The name in the price data, without threshold and service tier.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// True for what is counted in input tokens.
    pub(crate) fn is_input(self) -> bool {
        match self {
            Self::Input | Self::CacheRead | Self::CacheWrite | Self::CacheWrite1h | Self::InputAudio => true,
            Self::Output | Self::Reasoning | Self::OutputAudio | Self::Request => false,
        }
    }

    /// True for what is counted in output tokens.
    pub(crate) fn is_output(self) -> bool {
        !self.is_input() && self != Self::Request
    }
}

/// The service tier of a rate. `Standard` is the least, which `Rates` relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tier {
    Standard,
    Priority,
    Flex,
    Batch,
}

impl Tier {
    const SUFFIXES: [(Self, &'static str); 3] =
        [(Self::Priority, "_priority"), (Self::Flex, "_flex"), (Self::Batch, "_batches")];
}

/// Service tiers that a usage record does not tell apart from the standard one.
const UNTOLD_TIERS: [&str; 3] = ["_balanced", "_ultrafast", "_decisions"];

/// The name of a rate, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Field {
    /// What one unit is.
    pub(crate) kind: Kind,
    /// Applies once the prompt has more tokens than this; 0 applies always.
    pub(crate) above: u32,
    /// The service tier it applies to.
    pub(crate) tier: Tier,
}

impl Field {
    /// The rate of that name; `None` for every other field.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (name, tier) = Tier::SUFFIXES
            .iter()
            .find_map(|(tier, suffix)| name.strip_suffix(suffix).map(|name| (name, *tier)))
            .unwrap_or((name, Tier::Standard));
        if let Some(kind) = Kind::named(name) {
            return Some(Self { kind, above: 0, tier });
        }
        let (name, threshold) = name.strip_suffix("_tokens")?.rsplit_once("_above_")?;
        Some(Self { kind: Kind::named(name)?, above: parse_threshold(threshold)?, tier })
    }
}

/// `200k` or `200000`; zero is no threshold.
fn parse_threshold(text: &str) -> Option<u32> {
    let (digits, unit) = text.strip_suffix('k').map_or((text, 1), |digits| (digits, 1000));
    digits.parse::<u32>().ok()?.checked_mul(unit).filter(|tokens| *tokens > 0)
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        match self.above {
            0 => {}
            above if above % 1000 == 0 => write!(f, "_above_{}k_tokens", above / 1000)?,
            above => write!(f, "_above_{above}_tokens")?,
        }
        let suffix = Tier::SUFFIXES.iter().find(|(tier, _)| *tier == self.tier);
        f.write_str(suffix.map_or("", |(_, suffix)| suffix))
    }
}

/// What a price field means for a request that is billed by tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A rate that costs are computed from.
    Rate(Field),
    /// A price per second, image, character and so on. Usage records do not count those units, so a model with no
    /// other price has no known cost.
    OtherUnit,
    /// A fee for a tool, or a rate that a usage record cannot tell applies. Left out of costs.
    Extra,
}

/// Fields of [`Class::OtherUnit`]: these names, and these names followed by `_` and more.
const OTHER_UNITS: [&str; 18] = [
    "annotation_cost_per_page",
    "cost_per_second",
    "guardrail_cost_per_unit",
    "input_cost_per_audio_per_second",
    "input_cost_per_character",
    "input_cost_per_image",
    "input_cost_per_pixel",
    "input_cost_per_query",
    "input_cost_per_second",
    "input_cost_per_text_message",
    "input_cost_per_video_per_second",
    "input_cost_per_video_token",
    "ocr_cost_per",
    "output_cost_per_character",
    "output_cost_per_image",
    "output_cost_per_pixel",
    "output_cost_per_second",
    "output_cost_per_video",
];

/// Fields of [`Class::Extra`], besides rates of [`UNTOLD_TIERS`].
const EXTRAS: [&str; 17] = [
    "cache_creation_input_audio_token_cost",
    "cache_read_input_audio_token_cost",
    "cache_read_input_image_token_cost",
    "citation_cost_per_token",
    "code_interpreter_cost_per_session",
    "computer_use_input_cost_per_1k_tokens",
    "computer_use_output_cost_per_1k_tokens",
    "explicit_cache_read_input_token_cost",
    "file_search_cost_per_1k_calls",
    "file_search_cost_per_gb_per_day",
    "google_maps_grounding_cost_per_query",
    "input_cost_per_token_cache_hit",
    "input_dbu_cost_per_token",
    "output_dbu_cost_per_token",
    "search_context_cost_per_query",
    "search_queries_cost_per_query",
    "vector_store_cost_per_gb_per_day",
];

/// What a field means; `None` for one that is no price or not known to be one.
pub(crate) fn classify(name: &str) -> Option<Class> {
    if let Some(field) = Field::parse(name) {
        return Some(Class::Rate(field));
    }
    let begins_with =
        |unit: &str| name.strip_prefix(unit).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    if OTHER_UNITS.iter().any(|unit| begins_with(unit)) {
        return Some(Class::OtherUnit);
    }
    let untold = UNTOLD_TIERS
        .iter()
        .any(|tier| name.strip_suffix(tier).is_some_and(|name| Field::parse(name).is_some()));
    (untold || EXTRAS.contains(&name)).then_some(Class::Extra)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart_and_together_again() {
        for (name, kind, above, tier) in [
            ("input_cost_per_token", Kind::Input, 0, Tier::Standard),
            ("output_cost_per_token_batches", Kind::Output, 0, Tier::Batch),
            ("cache_creation_input_token_cost_above_1hr", Kind::CacheWrite1h, 0, Tier::Standard),
            (
                "cache_creation_input_token_cost_above_1hr_above_200k_tokens",
                Kind::CacheWrite1h,
                200_000,
                Tier::Standard,
            ),
            ("input_cost_per_token_above_272k_tokens_priority", Kind::Input, 272_000, Tier::Priority),
            ("output_cost_per_token_above_1234_tokens", Kind::Output, 1234, Tier::Standard),
        ] {
            assert_eq!(Field::parse(name), Some(Field { kind, above, tier }), "{name}");
            assert_eq!(Field { kind, above, tier }.to_string(), name);
        }
    }

    #[test]
    fn other_names_are_no_rates() {
        for name in [
            "",
            "max_tokens",
            "input_cost_per_second",
            "input_cost_per_token_above_k_tokens",
            "input_cost_per_token_above_0k_tokens",
            "input_cost_per_token_above_9999999k_tokens",
            "input_cost_per_token_priority_flex",
            "above_128k_tokens",
        ] {
            assert_eq!(Field::parse(name), None, "{name}");
        }
    }

    /// Every field of the data that has `cost` in its name, with the decision taken about it: a name that LiteLLM
    /// adds fails here and wants a decision too.
    #[test]
    fn every_price_field_of_the_data_is_decided_about() {
        let data: serde_json::Value =
            serde_json::from_str(include_str!("../data/model_prices.json")).unwrap();
        let models = data.as_object().unwrap().values().filter_map(|model| model.as_object());
        let found: std::collections::BTreeSet<_> =
            models.flat_map(|model| model.keys()).filter(|name| name.contains("cost")).collect();
        let found: String = found
            .iter()
            .map(|name| match classify(name) {
                Some(Class::Rate(_)) => format!("{name} used\n"),
                Some(Class::OtherUnit) => format!("{name} other-unit\n"),
                Some(Class::Extra) => format!("{name} left-out\n"),
                None => format!("{name} UNDECIDED\n"),
            })
            .collect();
        assert_eq!(found, include_str!("../tests/price_fields.txt"));
    }
}
