//! Money and tokens: what the provider counted is what is written down, and what it costs is exact.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_model::usage::ServiceTier;
use bulkhead_model::{NanoUsd, Usage};
use bulkhead_testkit::client::{Answer, Request};
use bulkhead_testkit::provider::Record;
use bulkhead_testkit::{GatewayYaml, MockProvider, body, canary, eventually};
use serde_json::{Value, json};

use crate::support::{Gateway, MASTER, PATIENCE};

const KEYS: [&str; 2] = ["sk-costs-one-0123456789", "sk-costs-two-0123456789"];

/// A model's list price in pico-dollars per token: input, read from the cache, written to it for five minutes and for
/// an hour, output. From the providers' price lists.
const PRICES: [(&str, &str, [u64; 5]); 8] = [
    ("gpt-4o", "standard", [2_500_000, 1_250_000, 0, 0, 10_000_000]),
    ("gpt-4o-mini", "standard", [150_000, 75_000, 0, 0, 600_000]),
    ("o3", "standard", [2_000_000, 500_000, 0, 0, 8_000_000]),
    ("o3", "flex", [1_000_000, 250_000, 0, 0, 4_000_000]),
    ("gpt-3.5-turbo-instruct", "standard", [1_500_000, 0, 0, 0, 2_000_000]),
    ("text-embedding-3-small", "standard", [20_000, 0, 0, 0, 0]),
    ("claude-sonnet-4-5", "standard", [3_000_000, 300_000, 3_750_000, 6_000_000, 15_000_000]),
    ("claude-haiku-4-5", "standard", [1_000_000, 100_000, 1_250_000, 2_000_000, 5_000_000]),
];

/// The cost of what a provider counted, in nano-dollars: whole at these prices.
fn cost(model: &str, usage: &Usage) -> i64 {
    let tier = usage.tier.label();
    let (.., price) = PRICES.iter().find(|(name, of, _)| (*name, *of) == (model, tier)).unwrap();
    let cached = usage.cache_read + usage.cache_write + usage.cache_write_1h;
    let counts =
        [usage.input - cached, usage.cache_read, usage.cache_write, usage.cache_write_1h, usage.output];
    let pico: u64 = counts.iter().zip(price).map(|(count, price)| count * price).sum();
    assert_eq!(pico % 1000, 0);
    i64::try_from(pico / 1000).unwrap()
}

fn nano(record: &Value) -> i64 {
    NanoUsd::from_decimal(record["cost"].as_str().unwrap_or_else(|| panic!("{record}"))).unwrap().0
}

/// Every model of the price list, by its own name.
fn listed(mock: &MockProvider) -> GatewayYaml {
    let yaml = GatewayYaml::new().master_key(MASTER);
    let models: BTreeSet<_> = PRICES.iter().map(|(model, ..)| *model).collect();
    models.into_iter().fold(yaml, |yaml, model| {
        let yaml = yaml.deployment(model);
        if model.starts_with("claude") {
            return yaml.provider("anthropic").base(mock.origin()).key(canary::ANTHROPIC_KEY);
        }
        yaml.provider("openai").base(mock.base_url()).key(canary::OPENAI_KEY)
    })
}

/// The `n`-th request of the mix, for a key.
fn request(n: usize, key: &str) -> Request {
    let words = "word ".repeat(n % 23);
    let prompt = if n.is_multiple_of(3) { format!("cached {words}") } else { format!("fresh {words}") };
    let part = |text: &str, control: Value| json!([{"role": "user", "content": [{"type": "text", "text": text, "cache_control": control}]}]);
    let chat = |model: &str| body::chat(model, &prompt);
    let messages = |model: &str| body::messages(model, &prompt);
    let (path, body) = match n % 16 {
        0 => ("/v1/chat/completions", chat("gpt-4o")),
        1 => ("/v1/chat/completions", chat("gpt-4o").with("n", 3).with("max_tokens", 7)),
        2 => {
            ("/v1/chat/completions", chat("gpt-4o-mini").chat_tool("weather").with("tool_choice", "required"))
        }
        3 => ("/v1/chat/completions", chat("o3").with("reasoning_effort", "high")),
        4 => ("/v1/chat/completions", chat("o3").with("service_tier", "flex")),
        5 => (
            "/v1/chat/completions",
            chat("gpt-4o-mini").with("response_format", json!({"type": "json_object"})),
        ),
        6 => (
            "/v1/completions",
            body::completions("gpt-3.5-turbo-instruct", &prompt.replace("cached", "")).with("n", 2),
        ),
        7 => ("/v1/embeddings", body::embeddings("text-embedding-3-small", &prompt.replace("cached", ""))),
        8 => ("/v1/responses", body::responses("gpt-4o", &prompt)),
        9 => ("/v1/responses", body::responses("o3", &prompt).with("reasoning", json!({"effort": "low"}))),
        10 => (
            "/v1/responses",
            body::responses("gpt-4o-mini", &prompt).responses_tool("weather").with("tool_choice", "required"),
        ),
        11 => ("/v1/messages", messages("claude-sonnet-4-5")),
        12 => (
            "/v1/messages",
            messages("claude-haiku-4-5").with("messages", part(&words, json!({"type": "ephemeral"}))),
        ),
        13 => (
            "/v1/messages",
            messages("claude-sonnet-4-5")
                .with("messages", part(&words, json!({"type": "ephemeral", "ttl": "1h"}))),
        ),
        14 => (
            "/v1/messages",
            messages("claude-haiku-4-5").with("thinking", json!({"type": "enabled", "budget_tokens": 1024})),
        ),
        _ => ("/v1/messages/count_tokens", body::chat("claude-sonnet-4-5", &prompt)),
    };
    let streams = !matches!(n % 16, 7 | 15);
    let body = match (streams, n / 16 % 3, n % 16) {
        (true, 0, _) | (false, ..) => body,
        (true, 2, 0..=6) => body.stream_with_usage(),
        (true, ..) => body.stream(),
    };
    Request::post(path).bearer(key).json(body)
}

/// What both sides wrote down of one request.
type Line = (&'static str, String, bool, [u64; 6], &'static str);

fn provider_line(record: &Record) -> Line {
    let usage = record.reported.unwrap();
    let counts = [
        usage.input,
        usage.output,
        usage.cache_read,
        usage.cache_write,
        usage.cache_write_1h,
        usage.reasoning,
    ];
    (record.endpoint, record.model.clone(), record.stream, counts, usage.tier.label())
}

fn gateway_line(record: &Value) -> Line {
    let endpoint = match record["call_type"].as_str().unwrap() {
        "acompletion" => "/v1/chat/completions",
        "atext_completion" => "/v1/completions",
        "aembedding" => "/v1/embeddings",
        "aresponses" => "/v1/responses",
        "anthropic_messages" => "/v1/messages",
        other => panic!("{other}"),
    };
    let counts = ["input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning"]
        .map(|name| record[format!("{name}_tokens")].as_u64().unwrap());
    let tier = if record["service_tier"] == "flex" { "flex" } else { "standard" };
    let model = record["provider_model"].as_str().unwrap().to_owned();
    (endpoint, model, record["stream"].as_bool().unwrap(), counts, tier)
}

#[tokio::test]
async fn the_books_of_both_sides_agree_to_the_token_and_to_the_nano_dollar() {
    const ROUNDS: usize = 4;
    const AT_ONCE: usize = 96;
    let mock = MockProvider::start();
    let yaml = KEYS.iter().fold(listed(&mock), |yaml, key| {
        yaml.virtual_key(key).limit("max_budget", 100).limit("key_alias", &key[3..12])
    });
    let gateway = Gateway::with(yaml.text()).start().await;
    for round in 0..ROUNDS {
        // Sixteen kinds of request and two keys: each kind is sent with both.
        let requests = (0..AT_ONCE).map(|n| request(n + round * AT_ONCE, KEYS[(n + n / 16) % 2]));
        for answer in gateway.at_once(requests.collect()).await {
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
    let usage = gateway.usage_of(ROUNDS * AT_ONCE).await;
    assert!(eventually(PATIENCE, || mock.ledger().is_settled()).await);
    assert!(usage.iter().all(|record| record["usage"] == "reported" && record["status"] == "success"));
    let (counted, used): (Vec<_>, Vec<_>) =
        usage.into_iter().partition(|record| record["call_type"] == "acount_tokens");
    assert_eq!(counted.len(), ROUNDS * AT_ONCE / 16);
    assert!(counted.iter().all(|record| record["cost"] == "0.0" && record["input_tokens"] == 0));

    let theirs: Vec<_> =
        mock.ledger().records().into_iter().filter(|it| !it.endpoint.ends_with("count_tokens")).collect();
    let mut told: Vec<_> = theirs.iter().map(provider_line).collect();
    let mut ours: Vec<_> = used.iter().map(gateway_line).collect();
    told.sort();
    ours.sort();
    assert_eq!(ours, told);
    // The mix has everything in it.
    for place in 0..6 {
        assert!(ours.iter().any(|(_, _, streams, counts, _)| *streams && counts[place] > 0), "{place}");
        assert!(ours.iter().any(|(_, _, streams, counts, _)| !*streams && counts[place] > 0), "{place}");
    }

    let expected: i64 = theirs.iter().map(|record| cost(&record.model, &record.reported.unwrap())).sum();
    assert_eq!(used.iter().map(nano).sum::<i64>(), expected);
    for record in &used {
        let (_, model, _, [input, output, cache_read, cache_write, cache_write_1h, reasoning], tier) =
            gateway_line(record);
        let tier = ServiceTier::from_answer(tier);
        let usage = Usage {
            input,
            output,
            cache_read,
            cache_write,
            cache_write_1h,
            reasoning,
            tier,
            ..Usage::default()
        };
        assert_eq!(nano(record), cost(&model, &usage), "{record}");
    }
    let spend = gateway.metric("bulkhead_spend_usd_total", &[]).await;
    assert!((spend * 1e9 - expected as f64).abs() < 1.0, "{spend}");
    for key in KEYS {
        let answer = gateway.call(&request(15, key)).await;
        let theirs: i64 = used.iter().filter(|record| record["key_alias"] == key[3..12]).map(nano).sum();
        assert!(theirs > 0);
        assert_eq!(answer.header("x-litellm-key-spend"), Some(NanoUsd(theirs).to_string().as_str()));
    }
}

/// A deployment at a provider that reports 1000 tokens of input, 750 of them from the cache where the prompt says so,
/// and 50 of output; `None` as cost is not known.
struct Priced {
    name: &'static str,
    params: &'static [(&'static str, &'static str)],
    info: &'static [(&'static str, &'static str)],
    cost: Option<&'static str>,
    cached: Option<&'static str>,
}

const PRICED: [Priced; 12] = [
    Priced {
        name: "by the list",
        params: &[],
        info: &[("base_model", "\"gpt-4o\"")],
        cost: Some("0.003"),
        cached: Some("0.0020625"),
    },
    Priced {
        name: "by the list, with the provider's name",
        params: &[],
        info: &[("base_model", "\"openai/gpt-4o\"")],
        cost: Some("0.003"),
        cached: Some("0.0020625"),
    },
    Priced {
        name: "another input",
        params: &[("input_cost_per_token", "1e-6")],
        info: &[("base_model", "\"gpt-4o\"")],
        cost: Some("0.0015"),
        cached: Some("0.0016875"),
    },
    Priced {
        name: "another cache",
        params: &[("cache_read_input_token_cost", "0.000001")],
        info: &[("base_model", "\"gpt-4o\"")],
        cost: Some("0.003"),
        cached: Some("0.001875"),
    },
    Priced {
        name: "of its own",
        params: &[("input_cost_per_token", "0.000001"), ("output_cost_per_token", "2e-06")],
        info: &[],
        cost: Some("0.0011"),
        cached: Some("0.0011"),
    },
    Priced {
        name: "of its own, in model_info",
        params: &[],
        info: &[("input_cost_per_token", "0.000001"), ("output_cost_per_token", "2e-06")],
        cost: Some("0.0011"),
        cached: Some("0.0011"),
    },
    Priced {
        name: "small",
        params: &[("input_cost_per_token", "1e-12"), ("output_cost_per_token", "0")],
        info: &[],
        cost: Some("0.000000001"),
        cached: Some("0.000000001"),
    },
    Priced {
        name: "large",
        params: &[("input_cost_per_token", "0.5"), ("output_cost_per_token", "1")],
        info: &[],
        cost: Some("550.0"),
        cached: Some("550.0"),
    },
    Priced {
        name: "free",
        params: &[("input_cost_per_token", "0"), ("output_cost_per_token", "0.0")],
        info: &[],
        cost: Some("0.0"),
        cached: Some("0.0"),
    },
    Priced { name: "unknown", params: &[], info: &[], cost: None, cached: None },
    Priced {
        name: "unknown to the list",
        params: &[],
        info: &[("base_model", "\"gpt-of-tomorrow\"")],
        cost: None,
        cached: None,
    },
    Priced {
        name: "one of two, and so the other is free",
        params: &[("input_cost_per_token", "0.000001")],
        info: &[],
        cost: Some("0.001"),
        cached: Some("0.001"),
    },
];

fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn at_a_price(yaml: GatewayYaml, mock: &MockProvider, priced: &Priced) -> GatewayYaml {
    let yaml = yaml.deployment(priced.name).provider("openai").model("ok-1000x50");
    let yaml = yaml.base(mock.base_url()).key(canary::OPENAI_KEY);
    let yaml = priced.params.iter().fold(yaml, |yaml, (name, value)| yaml.param(name, number(value)));
    priced.info.iter().fold(yaml, |yaml, (name, value)| yaml.info(name, number(value)))
}

fn chat(key: &str, model: &str, prompt: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(key).json(body::chat(model, prompt))
}

fn told(answer: &Answer) -> Option<&str> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-litellm-response-cost")
}

#[tokio::test]
async fn a_deployments_prices_go_over_the_list_and_what_is_not_known_is_not_zero() {
    let mock = MockProvider::start();
    let key = KEYS[0];
    let yaml =
        PRICED.iter().fold(GatewayYaml::new().master_key(MASTER), |yaml, it| at_a_price(yaml, &mock, it));
    let gateway = Gateway::with(yaml.virtual_key(key).limit("max_budget", 10_000).text()).start().await;
    let (mut costs, mut sum) = (Vec::new(), 0);
    for priced in &PRICED {
        for (prompt, cost) in [("fresh", priced.cost), ("cached", priced.cached)] {
            let answer = gateway.call(&chat(key, priced.name, prompt)).await;
            assert_eq!(told(&answer), cost, "{}, {prompt}", priced.name);
            let streamed = body::chat(priced.name, prompt).stream();
            let answer = gateway.post("/v1/chat/completions", key, streamed).await;
            assert_eq!(told(&answer), None, "it is not known when the head leaves");
            costs.extend([cost, cost]);
            sum += 2 * cost.map_or(0, |cost| NanoUsd::from_decimal(cost).unwrap().0);
        }
    }
    let usage = gateway.usage_of(costs.len()).await;
    for (record, cost) in usage.iter().zip(&costs) {
        assert_eq!(record["cost"].as_str(), *cost, "{record}");
        assert_eq!(record["usage"], "reported", "{record}");
        assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(1000), &json!(50)));
    }
    let unknown = costs.iter().filter(|cost| cost.is_none()).count();
    gateway.until_metric("bulkhead_unpriced_total", &[], unknown as f64).await;
    let answer = gateway.call(&chat(key, "free", "Hi")).await;
    assert_eq!(answer.header("x-litellm-key-spend"), Some(NanoUsd(sum).to_string().as_str()));
}

#[tokio::test]
async fn what_is_not_known_has_no_bound_either_and_takes_nothing_from_a_budget() {
    let mock = MockProvider::start();
    let key = KEYS[0];
    let yaml = GatewayYaml::new().master_key(MASTER).deployment("mute").provider("openai").model("no-usage");
    let yaml = yaml.base(mock.base_url()).key(canary::OPENAI_KEY);
    let gateway = Gateway::with(yaml.virtual_key(key).limit("max_budget", 1).text()).start().await;
    for _ in 0..2 {
        let answer = gateway.call(&chat(key, "mute", "Hi")).await;
        assert_eq!((told(&answer), answer.header("x-litellm-key-spend")), (None, Some("0.0")));
    }
    for record in gateway.usage_of(2).await {
        assert_eq!((&record["usage"], &record["cost"]), (&json!("estimated"), &Value::Null), "{record}");
        assert!(record.get("bound").is_none(), "{record}");
    }
}

#[tokio::test]
async fn a_provider_that_reports_nothing_and_one_that_reports_zero_are_two_things() {
    let mock = MockProvider::start();
    let group = |yaml: GatewayYaml, name: &str, claude: bool| {
        let yaml = yaml.deployment(name).model(name.trim_start_matches("claude-"));
        match claude {
            true => yaml.provider("anthropic").base(mock.origin()).info("base_model", "claude-sonnet-4-5"),
            false => yaml.provider("openai").base(mock.base_url()).info("base_model", "gpt-4o"),
        }
        .key(canary::OPENAI_KEY)
    };
    let mut yaml = GatewayYaml::new().master_key(MASTER);
    for fault in ["no-usage", "zero-usage", "old-usage"] {
        yaml = group(group(yaml, fault, false), &format!("claude-{fault}"), true);
    }
    let gateway = Gateway::with(yaml.text()).start().await;
    let mut expected = Vec::new();
    for (fault, usage) in [("no-usage", "estimated"), ("zero-usage", "reported"), ("old-usage", "reported")] {
        let claude = format!("claude-{fault}");
        let prompt = "How are you?";
        for (path, body) in [
            ("/v1/chat/completions", body::chat(fault, prompt)),
            ("/v1/completions", body::completions(fault, prompt)),
            ("/v1/responses", body::responses(fault, prompt)),
            ("/v1/messages", body::messages(&claude, prompt)),
        ] {
            let whole = gateway.post(path, MASTER, body.clone()).await;
            match fault {
                "no-usage" => assert_eq!(told(&whole), None, "{path}: an estimate is not told as a fact"),
                "zero-usage" => assert_eq!(told(&whole), Some("0.0"), "{path}"),
                _ => assert!(told(&whole).is_some(), "{path}"),
            }
            assert_eq!(gateway.post(path, MASTER, body.stream()).await.status, 200);
            expected.extend([(fault, usage); 2]);
        }
    }
    let records = gateway.usage_of(expected.len()).await;
    for (record, (fault, usage)) in records.iter().zip(&expected) {
        assert_eq!((&record["usage"], &record["status"]), (&json!(usage), &json!("success")), "{record}");
        let tokens = ["input_tokens", "output_tokens"].map(|name| record[name].as_u64().unwrap());
        assert_eq!(tokens.contains(&0), *fault == "zero-usage", "{record}");
        assert_eq!(nano(record) == 0, *fault == "zero-usage", "{record}");
        assert_eq!(record["bound"].is_string(), *fault == "no-usage", "{record}");
    }
    let theirs = mock.ledger().records();
    for (record, (theirs, _)) in
        records.iter().zip(theirs.iter().zip(&expected)).filter(|(it, _)| it["usage"] == "reported")
    {
        assert_eq!(record["output_tokens"], theirs.reported.unwrap().output, "{record}");
    }
}

#[tokio::test]
async fn a_wildcards_price_is_that_of_the_model_which_is_asked_for() {
    let mock = MockProvider::start();
    let yaml = GatewayYaml::new().master_key(MASTER).deployment("any/*").provider("openai").model("*");
    let gateway = Gateway::with(yaml.base(mock.base_url()).key(canary::OPENAI_KEY).text()).start().await;
    let mut costs = BTreeMap::new();
    for model in ["gpt-4o", "gpt-4o-mini", "gpt-of-tomorrow"] {
        let answer = gateway.call(&chat(MASTER, &format!("any/{model}"), "Hi")).await;
        costs.insert(model, told(&answer).map(|cost| NanoUsd::from_decimal(cost).unwrap().0));
    }
    for record in mock.ledger().records() {
        let expected = PRICES.iter().any(|(name, ..)| *name == record.model);
        let expected = expected.then(|| cost(&record.model, &record.reported.unwrap()));
        assert_eq!(costs[record.model.as_str()], expected, "{}", record.model);
    }
}
