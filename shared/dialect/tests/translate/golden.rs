//! What leaves for each pair of dialects. The files in `requests/` are sent, those in `snapshots/` come out.

use std::path::Path;

use bulkhead_dialect::translate::{Dialect, Plan, ReasoningStyle, RequestOptions, Translated, request};
use serde_json::Value;

fn read(name: &str, from: Dialect) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/translate/requests");
    std::fs::read(folder.join(format!("{name}.{}.json", from.name()))).unwrap()
}

/// The body with its members in order and a line for each, then what was lost.
fn shown(done: &Translated) -> String {
    serde_json::from_slice::<Value>(&done.body).unwrap();
    let (mut text, mut depth, mut quoted, mut escaped) = (String::new(), 0usize, false, false);
    for letter in std::str::from_utf8(&done.body).unwrap().chars() {
        if !quoted && matches!(letter, '}' | ']') {
            depth -= 1;
            text = text + "\n" + &"  ".repeat(depth);
        }
        text.push(letter);
        if !quoted && matches!(letter, '{' | '[') {
            depth += 1;
        }
        if !quoted && matches!(letter, '{' | '[' | ',') {
            text = text + "\n" + &"  ".repeat(depth);
        }
        quoted ^= letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
    }
    for loss in &done.losses {
        text += &format!("\n{:?}: {} {}", loss.weight, loss.name, loss.place);
    }
    let Plan { output_tool, include_usage, namespaced, plain_tools, renamed } = &done.plan;
    for tool in namespaced {
        text += &format!("\n{tool:?}");
    }
    for tool in plain_tools {
        text += &format!("\nPlain {tool:?}");
    }
    for (sent, own) in renamed {
        text += &format!("\nRenamed {own:?}: {sent:?}");
    }
    text + &format!("\nPlan {{ output_tool: {output_tool}, include_usage: {include_usage} }}")
}

#[test]
fn requests_leave_as_they_did() {
    for (from, names) in [
        (Dialect::Chat, &["full", "tools", "output", "json"][..]),
        (Dialect::Messages, &["full", "tools", "output"][..]),
        (Dialect::Responses, &["full", "tools", "output"][..]),
        (Dialect::Gemini, &["full", "tools", "output"][..]),
        (Dialect::Converse, &["full", "tools", "output"][..]),
    ] {
        for (name, to) in names.iter().flat_map(|name| Dialect::UPSTREAMS.map(|to| (name, to))) {
            let done = request(from, to, &read(name, from), &RequestOptions::default()).unwrap();
            insta::assert_snapshot!(format!("{name}-{}-{}", from.name(), to.name()), shown(&done));
        }
    }
}

#[test]
fn options_decide_what_an_upstream_gets() {
    let plain = RequestOptions {
        model: Some("renamed"),
        reasoning: ReasoningStyle::None,
        output_schema: false,
        cache_control: true,
        reasoning_content: true,
        max_completion_tokens: true,
        stream_usage: false,
        ..RequestOptions::default()
    };
    let adaptive = RequestOptions { reasoning: ReasoningStyle::Adaptive, ..RequestOptions::default() };
    for (name, from, to, options) in [
        ("plain", Dialect::Messages, Dialect::Chat, &plain),
        ("plain", Dialect::Chat, Dialect::Messages, &plain),
        ("plain", Dialect::Messages, Dialect::Responses, &plain),
        ("plain", Dialect::Responses, Dialect::Messages, &plain),
        ("adaptive", Dialect::Chat, Dialect::Messages, &adaptive),
        ("plain", Dialect::Messages, Dialect::Gemini, &plain),
        ("adaptive", Dialect::Chat, Dialect::Gemini, &adaptive),
        ("plain", Dialect::Chat, Dialect::Converse, &plain),
        ("plain", Dialect::Messages, Dialect::Converse, &plain),
        ("adaptive", Dialect::Chat, Dialect::Converse, &adaptive),
        ("plain", Dialect::Converse, Dialect::Chat, &plain),
        ("plain", Dialect::Messages, Dialect::Cohere, &plain),
        ("plain", Dialect::Messages, Dialect::Ollama, &plain),
    ] {
        for file in ["full", "output"] {
            let done = request(from, to, &read(file, from), options).unwrap();
            insta::assert_snapshot!(format!("{name}-{file}-{}-{}", from.name(), to.name()), shown(&done));
        }
    }
}
