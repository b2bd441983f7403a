//! Requests that clients sent, for the other dialect.

use std::io::Write;

use bulkhead_dialect::translate::{Dialect, RequestOptions, request};
use serde_json::Value;

use super::cases::{Case, cases};
use super::matrix::translated;

/// Every recorded request can be sent, and nothing in it disappears without a word. Where `BULKHEAD_TRANSLATED` names
/// a file, what is sent is written there, one request a line, for validators.
#[test]
fn recorded_requests_can_be_sent() {
    let mut file = std::env::var_os("BULKHEAD_TRANSLATED").map(|path| std::fs::File::create(path).unwrap());
    let mut sent = 0;
    let is_clients = |case: &&Case| case.is_recorded && Dialect::ALL.contains(&case.dialect);
    for case in cases().iter().filter(|case| case.request.len() > 2).filter(is_clients) {
        for to in Dialect::UPSTREAMS {
            // The path names the model.
            let model = matches!(case.dialect, Dialect::Gemini | Dialect::Converse).then_some("m");
            let options = RequestOptions { model, ..RequestOptions::default() };
            let done = request(case.dialect, to, &case.request, &options)
                .unwrap_or_else(|error| panic!("{}: {error}", case.id));
            let body: Value = serde_json::from_slice(&done.body).unwrap();
            check_messages(&case.id, to, &body);
            sent += 1;
            if let Some(file) = &mut file {
                let path = match to {
                    Dialect::Chat => "/v1/chat/completions",
                    Dialect::Messages => "/v1/messages",
                    Dialect::Responses => "/v1/responses",
                    Dialect::Completions => "/v1/completions",
                    Dialect::Gemini => "/v1beta/models/m:generateContent",
                    Dialect::Cohere => "/v2/chat",
                    Dialect::Ollama => "/api/chat",
                    Dialect::Converse => "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse",
                };
                let line = serde_json::json!({ "path": path, "id": case.id, "body": body });
                writeln!(file, "{line}").unwrap();
            }
        }
    }
    assert!(sent > 200);
}

fn check_messages(id: &str, to: Dialect, body: &Value) {
    if to == Dialect::Responses {
        let is_said = body["instructions"].is_string() || body.get("prompt").is_some();
        assert!(is_said || !body["input"].as_array().unwrap().is_empty(), "{id}");
        return;
    }
    let messages = body[if to == Dialect::Gemini { "contents" } else { "messages" }].as_array().unwrap();
    assert!(!messages.is_empty(), "{id} for {}", to.name());
    assert!(to != Dialect::Messages || body["max_tokens"].is_u64(), "{id}");
    if matches!(to, Dialect::Messages | Dialect::Gemini | Dialect::Converse) {
        for pair in messages.windows(2) {
            assert_ne!(pair[0]["role"], pair[1]["role"], "{id}");
        }
    }
}

/// What a client gets for every recording, a body or an event a line, where `BULKHEAD_ANSWERED` names a file: for
/// validators.
#[test]
fn answers_can_be_validated() {
    let Some(path) = std::env::var_os("BULKHEAD_ANSWERED") else { return };
    let mut file = std::fs::File::create(path).unwrap();
    for case in &cases() {
        // Converse streams frames.
        let has_lines = |client: &Dialect| !(case.streams && *client == Dialect::Converse);
        for client in Dialect::ALL.into_iter().filter(has_lines) {
            let out = String::from_utf8(translated(case, client)).unwrap();
            let bodies = if case.streams {
                out.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
            } else {
                vec![&*out]
            };
            for body in bodies.into_iter().filter(|body| *body != "[DONE]") {
                let body: Value = serde_json::from_str(body).unwrap();
                let line = serde_json::json!({
                    "client": client.name(), "stream": case.streams, "id": case.id, "body": body
                });
                writeln!(file, "{line}").unwrap();
            }
        }
    }
}
