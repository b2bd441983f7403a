//! Every parameter of responses absent, null, empty, valid and invalid, for both other dialects, and theirs for
//! responses.

use bulkhead_dialect::translate::{Dialect, Weight};
use serde_json::{Value, json};

use super::parameters::Becomes::{self, Lost, Nothing, Refused, Sent};
use super::parameters::check;

const ASKED: Becomes = Lost(Weight::Asked);
const ASIDE: Becomes = Lost(Weight::Aside);

#[test]
fn what_chat_and_messages_make_of_it_alike() {
    for (name, value, becomes) in [
        ("temperature", json!(0.5), Sent(json!({"temperature": 0.5}))),
        ("top_p", json!(0.1), Sent(json!({"top_p": 0.1}))),
        ("top_logprobs", json!(0), Nothing),
        ("top_logprobs", json!(2), ASIDE),
        ("truncation", json!("disabled"), Nothing),
        ("truncation", json!("auto"), ASKED),
        ("background", json!(false), Nothing),
        ("background", json!(true), ASKED),
        ("store", json!(false), Nothing),
        ("store", json!(true), ASIDE),
        ("previous_response_id", json!("resp_1"), ASKED),
        ("conversation", json!("conv_1"), ASKED),
        ("prompt", json!({"id": "p"}), ASKED),
        ("include", json!([]), Nothing),
        ("include", json!(["reasoning.encrypted_content"]), Nothing),
        ("include", json!(["file_search_call.results"]), ASIDE),
        ("include", json!("x"), Refused),
        ("metadata", json!({}), Nothing),
        ("metadata", json!({"a": "b"}), ASIDE),
        ("prompt_cache_key", json!("k"), ASIDE),
        ("safety_identifier", json!("s"), ASIDE),
        ("max_tool_calls", json!(1), ASIDE),
        ("stream_options", json!({"include_obfuscation": false}), Nothing),
        ("service_tier", json!("flexible"), ASKED),
        ("service_tier", json!(1), Refused),
        ("user", json!(1), Refused),
        ("instructions", json!(1), Refused),
        ("input", json!({}), Refused),
        ("tools", json!("f"), Refused),
        ("tool_choice", json!(""), Refused),
        ("tool_choice", json!({"type": "function"}), Refused),
        ("text", json!({}), Nothing),
        ("text", json!({"format": {"type": "text"}}), Nothing),
        ("text", json!({"format": {"type": "xml"}}), Refused),
        ("text", json!("x"), Refused),
        ("reasoning", json!({}), Nothing),
        ("reasoning", json!({"summary": "auto"}), Nothing),
        ("reasoning", json!({"effort": ""}), Refused),
        ("reasoning", json!("high"), Refused),
        ("stream", json!(false), Sent(json!({"stream": false}))),
        ("stream", json!("yes"), Refused),
        ("what", json!(""), ASKED),
    ] {
        for (to, empty) in [
            (Dialect::Chat, json!([])),
            // Anthropic wants a user to say something.
            (Dialect::Messages, json!([{"role": "user", "content": "."}])),
        ] {
            // A body without an input has no conversation.
            let without = if name == "input" { Sent(json!({ "messages": empty })) } else { Nothing };
            check((Dialect::Responses, to), name, &Value::Null, &without);
            check((Dialect::Responses, to), name, &value, &becomes);
        }
    }
}

#[test]
fn what_chat_makes_of_it() {
    for (name, value, becomes) in [
        ("max_output_tokens", json!(7), Sent(json!({"max_tokens": 7}))),
        ("service_tier", json!("flex"), Sent(json!({"service_tier": "flex"}))),
        ("user", json!("u"), Sent(json!({"user": "u"}))),
        ("tool_choice", json!("required"), Sent(json!({"tool_choice": "required"}))),
        (
            "tool_choice",
            json!({"type": "function", "name": "f"}),
            Sent(json!({"tool_choice": {"type": "function", "function": {"name": "f"}}})),
        ),
        (
            "tool_choice",
            json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}),
            Sent(json!({"tool_choice": "auto"})),
        ),
        ("parallel_tool_calls", json!(false), Sent(json!({"parallel_tool_calls": false}))),
        ("text", json!({"verbosity": "low"}), Sent(json!({"verbosity": "low"}))),
        (
            "text",
            json!({"format": {"type": "json_object"}}),
            Sent(json!({"response_format": {"type": "json_object"}})),
        ),
        ("include", json!(["message.output_text.logprobs"]), Sent(json!({"logprobs": true}))),
        ("reasoning", json!({"effort": "none"}), Sent(json!({"reasoning_effort": "none"}))),
        ("reasoning", json!({"effort": "high"}), Sent(json!({"reasoning_effort": "high"}))),
    ] {
        check((Dialect::Responses, Dialect::Chat), name, &value, &becomes);
    }
}

#[test]
fn what_messages_make_of_it() {
    for (name, value, becomes) in [
        ("max_output_tokens", json!(7), Sent(json!({"max_tokens": 7}))),
        ("service_tier", json!("flex"), ASKED),
        ("user", json!("u"), Sent(json!({"metadata": {"user_id": "u"}}))),
        (
            "tool_choice",
            json!({"type": "function", "name": "f"}),
            Sent(json!({"tool_choice": {"type": "tool", "name": "f"}})),
        ),
        ("text", json!({"verbosity": "low"}), ASKED),
        ("include", json!(["message.output_text.logprobs"]), ASKED),
        ("reasoning", json!({"effort": "none"}), Nothing),
        (
            "reasoning",
            json!({"effort": "medium", "summary": "auto"}),
            Sent(json!({"thinking": {"type": "enabled", "budget_tokens": 2048}})),
        ),
    ] {
        check((Dialect::Responses, Dialect::Messages), name, &value, &becomes);
    }
}

#[test]
fn chat_for_responses() {
    let encrypted = json!(["reasoning.encrypted_content"]);
    for (name, value, becomes) in [
        ("temperature", json!(0), Sent(json!({"temperature": 0}))),
        ("max_tokens", json!(100), Sent(json!({"max_output_tokens": 100}))),
        ("stop", json!([]), Nothing),
        ("stop", json!("x"), ASKED),
        ("seed", json!(1), ASKED),
        ("top_k", json!(1), ASKED),
        ("n", json!(1), Nothing),
        ("n", json!(2), ASKED),
        ("frequency_penalty", json!(0), Nothing),
        ("presence_penalty", json!(1), ASKED),
        ("logit_bias", json!({"1": 2}), ASKED),
        ("logprobs", json!(false), Nothing),
        ("logprobs", json!(true), Sent(json!({"include": ["message.output_text.logprobs"]}))),
        ("top_logprobs", json!(2), Sent(json!({"top_logprobs": 2}))),
        ("modalities", json!(["text"]), Nothing),
        ("verbosity", json!("low"), Sent(json!({"text": {"verbosity": "low"}}))),
        ("user", json!("u"), Sent(json!({"user": "u"}))),
        ("service_tier", json!("priority"), Sent(json!({"service_tier": "priority"}))),
        ("stream", json!(true), Sent(json!({"stream": true}))),
        ("tool_choice", json!("none"), Sent(json!({"tool_choice": "none"}))),
        (
            "tool_choice",
            json!({"type": "function", "function": {"name": "f"}}),
            Sent(json!({"tool_choice": {"type": "function", "name": "f"}})),
        ),
        ("parallel_tool_calls", json!(true), Sent(json!({"parallel_tool_calls": true}))),
        (
            "response_format",
            json!({"type": "json_object"}),
            Sent(json!({"text": {"format": {"type": "json_object"}}})),
        ),
        (
            "reasoning_effort",
            json!("low"),
            Sent(json!({"reasoning": {"effort": "low"}, "include": encrypted})),
        ),
        ("reasoning_effort", json!("none"), Sent(json!({"reasoning": {"effort": "none"}}))),
        (
            "thinking",
            json!({"type": "enabled", "budget_tokens": 10000}),
            Sent(json!({"reasoning": {"effort": "high", "summary": "auto"}, "include": encrypted})),
        ),
        ("metadata", json!({"a": "b"}), ASIDE),
    ] {
        check((Dialect::Chat, Dialect::Responses), name, &Value::Null, &Nothing);
        check((Dialect::Chat, Dialect::Responses), name, &value, &becomes);
    }
}

#[test]
fn messages_for_responses() {
    for (name, value, becomes) in [
        ("top_k", json!(3), ASKED),
        ("stop_sequences", json!(["x"]), ASKED),
        ("metadata", json!({"user_id": "u"}), Sent(json!({"user": "u"}))),
        ("service_tier", json!("standard_only"), Sent(json!({"service_tier": "default"}))),
        ("tool_choice", json!({"type": "any"}), Sent(json!({"tool_choice": "required"}))),
        (
            "tool_choice",
            json!({"type": "auto", "disable_parallel_tool_use": true}),
            Sent(json!({"tool_choice": "auto", "parallel_tool_calls": false})),
        ),
        ("thinking", json!({"type": "disabled"}), Nothing),
        (
            "thinking",
            json!({"type": "adaptive"}),
            Sent(json!({"reasoning": {"summary": "auto"}, "include": ["reasoning.encrypted_content"]})),
        ),
        ("cache_control", json!({"type": "ephemeral"}), ASIDE),
    ] {
        check((Dialect::Messages, Dialect::Responses), name, &Value::Null, &Nothing);
        check((Dialect::Messages, Dialect::Responses), name, &value, &becomes);
    }
}
