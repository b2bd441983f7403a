//! `/metrics`: the workers' counters added up, in the Prometheus text format.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use bulkhead_model::{Endpoint, ErrorKind};
use bulkhead_telemetry::metric::HistogramSum;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::{Ops, summary};
use crate::metrics::Series;
use crate::snapshot::Link;

pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics as text.
pub(super) fn render(ops: &Ops) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("bulkhead");
    registry.register_collector(Box::new(Scrape(ops.clone())));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

struct Scrape(Ops);

impl std::fmt::Debug for Scrape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scrape")
    }
}

type Labels<'a> = Vec<(&'static str, &'a str)>;

/// A counter in a unit of its own choice; a gauge likewise.
enum Number {
    Count(u64),
    Dollars(f64),
    Level(i64),
}

impl EncodeMetric for Number {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        match self {
            Self::Count(count) => {
                encoder.encode_counter::<prometheus_client::encoding::NoLabelSet, _, u64>(count, None)
            }
            Self::Dollars(dollars) => {
                encoder.encode_counter::<prometheus_client::encoding::NoLabelSet, _, u64>(dollars, None)
            }
            Self::Level(level) => encoder.encode_gauge(level),
        }
    }

    fn metric_type(&self) -> MetricType {
        match self {
            Self::Count(_) | Self::Dollars(_) => MetricType::Counter,
            Self::Level(_) => MetricType::Gauge,
        }
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.node_gauges(&mut encoder)?;
        self.node_counters(&mut encoder)?;
        self.refusals(&mut encoder)?;
        if let Some(link) = &self.0.node.link {
            encode_link(link, &mut encoder)?;
        }
        let series = Summed::of(&self.0);
        series.encode(&mut encoder)
    }
}

impl Scrape {
    fn sum(&self, of: impl Fn(&crate::metrics::WorkerMetrics) -> u64) -> Number {
        Number::Count(self.0.crew.workers().map(|worker| of(&worker.metrics)).sum())
    }

    fn node_gauges(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let node = &self.0.node;
        let workers = || self.0.crew.workers();
        let (holders, parallel, reserved) = node.gate.totals();
        let level = |value: u64| Number::Level(i64::try_from(value).unwrap_or(i64::MAX));
        let snapshot = node.snapshot.load();
        let revision = snapshot.as_deref().map_or(0, |snapshot| snapshot.revision);
        let gauges = [
            (
                "in_flight",
                "Exchanges with a provider under way",
                Number::Level(workers().map(|w| w.metrics.in_flight.get()).sum()),
            ),
            (
                "connections",
                "Client connections open",
                Number::Level(workers().map(|w| w.metrics.connections.get()).sum()),
            ),
            (
                "upstream_connections",
                "Provider connections open, in use and idle",
                level(workers().map(|w| u64::try_from(w.pool.open()).unwrap_or(0)).sum()),
            ),
            ("body_memory_bytes", "Memory taken by request bodies", level(node.body_memory.used())),
            (
                "holders",
                "Holders of limits and budgets in memory",
                level(u64::try_from(holders).unwrap_or(0)),
            ),
            ("holds", "Requests that hold a permit", level(parallel)),
            ("reserved_nano_usd", "Money reserved by requests in flight", Number::Level(reserved.0)),
            ("snapshot_revision", "Snapshots applied by this process", level(revision)),
        ];
        gauges.iter().try_for_each(|(name, help, value)| {
            value.encode(encoder.encode_descriptor(name, help, None, value.metric_type())?)
        })
    }

    fn node_counters(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let node = &self.0.node;
        let usage = node.recorder.counts();
        let counters = [
            (
                "ambiguous_resends",
                "Requests sent again after a reused connection broke without an answer",
                self.sum(|m| m.ambiguous_resends.get()),
            ),
            (
                "dropped_params",
                "Parameters and header values dropped and named to the client",
                self.sum(|m| m.dropped_params.get()),
            ),
            ("panics", "Requests that panicked", self.sum(|m| m.panics.get())),
            (
                "connections_turned_away",
                "Connections closed because their worker takes no more",
                self.sum(|m| m.turned_away.get()),
            ),
            (
                "body_memory_refusals",
                "Requests refused because the memory for bodies was used up",
                Number::Count(node.body_memory.refused()),
            ),
            ("ledger_errors", "Failed writes of the ledger", Number::Count(node.gate.ledger().errors())),
            (
                "usage_recorded",
                "Usage records written",
                Number::Count(usage.recorded.load(Ordering::Relaxed)),
            ),
            (
                "usage_lost",
                "Usage records lost to a full queue or a refusing disk",
                Number::Count(usage.lost.load(Ordering::Relaxed)),
            ),
            (
                "usage_files_deleted",
                "Usage files deleted to stay within the total",
                Number::Count(usage.files_deleted.load(Ordering::Relaxed)),
            ),
            (
                "config_reloads",
                "Configurations applied after the first",
                Number::Count(node.reloads.applied.get()),
            ),
            ("config_refused", "Configurations refused", Number::Count(node.reloads.refused.get())),
        ];
        counters.iter().try_for_each(|(name, help, value)| {
            value.encode(encoder.encode_descriptor(name, help, None, value.metric_type())?)
        })
    }

    fn refusals(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Requests refused before a deployment was chosen, by route and kind";
        let mut family = encoder.encode_descriptor("refused", help, None, MetricType::Counter)?;
        let routes = Endpoint::ALL.iter().copied().map(Some).chain([None]);
        for route in routes {
            for kind in ErrorKind::ALL {
                let count: u64 =
                    self.0.crew.workers().map(|worker| worker.metrics.refusals(route, *kind)).sum();
                if count > 0 {
                    let labels: Labels<'_> =
                        vec![("route", route.map_or("other", Endpoint::path)), ("kind", kind.label())];
                    Number::Count(count).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

/// The tie to the control plane.
fn encode_link(link: &Link, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let shown = link.shown();
    if let Some(version) = &shown.version {
        let cluster = summary::digits(&version.cluster);
        let help = "The database that the snapshot is of";
        let mut family = encoder.encode_descriptor("snapshot_info", help, None, MetricType::Gauge)?;
        let labels: Labels<'_> = vec![("cluster", &cluster)];
        Number::Level(1).encode(family.encode_family(&labels)?)?;
    }
    let level = |value: u64| Number::Level(i64::try_from(value).unwrap_or(i64::MAX));
    let (epoch, seq) = shown.version.map_or((0, 0), |version| (version.epoch, version.seq));
    let counts = &link.counts;
    let numbers = [
        ("snapshot_epoch", "The epoch of the snapshot in force", level(epoch)),
        ("snapshot_seq", "The number of the last change in the snapshot in force", level(seq)),
        (
            "snapshot_stale_seconds",
            "Time since the control plane was last heard",
            level(link.stale().as_secs()),
        ),
        (
            "snapshot_connected",
            "1 while the node hears the control plane",
            level(u64::from(link.is_connected())),
        ),
        (
            "snapshot_suspended",
            "1 while the snapshot is too old to be served",
            level(u64::from(link.is_suspended())),
        ),
        (
            "snapshot_held",
            "1 while the control plane publishes nothing to this node",
            level(u64::from(shown.held.is_some())),
        ),
        (
            "snapshot_rejected_resources",
            "Rows that are not in force as they came",
            level(u64::try_from(shown.rejected.count).unwrap_or(u64::MAX)),
        ),
        ("snapshot_applied", "Pushes applied", Number::Count(counts.applied.get())),
        ("snapshot_refused_pushes", "Pushes refused as a whole", Number::Count(counts.refused.get())),
        (
            "snapshot_disk_errors",
            "Failed writes of the snapshot to disk",
            Number::Count(counts.disk_errors.get()),
        ),
    ];
    numbers.iter().try_for_each(|(name, help, value)| {
        value.encode(encoder.encode_descriptor(name, help, None, value.metric_type())?)
    })
}

/// One endpoint at one deployment, over all workers.
#[derive(Default)]
struct Sum {
    group: Box<str>,
    ok: u64,
    failed: BTreeMap<&'static str, u64>,
    tokens: [u64; 4],
    spend_nano: u64,
    unpriced: u64,
    total: HistogramSum,
    first_byte: HistogramSum,
}

struct Summed(BTreeMap<(&'static str, Box<str>), Sum>);

const TOKEN_KINDS: [&str; 4] = ["input", "output", "cache_read", "cache_write"];

impl Summed {
    fn of(ops: &Ops) -> Self {
        let mut all: BTreeMap<_, Sum> = BTreeMap::new();
        for series in ops.crew.workers().flat_map(|worker| worker.metrics.all_series()) {
            all.entry((series.endpoint.path(), series.deployment.clone())).or_default().add(&series);
        }
        Self(all)
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.requests(encoder)?;
        self.numbers(encoder, "tokens", "Tokens by kind; cached ones are part of the input", |sum| {
            TOKEN_KINDS
                .iter()
                .zip(sum.tokens)
                .map(|(kind, count)| (vec![("kind", *kind)], Number::Count(count)))
                .collect()
        })?;
        self.numbers(encoder, "spend_usd", "Cost of exchanges whose price is known", |sum| {
            // A metric for dashboards; the ledger and the records have the exact amounts.
            let dollars = std::time::Duration::from_nanos(sum.spend_nano).as_secs_f64();
            vec![(Vec::new(), Number::Dollars(dollars))]
        })?;
        self.numbers(encoder, "unpriced", "Exchanges whose price is not known", |sum| {
            vec![(Vec::new(), Number::Count(sum.unpriced))]
        })?;
        self.histograms(
            encoder,
            "request",
            "From the head of the request to the end of the answer",
            |sum| &sum.total,
        )?;
        self.histograms(
            encoder,
            "first_byte",
            "From the head of the request to the first byte of the answer",
            |sum| &sum.first_byte,
        )
    }

    fn labelled(&self) -> impl Iterator<Item = (Labels<'_>, &Sum)> {
        self.0.iter().map(|((route, deployment), sum)| {
            (vec![("route", *route), ("model_group", &*sum.group), ("deployment", &**deployment)], sum)
        })
    }

    fn requests(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Exchanges with a deployment, by how they ended";
        let mut family = encoder.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for (labels, sum) in self.labelled() {
            let outcomes =
                std::iter::once(("ok", sum.ok)).chain(sum.failed.iter().map(|(kind, count)| (*kind, *count)));
            for (kind, count) in outcomes {
                let labels: Labels<'_> = labels.iter().copied().chain([("kind", kind)]).collect();
                Number::Count(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn numbers(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        of: impl Fn(&Sum) -> Vec<(Labels<'static>, Number)>,
    ) -> Result<(), std::fmt::Error> {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, sum) in self.labelled() {
            for (more, number) in of(sum) {
                let labels: Labels<'_> = labels.iter().copied().chain(more).collect();
                number.encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn histograms(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        of: impl Fn(&Sum) -> &HistogramSum,
    ) -> Result<(), std::fmt::Error> {
        let mut family =
            encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (labels, sum) in self.labelled() {
            let histogram = of(sum);
            family.encode_family(&labels)?.encode_histogram::<prometheus_client::encoding::NoLabelSet>(
                histogram.seconds,
                histogram.count(),
                &histogram.pairs(),
                None,
            )?;
        }
        Ok(())
    }
}

impl Sum {
    fn add(&mut self, series: &Series) {
        self.group = series.group.clone();
        self.ok += series.ok.get();
        for (kind, counter) in ErrorKind::ALL.iter().zip(&series.failed) {
            if counter.get() > 0 {
                *self.failed.entry(kind.label()).or_default() += counter.get();
            }
        }
        let tokens = [
            &series.input_tokens,
            &series.output_tokens,
            &series.cache_read_tokens,
            &series.cache_write_tokens,
        ];
        for (total, counter) in self.tokens.iter_mut().zip(tokens) {
            *total += counter.get();
        }
        self.spend_nano += series.spend_nano.get();
        self.unpriced += series.unpriced.get();
        series.total.add_to(&mut self.total);
        series.first_byte.add_to(&mut self.first_byte);
    }
}
