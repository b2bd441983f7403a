//! Some parameters on the ways between responses, Google's dialect and Converse.

use bulkhead_dialect::translate::{Dialect, Weight};
use serde_json::{Value, json};

use super::parameters::Becomes::{self, Lost, Nothing, Refused, Sent};
use super::parameters::check;

const ASKED: Becomes = Lost(Weight::Asked);
const ASIDE: Becomes = Lost(Weight::Aside);

/// Every request here has a limit of its output, and without it is another one.
const LIMITS: [&str; 3] = ["max_output_tokens", "generationConfig.maxOutputTokens", "inferenceConfig"];

fn check_all<const COUNT: usize>(from: Dialect, to: Dialect, rows: [(&str, Value, Becomes); COUNT]) {
    for (name, value, becomes) in rows {
        if !LIMITS.contains(&name) {
            check((from, to), name, &Value::Null, &Nothing);
        }
        check((from, to), name, &value, &becomes);
    }
}

fn generation(name: &str, value: Value) -> Becomes {
    let mut config = json!({"maxOutputTokens": 9000});
    config[name] = value;
    Sent(json!({ "generationConfig": config }))
}

fn inference(name: &str, value: Value) -> Becomes {
    let mut config = json!({"maxTokens": 9000});
    config[name] = value;
    Sent(json!({ "inferenceConfig": config }))
}

fn own(fields: Value) -> Becomes {
    Sent(json!({ "additionalModelRequestFields": fields }))
}

fn reasoning(value: Value) -> Becomes {
    Sent(json!({"reasoning": value, "include": ["reasoning.encrypted_content"]}))
}

#[test]
fn responses_for_gemini() {
    let thinking = json!({"thinkingBudget": 2048, "includeThoughts": true});
    check_all(
        Dialect::Responses,
        Dialect::Gemini,
        [
            ("temperature", json!(0.5), generation("temperature", json!(0.5))),
            ("max_output_tokens", json!(7), generation("maxOutputTokens", json!(7))),
            (
                "reasoning",
                json!({"effort": "medium", "summary": "auto"}),
                generation("thinkingConfig", thinking),
            ),
            (
                "text",
                json!({"format": {"type": "json_object"}}),
                generation("responseMimeType", json!("application/json")),
            ),
            (
                "tool_choice",
                json!("required"),
                Sent(json!({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}})),
            ),
            ("previous_response_id", json!("r"), ASKED),
            ("safety_identifier", json!("s"), ASIDE),
            ("user", json!("u"), ASIDE),
            ("tools", json!("f"), Refused),
        ],
    );
}

#[test]
fn gemini_for_responses() {
    check_all(
        Dialect::Gemini,
        Dialect::Responses,
        [
            ("generationConfig.temperature", json!(0.5), Sent(json!({"temperature": 0.5}))),
            ("generationConfig.maxOutputTokens", json!(70), Sent(json!({"max_output_tokens": 70}))),
            ("generationConfig.stopSequences", json!(["x"]), ASKED),
            ("generationConfig.seed", json!(1), ASKED),
            (
                "generationConfig.thinkingConfig",
                json!({"thinkingBudget": 6000}),
                reasoning(json!({"effort": "medium"})),
            ),
            (
                "generationConfig.thinkingConfig",
                json!({"thinkingLevel": "LOW", "includeThoughts": true}),
                reasoning(json!({"effort": "low", "summary": "auto"})),
            ),
            (
                "generationConfig.responseMimeType",
                json!("application/json"),
                Sent(json!({"text": {"format": {"type": "json_object"}}})),
            ),
            (
                "toolConfig",
                json!({"functionCallingConfig": {"mode": "NONE"}}),
                Sent(json!({"tool_choice": "none"})),
            ),
            ("cachedContent", json!("c"), ASKED),
            ("labels", json!({"a": "b"}), ASIDE),
            ("tools", json!("f"), Refused),
        ],
    );
}

#[test]
fn responses_for_converse() {
    let schema = json!({"type": "object", "properties": {}});
    let format = json!({"type": "json_schema", "name": "n", "schema": schema});
    let text = r#"{"properties":{},"type":"object","additionalProperties":false}"#;
    let written = json!({"type": "json_schema", "structure": {"jsonSchema": {"schema": text, "name": "n"}}});
    check_all(
        Dialect::Responses,
        Dialect::Converse,
        [
            ("temperature", json!(0.5), inference("temperature", json!(0.5))),
            ("max_output_tokens", json!(70), inference("maxTokens", json!(70))),
            (
                "reasoning",
                json!({"effort": "medium"}),
                own(json!({"thinking": {"type": "enabled", "budget_tokens": 2048}})),
            ),
            ("text", json!({ "format": format }), Sent(json!({"outputConfig": {"textFormat": written}}))),
            ("text", json!({"verbosity": "low"}), ASKED),
            ("service_tier", json!("flex"), Sent(json!({"serviceTier": {"type": "flex"}}))),
            ("background", json!(true), ASKED),
            ("metadata", json!({"a": "b"}), ASIDE),
            ("tools", json!("f"), Refused),
        ],
    );
}

#[test]
fn converse_for_responses() {
    let limit = |name: &str, value: Value| json!({"maxTokens": 9000, name: value});
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 6000}});
    check_all(
        Dialect::Converse,
        Dialect::Responses,
        [
            ("inferenceConfig", limit("topP", json!(0.5)), Sent(json!({"top_p": 0.5}))),
            ("inferenceConfig", limit("stopSequences", json!(["x"])), ASKED),
            (
                "additionalModelRequestFields",
                thinking,
                reasoning(json!({"effort": "medium", "summary": "auto"})),
            ),
            ("additionalModelRequestFields", json!({"top_k": 3}), ASKED),
            ("serviceTier", json!({"type": "priority"}), Sent(json!({"service_tier": "priority"}))),
            ("performanceConfig", json!({"latency": "optimized"}), ASKED),
            ("requestMetadata", json!({"a": "b"}), ASIDE),
        ],
    );
}

#[test]
fn gemini_for_converse() {
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 6000}});
    check_all(
        Dialect::Gemini,
        Dialect::Converse,
        [
            ("generationConfig.topK", json!(3), own(json!({"top_k": 3}))),
            ("generationConfig.stopSequences", json!(["x"]), inference("stopSequences", json!(["x"]))),
            ("generationConfig.thinkingConfig", json!({"thinkingBudget": 6000}), own(thinking)),
            ("generationConfig.candidateCount", json!(2), ASKED),
            (
                "safetySettings",
                json!([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"}]),
                ASKED,
            ),
            ("labels", json!({"a": "b"}), ASIDE),
        ],
    );
}

#[test]
fn converse_for_gemini() {
    let limit = |name: &str, value: Value| json!({"maxTokens": 9000, name: value});
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 6000}});
    let written = json!({"thinkingBudget": 6000, "includeThoughts": true});
    check_all(
        Dialect::Converse,
        Dialect::Gemini,
        [
            ("inferenceConfig", limit("topP", json!(0.5)), generation("topP", json!(0.5))),
            ("additionalModelRequestFields", json!({"top_k": 3}), generation("topK", json!(3))),
            ("additionalModelRequestFields", thinking, generation("thinkingConfig", written)),
            ("guardrailConfig", json!({"guardrailIdentifier": "g"}), ASKED),
            ("requestMetadata", json!({"a": "b"}), ASIDE),
        ],
    );
}
