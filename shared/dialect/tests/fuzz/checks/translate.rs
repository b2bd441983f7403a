//! Translations of anything into every dialect.

use bulkhead_dialect::fit::{Fit, Members};
use bulkhead_dialect::json::view::{find, part};
use bulkhead_dialect::providers::provider;
use bulkhead_dialect::relay::End;
use bulkhead_dialect::sse::Framer;
use bulkhead_dialect::translate::{
    AnswerOptions, Dialect, Plan, ReasoningStyle, RequestOptions, Stream, TranslateError, answer, request,
};
use bytes::BytesMut;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::cut::{hash, ways};
use super::frames::{as_events, payloads};
use super::json::listed;

pub(crate) fn request_of(from: Dialect, input: &[u8]) {
    for to in Dialect::UPSTREAMS {
        match request(from, to, input, &request_options(input)) {
            Ok(done) => sent(to, input, &done.body),
            Err(error) => says_where(&error),
        }
    }
    fits(from, input);
}

/// What is put right of messages in their own dialect is JSON as before, and nothing is left to be put right.
fn fits(dialect: Dialect, input: &[u8]) {
    let fits: &[Fit] = match dialect {
        Dialect::Chat => &[
            Fit::Chat { without_marks: true, as_mistral: true, as_system: true },
            Fit::Chat { without_marks: true, as_mistral: false, as_system: false },
            Fit::Chat { without_marks: false, as_mistral: true, as_system: false },
        ],
        Dialect::Messages => &[Fit::Messages],
        Dialect::Converse => &[Fit::Converse],
        _ => &[],
    };
    if serde_json::from_slice::<IgnoredAny>(input).is_err() {
        return;
    }
    let Some(messages) = find(input, "messages").map(|range| part(input, range)) else { return };
    for fit in fits {
        let Some(right) = fit.messages(messages) else { continue };
        assert!(serde_json::from_slice::<IgnoredAny>(&right).is_ok(), "{fit:?}: {}", lossy(&right));
        assert_eq!(fit.messages(&right), None, "{fit:?}: {}", lossy(&right));
    }
}

/// What is sent is an object that the upstream's own reader takes, and has no null that the client did not send.
fn sent(to: Dialect, input: &[u8], body: &[u8]) {
    let Some(read) = parsed(body) else { return };
    let mut names: Vec<String> = listed(body).unwrap_or_default().into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert!(
        !names.is_empty() && names.windows(2).all(|pair| pair[0] != pair[1]),
        "a member twice: {}",
        lossy(body)
    );
    let said_null = memchr::memmem::find(input, b"null").is_some();
    assert!(said_null || !has_null(&read), "a null of nobody's: {read}");
    if !Dialect::ALL.contains(&to) {
        return;
    }
    if let Err(error) = request(to, to, body, &RequestOptions::default()) {
        // What one dialect does not know may be written as it is, and then is said to be unknown.
        assert!(!matches!(error, TranslateError::Json(_)), "{error}: {read}");
    }
}

fn says_where(error: &TranslateError) {
    match error {
        TranslateError::Json(_) | TranslateError::NoAnswer => {}
        TranslateError::Invalid { name, .. } => assert!(!name.is_empty()),
        TranslateError::Refused { name, what } => assert!(!name.is_empty() && !what.is_empty()),
        TranslateError::NoUpstream | TranslateError::NoClient => panic!("{error}"),
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

/// Options that depend on the bytes, so that all ways to write are taken.
pub(crate) fn request_options(input: &[u8]) -> RequestOptions<'static> {
    let bits = hash(input);
    let bit = |at: u32| bits >> at & 1 == 1;
    RequestOptions {
        model: bit(0).then_some("m"),
        base_model: bit(11).then_some("m"),
        stream: bit(1).then_some(bit(2)),
        max_tokens: 4096,
        reasoning: match bits >> 3 & 3 {
            0 => ReasoningStyle::None,
            1 => ReasoningStyle::Adaptive,
            _ => ReasoningStyle::Fixed,
        },
        output_schema: bit(5),
        cache_control: bit(6),
        reasoning_content: bit(7),
        developer: bit(12),
        max_completion_tokens: bit(8),
        members: members(bits >> 13 & 3),
        stream_usage: bit(9),
        gemini_api: bit(10),
    }
}

fn members(bits: u64) -> Members {
    let of = |name, model| Members::of(provider(name).unwrap_or_else(|| panic!("no {name}")), model);
    match bits {
        0 => of("mistral", "m"),
        1 => of("openai", "o3"),
        2 => of("openai", "gpt-5.5"),
        _ => Members::default(),
    }
}

pub(crate) fn answer_options(input: &[u8]) -> AnswerOptions {
    let bits = hash(input);
    let bit = |at: u32| bits >> at & 1 == 1;
    AnswerOptions {
        shown_model: bit(0).then(|| "shown".to_owned()),
        id: "id-1".to_owned(),
        created: 1_700_000_000,
        plan: Plan {
            output_tool: bit(1) && bit(2),
            include_usage: bit(3),
            plain_tools: bit(4).then(|| "get_weather".to_owned()).into_iter().collect(),
            ..Plan::default()
        },
        max_event: usize::MAX,
        input_tokens: None,
        json_array: false,
    }
}

pub(crate) fn answer_of(upstream: Dialect, input: &[u8]) {
    for client in Dialect::ALL {
        match answer(upstream, client, input, answer_options(input)) {
            Ok(done) => {
                let Some(read) = parsed(&done.body) else { continue };
                assert!(read.is_object());
                let again = answer(client, client, &done.body, AnswerOptions::default());
                assert!(again.is_ok(), "{} cannot be read back: {read}", client.name());
            }
            Err(error) => says_where(&error),
        }
    }
}

pub(crate) fn stream_of(upstream: Dialect, input: &[u8]) {
    let frames = (upstream == Dialect::Converse).then(|| as_events(input));
    let body = frames.as_deref().unwrap_or(input);
    for client in Dialect::ALL {
        let [whole, bytes, odd] = ways(body);
        let whole = streamed(upstream, client, body, &whole);
        assert_eq!(whole, streamed(upstream, client, body, &odd));
        // Byte by byte takes its time.
        if hash(body).is_multiple_of(8) {
            assert_eq!(whole, streamed(upstream, client, body, &bytes));
        }
        events(client, &whole.out);
        read_back(client, &whole);
    }
}

#[derive(Debug, PartialEq)]
struct Got {
    out: Vec<u8>,
    end: End,
    failed: bool,
    has_reason: bool,
    told: String,
}

fn streamed(upstream: Dialect, client: Dialect, body: &[u8], chunks: &[&[u8]]) -> Got {
    let mut stream = Stream::new(upstream, client, answer_options(body));
    let mut out = BytesMut::new();
    chunks.iter().for_each(|chunk| stream.feed(chunk, &mut out).unwrap());
    let end = stream.finish(&mut out);
    let told = format!(
        "{:?} {:?} {:?} {} {} {}",
        stream.failure(),
        stream.usage(),
        stream.finish_reason(),
        stream.content_bytes(),
        stream.has_content(),
        stream.usage_is_final()
    );
    let (failed, has_reason) = (stream.failure().is_some(), stream.finish_reason().is_some());
    Got { out: out.to_vec(), end, failed, has_reason, told }
}

/// JSON, unless it is more than this parser takes: what arrives just within the limit of depth may leave inside of
/// something, and half a surrogate of the client's goes along where it stands in what is not read.
fn parsed(text: &[u8]) -> Option<Value> {
    match serde_json::from_slice(text) {
        Ok(read) => Some(read),
        Err(_) if serde_json::from_slice::<IgnoredAny>(text).is_ok() => None,
        Err(error) => panic!("{error}: {}", lossy(text)),
    }
}

/// Every event is whole and holds JSON, under the name that it has.
fn events(client: Dialect, out: &[u8]) {
    if client == Dialect::Converse {
        payloads(out).iter().for_each(|payload| drop(parsed(payload)));
        return;
    }
    let mut framer = Framer::new(usize::MAX);
    framer.push(out.to_vec().into());
    while let Some(frame) = framer.next().unwrap() {
        let data = frame.data();
        if *data == *b"[DONE]" {
            continue;
        }
        let Some(event) = parsed(&data) else { continue };
        if matches!(client, Dialect::Messages | Dialect::Responses) {
            assert_eq!(frame.event(), event["type"].as_str());
        }
    }
    assert!(framer.leftover().is_empty());
}

/// What the client's own reader makes of a stream is what was made of the provider's: whole, failed or cut.
fn read_back(client: Dialect, got: &Got) {
    let mut stream = Stream::verbatim(client, &answer_options(&[]));
    let mut out = BytesMut::new();
    stream.feed(&got.out, &mut out).unwrap();
    let end = stream.finish(&mut out);
    assert_eq!(stream.failure().is_some(), got.failed, "{}: {}", client.name(), lossy(&got.out));
    // Some dialects have an end after the reason, and of a stream that lacks it chat has all there is.
    let lacks_only_its_end = got.end == End::Truncated && got.has_reason;
    let is_same = got.failed || end == got.end || lacks_only_its_end;
    assert!(is_same, "{} is {end:?}: {}", client.name(), lossy(&got.out));
}

fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
