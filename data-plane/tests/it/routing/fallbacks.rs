//! Other groups (requirements ).

use super::*;

const THREE: [Place; 3] = [("a", "a1"), ("b", "b1"), ("c", "c1")];

#[tokio::test]
async fn a_group_that_fails_is_followed_by_the_next() {
    let farm = Farm::start(&THREE, |yaml| yaml.router("fallbacks", json!([{"a": ["b", "c"]}]))).await;
    farm.play("a1", [failing()]);
    farm.play("b1", [refuses("400 No", &[])]);
    let answer = farm.plain("a").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(farm.came(), ["a1", "b1", "c1"], "no time is lost on the group that failed");
    assert_eq!(answer.json()["model"], "c", "the name served");
    assert_eq!(header(&answer, "x-litellm-model-group"), "c");
    assert_eq!(header(&answer, "x-litellm-attempted-fallbacks"), "2");
    let records = farm.gateway.usage_of(3).await;
    let groups: Vec<_> = records.iter().map(|record| record["model_group"].as_str().unwrap()).collect();
    assert_eq!(groups, ["a", "b", "c"]);
    assert!(records.iter().all(|record| record["model"] == "a"), "the model asked for");
    farm.gateway.until_metric("bulkhead_fallbacks_total", &["outcome=\"ok\""], 1.0).await;
}

#[tokio::test]
async fn where_all_fail_the_first_failure_is_told_with_all_of_them() {
    let farm = Farm::start(&THREE, |yaml| yaml.router("fallbacks", json!([{"a": ["b", "c"]}]))).await;
    farm.play("a1", [says("400 No", "bad", "the first")]);
    farm.play("b1", [failing()]);
    farm.play("c1", [refuses("500 No", &[])]);
    let answer = farm.ask(chat("a", json!({"num_retries": 0}))).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("the first"), "{}", answer.text());
    assert_eq!(
        header(&answer, "x-litellm-fallback-errors"),
        "a: upstream_bad_request, b: upstream_overloaded, c: upstream_server"
    );
    farm.gateway.until_metric("bulkhead_fallbacks_total", &["outcome=\"failed\""], 1.0).await;
}

#[tokio::test]
async fn circles_end_and_no_group_comes_twice() {
    let circle = json!([{"a": ["b"]}, {"b": ["a", "c"]}, {"c": ["a", "b"]}]);
    let farm = Farm::start(&THREE, |yaml| yaml.router("fallbacks", circle).router("num_retries", 0)).await;
    for model in ["a1", "b1", "c1"] {
        farm.play(model, [failing()]);
    }
    assert_eq!(farm.plain("a").await.status, 503);
    assert_eq!(farm.came(), ["a1", "b1", "c1"]);
}

#[tokio::test]
async fn nobody_goes_on_more_than_five_times() {
    const NAMES: [&str; 8] = ["g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7"];
    let places: Vec<Place> = NAMES.iter().map(|name| (*name, *name)).collect();
    for (most, came) in [(None, 6), (Some(2), 3), (Some(0), 1)] {
        let farm = Farm::start(&places, |yaml| {
            let yaml = yaml.router("fallbacks", json!([{"g0": &NAMES[1..]}])).router("num_retries", 0);
            match most {
                Some(most) => yaml.router("max_fallbacks", most),
                None => yaml,
            }
        })
        .await;
        for name in NAMES {
            farm.play(name, [failing()]);
        }
        assert_eq!(farm.plain("g0").await.status, 503);
        assert_eq!(farm.came(), NAMES[..came], "{most:?}");
    }
}

/// Every presence of the four sources: the first that is there holds alone.
#[tokio::test]
async fn sources_have_one_order() {
    const PLACES: [Place; 5] =
        [("a", "a1"), ("body", "body1"), ("key", "key1"), ("chain", "chain1"), ("default", "default1")];
    for present in 0..16_u8 {
        let has = |bit: u8| present & (1 << bit) != 0;
        let farm = Farm::start(&PLACES, |yaml| {
            let mut yaml = yaml.virtual_key("sk-key-with-fallbacks-0123456789");
            if has(1) {
                yaml = yaml.limit("router_settings", json!({"fallbacks": [{"a": ["key"]}]}));
            }
            if has(2) {
                yaml = yaml.router("fallbacks", json!([{"a": ["chain"]}]));
            }
            if has(3) {
                yaml = yaml.router("default_fallbacks", json!(["default"]));
            }
            yaml.router("num_retries", 0)
        })
        .await;
        farm.play("a1", [failing()]);
        let body = chat("a", if has(0) { json!({"fallbacks": ["body"]}) } else { json!({}) });
        let request = Request::post("/v1/chat/completions")
            .bearer("sk-key-with-fallbacks-0123456789")
            .json(body.to_string());
        let answer = farm.gateway.call(&request).await;
        let expected =
            ["body1", "key1", "chain1", "default1"].into_iter().zip(0..).find(|(_, bit)| has(*bit));
        let came = farm.came();
        match expected {
            Some((model, _)) => {
                assert_eq!(
                    (answer.status, &came[..]),
                    (200, &["a1".to_owned(), model.to_owned()][..]),
                    "{present:04b}"
                );
            }
            None => assert_eq!((answer.status, came.len()), (503, 1), "{present:04b}"),
        }
    }
}

#[tokio::test]
async fn nobody_falls_to_a_model_that_it_may_not_use() {
    let key = "sk-key-of-two-models-0123456789";
    let farm = Farm::start(&THREE, |yaml| {
        yaml.router("fallbacks", json!([{"a": ["b", "c"]}]))
            .router("num_retries", 0)
            .virtual_key(key)
            .limit("models", json!(["a", "c"]))
    })
    .await;
    farm.play("a1", [failing()]);
    for more in [json!({}), json!({"fallbacks": ["b", {"model": "b"}, "c"]})] {
        let request = Request::post("/v1/chat/completions").bearer(key).json(chat("a", more).to_string());
        let answer = farm.gateway.call(&request).await;
        assert_eq!((answer.status, header(&answer, "x-litellm-model-group")), (200, "c"));
    }
    let only = Request::post("/v1/chat/completions")
        .bearer(key)
        .json(chat("a", json!({"fallbacks": ["b", "nothing"]})).to_string());
    assert_eq!(farm.gateway.call(&only).await.status, 503);
    assert!(!farm.came().contains(&"b1".to_owned()));
}

#[tokio::test]
async fn kinds_have_chains_of_their_own() {
    const FOUR: [Place; 4] = [("a", "a1"), ("long", "long1"), ("free", "free1"), ("other", "other1")];
    let long = says("400 No", "context_length_exceeded", "maximum context length is 10 tokens");
    let rude = says("400 No", "content_filter", "content management policy");
    let all = |yaml: GatewayYaml| {
        yaml.router("fallbacks", json!([{"a": ["other"]}]))
            .router("context_window_fallbacks", json!([{"a": ["long"]}]))
            .router("content_policy_fallbacks", json!([{"a": ["free"]}]))
            .router("num_retries", 0)
    };
    let farm = Farm::start(&FOUR, all).await;
    for (fails, to) in [(long.clone(), "long1"), (rude, "free1"), (failing(), "other1")] {
        farm.play("a1", [fails]);
        let answer = farm.plain("a").await;
        assert_eq!((answer.status, farm.came().last().unwrap().as_str()), (200, to), "{}", answer.text());
    }
    // The list is there and says nothing of this group: the original error, as with LiteLLM.
    let unsaid = |yaml: GatewayYaml| {
        yaml.router("fallbacks", json!([{"a": ["other"]}]))
            .router("context_window_fallbacks", json!([{"other": ["long"]}]))
    };
    let farm = Farm::start(&FOUR, unsaid).await;
    farm.play("a1", [long.clone()]);
    assert_eq!((farm.plain("a").await.status, farm.came().len()), (400, 1));
    // No list: the general one holds.
    let general = |yaml: GatewayYaml| yaml.router("fallbacks", json!([{"a": ["other"]}]));
    let farm = Farm::start(&FOUR, general).await;
    farm.play("a1", [long.clone()]);
    assert_eq!((farm.plain("a").await.status, farm.came().len()), (200, 2));
    let by_request = json!({"context_window_fallback_dict": {"a": "long"}});
    assert_eq!(farm.ask(chat("a", by_request)).await.status, 200);
    assert_eq!(farm.came().last().unwrap(), "long1");
}

#[tokio::test]
async fn fallbacks_can_be_switched_off() {
    let farm = Farm::start(&THREE, |yaml| {
        yaml.router("default_fallbacks", json!(["b"]))
            .router("num_retries", 0)
            .virtual_key("sk-key-without-fallbacks-012345")
            .limit("metadata", json!({"disable_fallbacks": true}))
    })
    .await;
    farm.play("a1", [failing()]);
    assert_eq!(farm.ask(chat("a", json!({"disable_fallbacks": true}))).await.status, 503);
    let request = Request::post("/v1/chat/completions")
        .bearer("sk-key-without-fallbacks-012345")
        .json(body::chat("a", "Hi"));
    assert_eq!(farm.gateway.call(&request).await.status, 503);
    assert_eq!(farm.plain("a").await.status, 200);
    assert_eq!(farm.came(), ["a1", "a1", "a1", "b1"]);
}

#[tokio::test]
async fn a_name_that_nobody_serves_goes_where_everybody_goes() {
    let farm = Farm::start(&THREE, |yaml| yaml.router("default_fallbacks", json!(["b", "c"]))).await;
    farm.play("b1", [refuses("400 No", &[])]);
    let answer = farm.plain("nothing").await;
    assert_eq!((answer.status, header(&answer, "x-litellm-model-group")), (200, "c"));
    assert_eq!(farm.ask(chat("nothing", json!({"disable_fallbacks": true}))).await.status, 400);
    let none = Farm::start(&THREE, |yaml| yaml).await;
    assert_eq!(none.plain("nothing").await.status, 400);
}

#[tokio::test]
async fn a_request_can_change_what_is_sent_to_a_fallback() {
    let farm = Farm::start(&THREE, |yaml| yaml.router("num_retries", 0)).await;
    farm.play("a1", [failing()]);
    let more = json!({"temperature": 1, "fallbacks": [{"model": "b", "temperature": 0.5, "messages": [], "top_p": 0.1}]});
    let answer = farm.ask(chat("a", more)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent: Vec<Value> =
        farm.provider.asked().iter().map(|asked| serde_json::from_str(&asked.body).unwrap()).collect();
    assert_eq!(sent[0]["temperature"], 1);
    assert_eq!(sent[1], json!({"model": "b1", "temperature": 0.5, "messages": [], "top_p": 0.1}));
    assert!(sent[0].get("fallbacks").is_none(), "control members stay here");
}

#[tokio::test]
async fn a_spent_budget_ends_the_way() {
    let key = "sk-key-with-a-budget-0123456789";
    let farm = Farm::start(&THREE, |yaml| {
        yaml.router("fallbacks", json!([{"a": ["b"]}]))
            .router("num_retries", 0)
            .virtual_key(key)
            .limit("max_budget", 0.000_05)
            .limit("rpm_limit", 3)
    })
    .await;
    farm.play("a1", [failing()]);
    let request = || Request::post("/v1/chat/completions").bearer(key).json(body::chat("a", "Hi"));
    let answer = farm.gateway.call(&request()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(header(&answer, "x-ratelimit-api_key-remaining-requests"), "2", "a request counts once");
    farm.gateway.usage_of(2).await;
    let answer = farm.gateway.call(&request()).await;
    assert_eq!((answer.status, farm.came().len()), (422, 2), "{}", answer.text());
}

/// A wildcard is one group for the configuration and many for those who ask.
#[tokio::test]
async fn names_of_a_wildcard_are_groups_of_their_own() {
    let farm = Farm::start(&[("openai/*", "*"), ("other", "other1")], |yaml| {
        let chains = json!([{"openai/x": ["openai/y"]}, {"openai/*": ["other"]}]);
        yaml.router("fallbacks", chains).router("num_retries", 0)
    })
    .await;
    for model in ["x", "z"] {
        farm.play(model, [failing()]);
    }
    let answer = farm.plain("openai/x").await;
    assert_eq!((answer.status, &farm.came()[..]), (200, &["x".to_owned(), "y".to_owned()][..]));
    assert_eq!(answer.json()["model"], "openai/y");
    assert_eq!(
        farm.plain("openai/z").await.status,
        200,
        "what is declared for the wildcard is for all others"
    );
    assert_eq!(farm.came()[2..], ["z", "other1"]);
    let own = json!({"fallbacks": [{"openai/z": ["openai/x", "openai/z", "openai/y"]}]});
    assert_eq!(farm.ask(chat("openai/z", own)).await.status, 200);
    assert_eq!(farm.came()[4..], ["z", "x", "y"]);
}

#[tokio::test]
async fn a_fallback_that_the_caller_may_not_use_takes_no_retries_away() {
    let key = "sk-key-of-one-model-0123456789";
    let farm = Farm::start(&THREE, |yaml| {
        let yaml = yaml.router("fallbacks", json!([{"a": ["b"]}]));
        yaml.virtual_key(key).limit("models", json!(["a"]))
    })
    .await;
    farm.play("a1", [failing(), good(&chat("a1", json!({})).to_string())]);
    let request = Request::post("/v1/chat/completions").bearer(key).json(body::chat("a", "Hi"));
    let answer = farm.gateway.call(&request).await;
    assert_eq!((answer.status, farm.came().len()), (200, 2), "{}", answer.text());
}

#[tokio::test]
async fn the_middle_of_a_chain_loses_no_time_either() {
    let farm = Farm::start(&THREE, |yaml| yaml).await;
    for model in ["a1", "b1"] {
        farm.play(model, [failing()]);
    }
    assert_eq!(farm.ask(chat("a", json!({"fallbacks": ["b", "c"]}))).await.status, 200);
    assert_eq!(farm.came(), ["a1", "b1", "c1"]);
}

/// What an element of `fallbacks` sends instead is held to what the request may use, and to what the deployment takes.
#[tokio::test]
async fn members_sent_instead_are_reserved_for_and_dropped_like_the_clients() {
    let farm = Farm::start(&[("a", "a1")], |yaml| yaml).await;
    let key = "sk-key-with-a-token-limit-0123456789";
    let yaml = GatewayYaml::new().master_key(MASTER).retries().router("num_retries", 0).virtual_key(key);
    let mut yaml = yaml.limit("tpm_limit", 100_000);
    for model in ["a", "b"] {
        yaml = yaml.deployment(model).provider("openai").model(model).base(farm.provider.base_url()).key("k");
        yaml = yaml.param("additional_drop_params", json!(["top_k"]));
    }
    let gateway = Gateway::with(yaml.text()).start().await;
    farm.play("a", [failing()]);
    let instead = json!({"model": "b", "max_tokens": 7, "top_k": 3, "temperature": 0.5});
    let body = chat("a", json!({"fallbacks": [instead], "max_tokens": 900}));
    let answer = gateway.post("/v1/chat/completions", key, body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent: Vec<Value> =
        farm.provider.asked().iter().map(|asked| serde_json::from_str(&asked.body).unwrap()).collect();
    assert_eq!((&sent[0]["max_tokens"], &sent[1]["max_tokens"]), (&json!(900), &json!(7)));
    assert_eq!((&sent[1]["temperature"], &sent[1]["top_k"]), (&json!(0.5), &Value::Null));
    let wrong = chat("a", json!({"fallbacks": [{"model": "b", "max_tokens": "7"}]}));
    let answer = gateway.post("/v1/chat/completions", key, wrong.to_string()).await;
    assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!("fallbacks")));
}
