//! What leaves the gateway is what came in, byte for byte, but for the edits of design §5.

use aws_lc_rs::digest;
use bulkhead_testkit::client::{Client, Request};
use bulkhead_testkit::{GatewayYaml, MockProvider, body, canary};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::json;
use serde_json::value::RawValue;

use crate::support::{Gateway, MASTER, yaml};

const CHAT: &str = "/v1/chat/completions";
const HELLO: &str = r#"[{"role":"user","content":"hi"}]"#;

/// The body that a provider got for this one.
async fn sent(gateway: &Gateway, mock: &MockProvider, path: &str, body: &str) -> String {
    let before = mock.ledger().count();
    let answer = gateway.post(path, MASTER, body).await;
    assert_eq!(mock.ledger().count(), before + 1, "{body}: {}", answer.text());
    let sent = mock.last_request().unwrap();
    assert_eq!(sent.header("content-length"), Some(sent.body_bytes.to_string()));
    assert_eq!(sent.header("transfer-encoding"), None);
    String::from_utf8(sent.body.unwrap().to_vec()).unwrap()
}

/// Another model group with the mock behind it.
fn also(yaml: GatewayYaml, mock: &MockProvider, group: &str, provider: &str) -> GatewayYaml {
    let (base, key) = match provider {
        "anthropic" => (mock.origin(), canary::ANTHROPIC_KEY),
        _ => (mock.base_url(), canary::OPENAI_KEY),
    };
    yaml.deployment(group).provider(provider).model("ok").base(base).key(key)
}

/// Bodies that a careless gateway would rewrite. `@` stands for the model.
const UNTOUCHED: &[(&str, &str)] = &[
    ("compact", r#"{"model":"@","messages":[{"role":"user","content":"hi"}]}"#),
    (
        "white space",
        "\r\n\t {  \"messages\" :\r\n[ {\"role\" : \"user\",\t\"content\":\"hi\"} ] ,\n\n \"model\"  :  \"@\"  , \"x\": [ ] } \n ",
    ),
    (
        "unknown members in an odd order",
        r#"{"zeta":{"b":1,"a":2},"messages":[{"content":"hi","role":"user","x_mine":null}],"":0,"model":"@","alpha":[[],{},""]}"#,
    ),
    (
        "numbers",
        r#"{"model":"@","messages":[{"role":"user","content":"hi"}],"temperature":1.0,"a":1e5,"b":-0,"c":1E+2,"d":0.10,"e":-0.0e-0,"f":1e-400,"g":1e400,"h":123456789012345678901234567890,"i":9007199254740993,"j":0.1000000000000000055511151231257827}"#,
    ),
    (
        "escapes",
        r#"{"m\u0065ssages":[{"role":"user","content":"\u0041\/\n\b\f\t\"\\ \ud83e\udd80 \u0000 \u2028"}],"\u006dodel":"@","se\u0065d":1,"x\/y":"\u00e9"}"#,
    ),
    (
        "duplicates that nobody governs",
        r#"{"model":"@","seed":1,"messages":[{"role":"user","content":"one","content":"two"}],"seed":2,"se\u0065d":3,"messages":[{"role":"user","content":"hi"}]}"#,
    ),
    (
        "characters of many bytes",
        r#"{"model":"@","messages":[{"role":"user","content":"é ß 漢字 🦀 👩‍🚀 नमस्ते 𝄞 ﻿"}],"日本":"語"}"#,
    ),
    (
        "limits and choices in other spellings",
        r#"{"model":"@","max_tokens":1.6e1,"n":1.0,"user":"\u0075","messages":[{"role":"user","content":"hi"}]}"#,
    ),
    (
        "null members",
        r#"{"model":"@","messages":[{"role":"user","content":"hi"}],"stop":null,"tools":null,"n":null}"#,
    ),
];

#[tokio::test]
async fn a_body_leaves_as_it_came_but_for_the_models_name() {
    let mock = MockProvider::start();
    // `ok` is called the same at the provider, `gpt` and the third are not.
    let odd = r#"o"d\d/é"#;
    let yaml = also(yaml(&mock), &mock, "ok", "openai");
    let aliases = json!({odd: "gpt"});
    let gateway = Gateway::with(yaml.router("model_group_alias", aliases).text()).start().await;
    for (case, body) in UNTOUCHED {
        let expected = body.replace('@', "ok");
        for name in ["ok", "gpt", r#"o\"d\\d\/\u00e9"#] {
            let text = sent(&gateway, &mock, CHAT, &body.replace('@', name)).await;
            assert_eq!(text, expected, "{case} {name}");
        }
    }
}

#[tokio::test]
async fn deep_nesting_leaves_as_it_came() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let deep = format!("{}1{}", "[{\"a\":".repeat(60), "}]".repeat(60));
    let body = format!(r#"{{"model":"gpt","deep":{deep},"messages":{HELLO}}}"#);
    assert_eq!(sent(&gateway, &mock, CHAT, &body).await, body.replace("\"gpt\"", "\"ok\""));
}

#[tokio::test]
async fn every_endpoint_leaves_bodies_alone() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    for (path, body) in [
        (
            "/v1/completions",
            r#"{ "prompt" : "hi\u0020", "model":"gpt", "temperature":1.0 , "x":{"b":1,"a":-0}}"#,
        ),
        ("/v1/embeddings", r#"{ "input" : ["a","\u00e9"], "model":"embed", "dimensions":8 , "x":1E+2}"#),
        ("/v1/responses", r#"{ "input" : "hi", "model":"gpt", "store":false , "x":[1.0,{"b":1,"a":2}]}"#),
        (
            "/v1/messages",
            r#"{ "max_tokens":16 , "system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"hi"}], "model":"claude","top_p":1.0}"#,
        ),
        (
            "/v1/messages/count_tokens",
            r#"{"messages":[{"role":"user","content":"\u0068i"}], "max_tokens":5, "model":"claude"}"#,
        ),
    ] {
        let expected = ["gpt", "embed", "claude"].iter().fold(body.to_owned(), |body, name| {
            body.replace(&format!("\"model\":\"{name}\""), "\"model\":\"ok\"")
        });
        assert_eq!(sent(&gateway, &mock, path, body).await, expected, "{path}");
    }
}

#[tokio::test]
async fn a_large_body_in_chunks_of_any_size_leaves_as_it_came() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let words = "Zwölf 漢字 🦀 and \\u00e9 \\\" words. ".repeat(60_000);
    let body = format!(r#"{{"messages":[{{"role":"user","content":"{words}"}}],"model":"gpt","x":1.0}}"#);
    let expected = body.replace("\"model\":\"gpt\"", "\"model\":\"ok\"");
    for sizes in [&[usize::MAX][..], &[1, 7, 4095, 4096, 4097, 65_535, 65_537, 3], &[8191], &[100_003, 2]] {
        let mut rest = body.as_bytes();
        let mut chunks = Vec::new();
        for size in sizes.iter().cycle() {
            let (chunk, left) = rest.split_at((*size).min(rest.len()));
            chunks.push(chunk.to_vec());
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        let answer = gateway
            .call(
                &Request::post(CHAT).bearer(MASTER).header("content-type", "application/json").chunks(chunks),
            )
            .await;
        assert_eq!(answer.status, 200, "{sizes:?}");
        let record = mock.ledger().last().unwrap();
        assert_eq!(record.body_bytes, expected.len() as u64, "{sizes:?}");
        let sum = digest::digest(&digest::SHA256, expected.as_bytes());
        assert_eq!(record.body_sha256, sum.as_ref(), "{sizes:?}");
    }
}

#[tokio::test]
async fn a_body_in_single_byte_chunks_leaves_as_it_came() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    for (case, body) in UNTOUCHED {
        let text = body.replace('@', "gpt");
        let request = Request::post(CHAT).bearer(MASTER).chunks(text.bytes().map(|byte| vec![byte]));
        gateway.call(&request).await;
        assert_eq!(mock.last_request().unwrap().body.unwrap(), body.replace('@', "ok"), "{case}");
    }
}

#[tokio::test]
async fn call_parameters_are_added_at_the_end_and_the_client_wins() {
    let mock = MockProvider::start();
    let yaml = also(yaml(&mock), &mock, "tuned", "openai")
        .param("temperature", 0.25)
        .param("seed", 7)
        .param("stop", vec!["a", "b"])
        .param("reasoning", json!({"effort": "low"}))
        .param("extra_body", json!({"guided": {"regex": "\\d+"}, "top_k": 5}));
    let gateway = Gateway::with(yaml.text()).start().await;
    let body = |members: &str| format!(r#"{{"model":"tuned","messages":{HELLO}{members}}}"#);
    let sent_body = |members: &str| format!(r#"{{"model":"ok","messages":{HELLO}{members}}}"#);
    let defaults = r#","temperature":0.25,"seed":7,"stop":["a","b"],"reasoning":{"effort":"low"},"guided":{"regex":"\\d+"},"top_k":5"#;
    assert_eq!(sent(&gateway, &mock, CHAT, &body("")).await, sent_body(defaults));
    // White space before the closing brace stays where it is.
    let text = sent(&gateway, &mock, CHAT, &body(" \n")).await;
    assert_eq!(text.split_whitespace().collect::<String>(), sent_body(defaults));
    // What the client says, also `null` and also spelled with escapes, is not said again.
    for (members, added) in [
        (r#","temperature":1.0"#, defaults.replace(r#","temperature":0.25"#, "")),
        (r#","temperature":null"#, defaults.replace(r#","temperature":0.25"#, "")),
        (r#","s\u0065ed":3"#, defaults.replace(r#","seed":7"#, "")),
        (r#","reasoning":{}"#, defaults.replace(r#","reasoning":{"effort":"low"}"#, "")),
        (r#","guided":1,"top_k":1"#, defaults.replace(r#","guided":{"regex":"\\d+"},"top_k":5"#, "")),
    ] {
        let text = sent(&gateway, &mock, CHAT, &body(members)).await;
        assert_eq!(text, sent_body(&format!("{members}{added}")));
    }
}

#[tokio::test]
async fn a_name_in_both_call_parameters_and_extra_body_is_sent_once() {
    let mock = MockProvider::start();
    let yaml = also(yaml(&mock), &mock, "twice", "openai")
        .param("seed", 1)
        .param("top_k", 2)
        .param("extra_body", json!({"seed": 3}));
    let gateway = Gateway::with(yaml.text()).start().await;
    let text = sent(&gateway, &mock, CHAT, &format!(r#"{{"model":"twice","messages":{HELLO}}}"#)).await;
    // `extra_body` is what goes over the rest, as in the SDKs.
    assert_eq!(text, format!(r#"{{"model":"ok","messages":{HELLO},"top_k":2,"seed":3}}"#));
}

#[tokio::test]
async fn tools_of_client_and_deployment_are_put_together() {
    let mock = MockProvider::start();
    let ours = json!([{"type": "web_search"}, {"name": "x", "type": "custom"}]);
    let yaml = also(yaml(&mock), &mock, "tooled", "openai").param("tools", ours);
    let gateway = Gateway::with(yaml.text()).start().await;
    let ours = r#"{"type":"web_search"},{"name":"x","type":"custom"}"#;
    for (theirs, expected) in [
        ("", format!(r#","tools":[{ours}]"#)),
        (r#","tools":[]"#, format!(r#","tools":[{ours}]"#)),
        (r#","tools":[ { "a":1.0 } ]"#, format!(r#","tools":[ {{ "a":1.0 }} ,{ours}]"#)),
        (
            r#","tools":[{"a":1},{"b":"]"}],"x":1"#,
            format!(r#","tools":[{{"a":1}},{{"b":"]"}},{ours}],"x":1"#),
        ),
        (r#","tools":null"#, r#","tools":null"#.to_owned()),
    ] {
        let body = format!(r#"{{"model":"tooled","messages":{HELLO}{theirs}}}"#);
        let text = sent(&gateway, &mock, CHAT, &body).await;
        assert_eq!(text, format!(r#"{{"model":"ok","messages":{HELLO}{expected}}}"#), "{theirs}");
    }
}

#[tokio::test]
async fn litellms_control_members_are_removed_and_named_where_they_have_no_effect() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let ignored = [
        ("default_fallbacks", "[]"),
        ("cooldown_time", "1"),
        ("cache", r#"{"no-cache":true}"#),
        ("caching", "true"),
        ("no-log", "true"),
        ("priority", "1"),
        ("keepalive_seconds", "3"),
        ("drop_params", "true"),
        ("additional_drop_params", r#"["x"]"#),
        ("allowed_openai_params", "[]"),
        ("mock_response", r#""x""#),
        ("mock_timeout", "true"),
        ("mock_testing_fallbacks", "true"),
        ("litellm_call_id", r#""x""#),
        ("litellm_trace_id", r#""x""#),
        ("litellm_session_id", r#""x""#),
        ("litellm_logging_obj", "{}"),
        ("proxy_server_request", "{}"),
        ("prompt_id", r#""x""#),
        ("prompt_variables", "{}"),
    ];
    for (name, value) in ignored {
        for (path, model, rest) in [
            (CHAT, "gpt", ""),
            ("/v1/responses", "gpt", r#","input":"hi""#),
            ("/v1/messages", "claude", r#","max_tokens":9"#),
        ] {
            let body = format!(r#"{{"{name}" : {value} ,"model":"{model}","messages":{HELLO}{rest}}}"#);
            let answer = gateway.post(path, MASTER, body).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            assert_eq!(answer.header("x-bulkhead-dropped-params"), Some(name), "{path}");
            let text = mock.last_request().unwrap().body.unwrap();
            assert_eq!(text, format!(r#"{{"model":"ok","messages":{HELLO}{rest}}}"#), "{name}");
        }
    }
    let acted_on = [
        ("timeout", "30"),
        ("request_timeout", "30"),
        ("stream_timeout", "30"),
        ("tags", r#"["a"]"#),
        ("fallbacks", r#"["a", {"model": "b"}]"#),
        ("context_window_fallbacks", "[]"),
        ("content_policy_fallbacks", r#"[{"a": ["b"]}]"#),
        ("context_window_fallback_dict", r#"{"a": "b"}"#),
        ("disable_fallbacks", "true"),
        ("num_retries", "3"),
        ("max_retries", "3"),
    ];
    for (name, value) in acted_on.into_iter().chain([("litellm_metadata", r#"{"tags":["b"]}"#)]) {
        let body = format!(r#"{{"model":"gpt","{name}":{value},"messages":{HELLO}}}"#);
        let answer = gateway.post(CHAT, MASTER, body).await;
        assert_eq!((answer.status, answer.header("x-bulkhead-dropped-params")), (200, None), "{name}");
        let text = mock.last_request().unwrap().body.unwrap();
        assert_eq!(text, format!(r#"{{"model":"ok","messages":{HELLO}}}"#), "{name}");
    }
    let dropped = gateway.metric("bulkhead_dropped_params_total", &[]).await;
    assert_eq!(dropped, (ignored.len() * 3) as f64);
}

#[tokio::test]
async fn commas_are_right_wherever_a_member_is_removed() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    for (body, expected) in [
        (r#"{"cache":1,"model":"gpt","messages":@}"#, r#"{"model":"ok","messages":@}"#),
        (r#"{"model":"gpt","cache":1,"messages":@}"#, r#"{"model":"ok","messages":@}"#),
        (r#"{"model":"gpt","messages":@,"cache":1}"#, r#"{"model":"ok","messages":@}"#),
        (r#"{"cache":1,"tags":[],"model":"gpt","messages":@}"#, r#"{"model":"ok","messages":@}"#),
        (r#"{"model":"gpt","cache":1,"tags":[],"messages":@}"#, r#"{"model":"ok","messages":@}"#),
        (r#"{"cache":1,"model":"gpt","tags":[],"messages":@,"no-log":1}"#, r#"{"model":"ok","messages":@}"#),
        (
            "{ \"cache\":1 , \"model\":\"gpt\",\"messages\":@ , \"tags\":[] }",
            "{  \"model\":\"ok\",\"messages\":@  }",
        ),
    ] {
        let text = sent(&gateway, &mock, CHAT, &body.replace('@', HELLO)).await;
        let expected = expected.replace('@', HELLO);
        let squeezed = |text: &str| text.replace(' ', "");
        assert_eq!(squeezed(&text), squeezed(&expected), "{body}");
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
    }
    // Nothing may be left of a body but what the gateway adds.
    let text = sent(&gateway, &mock, "/engines/gpt/completions", r#"{"prompt":"x","cache":1}"#).await;
    assert_eq!(text, r#"{"prompt":"x","model":"ok"}"#);
}

#[tokio::test]
async fn metadata_is_litellms_on_the_older_routes_and_the_providers_elsewhere() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(yaml(&mock).virtual_key(canary::VIRTUAL_KEY).text()).start().await;
    let metadata = r#""metadata": {"tags":["red","blue"],"user_id":"u1","n":1.0}"#;
    let removed = [
        (CHAT, "gpt", format!(r#""messages":{HELLO}"#)),
        ("/v1/completions", "gpt", r#""prompt":"hi""#.to_owned()),
        ("/v1/embeddings", "embed", r#""input":"hi""#.to_owned()),
    ];
    for (path, model, rest) in &removed {
        let body = format!(r#"{{"model":"{model}",{metadata},{rest}}}"#);
        assert_eq!(sent(&gateway, &mock, path, &body).await, format!(r#"{{"model":"ok",{rest}}}"#), "{path}");
    }
    let kept = [
        ("/v1/responses", "gpt", r#""input":"hi""#.to_owned()),
        ("/v1/messages", "claude", format!(r#""max_tokens":5,"messages":{HELLO}"#)),
        ("/v1/messages/count_tokens", "claude", format!(r#""messages":{HELLO}"#)),
    ];
    for (path, model, rest) in &kept {
        let body = format!(r#"{{"model":"{model}",{metadata},{rest}}}"#);
        let expected = format!(r#"{{"model":"ok",{metadata},{rest}}}"#);
        assert_eq!(sent(&gateway, &mock, path, &body).await, expected, "{path}");
    }
    let records = gateway.usage_of(removed.len() + kept.len()).await;
    for (record, tags) in records.iter().zip([true, true, true, false, false, false]) {
        let expected = if tags { json!(["red", "blue"]) } else { json!([]) };
        assert_eq!((&record["tags"], &record["end_user"]), (&expected, &json!("u1")), "{record}");
    }
}

#[tokio::test]
async fn metadata_of_the_deployment_is_sent_whatever_the_client_tells_the_gateway() {
    let mock = MockProvider::start();
    let yaml = also(yaml(&mock), &mock, "marked", "openai").param("metadata", json!({"cost_center": "42"}));
    let gateway = Gateway::with(yaml.text()).start().await;
    let expected = format!(r#"{{"model":"ok","messages":{HELLO},"metadata":{{"cost_center":"42"}}}}"#);
    for theirs in ["", r#","metadata":{"tags":["red"]}"#] {
        let body = format!(r#"{{"model":"marked","messages":{HELLO}{theirs}}}"#);
        assert_eq!(sent(&gateway, &mock, CHAT, &body).await, expected);
    }
}

#[tokio::test]
async fn what_a_provider_does_not_know_is_refused_or_dropped_as_configured() {
    let mock = MockProvider::start();
    let yaml = also(yaml(&mock), &mock, "groq", "groq");
    let yaml = also(yaml, &mock, "groq-drop", "groq").param("drop_params", true);
    let yaml = also(yaml, &mock, "openai-drop", "openai").param("drop_params", true);
    let yaml = also(yaml, &mock, "always", "openai")
        .param("additional_drop_params", vec!["seed", "metadata", "not-there", "stream_options"]);
    let gateway = Gateway::with(yaml.text()).start().await;
    let body = |model: &str, members: &str| format!(r#"{{"model":"{model}","messages":{HELLO}{members}}}"#);
    let both = r#","logit_bias":{"1":1.0},"seed":1,"top_logprobs":2"#;

    let answer = gateway.post(CHAT, MASTER, body("groq", both)).await;
    assert_eq!(answer.status, 400);
    let expected = "litellm.UnsupportedParamsError: groq does not support parameters: ['logit_bias', 'top_logprobs'], for \
                    model=groq. To drop these, set `litellm_settings: drop_params: true` or `drop_params: true` in the \
                    model's litellm_params.";
    assert_eq!(answer.json()["error"]["message"], expected);
    assert_eq!(mock.ledger().count(), 0);

    let answer = gateway.post(CHAT, MASTER, body("groq-drop", both)).await;
    assert_eq!(answer.header("x-bulkhead-dropped-params"), Some("logit_bias,top_logprobs"));
    assert_eq!(mock.last_request().unwrap().body.unwrap(), body("ok", r#","seed":1"#));

    // Nothing is unknown to OpenAI, and what the provider knows is not dropped.
    assert_eq!(sent(&gateway, &mock, CHAT, &body("openai-drop", both)).await, body("ok", both));

    let members = r#","s\u0065ed":1,"metadata":{"a":1},"seed":2,"top_p":1.0"#;
    let answer = gateway.post(CHAT, MASTER, body("always", members)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(mock.last_request().unwrap().body.unwrap(), body("ok", r#","top_p":1.0"#));
    let dropped = answer.header("x-bulkhead-dropped-params").unwrap();
    assert!(dropped.contains("seed") && dropped.contains("metadata"), "{dropped}");
    let streamed = r#","stream":true,"stream_options":{"include_usage":true}"#;
    assert_eq!(sent(&gateway, &mock, CHAT, &body("always", streamed)).await, body("ok", r#","stream":true"#));
}

#[tokio::test]
async fn drop_params_can_be_set_for_all() {
    let mock = MockProvider::start();
    let yaml = also(yaml(&mock), &mock, "groq", "groq");
    let yaml = also(yaml, &mock, "groq-keep", "groq").param("drop_params", false);
    let gateway = Gateway::with(yaml.litellm("drop_params", true).text()).start().await;
    let body = |model: &str| format!(r#"{{"model":"{model}","messages":{HELLO},"logit_bias":{{}}}}"#);
    assert_eq!(
        sent(&gateway, &mock, CHAT, &body("groq")).await,
        format!(r#"{{"model":"ok","messages":{HELLO}}}"#)
    );
    assert_eq!(gateway.post(CHAT, MASTER, body("groq-keep")).await.status, 400);
}

#[tokio::test]
async fn a_streams_usage_is_asked_for_where_the_provider_knows_how() {
    let mock = MockProvider::start();
    let yaml = also(yaml(&mock), &mock, "ai21", "ai21_chat");
    let gateway = Gateway::with(also(yaml, &mock, "mistral", "mistral").text()).start().await;
    let chat = |model: &str, members: &str| format!(r#"{{"model":"{model}","messages":{HELLO}{members}}}"#);
    let asked = r#","stream_options":{"include_usage":true}"#;
    for (members, expected) in [
        ("", ""),
        (r#","stream":false"#, r#","stream":false"#),
        (r#","stream":null"#, r#","stream":null"#),
        (r#","stream":true"#, &format!(r#","stream":true{asked}"#)),
        (r#","stream":true,"stream_options":null"#, &format!(r#","stream":true{asked}"#)),
        (r#","stream":true,"stream_options":{}"#, &format!(r#","stream":true{asked}"#)),
        // What the client says itself stays as it is spelled.
        (
            r#","stream":true,"stream_options": { "include_usage" : true }"#,
            r#","stream":true,"stream_options": { "include_usage" : true }"#,
        ),
        (r#","stream":true,"stream_options":{"include_usage":false}"#, &format!(r#","stream":true{asked}"#)),
        (
            r#","stream":true,"stream_options":{ "x":1.0 , "include_usage" : null, "a":[1E+2]}"#,
            r#","stream":true,"stream_options":{ "x":1.0 , "include_usage" : true, "a":[1E+2]}"#,
        ),
        (
            r#","stream":true,"stream_options":{ "include_obfuscation" : false ,"a":-0 }"#,
            r#","stream":true,"stream_options":{ "include_obfuscation" : false ,"a":-0 ,"include_usage":true}"#,
        ),
    ] {
        assert_eq!(sent(&gateway, &mock, CHAT, &chat("gpt", members)).await, chat("ok", expected));
    }
    let text =
        sent(&gateway, &mock, "/v1/completions", r#"{"model":"gpt","prompt":"x","stream":true}"#).await;
    assert_eq!(text, format!(r#"{{"model":"ok","prompt":"x","stream":true{asked}}}"#));
    // Responses and messages report unasked; some providers do not know the member, or nobody knows whether.
    for (path, model, rest) in [
        ("/v1/responses", "gpt", r#","input":"x""#),
        ("/v1/messages", "claude", r#","max_tokens":5"#),
        (CHAT, "ai21", ""),
        (CHAT, "mistral", ""),
    ] {
        let members = format!(r#","stream":true{rest}"#);
        assert_eq!(
            sent(&gateway, &mock, path, &chat(model, &members)).await,
            chat("ok", &members),
            "{model}"
        );
    }
}

#[tokio::test]
async fn stream_options_of_the_deployment_are_for_streams_and_sent_once() {
    let mock = MockProvider::start();
    let yaml =
        also(yaml(&mock), &mock, "asks", "openai").param("stream_options", json!({"include_usage": true}));
    let yaml =
        also(yaml, &mock, "other", "openai").param("stream_options", json!({"include_obfuscation": false}));
    let gateway = Gateway::with(yaml.text()).start().await;
    let chat = |model: &str, members: &str| format!(r#"{{"model":"{model}","messages":{HELLO}{members}}}"#);
    for model in ["asks", "other"] {
        assert_eq!(sent(&gateway, &mock, CHAT, &chat(model, "")).await, chat("ok", ""), "{model}");
    }
    let streamed = r#","stream":true"#;
    let asked = r#","stream":true,"stream_options":{"include_usage":true}"#;
    assert_eq!(sent(&gateway, &mock, CHAT, &chat("asks", streamed)).await, chat("ok", asked));
    assert_eq!(
        sent(&gateway, &mock, CHAT, &chat("other", streamed)).await,
        chat("ok", r#","stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true}"#)
    );
    // Who asks gets it: here the operator did, for everybody.
    let has_usage = async |model: &str| {
        let answer = gateway.post(CHAT, MASTER, chat(model, streamed)).await;
        answer.events().iter().any(|event| event.json()["usage"].is_object())
    };
    assert!(has_usage("asks").await);
    assert!(!has_usage("other").await);
}

#[tokio::test]
async fn a_wildcards_model_is_what_its_stars_stand_for() {
    let mock = MockProvider::start();
    let text = yaml_with_wildcards(&mock);
    let gateway = Gateway::with(text).start().await;
    for (asked, expected) in [
        ("openai/gpt-4o", "gpt-4o"),
        ("openai/ft:gpt-4o:org::id", "ft:gpt-4o:org::id"),
        ("openai/a/b \\\"c", "a/b \\\"c"),
        ("v-mini-x", "ok+mini"),
    ] {
        let body = format!(r#"{{"model": "{asked}","messages":{HELLO},"x":1.0}}"#);
        let expected = format!(r#"{{"model": "{expected}","messages":{HELLO},"x":1.0}}"#);
        assert_eq!(sent(&gateway, &mock, CHAT, &body).await, expected);
    }
}

fn yaml_with_wildcards(mock: &MockProvider) -> String {
    yaml(mock)
        .deployment("openai/*")
        .provider("openai")
        .model("*")
        .base(mock.base_url())
        .key(canary::OPENAI_KEY)
        .deployment("v-*-x")
        .provider("openai")
        .model("ok+*")
        .base(mock.base_url())
        .key(canary::OPENAI_KEY)
        .text()
}

/// The members of an object as they are spelled, duplicates and order included.
struct Members(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push((name, value.get().to_owned()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// A JSON value in some spelling.
fn value() -> impl Strategy<Value = String> {
    let space = "[ \t\r\n]{0,2}";
    let leaf = prop_oneof![
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?",
        "\"([ !#-\\[\\]-~é漢🦀]|\\\\u00[2-7][0-9a-f]|\\\\[\"\\\\/bfnrt]|\\\\ud83e\\\\udd80){0,12}\"",
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let padded =
            (space, inner.clone(), space).prop_map(|(before, value, after)| before + &value + &after);
        let member = ("[a-z]{0,3}", padded.clone()).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        prop_oneof![
            prop::collection::vec(padded, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..4).prop_map(|items| format!("{{{}}}", items.join(","))),
        ]
    })
}

/// A member: its name, its name as spelled, its value, and whether it stays.
fn member() -> impl Strategy<Value = (String, String, String, bool)> {
    let free = ("x[a-z0-9_]{0,6}|\\PC{0,3}", value()).prop_filter("not governed", |(name, _)| {
        // A name of the table at random would be another test.
        name.starts_with('x') || name.chars().any(|c| !c.is_ascii_alphanumeric()) || name.is_empty()
    });
    let spelled = |name: &str, escape: bool| {
        let plain = serde_json::Value::from(name).to_string();
        match name.chars().next().filter(|first| escape && first.is_ascii()) {
            Some(first) => format!(
                "\"\\u{:04x}{}",
                u32::from(first),
                plain.trim_start_matches('"').split_at(first_len(&plain)).1
            ),
            None => plain,
        }
    };
    prop_oneof![
        4 => (free, any::<bool>()).prop_map(move |((name, value), escape)| {
            let text = spelled(&name, escape);
            (name, text, value, true)
        }),
        1 => prop::sample::select(vec!["cache", "default_fallbacks", "no-log", "mock_response"])
            .prop_map(|name| (name.to_owned(), format!("\"{name}\""), "[1, 2]".to_owned(), false)),
    ]
}

/// The length of the first character of a JSON string, as it is spelled.
fn first_len(quoted: &str) -> usize {
    let inner = quoted.trim_start_matches('"');
    match inner.as_bytes() {
        [b'\\', b'u', ..] => 6,
        [b'\\', ..] => 2,
        _ => inner.chars().next().map_or(0, char::len_utf8),
    }
}

#[derive(Debug, Clone)]
struct Generated {
    body: String,
    /// What is to arrive; members and values only.
    expected: Vec<(String, String)>,
    /// Nothing is removed, so every byte is known.
    exact: bool,
}

fn generated() -> impl Strategy<Value = Generated> {
    let members = prop::collection::vec(member(), 0..6);
    (members, 0..6usize, 0..7usize, prop::collection::vec("[ \t\r\n]{0,2}", 9)).prop_map(
        |(mut members, model_at, messages_at, spaces)| {
            let mut seen = std::collections::BTreeSet::new();
            members.retain(|(name, _, _, stays)| *stays || seen.insert(name.clone()));
            let model = ("model".to_owned(), "\"model\"".to_owned(), "\"gpt\"".to_owned(), true);
            members.insert(model_at.min(members.len()), model);
            let messages = ("messages".to_owned(), "\"messages\"".to_owned(), HELLO.to_owned(), true);
            members.insert(messages_at.min(members.len()), messages);
            let mut space = spaces.iter().cycle();
            let mut pad = || space.next().cloned().unwrap_or_default();
            let written: Vec<_> = members
                .iter()
                .map(|(_, spelled, value, _)| {
                    format!("{}{spelled}{}:{}{value}{}", pad(), pad(), pad(), pad())
                })
                .collect();
            let body = format!("{}{{{}}}{}", pad(), written.join(","), pad());
            let exact = members.iter().all(|(.., stays)| *stays);
            let expected = members.into_iter().filter(|(.., stays)| *stays).map(|(name, _, value, _)| {
                let value = if name == "model" { "\"ok\"".to_owned() } else { value };
                (name, value)
            });
            Generated { body, expected: expected.collect(), exact }
        },
    )
}

async fn arrives(client: &mut Client, mock: &MockProvider, case: &Generated) -> Result<(), TestCaseError> {
    let request = Request::post(CHAT).bearer(MASTER).json(case.body.clone());
    let before = mock.ledger().count();
    let answer = client.exchange(&request).await;
    prop_assert_eq!(mock.ledger().count(), before + 1, "{}", answer.text());
    let sent = String::from_utf8(mock.last_request().unwrap().body.unwrap().to_vec()).unwrap();
    let members: Members =
        serde_json::from_str(&sent).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&members.0, &case.expected);
    if case.exact {
        prop_assert_eq!(sent, case.body.replacen("\"gpt\"", "\"ok\"", 1));
    }
    Ok(())
}

#[test]
fn any_object_arrives_as_a_tree_of_values_would_have_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mock = MockProvider::start();
    let gateway = runtime.block_on(Gateway::start(&mock));
    let client = parking_lot::Mutex::new(runtime.block_on(gateway.client()));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(150) });
    let outcome =
        runner.run(&generated(), |case| runtime.block_on(arrives(&mut client.lock(), &mock, &case)));
    outcome.unwrap();
    // All of them over one connection on either side.
    assert_eq!(mock.stats().accepted, 1);
}

#[tokio::test]
async fn a_usage_chunk_that_only_the_gateway_asked_for_is_withheld() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    for (path, body) in [(CHAT, body::chat("gpt", "hi")), ("/v1/completions", body::completions("gpt", "hi"))]
    {
        let usage_chunks = async |body: body::Body| {
            let answer = gateway.post(path, MASTER, body).await;
            assert_eq!(answer.status, 200);
            let events = answer.events();
            assert_eq!(events.last().unwrap().data, "[DONE]");
            events.iter().filter(|event| event.json()["usage"].is_object()).count()
        };
        let off = json!({"include_usage": false});
        assert_eq!(usage_chunks(body.clone().stream()).await, 0, "{path}");
        assert_eq!(usage_chunks(body.clone().stream().with("stream_options", off)).await, 0, "{path}");
        assert_eq!(usage_chunks(body.stream_with_usage()).await, 1, "{path}");
    }
    for record in gateway.usage_of(6).await {
        assert_eq!(record["usage"], "reported", "{record}");
        assert_eq!(record["output_tokens"], 12, "{record}");
    }
}
