//! Every parameter absent, null, empty, valid and invalid.

use bulkhead_dialect::translate::{Dialect, RequestOptions, TranslateError, Weight, request};
use serde_json::{Map, Value, json};

/// What becomes of a value.
#[derive(Debug)]
pub(crate) enum Becomes {
    /// Members of the upstream's request.
    Sent(Value),
    /// Nothing, without a word.
    Nothing,
    /// Nothing, and it is reported.
    Lost(Weight),
    /// The request is refused.
    Refused,
}

use Becomes::{Lost, Nothing, Refused, Sent};

pub(crate) fn body(from: Dialect, name: &str, value: Option<&Value>) -> Vec<u8> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9000});
    match from {
        Dialect::Chat => body["tools"] = json!([{"type": "function", "function": {"name": "f"}}]),
        Dialect::Messages => body["tools"] = json!([{"name": "f", "input_schema": {"type": "object"}}]),
        Dialect::Responses => {
            body = json!({"model": "m", "input": [{"role": "user", "content": "hi"}], "max_output_tokens": 9000});
            body["tools"] = json!([{"type": "function", "name": "f"}]);
        }
        Dialect::Cohere | Dialect::Ollama => panic!("no client speaks it"),
        Dialect::Completions => body = json!({"model": "m", "prompt": "hi", "max_tokens": 9000}),
        Dialect::Gemini => {
            body = json!({"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 9000}});
            body["tools"] = json!([{"functionDeclarations": [{"name": "f"}]}]);
        }
        Dialect::Converse => {
            body = json!({
                "messages": [{"role": "user", "content": [{"text": "hi"}]}],
                "inferenceConfig": {"maxTokens": 9000},
                "toolConfig": tool_config(&json!({})),
            });
        }
    }
    if let Some(value) = value {
        match name.split_once('.') {
            Some((group, name)) => body[group][name] = value.clone(),
            None => body[name] = value.clone(),
        }
    }
    serde_json::to_vec(&body).unwrap()
}

pub(crate) fn tool_config(more: &Value) -> Value {
    let mut config =
        json!({"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

/// The members that a parameter adds or changes, or what is lost.
fn outcome(
    (from, to): (Dialect, Dialect),
    name: &str,
    value: &Value,
) -> Result<(Map<String, Value>, Vec<Weight>), TranslateError> {
    let send = |value| {
        let done = request(from, to, &body(from, name, value), &RequestOptions::default())?;
        let sent: Map<String, Value> = serde_json::from_slice(&done.body).unwrap();
        Ok::<_, TranslateError>((sent, done.losses.iter().map(|loss| loss.weight).collect::<Vec<_>>()))
    };
    let (without, nothing_lost) = send(None)?;
    assert!(nothing_lost.is_empty());
    let (mut sent, lost) = send(Some(value))?;
    assert!(!serde_json::to_string(&sent).unwrap().contains("null"), "{name} {value}");
    sent.retain(|name, value| without.get(name) != Some(value));
    Ok((sent, lost))
}

pub(crate) fn check(pair: (Dialect, Dialect), name: &str, value: &Value, becomes: &Becomes) {
    let found = outcome(pair, name, value);
    let ok = match (becomes, &found) {
        (Sent(members), Ok((sent, lost))) => Value::Object(sent.clone()) == *members && lost.is_empty(),
        (Nothing, Ok((sent, lost))) => sent.is_empty() && lost.is_empty(),
        (Lost(weight), Ok((sent, lost))) => sent.is_empty() && lost == &[*weight],
        (Refused, Err(TranslateError::Invalid { name: found, .. })) => found == name,
        _ => false,
    };
    let (from, to) = pair;
    assert!(ok, "{} for {} {name} {value}: {becomes:?}, found {found:?}", from.name(), to.name());
}

#[test]
fn chat_for_messages() {
    let asked = || Lost(Weight::Asked);
    for (name, value, becomes) in [
        ("temperature", json!(0.5), Sent(json!({"temperature": 0.5}))),
        ("temperature", json!(0), Sent(json!({"temperature": 0}))),
        ("top_p", json!(0.1), Sent(json!({"top_p": 0.1}))),
        ("top_k", json!(3), Sent(json!({"top_k": 3}))),
        ("max_tokens", json!(7), Sent(json!({"max_tokens": 7}))),
        ("stop", json!("x"), Sent(json!({"stop_sequences": ["x"]}))),
        ("stop", json!(["x", "y"]), Sent(json!({"stop_sequences": ["x", "y"]}))),
        ("stop", json!([]), Nothing),
        ("stop", json!(""), asked()),
        ("stop", json!(1), Refused),
        ("n", json!(1), Nothing),
        ("n", json!(2), asked()),
        ("seed", json!(1), asked()),
        ("frequency_penalty", json!(0), Nothing),
        ("presence_penalty", json!(0.1), asked()),
        ("logprobs", json!(false), Nothing),
        ("logprobs", json!(true), asked()),
        ("logit_bias", json!({}), Nothing),
        ("logit_bias", json!({"1": 2}), asked()),
        ("modalities", json!(["text"]), Nothing),
        ("modalities", json!(["text", "audio"]), asked()),
        ("prediction", json!({"type": "content"}), asked()),
        ("functions", json!([]), asked()),
        ("metadata", json!({"a": "b"}), Lost(Weight::Aside)),
        ("store", json!(true), Lost(Weight::Aside)),
        ("user", json!("u"), Sent(json!({"metadata": {"user_id": "u"}}))),
        ("user", json!(1), Refused),
        ("service_tier", json!("auto"), Sent(json!({"service_tier": "auto"}))),
        ("service_tier", json!("default"), Sent(json!({"service_tier": "standard_only"}))),
        ("service_tier", json!("flex"), asked()),
        ("stream", json!(true), Sent(json!({"stream": true}))),
        ("stream", json!("yes"), Refused),
        ("tool_choice", json!("auto"), Sent(json!({"tool_choice": {"type": "auto"}}))),
        ("tool_choice", json!("none"), Sent(json!({"tool_choice": {"type": "none"}}))),
        ("tool_choice", json!("required"), Sent(json!({"tool_choice": {"type": "any"}}))),
        ("tool_choice", json!("f"), Refused),
        ("tool_choice", json!(""), Refused),
        (
            "tool_choice",
            json!({"type": "function", "function": {"name": "f"}}),
            Sent(json!({"tool_choice": {"type": "tool", "name": "f"}})),
        ),
        ("parallel_tool_calls", json!(true), Nothing),
        (
            "parallel_tool_calls",
            json!(false),
            Sent(json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}})),
        ),
        ("response_format", json!({"type": "text"}), Nothing),
        ("response_format", json!({"type": "xml"}), Refused),
        ("response_format", json!({}), Refused),
        ("reasoning_effort", json!("none"), Nothing),
        ("reasoning_effort", json!(""), Refused),
        ("reasoning_effort", json!("minimal"), thinking(1024)),
        ("reasoning_effort", json!("low"), thinking(1024)),
        ("reasoning_effort", json!("medium"), thinking(2048)),
        ("reasoning_effort", json!("high"), thinking(4096)),
        ("reasoning_effort", json!("xhigh"), thinking(8192)),
        ("reasoning_effort", json!("max"), thinking(8999)),
        ("thinking", json!({"type": "enabled", "budget_tokens": 1500}), thinking(1500)),
        ("thinking", json!({"type": "disabled"}), Nothing),
        ("thinking", json!({"type": "other"}), Refused),
        ("what", json!(""), asked()),
    ] {
        // Without a limit there is the upstream's usual one.
        let without = if name == "max_tokens" { Sent(json!({"max_tokens": 4096})) } else { Nothing };
        check((Dialect::Chat, Dialect::Messages), name, &Value::Null, &without);
        check((Dialect::Chat, Dialect::Messages), name, &value, &becomes);
    }
}

fn thinking(tokens: u64) -> Becomes {
    Sent(json!({"thinking": {"type": "enabled", "budget_tokens": tokens}}))
}

#[test]
fn messages_for_chat() {
    let asked = || Lost(Weight::Asked);
    for (name, value, becomes) in [
        ("temperature", json!(0.5), Sent(json!({"temperature": 0.5}))),
        ("top_p", json!(0.1), Sent(json!({"top_p": 0.1}))),
        ("top_k", json!(3), asked()),
        ("stop_sequences", json!(["x"]), Sent(json!({"stop": ["x"]}))),
        ("stop_sequences", json!([]), Nothing),
        ("stop_sequences", json!("x"), Refused),
        ("metadata", json!({"user_id": "u"}), Sent(json!({"user": "u"}))),
        ("metadata", json!({}), Nothing),
        ("metadata", json!("u"), Refused),
        ("service_tier", json!("auto"), Sent(json!({"service_tier": "auto"}))),
        ("service_tier", json!("standard_only"), Sent(json!({"service_tier": "default"}))),
        ("service_tier", json!(""), asked()),
        ("stream", json!(true), Sent(json!({"stream": true, "stream_options": {"include_usage": true}}))),
        ("stream", json!(false), Sent(json!({"stream": false}))),
        ("tool_choice", json!({"type": "any"}), Sent(json!({"tool_choice": "required"}))),
        ("tool_choice", json!({"type": "none"}), Sent(json!({"tool_choice": "none"}))),
        (
            "tool_choice",
            json!({"type": "auto", "disable_parallel_tool_use": true}),
            Sent(json!({"tool_choice": "auto", "parallel_tool_calls": false})),
        ),
        ("tool_choice", json!({"type": "tool"}), Refused),
        ("thinking", json!({"type": "enabled", "budget_tokens": 10000}), effort("high")),
        ("thinking", json!({"type": "enabled", "budget_tokens": 5000}), effort("medium")),
        ("thinking", json!({"type": "enabled", "budget_tokens": 2000}), effort("low")),
        ("thinking", json!({"type": "enabled", "budget_tokens": 1024}), effort("minimal")),
        ("thinking", json!({"type": "adaptive"}), Nothing),
        ("thinking", json!({"type": "disabled"}), Nothing),
        ("thinking", json!({}), Refused),
        ("output_config", json!({"effort": "low"}), effort("low")),
        ("output_config", json!({"effort": ""}), asked()),
        ("output_config", json!({"task_budget": {}}), Lost(Weight::Aside)),
        ("output_format", json!({"type": "xml"}), Refused),
        ("cache_control", json!({"type": "ephemeral"}), Lost(Weight::Aside)),
        ("context_management", json!({}), Lost(Weight::Aside)),
        ("container", json!("c"), asked()),
        ("mcp_servers", json!([]), asked()),
        ("what", json!(false), asked()),
    ] {
        check((Dialect::Messages, Dialect::Chat), name, &Value::Null, &Nothing);
        check((Dialect::Messages, Dialect::Chat), name, &value, &becomes);
    }
}

pub(crate) fn effort(name: &str) -> Becomes {
    Sent(json!({"reasoning_effort": name}))
}

/// Anthropic refuses what would disturb the model's thoughts, so it is lost before.
#[test]
fn a_model_that_thinks_is_neither_forced_nor_cooled() {
    let body = json!({
        "model": "m", "messages": [{"role": "user", "content": "hi"}], "reasoning_effort": "high",
        "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required",
        "temperature": 0.5, "top_p": 0.96, "top_k": 3
    });
    let body = serde_json::to_vec(&body).unwrap();
    let done = request(Dialect::Chat, Dialect::Messages, &body, &RequestOptions::default()).unwrap();
    let names: Vec<&str> = done.losses.iter().map(|loss| &*loss.name).collect();
    assert_eq!(names, ["tool_choice", "temperature", "top_k"]);
    let sent: Value = serde_json::from_slice(&done.body).unwrap();
    assert_eq!((&sent["tool_choice"], &sent["top_p"]), (&json!({"type": "auto"}), &json!(0.96)));
    assert_eq!(sent["max_tokens"], 4096 + 4096);
}

/// Claude counts thoughts as output and refuses more of it than it has.
#[test]
fn a_model_that_thinks_has_room_for_its_answer() {
    let limit = |to: Dialect, thinking: Value, max_tokens: u64| {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(thinking.as_object().unwrap().clone());
        let options = RequestOptions { max_tokens, ..RequestOptions::default() };
        let body = serde_json::to_vec(&body).unwrap();
        let done = request(Dialect::Chat, to, &body, &options).unwrap();
        let sent: Value = serde_json::from_slice(&done.body).unwrap();
        if to == Dialect::Messages { sent["max_tokens"].clone() } else { sent["inferenceConfig"].clone() }
    };
    let budget = |tokens: u64| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
    for (thinking, max_tokens, expected) in [
        (json!({"reasoning_effort": "low"}), 64_000, 1024 + 4096),
        (json!({"reasoning_effort": "high"}), 4096, 4096 + 4096),
        (budget(62_000), 64_000, 64_000),
        (budget(64_000), 64_000, 64_000 + 4096),
    ] {
        assert_eq!(limit(Dialect::Messages, thinking.clone(), max_tokens), expected, "{thinking}");
        let inference = json!({"maxTokens": expected});
        assert_eq!(limit(Dialect::Converse, thinking.clone(), max_tokens), inference, "{thinking}");
    }
    assert_eq!(limit(Dialect::Messages, json!({}), 64_000), 64_000);
    assert_eq!(limit(Dialect::Converse, json!({}), 64_000), Value::Null);
}

/// Clients of responses have developers; most providers of chat have not.
#[test]
fn a_developer_is_the_system_where_the_provider_knows_none() {
    let body = json!({"model": "m", "input": [
        {"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hi"}]});
    let body = serde_json::to_vec(&body).unwrap();
    for (developer, role) in [(true, "developer"), (false, "system")] {
        let options = RequestOptions { developer, ..RequestOptions::default() };
        let done = request(Dialect::Responses, Dialect::Chat, &body, &options).unwrap();
        let sent: Value = serde_json::from_slice(&done.body).unwrap();
        assert_eq!(sent["messages"][0], json!({"role": role, "content": "Be brief."}));
    }
}

/// Agents send long names of end users, and OpenAI takes short ones.
#[test]
fn a_long_name_of_a_user_is_cut() {
    let body = body(Dialect::Messages, "metadata", Some(&json!({"user_id": "é".repeat(40)})));
    let done = request(Dialect::Messages, Dialect::Chat, &body, &RequestOptions::default()).unwrap();
    let sent: Value = serde_json::from_slice(&done.body).unwrap();
    assert_eq!(sent["user"], "é".repeat(32));
    assert_eq!((&*done.losses[0].name, done.losses[0].weight), ("metadata.user_id", Weight::Aside));
}
