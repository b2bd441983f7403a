//! Sums in place of events that there is no room for: money is kept, detail is not (design §8).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io;

use bulkhead_proto::usage_batch::What;
use bulkhead_proto::{UsageBatch, UsageEvent};
use bulkhead_sealed::{Damage, Frames, Seal, StateKeys, Writer};
use bytes::Bytes;
use prost::Message;

use super::Incarnation;
use super::files::{Dir, SegmentName};
use super::read::batch;
use super::record::{Content, Frame};

const HOUR: i64 = 3_600_000;
/// A batch is taken as a whole: sums larger than this are split.
const PART: usize = 1 << 20;

/// Numbers of an incarnation, and what their events sum up to.
pub(super) struct Part {
    pub(super) first: u64,
    pub(super) last: u64,
    sums: Vec<Bytes>,
}

impl Part {
    /// Sums up the events from this number on.
    pub(super) fn of(first: u64, events: &[Bytes]) -> Vec<Self> {
        let Some(last) = (events.len() as u64).checked_sub(1).map(|more| first.saturating_add(more)) else {
            return Vec::new();
        };
        let sums = sum(events.iter());
        if events.len() < 2 || sums.iter().map(Bytes::len).sum::<usize>() <= PART {
            return vec![Self { first, last, sums }];
        }
        let (one, other) = events.split_at(events.len() / 2);
        let middle = first.saturating_add(one.len() as u64);
        Self::of(first, one).into_iter().chain(Self::of(middle, other)).collect()
    }

    /// Sums up parts that follow one another, as far as what comes of it is not too large.
    pub(super) fn merge(parts: Vec<Self>) -> Vec<Self> {
        let mut merged: Vec<Self> = Vec::new();
        for part in parts {
            let joined = merged.last().filter(|before| before.last.saturating_add(1) == part.first);
            let joined = joined.map(|before| sum(before.sums.iter().chain(&part.sums)));
            match (merged.last_mut(), joined) {
                (Some(before), Some(sums)) if sums.iter().map(Bytes::len).sum::<usize>() <= PART => {
                    (before.last, before.sums) = (part.last, sums);
                }
                _ => merged.push(part),
            }
        }
        merged
    }

    pub(super) fn batch(self, incarnation: Incarnation) -> UsageBatch {
        batch(incarnation, self.first, self.last, What::Sums, self.sums)
    }

    /// Writes the file of these sums: a frame for the numbers that it stands for, and one for each part.
    pub(super) fn write_all(
        dir: &Dir,
        keys: &StateKeys,
        name: &SegmentName,
        last: u64,
        parts: &[Self],
    ) -> io::Result<u64> {
        let mut len = 0;
        dir.write_whole(name, |file| {
            let (seal, header) = Seal::fresh(name.sealed_as(), keys.current())?;
            let mut writer = Writer::new(file, seal, &header)?;
            writer.frame(Content::new(name.incarnation, last).into_bytes())?;
            for part in parts {
                let mut content = Content::new(name.incarnation, part.first);
                // What stands for the number of an exchange is the last number here.
                part.sums.iter().for_each(|sum| content.event(part.last, sum));
                writer.frame(content.into_bytes())?;
            }
            len = writer.len;
            Ok(())
        })?;
        Ok(len)
    }

    /// The last number that a file stands for.
    pub(super) fn read_last(dir: &Dir, keys: &StateKeys, name: &SegmentName) -> Result<u64, Damage> {
        Ok(Self::open(dir, keys, name)?.1)
    }

    pub(super) fn read_all(dir: &Dir, keys: &StateKeys, name: &SegmentName) -> Result<Vec<Self>, Damage> {
        let (mut frames, _) = Self::open(dir, keys, name)?;
        let mut parts = Vec::new();
        while let Some(content) = frames.read()? {
            let frame = Frame::parse(content).ok_or(Damage::Foreign)?;
            let last = frame.events.first().map(|(last, _)| *last).ok_or(Damage::Foreign)?;
            let sums = frame.events.into_iter().map(|(_, sum)| sum).collect();
            parts.push(Self { first: frame.first, last, sums });
        }
        Ok(parts)
    }

    fn open(dir: &Dir, keys: &StateKeys, name: &SegmentName) -> Result<(Frames, u64), Damage> {
        let mut frames = Frames::open(name.sealed_as(), File::open(dir.path(name))?, keys)?;
        let begin = frames.read()?.ok_or(Damage::Torn)?;
        let last = Frame::parse(begin).ok_or(Damage::Foreign)?.first;
        Ok((frames, last))
    }
}

/// What belongs to one sum. Money that is not known is not added to money that is.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Of {
    hour: i64,
    key: String,
    team: String,
    user: String,
    group: String,
    deployment: String,
    provider: String,
    endpoint: String,
    source: i32,
    priced: bool,
    bounded: bool,
}

fn sum<'e>(events: impl Iterator<Item = &'e Bytes>) -> Vec<Bytes> {
    let mut sums: BTreeMap<Of, UsageEvent> = BTreeMap::new();
    // What cannot be decoded was not encoded here: the frame's checksum would not fit.
    for event in events.filter_map(|event| UsageEvent::decode(event.clone()).ok()) {
        let event = alone(event);
        match sums.entry(of(&event)) {
            Entry::Vacant(place) => drop(place.insert(event)),
            Entry::Occupied(mut sum) => add(sum.get_mut(), event),
        }
    }
    sums.into_values().map(|sum| sum.encode_to_vec().into()).collect()
}

fn of(event: &UsageEvent) -> Of {
    Of {
        hour: event.time,
        key: event.key_id.clone(),
        team: event.team.clone(),
        user: event.user.clone(),
        group: event.model_group.clone(),
        deployment: event.deployment.clone(),
        provider: event.provider.clone(),
        endpoint: event.endpoint.clone(),
        source: event.source,
        priced: event.cost.is_some(),
        bounded: event.bound.is_some(),
    }
}

/// The sum of one event. What was handed on is no request: the leg after it is.
fn alone(event: UsageEvent) -> UsageEvent {
    let failed = u64::from(event.failure.is_some() && !event.handed_on);
    UsageEvent {
        time: event.time.div_euclid(HOUR).saturating_mul(HOUR),
        call_id: String::new(),
        failures: if event.requests == 0 { failed } else { event.failures },
        requests: event.requests.max(u64::from(!event.handed_on)),
        failure: None,
        end_user: String::new(),
        tags: Vec::new(),
        first_byte_ms: None,
        leg: 0,
        retries: 0,
        fallbacks: 0,
        first_token_ms: None,
        upstream_ms: None,
        rule: String::new(),
        status: 0,
        ..event
    }
}

fn add(sum: &mut UsageEvent, event: UsageEvent) {
    let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
    let add_money = |to: &mut Option<i64>, more: Option<i64>| {
        *to = to.map(|money| money.saturating_add(more.unwrap_or_default()));
    };
    add(&mut sum.input_tokens, event.input_tokens);
    add(&mut sum.output_tokens, event.output_tokens);
    add(&mut sum.cache_read_tokens, event.cache_read_tokens);
    add(&mut sum.cache_write_tokens, event.cache_write_tokens);
    add(&mut sum.cache_write_1h_tokens, event.cache_write_1h_tokens);
    add(&mut sum.reasoning_tokens, event.reasoning_tokens);
    add(&mut sum.input_audio_tokens, event.input_audio_tokens);
    add(&mut sum.output_audio_tokens, event.output_audio_tokens);
    add(&mut sum.duration_ms, event.duration_ms);
    add(&mut sum.overhead_us, event.overhead_us);
    add(&mut sum.requests, event.requests);
    add(&mut sum.failures, event.failures);
    add_money(&mut sum.cost, event.cost);
    add_money(&mut sum.bound, event.bound);
    sum.stream &= event.stream;
    sum.handed_on &= event.handed_on;
    // What is not the same for all is said of none.
    keep_same(&mut sum.model, &event.model);
    keep_same(&mut sum.provider_model, &event.provider_model);
    keep_same(&mut sum.service_tier, &event.service_tier);
}

fn keep_same(of_all: &mut String, of_one: &str) {
    if of_all != of_one {
        of_all.clear();
    }
}
