//! Time grows as the input does. What is quadratic takes 64 times as long for eight times as much.

use bulkhead_dialect::translate::{Dialect, Stream, answer, request};
use bytes::BytesMut;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

use super::cut::hash;
use super::frames::as_events;
use super::translate::{answer_options, request_options};

/// A fuzzer looks closer than the suite has time for.
const SHORT: usize = if cfg!(test) { 4 << 10 } else { 16 << 10 };
const TIMES: usize = 8;
/// What a busy machine may add, beside a part that does not grow.
const SLACK: u64 = 3;
const NOISE_NS: u64 = 2_000_000;

/// Makes one part of the input long: an array, a text or an object, and of a stream an event.
pub(crate) fn check(dialect: Dialect, input: &[u8]) {
    if let Ok(body) = serde_json::from_slice::<Value>(input) {
        let [short, long] = [SHORT, SHORT * TIMES].map(|size| grown(&body, hash(input), size));
        for to in Dialect::ALL {
            grows(|body| drop(request(dialect, to, body, &request_options(input))), &short, &long);
            grows(|body| drop(answer(dialect, to, body, answer_options(input))), &short, &long);
        }
    } else {
        let [short, long] = [SHORT, SHORT * TIMES].map(|size| repeated(dialect, input, size));
        for to in Dialect::ALL {
            let run = |body: &[u8]| {
                let mut stream = Stream::new(dialect, to, answer_options(input));
                let mut out = BytesMut::new();
                body.chunks(1000).for_each(|chunk| stream.feed(chunk, &mut out).unwrap());
                stream.finish(&mut out);
            };
            grows(run, &short, &long);
        }
    }
}

fn grows(work: impl Fn(&[u8]), short: &[u8], long: &[u8]) {
    let times = u64::try_from(long.len() / short.len().max(1) + 1).unwrap() * SLACK;
    let mut told = (0, 0);
    // Another measurement only where the first one looks bad: noise does not come back each time.
    for _ in 0..4 {
        told = (time(&work, short), time(&work, long));
        if told.1 <= told.0 * times + NOISE_NS {
            return;
        }
    }
    panic!("{} ns for {} bytes, {} ns for {}", told.0, short.len(), told.1, long.len());
}

/// Nanoseconds that this thread was on a processor: a busy machine does not count.
fn time(work: impl Fn(&[u8]), body: &[u8]) -> u64 {
    let on_cpu = || {
        let told = clock_gettime(ClockId::ThreadCPUTime);
        u64::try_from(told.tv_sec * 1_000_000_000 + told.tv_nsec).unwrap()
    };
    let start = on_cpu();
    work(body);
    on_cpu() - start
}

/// The body with one of its parts repeated up to about a size.
fn grown(body: &Value, pick: u64, size: usize) -> Vec<u8> {
    fn parts(value: &Value) -> u64 {
        match value {
            Value::Array(list) => 1 + list.iter().map(parts).sum::<u64>(),
            Value::Object(map) => 1 + map.values().map(parts).sum::<u64>(),
            Value::String(_) => 1,
            _ => 0,
        }
    }
    fn grow(value: &mut Value, at: &mut u64, size: usize) {
        if matches!(value, Value::Array(_) | Value::Object(_) | Value::String(_)) {
            if *at == 0 {
                repeat(value, size);
            }
            *at = at.wrapping_sub(1);
        }
        match value {
            Value::Array(list) => list.iter_mut().for_each(|value| grow(value, at, size)),
            Value::Object(map) => map.values_mut().for_each(|value| grow(value, at, size)),
            _ => {}
        }
    }
    let mut body = body.clone();
    let mut at = pick % parts(&body).max(1);
    grow(&mut body, &mut at, size);
    serde_json::to_vec(&body).unwrap()
}

fn repeat(value: &mut Value, size: usize) {
    let times = size / value.to_string().len().max(1) + 1;
    match value {
        Value::Array(list) => *list = std::iter::repeat_n(list.clone(), times).flatten().collect(),
        Value::String(text) => *text = text.repeat(times),
        Value::Object(map) => {
            let members: Vec<_> = map.clone().into_iter().collect();
            for time in 0..times {
                map.extend(members.iter().map(|(name, value)| (format!("{name}{time}"), value.clone())));
            }
        }
        _ => {}
    }
}

/// The stream with one of its events repeated.
fn repeated(dialect: Dialect, input: &[u8], size: usize) -> Vec<u8> {
    let text = String::from_utf8_lossy(input);
    let events: Vec<&str> = text.split_inclusive("\n\n").collect();
    let picked = usize::try_from(hash(input) % 1024).unwrap() % events.len().max(1);
    let mut body = String::new();
    for (at, event) in events.iter().enumerate() {
        let times = if at == picked { size / event.len().max(1) + 1 } else { 1 };
        body.push_str(&event.repeat(times));
    }
    if dialect == Dialect::Converse { as_events(body.as_bytes()) } else { body.into_bytes() }
}
