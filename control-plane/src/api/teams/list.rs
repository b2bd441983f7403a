//! Lists of teams.

use axum::response::Response;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::view;
use crate::api::call::{Call, Times, ok};
use crate::api::refusal::Refusal;
use crate::api::spend::shown;
use crate::store::members;
use crate::store::teams::{self, StoredTeam, TeamFilter};
use crate::store::terms::NEWEST;

/// What a team spent since its spend was said, whatever the window of its budget.
const SPEND: &str =
    "spend + coalesce((select amount from entity_spend where kind = 2 and id = teams.id), 0)::numeric";

const ORDERS: &[(&str, &str)] = &[
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
    ("team_alias", "alias"),
    ("team_id", "id"),
    ("spend", SPEND),
    ("max_budget", "max_budget"),
];

pub(super) async fn list(call: Call) -> Result<Response, Refusal> {
    let filter =
        TeamFilter { user_id: call.query.text("user_id").map(str::to_owned), ..TeamFilter::default() };
    let mut transaction = call.begin().await?;
    let found = match of_an_organization(&call) {
        true => Vec::new(),
        false => teams::list(&mut transaction, &filter, NEWEST, None).await?.0,
    };
    let times = call.times(&mut transaction).await?;
    ok(rows(&mut transaction, found, &times).await?.into())
}

pub(super) async fn list_v2(call: Call) -> Result<Response, Refusal> {
    let text = |name: &str| call.query.text(name).map(str::to_owned);
    let page = call.query.page("page_size", 10)?;
    let order = call.query.order("sort_by", ORDERS, NEWEST)?;
    let filter = TeamFilter { user_id: text("user_id"), team_id: text("team_id"), alias: text("team_alias") };
    let mut transaction = call.begin().await?;
    let (found, total) = match of_an_organization(&call) {
        true => (Vec::new(), 0),
        false => teams::list(&mut transaction, &filter, order, Some(page)).await?,
    };
    let times = call.times(&mut transaction).await?;
    let teams = rows(&mut transaction, found, &times).await?;
    ok(json!({
        "teams": teams,
        "total": total,
        "page": page.number,
        "page_size": page.size,
        "total_pages": page.pages(total),
    }))
}

/// No team belongs to an organization, so a list of those that do is empty.
fn of_an_organization(call: &Call) -> bool {
    call.query.text("organization_id").is_some()
}

/// Teams as answers have them.
pub(crate) async fn rows(
    connection: &mut PgConnection,
    mut found: Vec<StoredTeam>,
    times: &Times,
) -> Result<Vec<Value>, Refusal> {
    shown::teams(connection, &mut found, times).await?;
    let ids: Vec<_> = found.iter().map(|team| team.id.clone()).collect();
    let members = members::of_teams(connection, &ids).await?;
    let mut by_team: std::collections::HashMap<&str, Vec<_>> = std::collections::HashMap::new();
    for member in &members {
        by_team.entry(&member.team_id).or_default().push(member.clone());
    }
    let row = |team: &StoredTeam| {
        view::row(team, by_team.get(team.id.as_str()).map(Vec::as_slice).unwrap_or_default(), times)
    };
    Ok(found.iter().map(row).collect())
}
