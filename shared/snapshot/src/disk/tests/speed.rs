//! Figures, not assertions: `cargo nextest run -p bulkhead-snapshot --run-ignored only --no-capture speed`.

use std::time::SystemTime;

use super::*;
use crate::Incoming;
use crate::wire::encode;

/// Resident memory of this process, in MiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = SystemTime::now();
    let result = work();
    println!("{what}: {:?}", start.elapsed().unwrap());
    result
}

/// As most keys are: in a team, with limits that others have too.
fn some_key(n: u64) -> proto::Item {
    encode(&key(n, |key| {
        key.id = format!("{n:032x}");
        key.name = "sk-...abcd".into();
        key.alias = Some(format!("alias-{n}"));
        key.team_id = Some(format!("team-{}", n % 1000));
        key.user_id = Some(format!("user-{}", n % 10_000));
        key.models = vec!["gpt-4o".into(), format!("model-{}", n % 50)];
    }))
}

fn fill(catalog: &mut Catalog, keys: u64) {
    let mut incoming = Incoming::new(version(1), false);
    incoming.add(encode(&settings()));
    (0..1000).for_each(|n| incoming.add(encode(&team(&format!("team-{n}")))));
    (0..keys).for_each(|n| incoming.add(some_key(n)));
    catalog.finish(incoming).unwrap();
}

fn measure(keys: u64) {
    println!("{keys} keys");
    let before = resident();
    let mut catalog = catalog();
    timed("  full sync, with making the items", || fill(&mut catalog, keys));
    println!("  resident: {} MiB more than {before}", resident() - before);
    let mut times = Vec::new();
    for n in 0..2000 {
        let from = *catalog.version().unwrap();
        let delta = change(from, version(from.seq + 1), vec![some_key(n * 499 % keys)], &[]);
        let start = SystemTime::now();
        catalog.delta(delta).unwrap();
        times.push(start.elapsed().unwrap());
    }
    times.sort();
    println!("  one-key delta: median {:?}, p99 {:?}", times[1000], times[1980]);
    let dir = TempDir::new().unwrap();
    let (mut disk, _, _) = open(dir.path());
    timed("  two bases written", || disk.write_base(&catalog).unwrap());
    timed("  one base written", || disk.write_base(&catalog).unwrap());
    let bytes: u64 =
        fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    println!("  on disk: {} MiB", bytes >> 20);
    let delta = next(&mut catalog, vec![some_key(1)], &[]);
    timed("  one delta appended", || disk.append(&delta).unwrap());
    drop((disk, catalog));
    timed("  read again", || assert!(open(dir.path()).1.version().is_some()));
}

#[test]
#[ignore = "prints figures"]
fn speed_of_100_000_keys() {
    measure(100_000);
}

#[test]
#[ignore = "prints figures"]
fn speed_of_1_000_000_keys() {
    measure(1_000_000);
}
