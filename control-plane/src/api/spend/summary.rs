//! `/spend/logs` in sums by day, from the rollup.

use std::collections::BTreeMap;

use axum::response::Response;
use serde_json::{Map, Value, json};
use time::{Date, Duration};

use super::breakdown::key_name;
use super::range::{self, Range};
use super::{key_ids, own_key};
use crate::api::call::{Call, ok};
use crate::api::refusal::Refusal;
use crate::api::shape;
use crate::store::spend::{Dimension, FactFilter, Report, key_names};

#[derive(Default)]
struct Day {
    spend: i64,
    keys: BTreeMap<String, i64>,
    users: BTreeMap<String, i64>,
    models: BTreeMap<String, i64>,
}

pub(super) async fn by_day(call: &Call, report: &mut Report, range: Range) -> Result<Response, Refusal> {
    let mut filter = FactFilter::new(range.from, range.to);
    let asked: Vec<String> = call.query.text("api_key").map(str::to_owned).into_iter().collect();
    if !asked.is_empty() {
        filter.keys = Some(key_ids(call, report, &asked).await?);
    }
    if let Some(own) = own_key(call) {
        filter.keys = Some(only(filter.keys, own));
    }
    filter.users = call.query.text("user_id").map(|user| vec![user.to_owned()]);
    let by = [Dimension::Day, Dimension::Key, Dimension::User, Dimension::Model];
    let found = super::report::all(report, &filter, &by).await?;
    let names =
        key_names(&mut report.transaction, found.iter().map(|fact| fact.key_id.clone()).collect()).await?;
    let mut days: BTreeMap<Date, Day> = BTreeMap::new();
    for fact in &found {
        let day = days.entry(fact.day).or_default();
        day.spend = day.spend.saturating_add(fact.cost);
        let parts = [
            (&mut day.keys, key_name(&fact.key_id, &names)),
            (&mut day.users, fact.user_id.clone()),
            (&mut day.models, fact.model.clone()),
        ];
        for (part, name) in parts {
            let sum = part.entry(name).or_default();
            *sum = sum.saturating_add(fact.cost);
        }
    }
    // LiteLLM goes on to the end with empty days.
    let last = range.to.saturating_sub(Duration::SECOND).date();
    let mut next = days.keys().next_back().copied().and_then(Date::next_day);
    while let Some(day) = next.filter(|day| *day <= last) {
        days.insert(day, Day::default());
        next = day.next_day();
    }
    ok(days.into_iter().map(|(date, day)| shown(date, &day)).collect())
}

/// The keys that are asked for, of which one may be seen.
pub(super) fn only(asked: Option<Vec<String>>, own: &str) -> Vec<String> {
    let mut keys = asked.unwrap_or_else(|| vec![own.to_owned()]);
    keys.retain(|key| key == own);
    keys
}

fn shown(date: Date, day: &Day) -> Value {
    let sums = |sums: &BTreeMap<String, i64>| -> Map<String, Value> {
        sums.iter().map(|(name, sum)| (name.clone(), shape::dollars(*sum))).collect()
    };
    let rest = json!({
        "startTime": range::day(date),
        "spend": shape::dollars(day.spend),
        "users": sums(&day.users),
        "models": sums(&day.models),
    });
    shape::joined([sums(&day.keys), shape::object(rest)])
}
