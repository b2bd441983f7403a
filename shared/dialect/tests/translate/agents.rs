//! What coding agents send although their user asked for nothing of it.

use bulkhead_dialect::translate::{
    AnswerOptions, Dialect, ReasoningStyle, RequestOptions, Stream, Translated, Weight, answer, request,
};
use bytes::BytesMut;
use serde_json::{Value, json};

use super::cases::options;

fn translated(from: Dialect, to: Dialect, body: &Value) -> (Value, Translated) {
    let options = RequestOptions { reasoning: ReasoningStyle::Fixed, ..RequestOptions::default() };
    let done = request(from, to, body.to_string().as_bytes(), &options).unwrap();
    (serde_json::from_slice(&done.body).unwrap(), done)
}

fn asked(done: &Translated) -> Vec<&str> {
    let asked = done.losses.iter().filter(|loss| loss.weight == Weight::Asked);
    asked.map(|loss| &*loss.name).collect()
}

/// As Codex has its tools for other agents.
fn with_namespace() -> Value {
    let schema = json!({"type": "object", "properties": {}});
    json!({
        "model": "m",
        "input": [
            {"type": "message", "role": "user", "content": "hi"},
            {"type": "function_call", "call_id": "c1", "namespace": "team", "name": "spawn", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "done"},
        ],
        "tools": [
            {"type": "namespace", "name": "team", "description": "Others.", "tools": [
                {"type": "function", "name": "spawn", "description": "Starts one.", "strict": false, "parameters": schema},
                {"type": "custom", "name": "patch"},
            ]},
            {"type": "function", "name": "spawn", "parameters": schema},
        ],
    })
}

#[test]
fn a_tool_in_a_namespace_has_one_name_elsewhere() {
    let names = |body: &Value, path: &str| body.pointer(path).and_then(Value::as_str).map(str::to_owned);
    for (to, tool, other, call) in [
        (
            Dialect::Chat,
            "/tools/0/function/name",
            "/tools/1/function/name",
            "/messages/1/tool_calls/0/function/name",
        ),
        (Dialect::Messages, "/tools/0/name", "/tools/1/name", "/messages/1/content/0/name"),
        (
            Dialect::Gemini,
            "/tools/0/functionDeclarations/0/name",
            "/tools/0/functionDeclarations/1/name",
            "/contents/1/parts/0/functionCall/name",
        ),
    ] {
        let (body, done) = translated(Dialect::Responses, to, &with_namespace());
        assert_eq!(names(&body, tool).as_deref(), Some("team__spawn"), "{body}");
        assert_eq!(names(&body, other).as_deref(), Some("spawn"), "{body}");
        assert_eq!(names(&body, call).as_deref(), Some("team__spawn"), "{body}");
        assert_eq!(asked(&done), ["custom"]);
    }
}

#[test]
fn its_call_comes_back_under_both_names() {
    let (_, done) = translated(Dialect::Responses, Dialect::Messages, &with_namespace());
    let options = AnswerOptions { plan: done.plan, ..options() };
    let call = |name: &str| json!({"type": "tool_use", "id": name, "name": name, "input": {}});
    let body = json!({"id": "m", "content": [call("team__spawn"), call("spawn")], "stop_reason": "tool_use"});
    let whole = answer(Dialect::Messages, Dialect::Responses, body.to_string().as_bytes(), options.clone());
    let whole: Value = serde_json::from_slice(&whole.unwrap().body).unwrap();
    let of = |item: &Value| (item["namespace"].clone(), item["name"].clone());
    assert_eq!(of(&whole["output"][0]), (json!("team"), json!("spawn")));
    assert_eq!(of(&whole["output"][1]), (Value::Null, json!("spawn")));
    assert!(whole["output"][1].get("namespace").is_none());

    let events = [
        json!({"type": "message_start", "message": {"id": "m", "model": "c"}}),
        json!({"type": "content_block_start", "index": 0, "content_block": call("team__spawn")}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_stop"}),
    ];
    let events: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let (mut stream, mut out) =
        (Stream::new(Dialect::Messages, Dialect::Responses, options), BytesMut::new());
    stream.feed(events.as_bytes(), &mut out).unwrap();
    stream.finish(&mut out);
    let text = String::from_utf8_lossy(&out).into_owned();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let data: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    let items: Vec<_> = data.iter().filter_map(|data| data.get("item")).map(of).collect();
    assert_eq!(items, vec![(json!("team"), json!("spawn")); 2]);
}

#[test]
fn a_search_of_the_web_is_anthropics_too() {
    let with = |tool: Value| json!({"model": "m", "input": "hi", "tools": [tool]});
    let free = with(json!({"type": "web_search", "external_web_access": true, "search_context_size": "low"}));
    let (body, done) = translated(Dialect::Responses, Dialect::Messages, &free);
    assert_eq!(body["tools"], json!([{"type": "web_search_20250305", "name": "web_search"}]));
    assert!(asked(&done).is_empty());
    let (body, done) = translated(Dialect::Responses, Dialect::Chat, &free);
    assert_eq!(asked(&done), ["web_search"]);
    assert!(body.get("web_search_options").is_none());
    // What it must not do cannot be said.
    for (member, value) in
        [("external_web_access", json!(false)), ("filters", json!({"allowed_domains": ["a"]}))]
    {
        let mut tool = json!({"type": "web_search"});
        tool[member] = value;
        let (_, done) = translated(Dialect::Responses, Dialect::Messages, &with(tool));
        assert_eq!(asked(&done), [member]);
    }
}

/// Gemini CLI sends Google's defaults along.
#[test]
fn defaults_of_google_ask_for_nothing() {
    let with = |top_k: u64| {
        json!({
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
            "generationConfig": {"temperature": 1, "topP": 0.95, "topK": top_k,
                "thinkingConfig": {"includeThoughts": true, "thinkingBudget": 8192}},
        })
    };
    for to in [Dialect::Messages, Dialect::Chat, Dialect::Responses, Dialect::Converse] {
        assert!(asked(&translated(Dialect::Gemini, to, &with(64)).1).is_empty(), "{to:?}");
        assert_eq!(asked(&translated(Dialect::Gemini, to, &with(3)).1), ["topK"], "{to:?}");
    }
    // Newer models of Anthropic take one of the two.
    let (body, _) = translated(Dialect::Gemini, Dialect::Messages, &with(64));
    assert_eq!((body.get("temperature"), &body["top_p"]), (None, &json!(0.95)));
}
