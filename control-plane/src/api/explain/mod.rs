//! `/explain/{call_id}`: what became of a request, leg by leg.

mod requests;
mod view;
mod words;

use axum::response::Response;
use time::{Duration, OffsetDateTime};

use super::auth::{Access, Caller};
use super::call::{Call, ok};
use super::refusal::Refusal;
use super::route::Route;
use super::spend;
use crate::store::members;
use crate::store::spend::{LogFilter, Report, RequestName, Visible, logs};
use crate::store::terms::{Order, Page};

/// Requests that can be asked for are younger.
const AGE: Duration = Duration::hours(24);
/// Legs that are looked at: no request has more than a few, but many may have the same id.
const LEGS: i64 = 128;
const NEWEST: Order = Order { by: "at", descending: true };

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/explain/{call_id}", "What became of a request of the last 24 hours, and why.", explain)
            .access(Access::AnyKey),
    ]
}

async fn explain(call: Call) -> Result<Response, Refusal> {
    let id = call.part("call_id")?;
    let mut report = spend::begin(&call).await?;
    let filter = LogFilter {
        from: Some(OffsetDateTime::now_utc() - AGE),
        request: Some(RequestName::Call(id.to_owned())),
        visible: visible(&call, &mut report).await?,
        ..LogFilter::default()
    };
    let page = Page { number: 1, size: LEGS };
    let found = logs(&mut report.transaction, &filter, NEWEST, page).await?;
    let requests = requests::of(found);
    let newest = requests.iter().max_by_key(|request| request.began());
    // Who may not see it does not hear that it is there.
    let newest = newest.ok_or_else(|| {
        Refusal::not_found("No request of the last 24 hours with this id is recorded").param("call_id")
    })?;
    ok(view::request(newest, requests.len() - 1))
}

/// Whose requests the caller may see; `None` is everybody's. The owner of a key sees what it asked, and an admin of a
/// team what the team's keys did.
async fn visible(call: &Call, report: &mut Report) -> Result<Option<Visible>, Refusal> {
    let Caller::Key(found) = &call.caller else { return Ok(None) };
    if call.caller.sees_all() {
        return Ok(None);
    }
    let user = found.key.user_id.clone();
    let memberships = match &user {
        Some(user) => members::of_users(&mut report.transaction, std::slice::from_ref(user)).await?,
        None => Vec::new(),
    };
    let teams = memberships.into_iter().filter(|member| member.role == "admin").map(|member| member.team_id);
    Ok(Some(Visible { key: found.key.id.clone(), user, teams: teams.collect() }))
}
