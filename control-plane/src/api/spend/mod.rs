//! `/spend/*`, `/global/*` and `/*/daily/activity`: what was spent, on what and by whom.
//!
//! Nothing here changes anything. All of it runs as [`Report`]s, a few at a time.

mod activity;
mod breakdown;
mod calculate;
mod global;
mod lists;
mod log;
mod logs;
mod range;
mod report;
pub(super) mod shown;
mod summary;

use axum::http::StatusCode;

use super::auth::{Access, Caller};
use super::call::Call;
use super::refusal::Refusal;
use super::route::Route;
use crate::domain::id;
use crate::store::spend::{self, Report};

use calculate::SpendCalculate;

/// The stable id of the master key in what is recorded, and its name in LiteLLM's tables.
const MASTER: &str = "master";
const MASTER_NAME: &str = "litellm_proxy_master_key";

type Parameters = &'static [(&'static str, &'static str)];

const RANGE: Parameters = &[("start_date", "string"), ("end_date", "string")];

pub(super) fn routes() -> Vec<Route> {
    let limit: Parameters = &[("limit", "integer")];
    let mut routes = vec![
        Route::get("/spend/logs", "Requests and what they cost, or sums by day.", logs::simple)
            .access(Access::AnyKey)
            .query(logs::SIMPLE),
        Route::get("/spend/logs/v2", "Requests and what they cost, in pages.", logs::pages)
            .access(Access::AnyKey)
            .query(logs::PAGES),
        Route::get("/spend/logs/ui", "Requests and what they cost, in pages.", logs::pages)
            .access(Access::AnyKey)
            .query(logs::PAGES),
        Route::get("/spend/logs/ui/{request_id}", "One request and what it cost.", logs::one)
            .access(Access::AnyKey),
        Route::get("/spend/keys", "Keys, those that spent most first.", lists::keys)
            .access(Access::AnyKey)
            .query(limit),
        Route::get("/spend/users", "Users, those that spent most first.", lists::users)
            .access(Access::AnyKey)
            .query(&[("user_id", "string"), ("limit", "integer")]),
        Route::post::<SpendCalculate, _>("/spend/calculate", "What a request costs.", calculate::calculate)
            .access(Access::AnyKey),
        Route::get("/global/spend", "What was spent altogether.", global::spend),
        Route::get("/global/spend/report", "What was spent, by team or key.", report::report)
            .query(report::PARAMETERS),
        Route::get("/global/spend/keys", "Keys that spent most in 30 days.", global::keys).query(limit),
        Route::get("/global/spend/teams", "What teams spent in 30 days, by day.", global::teams),
        Route::get("/global/spend/models", "Models that cost most in 30 days.", global::models).query(limit),
        Route::get("/global/spend/provider", "What was spent at each provider.", global::providers)
            .query(RANGE),
        Route::get("/global/activity", "Requests and tokens by day.", global::activity).query(RANGE),
        Route::get(
            "/global/activity/model",
            "Requests and tokens of models by day.",
            global::activity_of_models,
        )
        .query(RANGE),
    ];
    routes.extend([
        Route::get("/user/daily/activity", "What users used by day, in pages.", activity::of_users)
            .access(Access::AnyKey)
            .query(activity::PARAMETERS),
        Route::get("/user/daily/activity/aggregated", "What users used by day.", activity::of_users_at_once)
            .access(Access::AnyKey)
            .query(activity::PARAMETERS),
        Route::get("/team/daily/activity", "What teams used by day, in pages.", activity::of_teams)
            .query(activity::PARAMETERS),
    ]);
    routes
}

/// A transaction for a report, if there is a place for one.
pub(super) async fn begin(call: &Call) -> Result<Report, Refusal> {
    Report::begin(&call.state.store).await?.ok_or_else(|| {
        let message = "Too many reports are running. Please retry shortly.";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", message)
    })
}

/// The key whose usage is all that the caller may see.
fn own_key(call: &Call) -> Option<&str> {
    match &call.caller {
        Caller::Key(found) if !call.caller.sees_all() => Some(&found.key.id),
        _ => None,
    }
}

/// A key that is asked about: by itself, its hash, or the master key's name.
enum Named {
    Master,
    Key(bulkhead_model::KeyHash),
    Nobody,
}

fn named(call: &Call, text: &str) -> Named {
    match id::token(text) {
        _ if text == MASTER_NAME => Named::Master,
        Some(token) if call.state.master_key.same(&token) => Named::Master,
        Some(token) => Named::Key(token),
        None => Named::Nobody,
    }
}

/// The stable ids of the keys that are asked about; those that are nobody's are left out.
async fn key_ids(call: &Call, report: &mut Report, names: &[String]) -> Result<Vec<String>, Refusal> {
    let mut tokens = Vec::new();
    let mut ids = Vec::new();
    for name in names {
        match named(call, name) {
            Named::Master => ids.push(MASTER.to_owned()),
            Named::Key(token) => tokens.push(token),
            // A key that is gone is shown by its id where nothing else is known of it.
            Named::Nobody => ids.push(name.clone()),
        }
    }
    ids.extend(spend::key_ids(&mut report.transaction, &tokens).await?.into_values());
    Ok(ids)
}
