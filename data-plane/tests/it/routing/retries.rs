//! The same group, once more.

use std::time::SystemTime;

use super::*;

const TWO: [Place; 2] = [("gpt", "one"), ("gpt", "two")];

#[tokio::test]
async fn another_deployment_of_the_group_is_asked_at_once() {
    for (what, fails) in [
        ("503", failing()),
        ("500", refuses("500 No", &[])),
        ("429", refuses("429 No", &[("retry-after", "30")])),
        ("408", refuses("408 No", &[])),
        ("409", refuses("409 No", &[])),
        ("401: others may have better credentials", refuses("401 No", &[])),
        ("reset", vec![Step::Reset]),
        ("closed", vec![Step::Close]),
        ("an error that says 200", says("200 OK", "server_error", "busy")),
        ("no JSON", vec![Step::Send(answer("200 OK", &[("content-type", "application/json")], "{\"x"))]),
    ] {
        let farm = Farm::start(&TWO, |yaml| yaml).await;
        // Whichever is asked first: one of two fails, so some request meets it.
        farm.play("one", [fails]);
        let began = SystemTime::now();
        for _ in 0..20 {
            let answer = farm.plain("gpt").await;
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
            assert_eq!(header(&answer, "x-litellm-model-id"), "two", "{what}");
        }
        assert!(farm.came().contains(&"one".to_owned()), "{what}");
        assert!(began.elapsed().unwrap().as_secs() < 5, "{what}: nobody waits");
    }
}

#[tokio::test]
async fn the_answer_and_the_records_tell_of_it() {
    let farm = Farm::start(&TWO, |yaml| yaml).await;
    for model in TWO.map(|(_, model)| model) {
        farm.play(model, [failing(), good_text()]);
    }
    let answer = farm.plain("gpt").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let retries: usize = header(&answer, "x-litellm-attempted-retries").parse().unwrap();
    assert_eq!(header(&answer, "x-litellm-max-retries"), "2");
    assert_eq!(header(&answer, "x-litellm-attempted-fallbacks"), "0");
    let legs = farm.came().len();
    assert_eq!(retries, legs - 1);
    let records = farm.gateway.usage_of(legs).await;
    for (number, record) in (1..).zip(&records) {
        let is_last = number == legs;
        assert_eq!(record["leg"], number, "{record}");
        assert_eq!(record["handed_on"], !is_last, "{record}");
        assert_eq!(record["status"], if is_last { "success" } else { "failure" }, "{record}");
        assert_eq!(record["call_id"], records[0]["call_id"]);
    }
    assert_eq!(farm.gateway.metric("bulkhead_requests_total", &["kind=\"ok\""]).await, 1.0);
    assert_eq!(farm.gateway.metric("bulkhead_requests_total", &[]).await, 1.0, "one request");
    let handed_on = farm.gateway.metric("bulkhead_handed_on_total", &["kind=\"upstream_overloaded\""]).await;
    assert_eq!(handed_on, (legs - 1) as f64);
    assert_eq!(farm.gateway.metric("bulkhead_retries_total", &[]).await, (legs - 1) as f64);
}

fn good_text() -> Vec<Step> {
    good(&chat("two", json!({})).to_string())
}

#[tokio::test]
async fn a_group_of_one_is_asked_again_after_a_pause() {
    let farm = Farm::start(&[("gpt", "one")], |yaml| yaml).await;
    farm.play("one", [failing(), refuses("500 No", &[]), good(&chat("one", json!({})).to_string())]);
    let answer = farm.plain("gpt").await;
    assert_eq!((answer.status, farm.came().len()), (200, 3), "{}", answer.text());
    assert_eq!(header(&answer, "x-litellm-attempted-retries"), "2");
}

#[tokio::test]
async fn the_first_failure_is_told_and_nobody_need_retry_what_was_retried() {
    let farm = Farm::start(&[("gpt", "one")], |yaml| yaml.router("num_retries", 1)).await;
    farm.play("one", [says("429 No", "rate_limit_exceeded", "the first"), failing()]);
    let answer = farm.plain("gpt").await;
    assert_eq!((answer.status, farm.came().len()), (429, 2));
    assert!(answer.text().contains("the first"), "{}", answer.text());
    assert_eq!(header(&answer, "x-should-retry"), "false");
    assert_eq!(header(&answer, "x-litellm-attempted-retries"), "1");
    let once = Farm::start(&[("gpt", "one")], |yaml| yaml.router("num_retries", 0)).await;
    once.play("one", [failing()]);
    let answer = once.plain("gpt").await;
    assert_eq!((answer.status, once.came().len()), (503, 1));
    assert_eq!(answer.header("x-should-retry"), None, "the caller may");
}

#[tokio::test]
async fn what_cannot_get_better_is_not_tried_again() {
    for fails in [
        refuses("400 No", &[]),
        refuses("404 No", &[]),
        refuses("422 No", &[]),
        says("400 No", "context_length_exceeded", "maximum context length is 10 tokens"),
    ] {
        let farm = Farm::start(&TWO, |yaml| yaml).await;
        farm.play("one", [fails.clone()]);
        farm.play("two", [fails]);
        let answer = farm.plain("gpt").await;
        assert!((400..500).contains(&answer.status));
        assert_eq!(farm.came().len(), 1, "{}", answer.text());
    }
}

/// How often a request is tried: the request's own number goes before the deployment's, that before a policy for the
/// class of the failure, that before the general number.
#[tokio::test]
async fn how_often_is_said_by_request_deployment_policy_and_router() {
    let policy = json!({"InternalServerErrorRetries": 3});
    let cases = [
        (json!({}), None::<u32>, None::<Value>, None::<u32>, 3),
        (json!({}), None, None, Some(1), 2),
        (json!({}), None, Some(policy.clone()), Some(1), 4),
        (json!({}), Some(0), Some(policy.clone()), Some(1), 1),
        (json!({"num_retries": 1}), Some(0), Some(policy.clone()), Some(5), 2),
        (json!({"max_retries": 0}), Some(4), Some(policy), Some(5), 1),
    ];
    for (body, deployment, policy, router, tries) in cases {
        let farm = Farm::start(&[], |yaml| {
            let mut yaml = yaml;
            if let Some(policy) = policy {
                yaml = yaml.router("retry_policy", policy);
            }
            if let Some(router) = router {
                yaml = yaml.router("num_retries", router);
            }
            // Nobody listens there: refused at once, and no pause is long.
            let closed = format!("http://127.0.0.1:{}/v1", bulkhead_testkit::free_port());
            for name in ["a", "b", "c", "d", "e", "f"] {
                yaml = yaml.deployment("gpt").provider("openai").model(name).base(&closed).key("k");
                if let Some(own) = deployment {
                    yaml = yaml.param("num_retries", own);
                }
            }
            yaml
        })
        .await;
        let answer = farm.ask(chat("gpt", body.clone())).await;
        assert_eq!(answer.status, 500, "{}", answer.text());
        let records = farm.gateway.usage_of(tries).await;
        assert_eq!(records.len(), tries, "{body} {deployment:?} {router:?}");
    }
}

#[tokio::test]
async fn a_header_says_how_often_as_well() {
    let farm = Farm::start(&[("gpt", "one")], |yaml| yaml).await;
    farm.play("one", [failing()]);
    let request = Request::post("/v1/chat/completions")
        .bearer(MASTER)
        .header("x-litellm-num-retries", "0")
        .json(body::chat("gpt", "Hi"));
    assert_eq!(farm.gateway.call(&request).await.status, 503);
    assert_eq!(farm.came().len(), 1);
}

/// F-429: what is sent to a provider that refuses everything is what clients send, and little more.
#[tokio::test]
async fn retries_have_a_budget() {
    let farm = Farm::start(&[("gpt", "one")], |yaml| yaml.router("num_retries", 1)).await;
    farm.play("one", [refuses("500 No", &[])]);
    let requests = 400;
    let all = (0..requests)
        .map(|_| Request::post("/v1/chat/completions").bearer(MASTER).json(body::chat("gpt", "Hi")))
        .collect();
    for answer in farm.gateway.at_once(all).await {
        assert_eq!(answer.status, 500);
    }
    let more = farm.came().len() - requests;
    assert!((100..=180).contains(&more), "a fifth of 400 and 100: {more}");
    assert!(farm.gateway.metric("bulkhead_retries_refused_total", &[]).await >= 220.0);
}

/// not only of streams.
#[tokio::test]
async fn an_answer_that_stalls_in_its_middle_goes_elsewhere() {
    let farm = Farm::start(&TWO, |yaml| yaml.setting("bulkhead_settings", "idle_timeout", 0.3)).await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"id\":";
    farm.play("one", [vec![Step::Send(head.as_bytes().to_vec()), Step::Hang]]);
    let began = SystemTime::now();
    for _ in 0..6 {
        let answer = farm.plain("gpt").await;
        assert_eq!((answer.status, header(&answer, "x-litellm-model-id")), (200, "two"));
    }
    assert!(farm.came().contains(&"one".to_owned()));
    assert!(began.elapsed().unwrap() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_caller_that_cannot_wait_is_not_made_to() {
    let farm = Farm::start(&[("gpt", "one")], |yaml| yaml).await;
    farm.play("one", [vec![Step::Hang]]);
    let began = SystemTime::now();
    let answer = farm.ask(chat("gpt", json!({"timeout": 0.3}))).await;
    assert_eq!(answer.status, 408, "{}", answer.text());
    assert!(began.elapsed().unwrap().as_secs() < 3, "all tries together");
}

/// Who waits for the next try is nowhere.
#[tokio::test]
async fn a_request_between_two_tries_takes_no_place_at_a_deployment() {
    let farm = Farm::start(&[], |yaml| yaml).await;
    let yaml = GatewayYaml::new().master_key(MASTER).retries().deployment("gpt").provider("openai");
    let yaml = yaml.model("one").base(farm.provider.base_url()).key("k").param("max_parallel_requests", 1);
    let gateway = Gateway::with(yaml.text()).start().await;
    farm.play("one", [failing(), good(&chat("one", json!({})).to_string())]);
    let answer = gateway.post("/v1/chat/completions", MASTER, body::chat("gpt", "Hi")).await;
    assert_eq!((answer.status, farm.came().len()), (200, 2), "{}", answer.text());
}

#[tokio::test]
async fn where_an_account_had_its_share_another_one_is_asked() {
    let farm = Farm::start(&[], |yaml| yaml).await;
    let mut yaml = GatewayYaml::new().master_key(MASTER).router("disable_cooldowns", true);
    let drains: Vec<String> = (0..10).map(|n| format!("drain{n}")).collect();
    let ours = [("gpt", "one", "k1", 1), ("gpt", "two", "k1", 1), ("gpt", "three", "k2", 2)];
    let all = drains.iter().map(|model| ("drain", model.as_str(), "k1", 1)).chain(ours);
    for (group, model, key, order) in all {
        yaml = yaml.deployment(group).provider("openai").model(model).base(farm.provider.base_url());
        yaml = yaml.key(key).param("order", order);
        if model != "three" {
            farm.play(model, [failing()]);
        }
    }
    let gateway = Gateway::with(yaml.retries().text()).start().await;
    // Elsewhere means at once: all retries of the account are gone before its ten seconds are.
    for _ in 0..12 {
        let body = chat("drain", json!({"num_retries": 9})).to_string();
        assert_eq!(gateway.post("/v1/chat/completions", MASTER, body).await.status, 503);
    }
    assert!(gateway.metric("bulkhead_retries_refused_total", &[]).await >= 1.0);
    let before = farm.came().len();
    let answer = gateway.post("/v1/chat/completions", MASTER, body::chat("gpt", "Hi")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let came = farm.came().split_off(before);
    assert_eq!((came.len(), came[1].as_str()), (2, "three"));
}

/// What the provider says of it holds, not the status.
#[tokio::test]
async fn an_error_with_status_200_is_one() {
    let farm = Farm::start(&[("gpt", "one")], |yaml| yaml.router("num_retries", 0)).await;
    farm.play("one", [says("200 OK", "rate_limit_exceeded", "slow down")]);
    let answer = farm.plain("gpt").await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert!(answer.text().contains("RateLimitError: OpenAIException - slow down"), "{}", answer.text());
    let record = &farm.gateway.usage_of(1).await[0];
    assert_eq!((&record["status"], &record["cost"]), (&json!("failure"), &json!("0.0")), "{record}");
}

/// Whoever is refused at the door asks nobody anything.
#[tokio::test]
async fn refused_requests_earn_no_retries() {
    let key = "sk-refused-0123456789abcdef";
    let farm = Farm::start(&[("gpt", "one")], |yaml| {
        yaml.router("num_retries", 1).virtual_key(key).limit("rpm_limit", 1)
    })
    .await;
    let times = |bearer: &str, number: usize| {
        let request = || Request::post("/v1/chat/completions").bearer(bearer).json(body::chat("gpt", "Hi"));
        std::iter::repeat_with(request).take(number).collect()
    };
    let refused = farm.gateway.at_once(times(key, 500)).await;
    assert_eq!(refused.iter().filter(|answer| answer.status == 429).count(), 499);
    farm.play("one", [refuses("500 No", &[])]);
    let before = farm.came().len();
    let failing = 200;
    assert_eq!(farm.gateway.at_once(times(MASTER, failing)).await.len(), failing);
    let more = farm.came().len() - before - failing;
    assert!((100..=145).contains(&more), "a fifth of 201 and 100: {more}");
}
