//! Who fails is left alone for a while (requirements ).

use super::*;

const TWO: [Place; 2] = [("gpt", "one"), ("gpt", "two")];

/// Requests until one model has had this many.
async fn until_came(farm: &Farm, model: &str, count: usize) {
    while farm.came().iter().filter(|came| *came == model).count() < count {
        assert_eq!(farm.plain("gpt").await.status, 200);
    }
}

#[tokio::test]
async fn a_deployment_that_fails_is_left_out_and_found_well_again() {
    let farm = Farm::start(&TWO, |yaml| yaml.router("cooldown_time", 1)).await;
    farm.play("one", [failing()]);
    until_came(&farm, "one", 5).await;
    farm.gateway.until_metric("bulkhead_deployment_cooling", &["deployment=\"one\""], 1.0).await;
    let before = farm.came().len();
    for _ in 0..10 {
        assert_eq!(farm.plain("gpt").await.status, 200);
    }
    assert!(farm.came()[before..].iter().all(|came| came == "two"));
    farm.mend("one");
    until_came(&farm, "one", farm.came().iter().filter(|came| *came == "one").count() + 3).await;
    farm.gateway.until_metric("bulkhead_deployment_cooling", &["deployment=\"one\""], 0.0).await;
    assert!(farm.gateway.metric("bulkhead_cooldowns_total", &["deployment=\"one\""]).await >= 1.0);
}

#[tokio::test]
async fn a_host_that_takes_no_connections_is_left_out_as_well() {
    let farm = Farm::start(&[("gpt", "one")], |yaml| {
        let closed = format!("http://127.0.0.1:{}/v1", bulkhead_testkit::free_port());
        yaml.deployment("gpt").provider("openai").model("away").base(closed).key("k").info("id", "away")
    })
    .await;
    for _ in 0..40 {
        assert_eq!(farm.plain("gpt").await.status, 200);
    }
    assert!(farm.gateway.metric("bulkhead_cooldowns_total", &["deployment=\"away\""]).await >= 1.0);
}

#[tokio::test]
async fn the_last_deployment_stays_whatever_it_does() {
    let farm = Farm::start(&TWO, |yaml| yaml.router("num_retries", 0)).await;
    for model in ["one", "two"] {
        farm.play(model, [refuses("500 No", &[])]);
    }
    for _ in 0..40 {
        assert_eq!(farm.plain("gpt").await.status, 500, "not: nobody left");
    }
    assert_eq!(farm.gateway.metric("bulkhead_deployment_cooling", &[]).await, 1.0);
}

#[tokio::test]
async fn a_provider_that_wants_to_be_left_alone_is() {
    let farm = Farm::start(&TWO, |yaml| yaml.router("num_retries", 0)).await;
    for model in ["one", "two"] {
        farm.play(model, [refuses("429 No", &[("retry-after", "7")])]);
    }
    let answer = farm.plain("gpt").await;
    assert_eq!(answer.status, 429);
    // Both are on the same account, but other models there have limits of their own.
    let answer = farm.plain("gpt").await;
    assert_eq!((answer.status, farm.came().len()), (429, 2));
    let answer = farm.plain("gpt").await;
    let error = &answer.json()["error"];
    assert_eq!(error["type"], "all_deployments_in_cooldown", "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("No deployments available for selected model, Try again in 7 seconds. All deployments for selected model are in cooldown. Passed model=gpt. pre-call-checks=False, cooldown_list=["), "{message}");
    assert!(message.contains("'one'") && message.contains("'two'"), "{message}");
    assert_eq!(header(&answer, "retry-after"), "7");
    assert_eq!((answer.status, farm.came().len()), (429, 2), "nobody was asked");
}

#[tokio::test]
async fn a_limit_holds_for_every_deployment_of_the_same_account_and_model() {
    let farm = Farm::start(&[], |yaml| yaml).await;
    let mut yaml = GatewayYaml::new().master_key(MASTER);
    for (id, key) in [("d1", "k1"), ("d2", "k1"), ("d3", "k2")] {
        yaml = yaml.deployment("gpt").provider("openai").model("m").base(farm.provider.base_url());
        yaml = yaml.key(key).info("id", id).param("order", if id == "d3" { 2 } else { 1 });
    }
    let gateway = Gateway::with(yaml.router("num_retries", 2).text()).start().await;
    farm.play("m", [refuses("429 No", &[("retry-after", "30")]), good(&chat("m", json!({})).to_string())]);
    let answer = gateway.post("/v1/chat/completions", MASTER, body::chat("gpt", "Hi")).await;
    assert_eq!(
        (answer.status, header(&answer, "x-litellm-model-id")),
        (200, "d3"),
        "the account is not asked twice"
    );
}

#[tokio::test]
async fn callers_cannot_have_a_deployment_taken_from_the_others() {
    let farm = Farm::start(&TWO, |yaml| yaml.router("num_retries", 0)).await;
    let slow = || vec![Step::Pause(Duration::from_millis(300)), Step::Close];
    for (play, body, status) in [
        (slow(), json!({"timeout": 0.05}), 408),
        (refuses("400 No", &[]), json!({}), 400),
        (says("400 No", "context_length_exceeded", "maximum context length is 10 tokens"), json!({}), 400),
        (says("400 No", "content_filter", "content management policy"), json!({}), 400),
    ] {
        farm.play("one", [play.clone()]);
        farm.play("two", [play]);
        for _ in 0..12 {
            assert_eq!(farm.ask(chat("gpt", body.clone())).await.status, status);
        }
        assert_eq!(farm.gateway.metric("bulkhead_deployment_cooling", &[]).await, 0.0, "{body}");
    }
}

#[tokio::test]
async fn allowed_fails_and_cooldown_time_can_be_a_deployments_own() {
    let farm = Farm::start(&[], |yaml| yaml).await;
    let mut yaml = GatewayYaml::new().master_key(MASTER).router("num_retries", 0);
    for model in ["one", "two"] {
        yaml = yaml.deployment("gpt").provider("openai").model(model).base(farm.provider.base_url());
        yaml = yaml.key("k").info("id", model).param("cooldown_time", 60).param("allowed_fails", 1);
    }
    let gateway = Gateway::with(yaml.text()).start().await;
    farm.play("one", [refuses("500 No", &[])]);
    let mut failures = 0;
    for _ in 0..60 {
        let answer = gateway.post("/v1/chat/completions", MASTER, body::chat("gpt", "Hi")).await;
        failures += usize::from(answer.status != 200);
    }
    assert_eq!(failures, 2, "one is allowed");
}

#[tokio::test]
async fn no_more_than_so_many_requests_at_once_go_to_a_deployment() {
    let farm = Farm::start(&[], |yaml| yaml).await;
    let yaml = GatewayYaml::new().master_key(MASTER).deployment("gpt").provider("openai").model("one");
    let yaml = yaml.base(farm.provider.base_url()).key("k").param("max_parallel_requests", 2);
    let gateway = Gateway::with(yaml.text()).start().await;
    farm.play(
        "one",
        [vec![Step::Pause(Duration::from_millis(500)), good(&chat("one", json!({})).to_string()).remove(0)]],
    );
    let request = || Request::post("/v1/chat/completions").bearer(MASTER).json(body::chat("gpt", "Hi"));
    let answers = gateway.at_once((0..5).map(|_| request()).collect()).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 429, 429, 429]);
    assert_eq!(farm.came().len(), 2);
}

#[tokio::test]
async fn a_request_that_is_refused_here_takes_nothing_from_a_deployment() {
    let key = "sk-key-of-one-request-0123456789";
    let farm = Farm::start(&[], |yaml| yaml).await;
    let yaml = GatewayYaml::new().master_key(MASTER).deployment("gpt").provider("openai").model("one");
    let yaml = yaml.base(farm.provider.base_url()).key("k").param("rpm", 3);
    let yaml = yaml.router("optional_pre_call_checks", json!(["enforce_model_rate_limits"]));
    let yaml = yaml.virtual_key(key).limit("rpm_limit", 1);
    let gateway = Gateway::with(yaml.text()).start().await;
    let ask = |key: &'static str| gateway.post("/v1/chat/completions", key, body::chat("gpt", "Hi"));
    assert_eq!(ask(key).await.status, 200);
    for _ in 0..5 {
        let answer = ask(key).await;
        assert_eq!(header(&answer, "rate_limit_type"), "requests", "{}", answer.text());
    }
    let answer = ask(MASTER).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// A provider's 404 may be about what a caller named: a file, a prompt, an answer of former days.
#[tokio::test]
async fn what_a_caller_names_and_is_not_there_is_no_fault_of_the_deployment() {
    let farm = Farm::start(&TWO, |yaml| yaml.router("num_retries", 0)).await;
    for model in ["one", "two"] {
        farm.play(model, [says("404 No", "not_found", "File with id 'file-1' not found.")]);
    }
    for _ in 0..4 {
        assert_eq!(farm.plain("gpt").await.status, 404);
    }
    assert_eq!(farm.gateway.metric("bulkhead_deployment_cooling", &[]).await, 0.0);
    farm.play("one", [says("404 No", "model_not_found", "The model 'one' does not exist.")]);
    farm.mend("two");
    while farm.plain("gpt").await.status != 404 {}
    farm.gateway.until_metric("bulkhead_deployment_cooling", &["deployment=\"one\""], 1.0).await;
}

#[tokio::test]
async fn what_is_never_left_out_by_a_new_file_is_back_at_once() {
    let farm = Farm::start(&[], |yaml| yaml).await;
    let file = |deployments: &[&str]| {
        let mut yaml = GatewayYaml::new().master_key(MASTER).router("num_retries", 0);
        for model in deployments {
            yaml = yaml.deployment("gpt").provider("openai").model(model).base(farm.provider.base_url());
            yaml = yaml.key("k").info("id", *model);
        }
        yaml
    };
    for (number, after) in
        [file(&["one"]), file(&["one", "two"]).router("disable_cooldowns", true)].iter().enumerate()
    {
        let gateway = Gateway::with(file(&["one", "two"]).text()).start().await;
        for model in ["one", "two"] {
            farm.play(model, [refuses("429 No", &[("retry-after", "600")])]);
        }
        let ask = || gateway.post("/v1/chat/completions", MASTER, body::chat("gpt", "Hi"));
        while !ask().await.text().contains("cooldown_list") {}
        farm.mend("one");
        farm.mend("two");
        std::fs::write(gateway.config(), after.text()).unwrap();
        gateway.signal("HUP");
        gateway.until_metric("bulkhead_config_reloads_total", &[], 1.0).await;
        for _ in 0..4 {
            let answer = ask().await;
            assert_eq!(answer.status, 200, "{number}: {}", answer.text());
        }
    }
}
