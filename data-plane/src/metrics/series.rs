//! Counters by deployment and endpoint. Counting takes no lock: the table is replaced as a whole where a deployment is
//! new or gone, and a scrape reads the table that is there.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use bulkhead_model::{Endpoint, ErrorKind, NanoUsd, Usage};
use bulkhead_snapshot::{Deployment, Snapshot};
use bulkhead_telemetry::metric::{Counter, Histogram, LATENCY};
use parking_lot::Mutex;

use super::KINDS;

type Table = HashMap<Box<str>, Arc<OfDeployment>, foldhash::fast::RandomState>;

/// The series of every deployment that one worker has used.
#[derive(Debug, Default)]
pub(crate) struct AllSeries {
    table: ArcSwap<Table>,
    /// Held by whoever replaces the table.
    replacing: Mutex<()>,
}

/// The series of one deployment. An exchange holds it from its start.
#[derive(Debug)]
pub(crate) struct OfDeployment {
    pub(crate) group: Box<str>,
    pub(crate) deployment: Box<str>,
    endpoints: [OnceLock<Box<Series>>; Endpoint::ALL.len()],
    /// A sweep did not find it in the snapshot.
    gone: AtomicBool,
}

/// Counters of one endpoint at one deployment.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) ok: Counter,
    pub(crate) failed: [Counter; KINDS],
    /// Legs that failed and were followed by another.
    pub(crate) handed_on: [Counter; KINDS],
    pub(crate) input_tokens: Counter,
    pub(crate) output_tokens: Counter,
    pub(crate) cache_read_tokens: Counter,
    pub(crate) cache_write_tokens: Counter,
    pub(crate) reasoning_tokens: Counter,
    pub(crate) spend_nano: Counter,
    /// Exchanges whose price is not known.
    pub(crate) unpriced: Counter,
    pub(crate) total: Histogram,
    pub(crate) first_token: Histogram,
    pub(crate) upstream: Histogram,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) outcome: Result<(), ErrorKind>,
    /// It was not the request's last.
    pub(crate) handed_on: bool,
}

/// How long an exchange took, from the first byte of its request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Took {
    pub(crate) total: Duration,
    /// To the first generated content of a stream.
    pub(crate) first_token: Option<Duration>,
    /// From sending to the head of the provider's answer.
    pub(crate) upstream: Option<Duration>,
}

impl AllSeries {
    /// The series of a deployment.
    pub(crate) fn of(&self, deployment: &Deployment) -> Arc<OfDeployment> {
        self.find(deployment).unwrap_or_else(|| self.add(deployment))
    }

    fn find(&self, deployment: &Deployment) -> Option<Arc<OfDeployment>> {
        // One that has moved to another group counts anew.
        self.table.load().get(&deployment.id).filter(|it| it.group == deployment.group).cloned()
    }

    fn add(&self, deployment: &Deployment) -> Arc<OfDeployment> {
        let _replacing = self.replacing.lock();
        if let Some(found) = self.find(deployment) {
            return found;
        }
        let new = Arc::new(OfDeployment {
            group: deployment.group.clone(),
            deployment: deployment.id.clone(),
            endpoints: Default::default(),
            gone: AtomicBool::new(false),
        });
        let mut table = Table::clone(&self.table.load());
        table.insert(deployment.id.clone(), new.clone());
        self.table.store(Arc::new(table));
        new
    }

    /// Every deployment's, for a scrape.
    pub(crate) fn all(&self) -> Vec<Arc<OfDeployment>> {
        self.table.load().values().cloned().collect()
    }

    /// Forgets deployments that are not in the snapshot now and were not at the sweep before, unless one has an
    /// exchange under way.
    pub(crate) fn sweep(&self, present: &Present<'_>) {
        let _replacing = self.replacing.lock();
        let table = self.table.load();
        let is_over = |it: &Arc<OfDeployment>| {
            let gone = !present.has(it);
            it.gone.swap(gone, Ordering::Relaxed) && gone && !it.is_in_use()
        };
        let over: Vec<_> = table.values().filter(|it| is_over(it)).map(|it| it.deployment.clone()).collect();
        if over.is_empty() {
            return;
        }
        let mut left = Table::clone(&table);
        left.retain(|id, _| !over.contains(id));
        self.table.store(Arc::new(left));
    }
}

/// The deployments of a snapshot.
#[derive(Debug)]
pub(crate) struct Present<'s>(HashSet<(&'s str, &'s str)>);

impl<'s> Present<'s> {
    pub(crate) fn of(snapshot: &'s Snapshot) -> Self {
        let names = snapshot.models.deployments().map(|it| (&*it.id, &*it.group));
        Self(names.collect())
    }

    fn has(&self, series: &OfDeployment) -> bool {
        self.0.contains(&(&*series.deployment, &*series.group))
    }
}

impl OfDeployment {
    fn is_in_use(self: &Arc<Self>) -> bool {
        // The table has one; another one is an exchange's or, for a moment, a scrape's.
        Arc::strong_count(self) > 1
    }

    /// Endpoints that were used.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = (Endpoint, &Series)> {
        let all = Endpoint::ALL.into_iter().zip(&self.endpoints);
        all.filter_map(|(endpoint, series)| Some((endpoint, &**series.get()?)))
    }

    /// An exchange is over.
    pub(crate) fn settled(
        &self,
        endpoint: Endpoint,
        ended: Ended,
        usage: &Usage,
        cost: Option<NanoUsd>,
        took: Took,
    ) {
        if let Some(series) = self.endpoints.get(endpoint.index()) {
            series.get_or_init(Box::default).settled(ended, usage, cost, took);
        }
    }
}

impl Series {
    fn settled(&self, ended: Ended, usage: &Usage, cost: Option<NanoUsd>, took: Took) {
        let Ended { outcome, handed_on } = ended;
        match outcome {
            Ok(()) => self.ok.add(1),
            Err(kind) => {
                let failures = if handed_on { &self.handed_on } else { &self.failed };
                if let Some(counter) = failures.get(kind.index()) {
                    counter.add(1);
                }
            }
        }
        self.input_tokens.add(usage.input);
        self.output_tokens.add(usage.output);
        self.cache_read_tokens.add(usage.cache_read);
        self.cache_write_tokens.add(usage.cache_write.saturating_add(usage.cache_write_1h));
        self.reasoning_tokens.add(usage.reasoning);
        match cost {
            Some(cost) => self.spend_nano.add(u64::try_from(cost.0).unwrap_or_default()),
            None => self.unpriced.add(1),
        }
        if handed_on {
            return;
        }
        self.total.observe(took.total);
        let parts = [(took.first_token, &self.first_token), (took.upstream, &self.upstream)];
        for (took, histogram) in parts {
            if let Some(took) = took {
                histogram.observe(took);
            }
        }
    }
}

impl Default for Series {
    fn default() -> Self {
        Self {
            ok: Counter::default(),
            failed: std::array::from_fn(|_| Counter::default()),
            handed_on: std::array::from_fn(|_| Counter::default()),
            input_tokens: Counter::default(),
            output_tokens: Counter::default(),
            cache_read_tokens: Counter::default(),
            cache_write_tokens: Counter::default(),
            reasoning_tokens: Counter::default(),
            spend_nano: Counter::default(),
            unpriced: Counter::default(),
            total: Histogram::new(&LATENCY),
            first_token: Histogram::new(&LATENCY),
            upstream: Histogram::new(&LATENCY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identify::fixture::Managed;

    fn ids(series: &AllSeries) -> Vec<String> {
        let mut ids: Vec<_> = series.all().iter().map(|it| it.deployment.to_string()).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn a_deployment_that_is_gone_is_forgotten_at_the_second_sweep_unless_it_is_in_use() {
        let (snapshot, series) = (Managed::new().snapshot(), AllSeries::default());
        let mut used: Vec<_> = snapshot.models.deployments().map(|it| series.of(it)).collect();
        let all = ["id-gpt-4o", "id-gpt-4o-mini"];
        let nothing = Present(HashSet::new());
        series.sweep(&nothing);
        assert_eq!(ids(&series), all, "it can be scraped once more");
        series.sweep(&Present::of(&snapshot));
        used.pop();
        series.sweep(&nothing);
        assert_eq!(ids(&series), all, "it was there in between");
        series.sweep(&nothing);
        assert_eq!(ids(&series), [&*used[0].deployment], "an exchange holds the other one");
        used.clear();
        series.sweep(&nothing);
        assert_eq!(ids(&series), Vec::<String>::new());
    }

    #[test]
    fn a_deployment_has_its_series_once_and_only_of_endpoints_that_are_used() {
        let (snapshot, series) = (Managed::new().snapshot(), AllSeries::default());
        let deployment = snapshot.models.deployments().next().unwrap();
        let first = series.of(deployment);
        assert!(Arc::ptr_eq(&first, &series.of(deployment)));
        let took = Took::default();
        let ended = Ended { outcome: Ok(()), handed_on: false };
        first.settled(Endpoint::Messages, ended, &Usage::default(), None, took);
        let endpoints: Vec<_> = first.endpoints().map(|(endpoint, it)| (endpoint, it.ok.get())).collect();
        assert_eq!(endpoints, [(Endpoint::Messages, 1)]);
    }
}
