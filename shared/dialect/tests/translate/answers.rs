//! What recordings do not show.

use bulkhead_dialect::frames::{Frame, write_event, write_exception};
use bulkhead_dialect::relay::End;
use bulkhead_dialect::translate::{Dialect, Plan, Stream, TranslateError, answer};
use bytes::BytesMut;
use serde_json::{Value, json};

use super::cases::options;
use super::seen;
use super::seen_converse;

fn sse(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})
}

/// The output that came as a tool's input goes out as text.
#[test]
fn the_outputs_tool_is_not_seen() {
    let mut with_tool = options();
    with_tool.plan = Plan { output_tool: true, ..with_tool.plan };
    let block = json!({"type": "tool_use", "id": "t", "name": "json_tool_call", "input": {"a": 1}});
    let body = json!({"id": "m", "model": "c", "content": [block], "stop_reason": "tool_use", "usage": {"input_tokens": 1}});
    let body = serde_json::to_vec(&body).unwrap();
    let done = answer(Dialect::Messages, Dialect::Chat, &body, with_tool.clone()).unwrap();
    let whole = seen::whole(Dialect::Chat, &done.body);
    assert_eq!((&*whole.text, whole.finish.as_deref(), whole.tools.len()), (r#"{"a":1}"#, Some("stop"), 0));

    let events = sse(&[
        json!({"type": "message_start", "message": {"id": "m", "model": "c"}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "json_tool_call", "input": {}}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{\"a\":"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "1}"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}}),
        json!({"type": "message_stop"}),
    ]);
    let mut stream = Stream::new(Dialect::Messages, Dialect::Chat, with_tool);
    let mut out = BytesMut::new();
    stream.feed(events.as_bytes(), &mut out).unwrap();
    assert_eq!(stream.finish(&mut out), End::Complete);
    let streamed = seen::stream(Dialect::Chat, &out);
    assert_eq!(
        (&streamed.text, &streamed.finish, &streamed.tools),
        (&whole.text, &whole.finish, &whole.tools)
    );
}

/// Blocks follow each other in messages: a call that is over cannot go on.
#[test]
fn a_provider_that_goes_back_to_a_call_fails() {
    let call = |index: u32, id: &str, arguments: &str| {
        let function = json!({"name": "f", "arguments": arguments});
        chunk(&json!({"tool_calls": [{"index": index, "id": id, "function": function}]}), None)
    };
    let events = sse(&[call(0, "a", "{"), call(1, "b", "{"), call(0, "a", "}")]);
    let mut out = BytesMut::new();
    let mut stream = Stream::new(Dialect::Chat, Dialect::Messages, options());
    stream.feed(events.as_bytes(), &mut out).unwrap();
    assert_eq!(stream.failure().and_then(|failure| failure.status), Some(502));
    assert_eq!(stream.finish(&mut out), End::Truncated);
    assert!(seen::stream(Dialect::Messages, &out).error);
    // Chat has an index for that.
    let mut stream = Stream::new(Dialect::Chat, Dialect::Chat, options());
    stream.feed(events.as_bytes(), &mut BytesMut::new()).unwrap();
    assert!(stream.failure().is_none());
}

#[test]
fn citations_point_at_the_text_of_their_block() {
    let cited = json!({"type": "web_search_result_location", "url": "https://a", "title": "A", "cited_text": "x", "encrypted_index": "e"});
    let body = json!({"id": "m", "model": "c", "stop_reason": "end_turn", "content": [
        {"type": "text", "text": "Né. "},
        {"type": "text", "text": "Yes.", "citations": [cited, {"type": "char_location", "cited_text": "y"}]}
    ]});
    let body = serde_json::to_vec(&body).unwrap();
    let done = answer(Dialect::Messages, Dialect::Chat, &body, options()).unwrap();
    let read: Value = serde_json::from_slice(&done.body).unwrap();
    let message = &read["choices"][0]["message"];
    let note = json!({"start_index": 4, "end_index": 8, "url": "https://a", "title": "A"});
    assert_eq!(message["annotations"], json!([{"type": "url_citation", "url_citation": note}]));
    assert_eq!(message["provider_specific_fields"]["citations"][0]["cited_text"], "y");
}

#[test]
fn an_error_is_no_answer_and_ends_a_stream() {
    let error = json!({"error": {"type": "overloaded_error", "message": "busy"}});
    for upstream in Dialect::UPSTREAMS {
        let body = serde_json::to_vec(&error).unwrap();
        assert_eq!(answer(upstream, Dialect::Chat, &body, options()), Err(TranslateError::NoAnswer));
    }
    for client in Dialect::ALL {
        let mut out = BytesMut::new();
        let mut stream = Stream::new(Dialect::Chat, client, options());
        stream
            .feed(sse(&[chunk(&json!({"content": "a"}), None), error.clone()]).as_bytes(), &mut out)
            .unwrap();
        let before = out.len();
        stream.feed(sse(&[chunk(&json!({"content": "b"}), Some("stop"))]).as_bytes(), &mut out).unwrap();
        assert_eq!((out.len(), stream.finish(&mut out)), (before, End::Truncated));
        assert_eq!(stream.failure().map(|failure| &*failure.message), Some("busy"));
        let seen = seen::stream(client, &out);
        assert!(seen.error && !seen.over && seen.text == "a");
    }
}

#[test]
fn a_refusal_is_text_with_a_reason() {
    let message = json!({"role": "assistant", "content": null, "refusal": "No."});
    let body = json!({"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
    let done =
        answer(Dialect::Chat, Dialect::Messages, &serde_json::to_vec(&body).unwrap(), options()).unwrap();
    let seen = seen::whole(Dialect::Messages, &done.body);
    assert_eq!((&*seen.text, seen.finish.as_deref()), ("No.", Some("refusal")));
}

fn frames(events: &[(&'static str, Value)]) -> BytesMut {
    let mut body = BytesMut::new();
    for (name, data) in events {
        write_event(name, data.to_string().into(), &mut body);
    }
    body
}

/// Status and class come from the exception's name, and a client of Converse gets an exception, too.
#[test]
fn an_exception_ends_a_stream() {
    for (name, status, passed_on) in [
        ("throttlingException", 429, "throttlingException"),
        ("modelStreamErrorException", 424, "modelStreamErrorException"),
        ("serviceUnavailableException", 503, "serviceUnavailableException"),
        ("validationException", 400, "validationException"),
        ("internalServerException", 500, "internalServerException"),
        ("modelTimeoutException", 408, "internalServerException"),
    ] {
        for client in Dialect::ALL {
            let mut body = frames(&[
                ("messageStart", json!({"role": "assistant"})),
                ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": "a"}})),
            ]);
            write_exception(name, r#"{"message":"busy"}"#.into(), &mut body);
            let mut stream = Stream::new(Dialect::Converse, client, options());
            let mut out = BytesMut::new();
            stream.feed(&body, &mut out).unwrap();
            let failure = stream.failure().unwrap();
            assert_eq!((&*failure.message, failure.kind.as_deref()), ("busy", Some(name)));
            assert_eq!(failure.status.unwrap_or(500), status);
            assert_eq!(stream.finish(&mut out), End::Truncated);
            let seen = seen::stream(client, &out);
            assert!(seen.error && !seen.over && seen.text == "a");
            if client == Dialect::Converse {
                let last = seen_converse::all_frames(&out).pop();
                let expected =
                    Frame::Exception { name: passed_on.to_owned(), payload: r#"{"message":"busy"}"#.into() };
                assert_eq!(last, Some(expected));
            }
        }
    }
}

#[test]
fn a_damaged_frame_ends_a_stream() {
    let mut body = frames(&[("messageStart", json!({"role": "assistant"}))]);
    let last = body.len() - 1;
    body[last] ^= 1;
    let mut stream = Stream::new(Dialect::Converse, Dialect::Chat, options());
    let mut out = BytesMut::new();
    stream.feed(&body, &mut out).unwrap();
    assert_eq!(stream.failure().and_then(|failure| failure.status), Some(502));
    assert!(seen::stream(Dialect::Chat, &out).error);
}

#[test]
fn places_in_documents_are_the_same_in_both_dialects() {
    let cited = json!({"title": "a.pdf", "sourceContent": [{"text": "x"}], "location": {"documentPage": {"documentIndex": 1, "start": 2, "end": 3}}});
    let web = json!({"title": "W", "location": {"web": {"url": "https://w", "domain": "w"}}});
    let body = json!({
        "output": {"message": {"role": "assistant", "content": [
            {"citationsContent": {"content": [{"text": "Yes."}], "citations": [cited, web]}}
        ]}},
        "stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
    });
    let body = serde_json::to_vec(&body).unwrap();
    let there = answer(Dialect::Converse, Dialect::Messages, &body, options()).unwrap();
    let read: Value = serde_json::from_slice(&there.body).unwrap();
    let place = json!({"type": "page_location", "cited_text": "x", "document_title": "a.pdf", "document_index": 1, "start_page_number": 2, "end_page_number": 3});
    assert_eq!(read["content"][0]["citations"][0], place);
    assert_eq!(read["content"][0]["citations"][1]["url"], "https://w");
    let back = answer(Dialect::Messages, Dialect::Converse, &there.body, options()).unwrap();
    let read: Value = serde_json::from_slice(&back.body).unwrap();
    let content = &read["output"]["message"]["content"][0]["citationsContent"];
    assert_eq!((&content["content"][0]["text"], &content["citations"][0]), (&json!("Yes."), &cited));
    assert_eq!(content["citations"][1]["location"]["web"]["url"], "https://w");
}

/// What Anthropic hides is text for Anthropic and bytes for Bedrock.
#[test]
fn hidden_thoughts_come_back_as_they_were() {
    let body = json!({
        "output": {"message": {"role": "assistant", "content": [{"reasoningContent": {"redactedContent": "RW5jPT0="}}]}},
        "stopReason": "end_turn"
    });
    let body = serde_json::to_vec(&body).unwrap();
    let there = answer(Dialect::Converse, Dialect::Messages, &body, options()).unwrap();
    let read: Value = serde_json::from_slice(&there.body).unwrap();
    assert_eq!(read["content"][0], json!({"type": "redacted_thinking", "data": "Enc=="}));
    let back = answer(Dialect::Messages, Dialect::Converse, &there.body, options()).unwrap();
    assert!(back.body.windows(9).any(|text| text == b"\"RW5jPT0="));
}

/// The usage comes before or after the end, or never.
#[test]
fn a_stream_of_frames_ends_in_any_order() {
    let start = || ("messageStart", json!({"role": "assistant"}));
    let stop = || ("messageStop", json!({"stopReason": "stop_sequence"}));
    let usage = || ("metadata", json!({"usage": {"inputTokens": 2, "outputTokens": 1, "totalTokens": 3}}));
    for (events, usage) in [
        (vec![start(), stop(), usage()], Some([2, 1, 0, 0])),
        (vec![start(), usage(), stop()], Some([2, 1, 0, 0])),
        (vec![start(), stop()], None),
    ] {
        let mut stream = Stream::new(Dialect::Converse, Dialect::Chat, options());
        let mut out = BytesMut::new();
        stream.feed(&frames(&events), &mut out).unwrap();
        assert_eq!(stream.finish(&mut out), End::Complete);
        let seen = seen::stream(Dialect::Chat, &out);
        assert_eq!((seen.usage, seen.finish.as_deref(), seen.over), (usage, Some("stop"), true));
        assert_eq!(stream.usage_is_final(), usage.is_some());
    }
}
