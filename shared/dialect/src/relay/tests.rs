//! The relay, event by event.

use bulkhead_model::usage::ServiceTier;
use proptest::prelude::*;

use super::*;

fn relay(endpoint: Endpoint) -> Relay {
    Relay::new(RelayOptions { endpoint, shown_model: None, withhold_usage: false, max_event: 1 << 20 })
}

fn showing(endpoint: Endpoint, model: &str) -> Relay {
    let shown_model = Some(model.to_owned());
    Relay::new(RelayOptions { endpoint, shown_model, withhold_usage: true, max_event: 1 << 20 })
}

fn feed(relay: &mut Relay, text: impl AsRef<[u8]>) -> String {
    let mut out = BytesMut::new();
    relay.feed(text.as_ref(), &mut out).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

/// Feeds data as one event and says whether it was content.
fn is_content(endpoint: Endpoint, data: &str) -> bool {
    let mut relay = relay(endpoint);
    let event = format!("data: {data}\n\n");
    assert_eq!(feed(&mut relay, &event), event);
    relay.has_content()
}

fn chunk(delta: &str) -> String {
    format!(
        r#"{{"id":"c","object":"chat.completion.chunk","model":"up","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#
    )
}

#[test]
fn what_is_content_in_chat() {
    for (delta, content) in [
        (r#"{"role":"assistant","content":"","refusal":null}"#, false),
        (r#"{"role":"assistant","content":null,"tool_calls":[],"audio":{}}"#, false),
        ("{}", false),
        (r#"{"content":"a"}"#, true),
        (r#"{"content":[{"type":"text","text":"a"}]}"#, true),
        (r#"{"refusal":"a"}"#, true),
        (r#"{"reasoning":"a"}"#, true),
        (r#"{"reasoning_content":"a"}"#, true),
        (r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":""}}]}"#, true),
        (r#"{"function_call":{"name":"f"}}"#, true),
        (r#"{"audio":{"id":"a"}}"#, true),
    ] {
        assert_eq!(is_content(Endpoint::ChatCompletions, &chunk(delta)), content, "{delta}");
    }
    assert!(is_content(Endpoint::ChatCompletions, r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#));
    assert!(!is_content(Endpoint::ChatCompletions, r#"{"choices":[],"prompt_filter_results":[1]}"#));
    assert!(is_content(Endpoint::Completions, r#"{"choices":[{"text":"a","finish_reason":null}]}"#));
    assert!(!is_content(Endpoint::Completions, r#"{"choices":[{"text":"","finish_reason":null}]}"#));
}

#[test]
fn what_is_content_in_messages() {
    for (data, content) in [
        (r#"{"type":"message_start","message":{"model":"m","content":[]}}"#, false),
        (r#"{"type": "ping"}"#, false),
        (r#"{"type":"content_block_start","content_block":{"type":"text","text":""}}"#, false),
        (
            r#"{"type":"content_block_start","content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            false,
        ),
        (r#"{"type":"content_block_start","content_block":{"type":"text","text":"a"}}"#, true),
        (
            r#"{"type":"content_block_start","content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
            true,
        ),
        (r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#, true),
        (r#"{"type":"content_block_stop","index":0}"#, false),
        (r#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":1}}"#, false),
        (r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}"#, true),
    ] {
        assert_eq!(is_content(Endpoint::Messages, data), content, "{data}");
    }
}

#[test]
fn what_is_content_in_responses() {
    for (data, content) in [
        (r#"{"type":"response.created","response":{"model":"m"}}"#, false),
        (r#"{"type":"response.in_progress","response":{"model":"m"}}"#, false),
        (r#"{"type":"response.queued","response":{"model":"m"}}"#, false),
        (r#"{"type":"response.output_item.added","item":{"id":"i"}}"#, false),
        (r#"{"type":"response.content_part.added","part":{"text":""}}"#, false),
        (r#"{"type":"response.output_text.delta","delta":"a"}"#, true),
        (r#"{"type":"response.function_call_arguments.delta","delta":"{"}"#, true),
        (r#"{"type":"response.output_item.done","item":{}}"#, true),
        (r#"{"type":"response.completed","response":{"status":"completed"}}"#, true),
        (r#"{"type":"response.incomplete","response":{}}"#, true),
        (r#"{"type":"response.failed","response":{"error":{"message":"m"}}}"#, false),
    ] {
        assert_eq!(is_content(Endpoint::Responses, data), content, "{data}");
    }
}

#[test]
fn comments_are_forwarded_and_are_no_content() {
    let mut relay = relay(Endpoint::ChatCompletions);
    let text = ": OPENROUTER PROCESSING\n\nid: 7\n\n\n";
    assert_eq!(feed(&mut relay, text), text);
    assert!(!relay.has_content());
}

#[test]
fn the_model_is_renamed_and_nothing_else() {
    let chat = |model: &str| {
        [
            r#"{"content":""}"#,
            r#"{"content":"one"}"#,
            r#"{"content":"tw\"o"}"#,
            r#"{"content":"three \u00e9"}"#,
        ]
        .iter()
        .map(|delta| format!("data: {}\n\n", chunk(delta).replace("\"up\"", model)))
        .collect::<String>()
    };
    let mut relay = showing(Endpoint::ChatCompletions, "my \"model\"");
    assert_eq!(feed(&mut relay, chat("\"up\"")), chat(r#""my \"model\"""#));
    assert_eq!(
        relay.content_bytes(),
        "one".len() as u64 + "tw\\\"o".len() as u64 + "three \\u00e9".len() as u64
    );

    for (endpoint, text, renamed) in [
        (
            Endpoint::Messages,
            "event: message_start\r\ndata: {\"type\":\"message_start\",\"model\":\"x\",\"message\":{\"id\":\"m\", \"model\" : \"up\"}}\r\n\r\n",
            "event: message_start\r\ndata: {\"type\":\"message_start\",\"model\":\"x\",\"message\":{\"id\":\"m\", \"model\" : \"shown\"}}\r\n\r\n",
        ),
        (
            Endpoint::Responses,
            "data: {\"type\":\"response.created\",\"response\":{\"model\":\"up\"}}\n\ndata: {\"type\":\"response.x\",\"model\":\"up\"}\n\n",
            "data: {\"type\":\"response.created\",\"response\":{\"model\":\"shown\"}}\n\ndata: {\"type\":\"response.x\",\"model\":\"up\"}\n\n",
        ),
        (
            Endpoint::ChatCompletions,
            "data: {\"choices\":[],\ndata: \"model\":\"up\"}\n\n",
            "data: {\"choices\":[],\ndata: \"model\":\"shown\"}\n\n",
        ),
        (Endpoint::ChatCompletions, "data: {\"model\":null}\n\n", "data: {\"model\":null}\n\n"),
    ] {
        assert_eq!(feed(&mut showing(endpoint, "shown"), text), renamed);
        let mut bytewise = showing(endpoint, "shown");
        assert_eq!(
            text.as_bytes().chunks(1).map(|byte| feed(&mut bytewise, byte)).collect::<String>(),
            renamed
        );
    }
}

#[test]
fn only_the_usage_chunk_is_withheld() {
    let usage = r#""usage":{"prompt_tokens":3,"completion_tokens":4}"#;
    let content = format!("data: {}\n\n", chunk(r#"{"content":"a"}"#));
    let alone = format!("data: {{\"choices\":[],{usage}}}\n\n");
    let beside = format!("data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"stop\"}}],{usage}}}\n\n");
    let null = "data: {\"choices\":[],\"usage\":null}\n\n";
    let text = format!("{content}{alone}{beside}{null}data: [DONE]\n\n");
    let options = |withhold_usage| RelayOptions {
        endpoint: Endpoint::ChatCompletions,
        shown_model: None,
        withhold_usage,
        max_event: 1 << 20,
    };
    assert_eq!(feed(&mut Relay::new(options(false)), &text), text);
    let mut relay = Relay::new(options(true));
    assert_eq!(feed(&mut relay, &text), format!("{content}{beside}{null}data: [DONE]\n\n"));
    assert_eq!(relay.usage().map(|usage| (usage.input, usage.output)), Some((3, 4)));
    assert!(relay.usage_is_final());
}

#[test]
fn an_error_event_is_a_failure_and_is_forwarded() {
    for (endpoint, text, kind, message, status) in [
        (
            Endpoint::ChatCompletions,
            "data: {\"error\":{\"code\":502,\"message\":\"m\"},\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n",
            None,
            "m",
            Some(502),
        ),
        (
            Endpoint::ChatCompletions,
            "event: error\ndata: {\"message\":\"m\",\"type\":\"rate_limit_error\"}\n\n",
            Some("rate_limit_error"),
            "m",
            Some(429),
        ),
        (
            Endpoint::Messages,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n",
            Some("overloaded_error"),
            "m",
            Some(529),
        ),
        (
            Endpoint::Responses,
            "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"m\",\"param\":null}\n\n",
            None,
            "m",
            Some(500),
        ),
        (
            Endpoint::Responses,
            "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"m\"}}}\n\n",
            None,
            "m",
            Some(429),
        ),
    ] {
        let mut relay = relay(endpoint);
        assert_eq!(feed(&mut relay, text), text);
        let failure = relay.failure().unwrap();
        let seen = (failure.kind.as_deref(), failure.message.as_str(), failure.status);
        assert_eq!(seen, (kind, message, status), "{text}");
        assert!(!relay.has_content(), "{text}");
    }
}

#[test]
fn the_first_failure_counts() {
    let mut relay = relay(Endpoint::ChatCompletions);
    feed(&mut relay, "data: {\"error\":null}\n\ndata: {\"error\":\"one\"}\n\ndata: {\"error\":\"two\"}\n\n");
    assert_eq!(relay.failure().unwrap().message, "one");
}

#[test]
fn a_stream_without_done_is_complete_when_every_choice_is() {
    let choice = |index: usize, reason: &str| {
        format!("data: {{\"choices\":[{{\"index\":{index},\"finish_reason\":{reason}}}]}}\n\n")
    };
    for (text, end) in [
        (String::new(), End::Truncated),
        (choice(0, "null"), End::Truncated),
        (choice(0, "null") + &choice(0, "\"stop\""), End::Complete),
        (choice(0, "\"stop\"") + &choice(1, "null"), End::Truncated),
        (choice(0, "null") + &choice(1, "\"stop\"") + &choice(0, "\"length\""), End::Complete),
        (choice(0, "\"stop\"") + &choice(200, "\"stop\""), End::Truncated),
        (choice(0, "null") + "data: [DONE]\n\n", End::Complete),
    ] {
        let mut relay = relay(Endpoint::ChatCompletions);
        feed(&mut relay, &text);
        assert_eq!(relay.is_complete(), text.contains("[DONE]"));
        assert_eq!(relay.finish(&mut BytesMut::new()), end, "{text}");
        assert_eq!(relay.is_complete(), end == End::Complete);
    }
}

#[test]
fn finish_reasons_are_the_dialects_own() {
    for (endpoint, data, reason) in [
        (Endpoint::ChatCompletions, r#"{"choices":[{"finish_reason":"length"}]}"#, "length"),
        (Endpoint::Messages, r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#, "tool_use"),
        (
            Endpoint::Responses,
            r#"{"type":"response.completed","response":{"status":"completed"}}"#,
            "completed",
        ),
        (
            Endpoint::Responses,
            r#"{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}"#,
            "max_output_tokens",
        ),
    ] {
        let mut relay = relay(endpoint);
        feed(&mut relay, format!("data: {data}\n\n"));
        assert_eq!(relay.finish_reason(), Some(reason));
    }
}

#[test]
fn a_whole_last_event_counts_without_its_blank_line() {
    for (tail, forwarded, end) in [
        ("data: [DONE]", true, End::Complete),
        ("data: [DONE]\n", true, End::Complete),
        ("data: [DONE]\r\n\r", true, End::Complete),
        ("data: {\"choices\":[{\"finish_reason\":\"stop\"}]}", true, End::Complete),
        ("data: {\"choices\":[{\"finish_reason\":\"stop\"}]", false, End::Truncated),
        ("data: [DON", false, End::Truncated),
        (": comment", false, End::Truncated),
    ] {
        let mut relay = relay(Endpoint::ChatCompletions);
        let first = format!("data: {}\n\n", chunk(r#"{"content":"a"}"#));
        assert_eq!(feed(&mut relay, first.clone() + tail), first);
        let mut out = BytesMut::new();
        assert_eq!(relay.finish(&mut out), end, "{tail}");
        assert_eq!(&out[..], if forwarded { tail.as_bytes() } else { b"" });
    }
}

#[test]
fn an_event_that_is_too_large_ends_the_relay_after_the_events_before_it() {
    let small = "data: 1\n\n";
    let large = "data: 34567890\n\n";
    for step in [1, 4, 100] {
        let options = RelayOptions {
            endpoint: Endpoint::ChatCompletions,
            shown_model: None,
            withhold_usage: false,
            max_event: large.len() - 1,
        };
        let mut relay = Relay::new(options);
        let mut out = BytesMut::new();
        let text = format!("{small}{large}");
        let fed: Result<(), RelayError> =
            text.as_bytes().chunks(step).try_for_each(|chunk| relay.feed(chunk, &mut out));
        assert_eq!(fed, Err(RelayError::EventTooLarge { limit: large.len() - 1 }));
        assert_eq!(&out[..], small.as_bytes());
    }
}

fn tell(relay: &mut Relay, data: &str) {
    feed(relay, format!("data: {data}\n\n"));
}

#[test]
fn the_last_report_of_a_stream_counts() {
    let mut relay = relay(Endpoint::ChatCompletions);
    for (choices, output, is_final) in [
        (r#"[{"delta":{},"finish_reason":null}]"#, 1, false),
        (r#"[{"delta":{}}]"#, 2, false),
        (r#"[{"delta":{},"finish_reason":"stop"}]"#, 3, true),
        ("[]", 4, true),
    ] {
        let usage = format!(r#"{{"prompt_tokens":3,"completion_tokens":{output}}}"#);
        tell(&mut relay, &format!(r#"{{"choices":{choices},"usage":{usage}}}"#));
        assert_eq!(relay.usage().map(|usage| usage.output), Some(output));
        assert_eq!(relay.usage_is_final(), is_final);
    }
    tell(&mut relay, r#"{"choices":[],"usage":null}"#);
    assert_eq!(relay.usage().map(|usage| usage.output), Some(4));
}

#[test]
fn groq_reports_in_a_place_of_its_own() {
    let mut relay = relay(Endpoint::ChatCompletions);
    let usage = r#"{"prompt_tokens":21,"completion_tokens":9}"#;
    tell(
        &mut relay,
        &format!(r#"{{"choices":[{{"finish_reason":"stop"}}],"x_groq":{{"id":"r","usage":{usage}}}}}"#),
    );
    assert_eq!(relay.usage().map(|usage| (usage.input, usage.output)), Some((21, 9)));
    assert!(relay.usage_is_final());
}

#[test]
fn responses_report_at_the_end() {
    let mut relay = relay(Endpoint::Responses);
    tell(&mut relay, r#"{"type":"response.created","response":{"usage":null}}"#);
    assert_eq!((relay.usage(), relay.usage_is_final()), (None, false));
    let response = r#"{"service_tier":"flex","usage":{"input_tokens":1,"output_tokens":2}}"#;
    tell(&mut relay, &format!(r#"{{"type":"response.completed","response":{response}}}"#));
    let usage = Usage { input: 1, output: 2, tier: ServiceTier::Flex, ..Usage::default() };
    assert_eq!((relay.usage(), relay.usage_is_final()), (Some(usage), true));
}

#[test]
fn messages_report_twice() {
    let mut relay = relay(Endpoint::Messages);
    let usage = r#"{"input_tokens":4,"cache_creation_input_tokens":10,"cache_read_input_tokens":20,
        "cache_creation":{"ephemeral_5m_input_tokens":7,"ephemeral_1h_input_tokens":3},
        "output_tokens":1,"service_tier":"batch"}"#
        .replace('\n', "");
    tell(&mut relay, &format!(r#"{{"type":"message_start","message":{{"usage":{usage}}}}}"#));
    let start = Usage {
        input: 34,
        output: 1,
        cache_read: 20,
        cache_write: 7,
        cache_write_1h: 3,
        tier: ServiceTier::Batch,
        ..Usage::default()
    };
    assert_eq!((relay.usage(), relay.usage_is_final()), (Some(start), false));
    tell(&mut relay, r#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":5}}"#);
    assert!(!relay.usage_is_final());
    let usage = r#"{"input_tokens":0,"output_tokens":9,"output_tokens_details":{"thinking_tokens":2}}"#;
    tell(
        &mut relay,
        &format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{usage}}}"#),
    );
    assert_eq!(relay.usage(), Some(Usage { output: 9, reasoning: 2, ..start }));
    assert!(relay.usage_is_final());
}

/// Streams in which events nearly repeat: what the shortcut takes for a repetition must be one.
#[test]
fn nearly_repeating_events_are_read_as_if_alone() {
    let base = chunk(r#"{"content":"one"}"#);
    let padded = |text: &str| format!("{},\"obfuscation\":\"{text}\"}}", base.strip_suffix('}').unwrap());
    let events = [
        base.clone(),
        base.replace("one", "two \\\" three"),
        base.replace("one", ""),
        base.replace("\"one\"", "null"),
        base.replace("one", "é"),
        padded("xx"),
        padded("yyyy"),
        base.replace("\"index\":0", "\"index\":1"),
        base.replace("content", "reasoning_content"),
        base.replace("\"finish_reason\":null", "\"finish_reason\":\"stop\""),
        base.replace(",\"choices\"", ",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2},\"choices\""),
        base.replace("\"up\"", "\"other\""),
        base.replace('{', "{ "),
        "[DONE]".to_owned(),
    ];
    for first in &events {
        for second in &events {
            let mut text = String::new();
            let mut expected = (String::new(), 0, None, false);
            for data in [first, first, second] {
                let event = format!("data: {data}\n\n");
                let mut alone = showing(Endpoint::ChatCompletions, "shown");
                expected.0 += &feed(&mut alone, &event);
                expected.1 += alone.content_bytes();
                expected.2 = alone.finish_reason().map(str::to_owned).or(expected.2);
                expected.3 |= alone.is_complete();
                text += &event;
            }
            let mut relay = showing(Endpoint::ChatCompletions, "shown");
            let out = feed(&mut relay, &text);
            let seen =
                (out, relay.content_bytes(), relay.finish_reason().map(str::to_owned), relay.is_complete());
            assert_eq!(seen, expected);
        }
    }
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    prop::sample::select(vec![Endpoint::ChatCompletions, Endpoint::Responses, Endpoint::Messages])
}

/// An event that repeats, with text in it.
fn repeating(endpoint: Endpoint) -> String {
    let data = match endpoint {
        Endpoint::Responses => {
            r#"{"type":"response.output_text.delta","sequence_number":7,"delta":"one","obfuscation":"xyz"}"#
                .to_owned()
        }
        Endpoint::Messages => {
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"one"}   }"#
                .to_owned()
        }
        _ => chunk(r#"{"content":"one"}"#),
    };
    format!("event: e\ndata: {data}\n\n")
}

proptest! {
    #[test]
    fn nothing_is_added_lost_or_reordered(
        endpoint in endpoint(),
        text in "((data: |event: |: )?[a-z{}\":,\\[\\] ]{0,20}(\r|\n|\r\n){1,2}){0,6}",
        step in 1usize..30,
    ) {
        let mut relay = relay(endpoint);
        let mut out = BytesMut::new();
        for chunk in text.as_bytes().chunks(step) {
            relay.feed(chunk, &mut out).unwrap();
        }
        relay.finish(&mut out);
        prop_assert!(text.as_bytes().starts_with(&out));
        // What is held back at the end is one event without its blank line.
        let left = &text.as_bytes()[out.len()..];
        prop_assert!(!["\n\n", "\r\r", "\n\r"].iter().any(|end| left.windows(2).any(|pair| pair == end.as_bytes())));
    }

    #[test]
    fn a_damaged_repetition_is_read_as_if_alone(
        endpoint in endpoint(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), "[ -~\n\r\u{e9}]{0,2}", 0usize..3), 0..3),
    ) {
        let first = repeating(endpoint);
        let mut second = first.clone().into_bytes();
        for (at, with, cut) in damage {
            let at = at.index(second.len());
            let end = second.len().min(at + cut);
            second.splice(at..end, with.bytes());
        }
        let mut together = showing(endpoint, "shown");
        let mut alone = showing(endpoint, "shown");
        let before = feed(&mut together, first.repeat(2));
        prop_assert_eq!(before.len(), feed(&mut showing(endpoint, "shown"), &first).len() * 2);
        let bytes = together.content_bytes();
        let read = |relay: &mut Relay| {
            let mut out = BytesMut::new();
            relay.feed(&second, &mut out).unwrap();
            relay.finish(&mut out);
            (out, relay.finish_reason().map(str::to_owned), relay.failure().cloned(), relay.usage())
        };
        prop_assert_eq!(read(&mut together), read(&mut alone));
        prop_assert_eq!(together.content_bytes() - bytes, alone.content_bytes());
    }
}

#[test]
fn what_only_one_deployment_can_use_is_sealed_in_every_event() {
    let sealing = Sealing::new(|bound, text| Some(format!("{bound:?}-{text}")));
    let mut relay = showing(Endpoint::Responses, "shown").sealing(Some(sealing));
    let created = r#"{"type":"response.created","response":{"id":"resp_1","previous_response_id":"resp_0","model":"up","output":[]},"sequence_number":0}"#;
    let item = r#"{"type":"response.output_item.done","item":{"id":"rs_1","type":"reasoning","encrypted_content":"gA=="}}"#;
    let delta = r#"{"type":"response.output_text.delta","item_id":"msg_1","delta":"Hi"}"#;
    let completed = r#"{"type":"response.completed","response":{"output":[{"encrypted_content":"gA=="},{"id":"m"}],"status":"completed","model":"up","id":"resp_1"}}"#;
    for (event, expected) in [
        (created, created.replace("resp_", "ResponseId-resp_").replace("\"up\"", "\"shown\"")),
        (item, item.replace("gA==", "Content-gA==")),
        (delta, delta.to_owned()),
        (delta, delta.to_owned()),
        (
            completed,
            completed
                .replace("gA==", "Content-gA==")
                .replace("resp_1", "ResponseId-resp_1")
                .replace("\"up\"", "\"shown\""),
        ),
    ] {
        let out = feed(&mut relay, format!("event: x\ndata: {event}\n\n"));
        assert_eq!(out, format!("event: x\ndata: {expected}\n\n"));
    }
    assert!(relay.is_complete());
}

#[test]
fn sealed_events_are_the_same_wherever_they_are_cut() {
    let relay = || {
        let sealing = Sealing::new(|bound, text| Some(format!("{bound:?}-{text}")));
        showing(Endpoint::Responses, "shown").sealing(Some(sealing))
    };
    let text = "data: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"model\":\"up\"}}\r\n\r\ndata: \
                {\"item\":{\"encrypted_content\":\"g\\/A\"},\"type\":\"response.output_item.done\"}\n\n";
    let whole = feed(&mut relay(), text);
    assert!(whole.contains("\"ResponseId-resp_1\"") && whole.contains("\"Content-g/A\""), "{whole}");
    for cut in 0..text.len() {
        let mut relay = relay();
        let first = feed(&mut relay, &text.as_bytes()[..cut]);
        assert_eq!(first + &feed(&mut relay, &text.as_bytes()[cut..]), whole, "{cut}");
    }
}

#[test]
fn without_sealing_everything_stays() {
    let event = "data: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"model\":\"up\"}}\n\n";
    assert_eq!(feed(&mut relay(Endpoint::Responses), event), event);
}
