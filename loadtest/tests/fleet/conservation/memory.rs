//! Resident memory of processes over time.

use std::collections::BTreeMap;

/// What a process may have grown by in the last third of the time.
const SHARE: u64 = 4;
const NOISE: u64 = 24 << 20;

/// Samples in bytes by the name of the process.
#[derive(Default)]
pub(crate) struct Memory(BTreeMap<String, Vec<u64>>);

impl Memory {
    /// Notes what a process has now.
    pub(super) fn note(&mut self, name: &str, pid: u32) {
        let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return };
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        let kib: Option<u64> = line.and_then(|kib| kib.parse().ok());
        self.0.entry(name.to_owned()).or_default().extend(kib.map(|kib| kib << 10));
    }

    /// Nobody has more in the last third than in the first, but for a quarter and some noise.
    pub(super) fn check(&self) {
        for (name, samples) in &self.0 {
            let third = samples.len() / 3;
            let (first, last) = (median(&samples[..third]), median(&samples[samples.len() - third..]));
            let most = samples.iter().max().copied().unwrap_or_default();
            eprintln!("{name}: {} MB, then {} MB, at most {} MB", first >> 20, last >> 20, most >> 20);
            assert!(last <= first + first / SHARE + NOISE, "{name} grows: {first} bytes, then {last}");
        }
    }
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
