//! Tables to be read: every parameter of every dialect's clients absent, null, empty, valid and invalid, and what then
//! leaves for each upstream; and what the provider table makes of a request.

use std::fmt::Write;

use bulkhead_dialect::fit::Members;
use bulkhead_dialect::providers::provider;
use bulkhead_dialect::translate::{Dialect, RequestOptions, TranslateError, Weight, request};
use serde_json::{Map, Value, json};

use super::parameters::{body, tool_config};

/// A parameter, and an empty, a valid and an invalid value of it.
type Row = (&'static str, Value, Value, Value);

fn chat() -> Vec<Row> {
    let schema = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}});
    let audio = json!({"voice": "alloy", "format": "pcm16"});
    let tool = json!([{"type": "function", "function": {"name": "g", "parameters": {"type": "object"}}}]);
    vec![
        ("temperature", json!(""), json!(0.5), json!("hot")),
        ("top_p", json!(""), json!(0.9), json!({})),
        ("top_k", json!(""), json!(40), json!("few")),
        ("max_tokens", json!(""), json!(70), json!("many")),
        ("max_completion_tokens", json!(""), json!(70), json!(-1)),
        ("stop", json!([]), json!(["x"]), json!(1)),
        ("n", json!(""), json!(2), json!("two")),
        ("seed", json!(""), json!(1), json!("x")),
        ("frequency_penalty", json!(""), json!(0.5), json!("x")),
        ("presence_penalty", json!(""), json!(0.5), json!("x")),
        ("logprobs", json!(""), json!(true), json!("yes")),
        ("top_logprobs", json!(""), json!(3), json!("x")),
        ("logit_bias", json!({}), json!({"1": 2}), json!("x")),
        ("response_format", json!({}), schema, json!({"type": "xml"})),
        ("reasoning_effort", json!(""), json!("low"), json!(1)),
        ("thinking", json!({}), json!({"type": "enabled", "budget_tokens": 2000}), json!("yes")),
        ("tools", json!([]), tool, json!("f")),
        ("tool_choice", json!(""), json!("required"), json!({"type": "other"})),
        ("parallel_tool_calls", json!(""), json!(false), json!("no")),
        ("stream", json!(""), json!(true), json!("yes")),
        ("stream_options", json!({}), json!({"include_usage": true}), json!("x")),
        ("user", json!(""), json!("u"), json!(1)),
        ("metadata", json!({}), json!({"a": "b"}), json!("x")),
        ("store", json!(""), json!(true), json!("x")),
        ("service_tier", json!(""), json!("auto"), json!(1)),
        ("modalities", json!([]), json!(["text", "audio"]), json!("x")),
        ("audio", json!({}), audio, json!("x")),
        ("prediction", json!({}), json!({"type": "content", "content": "x"}), json!("x")),
        ("verbosity", json!(""), json!("low"), json!(1)),
        ("web_search_options", json!({}), json!({"search_context_size": "low"}), json!("x")),
        ("prompt_cache_key", json!(""), json!("k"), json!(1)),
        ("safety_identifier", json!(""), json!("s"), json!(1)),
        ("functions", json!([]), json!([{"name": "g"}]), json!("x")),
        ("function_call", json!(""), json!("auto"), json!(1)),
    ]
}

fn messages() -> Vec<Row> {
    let format = json!({"format": {"type": "json_schema", "schema": {"type": "object"}}});
    vec![
        ("system", json!(""), json!("Be brief."), json!(1)),
        ("temperature", json!(""), json!(0.5), json!("hot")),
        ("top_p", json!(""), json!(0.9), json!({})),
        ("top_k", json!(""), json!(40), json!("few")),
        ("max_tokens", json!(""), json!(70), json!("many")),
        ("stop_sequences", json!([]), json!(["x"]), json!("x")),
        ("metadata", json!({}), json!({"user_id": "u"}), json!("x")),
        ("service_tier", json!(""), json!("auto"), json!(1)),
        ("stream", json!(""), json!(true), json!("yes")),
        ("tools", json!([]), json!([{"name": "g", "input_schema": {"type": "object"}}]), json!("f")),
        ("tool_choice", json!({}), json!({"type": "any"}), json!({"type": "other"})),
        ("thinking", json!({}), json!({"type": "enabled", "budget_tokens": 2000}), json!("yes")),
        ("output_config", json!({}), format, json!("x")),
        ("cache_control", json!({}), json!({"type": "ephemeral"}), json!("x")),
        ("container", json!(""), json!("c"), json!(1)),
        ("mcp_servers", json!([]), json!([{"type": "url", "url": "https://x.example"}]), json!("x")),
    ]
}

fn responses() -> Vec<Row> {
    let format = json!({"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}});
    vec![
        ("instructions", json!(""), json!("Be brief."), json!(1)),
        ("temperature", json!(""), json!(0.5), json!("hot")),
        ("top_p", json!(""), json!(0.9), json!({})),
        ("top_logprobs", json!(""), json!(3), json!("x")),
        ("max_output_tokens", json!(""), json!(70), json!("many")),
        ("reasoning", json!({}), json!({"effort": "low"}), json!("low")),
        ("text", json!({}), format, json!("x")),
        ("tools", json!([]), json!([{"type": "function", "name": "g"}]), json!("f")),
        ("tool_choice", json!(""), json!("required"), json!({"type": "other"})),
        ("parallel_tool_calls", json!(""), json!(false), json!("no")),
        ("stream", json!(""), json!(true), json!("yes")),
        ("store", json!(""), json!(true), json!("x")),
        ("previous_response_id", json!(""), json!("r"), json!(1)),
        ("conversation", json!(""), json!("c"), json!(1)),
        ("include", json!([]), json!(["reasoning.encrypted_content"]), json!("x")),
        ("truncation", json!(""), json!("auto"), json!(1)),
        ("background", json!(""), json!(true), json!("x")),
        ("user", json!(""), json!("u"), json!(1)),
        ("metadata", json!({}), json!({"a": "b"}), json!("x")),
        ("service_tier", json!(""), json!("auto"), json!(1)),
        ("max_tool_calls", json!(""), json!(3), json!("x")),
    ]
}

fn gemini() -> Vec<Row> {
    let calling = json!({"functionCallingConfig": {"mode": "ANY"}});
    let safety = json!([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"}]);
    vec![
        ("systemInstruction", json!({}), json!({"parts": [{"text": "Be brief."}]}), json!(1)),
        ("generationConfig.temperature", json!(""), json!(0.5), json!("hot")),
        ("generationConfig.topP", json!(""), json!(0.9), json!({})),
        ("generationConfig.topK", json!(""), json!(40), json!("few")),
        ("generationConfig.maxOutputTokens", json!(""), json!(70), json!("many")),
        ("generationConfig.stopSequences", json!([]), json!(["x"]), json!("x")),
        ("generationConfig.candidateCount", json!(""), json!(2), json!("two")),
        ("generationConfig.seed", json!(""), json!(1), json!("x")),
        ("generationConfig.frequencyPenalty", json!(""), json!(0.5), json!("x")),
        ("generationConfig.presencePenalty", json!(""), json!(0.5), json!("x")),
        ("generationConfig.responseLogprobs", json!(""), json!(true), json!("yes")),
        ("generationConfig.responseMimeType", json!(""), json!("application/json"), json!(1)),
        ("generationConfig.responseSchema", json!({}), json!({"type": "OBJECT"}), json!("x")),
        ("generationConfig.thinkingConfig", json!({}), json!({"thinkingBudget": 2000}), json!("x")),
        ("generationConfig.responseModalities", json!([]), json!(["TEXT", "IMAGE"]), json!("x")),
        ("tools", json!([]), json!([{"functionDeclarations": [{"name": "g"}]}]), json!("f")),
        ("toolConfig", json!({}), calling, json!("x")),
        ("safetySettings", json!([]), safety, json!("x")),
        ("cachedContent", json!(""), json!("c"), json!(1)),
        ("labels", json!({}), json!({"a": "b"}), json!("x")),
    ]
}

fn converse() -> Vec<Row> {
    let limited = |name: &str, value: Value| json!({"maxTokens": 9000, name: value});
    let schema = json!({"name": "n", "schema": "{\"type\":\"object\"}"});
    let format = json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}});
    let guard = json!({"guardrailIdentifier": "g", "guardrailVersion": "1"});
    vec![
        ("system", json!([]), json!([{"text": "Be brief."}]), json!(1)),
        ("inferenceConfig", json!({}), json!({"maxTokens": 70}), json!("x")),
        ("inferenceConfig.temperature", json!(""), json!(0.5), json!("hot")),
        ("inferenceConfig.topP", json!(""), json!(0.9), json!({})),
        ("inferenceConfig.stopSequences", json!([]), json!(["x"]), json!("x")),
        ("inferenceConfig", limited("other", json!("")), limited("other", json!(1)), json!([])),
        ("toolConfig", json!({}), tool_config(&json!({"toolChoice": {"any": {}}})), json!("x")),
        ("additionalModelRequestFields", json!({}), json!({"top_k": 40}), json!("x")),
        ("outputConfig", json!({}), format, json!("x")),
        ("guardrailConfig", json!({}), guard, json!("x")),
        ("performanceConfig", json!({}), json!({"latency": "optimized"}), json!("x")),
        ("requestMetadata", json!({}), json!({"a": "b"}), json!("x")),
        ("serviceTier", json!({}), json!({"type": "priority"}), json!("x")),
    ]
}

fn rows(client: Dialect) -> Vec<Row> {
    match client {
        Dialect::Chat | Dialect::Completions => chat(),
        Dialect::Messages => messages(),
        Dialect::Responses => responses(),
        Dialect::Gemini => gemini(),
        Dialect::Converse => converse(),
        // Nobody asks in these.
        Dialect::Cohere | Dialect::Ollama => Vec::new(),
    }
}

/// The members that a value adds or changes, what is lost, or that it is refused.
fn becomes((from, to): (Dialect, Dialect), name: &str, value: Option<&Value>) -> String {
    let asks = |value| {
        let mut asks: Value = serde_json::from_slice(&body(from, name, value)).unwrap();
        if name == "max_completion_tokens" {
            asks.as_object_mut().unwrap().remove("max_tokens");
        }
        serde_json::to_vec(&asks).unwrap()
    };
    let send = |value| request(from, to, &asks(value), &RequestOptions::default());
    let members = |body: &[u8]| serde_json::from_slice::<Map<String, Value>>(body).unwrap();
    let done = match send(value) {
        Ok(done) => done,
        Err(TranslateError::Invalid { name, place }) if place.is_empty() => return format!("400 {name}"),
        Err(TranslateError::Invalid { name, place }) => return format!("400 {name} in {place}"),
        Err(error) => panic!("{error}"),
    };
    let without = members(&send(None).unwrap().body);
    let sent = members(&done.body);
    assert!(!Value::from(sent.clone()).to_string().contains("null"), "{name} {value:?}");
    let mut told: Vec<String> = Vec::new();
    for (member, value) in sent.iter().filter(|(member, value)| without.get(*member) != Some(value)) {
        told.push(format!("{member}: {value}"));
    }
    for member in without.keys().filter(|member| !sent.contains_key(*member)) {
        told.push(format!("no {member}"));
    }
    for loss in &done.losses {
        let weight = if loss.weight == Weight::Asked { "lost" } else { "lost, the answer is the same" };
        told.push(format!("{weight}: {}", loss.name));
    }
    if told.is_empty() { "nothing".to_owned() } else { told.join("; ") }
}

#[test]
fn every_parameter_for_every_upstream() {
    for from in Dialect::ALL {
        for to in Dialect::ALL.into_iter().filter(|to| *to != from) {
            let mut table = String::new();
            for (name, empty, valid, invalid) in rows(from) {
                writeln!(table, "{name}").unwrap();
                let null = Value::Null;
                let states = [("null", &null), ("empty", &empty), ("valid", &valid), ("invalid", &invalid)];
                for (state, value) in states {
                    let becomes = becomes((from, to), name, Some(value));
                    writeln!(table, "    {state:<8}{value}  =>  {becomes}").unwrap();
                }
            }
            insta::assert_snapshot!(format!("{}-{}", from.name(), to.name()), table);
        }
    }
}

const WELL_KNOWN: [&str; 17] = [
    "openai",
    "azure",
    "mistral",
    "codestral",
    "groq",
    "deepseek",
    "xai",
    "together_ai",
    "fireworks_ai",
    "openrouter",
    "perplexity",
    "cerebras",
    "hosted_vllm",
    "ollama",
    "moonshot",
    "dashscope",
    "litellm_proxy",
];

/// What a client of messages sends, as each provider's chat gets it: what the table says of it is in what leaves.
#[test]
fn the_provider_table_in_what_leaves() {
    let asks = json!({
        "model": "m", "max_tokens": 70, "stream": true,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "s"}, {"type": "text", "text": "Hello."}
            ]},
            {"role": "user", "content": "and now?"}
        ]
    });
    let asks = serde_json::to_vec(&asks).unwrap();
    let mut table = String::new();
    for name in WELL_KNOWN {
        let row = provider(name).unwrap();
        let options = RequestOptions {
            cache_control: row.cache_control,
            reasoning_content: row.reasoning_content,
            developer: row.developer,
            max_completion_tokens: row.max_completion_tokens,
            stream_usage: row.stream_usage,
            members: Members::of(row, "m"),
            ..RequestOptions::default()
        };
        let done = request(Dialect::Messages, Dialect::Chat, &asks, &options).unwrap();
        let sent: Value = serde_json::from_slice(&done.body).unwrap();
        let text = sent.to_string();
        let limit = ["max_tokens", "max_completion_tokens"].map(|name| (name, &sent[name]));
        let limits: Vec<&str> =
            limit.iter().filter(|(_, value)| **value == 70).map(|(name, _)| *name).collect();
        writeln!(table, "{name}").unwrap();
        writeln!(table, "    limit              {}", limits.join(", ")).unwrap();
        writeln!(table, "    stream_options     {}", sent["stream_options"]).unwrap();
        writeln!(table, "    cache_control      {}", text.contains("cache_control")).unwrap();
        writeln!(table, "    reasoning_content  {}", text.contains("\"reasoning_content\":\"Hm.\"")).unwrap();
        writeln!(table, "    refuses            {}", row.unsupported.join(", ")).unwrap();
        let lists = [("renames", format!("{:?}", row.renamed)), ("leaves out", row.left_out.join(", "))];
        for (what, list) in lists.iter().filter(|(_, list)| !matches!(&**list, "" | "{}")) {
            writeln!(table, "    {what:<18} {list}").unwrap();
        }
        for (what, is) in [
            ("strict messages", row.strict_messages),
            ("OpenAI's models", row.openai_models),
            ("keeps marks", row.keeps_marks),
        ] {
            if is {
                writeln!(table, "    {what}").unwrap();
            }
        }
    }
    insta::assert_snapshot!("providers", table);
}
