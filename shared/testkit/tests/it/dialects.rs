//! What each API answers when nothing is wrong.

use bulkhead_model::Usage;
use bulkhead_testkit::MockProvider;
use bulkhead_testkit::body::{self, Body};
use bulkhead_testkit::client::{Answer, End, Request, SseEvent};
use bulkhead_testkit::stamp::{self, Stamp};
use serde_json::{Value, json};

use crate::{ask, client};

const TEXT: &str = "Hello! This is a mock answer, counted piece by piece.";

fn chat_text(events: &[SseEvent]) -> String {
    let delta = |event: &SseEvent| event.json()["choices"][0]["delta"]["content"].as_str().map(str::to_owned);
    events.iter().filter_map(delta).collect()
}

fn names(answer: &Answer) -> Vec<String> {
    answer.events().into_iter().map(|event| event.event.unwrap_or_default()).collect()
}

#[tokio::test]
async fn chat_answers_whole_and_in_pieces_alike() {
    let mock = MockProvider::start();
    let whole = ask(&mock, "/v1/chat/completions", body::chat("gpt-4o", "Hi")).await;
    assert_eq!((whole.status, whole.end), (200, End::Complete));
    let json = whole.json();
    assert_eq!(json["choices"][0]["message"]["content"], TEXT);
    assert_eq!(json["model"], "gpt-4o-2026-01-01");
    assert_eq!(json["usage"]["completion_tokens"], 12);
    assert!(json["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert!(
        whole.text().contains("\n  \"object\": \"chat.completion\",\n"),
        "OpenAI indents: {}",
        whole.text()
    );
    assert!(whole.header("x-request-id").unwrap().starts_with("req_"));
    assert!(whole.header("set-cookie").is_some() && whole.header("openai-processing-ms").is_some());

    let streamed = ask(&mock, "/v1/chat/completions", body::chat("gpt-4o", "Hi").stream()).await;
    let events = streamed.events();
    assert_eq!(streamed.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert_eq!(chat_text(&events), TEXT);
    assert_eq!(events.last().unwrap().data, "[DONE]");
    assert!(events.iter().all(|event| event.json().get("usage").is_none()));
    assert_eq!(
        events[0].json()["choices"][0]["delta"],
        json!({"role": "assistant", "content": "", "refusal": null})
    );
}

#[tokio::test]
async fn usage_in_a_chat_stream_comes_as_openai_sends_it() {
    let mock = MockProvider::start();
    let body = body::chat("ok-1000x50", "Hi").stream_with_usage();
    let events = ask(&mock, "/v1/chat/completions", body).await.events();
    let [chunks @ .., usage, done] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(done.data, "[DONE]");
    assert_eq!(usage.json()["choices"], json!([]));
    assert_eq!(usage.json()["usage"]["prompt_tokens"], 1000);
    assert_eq!(usage.json()["usage"]["total_tokens"], 1050);
    assert!(
        chunks.iter().all(|chunk| chunk.json()["usage"].is_null() && chunk.data.contains("\"usage\":null"))
    );
}

#[tokio::test]
async fn several_choices_are_told_apart() {
    let mock = MockProvider::start();
    let body = || body::chat("ok", "Hi").with("n", 3);
    let whole = ask(&mock, "/v1/chat/completions", body()).await.json();
    assert_eq!(whole["choices"].as_array().unwrap().len(), 3);
    assert_eq!(whole["usage"]["completion_tokens"], 36);
    let events = ask(&mock, "/v1/chat/completions", body().stream()).await.events();
    for index in 0..3 {
        let of = |event: &&SseEvent| event.json()["choices"][0]["index"] == index;
        let text: String = events
            .iter()
            .filter(of)
            .filter_map(|event| event.json()["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(text, TEXT);
    }
}

#[tokio::test]
async fn a_token_limit_ends_the_answer() {
    let mock = MockProvider::start();
    let chat = ask(&mock, "/v1/chat/completions", body::chat("ok", "Hi").with("max_completion_tokens", 2))
        .await
        .json();
    assert_eq!(chat["choices"][0]["message"]["content"], "Hello!");
    assert_eq!(chat["choices"][0]["finish_reason"], "length");
    let messages = ask(&mock, "/v1/messages", body::messages("ok", "Hi").with("max_tokens", 2)).await.json();
    assert_eq!(
        (&messages["stop_reason"], &messages["usage"]["output_tokens"]),
        (&json!("max_tokens"), &json!(2))
    );
    let responses =
        ask(&mock, "/v1/responses", body::responses("ok", "Hi").with("max_output_tokens", 2)).await.json();
    assert_eq!(responses["status"], "incomplete");
    assert_eq!(responses["incomplete_details"]["reason"], "max_output_tokens");
}

#[tokio::test]
async fn chat_calls_tools_in_pieces_of_valid_json() {
    let mock = MockProvider::start();
    let body = || body::chat("ok", "Use the tool").chat_tool("weather");
    let whole = ask(&mock, "/v1/chat/completions", body()).await.json();
    let call = &whole["choices"][0]["message"]["tool_calls"][0];
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&call["function"]["name"], &arguments),
        (&json!("weather"), &json!({"city": "mock", "days": 7}))
    );
    assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");

    let events = ask(&mock, "/v1/chat/completions", body().stream()).await.events();
    let call = |event: &SseEvent| event.json()["choices"][0]["delta"]["tool_calls"][0].clone();
    assert!(call(&events[0])["id"].as_str().unwrap().starts_with("call_"));
    let pieces: Vec<String> = events
        .iter()
        .filter_map(|event| call(event)["function"]["arguments"].as_str().map(str::to_owned))
        .collect();
    assert!(pieces.len() >= 3, "{pieces:?}");
    assert_eq!(serde_json::from_str::<Value>(&pieces.concat()).unwrap(), arguments);
}

#[tokio::test]
async fn tools_are_called_when_forced_and_not_when_forbidden_or_answered() {
    let mock = MockProvider::start();
    let finish = async |body: Body| {
        let answer = ask(&mock, "/v1/chat/completions", body).await.json();
        answer["choices"][0]["finish_reason"].as_str().unwrap().to_owned()
    };
    let body = |prompt| body::chat("ok", prompt).chat_tool("weather");
    let forced = json!({"type": "function", "function": {"name": "weather"}});
    assert_eq!(finish(body("Hi").with("tool_choice", forced)).await, "tool_calls");
    assert_eq!(finish(body("Hi").with("tool_choice", "required")).await, "tool_calls");
    assert_eq!(finish(body("Hi")).await, "stop");
    assert_eq!(finish(body("the tool").with("tool_choice", "none")).await, "stop");
    let answered =
        json!([{"role": "user", "content": "tool"}, {"role":"tool", "tool_call_id": "c", "content": "sun"}]);
    assert_eq!(finish(body("").with("messages", answered)).await, "stop");
}

#[tokio::test]
async fn structured_answers_satisfy_their_schema() {
    let mock = MockProvider::start();
    let schema =
        json!({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}});
    let want = json!({"name": "mock", "age": 7});
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let chat = ask(&mock, "/v1/chat/completions", body::chat("ok", "Hi").with("response_format", format))
        .await
        .json();
    let parse = |text: &Value| serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap();
    assert_eq!(parse(&chat["choices"][0]["message"]["content"]), want);
    let format = json!({"format": {"type": "json_schema", "name": "x", "schema": schema}});
    let responses =
        ask(&mock, "/v1/responses", body::responses("ok", "Hi").with("text", format)).await.json();
    assert_eq!(parse(&responses["output"][0]["content"][0]["text"]), want);
    let format = json!({"format": {"type": "json_schema", "schema": schema}});
    let messages =
        ask(&mock, "/v1/messages", body::messages("ok", "Hi").with("output_config", format)).await.json();
    assert_eq!(parse(&messages["content"][0]["text"]), want);
}

#[tokio::test]
async fn messages_answer_whole_and_in_pieces_alike() {
    let mock = MockProvider::start();
    let whole = ask(&mock, "/v1/messages", body::messages("claude-sonnet-4-5", "Hi")).await;
    assert_eq!(whole.json()["content"], json!([{"type": "text", "text": TEXT}]));
    assert_eq!(whole.json()["model"], "claude-sonnet-4-5-2026-01-01");
    assert!(whole.header("request-id").unwrap().starts_with("req_011C"));

    let streamed = ask(&mock, "/v1/messages", body::messages("claude-sonnet-4-5", "Hi").stream()).await;
    let mut want = vec!["message_start", "content_block_start", "ping"];
    want.extend(["content_block_delta"; 12]);
    want.extend(["content_block_stop", "message_delta", "message_stop"]);
    assert_eq!(names(&streamed), want);
    let text: String = streamed
        .events()
        .iter()
        .filter_map(|event| event.json()["delta"]["text"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(text, TEXT);
    let delta = streamed.events()[16].json();
    assert_eq!(
        (&delta["delta"]["stop_reason"], &delta["usage"]["output_tokens"]),
        (&json!("end_turn"), &json!(12))
    );
    let old =
        ask(&mock, "/v1/messages", body::messages("old-usage", "Hi").stream()).await.events()[16].json();
    assert_eq!(old["usage"], json!({"output_tokens": 12}));
}

#[tokio::test]
async fn messages_call_tools_and_think() {
    let mock = MockProvider::start();
    let body = body::messages("ok", "use the tool").messages_tool("weather");
    let whole = ask(&mock, "/v1/messages", body.clone()).await.json();
    assert_eq!(whole["content"][0]["input"], json!({"city": "mock", "days": 7}));
    assert_eq!(whole["stop_reason"], "tool_use");
    let events = ask(&mock, "/v1/messages", body.stream()).await.events();
    let pieces: String = events
        .iter()
        .filter_map(|event| event.json()["delta"]["partial_json"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(serde_json::from_str::<Value>(&pieces).unwrap(), whole["content"][0]["input"]);

    let body = body::messages("reasoning-64", "Hi");
    let whole = ask(&mock, "/v1/messages", body.clone()).await.json();
    assert_eq!(
        (&whole["content"][0]["type"], &whole["content"][1]["type"]),
        (&json!("thinking"), &json!("text"))
    );
    assert_eq!(whole["usage"]["output_tokens"], 76);
    let events = ask(&mock, "/v1/messages", body.stream()).await.events();
    let kinds: Vec<Value> = events.iter().map(|event| event.json()["delta"]["type"].clone()).collect();
    assert!(kinds.contains(&json!("thinking_delta")) && kinds.contains(&json!("signature_delta")));
}

#[tokio::test]
async fn tokens_are_counted_for_nothing() {
    let mock = MockProvider::start();
    let answer = ask(&mock, "/v1/messages/count_tokens", body::messages("ok-77x1", "Hi")).await;
    assert_eq!(answer.json(), json!({"input_tokens": 77}));
    let record = mock.ledger().last().unwrap();
    assert_eq!((record.reported, record.produced), (None, Usage::default()));
}

#[tokio::test]
async fn responses_answer_whole_and_in_pieces_alike() {
    let mock = MockProvider::start();
    let body = body::responses("gpt-4o", "Hi").with("metadata", json!({"a": "b"}));
    let whole = ask(&mock, "/v1/responses", body.clone()).await.json();
    assert_eq!(whole["output"][0]["content"][0]["text"], TEXT);
    assert_eq!((&whole["status"], &whole["metadata"]), (&json!("completed"), &json!({"a": "b"})));
    assert_eq!(whole["usage"]["output_tokens"], 12);

    let streamed = ask(&mock, "/v1/responses", body.stream()).await;
    let mut want = vec!["response.created", "response.in_progress", "response.output_item.added"];
    want.push("response.content_part.added");
    want.extend(["response.output_text.delta"; 12]);
    want.extend(["response.output_text.done", "response.content_part.done", "response.output_item.done"]);
    want.push("response.completed");
    assert_eq!(names(&streamed), want);
    let events = streamed.events();
    assert!(events.iter().enumerate().all(|(index, event)| event.json()["sequence_number"] == index));
    let last = events.last().unwrap().json();
    assert_eq!(last["response"]["output"][0]["content"], whole["output"][0]["content"]);
    assert_eq!(last["response"]["usage"], whole["usage"]);
}

#[tokio::test]
async fn responses_call_tools_and_reason() {
    let mock = MockProvider::start();
    let body = body::responses("reasoning-64", "use the tool").responses_tool("weather");
    let whole = ask(&mock, "/v1/responses", body.clone()).await.json();
    assert_eq!(
        (&whole["output"][0]["type"], &whole["output"][1]["name"]),
        (&json!("reasoning"), &json!("weather"))
    );
    assert_eq!(whole["usage"]["output_tokens_details"]["reasoning_tokens"], 64);
    let streamed = ask(&mock, "/v1/responses", body.stream()).await;
    let deltas =
        names(&streamed).iter().filter(|name| *name == "response.function_call_arguments.delta").count();
    assert!(deltas >= 3);
    let item = &streamed.events().last().unwrap().json()["response"]["output"][1];
    assert_eq!(item["arguments"], whole["output"][1]["arguments"]);
}

#[tokio::test]
async fn completions_answer_whole_and_in_pieces_alike() {
    let mock = MockProvider::start();
    let body = body::completions("ok", "Say");
    let whole = ask(&mock, "/v1/completions", body.clone()).await.json();
    assert_eq!(whole["choices"][0]["text"], TEXT);
    let events = ask(&mock, "/v1/completions", body.stream_with_usage()).await.events();
    let text: String = events
        .iter()
        .filter_map(|event| event.json()["choices"][0]["text"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(text, TEXT);
    assert_eq!(events[events.len() - 2].json()["usage"], whole["usage"]);
}

#[tokio::test]
async fn embeddings_come_as_numbers_and_as_base64() {
    let mock = MockProvider::start();
    let body = body::embeddings("ok", "").with("input", vec!["a", "b", "a"]).with("dimensions", 8);
    let json = ask(&mock, "/v1/embeddings", body.clone()).await.json();
    let data = json["data"].as_array().unwrap();
    assert_eq!((data.len(), data[0]["embedding"].as_array().unwrap().len()), (3, 8));
    assert!(data[0]["embedding"] == data[2]["embedding"] && data[0]["embedding"] != data[1]["embedding"]);
    let base64 = ask(&mock, "/v1/embeddings", body.with("encoding_format", "base64")).await.json();
    assert_eq!(base64["data"][0]["embedding"].as_str().unwrap().len(), 44);
    let tokens = body::embeddings("ok", "").with("input", vec![1, 2, 3]);
    assert_eq!(ask(&mock, "/v1/embeddings", tokens).await.json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn cached_and_reasoning_tokens_are_reported_as_each_api_does() {
    let mock = MockProvider::start();
    let chat = body::chat("ok-1000x50+reasoning-20", "a cached prompt");
    let usage = ask(&mock, "/v1/chat/completions", chat).await.json()["usage"].clone();
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 750);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 20);
    let reported = mock.ledger().last().unwrap().reported.unwrap();
    assert_eq!(
        (reported.input, reported.cache_read, reported.output, reported.reasoning),
        (1000, 750, 50, 20)
    );

    let system =
        json!([{"type": "text", "text": "long", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]);
    let messages = body::messages("ok-1000x50", "Hi").with("system", system);
    let usage = ask(&mock, "/v1/messages", messages).await.json()["usage"].clone();
    assert_eq!((&usage["input_tokens"], &usage["cache_creation_input_tokens"]), (&json!(500), &json!(500)));
    assert_eq!(usage["cache_creation"]["ephemeral_1h_input_tokens"], 500);
    let reported = mock.ledger().last().unwrap().reported.unwrap();
    assert_eq!((reported.input, reported.cache_write_1h, reported.cache_write), (1000, 500, 0));
}

#[tokio::test]
async fn azure_has_its_path_and_its_first_event() {
    let mock = MockProvider::start();
    let path = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21";
    let body = Body::default().raw("messages", r#"[{"role":"user","content":"Hi"}]"#).stream();
    let request = Request::post(path).header("api-key", "azure-key").json(body);
    let answer = client(&mock).await.exchange(&request).await;
    let events = answer.events();
    assert!(events[0].json().get("prompt_filter_results").is_some());
    assert_eq!(events[1].json()["model"], "gpt-4o-2026-01-01");
    assert_eq!(mock.ledger().last().unwrap().endpoint, "/v1/chat/completions");
}

#[tokio::test]
async fn models_are_listed_in_both_shapes() {
    let mock = MockProvider::start();
    let openai = client(&mock).await.exchange(&Request::get("/v1/models").bearer("k")).await.json();
    assert_eq!((&openai["object"], &openai["data"][0]["object"]), (&json!("list"), &json!("model")));
    let anthropic = client(&mock).await.exchange(&Request::get("/v1/models").anthropic("k")).await.json();
    assert_eq!((&anthropic["has_more"], &anthropic["data"][0]["type"]), (&json!(false), &json!("model")));
    let one = client(&mock).await.exchange(&Request::get("/v1/models/gpt-4o").bearer("k")).await.json();
    assert_eq!(one["id"], "gpt-4o");
}

#[tokio::test]
async fn answers_repeat_from_run_to_run() {
    let answers = async || {
        let mock = MockProvider::start();
        let first = ask(&mock, "/v1/chat/completions", body::chat("ok", "Hi").stream()).await.body;
        (first, ask(&mock, "/v1/messages", body::messages("ok", "Hi")).await.body)
    };
    assert_eq!(answers().await, answers().await);
}

#[tokio::test]
async fn stamped_pieces_say_their_number_and_when_they_were_sent() {
    let mock = MockProvider::start();
    let before = stamp::now();
    let body = body::chat("stamped-3+slow-chunk-30", "Hi").stream();
    let events = ask(&mock, "/v1/chat/completions", body).await.events();
    let stamps: Vec<_> = events.iter().filter_map(|event| Stamp::find(event.data.as_bytes())).collect();
    let numbers: Vec<_> = stamps.iter().map(|stamp| stamp.number).collect();
    assert_eq!(numbers, [0, 1, 2]);
    assert!(stamps[0].nanos >= before && stamps[2].nanos <= stamp::now());
    let apart = |pair: &[Stamp]| pair[1].nanos - pair[0].nanos >= 30_000_000;
    assert!(stamps.windows(2).all(apart), "{stamps:?}");
}
