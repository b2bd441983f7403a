//! Costs of real models, computed by hand from the listed prices.

use bulkhead_model::{NanoUsd, Usage, usage::ServiceTier};
use bulkhead_pricing::{PriceBook, bound, cost, estimate};

#[derive(Clone, Copy)]
struct Tokens(Usage);

fn tokens(input: u64, output: u64) -> Tokens {
    Tokens(Usage { input, output, ..Usage::default() })
}

impl Tokens {
    fn cache_read(self, cache_read: u64) -> Self {
        Self(Usage { cache_read, ..self.0 })
    }

    fn cache_write(self, cache_write: u64, cache_write_1h: u64) -> Self {
        Self(Usage { cache_write, cache_write_1h, ..self.0 })
    }

    fn reasoning(self, reasoning: u64) -> Self {
        Self(Usage { reasoning, ..self.0 })
    }

    fn audio(self, input_audio: u64, output_audio: u64) -> Self {
        Self(Usage { input_audio, output_audio, ..self.0 })
    }

    fn tier(self, tier: ServiceTier) -> Self {
        Self(Usage { tier, ..self.0 })
    }
}

fn check(cases: &[(&str, &str, Tokens, &str)]) {
    let book = PriceBook::embedded();
    for (provider, model, Tokens(usage), dollars) in cases {
        let rates = book.find(provider, model).map(|price| &price.rates);
        let total = rates.and_then(|rates| cost(rates, usage)).map(|cost| cost.total);
        assert_eq!(total, NanoUsd::from_decimal(dollars).ok(), "{provider} {model} {usage:?}");
        let most = rates.and_then(|rates| bound(rates, usage.input, usage.output));
        assert!(most >= total, "{provider} {model}: bound {most:?}");
    }
}

// The comments compute in micro-dollars: prices are dollars per million tokens.

#[test]
fn openai() {
    use ServiceTier::{Batch, Flex, Priority};
    check(&[
        // 600 × 2.5 + 400 × 1.25 + 500 × 10
        ("openai", "gpt-4o", tokens(1000, 500).cache_read(400), "0.007"),
        // 1000 × 4.25 + 500 × 17
        ("openai", "gpt-4o", tokens(1000, 500).tier(Priority), "0.01275"),
        // No flex price is listed: 1000 × 2.5 + 500 × 10
        ("openai", "gpt-4o", tokens(1000, 500).tier(Flex), "0.0075"),
        // 1001 × 0.15 + 333 × 0.6
        ("openai", "gpt-4o-mini", tokens(1001, 333), "0.00034995"),
        // 2000 × 1.25 + 8000 × 0.125 + 2000 × 10, reasoning as output
        ("openai", "gpt-5", tokens(10_000, 2000).cache_read(8000).reasoning(1500), "0.0235"),
        // 2000 × 0.625 + 8000 × 0.0625 + 2000 × 5
        ("openai", "gpt-5", tokens(10_000, 2000).cache_read(8000).tier(Flex), "0.01175"),
        ("openai", "gpt-5", tokens(10_000, 2000).cache_read(8000).tier(Batch), "0.01175"),
        // Priority is listed for input only: 800 × 2.5 + 200 × 0.005 + 100 × 0.4
        ("openai", "gpt-5-nano", tokens(1000, 100).cache_read(200).tier(Priority), "0.002041"),
        // 272,000 × 2.5 + 100 × 15; one more: 272,001 × 5 + 100 × 22.5
        ("openai", "gpt-5.4", tokens(272_000, 100), "0.6815"),
        ("openai", "gpt-5.4", tokens(272_001, 100), "1.362255"),
        // Long prompts have no price of their own at priority: 300,000 × 5 + 100 × 22.5
        ("openai", "gpt-5.4", tokens(300_000, 100).tier(Priority), "1.50225"),
        // 300,000 × 2.5 + 100 × 11.25
        ("openai", "gpt-5.4", tokens(300_000, 100).tier(Flex), "0.751125"),
        // 30,000 × 0.1 + 50,000 × 0.01 + 20,000 × 0.125 + 1000 × 0.5
        ("openai", "gpt-6-luna", tokens(100_000, 1000).cache_read(50_000).cache_write(20_000, 0), "0.0065"),
        // 5000 × 2 + 3000 × 8
        ("openai", "o3", tokens(5000, 3000).reasoning(2500), "0.034"),
        // 2000 × 0.55 + 1000 × 0.138 + 10 × 2.2
        ("openai", "o4-mini", tokens(3000, 10).cache_read(1000).tier(Flex), "0.00126"),
        // 100 × 15 + 100 × 60
        ("openai", "o1", tokens(100, 100), "0.0075"),
        // 60 × 2.5 + 40 × 32 + 20 × 10 + 30 × 64
        ("openai", "gpt-audio", tokens(100, 50).audio(40, 30), "0.00355"),
    ]);
}

#[test]
fn anthropic() {
    check(&[
        // 3000 × 3 + 40,000 × 0.3 + 5000 × 3.75 + 2000 × 6 + 1000 × 15
        (
            "anthropic",
            "claude-sonnet-4-5",
            tokens(50_000, 1000).cache_read(40_000).cache_write(5000, 2000),
            "0.06675",
        ),
        // 200 × 5 + 500 × 6.25 + 300 × 10 + 10 × 25
        ("anthropic", "claude-opus-4-5", tokens(1000, 10).cache_write(500, 300), "0.007375"),
        // 1 × 1 + 1 × 5
        ("anthropic", "claude-haiku-4-5", tokens(1, 1), "0.000006"),
        // 30,000 × 0.5 + 60,000 × 0.05 + 10,000 × 0.625 + 1 × 1 + 4 × 2.5
        (
            "anthropic",
            "claude-haiku-5-5",
            tokens(100_001, 4).cache_read(60_000).cache_write(10_000, 1),
            "0.024261",
        ),
        // 199,000 × 3 + 1000 × 6 + 10 × 15; one more: 199,001 × 6 + 1000 × 12 + 10 × 22.5
        (
            "bedrock",
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            tokens(200_000, 10).cache_write(0, 1000),
            "0.60315",
        ),
        (
            "bedrock",
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            tokens(200_001, 10).cache_write(0, 1000),
            "1.206231",
        ),
    ]);
}

#[test]
fn google_and_xai() {
    use ServiceTier::Priority;
    check(&[
        // 200,000 × 1.25 + 10 × 10; one more: 200,001 × 2.5 + 10 × 15
        ("gemini", "gemini-2.5-pro", tokens(200_000, 10), "0.2501"),
        ("gemini", "gemini-2.5-pro", tokens(200_001, 10), "0.5001525"),
        // 200,001 × 4.5 + 10 × 27
        ("vertex_ai", "gemini-2.5-pro", tokens(200_001, 10).tier(Priority), "0.9002745"),
        // 600 × 0.3 + 400 × 1 + 100 × 2.5
        ("gemini", "gemini-2.5-flash", tokens(1000, 100).audio(400, 0).reasoning(60), "0.00083"),
        // The reasoning price is the standard tier's, so reasoning is output: 100 × 0.54 + 100 × 4.5
        ("gemini", "gemini-2.5-flash", tokens(100, 100).reasoning(60).tier(Priority), "0.000504"),
        // xAI's threshold is inclusive. 199,999 × 1.25 + 10 × 2.5; one more: 200,000 × 2.5 + 10 × 5
        ("xai", "grok-4.3", tokens(199_999, 10), "0.25002375"),
        ("xai", "grok-4.3", tokens(200_000, 10), "0.50005"),
    ]);
}

#[test]
fn others() {
    check(&[
        // A cache write is listed at zero: 300 × 0.28 + 600 × 0.028 + 100 × 0 + 100 × 0.42
        ("deepseek", "deepseek-chat", tokens(1000, 100).cache_read(600).cache_write(100, 0), "0.0001428"),
        // 1000 × 0.5 + 100 × 1.5
        ("mistral", "mistral-large-latest", tokens(1000, 100), "0.00065"),
        // 500 × 0.15 + 500 × 0.075 + 100 × 0.6
        ("groq", "openai/gpt-oss-120b", tokens(1000, 100).cache_read(500), "0.0001725"),
        // Azure's deployments are named by a base model. 1000 × 2.5 + 100 × 10; in Europe 1000 × 2.75 + 100 × 11
        ("azure", "gpt-4o", tokens(1000, 100), "0.0035"),
        ("azure", "azure/eu/gpt-4o-2024-08-06", tokens(1000, 100), "0.00385"),
        // 7 × 0.02, 3 × 0.143, 5 × 0.1
        ("openai", "text-embedding-3-small", tokens(7, 0), "0.00000014"),
        ("azure", "text-embedding-3-large", tokens(3, 0), "0.000000429"),
        ("mistral", "mistral-embed", tokens(5, 0), "0.0000005"),
        // A table by range: 32,000 × 1 + 10 × 5; 32,000 × 1.8 + 1 × 0.18 + 10 × 9; beyond it 1,200,000 × 6 + 1 × 60
        ("dashscope", "qwen3-coder-plus", tokens(32_000, 10), "0.03205"),
        ("dashscope", "qwen3-coder-plus", tokens(32_001, 10).cache_read(1), "0.05769018"),
        ("dashscope", "qwen3-coder-plus", tokens(1_200_000, 1), "7.20006"),
        // 100 × 2 + 60 × 8 + 40 × 3
        ("perplexity", "sonar-deep-research", tokens(100, 100).reasoning(40), "0.0008"),
        // 5000 for the request, 100 × 0, 10 × 0.28
        ("perplexity", "pplx-7b-online", tokens(100, 10), "0.0050028"),
        // Fireworks halves the price of cached input: 500 × 0.56 + 500 × 0.28
        (
            "fireworks_ai",
            "accounts/fireworks/models/deepseek-v3p1",
            tokens(1000, 0).cache_read(500),
            "0.00042",
        ),
        // 512,001 × 0.6 + 1 × 2.4
        ("minimax", "MiniMax-M3", tokens(512_001, 1), "0.307203"),
        ("ollama", "llama3", tokens(1000, 1000), "0"),
    ]);
}

#[test]
fn a_model_priced_in_other_units_has_no_known_cost() {
    let book = PriceBook::embedded();
    for (provider, model) in [
        ("openai", "whisper-1"),
        ("cohere", "rerank-v3.5"),
        ("gemini", "lyria-3-pro-preview"),
        ("bedrock", "twelvelabs.marengo-embed-2-7-v1:0"),
        ("bedrock", "twelvelabs.pegasus-1-2-v1:0"),
    ] {
        let rates = &book.find(provider, model).unwrap().rates;
        assert_eq!(cost(rates, &tokens(1, 1).0), None, "{model}");
        assert_eq!(estimate(rates, 1, 1), None, "{model}");
        assert_eq!(bound(rates, 1, 1), None, "{model}");
    }
}

#[test]
fn a_bound_takes_the_dearest_rate_within_reach() {
    let book = PriceBook::embedded();
    let rates = |provider, model| &book.find(provider, model).unwrap().rates;
    let nano = |dollars| NanoUsd::from_decimal(dollars).ok();
    // An hour's cache write: 1000 × 6 + 10 × 15
    assert_eq!(bound(rates("anthropic", "claude-sonnet-4-5"), 1000, 10), nano("0.00615"));
    // Priority: 1000 × 5 + 10 × 30; for a long prompt its output is still the dearest: 300,000 × 5 + 10 × 30
    assert_eq!(bound(rates("openai", "gpt-5.4"), 1000, 10), nano("0.0053"));
    assert_eq!(bound(rates("openai", "gpt-5.4"), 300_000, 10), nano("1.5003"));
    // 1000 × 2.5 + 10 × 15
    assert_eq!(estimate(rates("openai", "gpt-5.4"), 1000, 10), nano("0.00265"));
    // No tokens need no price; an embedding has no output.
    assert_eq!(bound(rates("mistral", "mistral-embed"), 5, 0), nano("0.0000005"));
    assert_eq!(bound(rates("mistral", "mistral-embed"), 5, 1), None);
}
