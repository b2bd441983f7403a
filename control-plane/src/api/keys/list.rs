//! Lists of keys.

use axum::response::Response;
use serde_json::{Value, json};

use super::view;
use crate::api::call::{Call, ok};
use crate::api::refusal::Refusal;
use crate::api::shape;
use crate::api::spend::shown;
use crate::domain::id;
use crate::store::keys::{self, KeyFilter, KeyStatus};
use crate::store::terms::NEWEST;

/// What a key spent since its spend was said, whatever the window of its budget.
pub(crate) const SPEND: &str =
    "spend + coalesce((select amount from entity_spend where kind = 1 and id = keys.id), 0)::numeric";

/// What keys can be ordered by, and the columns.
const ORDERS: &[(&str, &str)] = &[
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
    ("spend", SPEND),
    ("max_budget", "max_budget"),
    ("token", "token"),
    ("key_alias", "alias"),
    ("key_name", "name"),
    ("user_id", "user_id"),
    ("team_id", "team_id"),
    ("expires", "expires_at"),
];

/// No key belongs to any of these, so a list of those that do is empty.
const NOBODYS: &[&str] = &["organization_id", "project_id", "agent_id", "access_group_id"];

pub(super) async fn list(call: Call) -> Result<Response, Refusal> {
    let query = &call.query;
    let page = query.page("size", 10)?;
    let order = query.order("sort_by", ORDERS, NEWEST)?;
    let full = query.flag("return_full_object")?;
    let text = |name: &str| query.text(name).map(str::to_owned);
    let named = query.text("key_hash");
    let filter = KeyFilter {
        user_id: text("user_id"),
        team_id: text("team_id"),
        alias: text("key_alias"),
        token: named.and_then(id::token),
        search: text("search"),
        substring: query.flag("substring_matching")?,
        status: status(query.text("status"))?,
    };
    let nobodys = NOBODYS.iter().any(|name| query.text(name).is_some())
        || (named.is_some() && filter.token.is_none())
        || query.text("status") == Some("deleted");
    let mut transaction = call.begin().await?;
    let (mut found, total) = match nobodys {
        true => (Vec::new(), 0),
        false => keys::list(&mut transaction, &filter, order, page).await?,
    };
    let times = call.times(&mut transaction).await?;
    if full {
        shown::keys(&mut transaction, &mut found, &times).await?;
    }
    let listed = found.iter().map(|key| match full {
        true => Value::Object(view::row(key, &times)),
        false => key.hash().to_string().into(),
    });
    let keys = shape::object(json!({"keys": listed.collect::<Vec<_>>()}));
    ok(shape::joined([keys, shape::paged(total, page)]))
}

fn status(asked: Option<&str>) -> Result<Option<KeyStatus>, Refusal> {
    match asked {
        None | Some("deleted") => Ok(None),
        Some("active") => Ok(Some(KeyStatus::Active)),
        Some("expired") => Ok(Some(KeyStatus::Expired)),
        Some("revoked") => Ok(Some(KeyStatus::Revoked)),
        Some(other) => Err(Refusal::bad(format!(
            "Invalid status: {other}. Use one of: active, expired, revoked, deleted"
        ))
        .param("status")),
    }
}

pub(super) async fn aliases(call: Call) -> Result<Response, Refusal> {
    let page = call.query.page("size", 50)?;
    let filter = KeyFilter {
        alias: call.query.text("search").map(str::to_owned),
        substring: true,
        team_id: call.query.text("team_id").map(str::to_owned),
        ..KeyFilter::default()
    };
    let mut transaction = call.begin().await?;
    let (aliases, total) = keys::aliases(&mut transaction, &filter, page).await?;
    let list = shape::object(json!({"aliases": aliases, "size": page.size}));
    ok(shape::joined([list, shape::paged(total, page)]))
}
