//! Parameters on the way to Cohere.

use bulkhead_dialect::translate::{Dialect, ReasoningStyle, RequestOptions, Weight, request};
use serde_json::{Value, json};

use super::parameters::Becomes::{self, Lost, Nothing, Refused, Sent};
use super::parameters::check;

const ASKED: Becomes = Lost(Weight::Asked);
const ASIDE: Becomes = Lost(Weight::Aside);

fn thinking(budget: u64) -> Becomes {
    Sent(json!({"thinking": {"type": "enabled", "token_budget": budget}}))
}

#[test]
fn chat_for_cohere() {
    for (name, value, becomes) in [
        ("temperature", json!(0.5), Sent(json!({"temperature": 0.5}))),
        ("temperature", json!(0), Sent(json!({"temperature": 0}))),
        ("top_p", json!(0.1), Sent(json!({"p": 0.1}))),
        ("top_p", json!(1), Sent(json!({"p": 0.99}))),
        ("top_p", json!("x"), Sent(json!({"p": "x"}))),
        ("top_k", json!(3), Sent(json!({"k": 3}))),
        ("max_tokens", json!(7), Sent(json!({"max_tokens": 7}))),
        ("stop", json!("x"), Sent(json!({"stop_sequences": ["x"]}))),
        ("stop", json!(["x", "y"]), Sent(json!({"stop_sequences": ["x", "y"]}))),
        ("stop", json!([]), Nothing),
        ("stop", json!(1), Refused),
        ("n", json!(1), Nothing),
        ("n", json!(2), ASKED),
        ("seed", json!(1), Sent(json!({"seed": 1}))),
        ("frequency_penalty", json!(0), Nothing),
        ("frequency_penalty", json!(0.2), Sent(json!({"frequency_penalty": 0.2}))),
        ("presence_penalty", json!(0.1), Sent(json!({"presence_penalty": 0.1}))),
        ("logprobs", json!(true), Sent(json!({"logprobs": true}))),
        ("logprobs", json!(false), Nothing),
        ("top_logprobs", json!(0), Nothing),
        ("top_logprobs", json!(2), ASKED),
        ("logit_bias", json!({}), Nothing),
        ("logit_bias", json!({"1": 2}), ASKED),
        ("modalities", json!(["text", "audio"]), ASKED),
        ("web_search_options", json!({}), ASKED),
        ("metadata", json!({"a": "b"}), ASIDE),
        ("user", json!("u"), ASIDE),
        ("user", json!(1), Refused),
        ("service_tier", json!("auto"), Nothing),
        ("service_tier", json!("flex"), ASKED),
        ("stream", json!(true), Sent(json!({"stream": true}))),
        ("stream", json!("yes"), Refused),
        ("tool_choice", json!("auto"), Nothing),
        ("tool_choice", json!("none"), Sent(json!({"tool_choice": "NONE"}))),
        ("tool_choice", json!("required"), Sent(json!({"tool_choice": "REQUIRED"}))),
        ("tool_choice", json!(""), Refused),
        ("tool_choice", chosen("f"), Sent(json!({"tool_choice": "REQUIRED"}))),
        ("tool_choice", chosen("g"), ASKED),
        ("parallel_tool_calls", json!(true), Nothing),
        ("parallel_tool_calls", json!(false), Nothing),
        // Not together with tools.
        ("response_format", json!({"type": "json_object"}), ASKED),
        ("response_format", json!({"type": "text"}), Nothing),
        ("response_format", json!({}), Refused),
        ("reasoning_effort", json!("none"), Sent(json!({"thinking": {"type": "disabled"}}))),
        ("reasoning_effort", json!(""), Refused),
        ("reasoning_effort", json!("low"), thinking(1024)),
        ("reasoning_effort", json!("high"), thinking(4096)),
        ("thinking", json!({"type": "enabled", "budget_tokens": 1500}), thinking(1500)),
        ("thinking", json!({"type": "adaptive"}), Sent(json!({"thinking": {"type": "enabled"}}))),
        ("thinking", json!({"type": "disabled"}), Sent(json!({"thinking": {"type": "disabled"}}))),
        ("safety_mode", json!("STRICT"), Sent(json!({"safety_mode": "STRICT"}))),
        ("citation_options", json!({"mode": "FAST"}), Sent(json!({"citation_options": {"mode": "FAST"}}))),
        ("documents", json!(["a"]), Sent(json!({"documents": ["a"]}))),
        ("documents", json!([]), Sent(json!({"documents": []}))),
        ("priority", json!(3), Sent(json!({"priority": 3}))),
        // Ollama's own.
        ("num_ctx", json!(4096), ASKED),
    ] {
        if !matches!(name, "max_tokens") {
            check((Dialect::Chat, Dialect::Cohere), name, &Value::Null, &Nothing);
        }
        check((Dialect::Chat, Dialect::Cohere), name, &value, &becomes);
    }
}

#[test]
fn messages_for_cohere() {
    for (name, value, becomes) in [
        ("top_k", json!(3), Sent(json!({"k": 3}))),
        ("stop_sequences", json!(["x"]), Sent(json!({"stop_sequences": ["x"]}))),
        ("tool_choice", json!({"type": "any"}), Sent(json!({"tool_choice": "REQUIRED"}))),
        ("tool_choice", json!({"type": "none"}), Sent(json!({"tool_choice": "NONE"}))),
        ("metadata", json!({"user_id": "u"}), ASIDE),
        ("output_config", json!({"effort": "medium"}), thinking(2048)),
        ("cache_control", json!({"type": "ephemeral"}), ASIDE),
        // An operator's, for all of a deployment's requests.
        ("safety_mode", json!("OFF"), Sent(json!({"safety_mode": "OFF"}))),
    ] {
        check((Dialect::Messages, Dialect::Cohere), name, &Value::Null, &Nothing);
        check((Dialect::Messages, Dialect::Cohere), name, &value, &becomes);
    }
}

fn chosen(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name}})
}

fn sent(from: Dialect, body: &Value, options: &RequestOptions<'_>) -> (Value, Vec<String>) {
    let done = request(from, Dialect::Cohere, &serde_json::to_vec(body).unwrap(), options).unwrap();
    let losses = done.losses.into_iter().map(|loss| loss.name).collect();
    (serde_json::from_slice(&done.body).unwrap(), losses)
}

#[test]
fn a_forced_tool_is_the_only_one() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "strict": true}});
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}],
        "tools": [tool("f"), tool("g")], "tool_choice": chosen("g"), "parallel_tool_calls": false});
    let (got, losses) = sent(Dialect::Chat, &body, &RequestOptions::default());
    assert_eq!(
        (&got["tools"][0]["function"]["name"], got["tools"].as_array().unwrap().len()),
        (&json!("g"), 1)
    );
    // Cohere wants something that is required.
    assert_eq!(losses, ["strict"]);
    body["tools"][1]["function"]["parameters"] =
        json!({"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]});
    let (got, losses) = sent(Dialect::Chat, &body, &RequestOptions::default());
    assert_eq!((&got["strict_tools"], losses.len()), (&json!(true), 0));
}

#[test]
fn output_has_a_schema() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": schema}}});
    let (got, losses) = sent(Dialect::Chat, &body, &RequestOptions::default());
    assert_eq!(got["response_format"], json!({"type": "json_object", "json_schema": schema}));
    assert_eq!(losses, <[String; 0]>::default());
}

/// Models that do not reason plan; of another turn nobody wants to hear their thoughts.
#[test]
fn thoughts_have_the_place_that_the_model_has() {
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}, {"type": "text", "text": "Yes?"}]},
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Plan.", "signature": "s"}, {"type": "tool_use", "id": "1", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "is_error": true, "content": [
            {"type": "text", "text": "no"}, {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "title": "t"}
        ]}]}
    ]});
    let (got, losses) = sent(Dialect::Messages, &body, &RequestOptions::default());
    assert_eq!(got["messages"][1]["content"][0], json!({"type": "thinking", "thinking": "Hm."}));
    assert_eq!(got["messages"][3]["content"], json!([{"type": "thinking", "thinking": "Plan."}]));
    let told = json!([{"type": "text", "text": "no"}, {"type": "document", "document": {"data": {"text": "d", "title": "t"}}}]);
    assert_eq!(got["messages"][4], json!({"role": "tool", "tool_call_id": "1", "content": told}));
    assert_eq!(losses, ["is_error"]);
    let plain = RequestOptions { reasoning: ReasoningStyle::None, ..RequestOptions::default() };
    let (got, losses) = sent(Dialect::Messages, &body, &plain);
    assert_eq!(got["messages"][1], json!({"role": "assistant", "content": "Yes?"}));
    assert_eq!(
        (&got["messages"][3]["tool_plan"], got["messages"][3].get("content")),
        (&json!("Plan."), None)
    );
    assert_eq!(losses, ["thinking", "is_error"]);
}
