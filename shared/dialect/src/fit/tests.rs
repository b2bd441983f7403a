use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::providers::provider;

fn fitted(endpoint: Endpoint, name: &str, body: &str) -> Option<String> {
    let mut segments = Segments::default();
    segments.push(Bytes::copy_from_slice(body.as_bytes()));
    let fit = Fit::of(endpoint, provider(name).unwrap(), &segments)?;
    Some(String::from_utf8(fit.messages(body.as_bytes())?.to_vec()).unwrap())
}

#[test]
fn what_was_kept_for_another_provider_is_taken_out() {
    let chat = r#"[ {"role":"user","content":"__thought__"}, {"role":"assistant","content": null,"thinking_blocks":[{"type":"thinking","thinking":"t","signature":"openai-reasoning.rs.g"}],"tool_calls":[{"id":"call_1__thought__sIg+/==","type":"function","function":{"name":"f","arguments":"{ }"}}]},{"tool_call_id":"call_1__thought__sIg+\/==","role":"tool","content":"x" }]"#;
    let expected = r#"[{"role":"user","content":"__thought__"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{ }"}}]},{"tool_call_id":"call_1","role":"tool","content":"x"}]"#;
    assert_eq!(fitted(Endpoint::ChatCompletions, "openai", chat).as_deref(), Some(expected));
    // LiteLLM gives such ids itself.
    assert_eq!(fitted(Endpoint::ChatCompletions, "litellm_proxy", chat), None);

    let messages = r#"[{"role":"user","content":"part: one"},{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"EqQB"},{"type":"thinking","thinking":"b","signature":"part:CiQ"},{"type":"thinking","thinking":"c","signature": ""},{"type":"text","text":"openai-reasoning."}]},{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"openai-reasoning.rs.g"}]}]"#;
    let expected = r#"[{"role":"user","content":"part: one"},{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"EqQB"},{"type":"text","text":"openai-reasoning."}]}]"#;
    assert_eq!(fitted(Endpoint::Messages, "anthropic", messages).as_deref(), Some(expected));

    let converse = r#"[{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"a","signature":"part:CiQ"}}},{"reasoningContent":{"reasoningText":{"text":"b","signature":"Eq"}}},{"text":"x"}]}]"#;
    let expected = r#"[{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"b","signature":"Eq"}}},{"text":"x"}]}]"#;
    assert_eq!(fitted(Endpoint::Converse, "bedrock", converse).as_deref(), Some(expected));
}

#[test]
fn what_the_provider_said_itself_stays() {
    let own = r#"[{"role":"assistant","content":[{"type":"thinking","thinking":"part:","signature":"EqQB"}]},{"role":"user","content":"openai-reasoning. \"signature\":\"\""}]"#;
    assert_eq!(fitted(Endpoint::Messages, "anthropic", own), None);
    assert_eq!(fitted(Endpoint::ChatCompletions, "openai", own), None);
    let call = r#"[{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"__thought__"}}]}]"#;
    assert_eq!(fitted(Endpoint::ChatCompletions, "openai", call), None);
}

#[test]
fn mistral_gets_only_what_it_knows() {
    let body = r#"[{"role":"developer","content":"s","name":"boss"},{"role":"user","content":"u","name":"me","cache_control":{}},{"role":"assistant","content":"a","refusal":null,"reasoning_content":"r","tool_calls":[{"id":"call_1","type":"function","provider_specific_fields":{},"function":{"name":"f","arguments":"{}"}},{"id":"abcDEF123","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","name":"f","content":"1"},{"role":"tool","tool_call_id":"abcDEF123","content":"2"},{"role":"assistant","content":"p","prefix":true}]"#;
    let fitted = fitted(Endpoint::ChatCompletions, "mistral", body).unwrap();
    let id = call_id::short("call_1").unwrap();
    let expected = format!(
        r#"[{{"role":"system","content":"s"}},{{"role":"user","content":"u"}},{{"role":"assistant","content":"a","tool_calls":[{{"id":"{id}","type":"function","function":{{"name":"f","arguments":"{{}}"}}}},{{"id":"abcDEF123","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}]}},{{"role":"tool","tool_call_id":"{id}","name":"f","content":"1"}},{{"role":"tool","tool_call_id":"abcDEF123","content":"2"}},{{"role":"assistant","content":"p","prefix":true}}]"#
    );
    assert_eq!(fitted, expected);
}

fn some_id() -> impl Strategy<Value = Value> {
    prop::sample::select(vec!["call_1", "abcDEF123", "c__thought__CiQ=", "", "é\\\"__thought__"])
        .prop_map(Value::from)
}

fn some_message() -> impl Strategy<Value = Value> {
    let signature = prop::sample::select(vec!["", "EqQB", "part:CiQ", "openai-reasoning.rs.g"]);
    (some_id(), some_id(), signature, any::<[bool; 3]>()).prop_map(|(id, other, signature, [a, b, c])| {
        let thought = json!({"type": "thinking", "thinking": "t", "signature": signature});
        let mut message = json!({"role": if a { "assistant" } else { "tool" }, "name": "n", "content": [thought, {
            "reasoningContent": {"reasoningText": {"text": "t", "signature": signature}}}, {"type": "text", "text": "x"}]});
        if b {
            message["tool_call_id"] = id.clone();
            message["thinking_blocks"] = json!([thought]);
        }
        if c {
            message["tool_calls"] = json!([{"id": id, "extra": 1}, {"id": other, "type": "function"}]);
        }
        message
    })
}

proptest! {
    /// What is put right is JSON, and right.
    #[test]
    fn what_was_put_right_needs_nothing_more(messages in prop::collection::vec(some_message(), 0..4)) {
        let text = serde_json::to_vec_pretty(&messages).unwrap();
        let chat = |without_marks, as_mistral| Fit::Chat { without_marks, as_mistral, as_system: as_mistral };
        for fit in [chat(true, false), chat(false, true), chat(true, true), Fit::Messages, Fit::Converse] {
            let Some(fitted) = fit.messages(&text) else { continue };
            let read: Value = serde_json::from_slice(&fitted).unwrap();
            prop_assert!(read.as_array().unwrap().len() <= messages.len());
            prop_assert_eq!(fit.messages(&fitted), None, "{:?}: {}", fit, read);
        }
    }
}
