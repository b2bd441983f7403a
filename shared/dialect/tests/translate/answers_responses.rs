//! What recordings do not show of responses.

use bulkhead_dialect::relay::End;
use bulkhead_dialect::translate::{Dialect, RequestOptions, Stream, Weight, answer, request};
use bytes::BytesMut;
use serde_json::{Value, json};

use super::cases::options;
use super::seen;

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn answered(upstream: Dialect, client: Dialect, body: &Value) -> Value {
    serde_json::from_slice(&answer(upstream, client, &bytes(body), options()).unwrap().body).unwrap()
}

fn sent(from: Dialect, to: Dialect, body: &Value) -> (Value, Vec<String>) {
    let done = request(from, to, &bytes(body), &RequestOptions::default()).unwrap();
    let names = done.losses.iter().map(|loss| {
        assert_eq!(loss.weight, Weight::Aside);
        loss.name.clone()
    });
    (serde_json::from_slice(&done.body).unwrap(), names.collect())
}

/// Events as a stream, without their names.
fn sse(events: &[Value]) -> Vec<u8> {
    events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>().into_bytes()
}

fn streamed(upstream: Dialect, client: Dialect, events: &[Value]) -> (Vec<u8>, End) {
    let mut stream = Stream::new(upstream, client, options());
    let mut out = BytesMut::new();
    stream.feed(&sse(events), &mut out).unwrap();
    let end = stream.finish(&mut out);
    (out.to_vec(), end)
}

fn events_of(out: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(out).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn signed_blocks() -> Value {
    json!([
        {"type": "thinking", "thinking": "Two \"calls\".", "signature": "EqQB+/=="},
        {"type": "redacted_thinking", "data": "EmwK"},
        {"type": "text", "text": "Looking."},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
    ])
}

/// A client of responses sends back the items that it got, and Anthropic gets the blocks that it sent.
#[test]
fn signed_thoughts_survive_a_turn_through_a_client_of_responses() {
    let body = json!({"id": "msg_1", "model": "c", "content": signed_blocks(), "stop_reason": "tool_use"});
    let first = answered(Dialect::Messages, Dialect::Responses, &body);
    assert_eq!(first["output"][0]["summary"][0]["text"], "Two \"calls\".");
    let mut input = first["output"].as_array().unwrap().clone();
    input.push(json!({"type": "function_call_output", "call_id": "toolu_1", "output": "2"}));
    let next = json!({"model": "m", "input": input, "reasoning": {"effort": "high"}});
    let (next, losses) = sent(Dialect::Responses, Dialect::Messages, &next);
    assert_eq!((&next["messages"][0]["content"], losses.len()), (&signed_blocks(), 0));
    assert_eq!(next["thinking"]["type"], "enabled");

    // Another provider gets none of it.
    let next = json!({"model": "m", "input": input});
    for to in [Dialect::Chat, Dialect::Responses] {
        let (sent, losses) = sent(Dialect::Responses, to, &next);
        assert_eq!(losses, ["reasoning"]);
        assert!(!sent.to_string().contains("EqQB") && !sent.to_string().contains("anthropic-thinking"));
    }
}

#[test]
fn a_stream_has_the_same_proofs() {
    let events = [
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "c"}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Two \"calls"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "\"."}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "EqQB+/=="}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "EmwK"}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}),
        json!({"type": "message_stop"}),
    ];
    let (out, end) = streamed(Dialect::Messages, Dialect::Responses, &events);
    let seen = seen::stream(Dialect::Responses, &out);
    assert_eq!(
        (end, seen.finish.as_deref(), seen.signatures.len()),
        (End::Complete, Some("max_output_tokens"), 2)
    );
    let output = events_of(&out).pop().unwrap()["response"]["output"].clone();
    let (next, _) = sent(Dialect::Responses, Dialect::Messages, &json!({"model": "m", "input": output}));
    let blocks = signed_blocks();
    assert_eq!(next["messages"][0]["content"], json!([blocks[0], blocks[1]]));
}

/// What OpenAI has encrypted goes through clients of other dialects and back to OpenAI, and to nobody else.
#[test]
fn encrypted_reasoning_survives_a_turn_through_other_clients() {
    let reasoning = json!({
        "type": "reasoning", "id": "rs_1", "encrypted_content": "gAAAAA.B==",
        "summary": [{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}]
    });
    let call = json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}", "status": "completed"});
    let body = json!({"id": "resp_1", "object": "response", "model": "o", "status": "completed", "output": [reasoning, call]});
    for client in [Dialect::Chat, Dialect::Messages] {
        let got = answered(Dialect::Responses, client, &body);
        let said = match client {
            Dialect::Chat => got["choices"][0]["message"].clone(),
            _ => json!({"role": "assistant", "content": got["content"]}),
        };
        let next = json!({"model": "m", "messages": [said], "max_tokens": 100});
        let (back, losses) = sent(client, Dialect::Responses, &next);
        let item = &back["input"][0];
        assert_eq!((&item["id"], &item["encrypted_content"]), (&json!("rs_1"), &json!("gAAAAA.B==")));
        assert_eq!(item["summary"], json!([{"type": "summary_text", "text": "One.\n\nTwo."}]));
        assert_eq!((&back["input"][1]["call_id"], losses.len()), (&json!("call_1"), 0));
        let (other, losses) = sent(client, Dialect::Messages, &next);
        let name = if client == Dialect::Chat { "reasoning_content" } else { "thinking" };
        assert!(losses == [name] && !other.to_string().contains("gAAAAA"), "{losses:?}");
    }
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})
}

/// Events name their item, so calls may take turns.
#[test]
fn calls_that_interleave_are_told_apart() {
    let call = |index: u32, id: &str, arguments: &str| {
        let function = json!({"name": "f", "arguments": arguments});
        chunk(&json!({"tool_calls": [{"index": index, "id": id, "function": function}]}), None)
    };
    let mut events = vec![
        chunk(&json!({"content": "Now."}), None),
        call(0, "a", "{"),
        call(1, "b", "{\"x\":"),
        call(0, "a", "}"),
    ];
    events.extend([call(1, "b", "1}"), chunk(&json!({}), Some("tool_calls"))]);
    let (out, end) = streamed(Dialect::Chat, Dialect::Responses, &events);
    let seen = seen::stream(Dialect::Responses, &out);
    assert_eq!(end, End::Complete);
    let calls = [("f", "{}"), ("f", "{\"x\":1}")].map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!((&*seen.text, &seen.tools[..]), ("Now.", &calls[..]));
    // A message in between ends them.
    events.truncate(3);
    events.extend([chunk(&json!({"content": "Well."}), None), call(0, "a", "}")]);
    let (out, end) = streamed(Dialect::Chat, Dialect::Responses, &events);
    assert_eq!(end, End::Truncated);
    assert!(seen::stream(Dialect::Responses, &out).error);
}

#[test]
fn a_failure_is_told_in_both_ways() {
    let error = json!({"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}});
    let (out, end) =
        streamed(Dialect::Chat, Dialect::Responses, &[chunk(&json!({"content": "a"}), None), error]);
    assert_eq!(end, End::Truncated);
    let events = events_of(&out);
    let [.., told, failed] = &events[..] else { panic!() };
    assert_eq!((&told["type"], &told["code"]), (&json!("error"), &json!("rate_limit_exceeded")));
    assert_eq!(failed["response"]["error"], json!({"code": "rate_limit_exceeded", "message": "slow down"}));
    // And read: the first of the two ends the stream.
    for upstream in [&events[..], &events[events.len() - 1..]] {
        let mut stream = Stream::new(Dialect::Responses, Dialect::Chat, options());
        stream.feed(&sse(upstream), &mut BytesMut::new()).unwrap();
        assert_eq!(
            stream.failure().map(|failure| (failure.status, &*failure.message)),
            Some((Some(429), "slow down"))
        );
    }
    let failed = json!({"object": "response", "status": "failed", "output": [], "error": {"code": "server_error", "message": "m"}});
    assert!(answer(Dialect::Responses, Dialect::Chat, &bytes(&failed), options()).is_err());
}

fn message(text: &str) -> Value {
    json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

/// Some providers leave out events that others have.
#[test]
fn what_had_no_delta_is_told_when_it_is_done() {
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"a\":1}"});
    let end = |output: Value| json!({"type": "response.completed", "response": {"id": "r", "model": "m", "status": "completed", "output": output}});
    let at =
        |index: u32, kind: &str, item: &Value| json!({"type": kind, "output_index": index, "item": item});
    let done = "response.output_item.done";
    let started = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": ""});
    let delta =
        |index: u32, kind: &str, text: &str| json!({"type": kind, "output_index": index, "delta": text});
    for events in [
        vec![end(json!([message("Hi"), call]))],
        vec![at(0, done, &message("Hi")), at(1, done, &call), end(json!([]))],
        vec![
            delta(0, "response.output_text.delta", "H"),
            json!({"type": "response.output_text.done", "output_index": 0, "text": "Hi"}),
            at(0, done, &message("Hi")),
            at(1, "response.output_item.added", &started),
            delta(1, "response.function_call_arguments.delta", "{\"a\""),
            at(1, done, &call),
            end(json!([message("Hi"), call])),
        ],
    ] {
        let (out, _) = streamed(Dialect::Responses, Dialect::Chat, &events);
        let seen = seen::stream(Dialect::Chat, &out);
        let calls = [("f".to_owned(), "{\"a\":1}".to_owned())];
        assert_eq!(
            (&*seen.text, &seen.tools[..], seen.finish.as_deref()),
            ("Hi", &calls[..], Some("tool_calls"))
        );
    }
}

#[test]
fn probabilities_citations_and_refusals_have_their_places() {
    let token = json!({"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []});
    let said = json!({"role": "assistant", "content": "Hi", "annotations": [
        {"type": "url_citation", "url_citation": {"url": "https://a", "title": "A", "start_index": 0, "end_index": 2}}
    ]});
    let choice =
        json!({"index": 0, "message": said, "logprobs": {"content": [token]}, "finish_reason": "stop"});
    let chat = json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]});
    let got = answered(Dialect::Chat, Dialect::Responses, &chat);
    let part = &got["output"][0]["content"][0];
    assert_eq!(part["logprobs"], json!([token]));
    assert_eq!(
        part["annotations"],
        json!([{"type": "url_citation", "start_index": 0, "end_index": 2, "url": "https://a", "title": "A"}])
    );
    let back = answered(Dialect::Responses, Dialect::Chat, &got);
    assert_eq!(back["choices"][0]["logprobs"], json!({"content": [token]}));
    assert_eq!(back["choices"][0]["message"]["annotations"], chat["choices"][0]["message"]["annotations"]);

    let choice = json!({"index": 0, "message": {"role": "assistant", "content": null, "refusal": "No."}, "finish_reason": "stop"});
    let chat = json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]});
    let got = answered(Dialect::Chat, Dialect::Responses, &chat);
    assert_eq!(got["output"][0]["content"], json!([{"type": "refusal", "refusal": "No."}]));
    assert_eq!(got["status"], "completed");
    assert_eq!(answered(Dialect::Responses, Dialect::Chat, &got)["choices"][0]["message"]["refusal"], "No.");
}

/// The same answer has the same ids, and no two items have one.
#[test]
fn ids_are_made_of_the_answers_id() {
    let body =
        json!({"id": "msg_01 é/x", "model": "c", "content": signed_blocks(), "stop_reason": "end_turn"});
    let got = answered(Dialect::Messages, Dialect::Responses, &body);
    assert_eq!(got["id"], "resp_msg_01x");
    let ids: Vec<&str> =
        got["output"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["rs_msg_01x_0", "rs_msg_01x_1", "msg_msg_01x_2", "fc_msg_01x_3"]);
    let again = answered(Dialect::Responses, Dialect::Responses, &got);
    assert_eq!(again["id"], got["id"]);
}

/// One long answer is not kept without a bound.
#[test]
fn an_answer_that_is_too_long_fails() {
    let mut stream = Stream::new(Dialect::Chat, Dialect::Responses, options());
    let text = "x".repeat(1 << 19);
    let event = sse(&[chunk(&json!({"content": text}), None)]);
    let mut out = BytesMut::new();
    for _ in 0..70 {
        out.clear();
        stream.feed(&event, &mut out).unwrap();
    }
    assert_eq!(stream.failure().and_then(|failure| failure.status), Some(502));
}
