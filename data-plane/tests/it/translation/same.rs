//! Requests in their provider's own dialect of which something has to be put right.

use super::*;

const RESPONSES: &str = "/v1/responses";

fn at(yaml: GatewayYaml, mock: &MockProvider, group: &str, provider: &str) -> GatewayYaml {
    yaml.deployment(group).provider(provider).model("ok").base(mock.base_url()).key(canary::OPENAI_KEY)
}

/// What the provider got of a request to a gateway.
async fn sent(gateway: &Gateway, mock: &MockProvider, path: &str, body: &Value) -> Value {
    let answer = gateway.post(path, MASTER, body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    mock.last_request().unwrap().json_body()
}

async fn refused(gateway: &Gateway, body: &Value) -> String {
    let answer = gateway.post(CHAT, MASTER, body.to_string()).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    answer.json()["error"]["message"].as_str().unwrap().to_owned()
}

fn hi(model: &str, more: Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn mistral_is_asked_in_its_own_names() {
    let mock = MockProvider::start();
    let yaml = at(yaml(&mock), &mock, "mistral", "mistral");
    let yaml =
        at(yaml, &mock, "mistral-seeded", "mistral").param("seed", 9).param("max_completion_tokens", 8);
    let gateway = Gateway::with(yaml.text()).start().await;
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {}}});
    let body = hi(
        "mistral",
        json!({"seed": 7, "max_completion_tokens": 50, "max_tokens": 5, "user": "u",
        "tools": [tool], "tool_choice": "required"}),
    );
    let answer = gateway.post(CHAT, MASTER, body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-bulkhead-dropped-params"), Some("user"));
    let got = mock.last_request().unwrap().json_body();
    let expected = json!({"model": "ok", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 50,
        "tools": [tool], "tool_choice": "any", "random_seed": 7});
    assert_eq!(got, expected);
    // An operator's parameters are in LiteLLM's names.
    let got = sent(&gateway, &mock, CHAT, &hi("mistral-seeded", json!({"max_tokens": 5}))).await;
    assert_eq!((&got["random_seed"], got.get("seed")), (&json!(9), None));
    assert_eq!((&got["max_tokens"], got.get("max_completion_tokens")), (&json!(5), None));
}

#[tokio::test]
async fn mistral_gets_ids_that_it_takes_from_clients_of_any_dialect() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(at(yaml(&mock), &mock, "mistral", "mistral").text()).start().await;
    let call = json!({"id": "toolu_01A", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let chat = json!({"model": "mistral", "messages": [
        {"role": "user", "content": "hi", "name": "me"},
        {"role": "assistant", "content": null, "refusal": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "toolu_01A", "content": "1"},
    ]});
    let same = sent(&gateway, &mock, CHAT, &chat).await;
    assert_eq!(same["messages"][0], json!({"role": "user", "content": "hi"}));
    assert!(same["messages"][1].get("refusal").is_none());
    let messages = json!({"model": "mistral", "max_tokens": 9, "metadata": {"user_id": "u"}, "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_01A", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01A", "content": "1"}]},
    ]});
    let translated = sent(&gateway, &mock, MESSAGES, &messages).await;
    assert!(translated.get("user").is_none());
    let responses = json!({"model": "mistral", "input": [
        {"type": "message", "role": "developer", "content": "Be brief."},
        {"type": "function_call", "call_id": "toolu_01A", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "toolu_01A", "output": "1"},
    ]});
    let of_codex = sent(&gateway, &mock, RESPONSES, &responses).await;
    assert_eq!(of_codex["messages"][0]["role"], "system");
    for body in [same, translated, of_codex] {
        let id = body["messages"][1]["tool_calls"][0]["id"].as_str().unwrap();
        assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
        assert_eq!(body["messages"][2]["tool_call_id"], id);
    }
}

#[tokio::test]
async fn models_that_reason_get_what_they_take() {
    let mock = MockProvider::start();
    let yaml = at(yaml(&mock), &mock, "o3", "openai").info("base_model", "o3-mini");
    let yaml = at(yaml, &mock, "five", "openai").info("base_model", "gpt-5").param("drop_params", true);
    let yaml = at(yaml, &mock, "five-one", "openai").info("base_model", "gpt-5.1").param("max_tokens", 7);
    let yaml = yaml.deployment("az").provider("azure").model("mine").base(mock.origin());
    let yaml = yaml
        .key(canary::OPENAI_KEY)
        .param("api_version", "2024-10-21")
        .info("base_model", "azure/gpt-5-mini");
    let gateway = Gateway::with(yaml.text()).start().await;
    for model in ["o3", "az"] {
        let got =
            sent(&gateway, &mock, CHAT, &hi(model, json!({"max_tokens": 50, "temperature": 1, "top_p": 1})))
                .await;
        assert_eq!((&got["max_completion_tokens"], got.get("max_tokens")), (&json!(50), None), "{model}");
        assert_eq!((&got["temperature"], got.get("top_p")), (&json!(1), None), "{model}");
        let said =
            refused(&gateway, &hi(model, json!({"temperature": 0.2, "presence_penalty": 1, "n": 1}))).await;
        assert!(said.starts_with("litellm.UnsupportedParamsError: "), "{said}");
        assert!(said.contains("parameters: ['presence_penalty', 'temperature'], for"), "{said}");
    }
    let body = hi("five", json!({"temperature": 0.2, "stop": "x", "logit_bias": {"1": 2}, "seed": 1}));
    let answer = gateway.post(CHAT, MASTER, body.to_string()).await;
    assert_eq!(answer.header("x-bulkhead-dropped-params"), Some("logit_bias,stop,temperature"));
    assert_eq!(
        mock.last_request().unwrap().json_body(),
        json!({"model": "ok", "seed": 1,
        "messages": [{"role": "user", "content": "hi"}]})
    );
    // It samples unless it is told to reason.
    let got = sent(&gateway, &mock, CHAT, &hi("five-one", json!({"temperature": 0.2}))).await;
    assert_eq!((&got["temperature"], &got["max_completion_tokens"]), (&json!(0.2), &json!(7)));
    let said =
        refused(&gateway, &hi("five-one", json!({"temperature": 0.2, "reasoning_effort": "low"}))).await;
    assert!(said.contains("['temperature']"), "{said}");
    // Other models get what they are sent.
    let got =
        sent(&gateway, &mock, CHAT, &hi("gpt", json!({"max_tokens": 50, "temperature": 0.2, "stop": "x"})))
            .await;
    assert_eq!(
        (&got["max_tokens"], &got["temperature"], &got["stop"]),
        (&json!(50), &json!(0.2), &json!("x"))
    );
}

/// A client of messages is told by its own names.
#[tokio::test]
async fn models_that_reason_are_asked_likewise_in_translation() {
    let mock = MockProvider::start();
    let gateway =
        Gateway::with(at(yaml(&mock), &mock, "o3", "openai").info("base_model", "o3").text()).start().await;
    let messages = |more: Value| {
        let mut body = hi("o3", more);
        body["max_tokens"] = json!(50);
        body
    };
    let got = sent(&gateway, &mock, MESSAGES, &messages(json!({"temperature": 1}))).await;
    assert_eq!((&got["max_completion_tokens"], &got["temperature"]), (&json!(50), &json!(1)));
    let body = messages(json!({"temperature": 0.5, "top_p": 0.5, "stop_sequences": ["x"]}));
    let answer = gateway.post(MESSAGES, MASTER, body.to_string()).await;
    let said = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(answer.status, 400);
    assert!(said.contains("parameters: ['temperature', 'top_p'], for"), "{said}");
    // Google's clients send its defaults along.
    let google = |top_p: f64| {
        let contents = json!([{"role": "user", "parts": [{"text": "hi"}]}]);
        json!({"contents": contents, "generationConfig": {"temperature": 1, "topP": top_p, "topK": 64}})
    };
    let path = "/v1beta/models/o3:generateContent";
    let got = sent(&gateway, &mock, path, &google(0.95)).await;
    assert_eq!((&got["temperature"], got.get("top_p")), (&json!(1), None));
    assert_eq!(gateway.post(path, MASTER, google(0.5).to_string()).await.status, 400);
}

/// What a client was given to keep by one model means nothing to another, which would refuse it.
#[tokio::test]
async fn what_was_kept_for_another_provider_does_not_reach_this_one() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let chat = |id: &str| {
        json!({"model": "gpt", "messages": [
            {"role": "assistant", "content": null, "tool_calls": [call(id)]},
            {"role": "tool", "tool_call_id": id, "content": "1"},
        ]})
    };
    let got = sent(&gateway, &mock, CHAT, &chat("call_1__thought__CiQB")).await;
    assert_eq!(got["messages"], chat("call_1")["messages"]);

    let messages = |thoughts: &[Value]| {
        let mut content = thoughts.to_vec();
        content.push(json!({"type": "text", "text": "Hello."}));
        json!({"model": "claude", "max_tokens": 9, "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": content},
            {"role": "user", "content": "go on"},
        ]})
    };
    let thought = |signature: &str| json!({"type": "thinking", "thinking": "Hm.", "signature": signature});
    let all = [thought("openai-reasoning.rs_1.gA=="), thought("EqQB"), thought("part:CiQB"), thought("")];
    let got = sent(&gateway, &mock, MESSAGES, &messages(&all)).await;
    assert_eq!(got["messages"], messages(&all[1..2])["messages"]);

    let items = |proof: &[&str]| {
        let proven = proof.iter().map(
            |proof| json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": proof}),
        );
        let said = json!({"type": "message", "role": "user", "content": "hi"});
        json!({"model": "gpt", "input": proven.chain([said]).collect::<Vec<_>>()})
    };
    let got = sent(
        &gateway,
        &mock,
        RESPONSES,
        &items(&["anthropic-thinking.e30", "gA==", "anthropic-thinking.e30"]),
    )
    .await;
    assert_eq!(got["input"], items(&["gA=="])["input"]);
}
