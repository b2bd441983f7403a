//! Providers whose own dialect no client speaks.

use super::*;

const MODELS: [&str; 6] =
    ["strict", "reasoning-8", "cut-after-3", "error-after-3", "context-window", "unknown-model"];

/// A group for each of [`MODELS`] at either provider: `command-…` and `llama-…`.
fn natives(mock: &MockProvider) -> GatewayYaml {
    let mut yaml = GatewayYaml::new().master_key(MASTER);
    for model in MODELS {
        yaml = yaml.deployment(&format!("command-{model}")).provider("cohere").model(model);
        yaml = yaml.base(mock.origin()).key(canary::OPENAI_KEY).info("base_model", "command-r-08-2024");
        yaml = yaml.deployment(&format!("llama-{model}")).provider("ollama").model(model);
        yaml = yaml.base(mock.origin()).key(canary::OPENAI_KEY);
        // Nobody is paid for it, but whoever runs it may want to know.
        yaml = yaml.info("input_cost_per_token", 1e-6).info("output_cost_per_token", 2e-6);
        yaml = yaml.param("num_ctx", 8192).param("keep_alive", "5m");
    }
    yaml
}

#[tokio::test]
async fn they_are_asked_in_their_own_words() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(natives(&mock).text()).start().await;
    let chat =
        |model: &str| body::chat(model, "hi").with("top_p", 0.5).with("max_tokens", 50).with("stop", "END");
    let answer = gateway.post(CHAT, MASTER, chat("command-strict")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = mock.last_request().unwrap();
    let bearer = format!("Bearer {}", canary::OPENAI_KEY);
    assert_eq!((sent.target(), sent.header("authorization")), ("/v2/chat".to_owned(), Some(bearer)));
    assert_eq!(
        sent.json_body(),
        json!({"model": "strict", "messages": [{"role": "user", "content": "hi"}], "p": 0.5, "max_tokens": 50,
            "stop_sequences": ["END"]})
    );
    let answer = gateway.post(CHAT, MASTER, chat("llama-strict")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = mock.last_request().unwrap();
    assert_eq!(sent.target(), "/api/chat");
    let mut options = json!({"num_ctx": 8192, "top_p": 0.5, "num_predict": 50, "stop": ["END"]});
    let mut expected = json!({"model": "strict", "messages": [{"role": "user", "content": "hi"}], "keep_alive": "5m",
        "stream": false, "options": options});
    assert_eq!(sent.json_body(), expected);
    // What an operator sets holds for clients of every dialect.
    let answer = gateway.post(MESSAGES, MASTER, body::messages("llama-strict", "hi").stream()).await;
    assert_eq!((answer.status, answer.end), (200, End::Complete), "{}", answer.text());
    let mut sent = mock.last_request().unwrap().json_body();
    assert!(sent["options"]["num_predict"].is_u64(), "{sent}");
    options = json!({"num_ctx": 8192, "num_predict": sent["options"]["num_predict"].take()});
    sent["options"]["num_predict"] = options["num_predict"].clone();
    expected["options"] = options;
    expected["stream"] = true.into();
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn their_answers_records_and_costs_are_like_others() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(natives(&mock).text()).start().await;
    for (asked, (model, provider)) in
        [("command-reasoning-8", "cohere"), ("llama-reasoning-8", "ollama")].into_iter().enumerate()
    {
        let plain = gateway.post(CHAT, MASTER, body::chat(model, "hi")).await;
        assert_eq!(plain.status, 200, "{}", plain.text());
        let said = plain.json();
        assert_eq!((&said["object"], &said["model"]), (&json!("chat.completion"), &json!(model)));
        assert_eq!(said["choices"][0]["finish_reason"], "stop");
        let message = &said["choices"][0]["message"];
        assert!(message["content"].as_str().is_some_and(|text| text.len() > 20), "{said}");
        assert!(message["reasoning_content"].as_str().is_some_and(|text| text.len() > 10), "{said}");
        let streamed = gateway.post(CHAT, MASTER, body::chat(model, "hi").stream_with_usage()).await;
        assert_eq!((streamed.status, streamed.end), (200, End::Complete), "{}", streamed.text());
        assert!(streamed.header("content-type").unwrap().starts_with("text/event-stream"));
        let events = data(&streamed);
        for name in ["content", "reasoning_content"] {
            let joined: String =
                events.iter().filter_map(|event| event["choices"][0]["delta"][name].as_str()).collect();
            assert_eq!(message[name], joined, "{model}");
        }
        assert_eq!(events.last().unwrap()["usage"], said["usage"]);
        assert!(streamed.text().ends_with("data: [DONE]\n\n"));
        let records = gateway.usage_of(2 * (asked + 1)).await;
        let own: Vec<&Value> = records.iter().filter(|record| record["provider"] == provider).collect();
        assert_eq!(own.len(), 2, "{records:#?}");
        for record in own {
            assert_eq!(
                (&record["status"], &record["usage"]),
                (&json!("success"), &json!("reported")),
                "{record}"
            );
            assert_eq!(record["input_tokens"], said["usage"]["prompt_tokens"]);
            assert_eq!(record["output_tokens"], said["usage"]["completion_tokens"]);
            assert!(record["cost"].as_str().unwrap().parse::<f64>().unwrap() > 0.0, "{record}");
        }
    }
}

#[tokio::test]
async fn their_failures_are_told_as_others_are() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(natives(&mock).text()).start().await;
    for who in ["command", "llama"] {
        for (model, status, class) in
            [("context-window", 400, "ContextWindowExceededError"), ("unknown-model", 404, "NotFoundError")]
        {
            let answer = gateway.post(CHAT, MASTER, body::chat(&format!("{who}-{model}"), "hi")).await;
            let text = answer.text();
            assert!(
                answer.status == status && text.contains(class),
                "{who} {model}: {} {text}",
                answer.status
            );
        }
        for model in ["cut-after-3", "error-after-3"] {
            let body = body::chat(&format!("{who}-{model}"), "hi").stream();
            let answer = gateway.post(CHAT, MASTER, body).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(data(&answer).iter().any(|event| event.get("error").is_some()), "{}", answer.text());
            assert!(!answer.text().contains("[DONE]"), "{}", answer.text());
        }
    }
}
