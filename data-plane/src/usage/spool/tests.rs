//! The spool over real files.

mod property;

use std::path::PathBuf;
use std::time::Duration;

use bulkhead_model::{Clock, Secret, UnixMillis};
use bulkhead_proto::{UsageEvent, UsageSource};
use prost::Message;
use tempfile::TempDir;

use super::*;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const ROOMY: Options = Options { cap: 64 << 20, full: Full::Fold };

fn keys(token: &str) -> StateKeys {
    StateKeys::from_join_token(&Secret::new(token))
}

/// An event that is known by its cost.
fn event(cost: i64, key: &str) -> UsageEvent {
    UsageEvent {
        time: NOW.0,
        call_id: "x".repeat(200),
        key_id: key.to_owned(),
        source: UsageSource::Reported.into(),
        input_tokens: 10,
        cost: Some(cost),
        ..UsageEvent::default()
    }
}

fn encoded(event: &UsageEvent) -> Bytes {
    event.encode_to_vec().into()
}

/// What is begun, and costs so much at most.
fn begun(bound: i64) -> Bytes {
    let (source, failure) = (UsageSource::Unknown.into(), Some("crash".to_owned()));
    encoded(&UsageEvent { source, failure, cost: Some(0), bound: Some(bound), ..event(0, "key") })
}

/// A node's spool, as its process has it.
struct Rig {
    dir: TempDir,
    clock: Clock,
    options: Options,
    keys: StateKeys,
    writer: SpoolWriter,
    left: Begun,
}

impl Rig {
    fn new(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (clock, keys) = (Clock::manual(NOW), keys("token"));
        let (writer, left) = open(&dir, &keys, options, &clock);
        Self { dir, clock, options, keys, writer, left }
    }

    fn spool(&self) -> Arc<Spool> {
        self.writer.spool().clone()
    }

    /// The process ends, however it does: what was written is there.
    fn restart(&mut self) {
        (self.writer, self.left) = open(&self.dir, &self.keys, self.options, &self.clock);
        self.spool().tend();
    }

    fn write(&mut self, opens: Vec<(u64, Bytes)>, events: Vec<(u64, Bytes)>) {
        let mut batch = Batch { opens, events };
        let (_, outcome) = self.writer.write(&mut batch);
        outcome.unwrap();
    }

    /// Writes an event of this cost and makes it last.
    fn event(&mut self, cost: i64) {
        self.write(Vec::new(), vec![(0, encoded(&event(cost, "key")))]);
        self.spool().tend();
    }

    fn begin(&mut self, exchange: u64, bound: i64) {
        self.write(vec![(exchange, begun(bound))], Vec::new());
        self.spool().tend();
    }

    fn end(&mut self, exchange: u64, cost: i64) {
        self.write(Vec::new(), vec![(exchange, encoded(&event(cost, "key")))]);
        self.spool().tend();
    }

    /// All that is handed out now.
    fn batches(&self) -> Vec<UsageBatch> {
        let spool = self.spool();
        std::iter::from_fn(|| spool.next(1 << 20).unwrap()).collect()
    }

    /// The costs (of what is unknown, the bounds, negative) of all that is handed out now.
    fn costs(&self) -> Vec<i64> {
        self.batches().iter().flat_map(costs).collect()
    }

    /// The files of segments, by number.
    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir.path().join("spool")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = paths.filter(|path| path.extension().is_some()).collect();
        files.sort_by_key(|path| path.file_name().unwrap().to_str().unwrap().split_at(33).1.to_owned());
        files
    }

    /// Up to where everything is acknowledged that was handed out.
    fn ack(&self, batches: &[UsageBatch]) {
        for batch in batches {
            self.spool().acked(Incarnation::decode(&batch.incarnation).unwrap(), batch.last);
        }
        self.spool().tend();
    }
}

fn open(dir: &TempDir, keys: &StateKeys, options: Options, clock: &Clock) -> (SpoolWriter, Begun) {
    Spool::open(dir.path().join("spool"), keys.clone(), options, clock.clone()).unwrap()
}

fn decoded(batch: &UsageBatch) -> Vec<UsageEvent> {
    batch.events.iter().map(|event| UsageEvent::decode(event.clone()).unwrap()).collect()
}

fn costs(batch: &UsageBatch) -> Vec<i64> {
    assert!(batch.what() == What::Sums || batch.events.len() as u64 == batch.last + 1 - batch.first);
    decoded(batch).iter().map(|event| event.bound.map_or(event.cost.unwrap(), |bound| -bound)).collect()
}

#[test]
fn what_is_written_is_handed_out_once_and_in_order() {
    let mut rig = Rig::new(ROOMY);
    let spool = rig.spool();
    assert!(spool.is_empty() && spool.incarnations() == [spool.current]);
    let moved = spool.appended();
    (1..=3).for_each(|cost| rig.event(cost));
    assert!(moved.has_changed().unwrap());
    let batches = rig.batches();
    assert_eq!(
        batches.iter().map(|batch| (batch.first, batch.last, batch.what().as_str_name())).collect::<Vec<_>>(),
        [(1, 3, "WHAT_EVENTS")]
    );
    assert_eq!(batches.iter().flat_map(costs).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(rig.costs(), Vec::<i64>::new());
    rig.event(4);
    assert_eq!(rig.costs(), [4]);
    let lag = spool.lag();
    assert_eq!((lag.events, lag.oldest), (4, Some(NOW)));
    spool.acked(spool.current, 3);
    assert_eq!(spool.lag().events, 1);
    spool.acked(spool.current, 4);
    assert!(spool.is_empty());
    spool.resume(&[(spool.current, 2)]);
    assert_eq!((rig.costs(), spool.lag().events), (vec![3, 4], 2), "a restored database has less");
}

#[test]
fn batches_are_about_as_large_as_asked_for() {
    let mut rig = Rig::new(ROOMY);
    (0..100).for_each(|cost| rig.event(cost));
    let spool = rig.spool();
    let first = spool.next(1000).unwrap().unwrap();
    let size: usize = first.events.iter().map(Bytes::len).sum();
    assert!((1000..1300).contains(&size), "{size}");
    assert_eq!(first.events.len() as u64, first.last);
    assert_eq!(spool.next(1).unwrap().unwrap().events.len(), 1);
}

#[test]
fn nothing_is_handed_out_before_it_is_on_the_disk() {
    let mut rig = Rig::new(ROOMY);
    rig.write(Vec::new(), vec![(0, encoded(&event(1, "key")))]);
    assert_eq!((rig.costs().len(), rig.spool().lag().events), (0, 1));
    rig.spool().tend();
    assert_eq!(rig.costs(), [1]);
}

#[test]
fn what_was_under_way_becomes_unknown_with_its_bound() {
    let mut rig = Rig::new(ROOMY);
    let former = rig.spool().current;
    rig.begin(1, 100);
    rig.begin(2, 200);
    rig.begin(3, 300);
    rig.end(2, 7);
    rig.begin(3, 333);
    for start in 1..=3 {
        rig.restart();
        assert_eq!(rig.spool().incarnations(), [former, rig.spool().current], "start {start}");
        let batches = rig.batches();
        assert_eq!(batches.iter().flat_map(costs).collect::<Vec<_>>(), [7, -100, -333], "start {start}");
        assert!(batches.iter().all(|batch| batch.incarnation == former.encode()));
        let left = if start == 1 { vec![("key".to_owned(), 433)] } else { Vec::new() };
        assert_eq!(rig.left, left.into_iter().collect(), "start {start}");
    }
    let unknown = decoded(rig.batches_again(former).last().unwrap()).pop().unwrap();
    assert!(unknown.source() == UsageSource::Unknown && unknown.failure.as_deref() == Some("crash"));
}

impl Rig {
    fn batches_again(&self, incarnation: Incarnation) -> Vec<UsageBatch> {
        self.spool().resume(&[(incarnation, 0)]);
        self.batches()
    }
}

#[test]
fn what_is_under_way_survives_the_segments_that_it_began_in() {
    let mut rig = Rig::new(Options { cap: 1 << 20, full: Full::Fold });
    rig.begin(1, 100);
    (0..3000).for_each(|cost| rig.write(Vec::new(), vec![(0, encoded(&event(cost, "key")))]));
    rig.spool().tend();
    assert!(rig.files().len() > 3, "{:?}", rig.files());
    let batches = rig.batches();
    rig.ack(&batches);
    rig.clock.advance(Duration::from_millis(DAY.unsigned_abs()));
    rig.spool().tend();
    assert_eq!(rig.files().len(), 1, "all but the one that is written to");
    rig.restart();
    assert_eq!(rig.costs(), [-100]);
}

#[test]
fn segments_are_kept_for_a_day_and_across_restarts() {
    let mut rig = Rig::new(ROOMY);
    rig.event(1);
    let former = rig.spool().current;
    rig.restart();
    let batches = rig.batches();
    rig.clock.advance(Duration::from_millis((DAY * 2).unsigned_abs()));
    rig.ack(&batches);
    rig.clock.advance(Duration::from_millis((DAY - 1).unsigned_abs()));
    rig.restart();
    assert!(rig.spool().is_empty(), "what is acknowledged is remembered");
    assert_eq!(rig.batches_again(former).iter().flat_map(costs).collect::<Vec<_>>(), [1]);
    rig.spool().acked(former, 1);
    rig.spool().tend();
    assert_eq!(rig.files().len(), 1);
    rig.clock.advance(Duration::from_millis(DAY.unsigned_abs()));
    rig.spool().tend();
    assert_eq!(rig.files().len(), 0);
    assert_eq!(rig.spool().incarnations(), [rig.spool().current]);
}

#[test]
fn a_torn_end_loses_only_the_torn_frame() {
    let mut rig = Rig::new(ROOMY);
    rig.begin(1, 100);
    rig.event(1);
    rig.event(2);
    let file = rig.files().pop().unwrap();
    let text = std::fs::read(&file).unwrap();
    std::fs::write(&file, &text[..text.len() - 5]).unwrap();
    rig.restart();
    assert_eq!(rig.costs(), [1, -100]);
    assert_eq!(rig.spool().counts().damaged.load(Ordering::Relaxed), 0);
}

#[test]
fn damage_is_told_and_numbers_behind_it_are_not_given_again() {
    for at in [40, 2000] {
        let mut rig = Rig::new(ROOMY);
        let former = rig.spool().current;
        rig.begin(1, 100);
        (1..=20).for_each(|cost| rig.event(cost));
        let file = rig.files().pop().unwrap();
        let mut text = std::fs::read(&file).unwrap();
        text[at] ^= 1;
        std::fs::write(&file, &text).unwrap();
        for _ in 0..2 {
            rig.restart();
            let batches = rig.batches();
            let lost: Vec<_> = batches.iter().filter(|batch| batch.what() == What::Lost).collect();
            let [lost] = lost[..] else { panic!("{} lost batches", lost.len()) };
            assert!(
                lost.last >= 20 && lost.incarnation == former.encode(),
                "{} to {}",
                lost.first,
                lost.last
            );
            let mut next = 1;
            for batch in &batches {
                assert_eq!(batch.first, next, "no number is left out");
                next = batch.last + 1;
            }
            let events: Vec<_> = batches.iter().flat_map(decoded).collect();
            let unknown = events.iter().filter(|event| event.bound == Some(100)).count();
            assert_eq!((unknown, lost.first > 1), if at == 40 { (0, false) } else { (1, true) });
            assert_eq!(rig.spool().counts().damaged.load(Ordering::Relaxed), 1);
        }
    }
}

#[test]
fn a_segment_in_the_middle_that_cannot_be_read_is_lost_alone() {
    let mut rig = Rig::new(Options { cap: 1 << 20, full: Full::Fold });
    (0..2000).for_each(|cost| rig.write(Vec::new(), vec![(0, encoded(&event(cost, "key")))]));
    rig.spool().tend();
    let files = rig.files();
    assert!(files.len() >= 4);
    let first = |file: &PathBuf| -> u64 {
        file.file_stem().unwrap().to_str().unwrap().rsplit('-').next().unwrap().parse().unwrap()
    };
    std::fs::write(&files[1], "nothing").unwrap();
    let batches = rig.batches();
    let lost: Vec<_> = batches.iter().filter(|batch| batch.what() == What::Lost).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!((lost[0].first, lost[0].last + 1), (first(&files[1]), first(&files[2])));
    let costs: Vec<_> = batches.iter().filter(|batch| batch.what() == What::Events).flat_map(costs).collect();
    let lost = lost[0].first as i64 - 1..lost[0].last as i64;
    assert_eq!(costs, (0..2000).filter(|cost| !lost.contains(cost)).collect::<Vec<_>>());
}

#[test]
fn an_old_key_opens_and_another_one_does_not() {
    let mut rig = Rig::new(ROOMY);
    rig.begin(1, 100);
    rig.event(1);
    rig.keys = keys("new").with_old(keys("token"));
    rig.restart();
    assert_eq!(rig.costs(), [1, -100]);
    rig.keys = keys("other").with_old(keys("new"));
    rig.restart();
    let batches = rig.batches();
    assert!(batches.iter().map(UsageBatch::what).eq([What::Lost, What::Events]));
    assert_eq!(costs(&batches[1]), [-100], "what was found at the second start was written with the new key");
}

#[test]
fn over_the_cap_the_oldest_is_summed_up_and_its_money_is_kept() {
    let cap = 1 << 20;
    let mut rig = Rig::new(Options { cap, full: Full::Fold });
    let count: i64 = 40_000;
    for cost in 0..count {
        let key = if cost % 2 == 0 { "even" } else { "odd" };
        let hours = cost / 10_000 * HOUR;
        let event = UsageEvent { time: NOW.0 + hours, ..event(cost, key) };
        rig.write(Vec::new(), vec![(0, encoded(&event))]);
        if cost % 500 == 0 {
            rig.spool().tend();
        }
    }
    rig.spool().tend();
    let size: u64 = rig.files().iter().map(|file| std::fs::metadata(file).unwrap().len()).sum();
    assert!(size <= cap, "{size}");
    assert_eq!(size, rig.spool().index.lock().bytes());
    let lag = rig.spool().lag();
    assert_eq!(lag.events, count.unsigned_abs());
    rig.restart();
    let batches = rig.batches();
    let mut next = 1;
    for batch in &batches {
        assert_eq!(batch.first, next);
        next = batch.last + 1;
    }
    assert_eq!(next, count.unsigned_abs() + 1);
    let events: Vec<_> = batches.iter().flat_map(decoded).collect();
    for (key, rest) in [("even", 0), ("odd", 1)] {
        let of: Vec<_> = events.iter().filter(|event| event.key_id == key).collect();
        let money: i64 = of.iter().map(|event| event.cost.unwrap()).sum();
        assert_eq!(money, (0..count).filter(|cost| cost % 2 == rest).sum::<i64>());
        let requests: u64 = of.iter().map(|event| event.requests.max(1)).sum();
        let tokens: u64 = of.iter().map(|event| event.input_tokens).sum();
        assert_eq!((requests, tokens), (20_000, 200_000));
    }
    let sums = batches.iter().filter(|batch| batch.what() == What::Sums).count();
    assert!(sums >= 1 && events.len() < 5000, "{sums} sums of {}", events.len());
    assert!(rig.spool().next(1).unwrap().is_none());
}

#[test]
fn legs_that_were_handed_on_are_no_requests_in_sums_either() {
    let leg = |cost: i64, handed_on: bool| {
        let failure = handed_on.then(|| "upstream_server".to_owned());
        encoded(&UsageEvent { handed_on, failure, leg: 2, ..event(cost, "key") })
    };
    let sum = |events: &[Bytes]| {
        let part = sums::Part::of(1, events).remove(0);
        decoded(&part.batch(Incarnation([1; 16]))).remove(0)
    };
    let mixed = sum(&[leg(3, true), leg(4, false)]);
    assert_eq!((mixed.requests, mixed.failures, mixed.handed_on, mixed.cost), (1, 0, false, Some(7)));
    let handed_on = sum(&[leg(3, true), leg(4, true)]);
    assert_eq!((handed_on.requests, handed_on.failures, handed_on.handed_on), (0, 0, true));
    let again = sum(&[encoded(&handed_on), encoded(&mixed)]);
    assert_eq!((again.requests, again.handed_on, again.cost), (1, false, Some(14)));
}

#[test]
fn sums_are_folded_together_when_they_are_too_many() {
    let mut rig = Rig::new(Options { cap: 256 << 10, full: Full::Fold });
    let count: i64 = 60_000;
    for cost in 0..count {
        let event = UsageEvent { time: NOW.0, ..event(cost, &format!("key-{}", cost % 100)) };
        rig.write(Vec::new(), vec![(0, encoded(&event))]);
        if cost % 100 == 0 {
            rig.spool().tend();
        }
    }
    rig.spool().tend();
    assert!(!rig.spool().is_full());
    let sums = rig.files().iter().filter(|file| file.extension().unwrap() == "sums").count();
    assert!((1..5).contains(&sums), "{sums}");
    rig.restart();
    let events: Vec<_> = rig.batches().iter().flat_map(decoded).collect();
    assert_eq!(events.iter().map(|event| event.cost.unwrap()).sum::<i64>(), (0..count).sum::<i64>());
}

#[test]
fn what_may_have_been_sent_is_never_summed_up() {
    let mut rig = Rig::new(Options { cap: 1 << 20, full: Full::Fold });
    let fill = |rig: &mut Rig, costs: std::ops::Range<i64>| {
        for cost in costs {
            rig.write(Vec::new(), vec![(0, encoded(&event(cost, "key")))]);
        }
        rig.spool().tend();
    };
    fill(&mut rig, 0..1000);
    let first = rig.spool().next(1).unwrap().unwrap();
    let former = rig.spool().current;
    rig.restart();
    fill(&mut rig, 1000..20_000);
    assert!(rig.spool().counts().folded.load(Ordering::Relaxed) > 0);
    rig.spool().resume(&[(former, 0)]);
    let again = rig.batches();
    assert!(again[0].what() == What::Events && again[0].first == 1);
    assert_eq!(again[0].events[0], first.events[0], "the same number is the same event");
    assert!(again.iter().any(|batch| batch.what() == What::Sums));
}

#[test]
fn acknowledged_segments_go_before_anything_is_summed_up() {
    let mut rig = Rig::new(Options { cap: 1 << 20, full: Full::Fold });
    for cost in 0..20_000 {
        rig.write(Vec::new(), vec![(0, encoded(&event(cost, "key")))]);
        if cost % 500 == 0 {
            rig.spool().tend();
            let batches = rig.batches();
            rig.ack(&batches);
        }
    }
    assert_eq!(rig.spool().counts().folded.load(Ordering::Relaxed), 0);
    assert!(rig.files().len() > 2, "what there is room for is kept");
}

#[test]
fn a_spool_that_may_not_fold_says_that_it_is_full_until_there_is_room() {
    let mut rig = Rig::new(Options { cap: 1 << 20, full: Full::Block });
    let mut cost = 0;
    while !rig.spool().blocks() {
        rig.event(cost);
        cost += 1;
        assert!(cost < 10_000);
    }
    rig.event(cost);
    let batches = rig.batches();
    assert_eq!(batches.iter().flat_map(costs).collect::<Vec<_>>(), (0..=cost).collect::<Vec<_>>());
    rig.ack(&batches);
    assert!(!rig.spool().blocks());
}

#[test]
fn a_disk_that_refuses_loses_nothing_that_is_tried_again() {
    let mut rig = Rig::new(ROOMY);
    rig.event(1);
    let hidden = rig.dir.path().join("hidden");
    let spool = rig.dir.path().join("spool");
    // The segment is as old as one gets, so that the next write needs a new one, where there is no place.
    rig.writer.retire();
    std::fs::rename(&spool, &hidden).unwrap();
    let mut batch = Batch { opens: Vec::new(), events: vec![(0, encoded(&event(2, "key")))] };
    assert!(rig.writer.write(&mut batch).1.is_err());
    assert_eq!(batch.events.len(), 1);
    std::fs::rename(&hidden, &spool).unwrap();
    assert!(matches!(rig.writer.write(&mut batch), (1, Ok(()))));
    rig.spool().tend();
    assert_eq!(rig.costs(), [1, 2]);
}

#[test]
fn files_are_unreadable_for_others_and_hold_no_text() {
    use std::os::unix::fs::PermissionsExt;
    let mut rig = Rig::new(ROOMY);
    rig.event(1);
    let file = rig.files().pop().unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read(&file).unwrap();
    assert!(!text.windows(8).any(|window| window == b"xxxxxxxx"));
}
