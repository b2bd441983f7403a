//! Runs a workload under valgrind's DHAT, which counts instructions and allocations.

use std::process::Command;

use serde_json::Value;

/// The variable that says how many rounds a workload makes.
const ROUNDS: &str = "FENCE_ROUNDS";
const FEW: u64 = 200;
const MANY: u64 = 600;

/// What one round of a workload costs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) instructions: f64,
    pub(super) allocations: f64,
}

/// How many rounds a workload is to make.
pub(super) fn rounds() -> u64 {
    std::env::var(ROUNDS).ok().and_then(|text| text.parse().ok()).unwrap_or(FEW)
}

/// What a round costs of the workload in the ignored test of that name.
pub(super) fn cost_of(test: &str) -> Cost {
    let (few, many) = (run(test, FEW), run(test, MANY));
    let of_one =
        |count: fn(&Profile) -> u64| (count(&many) as f64 - count(&few) as f64) / (MANY - FEW) as f64;
    Cost { instructions: of_one(|of| of.instructions), allocations: of_one(|of| of.allocations) }
}

/// Counts of a whole run.
struct Profile {
    instructions: u64,
    /// Of the thread that serves; what others allocate depends on how much they do at a time.
    allocations: u64,
}

fn run(test: &str, rounds: u64) -> Profile {
    let dir = tempfile::tempdir().unwrap();
    let profile = dir.path().join("dhat.json");
    let mut to_file = std::ffi::OsString::from("--dhat-out-file=");
    to_file.push(&profile);
    let output = Command::new("valgrind")
        // As many callers as tell a thread from another.
        .args(["--tool=dhat", "--num-callers=200", "--fair-sched=yes"])
        .arg(to_file)
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--test-threads=1", test])
        .env(ROUNDS, rounds.to_string())
        .output()
        .expect("valgrind is needed: `make test` installs it");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{test}: {output:?}");
    Profile::read(&serde_json::from_slice(&std::fs::read(profile).unwrap()).unwrap())
}

impl Profile {
    fn read(json: &Value) -> Self {
        assert_eq!(json["tu"], "instrs");
        let frames = json["ftbl"].as_array().unwrap();
        let of_writer = |point: &&Value| {
            point["fs"].as_array().unwrap().iter().any(|frame| {
                let place = usize::try_from(frame.as_u64().unwrap()).unwrap();
                let name = frames[place].as_str().unwrap();
                name.contains("Writer::run") || name.contains("Keeper")
            })
        };
        let points = json["pps"].as_array().unwrap().iter().filter(|point| !of_writer(point));
        Self {
            instructions: json["te"].as_u64().unwrap(),
            allocations: points.map(|point| point["tbk"].as_u64().unwrap()).sum(),
        }
    }
}
