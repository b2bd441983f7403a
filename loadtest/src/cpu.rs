//! What a process took, from the operating system's accounting.

use std::fs;
use std::io;
use std::time::Duration;

/// CPU time of all threads that a process has now, to the nanosecond (`/proc/PID/task/*/schedstat`).
///
/// A thread that ends takes its time with it; the processes measured here keep theirs.
pub(crate) fn time(pid: u32) -> io::Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while it is looked at.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let nanos = text.split_whitespace().next().and_then(|word| word.parse().ok());
        total += Duration::from_nanos(nanos.ok_or_else(|| io::Error::other("unexpected schedstat"))?);
    }
    Ok(total)
}

/// Resident memory in bytes.
pub(crate) fn resident(pid: u32) -> io::Result<u64> {
    status(pid, "VmRSS:")
}

/// The most resident memory that it had, in bytes.
pub(crate) fn peak(pid: u32) -> io::Result<u64> {
    status(pid, "VmHWM:")
}

/// A line of `/proc/PID/status` that is in KiB.
fn status(pid: u32, name: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok());
    kib.map(|kib: u64| kib * 1024).ok_or_else(|| io::Error::other(format!("no {name} in /proc/PID/status")))
}

/// The processes that this one started.
pub(crate) fn children(pid: u32) -> io::Result<Vec<u32>> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(text.split_whitespace().filter_map(|word| word.parse().ok()).collect())
}

/// Kernel, CPU and number of CPUs, for whoever reads the figures.
pub(crate) fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<_> =
        cpus.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": ")).collect();
    let model = models.first().map_or("unknown CPU", |(_, model)| model);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} × {model}, Linux {}", models.len().max(1), kernel.trim())
}
