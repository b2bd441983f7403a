//! `/global/*`: everything together, and what stands out of it.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;
use serde_json::{Map, Value, json};
use time::Date;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::breakdown::key_name;
use super::range::{self, days, last_days};
use super::report::{all, ids, team_name};
use super::{begin, report};
use crate::api::call::{Call, ok};
use crate::api::refusal::Refusal;
use crate::api::shape;
use crate::store::spend::{Dimension, Fact, FactFilter, everything, facts, key_names, team_names};

/// As long as LiteLLM's views reach back.
const DAYS: i64 = 30;
/// As many models and teams as LiteLLM shows.
const TOP: usize = 10;
const SHORT: &[BorrowedFormatItem<'_>] = format_description!("[month repr:short] [day]");

fn lately() -> FactFilter {
    let range = last_days(DAYS);
    FactFilter::new(range.from, range.to)
}

fn asked(call: &Call) -> Result<FactFilter, Refusal> {
    let range = days(&call.query, 0)?;
    Ok(FactFilter::new(range.from, range.to))
}

pub(super) async fn spend(call: Call) -> Result<Response, Refusal> {
    let mut report = begin(&call).await?;
    let spent = everything(&mut report.transaction).await?;
    // There is no budget of the whole gateway; LiteLLM's zero says that.
    ok(json!({"spend": shape::dollars(spent), "max_budget": 0.0}))
}

pub(super) async fn keys(call: Call) -> Result<Response, Refusal> {
    let limit = call.query.number("limit", 1, 1000)?.unwrap_or(1000);
    let mut report = begin(&call).await?;
    let (found, _) = facts(&mut report.transaction, &lately(), &[Dimension::Key], 0, limit).await?;
    let names = key_names(&mut report.transaction, ids(&found, |fact| &fact.key_id)).await?;
    let shown = found.iter().map(|fact| {
        let known = names.get(&fact.key_id);
        json!({
            "api_key": key_name(&fact.key_id, &names),
            "key_alias": known.and_then(|key| key.alias.as_deref()),
            "key_name": known.and_then(|key| key.name.as_deref()),
            "total_spend": shape::dollars(fact.cost),
        })
    });
    ok(shown.collect())
}

pub(super) async fn models(call: Call) -> Result<Response, Refusal> {
    let limit = call.query.number("limit", 1, 1000)?.unwrap_or(10);
    let mut report = begin(&call).await?;
    let (found, _) = facts(&mut report.transaction, &lately(), &[Dimension::Model], 0, limit).await?;
    let shown = |fact: &Fact| json!({"model": fact.model, "total_spend": shape::dollars(fact.cost)});
    ok(found.iter().map(shown).collect())
}

pub(super) async fn providers(call: Call) -> Result<Response, Refusal> {
    let filter = asked(&call)?;
    let mut report = begin(&call).await?;
    let found = report::all(&mut report, &filter, &[Dimension::Provider]).await?;
    // What was refused before a provider was chosen cost nothing.
    let shown = found.iter().filter(|fact| !fact.provider.is_empty());
    ok(shown.map(|fact| json!({"provider": fact.provider, "spend": shape::dollars(fact.cost)})).collect())
}

pub(super) async fn teams(call: Call) -> Result<Response, Refusal> {
    let mut report = begin(&call).await?;
    let found = all(&mut report, &lately(), &[Dimension::Day, Dimension::Team]).await?;
    let names = team_names(&mut report.transaction, ids(&found, |fact| &fact.team_id)).await?;
    let mut by_day: BTreeMap<Date, BTreeMap<String, i64>> = BTreeMap::new();
    let mut by_team: BTreeMap<String, i64> = BTreeMap::new();
    for fact in &found {
        let name = team_name(&fact.team_id, &names, "Unassigned");
        let sums = [
            by_day.entry(fact.day).or_default().entry(name.clone()).or_default(),
            by_team.entry(name).or_default(),
        ];
        for sum in sums {
            *sum = sum.saturating_add(fact.cost);
        }
    }
    let daily = by_day.into_iter().map(|(day, teams)| {
        let spent =
            teams.into_iter().map(|(name, spent)| (name, shape::dollars(spent))).collect::<Map<_, _>>();
        shape::joined([spent, shape::object(json!({"date": range::day(day)}))])
    });
    let daily: Vec<_> = daily.collect();
    let all: BTreeSet<_> = by_team.keys().cloned().collect();
    let mut totals: Vec<_> = by_team.into_iter().collect();
    totals.sort_by_key(|(_, spent)| std::cmp::Reverse(*spent));
    let totals = totals.into_iter().take(TOP);
    let totals = totals.map(|(name, spent)| json!({"team_id": name, "total_spend": shape::dollars(spent)}));
    ok(json!({"daily_spend": daily, "teams": all, "total_spend_per_team": totals.collect::<Vec<_>>()}))
}

pub(super) async fn activity(call: Call) -> Result<Response, Refusal> {
    let filter = asked(&call)?;
    let mut report = begin(&call).await?;
    let mut found = all(&mut report, &filter, &[Dimension::Day]).await?;
    found.sort_by_key(|fact| fact.day);
    ok(of_days(&found.iter().collect::<Vec<_>>()).into())
}

pub(super) async fn activity_of_models(call: Call) -> Result<Response, Refusal> {
    let filter = asked(&call)?;
    let mut report = begin(&call).await?;
    let mut found = all(&mut report, &filter, &[Dimension::Day, Dimension::ModelGroup]).await?;
    found.sort_by_key(|fact| fact.day);
    let mut models: BTreeMap<&str, Vec<&Fact>> = BTreeMap::new();
    for fact in &found {
        models.entry(&fact.model_group).or_default().push(fact);
    }
    let mut models: Vec<_> = models.into_iter().collect();
    let requests = |facts: &[&Fact]| facts.iter().map(|fact| fact.requests).fold(0, i64::saturating_add);
    models.sort_by_key(|(_, facts)| std::cmp::Reverse(requests(facts)));
    let shown = models
        .into_iter()
        .take(TOP)
        .map(|(model, facts)| shape::joined([shape::object(json!({"model": model})), of_days(&facts)]));
    ok(shown.collect())
}

fn of_days(facts: &[&Fact]) -> Map<String, Value> {
    let tokens = |fact: &Fact| fact.input_tokens.saturating_add(fact.output_tokens);
    let sum = |of: &dyn Fn(&Fact) -> i64| facts.iter().map(|fact| of(fact)).fold(0, i64::saturating_add);
    let daily = facts.iter().map(|fact| {
        json!({
            "date": fact.day.format(SHORT).unwrap_or_default(),
            "api_requests": fact.requests,
            "total_tokens": tokens(fact),
        })
    });
    shape::object(json!({
        "daily_data": daily.collect::<Vec<_>>(),
        "sum_api_requests": sum(&|fact| fact.requests),
        "sum_total_tokens": sum(&tokens),
    }))
}
