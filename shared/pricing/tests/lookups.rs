//! Which entry a provider's model has, and what a deployment's own prices make of it.

use bulkhead_model::{NanoUsd, PicoUsd, Usage, usage::ServiceTier};
use bulkhead_pricing::{PriceBook, Rates, cost, estimate, is_price_field};

#[test]
fn a_model_is_found_by_any_of_its_names() {
    let book = PriceBook::embedded();
    for (provider, model, same_as) in [
        ("openai", "gpt-4o", ("openai", "openai/gpt-4o")),
        ("openai", "GPT-4o", ("openai", "gpt-4o")),
        ("openai", "gpt-4o-2999-12-31", ("openai", "gpt-4o")),
        ("openai", "ft:gpt-4o-2024-08-06:org:suffix:id", ("openai", "ft:gpt-4o-2024-08-06")),
        ("openai", "ft:gpt-4o-2024-08-06:org::id", ("openai", "ft:gpt-4o-2024-08-06")),
        ("gemini", "gemini-2.5-pro-002", ("gemini", "gemini/gemini-2.5-pro")),
        ("azure", "gpt-4o", ("azure", "azure/gpt-4o")),
        ("perplexity", "openai/gpt-5.1", ("perplexity", "perplexity/openai/gpt-5.1")),
        (
            "bedrock",
            "bedrock/us.anthropic.claude-opus-5-5",
            ("bedrock_converse", "us.anthropic.claude-opus-5-5"),
        ),
        (
            "bedrock",
            "invoke/us.anthropic.claude-opus-5-5",
            ("bedrock_converse", "us.anthropic.claude-opus-5-5"),
        ),
        (
            "bedrock",
            "us-gov-west-1/anthropic.claude-sonnet-4-5-20250929-v1:0",
            ("bedrock", "bedrock/us-gov-west-1/anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ),
        (
            "bedrock",
            "converse/ap-south-1/apac.anthropic.claude-sonnet-4-5-20250929-v1:0",
            ("bedrock_converse", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ),
        ("vertex_ai", "claude-sonnet-4-5@20250929", ("vertex_ai", "vertex_ai/claude-sonnet-4-5@20250929")),
        ("azure_ai", "claude-opus-4-5", ("azure_ai", "azure_ai/claude-opus-4-5")),
        ("vertex_ai", "gemini-2.5-pro", ("vertex_ai-language-models", "gemini-2.5-pro")),
        ("azure_ai", "gpt-4o", ("openai", "gpt-4o")),
        ("github", "gpt-4o", ("openai", "gpt-4o")),
        ("openai", "gpt-3.5-turbo-instruct", ("text-completion-openai", "gpt-3.5-turbo-instruct")),
    ] {
        let found = book.find(provider, model);
        assert!(found.is_some(), "{provider} {model}");
        assert!(std::ptr::eq(found.unwrap(), book.find(same_as.0, same_as.1).unwrap()), "{provider} {model}");
    }
}

#[test]
fn the_provider_s_own_entry_comes_first_and_another_s_does_not_count() {
    let book = PriceBook::embedded();
    let provider = |provider, model| book.find(provider, model).map(|price| &*price.provider);
    assert_eq!(provider("azure", "gpt-4o"), Some("azure"));
    assert_eq!(provider("gemini", "gemini-2.5-pro"), Some("gemini"));
    assert_eq!(provider("openai", "claude-sonnet-4-5"), None);
    assert_eq!(provider("groq", "gpt-4o"), None);
    for model in
        ["", "/", "gpt-4o-2024-08-0x", "no-such-model", "-2024-08-06", "ft:::", "ft:a:b:c:d", "ü-2024-08-06"]
    {
        assert_eq!(provider("openai", model), None, "{model}");
        assert_eq!(provider("gemini", model), None, "{model}");
    }
}

#[test]
fn limits_and_modes_come_with_the_price() {
    let book = PriceBook::embedded();
    let model = book.find("openai", "gpt-5").unwrap();
    assert_eq!((model.max_input_tokens, model.max_output_tokens), (Some(272_000), Some(128_000)));
    assert_eq!(model.mode.as_deref(), Some("chat"));
    let model = book.find("openai", "text-embedding-3-small").unwrap();
    assert_eq!((model.max_input_tokens, model.max_output_tokens), (Some(8191), None));
    assert_eq!(model.mode.as_deref(), Some("embedding"));
}

#[test]
fn a_wildcard_stands_for_the_models_that_are_served() {
    let book = PriceBook::embedded();
    let names = |provider| book.names_of(provider).collect::<Vec<_>>();
    let anthropic = names("anthropic");
    assert!(anthropic.contains(&"claude-sonnet-4-5"), "{anthropic:?}");
    assert_eq!(names("deepseek").iter().filter(|name| **name == "deepseek-chat").count(), 1);
    let openai = names("openai");
    assert!(openai.contains(&"gpt-4o") && openai.contains(&"text-embedding-3-small"));
    assert!(!openai.contains(&"whisper-1") && !openai.iter().any(|name| name.contains("dall-e")));
    assert!(names("xai").contains(&"grok-4.3"));
    assert!(names("nobody").is_empty() && names("").is_empty());
    for provider in [
        "anthropic",
        "azure",
        "bedrock",
        "deepseek",
        "gemini",
        "groq",
        "mistral",
        "openai",
        "vertex_ai",
        "xai",
    ] {
        for name in names(provider) {
            assert!(book.find(provider, name).is_some(), "{provider} {name}");
        }
    }
}

fn prices(declared: &[(&str, u64)]) -> Vec<(String, PicoUsd)> {
    declared.iter().map(|(name, pico)| ((*name).to_owned(), PicoUsd(*pico))).collect()
}

fn total(rates: &Rates, usage: Usage) -> Option<i64> {
    cost(rates, &usage).map(|cost| cost.total.0)
}

const MILLION: u64 = 1_000_000;

#[test]
fn a_declared_price_holds_for_any_length_of_prompt() {
    let book = PriceBook::embedded();
    let listed = &book.find("gemini", "gemini-2.5-pro").unwrap().rates;
    let rates = listed.overridden(&prices(&[("input_cost_per_token", MILLION)]));
    assert_eq!(estimate(&rates, 300_000, 0), Some(NanoUsd(300_000_000)));
    assert_eq!(estimate(&rates, 0, 10), estimate(listed, 0, 10));
    // Cached input and service tiers cost what is listed.
    let cached = Usage { input: 10, cache_read: 10, ..Usage::default() };
    assert_eq!(total(&rates, cached), total(listed, cached));
    let priority = Usage { input: 10, tier: ServiceTier::Priority, ..Usage::default() };
    assert_eq!(total(&rates, priority), total(listed, priority));
    let rates = listed.overridden(&prices(&[("cache_read_input_token_cost", 7 * MILLION)]));
    assert_eq!(total(&rates, cached), Some(70_000));
}

#[test]
fn a_declared_zero_makes_its_direction_free() {
    let book = PriceBook::embedded();
    let listed = &book.find("openai", "gpt-5.4").unwrap().rates;
    let rates = listed.overridden(&prices(&[("input_cost_per_token", 0)]));
    let usage = Usage { input: 300_000, cache_read: 10, tier: ServiceTier::Priority, ..Usage::default() };
    assert_eq!(total(&rates, usage), Some(0));
    assert_eq!(estimate(&rates, 0, 10), estimate(listed, 0, 10));
    let rates = rates.overridden(&prices(&[("output_cost_per_token", 0)]));
    assert_eq!(total(&rates, Usage { output: 10, reasoning: 5, ..usage }), Some(0));
}

#[test]
fn without_a_listed_price_the_declared_one_is_the_whole_price() {
    let none = Rates::default();
    let rates = none.overridden(&prices(&[("input_cost_per_token", MILLION)]));
    assert_eq!(estimate(&rates, 10, 10), Some(NanoUsd(10_000)));
    let rates = none.overridden(&prices(&[("output_cost_per_token", MILLION)]));
    assert_eq!(estimate(&rates, 10, 10), Some(NanoUsd(10_000)));
    let rates = none.overridden(&prices(&[("cache_read_input_token_cost", MILLION)]));
    assert_eq!(estimate(&rates, 10, 10), None);
    let rates =
        none.overridden(&prices(&[("input_cost_per_token", 1), ("input_cost_per_token", 3 * MILLION)]));
    assert_eq!(estimate(&rates, 1, 0), Some(NanoUsd(3_000)));
}

#[test]
fn a_declared_price_in_another_unit_makes_the_cost_unknown() {
    let book = PriceBook::embedded();
    let listed = &book.find("openai", "gpt-4o").unwrap().rates;
    assert!(listed.overridden(&prices(&[("input_cost_per_second", 1)])).is_empty());
    let both = listed.overridden(&prices(&[("input_cost_per_second", 1), ("input_cost_per_token", MILLION)]));
    assert_eq!(estimate(&both, 1, 0), Some(NanoUsd(1_000)));
    assert_eq!(listed.overridden(&prices(&[("max_tokens", 1), ("citation_cost_per_token", 1)])), *listed);
    assert_eq!(listed.overridden(&[]), *listed);
}

#[test]
fn price_fields_are_known_by_name() {
    for name in [
        "input_cost_per_token",
        "output_cost_per_token_above_300k_tokens_flex",
        "input_cost_per_second",
        "output_cost_per_image_1024",
        "input_cost_per_token_ultrafast",
        "search_context_cost_per_query",
    ] {
        assert!(is_price_field(name), "{name}");
    }
    for name in ["", "cost", "max_tokens", "rpm", "input_cost_per_tokens", "output_cost_per_seconds"] {
        assert!(!is_price_field(name), "{name}");
    }
}

#[test]
fn what_a_model_can_do_is_known() {
    let book = PriceBook::embedded();
    let can = |provider, model| book.find(provider, model).map(|price| price.abilities).unwrap_or_default();
    let opus = can("anthropic", "claude-opus-4-6");
    assert!(opus.reasoning && opus.adaptive_thinking && opus.output_schema);
    let sonnet = can("anthropic", "claude-sonnet-4-5");
    assert!(sonnet.reasoning && !sonnet.adaptive_thinking && sonnet.output_schema);
    assert_eq!(can("openai", "gpt-4o"), bulkhead_pricing::Abilities::default());
    assert!(can("openai", "gpt-5").reasoning);
}
