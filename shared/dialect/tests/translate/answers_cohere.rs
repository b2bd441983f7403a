//! Answers of Cohere's, beyond what the recordings have.

use bulkhead_dialect::relay::End;
use bulkhead_dialect::translate::{Dialect, RequestOptions, Stream, TranslateError, answer, request};
use bytes::BytesMut;
use serde_json::{Value, json};

use super::cases::{cases, options};
use super::seen;

fn whole(client: Dialect, body: &Value) -> Value {
    let body = serde_json::to_vec(body).unwrap();
    serde_json::from_slice(&answer(Dialect::Cohere, client, &body, options()).unwrap().body).unwrap()
}

/// What a client gets for these events.
fn stream(client: Dialect, events: &[Value]) -> (Stream, BytesMut) {
    let mut stream = Stream::new(Dialect::Cohere, client, options());
    let mut out = BytesMut::new();
    for event in events {
        let text = format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("error"));
        stream.feed(text.as_bytes(), &mut out).unwrap();
    }
    (stream, out)
}

fn said(content: Value) -> Value {
    json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": content}}})
}

fn end(reason: &str) -> Value {
    json!({"type": "message-end", "delta": {"finish_reason": reason, "usage": {"tokens": {"input_tokens": 9, "output_tokens": 2}}}})
}

#[test]
fn citations_have_their_place_in_the_text() {
    let web = json!({"type": "document", "id": "doc:1", "document": {"id": "doc:1", "title": "T", "url": "https://a"}});
    let named = json!({"type": "document", "id": "doc:0", "document": {"snippet": "s"}});
    let tool = json!({"type": "tool", "id": "f:0", "tool_output": {"url": "https://b"}});
    let silent = json!({"type": "tool", "id": "f:1", "tool_output": {"content": "20 degrees"}});
    let body = json!({"id": "c", "finish_reason": "COMPLETE", "message": {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "N\u{e9}. Yes."}],
        "citations": [
            {"start": 4, "end": 8, "text": "Yes.", "sources": [web, named, tool, silent], "type": "TEXT_CONTENT"},
            {"start": 0, "end": 2, "text": "Hm", "sources": [web], "content_index": 0, "type": "THINKING_CONTENT"},
            {"start": 0, "end": 2, "text": "N\u{e9}", "sources": [web], "content_index": 1}
        ]
    }});
    let read = whole(Dialect::Chat, &body);
    let note = |start: u64, end: u64, url: &str, title: &str| json!({"type": "url_citation", "url_citation": {"start_index": start, "end_index": end, "url": url, "title": title}});
    assert_eq!(
        read["choices"][0]["message"]["annotations"],
        json!([
            note(4, 8, "https://a", "T"),
            note(4, 8, "source:doc:0", ""),
            note(4, 8, "https://b", ""),
            note(0, 2, "https://a", "T"),
        ])
    );
    let read = whole(Dialect::Responses, &body);
    let part = &read["output"][1]["content"][0];
    assert_eq!(
        (&part["annotations"][0]["start_index"], &part["annotations"][0]["end_index"]),
        (&json!(4), &json!(8))
    );
    let read = whole(Dialect::Messages, &body);
    assert_eq!(read["content"][1]["citations"][0]["cited_text"], "Yes.");
}

/// In a stream as well: of the recording that was written from the documentation.
#[test]
fn streamed_citations_have_their_place_in_the_text() {
    let cases = cases();
    let case = cases.iter().find(|case| case.id == "cohere/chat--doc--rag-stream").unwrap();
    let mut stream = Stream::new(Dialect::Cohere, Dialect::Chat, options());
    let mut out = BytesMut::new();
    stream.feed(&case.body, &mut out).unwrap();
    let text = String::from_utf8(out.to_vec()).unwrap();
    let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events = events.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    let notes: Vec<Value> =
        events.filter_map(|event| event["choices"][0]["delta"].get("annotations").cloned()).collect();
    let places: Vec<(u64, u64, &str)> = notes
        .iter()
        .map(|note| &note[0]["url_citation"])
        .map(|it| {
            (
                it["start_index"].as_u64().unwrap(),
                it["end_index"].as_u64().unwrap(),
                it["title"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(places, [(29, 46, "Tall penguins"), (65, 76, "Penguin habitats")]);
}

#[test]
fn an_answer_that_failed_is_none() {
    for (reason, status) in [("ERROR", 500), ("TIMEOUT", 504)] {
        let body =
            json!({"id": "c", "finish_reason": reason, "message": {"role": "assistant", "content": []}});
        let done = answer(Dialect::Cohere, Dialect::Chat, &serde_json::to_vec(&body).unwrap(), options());
        assert_eq!(done, Err(TranslateError::NoAnswer));
        for client in Dialect::ALL {
            let mut last = end(reason);
            last["delta"]["error"] = "it broke".into();
            let (mut stream, mut out) = stream(client, &[said(json!({"text": "a"})), last]);
            let failure = stream.failure().unwrap();
            assert_eq!((failure.status, &*failure.message), (Some(status), "it broke"));
            assert_eq!(stream.finish(&mut out), End::Truncated);
            let seen = seen::stream(client, &out);
            assert!(seen.error && !seen.over && seen.text == "a");
            assert_eq!(stream.usage().map(|usage| usage.input), Some(9));
        }
    }
    // As an error outside of a stream is told.
    let (stream, _) = stream(Dialect::Chat, &[json!({"id": "x", "message": "too many requests"})]);
    assert_eq!(stream.failure().map(|failure| &*failure.message), Some("too many requests"));
}

#[test]
fn a_call_without_arguments_has_an_object_and_no_end_is_needed() {
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let start = |index: u64, call: Value| json!({"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": call}}});
    let more = |text: &str| json!({"type": "tool-call-delta", "index": 1, "delta": {"message": {"tool_calls": {"function": {"arguments": text}}}}});
    let events = [
        start(0, call("a", "")),
        start(1, call("b", "{\"x\"")),
        more(":"),
        more("null"),
        more("}"),
        end("COMPLETE"),
    ];
    for client in Dialect::ALL {
        let (mut stream, mut out) = stream(client, &events);
        assert_eq!(stream.finish(&mut out), End::Complete);
        let seen = seen::stream(client, &out);
        let tools: Vec<Value> = seen
            .tools
            .iter()
            .map(|(_, arguments)| serde_json::from_str(arguments).unwrap_or(json!({})))
            .collect();
        assert_eq!(tools, [json!({}), json!({"x": null})], "{}", client.name());
        assert_ne!(seen.finish.as_deref(), Some("stop"));
    }
}

#[test]
fn probabilities_are_openais() {
    let piece = json!({"text": "Hi", "token_ids": [1], "logprobs": [-0.5]});
    let mut event = said(json!({"text": "Hi"}));
    event["logprobs"] = piece.clone();
    let (_, out) = stream(Dialect::Chat, &[event]);
    let expected =
        json!({"content": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}]});
    let text = String::from_utf8(out.to_vec()).unwrap();
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert!(events.iter().any(|event| event["choices"][0]["logprobs"] == expected), "{text}");
    let body = json!({"id": "c", "finish_reason": "COMPLETE", "logprobs": [piece],
        "message": {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]}});
    assert_eq!(whole(Dialect::Chat, &body)["choices"][0]["logprobs"], expected);
}

/// Nobody asks in it, and nobody is answered in it.
#[test]
fn no_client_speaks_it() {
    for dialect in [Dialect::Cohere, Dialect::Ollama] {
        assert!(!Dialect::ALL.contains(&dialect));
        let refused = request(dialect, Dialect::Chat, b"{}", &RequestOptions::default());
        assert_eq!(refused.map(|_| ()), Err(TranslateError::NoClient));
        let body = br#"{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}"#;
        assert_eq!(answer(Dialect::Chat, dialect, body, options()), Err(TranslateError::NoClient));
    }
}
