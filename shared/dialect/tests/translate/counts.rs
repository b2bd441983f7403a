//! Counting tokens where the provider does it in another dialect.

use bulkhead_dialect::translate::{
    AnswerOptions, Back, RequestOptions, TranslateError, Way, Weight, counted,
};
use bulkhead_model::Endpoint;
use serde_json::{Value, json};

fn asks(from: Endpoint, to: Endpoint, body: &Value) -> (Value, Vec<(String, Weight)>, Back) {
    let options = RequestOptions { model: Some("m"), ..RequestOptions::default() };
    let way = Way::between(from, to).unwrap();
    let leaving = way.request(body.to_string().as_bytes(), &options).unwrap();
    let losses = leaving.losses.into_iter().map(|loss| (loss.name, loss.weight));
    (serde_json::from_slice(&leaving.body).unwrap(), losses.collect(), leaving.back)
}

fn told(back: Back, body: &str) -> Result<Value, TranslateError> {
    let done = back.answer(&[], body.as_bytes(), AnswerOptions::default())?;
    Ok(serde_json::from_slice(&done.body).unwrap())
}

#[test]
fn a_prompt_of_messages_is_counted_by_google() {
    let body = json!({"model": "x", "system": "Be brief.", "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}], "thinking": {"type": "enabled", "budget_tokens": 1024},
        "container": "c"});
    let (sent, losses, back) = asks(Endpoint::CountTokens, Endpoint::GeminiCountTokens, &body);
    let sent = &sent["generateContentRequest"];
    assert_eq!(sent["model"], "models/m");
    assert_eq!(sent["contents"], json!([{"role": "user", "parts": [{"text": "Hi"}]}]));
    assert_eq!(sent["systemInstruction"], json!({"parts": [{"text": "Be brief."}]}));
    assert_eq!(sent["tools"][0]["functionDeclarations"][0]["name"], "f");
    assert_eq!(
        losses,
        [("container".to_owned(), Weight::Aside)],
        "a count is not refused for what it leaves out"
    );
    assert_eq!(
        told(back.clone(), r#"{"totalTokens":12,"promptTokensDetails":[]}"#).unwrap(),
        json!({"input_tokens": 12})
    );
    assert_eq!(told(back, "{}"), Err(TranslateError::NoAnswer));
}

/// It refuses all else.
#[test]
fn vertex_counts_what_is_said_without_a_request_around_it() {
    let body = json!({"model": "x", "system": "Be brief.", "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"}});
    let options = RequestOptions { model: Some("m"), gemini_api: false, ..RequestOptions::default() };
    let way = Way::between(Endpoint::CountTokens, Endpoint::GeminiCountTokens).unwrap();
    let sent = way.request(body.to_string().as_bytes(), &options).unwrap().body;
    let sent: Value = serde_json::from_slice(&sent).unwrap();
    let names: Vec<_> = sent.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(
        names
            .iter()
            .all(|name| ["contents", "systemInstruction", "tools", "generationConfig"].contains(name)),
        "{names:?}"
    );
    assert_eq!(sent["contents"], json!([{"role": "user", "parts": [{"text": "Hi"}]}]));
    assert_eq!(sent["systemInstruction"], json!({"parts": [{"text": "Be brief."}]}));
    assert_eq!(sent["tools"][0]["functionDeclarations"][0]["name"], "f");
}

#[test]
fn a_prompt_of_googles_is_counted_by_anthropic() {
    let contents = json!([{"role": "user", "parts": [{"text": "Hi"}]}]);
    let whole = json!({"model": "models/x", "contents": contents, "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {"temperature": 0.5, "maxOutputTokens": 9}});
    for (body, system) in [
        (json!({"contents": contents}), Value::Null),
        (json!({"generateContentRequest": whole}), json!([{"type": "text", "text": "Be brief."}])),
        (whole.clone(), json!([{"type": "text", "text": "Be brief."}])),
    ] {
        let (sent, _, back) = asks(Endpoint::GeminiCountTokens, Endpoint::CountTokens, &body);
        assert_eq!(sent["messages"], json!([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]));
        assert_eq!(
            (&sent["model"], sent.get("max_tokens"), sent.get("temperature")),
            (&json!("m"), None, None)
        );
        assert_eq!(sent.get("system").unwrap_or(&Value::Null), &system, "{sent}");
        assert_eq!(told(back, r#"{"input_tokens":12}"#).unwrap(), json!({"totalTokens": 12}));
    }
}

#[test]
fn a_count_is_told_by_the_clients_name() {
    let told =
        |endpoint| counted(endpoint, 7).map(|(body, name)| (String::from_utf8(body.to_vec()).unwrap(), name));
    assert_eq!(told(Endpoint::CountTokens), Some((r#"{"input_tokens":7}"#.to_owned(), "input_tokens")));
    assert_eq!(told(Endpoint::GeminiCountTokens), Some((r#"{"totalTokens":7}"#.to_owned(), "totalTokens")));
    assert_eq!(told(Endpoint::Messages), None);
}
