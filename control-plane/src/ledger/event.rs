//! An event as a node sent it: read as far as it can be, and cut to what the database takes.
//!
//! Nodes cut and clean what they send; one that is older may not. Nothing that is in an event may hold up the others.

use bulkhead_model::UnixMillis;
use bulkhead_proto::UsageEvent;
use bytes::{Buf, Bytes};
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};

/// Bytes of a name; longer ones are no names.
const NAME: usize = 256;
const TAGS: usize = 64;
const KEY_HASH: usize = 64;
/// The end of the year 9999. What is later, or before 1970, is no time of an event.
const LAST: i64 = 253_402_300_799_999;

/// An event with its number.
pub(crate) struct Event {
    pub(crate) seq: i64,
    /// As it was sent.
    pub(crate) sent: Bytes,
    /// What it says, clean.
    pub(crate) said: UsageEvent,
    /// Why it is not one of those that can be stored.
    pub(crate) fault: Option<&'static str>,
}

impl Event {
    /// Reads what a node sent.
    pub(crate) fn read(seq: i64, sent: Bytes, now: UnixMillis) -> Self {
        let (mut said, fault) = match UsageEvent::decode(sent.clone()) {
            Ok(said) => (said, None),
            Err(_) => (legible(sent.clone()), Some("it cannot be decoded")),
        };
        // What has no time is of now, where its time may have been what cannot be read.
        if fault.is_some() && said.time == 0 {
            said.time = now.0;
        }
        let fault = fault.or(said.cost.is_some_and(|cost| cost < 0).then_some("its cost is negative"));
        clean(&mut said);
        Self { seq, sent, said, fault }
    }

    /// The day that it is of, counted from 1970.
    pub(crate) fn day(&self) -> i64 {
        self.said.time.div_euclid(86_400_000)
    }
}

/// The fields that can be read of an event that cannot.
fn legible(mut rest: Bytes) -> UsageEvent {
    let mut said = UsageEvent::default();
    while rest.has_remaining() {
        let mut after = rest.clone();
        let skipped = decode_key(&mut after)
            .and_then(|(tag, wire)| skip_field(wire, tag, &mut after, DecodeContext::default()));
        if skipped.is_err() {
            break;
        }
        let field = rest.split_to(rest.len() - after.len());
        // One field that says nothing leaves the others.
        let _ = said.merge(field);
    }
    said
}

/// Texts without NUL and of a length that every index takes, numbers that a bigint holds, money that only grows.
///
/// A negative cost counts as nothing: by it one wrong number could hide what others spent.
fn clean(said: &mut UsageEvent) {
    let UsageEvent {
        time,
        call_id,
        call_type,
        stream: _,
        failure,
        model,
        model_group,
        provider,
        provider_model,
        deployment,
        key_id,
        key_hash,
        key_alias,
        team,
        user,
        organization,
        end_user,
        tags,
        source: _,
        input_tokens,
        output_tokens,
        cache_read_tokens,
        cache_write_tokens,
        cache_write_1h_tokens,
        reasoning_tokens,
        input_audio_tokens,
        output_audio_tokens,
        service_tier,
        cost,
        bound,
        duration_ms,
        first_byte_ms,
        requests,
        failures,
        endpoint,
        leg,
        handed_on,
        retries,
        fallbacks,
        first_token_ms,
        upstream_ms,
        overhead_us,
        rule,
        status,
    } = said;
    *time = (*time).clamp(0, LAST);
    let texts = [
        call_id,
        call_type,
        model,
        model_group,
        provider,
        provider_model,
        deployment,
        key_id,
        key_alias,
        team,
        user,
        organization,
        end_user,
        service_tier,
        endpoint,
        rule,
    ];
    texts.into_iter().chain(failure.as_mut()).chain(tags.iter_mut()).for_each(clean_text);
    tags.truncate(TAGS);
    key_hash.truncate(KEY_HASH);
    let numbers = [
        input_tokens,
        output_tokens,
        cache_read_tokens,
        cache_write_tokens,
        cache_write_1h_tokens,
        reasoning_tokens,
        input_audio_tokens,
        output_audio_tokens,
        duration_ms,
        overhead_us,
        requests,
        failures,
    ];
    let times = [first_byte_ms, first_token_ms, upstream_ms];
    for number in numbers.into_iter().chain(times.into_iter().flatten()) {
        *number = (*number).min(i64::MAX.cast_unsigned());
    }
    for small in [leg, retries, fallbacks, status] {
        *small = (*small).min(i32::MAX.cast_unsigned());
    }
    // The leg that followed is the request.
    let (least, most) = if *handed_on { (0, 0) } else { (1, u64::MAX) };
    *requests = (*requests).clamp(least, most);
    *failures = (*failures).max(u64::from(failure.is_some())).min(*requests);
    for amount in [cost, bound].into_iter().flatten() {
        *amount = (*amount).max(0);
    }
}

fn clean_text(text: &mut String) {
    text.truncate(text.floor_char_boundary(NAME));
    if text.contains('\0') {
        *text = text.replace('\0', " ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &UsageEvent) -> Event {
        Event::read(1, said.encode_to_vec().into(), UnixMillis(5))
    }

    #[test]
    fn what_a_database_takes_is_left_as_it_is() {
        let said = UsageEvent {
            time: 1,
            key_id: "k".to_owned(),
            tags: vec!["a".to_owned()],
            input_tokens: 7,
            cost: Some(3),
            requests: 1,
            ..UsageEvent::default()
        };
        let event = read(&said);
        assert!(event.said == said && event.fault.is_none());
    }

    #[test]
    fn texts_and_numbers_are_cut() {
        let event = read(&UsageEvent {
            time: i64::MAX,
            key_id: "a\0b".to_owned(),
            user: "ä".repeat(400),
            tags: vec!["\0".to_owned(); 100],
            failure: Some("\0".to_owned()),
            input_tokens: u64::MAX,
            first_byte_ms: Some(u64::MAX),
            failures: 9,
            ..UsageEvent::default()
        });
        assert_eq!((event.said.key_id.as_str(), event.said.user.len()), ("a b", 256));
        assert_eq!((event.said.tags, event.said.failure), (vec![" ".to_owned(); 64], Some(" ".to_owned())));
        assert_eq!((event.said.input_tokens, event.said.time), (i64::MAX.cast_unsigned(), LAST));
        assert_eq!((event.said.requests, event.said.failures), (1, 1));
    }

    #[test]
    fn what_was_handed_on_is_no_request_and_no_failure() {
        let said = UsageEvent { handed_on: true, failure: Some("f".to_owned()), ..UsageEvent::default() };
        for requests in [0, 7] {
            let event = read(&UsageEvent { requests, failures: requests, ..said.clone() });
            assert_eq!((event.said.requests, event.said.failures), (0, 0));
        }
    }

    #[test]
    fn a_negative_cost_is_a_fault_and_counts_as_nothing() {
        let event = read(&UsageEvent { cost: Some(-5), ..UsageEvent::default() });
        assert_eq!((event.said.cost, event.fault), (Some(0), Some("its cost is negative")));
        assert_eq!(read(&UsageEvent::default()).fault, None);
    }

    #[test]
    fn of_what_cannot_be_decoded_everything_that_can_be_read_is_kept() {
        let mut sent = UsageEvent { key_id: "k".to_owned(), ..UsageEvent::default() }.encode_to_vec();
        // A model that is not UTF-8, then the cost, then a field that is cut off.
        sent.extend([0x32, 2, 0xff, 0xfe]);
        sent.extend(UsageEvent { cost: Some(42), ..UsageEvent::default() }.encode_to_vec());
        sent.extend([0x3a, 200, 1]);
        let event = Event::read(1, sent.into(), UnixMillis(5));
        assert_eq!(event.fault, Some("it cannot be decoded"));
        assert_eq!((event.said.key_id.as_str(), event.said.cost, event.said.time), ("k", Some(42), 5));
        let event = Event::read(1, Bytes::from_static(b"\xff\xff"), UnixMillis(5));
        assert!(event.said == UsageEvent { time: 5, requests: 1, ..UsageEvent::default() });
    }
}
