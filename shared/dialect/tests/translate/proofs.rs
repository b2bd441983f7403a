//! Proofs of thoughts come back to who made them, through a client of any dialect, and never reach another provider.

use bulkhead_dialect::relay::End;
use bulkhead_dialect::translate::{Dialect, RequestOptions, Stream, answer, request};
use bytes::BytesMut;
use serde_json::{Value, json};

use super::cases::options;
use super::seen;

const PROOF: &str = "c2VjcmV0IHByb29m";

/// An answer with a thought, its proof and a call.
fn proved(upstream: Dialect) -> Value {
    match upstream {
        Dialect::Messages => json!({
            "id": "m", "type": "message", "role": "assistant", "model": "c", "stop_reason": "tool_use", "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": PROOF},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
            ]
        }),
        Dialect::Converse => json!({
            "output": {"message": {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": PROOF}}},
                {"toolUse": {"toolUseId": "t1", "name": "f", "input": {}}}
            ]}},
            "stopReason": "tool_use", "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
        }),
        Dialect::Responses => json!({
            "id": "resp_1", "object": "response", "model": "o", "status": "completed", "output": [
                {"type": "reasoning", "id": "rs_1", "encrypted_content": PROOF,
                    "summary": [{"type": "summary_text", "text": "Hm."}]},
                {"type": "function_call", "id": "fc_1", "call_id": "t1", "name": "f", "arguments": "{}", "status": "completed"}
            ]
        }),
        Dialect::Gemini => {
            json!({"candidates": [{"finishReason": "STOP", "content": {"role": "model", "parts": [
                {"text": "Hm.", "thought": true},
                {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": PROOF}
            ]}}]})
        }
        Dialect::Chat | Dialect::Completions | Dialect::Cohere | Dialect::Ollama => panic!("proves nothing"),
    }
}

/// What the client sends next: what was said to it, as it is.
fn next(client: Dialect, said: &Value) -> Value {
    match client {
        Dialect::Chat | Dialect::Completions => json!({"messages": [said["choices"][0]["message"]]}),
        Dialect::Messages => json!({"messages": [{"role": "assistant", "content": said["content"]}]}),
        Dialect::Responses => json!({"input": said["output"]}),
        Dialect::Gemini => json!({"contents": [said["candidates"][0]["content"]]}),
        Dialect::Converse => json!({"messages": [said["output"]["message"]]}),
        Dialect::Cohere | Dialect::Ollama => panic!("no client speaks it"),
    }
}

#[test]
fn a_proof_comes_back_to_its_provider_and_to_no_other() {
    // Bedrock's Claude is Anthropic's.
    let provider = |dialect| if dialect == Dialect::Converse { Dialect::Messages } else { dialect };
    for upstream in [Dialect::Messages, Dialect::Converse, Dialect::Responses, Dialect::Gemini] {
        for client in Dialect::ALL.into_iter().filter(|client| *client != upstream) {
            let body = serde_json::to_vec(&proved(upstream)).unwrap();
            let said = answer(upstream, client, &body, options()).unwrap();
            let body = next(client, &serde_json::from_slice(&said.body).unwrap());
            for to in Dialect::ALL.into_iter().filter(|to| *to != client) {
                let options = RequestOptions { model: Some("m"), ..RequestOptions::default() };
                let sent = request(client, to, &serde_json::to_vec(&body).unwrap(), &options).unwrap();
                let sent = String::from_utf8(sent.body.to_vec()).unwrap();
                // Clients of Google's dialect take nothing but base64.
                let is_carried = !(client == Dialect::Gemini && upstream == Dialect::Responses);
                let is_wanted = is_carried && provider(to) == provider(upstream);
                let pair = format!("{} by {} for {}", upstream.name(), client.name(), to.name());
                assert_eq!(sent.contains(PROOF), is_wanted, "{pair}: {sent}");
                for mark in ["part:", "openai-reasoning", "anthropic-thinking"] {
                    assert!(!sent.contains(mark), "{pair}: {sent}");
                }
            }
        }
    }
}

/// In a stream it stands before the call, too.
#[test]
fn a_signature_of_a_call_is_streamed() {
    let body = format!("data: {}\n\n", proved(Dialect::Gemini));
    for client in [Dialect::Messages, Dialect::Responses, Dialect::Converse] {
        let mut stream = Stream::new(Dialect::Gemini, client, options());
        let mut out = BytesMut::new();
        stream.feed(body.as_bytes(), &mut out).unwrap();
        assert_eq!(stream.finish(&mut out), End::Complete);
        let seen = seen::stream(client, &out);
        assert_eq!(
            (&*seen.reasoning, seen.tools.len(), seen.signatures.len()),
            ("Hm.", 1, 1),
            "{}",
            client.name()
        );
    }
}
