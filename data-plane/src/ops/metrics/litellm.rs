//! LiteLLM's metrics, with its names, labels and buckets (litellm.md §7.1), where `callbacks` has `prometheus`. What only
//! a gateway with a database can know is left out, and so is what nobody here knows.

use std::collections::BTreeMap;

use bulkhead_model::{Endpoint, ErrorKind, NanoUsd};
use bulkhead_telemetry::page::{Labels, Page};

use super::{Ops, litellm_state};
use crate::litellm::{Failure, Histogram, Of, Series, Table, exception_class};

pub(super) fn write(ops: &Ops, page: &mut Page) {
    let Some(snapshot) = ops.node.snapshot.load_full().filter(|it| it.settings.litellm_metrics) else {
        return;
    };
    page.names_begin_with("litellm_");
    let owners: Vec<_> = ops.node.recorder.litellm().read(|table| {
        requests(ops, table, page);
        used(table, page);
        times(table, page);
        deployments(table, page);
        fallbacks(table, page);
        litellm_state::deployments(ops, &snapshot, table, page);
        table.owners().cloned().collect()
    });
    litellm_state::budgets(ops, &snapshot, &owners, page);
    let in_flight: i64 = ops.crew.workers().map(|worker| worker.metrics.in_flight.get()).sum();
    page.gauge("in_flight_requests", "Requests under way", in_flight);
}

/// A number for each set of labels.
type Sums<T> = BTreeMap<Labels, T>;

fn counters(page: &mut Page, name: &str, help: &str, sums: Sums<u64>) {
    let mut family = page.counters(name, help);
    for (labels, count) in sums.into_iter().filter(|(_, count)| *count > 0) {
        family.sample(&labels, count);
    }
}

fn requests(ops: &Ops, table: &Table, page: &mut Page) {
    let (mut all, mut failed) = (Sums::new(), Sums::new());
    for (of, series) in table.series() {
        for it in &series.ended {
            let (endpoint, failure) = it.what;
            let route = endpoint.route();
            let (total, failures) = proxied(Some(of), route, failure);
            *all.entry(total).or_default() += it.count;
            if let Some(failures) = failures {
                *failed.entry(failures).or_default() += it.count;
            }
        }
    }
    // What was refused before anybody knew where it would go.
    for route in Endpoint::of_clients().map(Some).chain([None]) {
        let path = route.map(|route| ["/v1", route.path()].concat()).unwrap_or_default();
        for kind in ErrorKind::ALL {
            let count: u64 = ops.crew.workers().map(|worker| worker.metrics.refusals(route, *kind)).sum();
            let (total, failures) = proxied(None, &path, Some(*kind));
            *all.entry(total).or_default() += count;
            *failed.entry(failures.unwrap_or_default()).or_default() += count;
        }
    }
    counters(page, "proxy_total_requests_metric", "Requests, with those that failed", all);
    counters(page, "proxy_failed_requests_metric", "Requests that failed", failed);
}

/// The labels of a request: among all, and among those that failed.
fn proxied(of: Option<&Of>, route: &str, failure: Option<ErrorKind>) -> (Labels, Option<Labels>) {
    let text = |text: fn(&Of) -> &str| of.map(text).unwrap_or_default();
    let status = failure.map_or(200, ErrorKind::status).to_string();
    // What callers choose is no label: it is there for LiteLLM's dashboards, and empty.
    let common = Labels::default()
        .with("end_user", "")
        .with("hashed_api_key", text(|of| &of.owner.key))
        .with("api_key_alias", text(|of| &of.owner.alias))
        .with("requested_model", text(|of| &of.requested))
        .with("team", text(|of| &of.owner.team))
        .with("team_alias", text(|of| &of.owner.team_alias))
        .with("user", text(|of| &of.owner.user))
        .with("user_email", "")
        .with("route", route)
        .with("client_ip", "")
        .with("user_agent", "")
        .with("model_id", text(|of| &of.place.deployment))
        .with("api_provider", text(|of| &of.place.provider));
    let failed = failure.map(|kind| {
        let class = exception_class(kind, text(|of| &of.place.provider));
        common.clone().with("exception_status", &status).with("exception_class", &class)
    });
    (common.with("status_code", &status), failed)
}

fn common(of: &Of) -> Labels {
    Labels::default()
        .with("end_user", "")
        .with("hashed_api_key", &of.owner.key)
        .with("api_key_alias", &of.owner.alias)
        .with("team", &of.owner.team)
        .with("team_alias", &of.owner.team_alias)
        .with("user", &of.owner.user)
        .with("requested_model", &of.requested)
        .with("model", &of.place.model)
        .with("model_id", &of.place.deployment)
        .with("api_provider", &of.place.provider)
}

type Number = (&'static str, &'static str, fn(&Series) -> u64);

const USED: &[Number] = &[
    ("requests_metric", "Requests that were answered", |it| it.requests),
    ("total_tokens_metric", "Tokens, in and out", |it| it.input.saturating_add(it.output)),
    ("input_tokens_metric", "Tokens of prompts", |it| it.input),
    ("output_tokens_metric", "Tokens of answers", |it| it.output),
    ("input_cached_tokens_metric", "Tokens of prompts that the provider had cached", |it| it.cache_read),
    ("input_cache_creation_tokens_metric", "Tokens of prompts that the provider wrote to its cache", |it| {
        it.cache_write
    }),
    ("input_audio_tokens_metric", "Tokens of sound in prompts", |it| it.input_audio),
    ("output_reasoning_tokens_metric", "Tokens of reasoning", |it| it.reasoning),
    ("output_audio_tokens_metric", "Tokens of sound in answers", |it| it.output_audio),
];

fn used(table: &Table, page: &mut Page) {
    for (name, help, number) in USED {
        let mut sums = Sums::new();
        for (of, series) in table.series() {
            *sums.entry(common(of)).or_default() += number(series);
        }
        counters(page, name, help, sums);
    }
    let mut spend: Sums<NanoUsd> = Sums::new();
    for (of, series) in table.series() {
        let sum = spend.entry(common(of)).or_default();
        *sum = sum.plus(series.spend);
    }
    let mut family = page.counters("spend_metric", "Dollars");
    for (labels, amount) in spend {
        family.sample(&labels, amount);
    }
}

type Duration = (&'static str, &'static str, fn(&Of) -> Labels, fn(&Series) -> &Histogram);

const TIMES: &[Duration] = &[
    ("request_total_latency_metric", "Whole requests, seconds", timed, |it| &it.total),
    ("llm_api_latency_metric", "Calls of the provider, seconds", timed, |it| &it.provider),
    (
        "llm_api_time_to_first_token_metric",
        "Streams, from the call of the provider to the first token, seconds",
        timed,
        |it| &it.first_token,
    ),
    ("overhead_latency_metric", "What the gateway added, seconds", added, |it| &it.overhead),
];

fn timed(of: &Of) -> Labels {
    common(of).with("model_group", &of.place.group).with("service_tier", of.tier)
}

fn added(of: &Of) -> Labels {
    Labels::default()
        .with("model_group", &of.place.group)
        .with("api_provider", &of.place.provider)
        .with("api_base", &of.place.api_base)
        .with("litellm_model_name", &of.place.model)
        .with("hashed_api_key", &of.owner.key)
        .with("api_key_alias", &of.owner.alias)
        .with("model_id", &of.place.deployment)
}

fn times(table: &Table, page: &mut Page) {
    for (name, help, labels, histogram) in TIMES {
        let mut sums: Sums<Histogram> = Sums::new();
        for (of, series) in table.series() {
            sums.entry(labels(of)).or_default().add(histogram(series));
        }
        let mut family = page.histograms(name, help);
        for (labels, sum) in sums.iter().filter(|(_, sum)| !sum.is_empty()) {
            family.buckets(labels, sum.pairs(), sum.seconds);
        }
    }
}

fn at_deployment(of: &Of) -> Labels {
    super::litellm_state::place(&of.place.deployment, &of.place.model, &of.place.api_base, &of.place.provider)
        .with("requested_model", &of.requested)
        .with("hashed_api_key", &of.owner.key)
        .with("api_key_alias", &of.owner.alias)
        .with("team", &of.owner.team)
        .with("team_alias", &of.owner.team_alias)
}

/// Every call of a provider counts, also one that another followed.
fn deployments(table: &Table, page: &mut Page) {
    let (mut all, mut good, mut failed) = (Sums::new(), Sums::new(), Sums::new());
    for (of, series) in table.series() {
        let labels = at_deployment(of);
        let failures: u64 = series.failed_legs.iter().map(|it| it.count).sum();
        *all.entry(labels.clone()).or_default() += series.answered_legs + failures;
        *good.entry(labels.clone()).or_default() += series.answered_legs;
        for it in &series.failed_legs {
            let Failure { kind, status } = it.what;
            let labels = exception(labels.clone(), status, &exception_class(kind, &of.place.provider));
            *failed.entry(labels).or_default() += it.count;
        }
    }
    counters(page, "deployment_total_requests", "Calls of a deployment", all);
    counters(page, "deployment_success_responses", "Calls that were answered", good);
    counters(page, "deployment_failure_responses", "Calls that failed", failed);
}

fn exception(labels: Labels, status: u16, class: &str) -> Labels {
    labels.with("exception_status", &status.to_string()).with("exception_class", class)
}

fn fallbacks(table: &Table, page: &mut Page) {
    let (mut good, mut failed) = (Sums::new(), Sums::new());
    for (of, series) in table.series() {
        for it in &series.fallbacks {
            let (kind, helped) = it.what;
            let labels = Labels::default()
                .with("requested_model", &of.requested)
                .with("fallback_model", &of.place.group)
                .with("hashed_api_key", &of.owner.key)
                .with("api_key_alias", &of.owner.alias)
                .with("team", &of.owner.team)
                .with("team_alias", &of.owner.team_alias);
            let labels = exception(labels, kind.status(), &exception_class(kind, ""));
            *if helped { &mut good } else { &mut failed }.entry(labels).or_default() += it.count;
        }
    }
    counters(page, "deployment_successful_fallbacks", "Requests that another model group answered", good);
    counters(page, "deployment_failed_fallbacks", "Requests that no other model group answered", failed);
}
