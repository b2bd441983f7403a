//! What holds for any rates and any usage.

use bulkhead_model::{NanoUsd, PicoUsd, Usage, usage::ServiceTier};
use bulkhead_pricing::{Cost, PriceBook, Rates, bound, cost, estimate};
use proptest::prelude::*;

/// Names that a usage record may make apply. Rates grow with the prompt's length, as they do in the data.
const NAMES: [&str; 16] = [
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "cache_creation_input_token_cost_above_1hr",
    "cache_creation_input_token_cost_above_1hr_above_200k_tokens",
    "cache_creation_input_token_cost_above_200k_tokens",
    "cache_read_input_token_cost_above_200k_tokens",
    "input_cost_per_audio_token",
    "input_cost_per_request",
    "input_cost_per_token_above_128k_tokens",
    "input_cost_per_token_above_200k_tokens_priority",
    "input_cost_per_token_priority",
    "output_cost_per_audio_token",
    "output_cost_per_reasoning_token",
    "output_cost_per_token_above_200k_tokens",
    "output_cost_per_token_flex",
    "output_cost_per_token_priority",
];

fn any_rates() -> impl Strategy<Value = Rates> {
    let extras = prop::collection::vec((prop::sample::select(&NAMES[..]), any_price()), 0..8);
    (any_price(), any_price(), extras).prop_map(|(input, output, extras)| {
        let mut prices =
            vec![("input_cost_per_token".to_owned(), input), ("output_cost_per_token".to_owned(), output)];
        prices.extend(extras.into_iter().map(|(name, price)| (name.to_owned(), price)));
        Rates::default().overridden(&prices)
    })
}

fn any_price() -> impl Strategy<Value = PicoUsd> {
    prop_oneof![Just(0), 1..5_000u64, 1..100_000_000u64, any::<u64>()].prop_map(PicoUsd)
}

fn any_tier() -> impl Strategy<Value = ServiceTier> {
    use ServiceTier::{Batch, Flex, Priority, Standard};
    prop::sample::select(&[Standard, Priority, Flex, Batch][..])
}

fn any_count() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..10u64, 0..400_000u64, Just(u64::MAX), any::<u64>()]
}

/// Usage of any kind, parts that exceed their total included.
fn any_usage() -> impl Strategy<Value = Usage> {
    (prop::array::uniform8(any_count()), any_tier()).prop_map(|(counts, tier)| {
        let [input, output, cache_read, cache_write, cache_write_1h, reasoning, input_audio, output_audio] =
            counts;
        Usage {
            input,
            output,
            cache_read,
            cache_write,
            cache_write_1h,
            reasoning,
            input_audio,
            output_audio,
            tier,
        }
    })
}

/// Usage whose parts fit into their totals.
fn any_sound_usage() -> impl Strategy<Value = Usage> {
    (prop::array::uniform8(0..200_000u64), any_tier()).prop_map(|(parts, tier)| {
        let [text, cache_read, cache_write, cache_write_1h, input_audio, visible, reasoning, output_audio] =
            parts;
        let input = text + cache_read + cache_write + cache_write_1h + input_audio;
        let output = visible + reasoning + output_audio;
        Usage {
            input,
            output,
            cache_read,
            cache_write,
            cache_write_1h,
            reasoning,
            input_audio,
            output_audio,
            tier,
        }
    })
}

fn parts(cost: Cost) -> i128 {
    let Cost { total: _, input, output, cache_read, cache_write, reasoning } = cost;
    [input, output, cache_read, cache_write, reasoning].into_iter().map(|part| i128::from(part.0)).sum()
}

proptest! {
    #[test]
    fn nothing_panics_and_nothing_is_negative(rates in any_rates(), usage in any_usage()) {
        let cost = cost(&rates, &usage).unwrap();
        prop_assert!(cost.total >= NanoUsd::ZERO);
        prop_assert!(bound(&rates, usage.input, usage.output).is_some());
        prop_assert!(estimate(&rates, usage.input, usage.output).is_some());
    }

    #[test]
    fn parts_add_up_to_the_total_but_for_rounding(rates in any_rates(), usage in any_sound_usage()) {
        let cost = cost(&rates, &usage).unwrap();
        if cost.total < NanoUsd(i64::MAX) {
            prop_assert!((parts(cost) - i128::from(cost.total.0)).abs() <= 3, "{cost:?}");
        }
    }

    #[test]
    fn the_total_is_the_exact_sum_rounded_once(
        price in prop::array::uniform8(0..10_000_000u64),
        usage in any_sound_usage(),
    ) {
        let names = [
            "input_cost_per_token", "cache_read_input_token_cost", "cache_creation_input_token_cost",
            "cache_creation_input_token_cost_above_1hr", "input_cost_per_audio_token", "output_cost_per_token",
            "output_cost_per_reasoning_token", "output_cost_per_audio_token",
        ];
        let prices: Vec<_> = names.iter().zip(price).map(|(name, pico)| ((*name).to_owned(), PicoUsd(pico))).collect();
        let usage = Usage { tier: ServiceTier::Standard, ..usage };
        let plain_input =
            usage.input - usage.cache_read - usage.cache_write - usage.cache_write_1h - usage.input_audio;
        let tokens = [
            plain_input, usage.cache_read, usage.cache_write, usage.cache_write_1h, usage.input_audio,
            usage.output - usage.reasoning - usage.output_audio, usage.reasoning, usage.output_audio,
        ];
        let pico: i128 = tokens.iter().zip(price).map(|(tokens, pico)| i128::from(*tokens) * i128::from(pico)).sum();
        let total = i128::from(cost(&Rates::default().overridden(&prices), &usage).unwrap().total.0);
        // Within half a nano-dollar, and even where it is exactly half of one.
        let off = (total * 1000 - pico).abs();
        prop_assert!(off < 500 || (off == 500 && total % 2 == 0), "{total} nano for {pico} pico");
    }

    #[test]
    fn a_higher_price_or_more_tokens_never_cost_less(
        usage in any_sound_usage(), more in 0..500_000u64, input in 1..1_000_000u64, output in 1..1_000_000u64,
    ) {
        let prices: Vec<_> = [
            ("input_cost_per_token", input),
            ("input_cost_per_token_above_200k_tokens", input * 2),
            ("output_cost_per_token", output),
            ("output_cost_per_token_above_200k_tokens", output + output / 2),
            ("cache_read_input_token_cost", input / 10),
            ("cache_creation_input_token_cost", input + input / 4),
        ].into_iter().map(|(name, pico)| (name.to_owned(), PicoUsd(pico))).collect();
        let rates = Rates::default().overridden(&prices[..1]).overridden(&prices);
        let usage = Usage { tier: ServiceTier::Standard, ..usage };
        let less = cost(&rates, &usage).unwrap().total;
        for usage in [
            Usage { input: usage.input + more, ..usage },
            Usage { output: usage.output + more, ..usage },
            Usage { input: usage.input + more, cache_read: usage.cache_read + more, ..usage },
            Usage { input: usage.input + more, cache_write: usage.cache_write + more, ..usage },
            Usage { output: usage.output + more, reasoning: usage.reasoning + more, ..usage },
        ] {
            prop_assert!(cost(&rates, &usage).unwrap().total >= less);
        }
    }

    #[test]
    fn no_usage_within_the_limits_costs_more_than_the_bound(
        rates in any_rates(), usage in any_sound_usage(), more in prop::array::uniform2(0..500_000u64),
    ) {
        let most = bound(&rates, usage.input + more[0], usage.output + more[1]).unwrap();
        prop_assert!(cost(&rates, &usage).unwrap().total <= most);
    }

    #[test]
    fn the_bounds_of_the_data_hold_too(index in any::<prop::sample::Index>(), usage in any_sound_usage()) {
        let book = PriceBook::embedded();
        let names: Vec<_> = ["openai", "anthropic", "gemini", "xai", "dashscope"]
            .iter()
            .flat_map(|provider| book.names_of(provider).map(move |name| (provider, name)))
            .collect();
        let (provider, name) = index.get(&names);
        let rates = &book.find(provider, name).unwrap().rates;
        if let Some(most) = bound(rates, usage.input, usage.output) {
            prop_assert!(cost(rates, &usage).unwrap().total <= most, "{name}");
        }
    }

    #[test]
    fn unknown_is_never_a_number(usage in any_usage()) {
        let unknown = Rates::default();
        prop_assert_eq!(cost(&unknown, &usage), None);
        prop_assert_eq!(bound(&unknown, usage.input, usage.output), None);
        prop_assert_eq!(estimate(&unknown, usage.input, usage.output), None);
    }

    #[test]
    fn reading_a_catalog_never_panics(json in "[{}\\[\\]\",:0-9a-z._-]{0,60}") {
        let _ = PriceBook::parse(&json);
    }

    #[test]
    fn looking_up_never_panics(provider in "[a-z_/é-]{0,12}", model in "[a-z0-9:/é-]{0,24}") {
        let book = PriceBook::embedded();
        let _ = (book.find(&provider, &model), book.names_of(&provider).count());
    }
}

#[test]
fn everything_saturates() {
    let prices = ["input_cost_per_token", "output_cost_per_token", "input_cost_per_request"]
        .map(|name| (name.to_owned(), PicoUsd(u64::MAX)));
    let rates = Rates::default().overridden(&prices);
    let usage = Usage {
        input: u64::MAX,
        output: u64::MAX,
        cache_read: u64::MAX,
        cache_write: u64::MAX,
        cache_write_1h: u64::MAX,
        reasoning: u64::MAX,
        input_audio: u64::MAX,
        output_audio: u64::MAX,
        tier: ServiceTier::Standard,
    };
    assert_eq!(cost(&rates, &usage).unwrap().total, NanoUsd(i64::MAX));
    assert_eq!(bound(&rates, u64::MAX, u64::MAX), Some(NanoUsd(i64::MAX)));
}

#[test]
fn half_a_nano_dollar_rounds_to_even() {
    let price = |pico| Rates::default().overridden(&[("input_cost_per_token".to_owned(), PicoUsd(pico))]);
    for (pico, nano) in [(499, 0), (500, 0), (501, 1), (1500, 2), (2500, 2)] {
        assert_eq!(estimate(&price(pico), 1, 0), Some(NanoUsd(nano)), "{pico}");
    }
    // Once: three thirds of a nano-dollar and a half are not four times nothing.
    assert_eq!(estimate(&price(400), 4, 0), Some(NanoUsd(2)));
}
