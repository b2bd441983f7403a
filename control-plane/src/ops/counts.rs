//! What is counted of requests and jobs.

use std::time::Duration;

use bulkhead_model::{Clock, UnixMillis};
use bulkhead_telemetry::metric::{Counter, FINE, Gauge, Histogram};
use parking_lot::Mutex;

/// First parts of paths that are served, without a version before them; all else is the last.
const GROUPS: [&str; 16] = [
    "credentials",
    "customer",
    "explain",
    "fallback",
    "global",
    "health",
    "key",
    "model",
    "model_group",
    "nodes",
    "organization",
    "router",
    "spend",
    "team",
    "user",
    "other",
];
/// Classes of statuses.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts of one replica.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) requests: Requests,
    pub(crate) history: Job,
    pub(crate) partitions: Job,
}

/// Requests of the management API, by what they are about.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pub(crate) in_flight: Gauge,
    groups: [Group; GROUPS.len()],
}

#[derive(Debug)]
struct Group {
    classes: [Counter; CLASSES.len()],
    took: Histogram,
}

impl Default for Group {
    fn default() -> Self {
        Self { classes: Default::default(), took: Histogram::new(&FINE) }
    }
}

impl Requests {
    /// A request that matched this pattern of a path was answered.
    pub(crate) fn answered(&self, pattern: Option<&str>, status: u16, took: Duration) {
        let name = pattern.map_or("other", group);
        let place = GROUPS.iter().position(|group| *group == name).unwrap_or(GROUPS.len() - 1);
        let Some(group) = self.groups.get(place) else { return };
        if let Some(class) = group.classes.get(usize::from(status / 100).saturating_sub(1)) {
            class.add(1);
        }
        group.took.observe(took);
    }

    /// Group, class of statuses, and how many.
    pub(super) fn by_class(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let groups = GROUPS.into_iter().zip(&self.groups);
        groups.flat_map(|(name, group)| {
            CLASSES.into_iter().zip(&group.classes).map(move |(class, count)| (name, class, count.get()))
        })
    }

    /// Group and what its requests took.
    pub(super) fn took(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        GROUPS.into_iter().zip(self.groups.iter().map(|group| &group.took))
    }
}

/// The first part of a path that says what it is about.
fn group(pattern: &str) -> &str {
    let mut parts = pattern.split('/').filter(|part| !part.is_empty());
    let is_version = |part: &str| part.strip_prefix('v').is_some_and(|rest| rest.parse::<u8>().is_ok());
    parts.find(|part| !is_version(part)).unwrap_or("other")
}

/// Something that is done now and then.
#[derive(Debug, Default)]
pub(crate) struct Job {
    pub(super) runs: Counter,
    pub(super) failures: Counter,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    success: Option<UnixMillis>,
    failed: bool,
}

impl Job {
    /// It was done, or was another replica's to do. True where it works again.
    pub(crate) fn succeeded(&self) -> bool {
        self.runs.add(1);
        let mut last = self.last.lock();
        last.success = Some(Clock::System.now());
        std::mem::replace(&mut last.failed, false)
    }

    /// It failed; true where that is news.
    pub(crate) fn failed(&self) -> bool {
        self.runs.add(1);
        self.failures.add(1);
        !std::mem::replace(&mut self.last.lock().failed, true)
    }

    /// Unix seconds of the last success; 0 before the first.
    pub(super) fn last_success(&self) -> i64 {
        self.last.lock().success.map_or(0, |at| at.0 / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_grouped_by_what_they_are_about() {
        for (pattern, name) in [
            ("/key/generate", "key"),
            ("/v2/key/info", "key"),
            ("/v1/model/info", "model"),
            ("/credentials", "credentials"),
            ("/spend/logs/ui/{request_id}", "spend"),
            ("/", "other"),
        ] {
            assert_eq!(group(pattern), name, "{pattern}");
        }
    }

    #[test]
    fn every_route_that_is_about_something_has_a_group() {
        for route in crate::api::routes() {
            let name = group(route.path);
            assert!(GROUPS.contains(&name), "{} is counted as other: add `{name}`", route.path);
        }
    }

    #[test]
    fn a_failure_is_news_once_and_so_is_its_end() {
        let job = Job::default();
        assert!(!job.succeeded());
        assert!(job.failed());
        assert!(!job.failed());
        assert!(job.succeeded());
        assert_eq!((job.runs.get(), job.failures.get()), (4, 2));
        assert!(job.last_success() > 0);
    }
}
