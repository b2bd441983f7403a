//! The benchmark: governance of a million keys, none of which is in a cache.
//!
//! `cargo test --profile dist -p data-plane fence::million -- --ignored --nocapture --test-threads=1`

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::governance::{call, govern, headers};
use super::rig::{FREE, MODEL, Rig, mix};
use crate::read::Call;

const KEYS: u64 = 1_000_000;
/// Keys in the caches of a core.
const HOT: u64 = 100;
/// Calls between two looks at whether the writers are through, so that no queue overflows.
const BATCH: u64 = 1000;
/// Batches that are measured.
const MEASURED: u64 = 50;
/// Calls under way at once, where they wait for the ledger.
const AT_ONCE: u64 = 50;
/// More than the caches of a core, and than this process's part of a shared one.
const EVICTED: usize = 512 << 20;

#[test]
#[ignore = "a benchmark: a minute, and a gigabyte or two"]
fn governance_of_a_million_keys() {
    let mut bench = Bench::new();
    let first = bench.time(MEASURED, 0, |n| n);
    // The other keys, so that the tables are as full as they get.
    for batch in MEASURED..KEYS / BATCH {
        bench.run(batch, |n| n);
    }
    let later = bench.time(MEASURED, KEYS, |n| mix(n) % KEYS);
    bench.evicted.clear();
    let warm = bench.time(MEASURED, 2 * KEYS, |n| mix(n) % KEYS);
    let hot = bench.time(MEASURED, 3 * KEYS, |n| mix(n) % HOT);
    bench.evicted.resize(EVICTED / 8, 1);
    let idle = bench.spend(4 * KEYS);
    say("first request of a key, caches emptied", &first);
    say("later request, caches emptied", &later);
    say("later request, caches as they are", &warm);
    say("request of one of a few keys", &hot);
    let mut out = std::io::stdout().lock();
    for (thread, nanos) in idle {
        writeln!(out, "CPU per request whose budgets were idle, {thread}: {nanos} ns").unwrap();
    }
}

/// Nanoseconds of each call, sorted.
struct Times(Vec<u64>);

fn say(what: &str, Times(times): &Times) {
    let at = |quantile: f64| times[(quantile * (times.len() - 1) as f64) as usize];
    let mean = times.iter().sum::<u64>() / times.len() as u64;
    let mut out = std::io::stdout().lock();
    let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
    writeln!(out, "{what}: mean {mean} ns, p50 {p50} ns, p99 {p99} ns, max {max} ns").unwrap();
}

struct Bench {
    rig: Rig,
    runtime: Runtime,
    free: Box<Call>,
    priced: Box<Call>,
    evicted: Vec<u64>,
    calls: u64,
}

impl Bench {
    fn new() -> Self {
        let rig = Rig::new(KEYS, "http://127.0.0.1:9/v1");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (free, priced) = (call(&rig, FREE), call(&rig, MODEL));
        Self { rig, runtime, free, priced, evicted: vec![1; EVICTED / 8], calls: 0 }
    }

    /// Times each call of some batches, cold.
    fn time(&mut self, batches: u64, from: u64, key: fn(u64) -> u64) -> Times {
        let mut times = Vec::new();
        for batch in 0..batches {
            self.evict();
            let Self { rig, runtime, free, .. } = self;
            runtime.block_on(async {
                for n in 0..BATCH {
                    let headers = headers(key(from + batch * BATCH + n));
                    let started = Instant::now();
                    govern(rig, &headers, free).await;
                    times.push(u64::try_from(started.elapsed().as_nanos()).unwrap());
                }
            });
            self.wait();
        }
        times.sort_unstable();
        Times(times)
    }

    /// A batch that is not measured.
    fn run(&mut self, batch: u64, key: fn(u64) -> u64) {
        let Self { rig, runtime, free, .. } = self;
        runtime.block_on(async {
            for n in 0..BATCH {
                govern(rig, &headers(key(batch * BATCH + n)), free).await;
            }
        });
        self.wait();
    }

    /// What requests cost each thread that find no claim on the money that they need, which is so for budgets that
    /// nobody has used for a while: they wait until the ledger has written one.
    fn spend(&mut self, from: u64) -> BTreeMap<String, u64> {
        let mut spent = BTreeMap::<String, u64>::new();
        for batch in 0..MEASURED {
            self.evict();
            let keys = (0..BATCH).map(|n| headers(mix(from + batch * BATCH + n) % KEYS)).collect::<Vec<_>>();
            let before = cpu_of_threads();
            let Self { rig, runtime, priced, .. } = self;
            runtime.block_on(async {
                for keys in keys.chunks(usize::try_from(AT_ONCE).unwrap()) {
                    join_all(keys.iter().map(|headers| govern(rig, headers, priced))).await;
                }
            });
            self.wait();
            // The ledger writes down what was used, and gives back what was claimed beyond.
            std::thread::sleep(Duration::from_millis(300));
            for (thread, nanos) in cpu_of_threads() {
                *spent.entry(thread.clone()).or_default() += nanos - before.get(&thread).unwrap_or(&0);
            }
        }
        spent.values_mut().for_each(|nanos| *nanos /= MEASURED * BATCH);
        spent
    }

    fn evict(&mut self) {
        // One word of each line.
        for word in self.evicted.iter_mut().step_by(8) {
            *word = word.wrapping_mul(3);
        }
    }

    /// Until the usage events of a batch are written.
    fn wait(&mut self) {
        self.calls += BATCH;
        let counts = self.rig.worker.node.recorder.counts();
        let deadline = Instant::now() + Duration::from_secs(30);
        while counts.recorded.load(Ordering::Relaxed) < self.calls {
            assert_eq!(counts.lost.load(Ordering::Relaxed), 0);
            assert!(Instant::now() < deadline, "usage is not written");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Nanoseconds on a CPU so far, of each thread by name.
fn cpu_of_threads() -> BTreeMap<String, u64> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let of = |thread: std::io::Result<std::fs::DirEntry>| {
        let path = thread.unwrap().path();
        let name = std::fs::read_to_string(path.join("comm")).unwrap().trim().to_owned();
        let stat = std::fs::read_to_string(path.join("schedstat")).unwrap();
        (name, stat.split(' ').next().unwrap().parse().unwrap())
    };
    threads.map(of).collect()
}
