//! What a key may use, under fifty requests at once: exactly what is allowed gets through, and what was held comes
//! back however a request ends.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bulkhead_model::{KeyHash, UnixMillis};
use bulkhead_testkit::client::{Answer, End, Request};
use bulkhead_testkit::{GatewayYaml, MockProvider, body, eventually};
use serde_json::Value;

use crate::money::{OUTPUT, priced, spent};
use crate::support::{Gateway, PATIENCE, faulty, yaml};

const CROWD: usize = 50;

fn key(name: &str) -> String {
    format!("sk-limits-{name}-0123456789")
}

fn chat(key: &str, model: &str, stream: bool) -> Request {
    let body = body::chat(model, "How are you?");
    let body = if stream { body.stream() } else { body };
    Request::post("/v1/chat/completions").bearer(key).json(body)
}

async fn crowd(gateway: &Gateway, request: &Request) -> Vec<Answer> {
    gateway.at_once(vec![request.clone(); CROWD]).await
}

fn by_status(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        assert_eq!(answer.end, End::Complete, "{}", answer.text());
        *counts.entry(answer.status).or_default() += 1;
    }
    counts
}

fn error(answer: &Answer) -> Value {
    answer.json()["error"].clone()
}

fn number(answer: &Answer, name: &str) -> u64 {
    let value = answer.header(name).unwrap_or_else(|| panic!("no {name} in {:?}", answer.headers));
    value.parse().unwrap()
}

/// Nothing is held any more.
async fn at_rest(gateway: &Gateway) {
    for metric in ["bulkhead_in_flight", "bulkhead_holds", "bulkhead_reserved_nano_usd"] {
        gateway.until_metric(metric, &[], 0.0).await;
    }
}

/// LiteLLM's words for a rate limit.
fn assert_limited(answer: &Answer, key: &str, kind: &str, limit: u64) {
    assert_eq!(answer.status, 429, "{}", answer.text());
    let error = error(answer);
    assert_eq!((error["type"].as_str(), error["code"].as_str()), (Some("throttling_error"), Some("429")));
    assert!(error["param"].is_null(), "{error}");
    let message = error["message"].as_str().unwrap();
    let resets = answer.header("reset_at").unwrap();
    let begin = format!(
        "Rate limit exceeded for api_key: {}. Limit type: {kind}. Current limit: {limit}, Remaining: ",
        KeyHash::of(key)
    );
    let rest = message.strip_prefix(&begin).unwrap_or_else(|| panic!("{message}"));
    let (remaining, rest) = rest.split_once(". ").unwrap();
    assert!(remaining.parse::<u64>().unwrap() <= limit, "{message}");
    assert_eq!(rest, format!("Limit resets at: {resets}"));
    assert_eq!(answer.header("rate_limit_type"), Some(kind));
    assert!((1..=60).contains(&number(answer, "retry-after")), "{:?}", answer.headers);
    assert!(answer.header("x-litellm-call-id").is_some() && answer.header("x-litellm-key-spend").is_some());
    let (day, zone) = resets.split_at(19);
    assert!(UnixMillis::parse(day).is_some() && zone == " UTC", "{resets}");
}

#[tokio::test]
async fn three_requests_a_minute_are_three_of_fifty() {
    let mock = MockProvider::start();
    let keys = [key("rpm"), key("rpm-streaming")];
    let yaml = keys.iter().fold(yaml(&mock), |yaml, key| yaml.virtual_key(key).limit("rpm_limit", 3));
    let gateway = Gateway::with(yaml.text()).start().await;
    for (key, stream) in keys.iter().zip([false, true]) {
        mock.reset();
        let answers = crowd(&gateway, &chat(key, "gpt", stream)).await;
        assert_eq!(by_status(&answers), BTreeMap::from([(200, 3), (429, CROWD - 3)]));
        assert_eq!(mock.ledger().count(), 3);
        let (allowed, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| answer.status == 200);
        let mut left: Vec<_> =
            allowed.iter().map(|it| number(it, "x-ratelimit-api_key-remaining-requests")).collect();
        left.sort_unstable();
        assert_eq!(left, [0, 1, 2]);
        for answer in &allowed {
            assert_eq!(number(answer, "x-ratelimit-api_key-limit-requests"), 3);
            assert_eq!(number(answer, "x-litellm-key-rpm-limit"), 3);
            let legacy = number(answer, "x-litellm-key-remaining-requests-gpt");
            assert_eq!(legacy, number(answer, "x-ratelimit-api_key-remaining-requests"));
        }
        refused.iter().for_each(|answer| assert_limited(answer, key, "requests", 3));
    }
    at_rest(&gateway).await;
    let refused = gateway.metric("bulkhead_refused_total", &["kind=\"rate_limited\""]).await;
    assert!((refused - 94.0).abs() < f64::EPSILON, "{refused}");
}

#[tokio::test]
async fn an_anthropic_caller_is_refused_in_its_own_words() {
    let mock = MockProvider::start();
    let key = key("claude");
    let yaml = yaml(&mock).virtual_key(&key).limit("rpm_limit", 1);
    let gateway = Gateway::with(yaml.text()).start().await;
    let request = Request::post("/v1/messages").anthropic(&key).json(body::messages("claude", "Hi"));
    let answers = crowd(&gateway, &request).await;
    assert_eq!(by_status(&answers), BTreeMap::from([(200, 1), (429, CROWD - 1)]));
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(refused.json()["type"], "error");
    assert_eq!(error(refused)["type"], "rate_limit_error", "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
}

#[tokio::test]
async fn two_at_a_time_are_two_of_fifty_and_a_place_is_free_as_soon_as_one_ends() {
    let mock = MockProvider::start();
    let keys = [key("parallel"), key("parallel-streaming")];
    let yaml = faulty(yaml(&mock), &mock, "gpt-slow", "slow-ttft-1500");
    let yaml = keys.iter().fold(yaml, |yaml, key| yaml.virtual_key(key).limit("max_parallel_requests", 2));
    let gateway = Gateway::with(yaml.text()).start().await;
    for (key, stream) in keys.iter().zip([false, true]) {
        mock.reset();
        let answers = crowd(&gateway, &chat(key, "gpt-slow", stream)).await;
        assert_eq!(by_status(&answers), BTreeMap::from([(200, 2), (429, CROWD - 2)]));
        assert_eq!(mock.ledger().count(), 2);
        for answer in &answers {
            match answer.status {
                200 => {
                    assert_eq!(number(answer, "x-ratelimit-api_key-limit-max_parallel_requests"), 2);
                    assert!(number(answer, "x-ratelimit-api_key-remaining-max_parallel_requests") < 2);
                }
                _ => {
                    assert_limited(answer, key, "max_parallel_requests", 2);
                    assert_eq!(number(answer, "retry-after"), 1, "a place is free when a request ends");
                }
            }
        }
        at_rest(&gateway).await;
        let after = gateway.call(&chat(key, "gpt", stream)).await;
        assert_eq!(after.status, 200, "{}", after.text());
    }
}

#[tokio::test]
async fn places_come_back_after_an_answer_an_error_a_cut_and_a_client_that_left() {
    let mock = MockProvider::start();
    let key = key("places");
    let faults = ["status-500", "rst", "cut-after-3", "empty-200", "error-first-event", "error-after-3"];
    let mut yaml = faulty(yaml(&mock), &mock, "gpt-hang", "hang");
    yaml = faulty(yaml, &mock, "gpt-stall", "stall-after-3");
    for fault in faults {
        yaml = faulty(yaml, &mock, &format!("gpt-{fault}"), fault);
    }
    let yaml = yaml.virtual_key(&key).limit("max_parallel_requests", 1).limit("max_budget", 1000);
    let gateway = Gateway::with(yaml.text()).start().await;
    for stream in [false, true] {
        for model in faults.map(|fault| format!("gpt-{fault}")).iter().map(String::as_str).chain(["gpt"]) {
            let answer = gateway.call(&chat(&key, model, stream)).await;
            assert_ne!(answer.status, 429, "{model}: {}", answer.text());
            at_rest(&gateway).await;
        }
        for model in ["gpt-hang", "gpt-stall"] {
            let mut client = gateway.client().await;
            client.send(&chat(&key, model, stream).bytes()).await.unwrap();
            gateway.until_metric("bulkhead_holds", &[], 1.0).await;
            let busy = gateway.call(&chat(&key, "gpt", false)).await;
            assert_limited(&busy, &key, "max_parallel_requests", 1);
            client.reset().unwrap();
            at_rest(&gateway).await;
            let answer = gateway.call(&chat(&key, "gpt", stream)).await;
            assert_eq!(answer.status, 200, "after {model} was left: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn tokens_are_reserved_and_what_was_not_used_comes_back() {
    let mock = MockProvider::start();
    let keys = [key("tpm"), key("tpm-streaming")];
    // A group each: what one usually produces is learned.
    let groups = ["gpt-slow", "gpt-slow-streaming"];
    let yaml = groups.iter().fold(yaml(&mock), |yaml, group| faulty(yaml, &mock, group, "slow-ttft-1500"));
    let yaml = keys.iter().fold(yaml, |yaml, key| yaml.virtual_key(key).limit("tpm_limit", 2000));
    let gateway = Gateway::with(yaml.text()).start().await;
    for ((key, group), stream) in keys.iter().zip(groups).zip([false, true]) {
        mock.reset();
        // Input and, where the request does not say, a quarter of the limit: three fit, a fourth does not.
        let answers = crowd(&gateway, &chat(key, group, stream)).await;
        assert_eq!(by_status(&answers), BTreeMap::from([(200, 3), (429, CROWD - 3)]));
        assert_eq!(mock.ledger().count(), 3);
        for answer in &answers {
            match answer.status {
                200 => {
                    assert_eq!(number(answer, "x-ratelimit-api_key-limit-tokens"), 2000);
                    assert_eq!(number(answer, "x-litellm-key-tpm-limit"), 2000);
                    let left = number(answer, "x-ratelimit-api_key-remaining-tokens");
                    assert_eq!(number(answer, &format!("x-litellm-key-remaining-tokens-{group}")), left);
                    assert!(left < 1500, "{left}");
                }
                _ => assert_limited(answer, key, "tokens", 2000),
            }
        }
        at_rest(&gateway).await;
        // What three answers really used is less than one reservation: three more fit at once.
        let answers = gateway.at_once(vec![chat(key, group, stream); 3]).await;
        assert_eq!(by_status(&answers), BTreeMap::from([(200, 3)]));
        at_rest(&gateway).await;
        let last = gateway.call(&chat(key, group, stream)).await;
        let used: u64 = mock.ledger().records()[..6]
            .iter()
            .map(|record| record.reported.unwrap())
            .map(|it| it.input + it.output)
            .sum();
        let left = number(&last, "x-ratelimit-api_key-remaining-tokens");
        assert!(left <= 2000 - used, "{left} left of 2000 after {used} were used");
        assert!(left >= 2000 - used - 600, "{left} left of 2000 after {used} were used and one is reserved");
    }
}

#[tokio::test]
async fn a_declared_maximum_does_not_deny_what_an_untouched_limit_allows() {
    let mock = MockProvider::start();
    let keys = [key("tpm-small"), key("tpm-smaller"), key("tpm-prompt")];
    let yaml = keys.iter().fold(yaml(&mock), |yaml, key| yaml.virtual_key(key).limit("tpm_limit", 300));
    let gateway = Gateway::with(yaml.text()).start().await;
    for (key, max) in keys.iter().zip([4096, 100_000]) {
        let body = body::chat("gpt", "Hi").with("max_tokens", max).with("n", 2);
        let answer = gateway.call(&Request::post("/v1/chat/completions").bearer(key).json(body)).await;
        assert_eq!(answer.status, 200, "max_tokens {max}: {}", answer.text());
    }
    let long = body::chat("gpt", &"a prompt that is itself too long ".repeat(60));
    let answer = gateway.post("/v1/chat/completions", &keys[2], long).await;
    assert_limited(&answer, &keys[2], "tokens", 300);
}

#[tokio::test]
async fn a_budget_for_ten_requests_admits_ten_of_fifty() {
    let mock = MockProvider::start();
    for stream in [false, true] {
        mock.reset();
        let key = key("budget");
        let request = chat(&key, "gpt-priced", stream);
        let base = priced(yaml(&mock), &mock, "gpt-priced", "ok+slow-ttft-50");
        // What one costs is found out with a gateway of its own.
        let probe =
            Gateway::with(base.clone().virtual_key(&key).limit("max_budget", 100).text()).start().await;
        assert_eq!(probe.call(&request).await.status, 200);
        let one = spent(&mock).await;
        drop(probe);
        mock.reset();
        let budget = 10 * one;
        let yaml = base
            .virtual_key(&key)
            .limit("key_alias", "spender")
            .limit("max_budget", f64::from(u32::try_from(budget).unwrap()) / 1e6);
        let gateway = Gateway::with(yaml.text()).start().await;
        let answers = crowd(&gateway, &request).await;
        let counts = by_status(&answers);
        assert_eq!(counts.get(&200), Some(&10), "{counts:?}");
        assert_eq!(mock.ledger().count(), 10);
        assert_eq!(spent(&mock).await, budget);
        at_rest(&gateway).await;
        let refused = gateway.call(&request).await;
        assert_eq!(refused.status, 422);
        let error = error(&refused);
        assert_eq!((error["type"].as_str(), error["code"].as_str()), (Some("budget_exceeded"), Some("422")));
        assert!(error["param"].is_null());
        let dollars = bulkhead_model::NanoUsd(i64::try_from(budget).unwrap() * 1000);
        let hash = &KeyHash::of(&key).to_string()[..8];
        let message = format!(
            "Budget has been exceeded! Key=spender (sha256:{hash}) Current cost: {dollars}, Max budget: {dollars}"
        );
        assert_eq!(error["message"], message);
        assert_eq!(refused.header("x-litellm-key-spend"), Some(dollars.to_string().as_str()));
        for answer in answers.iter().filter(|answer| !matches!(answer.status, 200 | 422)) {
            // Had to wait for others' reservations for too long, which the budget's end makes rare.
            assert_eq!(self::error(answer)["type"], "budget_contended", "{}", answer.text());
        }
        let usage = gateway.usage_of(10).await;
        let recorded: f64 =
            usage.iter().map(|event| event["cost"].as_str().unwrap().parse::<f64>().unwrap()).sum();
        assert!((recorded * 1e6 - f64::from(u32::try_from(budget).unwrap())).abs() < 1e-6, "{recorded}");
    }
}

#[tokio::test]
async fn the_status_of_a_spent_budget_is_configurable_and_its_headers_tell_the_sums() {
    let mock = MockProvider::start();
    let key = key("status");
    let yaml = priced(yaml(&mock), &mock, "gpt-priced", "ok")
        .litellm("budget_exceeded_status_code", 429)
        .virtual_key(&key)
        .limit("max_budget", 0.000_001);
    let gateway = Gateway::with(yaml.text()).start().await;
    let first = gateway.call(&chat(&key, "gpt-priced", false)).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("x-litellm-key-max-budget"), Some("0.000001"));
    let cost = first.header("x-litellm-response-cost").unwrap();
    assert_eq!(cost.parse::<f64>().unwrap().to_string(), (spent(&mock).await as f64 / 1e6).to_string());
    assert_eq!(gateway.call(&chat(&key, "gpt-priced", false)).await.status, 429);
}

#[tokio::test]
async fn a_budget_is_there_again_in_its_next_window() {
    let mock = MockProvider::start();
    let key = key("window");
    let yaml = priced(yaml(&mock), &mock, "gpt-priced", "ok")
        .virtual_key(&key)
        .limit("max_budget", 0.000_001)
        .limit("budget_duration", "3s");
    let gateway = Gateway::with(yaml.text()).start().await;
    let window = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 3;
    let mut admitted = Vec::new();
    let started = SystemTime::now();
    while admitted.len() < 3 {
        let before = window();
        let answer = gateway.call(&chat(&key, "gpt-priced", false)).await;
        match answer.status {
            200 => admitted.push((before, window())),
            422 => {}
            _ => panic!("{}", answer.text()),
        }
        assert!(started.elapsed().unwrap() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // One request is all that a window pays for, so each was admitted in a window of its own.
    for pair in admitted.windows(2) {
        assert!(pair[0].0 < pair[1].1, "{admitted:?}");
    }
    assert_eq!(mock.ledger().count(), 3);
}

#[tokio::test]
async fn a_long_stream_reserves_more_as_it_grows() {
    let mock = MockProvider::start();
    let key = key("long");
    let yaml = priced(yaml(&mock), &mock, "gpt-long", "chunks-5000+stall-after-4000")
        .virtual_key(&key)
        .limit("max_budget", 1000)
        .limit("tpm_limit", 1_000_000);
    let gateway = Gateway::with(yaml.text()).start().await;
    let mut client = gateway.client().await;
    client.send(&chat(&key, "gpt-long", true).bytes()).await.unwrap();
    let answer = client.read_until(|so_far| so_far.events().len() >= 4000).await;
    let text: usize = answer
        .events()
        .iter()
        .filter_map(|event| event.json()["choices"][0]["delta"]["content"].as_str().map(str::len))
        .sum();
    let produced = text / 4;
    assert!(produced > 6000, "{produced}");
    let reserved = gateway.metric("bulkhead_reserved_nano_usd", &[]).await;
    let cost = f64::from(u32::try_from(produced).unwrap()) * OUTPUT * 1e9;
    assert!(reserved >= cost, "{reserved} is reserved, {cost} was produced");
    assert!(reserved <= 2.5 * cost, "{reserved} is reserved, {cost} was produced");
    client.reset().unwrap();
    at_rest(&gateway).await;
    let [event] = &gateway.usage_of(1).await[..] else { panic!() };
    assert_eq!(event["usage"], "estimated");
    assert!(event["output_tokens"].as_u64().unwrap() >= u64::try_from(produced).unwrap(), "{event}");
}

#[tokio::test]
async fn a_key_expires_while_it_is_in_use() {
    let mock = MockProvider::start();
    let (gone, going) = (key("expired"), key("expiring"));
    let soon = SystemTime::now() + Duration::from_secs(3);
    let soon = i64::try_from(soon.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let yaml = yaml(&mock)
        .virtual_key(&gone)
        .limit("expires", "2026-01-01T00:00:00Z")
        .virtual_key(&going)
        .limit("expires", UnixMillis(soon).rfc3339());
    let gateway = Gateway::with(yaml.text()).start().await;
    assert_eq!(gateway.call(&chat(&going, "gpt", false)).await.status, 200);
    let served = mock.ledger().count();
    let answers = crowd(&gateway, &chat(&gone, "gpt", false)).await;
    assert_eq!(by_status(&answers), BTreeMap::from([(401, CROWD)]));
    assert_eq!(mock.ledger().count(), served);
    let error = error(&answers[0]);
    assert_eq!(error["type"], "expired_key");
    let message = error["message"].as_str().unwrap();
    let begin =
        "Authentication Error - Expired Key. Key Expiry time 2026-01-01T00:00:00.000Z and current time 20";
    assert!(message.starts_with(begin), "{message}");
    assert!(answers[0].header("x-litellm-call-id").is_none(), "nothing is told before the key is accepted");
    let started = SystemTime::now();
    loop {
        let answer = gateway.call(&chat(&going, "gpt", true)).await;
        if answer.status == 401 {
            break;
        }
        assert_eq!(answer.status, 200);
        assert!(started.elapsed().unwrap() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    assert!(i64::try_from(now).unwrap() >= soon);
}

#[tokio::test]
async fn a_key_reaches_its_models_and_no_others() {
    let mock = MockProvider::start();
    let group = |yaml: GatewayYaml, name: &str| {
        yaml.deployment(name)
            .provider("openai")
            .model("ok")
            .base(mock.base_url())
            .key("sk-upstream-0123456789")
    };
    let mut base = yaml(&mock);
    for name in ["gpt-4o", "gpt-4o-mini", "o3", "llama"] {
        base = group(base, name);
    }
    let base = group(base, "secret-model").info("access_groups", vec!["beta"]);
    let base = group(base, "other/*").model("*");
    let all = ["gpt-4o", "gpt-4o-mini", "o3", "llama", "secret-model", "other/thing"];
    let cases: [(&str, &[&str], &[&str]); 7] = [
        ("exact", &["gpt-4o"], &["gpt-4o"]),
        ("star", &["*"], &all),
        ("wildcard", &["gpt-*"], &["gpt-4o", "gpt-4o-mini"]),
        ("wildcard-group", &["other/*"], &["other/thing"]),
        ("access-group", &["beta"], &["secret-model"]),
        ("none", &["no-default-models"], &[]),
        ("everything", &[], &all),
    ];
    let yaml = cases.iter().fold(base, |yaml, (name, models, _)| {
        let models: Vec<_> = models.iter().map(|model| Value::from(*model)).collect();
        yaml.virtual_key(&key(name)).limit("models", models)
    });
    let gateway = Gateway::with(yaml.text()).start().await;
    for (name, _, allowed) in cases {
        mock.reset();
        let requests: Vec<_> =
            (0..CROWD).map(|index| chat(&key(name), all[index % all.len()], index % 2 == 0)).collect();
        let answers = gateway.at_once(requests).await;
        let mut expected = 0;
        for (index, answer) in answers.iter().enumerate() {
            let model = all[index % all.len()];
            if allowed.contains(&model) {
                expected += 1;
                assert_eq!(answer.status, 200, "{name} {model}: {}", answer.text());
                continue;
            }
            assert_eq!(answer.status, 403, "{name} {model}: {}", answer.text());
            let error = error(answer);
            assert_eq!(
                (&error["type"], &error["param"], &error["code"]),
                (&"key_model_access_denied".into(), &"model".into(), &"403".into())
            );
            let message = format!(
                "The requested model '{model}' is not available for this API key, or the model name is invalid. \
                 Check the models available to you and try again."
            );
            assert_eq!(error["message"], message);
        }
        assert_eq!(mock.ledger().count(), expected, "{name}");
        let listed = gateway.get("/v1/models", &key(name)).await.json();
        let listed: Vec<_> =
            listed["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
        for model in all.iter().filter(|model| !model.contains('/')) {
            assert_eq!(listed.contains(&Value::from(*model)), allowed.contains(model), "{name} {model}");
        }
    }
}

#[tokio::test]
async fn a_key_calls_its_routes_and_no_others_and_a_blocked_one_calls_none() {
    let mock = MockProvider::start();
    let (openai, path, management, blocked) = (key("openai"), key("path"), key("management"), key("blocked"));
    let yaml = yaml(&mock)
        .virtual_key(&openai)
        .limit("allowed_routes", vec!["openai_routes"])
        .virtual_key(&path)
        .limit("allowed_routes", vec!["/v1/messages"])
        .virtual_key(&management)
        .limit("key_type", "management")
        .virtual_key(&blocked)
        .limit("blocked", true);
    let gateway = Gateway::with(yaml.text()).start().await;
    let messages = |key: &str| {
        Request::post("/v1/messages").bearer(key).json(body::messages("claude", "Hi").with("max_tokens", 9))
    };
    for (key, chat_status, messages_status) in
        [(&openai, 200, 403), (&path, 403, 200), (&management, 403, 403), (&blocked, 401, 401)]
    {
        mock.reset();
        let requests = (0..CROWD)
            .map(|index| if index % 2 == 0 { chat(key, "gpt", false) } else { messages(key) })
            .collect();
        let answers = gateway.at_once(requests).await;
        for (index, answer) in answers.iter().enumerate() {
            let expected = if index % 2 == 0 { chat_status } else { messages_status };
            assert_eq!(answer.status, expected, "{key} {index}: {}", answer.text());
        }
        let served = [chat_status, messages_status].iter().filter(|status| **status == 200).count();
        assert_eq!(mock.ledger().count(), u64::try_from(served * CROWD / 2).unwrap());
    }
    let denied = gateway.call(&chat(&path, "gpt", false)).await;
    let message = "Virtual key is not allowed to call this route. Only allowed to call routes: ['/v1/messages']. \
                   Tried to call route: /v1/chat/completions";
    assert_eq!(error(&denied)["message"], message);
    let refused = gateway.call(&chat(&blocked, "gpt", false)).await;
    let error = error(&refused);
    assert_eq!((error["type"].as_str(), error["param"].as_str()), (Some("auth_error"), Some("None")));
    let message = "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.";
    assert_eq!(error["message"], message);
}

#[tokio::test]
async fn workers_count_together_whichever_of_them_serves() {
    let mock = MockProvider::start();
    let key = key("workers");
    let yaml = yaml(&mock).virtual_key(&key).limit("rpm_limit", 100);
    let gateway = Gateway::with(yaml.text()).start().await;
    let threads = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", gateway.pid())).unwrap();
        let names =
            tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
        names.filter(|name| name.starts_with("worker-")).count()
    };
    // A thread gives itself its name once it runs, which is soon after it is made.
    let workers = std::thread::available_parallelism().unwrap().get();
    assert!(eventually(PATIENCE, || threads() == workers).await, "{}", threads());
    // Connections go to the worker with the fewest, so fifty of them are spread over all.
    let mut clients = Vec::new();
    for _ in 0..CROWD {
        clients.push(gateway.client().await);
    }
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let request = chat(&key, "gpt", false);
            tokio::spawn(async move {
                let mut served = 0;
                for _ in 0..4 {
                    let answer = client.exchange(&request).await;
                    assert!(matches!(answer.status, 200 | 429), "{}", answer.text());
                    served += u64::from(answer.status == 200);
                }
                served
            })
        })
        .collect();
    let mut served = 0;
    for task in tasks {
        served += task.await.unwrap();
    }
    assert_eq!(served, 100);
    assert_eq!(mock.ledger().count(), 100);
    assert!(eventually(PATIENCE, || mock.stats().in_flight == 0).await);
}
