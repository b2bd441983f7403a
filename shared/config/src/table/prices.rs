//! The price fields of LiteLLM's price data, which `litellm_params` and `model_info` may override.

/// What a name that looks like a price is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Price {
    /// A price per unit.
    PerUnit,
    /// A price with a structure of its own, which is not read.
    Structured,
    /// No field of the price data.
    Unknown,
}

const PER_UNIT: &[&str] = &[
    "annotation_cost_per_page",
    "cache_creation_input_audio_token_cost",
    "cache_creation_input_token_cost",
    "cache_read_input_audio_token_cost",
    "cache_read_input_image_token_cost",
    "cache_read_input_token_cost",
    "citation_cost_per_token",
    "code_interpreter_cost_per_session",
    "computer_use_input_cost_per_1k_tokens",
    "computer_use_output_cost_per_1k_tokens",
    "cost_per_second",
    "explicit_cache_read_input_token_cost",
    "file_search_cost_per_1k_calls",
    "file_search_cost_per_gb_per_day",
    "google_maps_grounding_cost_per_query",
    "input_cost_per_audio_per_second",
    "input_cost_per_audio_token",
    "input_cost_per_character",
    "input_cost_per_image",
    "input_cost_per_image_token",
    "input_cost_per_pixel",
    "input_cost_per_query",
    "input_cost_per_request",
    "input_cost_per_second",
    "input_cost_per_text_message",
    "input_cost_per_token",
    "input_cost_per_token_cache_hit",
    "input_cost_per_video_per_second",
    "input_cost_per_video_token",
    "input_dbu_cost_per_token",
    "ocr_cost_per_credit",
    "ocr_cost_per_page",
    "output_cost_per_audio_per_second",
    "output_cost_per_audio_token",
    "output_cost_per_character",
    "output_cost_per_image",
    "output_cost_per_image_token",
    "output_cost_per_pixel",
    "output_cost_per_reasoning_token",
    "output_cost_per_second",
    "output_cost_per_token",
    "output_cost_per_video_per_second",
    "output_cost_per_video_token",
    "output_dbu_cost_per_token",
    "vector_store_cost_per_gb_per_day",
];

const STRUCTURED: &[&str] =
    &["guardrail_cost_per_unit", "off_peak_pricing", "search_context_cost_per_query", "tiered_pricing"];

/// Service tiers and batch prices, the last part of a name.
const TIERS: &[&str] = &["_balanced", "_batches", "_decisions", "_flex", "_priority", "_ultrafast"];

/// Sizes of pictures and videos, the last part of a name.
const SIZES: &[&str] = &[
    "_0.5K", "_1024", "_1080p", "_1536", "_1K", "_2K", "_2k", "_480p", "_4K", "_4k", "_512", "_720p", "_768p",
];

/// What the name is; `None` is none that looks like a price.
pub(crate) fn price(name: &str) -> Option<Price> {
    if STRUCTURED.contains(&name) {
        return Some(Price::Structured);
    }
    let stem = TIERS.iter().find_map(|tier| name.strip_suffix(tier)).unwrap_or(name);
    if PER_UNIT.contains(&stem) || sized(stem) || PER_UNIT.contains(&below_threshold(stem)) {
        return Some(Price::PerUnit);
    }
    let looks_like_one = name.contains("cost_per_") || name.contains("token_cost");
    // Azure's reserved capacity has costs in its `model_info` that are no prices of use.
    let reserved = name.contains("ptu") || name.contains("PTU");
    (looks_like_one && !reserved).then_some(Price::Unknown)
}

/// Every name without thresholds and tiers, for "did you mean".
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PER_UNIT.iter().copied()
}

fn sized(name: &str) -> bool {
    SIZES.iter().any(|size| name.strip_suffix(size).is_some_and(|stem| PER_UNIT.contains(&stem)))
}

/// The name without `_above_200k_tokens`, `_above_1hr`, `_above_15s_interval` or two of those.
fn below_threshold(name: &str) -> &str {
    let Some((stem, thresholds)) = name.split_once("_above_") else { return name };
    let known = |threshold: &str| {
        let digits = threshold.trim_start_matches(|c: char| c.is_ascii_digit());
        digits.len() < threshold.len() && matches!(digits, "k_tokens" | "hr" | "s_interval")
    };
    if thresholds.split("_above_").all(known) { stem } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_told_from_misspelt_ones() {
        for (name, expected) in [
            ("input_cost_per_token", Some(Price::PerUnit)),
            ("input_cost_per_token_above_200k_tokens", Some(Price::PerUnit)),
            ("cache_creation_input_token_cost_above_1hr_above_200k_tokens", Some(Price::PerUnit)),
            ("cache_read_input_token_cost_above_272k_tokens_priority", Some(Price::PerUnit)),
            ("output_cost_per_token_batches", Some(Price::PerUnit)),
            ("output_cost_per_image_1K", Some(Price::PerUnit)),
            ("input_cost_per_video_per_second_above_15s_interval", Some(Price::PerUnit)),
            ("search_context_cost_per_query", Some(Price::Structured)),
            ("input_cost_per_tokens", Some(Price::Unknown)),
            ("input_cost_per_token_above_many_tokens", Some(Price::Unknown)),
            ("cost_per_ptu_per_hour", None),
            ("temperature", None),
        ] {
            assert_eq!(price(name), expected, "{name}");
        }
    }
}
