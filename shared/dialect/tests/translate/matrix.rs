//! Every recording, as every client would see it.

use std::collections::BTreeMap;

use bulkhead_dialect::translate::{Dialect, Stream, answer};
use bytes::BytesMut;
use serde_json::Value;

use super::cases::{Case, cases, options};
use super::seen::{self, Seen};
use super::{seen_cohere, seen_responses};

/// Least share of the cases that come out as expected.
const LEAST: f64 = 0.97;

pub(crate) fn translated(case: &Case, client: Dialect) -> Vec<u8> {
    if !case.streams {
        return answer(case.dialect, client, &case.body, options()).unwrap().body.to_vec();
    }
    let mut stream = Stream::new(case.dialect, client, options());
    let mut out = BytesMut::new();
    stream.feed(&case.body, &mut out).unwrap();
    stream.finish(&mut out);
    out.to_vec()
}

pub(crate) fn seen(case: &Case, client: Dialect) -> Seen {
    let out = translated(case, client);
    if case.streams { seen::stream(client, &out) } else { seen::whole(client, &out) }
}

/// What is not as the recording expects it.
fn wrong(case: &Case, client: Dialect, seen: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    let expected = |name: &str| case.expect[name].as_str().unwrap_or_default();
    let mut check = |what: &str, ok: bool, found: &dyn std::fmt::Debug| {
        if !ok {
            wrong.push(format!("{what}: {found:?}"));
        }
    };
    // A refusal's words are text where there is no other place for them.
    let refuses = matches!(client, Dialect::Chat | Dialect::Responses);
    let text = expected("text").to_owned() + if refuses { "" } else { expected("refusal") };
    check("text", seen.text == text, &seen.text);
    check("refusal", seen.refusal == if refuses { expected("refusal") } else { "" }, &seen.refusal);
    let reasoning = match case.dialect {
        // The recordings expect nothing of it, but they have it.
        Dialect::Responses => seen_responses::recorded_reasoning(&case.body),
        Dialect::Cohere => seen_cohere::recorded_reasoning(&case.body),
        _ => expected("reasoning").to_owned(),
    };
    check("reasoning", seen.reasoning == reasoning, &seen.reasoning);
    let calls = case.expect["tool_calls"].as_array().cloned().unwrap_or_default();
    let same = calls.len() == seen.tools.len()
        && calls.iter().zip(&seen.tools).all(|(call, (name, arguments))| {
            call["name"] == **name && same_arguments(&call["args"], arguments)
        });
    check("tools", same, &seen.tools);
    let finish = finish(case, client);
    check(
        "finish",
        finish.as_deref().is_none_or(|finish| seen.finish.as_deref() == Some(finish)),
        &seen.finish,
    );
    check(
        "usage",
        usage(case, client, seen.usage).is_none_or(|usage| seen.usage == Some(usage)),
        &seen.usage,
    );
    check("model", seen.error || client == Dialect::Converse || seen.model == "shown-model", &seen.model);
    wrong
}

fn same_arguments(expected: &Value, found: &str) -> bool {
    let read: Option<Value> = serde_json::from_str(if found.is_empty() { "{}" } else { found }).ok();
    // Arguments that are cut off are none.
    *expected == *found
        || read.is_some_and(|read| {
            read == *expected
                // Cohere calls what has no parameters with null.
                || (read == serde_json::json!({}) && (*expected == "" || expected.is_null()))
                || expected.as_str().is_some_and(|text| read["raw_arguments"] == text)
        })
}

const TOOLS: [&str; 5] = ["tool_calls", "tool_use", "completed", "STOP", "tool_use"];

fn finish(case: &Case, client: Dialect) -> Option<String> {
    let reason = case.expect["finish"].as_str()?;
    let refused = case.expect["refusal"].as_str().is_some_and(|text| !text.is_empty());
    let called = case.expect["tool_calls"].as_array().is_some_and(|calls| !calls.is_empty());
    let [chat, messages, responses, gemini, converse] = match reason {
        _ if refused => ["stop", "refusal", "completed", "SAFETY", "content_filtered"],
        "tool_calls" | "tool_use" | "function_call" => TOOLS,
        "completed" | "complete" | "STOP" | "UNEXPECTED_TOOL_CALL" if called => TOOLS,
        "TOOL_CALL" => TOOLS,
        "stop" | "COMPLETE" if called => TOOLS,
        "stop" | "end_turn" | "" | "None" | "completed" | "complete" | "STOP" | "COMPLETE" => {
            ["stop", "end_turn", "completed", "STOP", "end_turn"]
        }
        "stop_sequence" | "STOP_SEQUENCE" => ["stop", "stop_sequence", "completed", "STOP", "stop_sequence"],
        "length" | "max_tokens" | "incomplete" | "max_output_tokens" | "MAX_TOKENS" => {
            ["length", "max_tokens", "max_output_tokens", "MAX_TOKENS", "max_tokens"]
        }
        "content_filter" | "refusal" | "SAFETY" | "MODEL_ARMOR" | "guardrail_intervened" => {
            ["content_filter", "refusal", "content_filter", "SAFETY", "content_filtered"]
        }
        // An answer that is to be asked for later.
        "queued" => return None,
        other => panic!("{other}"),
    };
    let finish = match client {
        Dialect::Chat | Dialect::Completions | Dialect::Cohere | Dialect::Ollama => chat,
        Dialect::Messages => messages,
        Dialect::Responses => responses,
        Dialect::Gemini => gemini,
        Dialect::Converse => converse,
    };
    Some(finish.to_owned())
}

/// The recorded expectation as totals: input, output, cached, written. What it does not tell is as it was found.
fn usage(case: &Case, client: Dialect, found: Option<[u64; 4]>) -> Option<[u64; 4]> {
    let count = |name: &str| case.expect["usage"][name].as_u64();
    let (mut input, mut output) = (count("input")?, count("output")?);
    let found = found.unwrap_or_default();
    let cached = count("cached").unwrap_or(found[2]);
    // These count what the cache gave and took beside the input.
    let beside = matches!(case.dialect, Dialect::Messages | Dialect::Converse);
    let written = count("cache_write").unwrap_or(if beside { 0 } else { found[3] });
    if beside {
        input += cached + written;
    }
    // xAI's chat counts reasoning beside the output, and says so in the total.
    if case.id.contains("/chat--vercel-ai--xai-") {
        output += count("reasoning").unwrap_or(0);
    }
    // Google has no place for what was written.
    Some([input, output, cached, if client == Dialect::Gemini { 0 } else { written }])
}

#[test]
fn recordings_come_out_as_expected() {
    let mut table: BTreeMap<(&str, &str, bool), (u32, u32)> = BTreeMap::new();
    for case in &cases() {
        for client in Dialect::ALL {
            let wrong = wrong(case, client, &seen(case, client));
            let entry = table.entry((client.name(), case.dialect.name(), case.streams)).or_default();
            entry.1 += 1;
            if wrong.is_empty() {
                entry.0 += 1;
            } else {
                let list: Vec<String> = wrong.iter().map(|text| text.chars().take(160).collect()).collect();
                println!("{} for {}: {}", case.id, client.name(), list.join("; "));
            }
        }
    }
    println!("client     upstream   stream  passed");
    let mut pairs: BTreeMap<(&str, &str), (u32, u32)> = BTreeMap::new();
    for ((client, upstream, streams), (passed, all)) in table {
        println!("{client:<10} {upstream:<10} {streams:<7} {passed} of {all}");
        let pair = pairs.entry((client, upstream)).or_default();
        *pair = (pair.0 + passed, pair.1 + all);
    }
    for ((client, upstream), (passed, all)) in pairs {
        assert!(f64::from(passed) >= LEAST * f64::from(all), "{client} {upstream}: {passed} of {all}");
    }
}
