//! `/spend/logs`, in its three forms.

use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use bulkhead_model::NanoUsd;
use serde_json::{Value, json};

use super::range::{Range, times};
use super::{MASTER, Named, begin, log, named, own_key, summary};
use crate::api::call::{Call, ok};
use crate::api::refusal::Refusal;
use crate::domain::field::Wrong;
use crate::store::spend::{self, LogFilter, LogKey, Report, RequestName, SORTS, count, logs};
use crate::store::terms::{Order, Page};

pub(super) const SIMPLE: super::Parameters = &[
    ("api_key", "string"),
    ("user_id", "string"),
    ("request_id", "string"),
    ("start_date", "string"),
    ("end_date", "string"),
    ("summarize", "boolean"),
];

pub(super) const PAGES: super::Parameters = &[
    ("start_date", "string"),
    ("end_date", "string"),
    ("page", "integer"),
    ("page_size", "integer"),
    ("api_key", "string"),
    ("user_id", "string"),
    ("team_id", "string"),
    ("end_user", "string"),
    ("request_id", "string"),
    ("model", "string"),
    ("model_id", "string"),
    ("model_group", "string"),
    ("key_alias", "string"),
    ("status_filter", "string"),
    ("min_spend", "number"),
    ("max_spend", "number"),
    ("search", "string"),
    ("sort_by", "string"),
    ("sort_order", "string"),
];

/// LiteLLM's filters on what is not recorded here. To leave one out would show what was not asked for.
const UNKNOWN: [&str; 8] = [
    "session_id",
    "session_cursor",
    "group_by_session",
    "span_type",
    "cache_hit_filter",
    "error_code",
    "error_message",
    "used_client_oauth_token",
];

/// Filters by a column of its own.
const EQUAL: [(&str, &str); 6] = [
    ("user_id", "user_id"),
    ("team_id", "team_id"),
    ("end_user", "end_user"),
    ("model_id", "deployment"),
    ("model_group", "model_group"),
    ("key_alias", "key_alias"),
];

const NEWEST: Order = Order { by: "at", descending: true };

/// LiteLLM's: no more rows at once, and no more are counted.
const MOST: i64 = 10_000;

/// The last page's end may not be further away than this.
const DEEPEST: i64 = 100_000;

/// Says that there are more rows than these, as LiteLLM does.
const TRUNCATED: &str = "x-litellm-spend-logs-truncated";

pub(super) async fn simple(call: Call) -> Result<Response, Refusal> {
    let summarize = call.query.text("summarize").is_none() || call.query.flag("summarize")?;
    let range = times(&call.query)?;
    let mut report = begin(&call).await?;
    let mut filter = filter(&call, &mut report, range).await?;
    filter.equal = equal(&call, &["user_id"]);
    if let (Some(range), true, None) = (range, summarize, &filter.request) {
        return summary::by_day(&call, &mut report, range).await;
    }
    let rows = logs(&mut report.transaction, &filter, NEWEST, Page { number: 1, size: MOST }).await?;
    let truncated = i64::try_from(rows.len()).unwrap_or(MOST) == MOST;
    let mut response = axum::Json(rows.iter().map(log::row).collect::<Value>()).into_response();
    if truncated {
        response.headers_mut().insert(TRUNCATED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

pub(super) async fn pages(call: Call) -> Result<Response, Refusal> {
    let query = &call.query;
    refuse_unknown(&call)?;
    let page = query.page_of("page_size", 50, 1000)?;
    if page.offset().saturating_add(page.size) > DEEPEST {
        let message = format!("Pages end after {DEEPEST} rows: narrow the range, or filter.");
        return Err(Refusal::bad(message).param("page"));
    }
    let order = query.order("sort_by", SORTS, NEWEST)?;
    let range = times(query)?;
    if range.is_none() && query.text("request_id").is_none() {
        return Err(Refusal::bad("Start date and end date are required").param("start_date"));
    }
    let mut report = begin(&call).await?;
    let filter = LogFilter {
        equal: equal(&call, &EQUAL.map(|(name, _)| name)),
        model: query.text("model").map(str::to_owned),
        failed: status(&call)?,
        min: amount(&call, "min_spend")?,
        max: amount(&call, "max_spend")?,
        search: query.text("search").map(str::to_owned),
        ..filter(&call, &mut report, range).await?
    };
    let rows = logs(&mut report.transaction, &filter, order, page).await?;
    let total = count(&mut report.transaction, &filter, MOST + 1).await?;
    ok(json!({
        "data": rows.iter().map(log::row).collect::<Vec<_>>(),
        "total": total.min(MOST),
        "total_is_capped": total > MOST,
        "page": page.number,
        "page_size": page.size,
        "total_pages": page.pages(total.min(MOST)),
    }))
}

pub(super) async fn one(call: Call) -> Result<Response, Refusal> {
    let mut report = begin(&call).await?;
    let filter = LogFilter {
        request: Some(log::named(call.part("request_id")?)),
        own: own_key(&call).map(str::to_owned),
        ..LogFilter::default()
    };
    let found = logs(&mut report.transaction, &filter, NEWEST, Page { number: 1, size: 1 }).await?;
    let found =
        found.first().ok_or_else(|| Refusal::not_found("No such request is recorded").param("request_id"))?;
    ok(log::row(found))
}

/// What all forms have in common.
async fn filter(call: &Call, report: &mut Report, range: Option<Range>) -> Result<LogFilter, Refusal> {
    let request = call.query.text("request_id").map(log::named);
    // An event is found by its number alone, whenever it was.
    let range = range.filter(|_| !matches!(request, Some(RequestName::Event(..))));
    Ok(LogFilter {
        from: range.map(|range| range.from),
        to: range.map(|range| range.to),
        own: own_key(call).map(str::to_owned),
        key: key(call, report).await?,
        request,
        ..LogFilter::default()
    })
}

async fn key(call: &Call, report: &mut Report) -> Result<Option<LogKey>, Refusal> {
    let Some(text) = call.query.text("api_key") else { return Ok(None) };
    Ok(Some(match named(call, text) {
        Named::Master => LogKey::Id(MASTER.to_owned()),
        Named::Nobody => LogKey::Id(text.to_owned()),
        Named::Key(hash) => match spend::key_ids(&mut report.transaction, &[hash]).await?.remove(&hash) {
            Some(id) => LogKey::Id(id),
            None => LogKey::Hash(hash),
        },
    }))
}

fn equal(call: &Call, names: &[&str]) -> Vec<(&'static str, String)> {
    let asked = EQUAL.iter().filter(|(name, _)| names.contains(name));
    asked.filter_map(|(name, column)| Some((*column, call.query.text(name)?.to_owned()))).collect()
}

fn refuse_unknown(call: &Call) -> Result<(), Refusal> {
    let asked = |name: &&&str| !matches!(call.query.text(name), None | Some("false"));
    match UNKNOWN.iter().find(asked) {
        Some(name) => {
            let message = format!("`{name}` cannot be asked for: this version does not record it");
            Err(Refusal::bad(message).param(*name))
        }
        None => Ok(()),
    }
}

fn status(call: &Call) -> Result<Option<bool>, Refusal> {
    match call.query.text("status_filter") {
        None => Ok(None),
        Some("success") => Ok(Some(false)),
        Some("failure") => Ok(Some(true)),
        Some(_) => {
            let wrong = Wrong::new("literal_error", "Input should be 'success' or 'failure'");
            Err(Refusal::query("status_filter", wrong))
        }
    }
}

fn amount(call: &Call, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(text) = call.query.text(name) else { return Ok(None) };
    let amount = NanoUsd::from_decimal(text);
    amount.map(|amount| Some(amount.0)).map_err(|error| Refusal::query(name, Wrong::value(error)))
}
