//! What belongs to an endpoint at a deployment, over all workers.

use std::collections::BTreeMap;

use bulkhead_model::ErrorKind;
use bulkhead_telemetry::metric::{HistogramSum, LATENCY};
use bulkhead_telemetry::page::{Family, Labels, Page};

use tokio::time::Instant;

use super::Ops;
use crate::metrics::Series;

const TOKEN_KINDS: [&str; 5] = ["input", "output", "cache_read", "cache_write", "reasoning"];

struct Sum {
    labels: Labels,
    ok: u64,
    failed: [u64; ErrorKind::ALL.len()],
    handed_on: [u64; ErrorKind::ALL.len()],
    tokens: [u64; TOKEN_KINDS.len()],
    spend_nano: u64,
    unpriced: u64,
    total: HistogramSum,
    first_token: HistogramSum,
    upstream: HistogramSum,
}

pub(super) fn write(ops: &Ops, page: &mut Page) {
    let all = summed(ops);
    requests(&all, page);
    let mut tokens = page
        .counters("tokens", "Tokens by kind; cached ones are part of the input, reasoning is of the output");
    for sum in &all {
        for (kind, count) in TOKEN_KINDS.iter().zip(sum.tokens) {
            tokens.sample(&sum.labels.clone().with("kind", kind), count);
        }
    }
    let mut spend = page.counters("spend_usd", "Cost of exchanges whose price is known");
    for sum in &all {
        // A metric for dashboards; the ledger and the records have the exact amounts.
        spend.sample(&sum.labels, std::time::Duration::from_nanos(sum.spend_nano).as_secs_f64());
    }
    let mut unpriced = page.counters("unpriced", "Exchanges whose price is not known");
    all.iter().for_each(|sum| unpriced.sample(&sum.labels, sum.unpriced));
    let total = "From the first byte of the request to the end of the answer";
    histograms(page.histograms("request_seconds", total), &all, |sum| &sum.total);
    let first_token = "Streams, from the first byte of the request to the first generated content";
    histograms(page.histograms("first_token_seconds", first_token), &all, |sum| &sum.first_token);
    let upstream = "From sending to the head of the provider's answer, where that is not an error";
    histograms(page.histograms("upstream_seconds", upstream), &all, |sum| &sum.upstream);
}

fn requests(all: &[Sum], page: &mut Page) {
    let mut family = page.counters("requests", "Exchanges with a deployment, by how they ended");
    for sum in all {
        family.sample(&sum.labels.clone().with("kind", "ok"), sum.ok);
        let failed = ErrorKind::ALL.iter().zip(sum.failed).filter(|(_, count)| *count > 0);
        for (kind, count) in failed {
            family.sample(&sum.labels.clone().with("kind", kind.label()), count);
        }
    }
    let help =
        "Exchanges that failed and were followed by another of the same request; not among the requests";
    let mut family = page.counters("handed_on", help);
    for sum in all {
        let failed = ErrorKind::ALL.iter().zip(sum.handed_on).filter(|(_, count)| *count > 0);
        for (kind, count) in failed {
            family.sample(&sum.labels.clone().with("kind", kind.label()), count);
        }
    }
}

/// How deployments fare.
pub(super) fn health(ops: &Ops, page: &mut Page) {
    let mut all = ops.node.health.all();
    all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let now = Instant::now();
    let labels = |id: &str| Labels::default().with("deployment", id);
    let mut family = page.gauges("deployment_in_flight", "Requests under way at a deployment");
    for (id, vitals) in &all {
        family.sample(&labels(id), vitals.in_flight());
    }
    let mut family = page.gauges("deployment_cooling", "1 while a deployment is left out because it fails");
    for (id, vitals) in &all {
        family.sample(&labels(id), u8::from(vitals.cooled(now).1));
    }
    let mut family = page.counters("cooldowns", "How often a deployment was left out");
    for (id, vitals) in &all {
        family.sample(&labels(id), vitals.cooled(now).0);
    }
}

fn histograms(mut family: Family<'_>, all: &[Sum], of: impl Fn(&Sum) -> &HistogramSum) {
    for sum in all {
        family.histogram(&sum.labels, of(sum));
    }
}

/// In the order of route, group and deployment, so that a page is like the one before.
fn summed(ops: &Ops) -> Vec<Sum> {
    let used: Vec<_> = ops.crew.workers().flat_map(|worker| worker.metrics.series.all()).collect();
    let mut all: BTreeMap<_, Sum> = BTreeMap::new();
    for deployment in &used {
        let (group, id) = (&*deployment.group, &*deployment.deployment);
        for (endpoint, series) in deployment.endpoints() {
            let new = || {
                let labels = Labels::default().with("route", endpoint.path());
                Sum::new(labels.with("model_group", group).with("deployment", id))
            };
            all.entry((endpoint.path(), group, id)).or_insert_with(new).add(series);
        }
    }
    all.into_values().collect()
}

impl Sum {
    fn new(labels: Labels) -> Self {
        let empty = || HistogramSum::new(&LATENCY);
        Self {
            labels,
            ok: 0,
            failed: [0; ErrorKind::ALL.len()],
            handed_on: [0; ErrorKind::ALL.len()],
            tokens: [0; TOKEN_KINDS.len()],
            spend_nano: 0,
            unpriced: 0,
            total: empty(),
            first_token: empty(),
            upstream: empty(),
        }
    }

    fn add(&mut self, series: &Series) {
        self.ok += series.ok.get();
        for (total, counter) in self.failed.iter_mut().zip(&series.failed) {
            *total += counter.get();
        }
        for (total, counter) in self.handed_on.iter_mut().zip(&series.handed_on) {
            *total += counter.get();
        }
        let tokens = [
            &series.input_tokens,
            &series.output_tokens,
            &series.cache_read_tokens,
            &series.cache_write_tokens,
            &series.reasoning_tokens,
        ];
        for (total, counter) in self.tokens.iter_mut().zip(tokens) {
            *total += counter.get();
        }
        self.spend_nano += series.spend_nano.get();
        self.unpriced += series.unpriced.get();
        series.total.add_to(&mut self.total);
        series.first_token.add_to(&mut self.first_token);
        series.upstream.add_to(&mut self.upstream);
    }
}
