//! Clients of the older completions.

use bulkhead_dialect::translate::{
    Dialect, Loss, RequestOptions, Stream, TranslateError, Weight, answer, request,
};
use bytes::BytesMut;
use serde_json::{Value, json};

use super::cases::{cases, options};
use super::matrix;
use super::seen::{Seen, chat_usage, text};

fn read(body: &Value, seen: &mut Seen) {
    assert_eq!(body["object"], "text_completion");
    seen.model = text(&body["model"]);
    for choice in body["choices"].as_array().unwrap().iter().filter(|choice| choice["index"] == 0) {
        assert!(seen.finish.is_none() && choice.get("logprobs").is_some());
        seen.text.push_str(choice["text"].as_str().unwrap());
        seen.finish = choice["finish_reason"].as_str().map(str::to_owned);
    }
    seen.usage = chat_usage(&body["usage"]).or(seen.usage);
}

pub(crate) fn whole(body: &Value) -> Seen {
    let mut seen = Seen { over: true, ..Seen::default() };
    read(body, &mut seen);
    seen
}

pub(crate) fn stream(events: &[Value], done: bool) -> Seen {
    let mut seen = Seen { over: done, ..Seen::default() };
    for event in events {
        if event.get("error").is_some() {
            seen.error = true;
        } else {
            read(event, &mut seen);
        }
    }
    seen
}

/// Text, refusals, the end and usage are as a chat client has them; nothing else has a place.
#[test]
fn recordings_say_the_same_as_in_chat() {
    for case in &cases() {
        let (seen, chat) = (matrix::seen(case, Dialect::Completions), matrix::seen(case, Dialect::Chat));
        let finish =
            chat.finish.map(|finish| if finish == "tool_calls" { "stop".to_owned() } else { finish });
        assert_eq!((seen.finish, seen.usage), (finish, chat.usage), "{}", case.id);
        assert!(seen.text == chat.text + &chat.refusal, "{}", case.id);
        assert_eq!((seen.error, seen.over), (chat.error, chat.over), "{}", case.id);
    }
}

fn sent(to: Dialect, body: &Value) -> Result<(Value, Vec<Loss>), TranslateError> {
    let done =
        request(Dialect::Completions, to, &serde_json::to_vec(body).unwrap(), &RequestOptions::default())?;
    let sent: Value = serde_json::from_slice(&done.body).unwrap();
    assert!(!sent.to_string().contains("null"));
    Ok((sent, done.losses))
}

#[test]
fn a_prompt_is_what_a_user_says() {
    for prompt in [json!("Hi"), json!(["Hi"])] {
        let body = json!({"model": "m", "prompt": prompt, "max_tokens": 5, "echo": false, "stop": null, "best_of": 1});
        let (chat, losses) = sent(Dialect::Chat, &body).unwrap();
        assert_eq!(
            chat,
            json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5})
        );
        assert!(losses.is_empty());
        let (messages, _) = sent(Dialect::Messages, &body).unwrap();
        assert_eq!(messages["messages"][0]["content"], json!([{"type": "text", "text": "Hi"}]));
    }
    for prompt in [json!(["a", "b"]), json!([1, 2]), json!([[1]]), json!([]), json!(1)] {
        let refused = sent(Dialect::Chat, &json!({"model": "m", "prompt": prompt}));
        assert!(matches!(refused, Err(TranslateError::Invalid { name, .. }) if name == "prompt"));
    }
    assert_eq!(sent(Dialect::Completions, &json!({})), Err(TranslateError::NoUpstream));
}

#[test]
fn parameters_of_completions() {
    for (name, value, chat) in [
        ("temperature", json!(0.5), Some(json!({"temperature": 0.5}))),
        ("top_p", json!(0.5), Some(json!({"top_p": 0.5}))),
        ("n", json!(2), Some(json!({"n": 2}))),
        ("seed", json!(2), Some(json!({"seed": 2}))),
        ("stop", json!("x"), Some(json!({"stop": ["x"]}))),
        ("stop", json!(["x", "y"]), Some(json!({"stop": ["x", "y"]}))),
        ("logprobs", json!(2), Some(json!({"logprobs": true, "top_logprobs": 2}))),
        ("logprobs", json!(0), Some(json!({"logprobs": true}))),
        ("user", json!("u"), Some(json!({"user": "u"}))),
        ("suffix", json!("x"), None),
        ("echo", json!(true), None),
        ("best_of", json!(2), None),
        ("what", json!(""), None),
    ] {
        let mut body = json!({"model": "m", "prompt": "Hi"});
        let (without, _) = sent(Dialect::Chat, &body).unwrap();
        body[name] = Value::Null;
        assert_eq!(sent(Dialect::Chat, &body).unwrap(), (without.clone(), vec![]));
        body[name] = value;
        let (mut found, losses) = sent(Dialect::Chat, &body).unwrap();
        found.as_object_mut().unwrap().retain(|name, value| without.get(name) != Some(value));
        assert_eq!(losses.is_empty(), chat.is_some(), "{name}");
        assert!(losses.iter().all(|loss| loss.name == name && loss.weight == Weight::Asked));
        assert_eq!(found, chat.unwrap_or(json!({})), "{name}");
    }
}

#[test]
fn probabilities_are_lists_side_by_side() {
    let token = |text: &str| json!({"token": text, "logprob": -0.5, "bytes": [], "top_logprobs": [{"token": "x", "logprob": -1, "bytes": null}]});
    let choice = |text: &str| {
        json!({"index": 0, "message": {"role": "assistant", "content": text}, "delta": {"content": text},
            "logprobs": {"content": [token(text)]}, "finish_reason": null})
    };
    let body = json!({"id": "c", "model": "m", "choices": [choice("Né")]});
    let done =
        answer(Dialect::Chat, Dialect::Completions, &serde_json::to_vec(&body).unwrap(), options()).unwrap();
    let whole: Value = serde_json::from_slice(&done.body).unwrap();
    let expected = |text: &str, offset: u64| json!({"tokens": [text], "token_logprobs": [-0.5], "top_logprobs": [{"x": -1}], "text_offset": [offset]});
    assert_eq!(whole["choices"][0]["logprobs"], expected("Né", 0));
    let mut stream = Stream::new(Dialect::Chat, Dialect::Completions, options());
    let mut out = BytesMut::new();
    for text in ["Né", "!"] {
        let chunk = json!({"id": "c", "model": "m", "choices": [choice(text)]});
        stream.feed(format!("data: {chunk}\n\n").as_bytes(), &mut out).unwrap();
    }
    let text = String::from_utf8(out.to_vec()).unwrap();
    let chunks: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let told: Vec<&Value> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["logprobs"])
        .filter(|value| !value.is_null())
        .collect();
    assert_eq!(told, [&expected("Né", 0), &expected("!", 2)]);
}
