//! Embeddings whose client speaks another dialect than their provider, and Google's own endpoints.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

const EMBEDDINGS: &str = "/v1/embeddings";
const BATCH: &str = "/v1beta/models/gemini-embed:batchEmbedContents";
const KEY: &str = "sk-embeddings-0123456789";
const PROJECT: &str = "/v1/projects/p/locations/l";
/// Groups, their providers, and the names by which their models are known.
const GROUPS: [(&str, &str, &str); 6] = [
    ("gemini-embed", "gemini", "gemini-embedding-001"),
    ("vertex-embed", "vertex_ai", "text-embedding-005"),
    ("cohere-embed", "cohere", "embed-english-v3.0"),
    ("titan-embed", "bedrock", "amazon.titan-embed-text-v2:0"),
    ("bedrock-cohere", "bedrock", "cohere.embed-english-v3"),
    ("nova-embed", "bedrock", "amazon.nova-2-multimodal-embeddings-v1:0"),
];

/// One more group of a provider, whose model misbehaves by its name.
fn with(yaml: GatewayYaml, mock: &MockProvider, group: &str, model: &str) -> GatewayYaml {
    let (_, provider, known_as) = *GROUPS.iter().find(|(known, ..)| group.starts_with(known)).unwrap();
    let base = match provider {
        "gemini" => format!("{}/v1beta", mock.origin()),
        "vertex_ai" => format!("{}{PROJECT}", mock.origin()),
        _ => mock.origin(),
    };
    let yaml = yaml.deployment(group).provider(provider).model(model).base(base).key(canary::OPENAI_KEY);
    yaml.info("base_model", known_as).info("mode", "embedding")
}

pub(crate) fn embedding_yaml(mock: &MockProvider) -> GatewayYaml {
    GROUPS.iter().fold(yaml(mock), |yaml, (group, ..)| with(yaml, mock, group, "strict"))
}

fn asked(model: &str, input: Value) -> Value {
    json!({"model": model, "input": input})
}

async fn posted(gateway: &Gateway, path: &str, body: Value) -> Answer {
    gateway.post(path, MASTER, body.to_string()).await
}

fn vectors(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let data = body["data"].as_array().unwrap();
    data.iter().map(|one| one["embedding"].clone()).collect()
}

/// Base64 of floats, little end first.
fn floats(base64: &str) -> Vec<f32> {
    let bytes = STANDARD.decode(base64).unwrap();
    bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

/// The mock gives a text the same vector in every dialect.
#[tokio::test]
async fn vectors_are_those_of_the_texts_whoever_serves_them() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(embedding_yaml(&mock).text()).start().await;
    let texts = json!(["One", "Two", "Three"]);
    let body = |model: &str| {
        let mut body = asked(model, texts.clone());
        body["dimensions"] = json!(8);
        body["user"] = json!("u");
        body
    };
    let expected = vectors(&posted(&gateway, EMBEDDINGS, body("embed")).await);
    assert_eq!((expected.len(), expected[0].as_array().unwrap().len()), (3, 8));
    for (group, ..) in GROUPS {
        let answer = posted(&gateway, EMBEDDINGS, body(group)).await;
        assert_eq!(vectors(&answer), expected, "{group}");
        let said = answer.json();
        assert_eq!((&said["object"], &said["model"]), (&json!("list"), &json!(group)));
        let indices: Vec<_> =
            said["data"].as_array().unwrap().iter().map(|one| one["index"].clone()).collect();
        assert_eq!(indices, [0, 1, 2]);
        assert!(said["usage"]["prompt_tokens"].as_u64().unwrap() > 0, "{group}: {said}");
        assert_eq!(said["usage"]["prompt_tokens"], said["usage"]["total_tokens"]);
        assert_eq!(answer.header("x-bulkhead-dropped-params"), Some("user"));
        assert!(answer.header("content-type").unwrap().starts_with("application/json"));
        let mut base64 = body(group);
        base64["encoding_format"] = json!("base64");
        for (packed, plain) in vectors(&posted(&gateway, EMBEDDINGS, base64).await).iter().zip(&expected) {
            let plain = plain.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32);
            assert_eq!(floats(packed.as_str().unwrap()), plain.collect::<Vec<_>>(), "{group}");
        }
    }
}

#[tokio::test]
async fn what_a_provider_counts_is_recorded_and_what_it_does_not_is_estimated() {
    let mock = MockProvider::start();
    let gateway =
        Gateway::with(embedding_yaml(&mock).virtual_key(KEY).limit("max_budget", 1).text()).start().await;
    for (at, (group, ..)) in GROUPS.iter().enumerate() {
        let body = asked(group, json!(["some words that cost something", "more"])).to_string();
        let answer = gateway.post(EMBEDDINGS, KEY, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let is_estimate = *group == "gemini-embed";
        let record = &gateway.usage_of(at + 1).await[at];
        let told = answer.json()["usage"]["prompt_tokens"].clone();
        assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&told, &json!(0)), "{record}");
        let source = if is_estimate { "estimated" } else { "reported" };
        assert_eq!((&record["status"], &record["usage"]), (&json!("success"), &json!(source)), "{record}");
        assert_eq!(answer.header("x-bulkhead-estimated"), is_estimate.then_some("usage"), "{group}");
        assert_eq!(answer.header("x-litellm-response-cost").is_none(), is_estimate, "{group}");
        assert!(record["cost"].as_str().unwrap().parse::<f64>().unwrap() > 0.0, "{record}");
    }
    let costs = gateway
        .usage()
        .iter()
        .map(|record| record["cost"].as_str().unwrap().parse::<f64>().unwrap())
        .sum::<f64>();
    let answer = gateway.post(EMBEDDINGS, KEY, asked("nobody-has-this", json!("x")).to_string()).await;
    let spent: f64 = answer.header("x-litellm-key-spend").unwrap().parse().unwrap();
    assert!((spent - costs).abs() < 1e-12, "{spent} is not {costs}");
}

/// Amazon's models take one text at a time.
#[tokio::test]
async fn several_texts_are_sent_one_after_the_other() {
    let mock = MockProvider::start();
    let yaml = with(embedding_yaml(&mock), &mock, "titan-embed-breaks", "every-3-503");
    let gateway = Gateway::with(yaml.text()).start().await;
    let answer = posted(&gateway, EMBEDDINGS, asked("titan-embed", json!(["a", "b", "c"]))).await;
    assert_eq!(vectors(&answer).len(), 3);
    let sent: Vec<_> =
        mock.requests().iter().map(|request| request.json_body()["inputText"].clone()).collect();
    assert_eq!(sent, ["a", "b", "c"]);
    assert_eq!(gateway.usage_of(1).await[0]["input_tokens"], 3);
    // The third fails: there is no answer, and what the others used is counted.
    let answer = posted(&gateway, EMBEDDINGS, asked("titan-embed-breaks", json!(["a", "b", "c", "d"]))).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(mock.requests().len(), 6, "the fourth was not sent");
    let record = &gateway.usage_of(2).await[1];
    assert_eq!((&record["usage"], &record["input_tokens"]), (&json!("estimated"), &json!(2)), "{record}");
}

/// Gemini's at Vertex, too; those before it take all at once.
#[tokio::test]
async fn vertex_is_asked_for_as_many_as_its_model_takes() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock).deployment("gemini-at-vertex").provider("vertex_ai").model("strict");
    let yaml = yaml.base(format!("{}{PROJECT}", mock.origin())).key(canary::OPENAI_KEY);
    let yaml = yaml.info("base_model", "gemini-embedding-001").info("mode", "embedding");
    let yaml = with(yaml, &mock, "vertex-embed", "strict");
    let gateway = Gateway::with(yaml.text()).start().await;
    let texts = json!(["a", "b"]);
    let at_once = vectors(&posted(&gateway, EMBEDDINGS, asked("vertex-embed", texts.clone())).await);
    assert_eq!(vectors(&posted(&gateway, EMBEDDINGS, asked("gemini-at-vertex", texts)).await), at_once);
    let sent: Vec<_> =
        mock.requests().iter().map(|request| request.json_body()["instances"].clone()).collect();
    assert_eq!(
        sent,
        [json!([{"content": "a"}, {"content": "b"}]), json!([{"content": "a"}]), json!([{"content": "b"}])]
    );
    let target = format!("{PROJECT}/publishers/google/models/strict:predict");
    assert!(mock.requests().iter().all(|request| request.target() == target));
}

#[tokio::test]
async fn what_a_provider_cannot_embed_is_refused_by_name() {
    let mock = MockProvider::start();
    let yaml = with(embedding_yaml(&mock), &mock, "cohere-embed-drops", "strict").param("drop_params", true);
    let gateway = Gateway::with(yaml.text()).start().await;
    for (group, ..) in GROUPS {
        let answer = posted(&gateway, EMBEDDINGS, asked(group, json!([[1, 2]]))).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["param"]),
            (400, &json!("input")),
            "{}",
            answer.text()
        );
        let answer =
            posted(&gateway, EMBEDDINGS, json!({"model": group, "input": "x", "dimensions": "many"})).await;
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!("dimensions")));
        let answer =
            posted(&gateway, EMBEDDINGS, json!({"model": group, "input": "x", "nobody_knows": 1})).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("does not support parameters: ['nobody_knows']"), "{}", answer.text());
    }
    assert_eq!(mock.ledger().count(), 0, "nothing was sent");
    let body = json!({"model": "cohere-embed-drops", "input": "x", "nobody_knows": 1});
    let answer = posted(&gateway, EMBEDDINGS, body).await;
    assert_eq!((answer.status, answer.header("x-bulkhead-dropped-params")), (200, Some("nobody_knows")));
}

#[tokio::test]
async fn providers_errors_are_the_clients() {
    let mock = MockProvider::start();
    let mut yaml = embedding_yaml(&mock);
    for (group, ..) in GROUPS {
        for fault in ["status-429", "status-400", "status-500", "bad-json"] {
            yaml = with(yaml, &mock, &format!("{group}-{fault}"), fault);
        }
    }
    let gateway = Gateway::with(yaml.text()).start().await;
    for (group, ..) in GROUPS {
        for (fault, status) in
            [("status-429", 429), ("status-400", 400), ("status-500", 500), ("bad-json", 502)]
        {
            let answer = posted(&gateway, EMBEDDINGS, asked(&format!("{group}-{fault}"), json!("x"))).await;
            assert_eq!(answer.status, status, "{group} {fault}: {}", answer.text());
            assert!(answer.json()["error"]["message"].is_string(), "{}", answer.text());
        }
    }
}

fn batch(texts: &[&str]) -> Value {
    let one = |text: &&str| json!({"model": "models/gemini-embed", "content": {"parts": [{"text": text}]}});
    json!({"requests": texts.iter().map(one).collect::<Vec<_>>()})
}

/// At a model of Google's nothing changes but the model's name; elsewhere the answer is Google's all the same.
#[tokio::test]
async fn googles_clients_embed() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(embedding_yaml(&mock).text()).start().await;
    let expected = vectors(&posted(&gateway, EMBEDDINGS, asked("embed", json!(["One", "Two"]))).await);
    let native = posted(&gateway, BATCH, batch(&["One", "Two"])).await;
    assert_eq!(native.status, 200, "{}", native.text());
    let sent = mock.last_request().unwrap();
    assert_eq!(sent.target(), "/v1beta/models/strict:batchEmbedContents");
    assert_eq!(sent.header("x-goog-api-key").as_deref(), Some(canary::OPENAI_KEY));
    assert_eq!(
        String::from_utf8_lossy(sent.body.as_ref().unwrap()),
        batch(&["One", "Two"]).to_string().replace("models/gemini-embed", "models/strict")
    );
    let values = |answer: &Answer| {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = answer.json();
        body["embeddings"].as_array().unwrap().iter().map(|one| one["values"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(values(&native), expected);
    for group in ["embed", "cohere-embed", "titan-embed", "vertex-embed"] {
        let answer = posted(&gateway, &BATCH.replace("gemini-embed", group), batch(&["One", "Two"])).await;
        assert_eq!(values(&answer), expected, "{group}");
        assert!(answer.json()["usageMetadata"]["promptTokenCount"].as_u64().unwrap() > 0);
    }
    for group in ["gemini-embed", "embed"] {
        let path = format!("/v1beta/models/{group}:embedContent");
        let answer = posted(&gateway, &path, json!({"content": {"parts": [{"text": "One"}]}})).await;
        assert_eq!(
            (answer.status, &answer.json()["embedding"]["values"]),
            (200, &expected[0]),
            "{}",
            answer.text()
        );
    }
    let records = gateway.usage_of(8).await;
    let sources: Vec<_> = records.iter().map(|record| record["usage"].as_str().unwrap()).collect();
    assert_eq!(
        sources,
        ["reported", "estimated", "reported", "reported", "reported", "reported", "reported", "reported"]
    );
    for missing in [json!({}), json!({"requests": []})] {
        let answer = posted(&gateway, "/v1beta/models/embed:batchEmbedContents", missing).await;
        assert_eq!((answer.status, &answer.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    }
}

#[tokio::test]
async fn tokens_are_counted_by_google_and_for_googles_clients() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(embedding_yaml(&mock).text()).start().await;
    let count = |group: &str| format!("/v1beta/models/{group}:countTokens");
    let asked = json!({"contents": [{"role": "user", "parts": [{"text": "Hi there"}]}]});
    let native = posted(&gateway, &count("gemini-embed"), asked.clone()).await;
    assert_eq!((native.status, native.header("x-bulkhead-estimated")), (200, None), "{}", native.text());
    assert_eq!(mock.last_request().unwrap().target(), "/v1beta/models/strict:countTokens");
    assert_eq!(mock.last_request().unwrap().json_body(), asked);
    let other = posted(&gateway, &count("claude"), asked.clone()).await;
    assert_eq!((other.status, other.header("x-bulkhead-estimated")), (200, None), "{}", other.text());
    assert_eq!(mock.last_request().unwrap().target(), "/v1/messages/count_tokens");
    let estimated = posted(&gateway, &count("gpt"), asked).await;
    assert_eq!((estimated.status, estimated.header("x-bulkhead-estimated")), (200, Some("totalTokens")));
    for answer in [native, other, estimated] {
        assert!(answer.json()["totalTokens"].as_u64().unwrap() > 0, "{}", answer.text());
    }
    let body = json!({"model": "gemini-embed", "system": "Be brief.", "messages": [{"role": "user", "content": "Hi"}]});
    let anthropic = posted(&gateway, "/v1/messages/count_tokens", body).await;
    assert_eq!(
        (anthropic.status, anthropic.header("x-bulkhead-estimated")),
        (200, None),
        "{}",
        anthropic.text()
    );
    assert!(anthropic.json()["input_tokens"].as_u64().unwrap() > 0);
    let sent = mock.last_request().unwrap().json_body();
    assert_eq!(sent["generateContentRequest"]["model"], "models/strict");
    // Vertex takes the same without a request around it.
    let body = json!({"model": "vertex-embed", "system": "Be brief.", "messages": [{"role": "user", "content": "Hi"}]});
    let vertex = posted(&gateway, "/v1/messages/count_tokens", body).await;
    assert_eq!((vertex.status, vertex.header("x-bulkhead-estimated")), (200, None), "{}", vertex.text());
    let sent = mock.last_request().unwrap();
    assert_eq!(sent.target(), format!("{PROJECT}/publishers/google/models/strict:countTokens"));
    let contents = json!([{"role": "user", "parts": [{"text": "Hi"}]}]);
    let system = json!({"parts": [{"text": "Be brief."}]});
    assert_eq!(sent.json_body(), json!({"contents": contents, "systemInstruction": system}));
    let records = gateway.usage_of(4).await;
    assert!(
        records.iter().all(|record| record["input_tokens"] == 0 && record["usage"] == "reported"),
        "{records:?}"
    );
}

#[tokio::test]
async fn models_are_listed_as_google_does() {
    let mock = MockProvider::start();
    let yaml = embedding_yaml(&mock).virtual_key(KEY).limit("models", vec!["gpt", "gemini-embed", "claude"]);
    let gateway = Gateway::with(yaml.text()).start().await;
    let names = |answer: &Answer| {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = answer.json();
        body["models"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let all = names(&gateway.get("/v1beta/models", KEY).await);
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(sorted, ["models/claude", "models/gemini-embed", "models/gpt"]);
    let google = Request::get("/v1/models").header("x-goog-api-key", KEY);
    assert_eq!(names(&gateway.call(&google).await), all, "Google's clients ask there, too");
    assert!(gateway.get("/v1/models", KEY).await.json()["data"].is_array());
    let first = gateway.get("/v1beta/models?pageSize=2", KEY).await;
    assert_eq!(names(&first), all[..2]);
    let token = first.json()["nextPageToken"].as_str().unwrap().to_owned();
    let second = gateway.get(&format!("/v1beta/models?pageSize=2&pageToken={token}"), KEY).await;
    assert_eq!((names(&second), second.json().get("nextPageToken")), (all[2..].to_vec(), None));
    for query in ["pageSize=many", "pageToken=nobody"] {
        let wrong = gateway.get(&format!("/v1beta/models?{query}"), KEY).await;
        assert_eq!((wrong.status, &wrong.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    }
    let one = gateway.get("/v1beta/models/gemini-embed", KEY).await.json();
    assert_eq!(one["supportedGenerationMethods"][0], "embedContent");
    assert_eq!((&one["name"], &one["inputTokenLimit"]), (&json!("models/gemini-embed"), &json!(2048)));
    let gpt = gateway.get("/v1beta/models/gpt", KEY).await.json();
    assert_eq!(
        (&gpt["supportedGenerationMethods"][0], &gpt["outputTokenLimit"]),
        (&json!("generateContent"), &json!(16384))
    );
    let none = gateway.get("/v1beta/models/titan-embed", KEY).await;
    assert_eq!((none.status, &none.json()["error"]["status"]), (404, &json!("NOT_FOUND")));
}
