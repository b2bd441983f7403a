//! The same for Google's dialect, whose options stand in `generationConfig`.

use bulkhead_dialect::translate::{Dialect, ReasoningStyle, RequestOptions, Weight, request};
use serde_json::{Value, json};

use super::parameters::Becomes::{self, Lost, Nothing, Refused, Sent};
use super::parameters::check;

const FROM_CHAT: (Dialect, Dialect) = (Dialect::Chat, Dialect::Gemini);
const FROM_MESSAGES: (Dialect, Dialect) = (Dialect::Messages, Dialect::Gemini);
const TO_CHAT: (Dialect, Dialect) = (Dialect::Gemini, Dialect::Chat);
const TO_MESSAGES: (Dialect, Dialect) = (Dialect::Gemini, Dialect::Messages);

fn asked() -> Becomes {
    Lost(Weight::Asked)
}

fn aside() -> Becomes {
    Lost(Weight::Aside)
}

/// A member of `generationConfig` beside the limit that every request here has.
fn config(name: &str, value: Value) -> Becomes {
    let mut config = json!({"maxOutputTokens": 9000});
    config[name] = value;
    Sent(json!({"generationConfig": config}))
}

fn budget(tokens: i64) -> Becomes {
    config("thinkingConfig", json!({"thinkingBudget": tokens, "includeThoughts": true}))
}

fn calling(value: Value) -> Becomes {
    Sent(json!({"toolConfig": {"functionCallingConfig": value}}))
}

#[test]
fn chat_for_gemini() {
    let safety = json!([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"}]);
    for (name, value, becomes) in [
        ("temperature", json!(0.5), config("temperature", json!(0.5))),
        ("temperature", json!(0), config("temperature", json!(0))),
        ("top_p", json!(0.1), config("topP", json!(0.1))),
        ("top_k", json!(3), config("topK", json!(3))),
        ("max_tokens", json!(7), config("maxOutputTokens", json!(7))),
        // The limit that stands last counts, and no member stands twice.
        ("max_completion_tokens", json!(7), Nothing),
        ("stop", json!("x"), config("stopSequences", json!(["x"]))),
        ("stop", json!([]), Nothing),
        ("stop", json!(1), Refused),
        ("n", json!(2), config("candidateCount", json!(2))),
        ("seed", json!(1), config("seed", json!(1))),
        ("frequency_penalty", json!(0.1), config("frequencyPenalty", json!(0.1))),
        ("presence_penalty", json!(0.1), config("presencePenalty", json!(0.1))),
        ("logprobs", json!(true), config("responseLogprobs", json!(true))),
        ("top_logprobs", json!(3), config("logprobs", json!(3))),
        ("logit_bias", json!({}), Nothing),
        ("logit_bias", json!({"1": 2}), asked()),
        ("modalities", json!(["text"]), Nothing),
        ("modalities", json!(["text", "image"]), config("responseModalities", json!(["TEXT", "IMAGE"]))),
        (
            "audio",
            json!({"voice": "Kore", "format": "pcm16"}),
            config("speechConfig", json!({"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}})),
        ),
        ("prediction", json!({"type": "content"}), asked()),
        ("verbosity", json!("low"), asked()),
        ("user", json!("u"), aside()),
        ("metadata", json!({"a": "b"}), aside()),
        ("service_tier", json!("auto"), Nothing),
        ("service_tier", json!("flex"), asked()),
        ("stream", json!(true), Nothing),
        ("stream", json!("yes"), Refused),
        ("tool_choice", json!("auto"), calling(json!({"mode": "AUTO"}))),
        ("tool_choice", json!("none"), calling(json!({"mode": "NONE"}))),
        ("tool_choice", json!("required"), calling(json!({"mode": "ANY"}))),
        (
            "tool_choice",
            json!({"type": "function", "function": {"name": "f"}}),
            calling(json!({"mode": "ANY", "allowedFunctionNames": ["f"]})),
        ),
        ("parallel_tool_calls", json!(true), Nothing),
        // There is one tool.
        ("parallel_tool_calls", json!(false), Nothing),
        ("response_format", json!({"type": "text"}), Nothing),
        (
            "response_format",
            json!({"type": "json_object"}),
            config("responseMimeType", json!("application/json")),
        ),
        ("response_format", json!({}), Refused),
        (
            "reasoning_effort",
            json!("none"),
            config("thinkingConfig", json!({"thinkingBudget": 0, "includeThoughts": false})),
        ),
        ("reasoning_effort", json!("minimal"), budget(128)),
        ("reasoning_effort", json!("low"), budget(1024)),
        ("reasoning_effort", json!("medium"), budget(2048)),
        ("reasoning_effort", json!("high"), budget(4096)),
        ("reasoning_effort", json!(""), Refused),
        ("thinking", json!({"type": "enabled", "budget_tokens": 1500}), budget(1500)),
        ("thinking", json!({"type": "adaptive"}), budget(-1)),
        ("thinking", json!({"type": "disabled"}), Nothing),
        // One of the two is all that Google takes.
        ("web_search_options", json!({}), asked()),
        ("safety_settings", safety.clone(), Sent(json!({"safetySettings": safety}))),
        ("cached_content", json!("c"), Sent(json!({"cachedContent": "c"}))),
        ("what", json!(""), asked()),
    ] {
        check(FROM_CHAT, name, &Value::Null, &Nothing);
        check(FROM_CHAT, name, &value, &becomes);
    }
}

#[test]
fn messages_for_gemini() {
    for (name, value, becomes) in [
        ("temperature", json!(0.5), config("temperature", json!(0.5))),
        ("top_k", json!(3), config("topK", json!(3))),
        ("stop_sequences", json!(["x"]), config("stopSequences", json!(["x"]))),
        ("stop_sequences", json!("x"), Refused),
        ("metadata", json!({"user_id": "u"}), aside()),
        ("service_tier", json!("standard_only"), Nothing),
        ("tool_choice", json!({"type": "any"}), calling(json!({"mode": "ANY"}))),
        (
            "tool_choice",
            json!({"type": "tool", "name": "f"}),
            calling(json!({"mode": "ANY", "allowedFunctionNames": ["f"]})),
        ),
        ("thinking", json!({"type": "enabled", "budget_tokens": 5000}), budget(5000)),
        ("thinking", json!({"type": "adaptive"}), budget(-1)),
        ("thinking", json!({"type": "disabled"}), Nothing),
        ("thinking", json!({}), Refused),
        ("output_config", json!({"effort": "low"}), budget(1024)),
        ("output_config", json!({"effort": "max"}), budget(16384)),
        ("cache_control", json!({"type": "ephemeral"}), aside()),
        ("container", json!("c"), asked()),
    ] {
        check(FROM_MESSAGES, name, &Value::Null, &Nothing);
        check(FROM_MESSAGES, name, &value, &becomes);
    }
}

#[test]
fn gemini_for_chat() {
    let effort = |name: &str| Sent(json!({"reasoning_effort": name}));
    let safety = |threshold: &str| json!([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": threshold}]);
    for (name, value, becomes) in [
        ("generationConfig.temperature", json!(0.5), Sent(json!({"temperature": 0.5}))),
        ("generationConfig.topP", json!(0.5), Sent(json!({"top_p": 0.5}))),
        ("generationConfig.top_p", json!(0.5), Sent(json!({"top_p": 0.5}))),
        ("generationConfig.topK", json!(3), asked()),
        ("generationConfig.seed", json!(3), Sent(json!({"seed": 3}))),
        ("generationConfig.candidateCount", json!(2), Sent(json!({"n": 2}))),
        ("generationConfig.responseLogprobs", json!(true), Sent(json!({"logprobs": true}))),
        ("generationConfig.logprobs", json!(2), Sent(json!({"top_logprobs": 2}))),
        ("generationConfig.stopSequences", json!(["x"]), Sent(json!({"stop": ["x"]}))),
        ("generationConfig.stopSequences", json!([]), Nothing),
        ("generationConfig.responseMimeType", json!("text/plain"), Nothing),
        ("generationConfig.responseMimeType", json!(""), Nothing),
        ("generationConfig.responseMimeType", json!("text/x.enum"), asked()),
        (
            "generationConfig.responseMimeType",
            json!("application/json"),
            Sent(json!({"response_format": {"type": "json_object"}})),
        ),
        ("generationConfig.responseModalities", json!(["AUDIO"]), Sent(json!({"modalities": ["audio"]}))),
        ("generationConfig.responseModalities", json!(["SMELL"]), asked()),
        ("generationConfig.thinkingConfig", json!({"thinkingBudget": 0}), effort("none")),
        ("generationConfig.thinkingConfig", json!({"thinkingBudget": -1}), Nothing),
        ("generationConfig.thinkingConfig", json!({"thinking_budget": 10000}), effort("high")),
        ("generationConfig.thinkingConfig", json!({"thinkingLevel": "LOW"}), effort("low")),
        ("generationConfig.thinkingConfig", json!({}), Nothing),
        ("generationConfig.speechConfig", json!({}), asked()),
        ("generationConfig.mediaResolution", json!("MEDIA_RESOLUTION_LOW"), aside()),
        ("generationConfig.what", json!(1), asked()),
        ("toolConfig.functionCallingConfig", json!({"mode": "AUTO"}), Sent(json!({"tool_choice": "auto"}))),
        ("toolConfig.functionCallingConfig", json!({"mode": "none"}), Sent(json!({"tool_choice": "none"}))),
        (
            "toolConfig.functionCallingConfig",
            json!({"mode": "ANY"}),
            Sent(json!({"tool_choice": "required"})),
        ),
        ("toolConfig.functionCallingConfig", json!({}), Nothing),
        (
            "generationConfig.responseJsonSchema",
            json!({"type": "object"}),
            Sent(json!({"response_format": {"type": "json_schema", "json_schema": {
                "name": "structured_output", "schema": {"type": "object"}
            }}})),
        ),
        (
            "tool_config.function_calling_config",
            json!({"mode": "ANY", "allowed_function_names": ["f"]}),
            Sent(json!({"tool_choice": {"type": "function", "function": {"name": "f"}}})),
        ),
        ("toolConfig.retrievalConfig", json!({}), asked()),
        (
            "systemInstruction",
            json!("x"),
            Sent(json!({"messages": [
                {"role": "system", "content": "x"}, {"role": "user", "content": "hi"}
            ]})),
        ),
        ("systemInstruction", json!(1), Refused),
        ("safetySettings", safety("BLOCK_NONE"), Nothing),
        ("safetySettings", json!([]), Nothing),
        ("safety_settings", safety("BLOCK_ONLY_HIGH"), asked()),
        ("cachedContent", json!("c"), asked()),
        ("labels", json!({"a": "b"}), aside()),
        ("model", json!("models/g"), Sent(json!({"model": "g"}))),
        ("model", json!(1), Refused),
        ("tools", json!("x"), Refused),
        ("generationConfig", json!(1), Refused),
        ("what", json!(""), asked()),
    ] {
        if name != "generationConfig" && name != "tools" {
            check(TO_CHAT, name, &Value::Null, &Nothing);
        }
        check(TO_CHAT, name, &value, &becomes);
    }
}

#[test]
fn gemini_for_messages() {
    let thinking = |tokens: u64| Sent(json!({"thinking": {"type": "enabled", "budget_tokens": tokens}}));
    for (name, value, becomes) in [
        ("generationConfig.topK", json!(3), Sent(json!({"top_k": 3}))),
        ("generationConfig.seed", json!(3), asked()),
        ("generationConfig.candidateCount", json!(1), Nothing),
        ("generationConfig.responseModalities", json!(["TEXT"]), Nothing),
        ("generationConfig.thinkingConfig", json!({"thinkingBudget": 3000}), thinking(3000)),
        ("generationConfig.thinkingConfig", json!({"includeThoughts": true}), thinking(2048)),
        ("generationConfig.thinkingConfig", json!({"includeThoughts": false}), Nothing),
        (
            "toolConfig.functionCallingConfig",
            json!({"mode": "ANY", "allowedFunctionNames": ["f"]}),
            Sent(json!({"tool_choice": {"type": "tool", "name": "f"}})),
        ),
    ] {
        check(TO_MESSAGES, name, &Value::Null, &Nothing);
        check(TO_MESSAGES, name, &value, &becomes);
    }
}

/// From Gemini 3 on there are levels instead of budgets, and not every model has all of them.
#[test]
fn newer_models_think_by_levels() {
    let level = |model: &str, effort: Value| {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "reasoning_effort": effort});
        let options = RequestOptions {
            model: Some(model),
            reasoning: ReasoningStyle::Adaptive,
            ..RequestOptions::default()
        };
        let body = serde_json::to_vec(&body).unwrap();
        let done = request(Dialect::Chat, Dialect::Gemini, &body, &options).unwrap();
        let sent: Value = serde_json::from_slice(&done.body).unwrap();
        sent["generationConfig"]["thinkingConfig"].clone()
    };
    for (model, effort, name, shown) in [
        ("gemini-3-flash-preview", json!("minimal"), "MINIMAL", true),
        ("gemini-3-pro-preview", json!("minimal"), "LOW", true),
        ("gemini-3-pro-preview", json!("medium"), "HIGH", true),
        ("gemini-3.1-pro-preview", json!("medium"), "MEDIUM", true),
        ("gemini-3-flash-preview", json!("xhigh"), "HIGH", true),
        ("gemini-3-flash-preview", json!("none"), "MINIMAL", false),
        ("gemini-3-flash-preview", json!(5000), "MEDIUM", true),
    ] {
        assert_eq!(level(model, effort), json!({"thinkingLevel": name, "includeThoughts": shown}), "{model}");
    }
}

/// Vertex refuses what the Gemini API takes.
#[test]
fn calls_have_no_ids_where_they_are_not_taken() {
    let body = json!({"model": "m", "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]});
    let body = serde_json::to_vec(&body).unwrap();
    for gemini_api in [true, false] {
        let options = RequestOptions { gemini_api, ..RequestOptions::default() };
        let done = request(Dialect::Chat, Dialect::Gemini, &body, &options).unwrap();
        let sent: Value = serde_json::from_slice(&done.body).unwrap();
        let (call, result) = (
            &sent["contents"][1]["parts"][0]["functionCall"],
            &sent["contents"][2]["parts"][0]["functionResponse"],
        );
        assert_eq!((&call["name"], &result["name"]), (&json!("f"), &json!("f")), "{sent}");
        let id = gemini_api.then(|| json!("c1"));
        assert_eq!((call.get("id"), result.get("id")), (id.as_ref(), id.as_ref()), "{sent}");
    }
}

/// The path tells what other dialects say in the body.
#[test]
fn the_path_says_whether_to_stream() {
    let options = RequestOptions { model: Some("m"), stream: Some(true), ..RequestOptions::default() };
    let body = br#"{"contents":[{"parts":[{"text":"hi"}]}]}"#;
    let done = request(Dialect::Gemini, Dialect::Chat, body, &options).unwrap();
    let sent: Value = serde_json::from_slice(&done.body).unwrap();
    assert_eq!((&sent["model"], &sent["stream"]), (&json!("m"), &json!(true)));
    assert_eq!(sent["stream_options"], json!({"include_usage": true}));
    assert!(done.plan.include_usage);
}
