//! Tools that go by another name, or take something else, at the provider.

use bulkhead_dialect::relay::End;
use bulkhead_dialect::translate::{
    AnswerOptions, Dialect, Plan, RequestOptions, Stream, Weight, answer, request,
};
use bytes::BytesMut;
use serde_json::{Value, json};

use super::cases::options;

/// 74 letters.
const LONG: &str = "mcp__github__create_pull_request_review_comment_with_suggestions_for_lines";

fn translated(from: Dialect, to: Dialect, body: &Value) -> (Value, Plan) {
    let done = request(from, to, body.to_string().as_bytes(), &RequestOptions::default()).unwrap();
    assert!(done.losses.iter().all(|loss| loss.weight == Weight::Aside), "{:?}", done.losses);
    (serde_json::from_slice(&done.body).unwrap(), done.plan)
}

fn whole(upstream: Dialect, client: Dialect, plan: &Plan, body: &Value) -> Value {
    let options = AnswerOptions { plan: plan.clone(), ..options() };
    let done = answer(upstream, client, body.to_string().as_bytes(), options).unwrap();
    serde_json::from_slice(&done.body).unwrap()
}

/// The data of the events that a client gets.
fn streamed(upstream: Dialect, client: Dialect, plan: &Plan, events: &[Value]) -> Vec<Value> {
    let options = AnswerOptions { plan: plan.clone(), ..options() };
    let (mut stream, mut out) = (Stream::new(upstream, client, options), BytesMut::new());
    let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    stream.feed(text.as_bytes(), &mut out).unwrap();
    assert_eq!(stream.finish(&mut out), End::Complete);
    let text = String::from_utf8_lossy(&out).into_owned();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

/// A conversation of messages in which a tool was called that must be called again.
fn with_tool(name: &str) -> Value {
    json!({
        "model": "m", "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": name, "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "1"}]},
        ],
        "tools": [{"name": name, "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": name},
    })
}

#[test]
fn a_long_name_is_cut_wherever_it_stands() {
    for (to, places) in [
        (
            Dialect::Chat,
            &[
                "/tools/0/function/name",
                "/tool_choice/function/name",
                "/messages/1/tool_calls/0/function/name",
            ][..],
        ),
        (Dialect::Responses, &["/tools/0/name", "/tool_choice/name", "/input/1/name"][..]),
        (
            Dialect::Converse,
            &[
                "/toolConfig/tools/0/toolSpec/name",
                "/toolConfig/toolChoice/tool/name",
                "/messages/1/content/0/toolUse/name",
            ][..],
        ),
        (
            Dialect::Gemini,
            &[
                "/tools/0/functionDeclarations/0/name",
                "/toolConfig/functionCallingConfig/allowedFunctionNames/0",
                "/contents/1/parts/0/functionCall/name",
                "/contents/2/parts/0/functionResponse/name",
            ][..],
        ),
    ] {
        let (body, plan) = translated(Dialect::Messages, to, &with_tool(LONG));
        let sent = body.pointer(places[0]).unwrap_or_else(|| panic!("{to:?}: {body}")).as_str().unwrap();
        assert_eq!((sent.len(), sent.get(..55)), (64, LONG.get(..55)), "{to:?}");
        for place in places {
            assert_eq!(body.pointer(place), Some(&json!(sent)), "{to:?} {place}: {body}");
        }
        assert_eq!(plan.renamed.get(sent).map(String::as_str), Some(LONG));
        let (body, plan) = translated(Dialect::Messages, to, &with_tool("short"));
        assert_eq!((body.pointer(places[0]), plan.renamed.len()), (Some(&json!("short")), 0), "{to:?}");
    }
}

#[test]
fn letters_that_a_provider_refuses_are_replaced() {
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "tools": [{"functionDeclarations": [{"name": "files.read"}, {"name": "files:read"}]}]});
    let (sent, plan) = translated(Dialect::Gemini, Dialect::Chat, &body);
    let names: Vec<&str> = sent["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["function"]["name"].as_str().unwrap())
        .collect();
    assert!(names.iter().all(|name| name.starts_with("files_read_")) && names[0] != names[1], "{names:?}");
    assert_eq!(plan.renamed[names[1]], "files:read");
}

#[test]
fn the_client_is_answered_by_its_own_name() {
    let (body, plan) = translated(Dialect::Messages, Dialect::Chat, &with_tool(LONG));
    let sent = &body["tools"][0]["function"]["name"];
    let call =
        json!({"index": 0, "id": "c1", "type": "function", "function": {"name": sent, "arguments": "{}"}});
    let said = json!({"id": "x", "object": "chat.completion", "choices": [{"index": 0, "finish_reason": "tool_calls",
        "message": {"role": "assistant", "content": null, "tool_calls": [call]}}]});
    assert_eq!(whole(Dialect::Chat, Dialect::Messages, &plan, &said)["content"][0]["name"], LONG);
    let events = [
        json!({"id": "x", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}),
        json!({"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
    ];
    let seen = streamed(Dialect::Chat, Dialect::Messages, &plan, &events);
    let begun = seen.iter().find(|event| event["type"] == "content_block_start").unwrap();
    assert_eq!(begun["content_block"]["name"], LONG);
}

const PATCH: &str = "*** Begin Patch\n*** Update File: a \"b\"\n+é\t\\ 😀\n*** End Patch";

/// As Codex declares its tool for patches.
fn with_patch() -> Value {
    json!({
        "model": "m",
        "input": [
            {"type": "message", "role": "user", "content": "hi"},
            {"type": "custom_tool_call", "call_id": "c0", "name": "apply_patch", "input": PATCH},
            {"type": "custom_tool_call_output", "call_id": "c0", "output": "Done."},
        ],
        "tools": [
            {"type": "custom", "name": "apply_patch", "description": "Edits files.",
                "format": {"type": "grammar", "syntax": "lark", "definition": "start: begin_patch"}},
            {"type": "function", "name": "shell", "parameters": {"type": "object"}, "strict": false},
        ],
        "tool_choice": {"type": "custom", "name": "apply_patch"},
    })
}

#[test]
fn a_tool_that_takes_plain_text_is_a_function_with_one_text() {
    let (body, plan) = translated(Dialect::Responses, Dialect::Chat, &with_patch());
    let tool = &body["tools"][0]["function"];
    assert_eq!(tool["description"], "Edits files.\n\nFormat:\n```lark\nstart: begin_patch\n```");
    assert_eq!(tool["parameters"]["required"], json!(["input"]));
    assert_eq!(body["tool_choice"], json!({"type": "function", "function": {"name": "apply_patch"}}));
    let earlier = body["messages"][1]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(earlier).unwrap(), json!({"input": PATCH}));
    assert_eq!(body["messages"][2], json!({"role": "tool", "tool_call_id": "c0", "content": "Done."}));
    assert!(plan.plain_tools.contains("apply_patch") && plan.plain_tools.len() == 1);
    let (body, _) = translated(Dialect::Responses, Dialect::Messages, &with_patch());
    assert_eq!(body["tools"][0]["input_schema"]["required"], json!(["input"]));
    assert_eq!(body["messages"][1]["content"][0]["input"], json!({"input": PATCH}));
    for to in [Dialect::Gemini, Dialect::Converse, Dialect::Cohere, Dialect::Ollama] {
        let mut body = with_patch();
        body["tool_choice"] = json!("auto");
        translated(Dialect::Responses, to, &body);
    }
}

fn patched(item: &Value) {
    assert_eq!((&item["type"], &item["name"]), (&json!("custom_tool_call"), &json!("apply_patch")));
    assert_eq!((&item["input"], &item["call_id"]), (&json!(PATCH), &json!("c1")));
    assert!(item.get("arguments").is_none() && item["id"].as_str().unwrap().starts_with("ctc_"), "{item}");
}

#[test]
fn its_call_comes_back_as_plain_text() {
    let (_, plan) = translated(Dialect::Responses, Dialect::Messages, &with_patch());
    let call =
        |name: &str, input: Value| json!({"type": "tool_use", "id": "c1", "name": name, "input": input});
    let body = json!({"id": "m", "stop_reason": "tool_use",
        "content": [call("apply_patch", json!({"input": PATCH})), call("shell", json!({"input": "ls"}))]});
    let said = whole(Dialect::Messages, Dialect::Responses, &plan, &body);
    patched(&said["output"][0]);
    assert_eq!(said["output"][1]["arguments"], r#"{"input":"ls"}"#);

    let mut events = vec![
        json!({"type": "message_start", "message": {"id": "m", "model": "c"}}),
        json!({"type": "content_block_start", "index": 0, "content_block": call("apply_patch", json!({}))}),
    ];
    let arguments = json!({"input": PATCH}).to_string();
    events.extend(arguments.chars().map(|letter| {
        json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": letter.to_string()}})
    }));
    events.push(json!({"type": "content_block_stop", "index": 0}));
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}));
    events.push(json!({"type": "message_stop"}));
    let seen = streamed(Dialect::Messages, Dialect::Responses, &plan, &events);
    let of = |kind: &'static str| seen.iter().filter(move |event| event["type"] == kind);
    let text: String =
        of("response.custom_tool_call_input.delta").map(|event| event["delta"].as_str().unwrap()).collect();
    assert_eq!(text, PATCH);
    assert!(of("response.custom_tool_call_input.delta").count() > 10, "it comes as it is made");
    assert_eq!(of("response.custom_tool_call_input.done").next().unwrap()["input"], PATCH);
    assert_eq!(of("response.function_call_arguments.delta").count(), 0);
    assert_eq!(of("response.output_item.added").next().unwrap()["item"]["input"], "");
    patched(&of("response.output_item.done").next().unwrap()["item"]);
    patched(&of("response.completed").next().unwrap()["response"]["output"][0]);
}
