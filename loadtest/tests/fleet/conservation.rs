//! Conservation of usage (design §8): whatever fails and whoever leaves, everything that a provider reported is in the
//! ledger once and to the token, and what nobody reported is in it with its bound.

mod chaos;
mod memory;
mod plant;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use self::chaos::Timeline;
use self::plant::{Kill, Plant};
use crate::support::{
    Ask, Asked, BUSY, Books, Dice, Fate, Kind, Leaves, Load, Mix, Node, Source, alone, check_rollups,
};

/// How long it goes on; `BULKHEAD_CONSERVATION` says otherwise, in seconds. A phase lasts a tenth of it.
const LENGTH: Duration = Duration::from_secs(50);
/// Between two requests.
const GAP: Duration = Duration::from_millis(5);
/// What a worker has not written yet is gone with `kill -9`: what began so short a time before may leave no record.
const UNWRITTEN: Duration = Duration::from_millis(50 * BUSY as u64);

/// Each kind has a model of its own, unless it says another. The mock's names say how they behave.
static KINDS: &[Kind] = &[
    Kind::chat("plain", 30, "chunks-40"),
    Kind::chat("stream", 15, "chunks-40").of("plain").asking(Ask::ChatStream),
    Kind::chat("stream with usage", 10, "chunks-40").of("plain").asking(Ask::ChatStreamUsage),
    Kind::chat("claude", 10, "chunks-40").asking(Ask::MessagesStream),
    Kind::chat("embedding", 5, "ok").asking(Ask::Embeddings),
    Kind::chat("slow", 5, "chunks-60+slow-chunk-20").asking(Ask::ChatStream),
    // A provider that refuses.
    Kind::chat("400", 2, "status-400").ending(Some(400)),
    Kind::chat("429", 2, "429-retry-after-1").ending(Some(429)),
    Kind::chat("500", 2, "status-500").ending(None),
    Kind::chat("500 stream", 2, "status-500").of("500").asking(Ask::ChatStream).ending(None),
    // And one that breaks off, or says nothing of its usage.
    Kind::chat("rst", 2, "rst").ending(None),
    Kind::chat("cut", 2, "chunks-20+cut-after-5").asking(Ask::ChatStream).ending(None),
    Kind::chat("cut body", 2, "chunks-20+cut-after-5").of("cut").ending(None),
    Kind::chat("closed", 2, "chunks-20+close-after-5").asking(Ask::ChatStream).ending(None),
    Kind::chat("ended", 2, "chunks-20+clean-end-after-5").asking(Ask::ChatStream).ending(None),
    Kind::chat("error", 2, "chunks-20+error-after-3").asking(Ask::ChatStream).ending(None),
    Kind::chat("garbled", 2, "chunks-20+bad-json-chunk").asking(Ask::ChatStream).ending(None),
    Kind::chat("unfinished", 2, "chunks-20+no-done").asking(Ask::ChatStream).ending(None),
    Kind::chat("silent", 2, "chunks-20+no-usage").ending(None),
    Kind::chat("silent stream", 2, "chunks-20+no-usage").of("silent").asking(Ask::ChatStream).ending(None),
    // Clients that go away.
    Kind::chat("gone before the head", 2, "chunks-40").of("plain").leaving(Leaves::BeforeHead),
    Kind::chat("gone in the head", 2, "chunks-40").of("plain").leaving(Leaves::InHead),
    Kind::chat("gone in the body", 2, "chunks-40").of("plain").leaving(Leaves::InBody),
    Kind::chat("late", 4, "chunks-40+slow-ttft-200").leaving(Leaves::BeforeAnswer),
    Kind::chat("late stream", 2, "chunks-40+slow-ttft-200")
        .of("late")
        .asking(Ask::ChatStream)
        .leaving(Leaves::BeforeAnswer),
    Kind::chat("gone between events", 4, "chunks-60+slow-chunk-20")
        .of("slow")
        .asking(Ask::ChatStream)
        .leaving(Leaves::BetweenEvents),
    Kind::chat("gone between Claude's", 2, "chunks-60+slow-chunk-20")
        .of("slow claude")
        .asking(Ask::MessagesStream)
        .leaving(Leaves::BetweenEvents),
    Kind::chat("gone after the last", 4, "chunks-40")
        .of("plain")
        .asking(Ask::ChatStreamUsage)
        .leaving(Leaves::AfterLastEvent),
];

fn length() -> Duration {
    let seconds = std::env::var("BULKHEAD_CONSERVATION").ok().map(|seconds| seconds.parse().unwrap());
    seconds.map_or(LENGTH, Duration::from_secs)
}

#[tokio::test]
async fn what_providers_reported_is_in_the_ledger_once_whatever_fails() {
    let _alone = alone().await;
    let mut dice = Dice::cast();
    let mut plant = Plant::start(KINDS).await;
    let timeline = Timeline::new(length(), plant.nodes.len(), &mut dice);
    let mix = Mix { kinds: KINDS, targets: plant.addresses(), keys: plant.keys.clone(), gap: GAP, from: 1 };
    let load = Load::start(mix, &mut dice);
    let mut kills = Vec::new();
    plant.live_through(&timeline, &load, &mut kills).await;
    plant.until_well().await;
    let asked = load.finish();
    let ended = Instant::now();
    plant.until_reported().await;
    eprintln!(
        "{} requests, {} kills; all of it reported after {:.1?}",
        asked.len(),
        kills.len(),
        ended.elapsed()
    );
    eprintln!("at most {} events waited in a spool; {} came twice", plant.most_waiting(), plant.duplicates);
    plant.stop().await;

    let books = Books::read(&plant.rig.database, &plant.rig.mock);
    let sums = books.check();
    eprintln!("in nano-dollars: {sums:?}");
    check_rollups(&plant.rig.database);
    check_fates(&asked, &kills);
    check_recorded(&asked, &kills, &books, &plant.nodes);
    plant.memory.check();
    assert!(plant.duplicates > 0, "no batch was delivered twice");
}

/// The kill that ended the node which a request went to while it was under way, or soon after it.
fn killed_within<'k>(asked: &Asked, kills: &'k [Kill], after: Duration) -> Option<&'k Kill> {
    kills.iter().find(|kill| {
        kill.target == asked.target && asked.began <= kill.back && asked.ended + after >= kill.at
    })
}

/// No request fails but those at a node that is killed.
fn check_fates(asked: &[Asked], kills: &[Kill]) {
    let mut fates = BTreeMap::<_, usize>::new();
    for asked in asked {
        let kind = &KINDS[asked.kind];
        let excused = killed_within(asked, kills, Duration::ZERO).is_some();
        let good = match (&asked.fate, kind.good) {
            (Fate::Whole(status), Some(good)) => *status == good,
            (Fate::Broken(_), Some(_)) => false,
            _ => true,
        };
        assert!(good || excused, "{}: {asked:?}", kind.name);
        *fates.entry(if excused { "at a node that was killed" } else { "otherwise" }).or_default() += 1;
    }
    eprintln!("requests {fates:?}");
}

/// Nothing is silent: what the provider worked for is recorded, but for what began in the last moments before a kill,
/// which the claims cover that were on disk. An answer that was whole some time before a kill is `reported`.
fn check_recorded(asked: &[Asked], kills: &[Kill], books: &Books, nodes: &[Node]) {
    let mut silent: Vec<_> =
        nodes.iter().map(|node| Silent { node: &node.name, requests: 0, cost: 0 }).collect();
    for asked in asked {
        let kind = &KINDS[asked.kind];
        let event = books.event(asked.number);
        let answered = kind.good == Some(200) && asked.fate == Fate::Whole(200);
        if answered && killed_within(asked, kills, UNWRITTEN).is_none() {
            let source = event.map(|event| event.source);
            assert_eq!(source, Some(Source::Reported), "{}: {asked:?} {event:?}", kind.name);
        }
        if event.is_some() || !books.served.contains_key(&asked.number) {
            continue;
        }
        let unwritten = kills.iter().any(|kill| {
            let earliest = kill.at.checked_sub(UNWRITTEN).unwrap();
            kill.target == asked.target && (earliest..=kill.back).contains(&asked.began)
        });
        assert!(unwritten, "no record of {}: {asked:?}, but {:?}", kind.name, books.served[&asked.number]);
        silent[asked.target].requests += 1;
        silent[asked.target].cost += books.produced(asked.number);
    }
    for Silent { node, requests, cost } in silent {
        let claims: Vec<_> = books.claims().filter(|claim| claim.node == node).collect();
        let covered: u64 = claims.iter().map(|claim| claim.most()).sum();
        eprintln!(
            "{node}: {requests} requests without a record, {cost} of {covered} in {} claims",
            claims.len()
        );
        assert!(cost <= covered, "{node}: neither recorded nor claimed");
    }
}

/// Requests of a node that left no record of their own, and what they cost.
struct Silent<'n> {
    node: &'n str,
    requests: usize,
    cost: u64,
}
