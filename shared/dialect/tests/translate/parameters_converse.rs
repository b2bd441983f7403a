//! Every parameter of and for Converse absent, null, empty, valid and invalid.

use bulkhead_dialect::translate::{Dialect, RequestOptions, Weight, request};
use serde_json::{Value, json};

use super::parameters::Becomes::{self, Lost, Nothing, Refused, Sent};
use super::parameters::{body, check, effort, tool_config};

fn inference(more: &Value) -> Becomes {
    let mut config = json!({"maxTokens": 9000});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Sent(json!({ "inferenceConfig": config }))
}

fn own(fields: &Value) -> Becomes {
    Sent(json!({ "additionalModelRequestFields": fields }))
}

#[test]
fn chat_for_converse() {
    let asked = || Lost(Weight::Asked);
    let aside = || Lost(Weight::Aside);
    let choice = |choice: Value| Sent(json!({"toolConfig": converse_tools(&choice)}));
    for (name, value, becomes) in [
        ("temperature", json!(0.5), inference(&json!({"temperature": 0.5}))),
        ("top_p", json!(0.1), inference(&json!({"topP": 0.1}))),
        ("top_k", json!(3), own(&json!({"top_k": 3}))),
        ("max_tokens", json!(7), Sent(json!({"inferenceConfig": {"maxTokens": 7}}))),
        ("stop", json!("x"), inference(&json!({"stopSequences": ["x"]}))),
        ("stop", json!([]), Nothing),
        ("stop", json!(" "), asked()),
        ("n", json!(1), Nothing),
        ("n", json!(2), asked()),
        ("seed", json!(1), asked()),
        ("presence_penalty", json!(0.1), asked()),
        ("web_search_options", json!({}), asked()),
        ("metadata", json!({"a": "b"}), aside()),
        ("user", json!("u"), aside()),
        ("service_tier", json!("auto"), Nothing),
        ("service_tier", json!("default"), Sent(json!({"serviceTier": {"type": "default"}}))),
        ("service_tier", json!("flex"), Sent(json!({"serviceTier": {"type": "flex"}}))),
        ("service_tier", json!("scale"), asked()),
        (
            "guardrailConfig",
            json!({"guardrailIdentifier": "g"}),
            Sent(json!({"guardrailConfig": {"guardrailIdentifier": "g"}})),
        ),
        (
            "performanceConfig",
            json!({"latency": "optimized"}),
            Sent(json!({"performanceConfig": {"latency": "optimized"}})),
        ),
        ("stream", json!(true), Nothing),
        ("tool_choice", json!("auto"), choice(json!({"auto": {}}))),
        ("tool_choice", json!("required"), choice(json!({"any": {}}))),
        (
            "tool_choice",
            json!({"type": "function", "function": {"name": "f"}}),
            choice(json!({"tool": {"name": "f"}})),
        ),
        ("parallel_tool_calls", json!(true), Nothing),
        ("parallel_tool_calls", json!(false), asked()),
        ("response_format", json!({"type": "text"}), Nothing),
        ("reasoning_effort", json!("none"), Nothing),
        (
            "reasoning_effort",
            json!("high"),
            own(&json!({"thinking": {"type": "enabled", "budget_tokens": 4096}})),
        ),
        (
            "thinking",
            json!({"type": "enabled", "budget_tokens": 1500}),
            own(&json!({"thinking": {"type": "enabled", "budget_tokens": 1500}})),
        ),
        ("what", json!(""), asked()),
    ] {
        if name != "max_tokens" {
            check((Dialect::Chat, Dialect::Converse), name, &Value::Null, &Nothing);
        }
        check((Dialect::Chat, Dialect::Converse), name, &value, &becomes);
    }
    // Then there is no tool.
    let none = body(Dialect::Chat, "tool_choice", Some(&json!("none")));
    let done = request(Dialect::Chat, Dialect::Converse, &none, &RequestOptions::default()).unwrap();
    let sent: Value = serde_json::from_slice(&done.body).unwrap();
    assert!(done.losses.is_empty() && sent.get("toolConfig").is_none());
}

fn converse_tools(choice: &Value) -> Value {
    json!({
        "tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}}}],
        "toolChoice": choice
    })
}

#[test]
fn converse_for_chat() {
    let asked = || Lost(Weight::Asked);
    let aside = || Lost(Weight::Aside);
    let schema = json!({"type": "json_schema", "structure": {"jsonSchema": {"name": "n", "schema": "{\"type\":\"object\"}"}}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}});
    let choice = |choice: Value| tool_config(&json!({ "toolChoice": choice }));
    for (name, value, becomes) in [
        (
            "inferenceConfig",
            json!({"maxTokens": 9000, "temperature": 0.5, "topP": 1}),
            Sent(json!({"temperature": 0.5, "top_p": 1})),
        ),
        ("inferenceConfig", json!({"maxTokens": 9000, "stopSequences": ["x"]}), Sent(json!({"stop": ["x"]}))),
        ("inferenceConfig", json!({"maxTokens": 9000, "stopSequences": [], "temperature": null}), Nothing),
        ("inferenceConfig", json!({"maxTokens": 9000, "seed": 1}), asked()),
        ("inferenceConfig", json!([]), Refused),
        ("toolConfig", choice(json!({"auto": {}})), Sent(json!({"tool_choice": "auto"}))),
        ("toolConfig", choice(json!({"any": {}})), Sent(json!({"tool_choice": "required"}))),
        (
            "toolConfig",
            choice(json!({"tool": {"name": "f"}})),
            Sent(json!({"tool_choice": {"type": "function", "function": {"name": "f"}}})),
        ),
        ("toolConfig", choice(json!({"tool": {}})), Refused),
        ("toolConfig", json!(""), Refused),
        (
            "additionalModelRequestFields",
            json!({"thinking": {"type": "enabled", "budget_tokens": 5000}}),
            effort("medium"),
        ),
        ("additionalModelRequestFields", json!({"reasoning_effort": "low"}), effort("low")),
        ("additionalModelRequestFields", json!({"reasoning_config": "high"}), effort("high")),
        (
            "additionalModelRequestFields",
            json!({"reasoningConfig": {"maxReasoningEffort": "high"}}),
            effort("high"),
        ),
        (
            "additionalModelRequestFields",
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
            effort("low"),
        ),
        ("additionalModelRequestFields", json!({"top_k": 3}), asked()),
        ("additionalModelRequestFields", json!({"inferenceConfig": {"topK": 3}}), asked()),
        ("additionalModelRequestFields", json!({"thinking": {}}), asked()),
        (
            "additionalModelRequestFields",
            json!({"tool_choice": {"disable_parallel_tool_use": true}}),
            Sent(json!({"parallel_tool_calls": false})),
        ),
        ("additionalModelRequestFields", json!({}), Nothing),
        ("additionalModelRequestFields", json!(1), Refused),
        ("outputConfig", json!({"textFormat": schema}), Sent(json!({"response_format": format}))),
        (
            "outputConfig",
            json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{"}}}}),
            Refused,
        ),
        ("outputConfig", json!({}), Nothing),
        ("serviceTier", json!({"type": "priority"}), Sent(json!({"service_tier": "priority"}))),
        ("serviceTier", json!({"type": "reserved"}), asked()),
        ("serviceTier", json!({}), Refused),
        ("guardrailConfig", json!({"guardrailIdentifier": "g"}), asked()),
        ("performanceConfig", json!({"latency": "optimized"}), asked()),
        ("requestMetadata", json!({"a": "b"}), aside()),
        ("additionalModelResponseFieldPaths", json!(["/a"]), aside()),
        ("promptVariables", json!({}), asked()),
        ("system", json!([]), Nothing),
        ("system", json!("x"), Refused),
        ("what", json!(""), asked()),
    ] {
        if !matches!(name, "inferenceConfig" | "toolConfig") {
            check((Dialect::Converse, Dialect::Chat), name, &Value::Null, &Nothing);
        }
        check((Dialect::Converse, Dialect::Chat), name, &value, &becomes);
    }
}

#[test]
fn newer_models_are_told_to_call_one_tool_at_once() {
    let model = Some("us.anthropic.claude-sonnet-4-5-20250929-v1:0");
    let options = RequestOptions { model, ..RequestOptions::default() };
    for (choice, expected) in [
        (Value::Null, json!({"type": "auto", "disable_parallel_tool_use": true})),
        (json!("required"), json!({"disable_parallel_tool_use": true})),
    ] {
        let mut body: Value =
            serde_json::from_slice(&body(Dialect::Chat, "parallel_tool_calls", Some(&json!(false)))).unwrap();
        body["tool_choice"] = choice;
        let body = serde_json::to_vec(&body).unwrap();
        let done = request(Dialect::Chat, Dialect::Converse, &body, &options).unwrap();
        let sent: Value = serde_json::from_slice(&done.body).unwrap();
        assert_eq!(sent["additionalModelRequestFields"]["tool_choice"], expected);
        assert!(done.losses.is_empty());
    }
}

/// What a model has for itself depends on whose it is.
#[test]
fn models_have_their_own_fields() {
    let body =
        json!({"messages": [{"role": "user", "content": "hi"}], "reasoning_effort": "xhigh", "top_k": 3});
    let body = serde_json::to_vec(&body).unwrap();
    for (model, expected) in [
        (
            "us.amazon.nova-2-lite-v1:0",
            json!({"inferenceConfig": {"topK": 3}, "reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}),
        ),
        ("openai.gpt-oss-120b-1:0", json!({"top_k": 3, "reasoning_effort": "high"})),
        ("qwen.qwen3-32b-v1:0", json!({"top_k": 3, "reasoning_config": "high"})),
        ("anthropic.claude-sonnet-4-5", json!({"thinking": {"type": "enabled", "budget_tokens": 8192}})),
    ] {
        let options = RequestOptions { model: Some(model), ..RequestOptions::default() };
        let done = request(Dialect::Chat, Dialect::Converse, &body, &options).unwrap();
        let sent: Value = serde_json::from_slice(&done.body).unwrap();
        assert_eq!(sent["additionalModelRequestFields"], expected, "{model}");
        assert_eq!(done.losses.len(), usize::from(model.contains("claude")));
    }
}
