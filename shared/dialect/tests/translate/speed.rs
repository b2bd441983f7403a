//! What a translation costs. `cargo test --profile dist -p bulkhead-dialect --test translate -- --ignored --nocapture`.

use std::fmt::Write;

use bulkhead_dialect::frames::write_event;
use bulkhead_dialect::translate::{Dialect, RequestOptions, Stream, answer, request};
use bytes::BytesMut;

use super::cases::options;

/// Nanoseconds that this thread was on a processor: a busy machine does not count.
fn on_cpu() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    told.split(' ').next().unwrap().parse().unwrap()
}

fn time(name: &str, per: u32, mut work: impl FnMut()) {
    const ROUNDS: u32 = 2000;
    (0..100).for_each(|_| work());
    let start = on_cpu();
    (0..ROUNDS).for_each(|_| work());
    let spent = u32::try_from((on_cpu() - start) / 1000).unwrap();
    println!("{name}: {:.2} µs", f64::from(spent) / f64::from(ROUNDS * per));
}

const EVENTS: u32 = 200;

fn chat_stream() -> String {
    let chunk = |delta: &str, finish: &str| {
        format!(
            r#"data: {{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-x","system_fingerprint":"fp_1","choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]}}"#
        ) + "\n\n"
    };
    let mut body = String::new();
    for at in 0..EVENTS {
        body += &chunk(&format!(r#"{{"content":" token{at}\n"}}"#), "null");
    }
    body + &chunk("{}", "\"stop\"") + "data: [DONE]\n\n"
}

fn converse_stream() -> Vec<u8> {
    let mut body = BytesMut::new();
    for at in 0..EVENTS {
        let data = format!(r#"{{"contentBlockIndex":0,"delta":{{"text":" token{at}\n"}},"p":"abcdefghij"}}"#);
        write_event("contentBlockDelta", data.into(), &mut body);
    }
    body.to_vec()
}

fn cohere_stream() -> String {
    let mut body = String::new();
    for at in 0..EVENTS {
        write!(
            body,
            "event: content-delta\ndata: {{\"type\":\"content-delta\",\"index\":0,\"delta\":{{\"message\":{{\"content\":{{\"text\":\" token{at}\\n\"}}}}}}}}\n\n"
        )
        .unwrap();
    }
    body
}

fn ollama_stream() -> String {
    let mut body = String::new();
    for at in 0..EVENTS {
        writeln!(
            body,
            "{{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00.123456Z\",\"message\":{{\"role\":\"assistant\",\"content\":\" token{at}\\n\"}},\"done\":false}}"
        )
        .unwrap();
    }
    body
}

fn messages_stream() -> String {
    let mut body = String::from(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"c\",\"usage\":{\"input_tokens\":9}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    );
    for at in 0..EVENTS {
        write!(
            body,
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\" token{at}\\n\"}}}}\n\n"
        )
        .unwrap();
    }
    body
}

fn responses_stream() -> String {
    let mut body = String::from(
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"model\":\"m\",\"created_at\":1}}\n\nevent: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"content\":[]}}\n\n",
    );
    for at in 0..EVENTS {
        write!(
            body,
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"sequence_number\":{at},\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\" token{at}\\n\",\"logprobs\":[]}}\n\n"
        )
        .unwrap();
    }
    body
}

fn gemini_stream() -> String {
    let mut body = String::new();
    for at in 0..EVENTS {
        write!(
            body,
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\" token{at}\\n\"}}],\"role\":\"model\"}},\"index\":0}}],\"usageMetadata\":{{\"promptTokenCount\":9,\"candidatesTokenCount\":{at},\"totalTokenCount\":99}},\"modelVersion\":\"g\",\"responseId\":\"r\"}}\r\n\r\n"
        )
        .unwrap();
    }
    body
}

#[test]
#[ignore = "a benchmark"]
fn what_a_translation_costs() {
    for upstream in Dialect::UPSTREAMS {
        let body = match upstream {
            Dialect::Chat | Dialect::Completions => chat_stream().into_bytes(),
            Dialect::Messages => messages_stream().into_bytes(),
            Dialect::Responses => responses_stream().into_bytes(),
            Dialect::Gemini => gemini_stream().into_bytes(),
            Dialect::Converse => converse_stream(),
            Dialect::Cohere => cohere_stream().into_bytes(),
            Dialect::Ollama => ollama_stream().into_bytes(),
        };
        for client in Dialect::ALL.into_iter().filter(|client| *client != upstream) {
            let mut out = BytesMut::new();
            time(&format!("an event of {} for {}", upstream.name(), client.name()), EVENTS, || {
                out.clear();
                let mut stream = Stream::new(upstream, client, options());
                for chunk in body.chunks(190) {
                    stream.feed(chunk, &mut out).unwrap();
                }
            });
        }
    }
    // Plain ones, by way of chat the same in each dialect.
    let asks = br#"{"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"What is the capital of France? Answer in one word."}],"temperature":0.2,"max_tokens":100}"#;
    let says = br#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"Paris","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":1,"total_tokens":21,"prompt_tokens_details":{"cached_tokens":0}}}"#;
    let plain = RequestOptions::default();
    for from in Dialect::ALL {
        let asked = request(Dialect::Chat, from, asks, &plain).unwrap().body;
        let said = answer(Dialect::Chat, from, says, options()).unwrap().body;
        for to in Dialect::ALL.into_iter().filter(|to| *to != from) {
            time(&format!("a plain request of {} for {}", from.name(), to.name()), 1, || {
                request(from, to, &asked, &plain).unwrap();
            });
            time(&format!("a plain answer of {} for {}", from.name(), to.name()), 1, || {
                answer(from, to, &said, options()).unwrap();
            });
        }
    }
}
