//! What recordings do not show of Google's dialect.

use bulkhead_dialect::relay::End;
use bulkhead_dialect::translate::{
    AnswerOptions, Dialect, ReasoningStyle, RequestOptions, Stream, answer, request,
};
use bytes::BytesMut;
use serde_json::{Value, json};

use super::cases::options;
use super::seen;

fn answered(upstream: Dialect, client: Dialect, body: &Value) -> Value {
    let done = answer(upstream, client, &serde_json::to_vec(body).unwrap(), options()).unwrap();
    serde_json::from_slice(&done.body).unwrap()
}

fn requested(from: Dialect, to: Dialect, body: &Value, options: &RequestOptions<'_>) -> Value {
    let done = request(from, to, &serde_json::to_vec(body).unwrap(), options).unwrap();
    serde_json::from_slice(&done.body).unwrap()
}

fn streamed(upstream: Dialect, client: Dialect, events: &[Value], options: AnswerOptions) -> Vec<u8> {
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let mut stream = Stream::new(upstream, client, options);
    let mut out = BytesMut::new();
    stream.feed(body.as_bytes(), &mut out).unwrap();
    assert_eq!(stream.finish(&mut out), End::Complete);
    out.to_vec()
}

fn candidate(parts: Value) -> Value {
    json!({
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 1}, "modelVersion": "g", "responseId": "r"
    })
}

/// Two calls at once: Google signs the first.
fn signed_calls() -> Value {
    json!([
        {"text": "Hm.", "thought": true},
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "Y2FsbA=="},
        {"functionCall": {"name": "f", "args": {"a": 2}}}
    ])
}

fn tools(results: &[&str]) -> Vec<Value> {
    results.iter().map(|id| json!({"role": "tool", "tool_call_id": id, "content": "done"})).collect()
}

#[test]
fn a_signature_comes_back_from_a_chat_client() {
    let answer = answered(Dialect::Gemini, Dialect::Chat, &candidate(signed_calls()));
    let message = &answer["choices"][0]["message"];
    let call = &message["tool_calls"][0];
    assert_eq!(call["provider_specific_fields"], json!({"thought_signature": "Y2FsbA=="}));
    let ids = [0, 1].map(|at| message["tool_calls"][at]["id"].as_str().unwrap().to_owned());
    assert_eq!(ids, ["call_r_0__thought__Y2FsbA==", "call_r_1"]);
    // A client that knows only what OpenAI has, and one that sends all of it.
    let mut bare = message.clone();
    for call in bare["tool_calls"].as_array_mut().unwrap() {
        call.as_object_mut().unwrap().remove("provider_specific_fields");
    }
    for message in [message.clone(), bare] {
        let mut messages = vec![json!({"role": "user", "content": "hi"}), message];
        messages.extend(tools(&[&ids[0], &ids[1]]));
        let body = json!({"model": "g", "messages": messages});
        let sent = requested(Dialect::Chat, Dialect::Gemini, &body, &RequestOptions::default());
        let parts = &sent["contents"][1]["parts"];
        assert_eq!(parts[1]["thoughtSignature"], "Y2FsbA==");
        assert_eq!(parts[1]["functionCall"], json!({"id": "call_r_0", "name": "f", "args": {"a": 1}}));
        assert_eq!(parts[2], json!({"functionCall": {"id": "call_r_1", "name": "f", "args": {"a": 2}}}));
        let response = json!({"id": "call_r_1", "name": "f", "response": {"output": "done"}});
        assert_eq!(sent["contents"][2]["parts"][1], json!({"functionResponse": response}));
        // Another provider gets the bare id, and no signature.
        let other = requested(Dialect::Chat, Dialect::Messages, &body, &RequestOptions::default());
        assert!(!other.to_string().contains("Y2FsbA=="), "{other}");
        assert!(other.to_string().contains("\"tool_use_id\":\"call_r_0\""), "{other}");
    }
}

#[test]
fn a_signature_comes_back_from_a_client_of_messages() {
    let answer = answered(Dialect::Gemini, Dialect::Messages, &candidate(signed_calls()));
    let content = answer["content"].as_array().unwrap();
    assert_eq!(content[0], json!({"type": "thinking", "thinking": "Hm.", "signature": "part:Y2FsbA=="}));
    let results =
        [1, 2].map(|at| json!({"type": "tool_result", "tool_use_id": content[at]["id"], "content": "done"}));
    let body = json!({"model": "g", "max_tokens": 9, "messages": [
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": content}, {"role": "user", "content": results}
    ]});
    let sent = requested(Dialect::Messages, Dialect::Gemini, &body, &RequestOptions::default());
    assert_eq!(
        sent["contents"][1]["parts"],
        json!([
            {"text": "Hm.", "thought": true},
            {"functionCall": {"id": "call_r_0", "name": "f", "args": {"a": 1}}, "thoughtSignature": "Y2FsbA=="},
            {"functionCall": {"id": "call_r_1", "name": "f", "args": {"a": 2}}}
        ])
    );
    // Anthropic would refuse it.
    let other = requested(Dialect::Messages, Dialect::Messages, &body, &RequestOptions::default());
    assert!(!other.to_string().contains("Y2FsbA=="), "{other}");
}

#[test]
fn a_signature_of_a_text_comes_back() {
    let parts = json!([{"text": "Yes.", "thoughtSignature": "dGV4dA=="}]);
    let stream = [
        json!({"candidates": [{"content": {"parts": [{"text": "Yes."}], "role": "model"}}], "responseId": "r"}),
        candidate(json!([{"text": "", "thoughtSignature": "dGV4dA=="}])),
    ];
    let chat = answered(Dialect::Gemini, Dialect::Chat, &candidate(parts.clone()));
    let message = &chat["choices"][0]["message"];
    assert_eq!(message["provider_specific_fields"], json!({"thought_signatures": ["dGV4dA=="]}));
    let body =
        json!({"messages": [{"role": "user", "content": "hi"}, message, {"role": "user", "content": "so?"}]});
    let sent = requested(Dialect::Chat, Dialect::Gemini, &body, &RequestOptions::default());
    assert_eq!(sent["contents"][1]["parts"], parts);
    let events = streamed(Dialect::Gemini, Dialect::Chat, &stream, options());
    assert!(
        String::from_utf8(events)
            .unwrap()
            .contains(r#""provider_specific_fields":{"thought_signatures":["dGV4dA=="]}"#)
    );

    let messages = answered(Dialect::Gemini, Dialect::Messages, &candidate(parts));
    let body = json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": messages["content"]}]});
    let sent = requested(Dialect::Messages, Dialect::Gemini, &body, &RequestOptions::default());
    assert_eq!(
        sent["contents"][1]["parts"],
        json!([{"text": "Yes."}, {"text": "", "thoughtSignature": "dGV4dA=="}])
    );
    let events = streamed(Dialect::Gemini, Dialect::Messages, &stream, options());
    assert_eq!(seen::stream(Dialect::Messages, &events).signatures, ["part:dGV4dA=="]);
}

/// Thoughts of Anthropic's are signed themselves, and come back as they were, in however many pieces.
#[test]
fn signed_thoughts_come_back_from_a_client_of_google() {
    let body = json!({"id": "m", "model": "c", "stop_reason": "tool_use", "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln/+8="},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    ]});
    let answer = answered(Dialect::Messages, Dialect::Gemini, &body);
    let content = &answer["candidates"][0]["content"];
    assert_eq!(content["parts"][0], json!({"text": "Hm.", "thought": true, "thoughtSignature": "c2ln/+8="}));
    let pieces = json!([
        {"text": "H", "thought": true}, {"text": "m.", "thought": true},
        // Google's own client spells base64 for URLs.
        {"text": "", "thought": true, "thought_signature": "c2ln_-8="},
        content["parts"][1]
    ]);
    for parts in [&content["parts"], &pieces] {
        let body = json!({"contents": [
            {"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": parts},
            {"role": "user", "parts": [{"functionResponse": {"id": "toolu_1", "name": "f", "response": {"output": "x"}}}]}
        ]});
        let sent = requested(Dialect::Gemini, Dialect::Messages, &body, &RequestOptions::default());
        assert_eq!(
            sent["messages"][1]["content"],
            json!([
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln/+8="},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
            ])
        );
    }
}

/// Google's own client sends every event of a stream back as a content.
#[test]
fn events_that_come_back_are_one_turn() {
    let model = |part: Value| json!({"role": "model", "parts": [part]});
    let call = |id: &str| model(json!({"functionCall": {"id": id, "name": "f", "args": {}}}));
    let result = |id: &str| json!({"functionResponse": {"id": id, "name": "f", "response": {"output": "x"}}});
    let body = json!({"contents": [
        {"role": "user", "parts": [{"text": "hi"}]},
        model(json!({"text": "H", "thought": true})), model(json!({"text": "m.", "thought": true})),
        model(json!({"text": "Two "})), model(json!({"text": "calls."})), call("a"), call("b"), model(json!({"text": ""})),
        {"role": "user", "parts": [result("a"), result("b")]}
    ], "generationConfig": {"topK": 3.0}});
    let chat = requested(Dialect::Gemini, Dialect::Chat, &body, &RequestOptions::default());
    let roles: Vec<&Value> =
        chat["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool"]);
    assert_eq!(chat["messages"][1]["content"], "Two calls.");
    assert_eq!(chat["messages"][1]["tool_calls"][1]["id"], "b");
    let messages = requested(Dialect::Gemini, Dialect::Messages, &body, &RequestOptions::default());
    assert_eq!(messages["messages"][1]["content"][0], json!({"type": "text", "text": "Two calls."}));
    assert_eq!(messages["top_k"].to_string(), "3");
}

/// Newer models refuse calls without a signature, but for Google's own word.
#[test]
fn calls_of_another_model_go_to_a_newer_one() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let body = json!({"messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": null, "tool_calls": [call("a"), call("b")]},
        {"role": "tool", "tool_call_id": "a", "content": "1"}, {"role": "tool", "tool_call_id": "b", "content": "2"}
    ]});
    for (reasoning, expected) in [
        (ReasoningStyle::Adaptive, json!("skip_thought_signature_validator")),
        (ReasoningStyle::Fixed, Value::Null),
    ] {
        let options = RequestOptions { reasoning, ..RequestOptions::default() };
        let sent = requested(Dialect::Chat, Dialect::Gemini, &body, &options);
        assert_eq!(sent["contents"][1]["parts"][0]["thoughtSignature"], expected);
        assert_eq!(sent["contents"][1]["parts"][1]["thoughtSignature"], Value::Null);
        assert_eq!(sent["contents"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn a_blocked_prompt_is_a_refusal() {
    let body = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}});
    for (client, reason) in
        [(Dialect::Chat, "content_filter"), (Dialect::Messages, "refusal"), (Dialect::Gemini, "SAFETY")]
    {
        let done = answer(Dialect::Gemini, client, &serde_json::to_vec(&body).unwrap(), options()).unwrap();
        assert_eq!(done.finish_reason.as_deref(), Some("SAFETY"));
        let whole = seen::whole(client, &done.body);
        let stream =
            seen::stream(client, &streamed(Dialect::Gemini, client, std::slice::from_ref(&body), options()));
        for seen in [whole, stream] {
            assert_eq!((seen.finish.as_deref(), seen.usage), (Some(reason), Some([4, 0, 0, 0])));
        }
    }
}

#[test]
fn reasons_to_finish_are_brought_to_few() {
    for (reason, expected) in [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "stop"),
        ("OTHER", "stop"),
    ] {
        let mut body = candidate(json!([{"text": "a"}]));
        body["candidates"][0]["finishReason"] = reason.into();
        assert_eq!(answered(Dialect::Gemini, Dialect::Chat, &body)["choices"][0]["finish_reason"], expected);
    }
}

/// Some models say with every event that they stop.
#[test]
fn an_early_reason_does_not_end_a_stream() {
    let call = json!([{"functionCall": {"name": "f", "args": {}}}]);
    let mut events = vec![candidate(json!([{"text": "a"}])), candidate(json!([{"text": "b"}]))];
    for client in Dialect::ALL {
        let seen = seen::stream(client, &streamed(Dialect::Gemini, client, &events, options()));
        assert!(seen.over && seen.text == "ab", "{seen:?}");
    }
    events.push(json!({"candidates": [{"content": {"parts": call}}]}));
    let seen = seen::stream(Dialect::Chat, &streamed(Dialect::Gemini, Dialect::Chat, &events, options()));
    assert_eq!(seen.finish.as_deref(), Some("tool_calls"));
}

/// A text and a call may both be signed, and an answer may say nothing at all.
#[test]
fn what_is_signed_stays_in_order() {
    let parts = json!([
        {"text": "First.", "thoughtSignature": "dGV4dA=="},
        {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "Y2FsbA=="}
    ]);
    let messages = answered(Dialect::Gemini, Dialect::Messages, &candidate(parts.clone()));
    let kinds: Vec<&Value> =
        messages["content"].as_array().unwrap().iter().map(|block| &block["type"]).collect();
    assert_eq!(kinds, ["text", "thinking", "thinking", "tool_use"]);
    let body = json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": messages["content"]}]});
    let sent = requested(Dialect::Messages, Dialect::Gemini, &body, &RequestOptions::default());
    assert_eq!(
        sent["contents"][1]["parts"],
        json!([{"text": "First."}, {"text": "", "thoughtSignature": "dGV4dA=="}, parts[1]])
    );
    let chat = answered(Dialect::Gemini, Dialect::Chat, &candidate(parts.clone()));
    let body = json!({"messages": [{"role": "user", "content": "hi"}, chat["choices"][0]["message"]]});
    let sent = requested(Dialect::Chat, Dialect::Gemini, &body, &RequestOptions::default());
    assert_eq!(sent["contents"][1]["parts"], parts);

    let nothing =
        answered(Dialect::Gemini, Dialect::Chat, &json!({"usageMetadata": {"promptTokenCount": 4}}));
    assert_eq!(nothing["choices"][0]["finish_reason"], "stop");
}

/// Without `alt=sse` a stream is one array, however far it came.
#[test]
fn a_stream_can_be_an_array() {
    let options = || AnswerOptions { json_array: true, ..options() };
    let chunk = |delta: Value, finish: Option<&str>| json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    let events = [
        chunk(json!({"content": "a"}), None),
        chunk(json!({"content": "b"}), None),
        chunk(json!({}), Some("stop")),
    ];
    let out = streamed(Dialect::Chat, Dialect::Gemini, &events, options());
    let read: Vec<Value> = serde_json::from_slice(&out).unwrap();
    let texts: Vec<&Value> =
        read.iter().map(|event| &event["candidates"][0]["content"]["parts"][0]["text"]).collect();
    assert_eq!(texts, ["a", "b", ""]);
    assert_eq!(read[2]["candidates"][0]["finishReason"], "STOP");

    let mut stream = Stream::new(Dialect::Chat, Dialect::Gemini, options());
    let mut out = BytesMut::new();
    let failed =
        format!("data: {}\n\ndata: {}\n\n", events[0], json!({"error": {"message": "busy", "code": 503}}));
    stream.feed(failed.as_bytes(), &mut out).unwrap();
    assert_eq!(stream.finish(&mut out), End::Truncated);
    let read: Vec<Value> = serde_json::from_slice(&out).unwrap();
    assert_eq!(read[1], json!({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}));
}

#[test]
fn an_error_of_google_ends_a_stream() {
    let mut stream = Stream::new(Dialect::Gemini, Dialect::Chat, options());
    let mut out = BytesMut::new();
    let error = json!({"error": {"code": 429, "message": "Too much.", "status": "RESOURCE_EXHAUSTED"}});
    stream.feed(format!("data: {error}\n\n").as_bytes(), &mut out).unwrap();
    let failure = stream.failure().unwrap();
    assert!(failure.is_rate_limited() && failure.message == "Too much.");
    assert!(seen::stream(Dialect::Chat, &out).error);
}

#[test]
fn sources_become_annotations() {
    let mut body = candidate(json!([{"text": "Né. Yes."}]));
    body["candidates"][0]["groundingMetadata"] = json!({
        "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}, {"web": {"uri": "https://b"}}],
        "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 9, "text": "Né. Yes."}, "groundingChunkIndices": [1, 7]}]
    });
    let chat = answered(Dialect::Gemini, Dialect::Chat, &body);
    let note = json!({"start_index": 0, "end_index": 8, "url": "https://b", "title": ""});
    assert_eq!(
        chat["choices"][0]["message"]["annotations"],
        json!([{"type": "url_citation", "url_citation": note}])
    );
    let messages = answered(Dialect::Gemini, Dialect::Messages, &body);
    assert_eq!(messages["content"][0]["citations"][0]["cited_text"], "Né. Yes.");
    let back = answered(Dialect::Messages, Dialect::Gemini, &messages);
    let pages = json!({"groundingChunks": [{"web": {"uri": "https://b", "title": ""}}]});
    assert_eq!(back["candidates"][0]["groundingMetadata"], pages);
    body["candidates"][0]["groundingMetadata"] = Value::Null;
    body["candidates"][0]["citationMetadata"] =
        json!({"citationSources": [{"startIndex": 1, "uri": "https://c"}]});
    let chat = answered(Dialect::Gemini, Dialect::Chat, &body);
    assert_eq!(chat["choices"][0]["message"]["annotations"][0]["url_citation"]["url"], "https://c");
}

#[test]
fn probabilities_go_both_ways() {
    let mut body = candidate(json!([{"text": "a"}]));
    let result = json!({
        "topCandidates": [{"candidates": [{"token": "a", "logProbability": -0.5}, {"token": "b", "logProbability": -2}]}],
        "chosenCandidates": [{"token": "a", "logProbability": -0.5}]
    });
    body["candidates"][0]["logprobsResult"] = result.clone();
    let chat = answered(Dialect::Gemini, Dialect::Chat, &body);
    let tops =
        json!([{"token": "a", "logprob": -0.5, "bytes": [97]}, {"token": "b", "logprob": -2, "bytes": [98]}]);
    let expected = json!({"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": tops}]});
    assert_eq!(chat["choices"][0]["logprobs"], expected);
    assert_eq!(answered(Dialect::Chat, Dialect::Gemini, &chat)["candidates"][0]["logprobsResult"], result);
}

#[test]
fn pictures_and_sound_go_to_a_chat_client() {
    let parts = json!([
        {"text": "Here."},
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
        {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAA="}}
    ]);
    let chat = answered(Dialect::Gemini, Dialect::Chat, &candidate(parts.clone()));
    let message = &chat["choices"][0]["message"];
    let image = json!({"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"});
    assert_eq!(message["images"], json!([{"type": "image_url", "index": 0, "image_url": image}]));
    assert_eq!(message["audio"]["data"], "AAA=");
    let events = streamed(Dialect::Gemini, Dialect::Chat, &[candidate(parts)], options());
    assert!(String::from_utf8(events).unwrap().contains("data:image/png;base64,iVBORw0KGgo="));
}

#[test]
fn every_candidate_is_a_choice() {
    let one = |index: u32, text: &str| json!({"content": {"parts": [{"text": text}], "role": "model"}, "index": index, "finishReason": "STOP"});
    let body = json!({"candidates": [one(0, "a"), one(1, "b")]});
    let chat = answered(Dialect::Gemini, Dialect::Chat, &body);
    assert_eq!(chat["choices"][1]["message"]["content"], "b");
    let back = answered(Dialect::Chat, Dialect::Gemini, &chat);
    assert_eq!(back["candidates"][1]["content"]["parts"], json!([{"text": "b"}]));
}
