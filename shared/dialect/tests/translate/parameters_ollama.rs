//! Parameters on the way to Ollama's own chat.

use bulkhead_dialect::translate::{Dialect, RequestOptions, Weight, request};
use serde_json::{Value, json};

use super::parameters::Becomes::{self, Lost, Nothing, Refused, Sent};
use super::parameters::check;

const ASKED: Becomes = Lost(Weight::Asked);
const ASIDE: Becomes = Lost(Weight::Aside);

/// Every request here has a limit of its output.
fn options(name: &str, value: Value) -> Becomes {
    let mut options = json!({"num_predict": 9000});
    options[name] = value;
    Sent(json!({ "options": options }))
}

#[test]
fn chat_for_ollama() {
    let schema = json!({"type": "object"});
    for (name, value, becomes) in [
        ("temperature", json!(0.5), options("temperature", json!(0.5))),
        ("temperature", json!(0), options("temperature", json!(0))),
        ("top_p", json!(0.1), options("top_p", json!(0.1))),
        ("top_k", json!(3), options("top_k", json!(3))),
        ("max_tokens", json!(7), options("num_predict", json!(7))),
        ("num_predict", json!(7), options("num_predict", json!(7))),
        ("stop", json!("x"), options("stop", json!(["x"]))),
        ("stop", json!([]), Nothing),
        ("stop", json!(1), Refused),
        ("n", json!(2), ASKED),
        ("seed", json!(1), options("seed", json!(1))),
        ("frequency_penalty", json!(0.5), options("frequency_penalty", json!(0.5))),
        ("presence_penalty", json!(0.5), options("presence_penalty", json!(0.5))),
        ("logprobs", json!(true), Sent(json!({"logprobs": true}))),
        ("top_logprobs", json!(2), Sent(json!({"top_logprobs": 2}))),
        ("logit_bias", json!({}), Nothing),
        ("logit_bias", json!({"1": 2}), ASKED),
        ("user", json!("u"), ASIDE),
        ("service_tier", json!("default"), Nothing),
        ("service_tier", json!("flex"), ASKED),
        ("stream", json!(true), Sent(json!({"stream": true}))),
        ("stream", json!(false), Nothing),
        ("stream", json!("yes"), Refused),
        ("tool_choice", json!("auto"), Nothing),
        ("tool_choice", json!("required"), ASKED),
        ("tool_choice", json!({"type": "function", "function": {"name": "f"}}), ASKED),
        ("parallel_tool_calls", json!(false), Nothing),
        ("response_format", json!({"type": "json_object"}), Sent(json!({"format": "json"}))),
        (
            "response_format",
            json!({"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}),
            Sent(json!({"format": schema})),
        ),
        ("response_format", json!({"type": "text"}), Nothing),
        ("response_format", json!({}), Refused),
        ("reasoning_effort", json!("none"), Sent(json!({"think": false}))),
        ("reasoning_effort", json!("minimal"), Sent(json!({"think": false}))),
        ("reasoning_effort", json!("low"), Sent(json!({"think": true}))),
        ("reasoning_effort", json!("high"), Sent(json!({"think": true}))),
        ("reasoning_effort", json!(""), Refused),
        ("thinking", json!({"type": "enabled", "budget_tokens": 1500}), Sent(json!({"think": true}))),
        ("thinking", json!({"type": "adaptive"}), Nothing),
        // Its own, by the names that LiteLLM passes through.
        ("num_ctx", json!(4096), options("num_ctx", json!(4096))),
        ("mirostat", json!(2), options("mirostat", json!(2))),
        ("mirostat_tau", json!(0.5), options("mirostat_tau", json!(0.5))),
        ("repeat_penalty", json!(1.1), options("repeat_penalty", json!(1.1))),
        ("num_gpu", json!(1), options("num_gpu", json!(1))),
        ("keep_alive", json!("5m"), Sent(json!({"keep_alive": "5m"}))),
        ("think", json!("high"), Sent(json!({"think": "high"}))),
        ("format", json!("json"), Sent(json!({"format": "json"}))),
        // Cohere's own.
        ("safety_mode", json!("OFF"), ASKED),
    ] {
        if name != "max_tokens" {
            check((Dialect::Chat, Dialect::Ollama), name, &Value::Null, &Nothing);
        }
        check((Dialect::Chat, Dialect::Ollama), name, &value, &becomes);
    }
}

#[test]
fn messages_for_ollama() {
    for (name, value, becomes) in [
        ("stop_sequences", json!(["x"]), options("stop", json!(["x"]))),
        ("top_k", json!(3), options("top_k", json!(3))),
        ("tool_choice", json!({"type": "any"}), ASKED),
        ("metadata", json!({"user_id": "u"}), ASIDE),
        ("thinking", json!({"type": "disabled"}), Sent(json!({"think": false}))),
        ("thinking", json!({"type": "adaptive"}), Nothing),
        ("num_ctx", json!(4096), options("num_ctx", json!(4096))),
    ] {
        check((Dialect::Messages, Dialect::Ollama), name, &Value::Null, &Nothing);
        check((Dialect::Messages, Dialect::Ollama), name, &value, &becomes);
    }
}

fn sent(from: Dialect, body: &Value) -> (Value, Vec<String>) {
    let done = request(from, Dialect::Ollama, &serde_json::to_vec(body).unwrap(), &RequestOptions::default())
        .unwrap();
    let losses = done.losses.into_iter().map(|loss| loss.name).collect();
    (serde_json::from_slice(&done.body).unwrap(), losses)
}

#[test]
fn gpt_oss_is_told_how_much_to_think() {
    for (effort, told) in [("none", "low"), ("minimal", "low"), ("medium", "medium"), ("xhigh", "high")] {
        let body = json!({"model": "gpt-oss:20b", "messages": [{"role": "user", "content": "hi"}], "reasoning_effort": effort});
        assert_eq!(sent(Dialect::Chat, &body).0["think"], told);
    }
}

#[test]
fn a_conversation_is_ollamas() {
    let body = json!({"model": "m", "tool_choice": "none", "tools": [{"type": "function", "function": {"name": "f"}}], "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is"}, {"type": "text", "text": "this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
        ]},
        {"role": "assistant", "content": "I ", "reasoning_content": "Hm.", "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1.50}"}},
            {"id": "2", "type": "function", "function": {"name": "g", "arguments": ""}},
            {"id": "3", "type": "function", "function": {"name": "g", "arguments": "[1]"}}
        ]},
        {"role": "tool", "tool_call_id": "1", "content": "one"},
        {"role": "tool", "tool_call_id": "9", "content": [{"type": "text", "text": "two"}]}
    ]});
    let (got, losses) = sent(Dialect::Chat, &body);
    assert_eq!(
        got,
        json!({"model": "m", "stream": false, "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is\nthis?", "images": ["AAAA"]},
            {"role": "assistant", "content": "I ", "thinking": "Hm.", "tool_calls": [
                {"id": "1", "function": {"name": "f", "arguments": {"x": 1.50}}},
                {"id": "2", "function": {"name": "g", "arguments": {}}},
                {"id": "3", "function": {"name": "g", "arguments": {"raw_arguments": "[1]"}}}
            ]},
            {"role": "tool", "tool_name": "f", "tool_call_id": "1", "content": "one"},
            {"role": "tool", "tool_call_id": "9", "content": "two"}
        ]})
    );
    assert_eq!(losses, ["image_url"]);
}
