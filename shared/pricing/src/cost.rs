//! The exact cost of a usage record, and what a request may cost at most.
//!
//! A sum of tokens times pico-dollars is exact; it is rounded once, half to even, to nano-dollars.

use bulkhead_model::{NanoUsd, PicoUsd, Usage};

use crate::{
    field::Kind,
    rates::{Applied, Rates},
};

/// What an exchange cost.
///
/// `total` is the exact sum, rounded once. The parts do not overlap; each is rounded for itself, for display, so
/// that together they may differ from `total` by up to 3 nano-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Everything.
    pub total: NanoUsd,
    /// Input tokens that the cache has no part in, audio included, and the price of the request itself.
    pub input: NanoUsd,
    /// Output tokens without reasoning, audio included.
    pub output: NanoUsd,
    /// Input tokens read from the prompt cache.
    pub cache_read: NanoUsd,
    /// Input tokens written to the prompt cache, for whatever time.
    pub cache_write: NanoUsd,
    /// Reasoning tokens.
    pub reasoning: NanoUsd,
}

/// The cost of a usage record; `None` if a price that it needs is unknown, which is never the same as zero.
///
/// A rate that is not listed is, in this order: the standard rate for a service tier, the rate of a shorter prompt
/// for a threshold, the input rate for cached and audio input (one hour's cache write: the five minutes' first), the
/// output rate for reasoning and audio output. A listed zero is a price. Thresholds hold for all tokens of the
/// request once the prompt exceeds them (xAI: reaches them). Cached audio is billed as cached text, and parts that
/// exceed their total are billed in full. All of it is LiteLLM's general rule, save that an unlisted batch rate is the
/// standard rate and not half of it.
///
/// Saturates at 9.2 billion dollars.
pub fn cost(rates: &Rates, usage: &Usage) -> Option<Cost> {
    let Usage {
        input,
        output,
        cache_read,
        cache_write,
        cache_write_1h,
        reasoning,
        input_audio,
        output_audio,
        tier,
    } = *usage;
    if rates.is_empty() {
        return None;
    }
    let price: Applied = rates.applied(tier, input);
    let cached = cache_read.saturating_add(cache_write).saturating_add(cache_write_1h);
    let uncached = input.saturating_sub(cached);
    let input_audio = input_audio.min(uncached);
    let output_text = output.saturating_sub(reasoning.saturating_add(output_audio));

    let request = price.request.map_or(0, |price| u128::from(price.0));
    let input =
        sum([times(uncached - input_audio, price.input)?, times(input_audio, price.input_audio)?, request]);
    let output = sum([times(output_text, price.output)?, times(output_audio, price.output_audio)?]);
    let cache_read = times(cache_read, price.cache_read)?;
    let cache_write =
        sum([times(cache_write, price.cache_write)?, times(cache_write_1h, price.cache_write_1h)?]);
    let reasoning = times(reasoning, price.reasoning)?;
    Some(Cost {
        total: NanoUsd::from_pico(sum([input, output, cache_read, cache_write, reasoning])),
        input: NanoUsd::from_pico(input),
        output: NanoUsd::from_pico(output),
        cache_read: NanoUsd::from_pico(cache_read),
        cache_write: NanoUsd::from_pico(cache_write),
        reasoning: NanoUsd::from_pico(reasoning),
    })
}

/// What a request of up to so many tokens costs at ordinary rates: text, nothing cached, the standard service tier.
pub fn estimate(rates: &Rates, input_tokens: u64, output_tokens: u64) -> Option<NanoUsd> {
    let usage = Usage { input: input_tokens, output: output_tokens, ..Usage::default() };
    cost(rates, &usage).map(|cost| cost.total)
}

/// The most that a request of up to so many tokens may cost, whatever its service tier, caching and modalities:
/// every token at the dearest rate that its direction has for prompts of up to that length.
pub fn bound(rates: &Rates, input_tokens: u64, output_tokens: u64) -> Option<NanoUsd> {
    // What `cost` cannot price has no bound either. A shorter prompt needs the rates below every threshold.
    let shortest = Usage { input: input_tokens.min(1), output: output_tokens.min(1), ..Usage::default() };
    cost(rates, &shortest)?;
    let input = times(input_tokens, rates.dearest(input_tokens, Kind::is_input))?;
    let output = times(output_tokens, rates.dearest(input_tokens, Kind::is_output))?;
    let request =
        rates.dearest(input_tokens, |kind| kind == Kind::Request).map_or(0, |price| u128::from(price.0));
    Some(NanoUsd::from_pico(sum([input, output, request])))
}

/// Pico-dollars; `None` for tokens without a price.
fn times(tokens: u64, price: Option<PicoUsd>) -> Option<u128> {
    match (tokens, price) {
        (0, _) => Some(0),
        (_, price) => price.map(|price| u128::from(tokens) * u128::from(price.0)),
    }
}

fn sum<const N: usize>(pico: [u128; N]) -> u128 {
    pico.into_iter().fold(0, u128::saturating_add)
}
