//! `/global/spend/report`: what was spent, by team or by key.

use std::collections::BTreeMap;

use axum::response::Response;
use serde_json::{Value, json};
use time::Date;

use super::breakdown::key_name;
use super::{begin, key_ids, range};
use crate::api::call::{Call, ok};
use crate::api::refusal::Refusal;
use crate::api::shape;
use crate::domain::time::millis;
use crate::store::spend::{Dimension, Fact, FactFilter, Report, facts, key_names, team_names};

pub(super) const PARAMETERS: super::Parameters = &[
    ("start_date", "string"),
    ("end_date", "string"),
    ("group_by", "string"),
    ("api_key", "string"),
    ("internal_user_id", "string"),
    ("team_id", "string"),
];

/// Groups that an answer without pages is made of.
const MOST: usize = 50_000;

/// All groups, if they are not too many to answer with.
pub(super) async fn all(
    report: &mut Report,
    filter: &FactFilter,
    by: &[Dimension],
) -> Result<Vec<Fact>, Refusal> {
    let limit = i64::try_from(MOST).unwrap_or(i64::MAX).saturating_add(1);
    let (found, _) = facts(&mut report.transaction, filter, by, 0, limit).await?;
    if found.len() > MOST {
        let message = format!("This is more than {MOST} rows. Narrow the range or filter, or ask for pages.");
        return Err(Refusal::bad(message).param("start_date"));
    }
    Ok(found)
}

pub(super) async fn report(call: Call) -> Result<Response, Refusal> {
    let query = &call.query;
    let days = range::days(query, 0)?;
    let mut filter = FactFilter::new(days.from, days.to);
    let (key, user, team) = (query.text("api_key"), query.text("internal_user_id"), query.text("team_id"));
    let group = query.text("group_by").unwrap_or("team");
    if query.text("customer_id").is_some() || !matches!(group, "team" | "api_key") {
        let message = "What customers spent is not summed up by this version: group by team or api_key";
        return Err(Refusal::bad(message).param("group_by"));
    }
    let mut report = begin(&call).await?;
    if let Some(key) = key {
        filter.keys = Some(key_ids(&call, &mut report, &[key.to_owned()]).await?);
    }
    filter.users = user.map(|user| vec![user.to_owned()]);
    filter.teams = team.map(|team| vec![team.to_owned()]);
    match key.is_some() || user.is_some() || group == "api_key" {
        true => by_key(&mut report, &filter).await,
        false => by_team(&mut report, &filter).await,
    }
}

async fn by_key(report: &mut Report, filter: &FactFilter) -> Result<Response, Refusal> {
    let found = all(report, filter, &[Dimension::Key, Dimension::Model]).await?;
    let names = key_names(&mut report.transaction, ids(&found, |fact| &fact.key_id)).await?;
    let mut keys: BTreeMap<&str, Vec<&Fact>> = BTreeMap::new();
    for fact in &found {
        keys.entry(&fact.key_id).or_default().push(fact);
    }
    let mut keys: Vec<_> =
        keys.into_iter().map(|(id, facts)| (total(&facts, |fact| fact.cost), id, facts)).collect();
    keys.sort_by_key(|(cost, id, _)| (std::cmp::Reverse(*cost), *id));
    let shown = keys.into_iter().map(|(cost, id, facts)| {
        let models = facts.iter().map(|fact| {
            json!({
                "model": fact.model,
                "total_cost": shape::dollars(fact.cost),
                "total_input_tokens": fact.input_tokens,
                "total_output_tokens": fact.output_tokens,
            })
        });
        json!({
            "api_key": key_name(id, &names),
            "total_cost": shape::dollars(cost),
            "total_input_tokens": total(&facts, |fact| fact.input_tokens),
            "total_output_tokens": total(&facts, |fact| fact.output_tokens),
            "model_details": models.collect::<Vec<_>>(),
        })
    });
    ok(shown.collect())
}

async fn by_team(report: &mut Report, filter: &FactFilter) -> Result<Response, Refusal> {
    let by = [Dimension::Day, Dimension::Team, Dimension::Key, Dimension::Model];
    let found = all(report, filter, &by).await?;
    let keys = key_names(&mut report.transaction, ids(&found, |fact| &fact.key_id)).await?;
    let names = team_names(&mut report.transaction, ids(&found, |fact| &fact.team_id)).await?;
    let mut days: BTreeMap<Date, BTreeMap<&str, Vec<&Fact>>> = BTreeMap::new();
    for fact in &found {
        days.entry(fact.day).or_default().entry(&fact.team_id).or_default().push(fact);
    }
    let shown = days.into_iter().map(|(day, teams)| {
        let teams = teams.into_iter().map(|(id, facts)| {
            let of_key = |fact: &&Fact| {
                json!({
                    "model": fact.model,
                    "api_key": key_name(&fact.key_id, &keys),
                    "spend": shape::dollars(fact.cost),
                    "total_tokens": fact.input_tokens.saturating_add(fact.output_tokens),
                })
            };
            json!({
                "team_name": team_name(id, &names, "Unassigned Team"),
                "total_spend": shape::dollars(total(&facts, |fact| fact.cost)),
                "metadata": facts.iter().map(of_key).collect::<Vec<_>>(),
            })
        });
        let start = millis(day.midnight().assume_utc()).rfc3339();
        json!({"group_by_day": start, "teams": teams.collect::<Vec<_>>()})
    });
    ok(shown.collect::<Value>())
}

/// A team's alias; its id where it has none, or is gone.
pub(super) fn team_name(
    id: &str,
    names: &std::collections::HashMap<String, Option<String>>,
    none: &str,
) -> String {
    let alias = names.get(id).cloned().flatten();
    alias.unwrap_or_else(|| if id.is_empty() { none } else { id }.to_owned())
}

pub(super) fn ids(found: &[Fact], of: fn(&Fact) -> &str) -> Vec<String> {
    let distinct: std::collections::BTreeSet<_> = found.iter().map(of).collect();
    distinct.into_iter().map(str::to_owned).collect()
}

fn total(facts: &[&Fact], of: fn(&Fact) -> i64) -> i64 {
    facts.iter().map(|fact| of(fact)).fold(0, i64::saturating_add)
}
