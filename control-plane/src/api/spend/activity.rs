//! `/user/daily/activity` and `/team/daily/activity`, from the rollup.

use std::collections::BTreeMap;

use axum::response::Response;
use serde_json::{Value, json};
use time::Date;

use super::breakdown::{Day, Metrics, Names};
use super::range::{self, behind, days};
use super::{begin, key_ids, own_key, report, summary};
use crate::api::auth::Caller;
use crate::api::call::{Call, ok};
use crate::api::refusal::Refusal;
use crate::api::shape;
use crate::store::spend::{Dimension, Fact, FactFilter, Report, facts, key_names, team_names, user_names};

pub(super) const PARAMETERS: super::Parameters = &[
    ("start_date", "string"),
    ("end_date", "string"),
    ("model", "string"),
    ("api_key", "string"),
    ("user_id", "string"),
    ("team_ids", "string"),
    ("exclude_team_ids", "string"),
    ("page", "integer"),
    ("page_size", "integer"),
    ("timezone", "integer"),
];

/// Whose activity is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Users,
    Teams,
}

pub(super) async fn of_users(call: Call) -> Result<Response, Refusal> {
    in_pages(&call, Of::Users).await
}

pub(super) async fn of_teams(call: Call) -> Result<Response, Refusal> {
    in_pages(&call, Of::Teams).await
}

pub(super) async fn of_users_at_once(call: Call) -> Result<Response, Refusal> {
    let mut report = begin(&call).await?;
    let filter = filter(&call, &mut report, Of::Users).await?;
    let found = report::all(&mut report, &filter, &dimensions(Of::Users)).await?;
    let paging = json!({"page": 1, "total_pages": 1, "has_more": false});
    answer(&mut report, &found, Of::Users, paging).await
}

async fn in_pages(call: &Call, of: Of) -> Result<Response, Refusal> {
    let page = call.query.page_of("page_size", 50, 1000)?;
    let mut report = begin(call).await?;
    let filter = filter(call, &mut report, of).await?;
    let by = dimensions(of);
    let (found, total) = facts(&mut report.transaction, &filter, &by, page.offset(), page.size).await?;
    let pages = page.pages(total);
    let paging = json!({"page": page.number, "total_pages": pages, "has_more": page.number < pages});
    answer(&mut report, &found, of, paging).await
}

fn dimensions(of: Of) -> [Dimension; 7] {
    let entity = match of {
        Of::Users => Dimension::User,
        Of::Teams => Dimension::Team,
    };
    [
        Dimension::Day,
        Dimension::Key,
        entity,
        Dimension::Model,
        Dimension::ModelGroup,
        Dimension::Provider,
        Dimension::Endpoint,
    ]
}

async fn filter(call: &Call, report: &mut Report, of: Of) -> Result<FactFilter, Refusal> {
    let query = &call.query;
    let behind = behind(query)?;
    let range = days(query, behind)?;
    let mut filter = FactFilter::new(range.from, range.to);
    filter.behind = i32::try_from(behind).unwrap_or_default();
    filter.model = query.text("model").map(str::to_owned);
    let asked = query.list("api_key");
    if !asked.is_empty() {
        filter.keys = Some(key_ids(call, report, &asked).await?);
    }
    let users = query.list("user_id");
    if of == Of::Teams {
        let teams = query.list("team_ids");
        filter.in_a_team = true;
        filter.teams = (!teams.is_empty()).then_some(teams);
        filter.not_teams = query.list("exclude_team_ids");
    } else if !users.is_empty() {
        filter.users = Some(users);
    }
    restrict(call, &mut filter)?;
    Ok(filter)
}

/// Who may not see all sees what its user used, or its key where that is nobody's.
fn restrict(call: &Call, filter: &mut FactFilter) -> Result<(), Refusal> {
    let Some(own) = own_key(call) else { return Ok(()) };
    let user = match &call.caller {
        Caller::Key(found) => found.key.user_id.clone(),
        _ => None,
    };
    let others = filter.users.take().unwrap_or_default();
    if others.iter().any(|other| user.as_ref() != Some(other)) {
        return Err(Refusal::forbidden("Non-admin users can only view their own spend data"));
    }
    match user {
        Some(user) => filter.users = Some(vec![user]),
        None => filter.keys = Some(summary::only(filter.keys.take(), own)),
    }
    Ok(())
}

async fn answer(report: &mut Report, found: &[Fact], of: Of, paging: Value) -> Result<Response, Refusal> {
    let names = names(report, found, of).await?;
    let mut days: BTreeMap<Date, Day> = BTreeMap::new();
    let mut totals = Metrics::default();
    for fact in found {
        totals.add(fact);
        days.entry(fact.day).or_default().add(fact, entity(fact, of));
    }
    let results: Vec<_> =
        days.iter().rev().map(|(date, day)| day.shown(&range::day(*date), &names)).collect();
    let metadata = shape::joined([totals.totals(), shape::object(paging)]);
    ok(json!({"results": results, "metadata": metadata}))
}

fn entity(fact: &Fact, of: Of) -> &str {
    match of {
        Of::Users => &fact.user_id,
        Of::Teams => &fact.team_id,
    }
}

async fn names(report: &mut Report, found: &[Fact], of: Of) -> Result<Names, Refusal> {
    let distinct = |of: fn(&Fact) -> &str| {
        let set: std::collections::BTreeSet<_> = found.iter().map(of).filter(|id| !id.is_empty()).collect();
        set.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let keys = key_names(&mut report.transaction, distinct(|fact| &fact.key_id)).await?;
    let (member, known) = match of {
        Of::Users => {
            ("user_email", user_names(&mut report.transaction, distinct(|fact| &fact.user_id)).await?)
        }
        Of::Teams => {
            ("team_alias", team_names(&mut report.transaction, distinct(|fact| &fact.team_id)).await?)
        }
    };
    let entities = known.into_iter().map(|(id, name)| (id, json!({member: name}))).collect();
    Ok(Names { keys, entities })
}
