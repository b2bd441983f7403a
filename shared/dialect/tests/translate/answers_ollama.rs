//! Answers of Ollama's own chat, beyond what the recordings have.

use bulkhead_dialect::relay::End;
use bulkhead_dialect::translate::{Dialect, Stream, answer};
use bytes::BytesMut;
use serde_json::{Value, json};

use super::cases::options;
use super::seen;

fn stream(client: Dialect, body: &str) -> (Stream, BytesMut) {
    let mut stream = Stream::new(Dialect::Ollama, client, options());
    let mut out = BytesMut::new();
    stream.feed(body.as_bytes(), &mut out).unwrap();
    (stream, out)
}

fn said(text: &str) -> String {
    json!({"model": "m", "message": {"role": "assistant", "content": text}, "done": false}).to_string()
}

fn end() -> String {
    json!({"model": "m", "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "stop",
        "prompt_eval_count": 3, "eval_count": 2})
    .to_string()
}

#[test]
fn lines_are_events_however_they_end() {
    for body in [
        format!("{}\n{}\n", said("a"), end()),
        format!("{}\r\n\r\n{}\r\n", said("a"), end()),
        format!("\n{}\n{}", said("a"), end()),
    ] {
        for client in Dialect::ALL {
            let (mut stream, mut out) = stream(client, &body);
            assert_eq!(stream.finish(&mut out), End::Complete, "{body}");
            let seen = seen::stream(client, &out);
            assert_eq!((&*seen.text, seen.usage, seen.over), ("a", Some([3, 2, 0, 0]), true));
            assert!(stream.usage_is_final());
        }
    }
    let (mut stream, mut out) = stream(Dialect::Chat, &format!("{}\n{{\"done\":tr", said("a")));
    assert_eq!(stream.finish(&mut out), End::Truncated);
}

#[test]
fn an_error_line_ends_a_stream() {
    for (line, status) in [
        (r#"{"error":"the model failed to generate a response"}"#, None),
        (r#"{"error":"server busy, please try again.","status":503}"#, Some(503)),
    ] {
        for client in Dialect::ALL {
            let (mut stream, mut out) = stream(client, &format!("{}\n{line}\n{}\n", said("a"), end()));
            assert_eq!(stream.failure().unwrap().status, status);
            assert_eq!(stream.finish(&mut out), End::Truncated);
            let seen = seen::stream(client, &out);
            assert!(seen.error && !seen.over && seen.text == "a");
        }
    }
}

/// Calls without ids have one that no other answer's call has.
#[test]
fn calls_have_ids() {
    let call = |id: Option<&str>, arguments: Value| {
        let mut call = json!({"function": {"name": "f", "arguments": arguments}});
        if let Some(id) = id {
            call["id"] = id.into();
        }
        call
    };
    let calls =
        json!([call(None, json!({"x": 1})), call(Some("own"), json!({})), call(Some(""), Value::Null)]);
    let body = json!({"model": "m", "message": {"role": "assistant", "content": "", "tool_calls": calls}, "done": true});
    let done =
        answer(Dialect::Ollama, Dialect::Chat, &serde_json::to_vec(&body).unwrap(), options()).unwrap();
    let read: Value = serde_json::from_slice(&done.body).unwrap();
    let got: Vec<(&str, &str)> = read["choices"][0]["message"]["tool_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| (call["id"].as_str().unwrap(), call["function"]["arguments"].as_str().unwrap()))
        .collect();
    assert_eq!(got, [("call_id-1_0", "{\"x\":1}"), ("own", "{}"), ("call_id-1_2", "{}")]);
    assert_eq!(read["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!((done.usage, read.get("usage")), (None, None));
}

#[test]
fn probabilities_are_openais() {
    let token = json!({"token": "a", "logprob": -0.1, "bytes": [97]});
    let body = json!({"model": "m", "message": {"role": "assistant", "content": "a"}, "done": true, "logprobs": [token]});
    let done =
        answer(Dialect::Ollama, Dialect::Chat, &serde_json::to_vec(&body).unwrap(), options()).unwrap();
    let read: Value = serde_json::from_slice(&done.body).unwrap();
    let expected = json!({"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]});
    assert_eq!(read["choices"][0]["logprobs"], expected);
}
