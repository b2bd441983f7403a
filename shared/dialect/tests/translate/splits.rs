//! However a stream is cut, the client gets the same.

use bulkhead_dialect::relay::End;
use bulkhead_dialect::translate::{Dialect, Stream};
use bulkhead_model::Usage;
use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::Value;

use super::cases::{Case, cases, options};
use super::matrix::seen;
use super::seen;

#[derive(Debug, PartialEq)]
struct Got {
    out: Vec<u8>,
    end: End,
    usage: Option<Usage>,
    usage_is_final: bool,
    content_bytes: u64,
    has_content: bool,
    finish: Option<String>,
    failure: Option<String>,
}

fn run<'a>(case: &Case, client: Dialect, chunks: impl IntoIterator<Item = &'a [u8]>) -> Got {
    let mut stream = Stream::new(case.dialect, client, options());
    let mut out = BytesMut::new();
    for chunk in chunks {
        stream.feed(chunk, &mut out).unwrap();
    }
    let end = stream.finish(&mut out);
    Got {
        out: out.to_vec(),
        end,
        usage: stream.usage(),
        usage_is_final: stream.usage_is_final(),
        content_bytes: stream.content_bytes(),
        has_content: stream.has_content(),
        finish: stream.finish_reason().map(str::to_owned),
        failure: stream.failure().map(|failure| failure.message.clone()),
    }
}

fn streams() -> Vec<Case> {
    cases().into_iter().filter(|case| case.streams).collect()
}

#[test]
fn a_stream_cut_at_any_byte_is_the_same() {
    for case in &streams() {
        for client in Dialect::ALL {
            let whole = run(case, client, [&case.body[..]]);
            assert_eq!(run(case, client, case.body.chunks(1)), whole, "{}", case.id);
            if case.body.len() < 2500 {
                for cut in 0..=case.body.len() {
                    let (head, tail) = case.body.split_at(cut);
                    assert_eq!(run(case, client, [head, tail]), whole, "{} at {cut}", case.id);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_stream_cut_at_random_is_the_same(sizes in proptest::collection::vec(1usize..2000, 1..20)) {
        for case in &streams() {
            for client in Dialect::ALL {
                let (mut rest, mut chunks) = (&case.body[..], Vec::new());
                for size in sizes.iter().cycle() {
                    if rest.is_empty() {
                        break;
                    }
                    let (chunk, tail) = rest.split_at(rest.len().min(*size));
                    chunks.push(chunk);
                    rest = tail;
                }
                prop_assert_eq!(run(case, client, chunks), run(case, client, [&case.body[..]]));
            }
        }
    }
}

/// A stream that ends early must not look complete: no finish reason of its own, no end.
#[test]
fn a_cut_stream_is_not_complete() {
    for case in &streams() {
        for client in Dialect::ALL {
            let half = case.body.len() / 2;
            let cut = run(case, client, [&case.body[..half]]);
            if cut.end == End::Truncated {
                let seen = seen::stream(client, &cut.out);
                assert!(!seen.over, "{}", case.id);
            }
        }
    }
}

/// What went through both dialects is what went through one.
#[test]
fn a_round_trip_changes_nothing_that_both_dialects_have() {
    for case in streams().iter().filter(|case| Dialect::ALL.contains(&case.dialect)) {
        for between in Dialect::ALL {
            let there = run(case, between, [&case.body[..]]);
            if there.end == End::Truncated || there.failure.is_some() {
                continue;
            }
            let mut stream = Stream::new(between, case.dialect, options());
            let mut out = BytesMut::new();
            stream.feed(&there.out, &mut out).unwrap();
            assert_eq!(stream.finish(&mut out), End::Complete, "{}", case.id);
            let (direct, back) = (seen(case, case.dialect), seen::stream(case.dialect, &out));
            assert_eq!((&back.text, &back.reasoning), (&direct.text, &direct.reasoning), "{}", case.id);
            // In Google's dialect arguments are objects, so cut ones go along as text.
            let is_cut =
                |(_, arguments): &(String, String)| serde_json::from_str::<Value>(arguments).is_err();
            if between != Dialect::Gemini || !direct.tools.iter().any(is_cut) {
                assert_eq!(back.tools, direct.tools, "{}", case.id);
            }
            // Neither Google's dialect nor messages can say everything that others count.
            let known = |usage: [u64; 4]| {
                if between == Dialect::Gemini { [usage[0], usage[1], usage[2], 0] } else { usage }
            };
            assert!(back.usage == direct.usage.map(known) || direct.usage.is_none(), "{}", case.id);
        }
    }
}

/// Google's dialect has no end but a reason, and a provider may say that it is done before it said anything.
#[test]
fn an_end_without_a_word_before_it_is_an_end_in_every_dialect() {
    for client in Dialect::ALL {
        let mut stream = Stream::new(Dialect::Chat, client, options());
        let (mut out, mut read) = (BytesMut::new(), BytesMut::new());
        stream.feed(b"data: [DONE]\n\n", &mut out).unwrap();
        assert_eq!(stream.finish(&mut out), End::Complete);
        let mut reader = Stream::verbatim(client, &options());
        reader.feed(&out, &mut read).unwrap();
        assert_eq!(reader.finish(&mut read), End::Complete, "{}", client.name());
    }
}

#[test]
fn an_event_that_is_too_long_is_refused() {
    let mut stream = Stream::new(Dialect::Chat, Dialect::Messages, {
        let mut options = options();
        options.max_event = 100;
        options
    });
    let mut out = BytesMut::new();
    assert!(stream.feed(&[b'x'; 101], &mut out).is_err());
    assert!(out.is_empty());
}

/// Data may have several lines, and what is copied out of it must not.
#[test]
fn data_of_several_lines_is_one_event() {
    let mut stream = Stream::new(Dialect::Chat, Dialect::Chat, options());
    let mut out = BytesMut::new();
    let body = "data: {\"choices\":[{\"delta\":{},\"logprobs\":{\ndata: \ndata: \"content\":[]}}]}\n\n";
    stream.feed(body.as_bytes(), &mut out).unwrap();
    let text = String::from_utf8(out.to_vec()).unwrap();
    assert!(text.contains(r#""logprobs":{  "content":[]}"#), "{text}");
    seen::stream(Dialect::Chat, text.as_bytes());
}
