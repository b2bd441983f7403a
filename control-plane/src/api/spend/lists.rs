//! `/spend/keys` and `/spend/users`.

use axum::response::Response;
use serde_json::Value;

use super::{begin, own_key, shown};
use crate::api::auth::Caller;
use crate::api::call::{Call, ok};
use crate::api::keys::{SPEND as KEY_SPEND, view};
use crate::api::refusal::Refusal;
use crate::api::users::{SPEND as USER_SPEND, row};
use crate::store::keys::{self, KeyFilter};
use crate::store::terms::{Order, Page};
use crate::store::users::{self, UserFilter};

/// Rows of an answer that has no pages.
const MOST: i64 = 1000;

fn first(call: &Call) -> Result<Page, Refusal> {
    Ok(Page { number: 1, size: call.query.number("limit", 1, MOST)?.unwrap_or(MOST) })
}

/// The caller's user, where the caller may not see all; nobody's where it has none.
fn own_user(call: &Call) -> Option<Option<&str>> {
    match &call.caller {
        Caller::Key(found) if own_key(call).is_some() => Some(found.key.user_id.as_deref()),
        _ => None,
    }
}

pub(super) async fn keys(call: Call) -> Result<Response, Refusal> {
    let own = own_user(&call);
    if own == Some(None) {
        return ok(Value::Array(Vec::new()));
    }
    let filter = KeyFilter { user_id: own.flatten().map(str::to_owned), ..KeyFilter::default() };
    let order = Order { by: KEY_SPEND, descending: true };
    let mut report = begin(&call).await?;
    let (mut found, _) = keys::list(&mut report.transaction, &filter, order, first(&call)?).await?;
    let times = call.times(&mut report.transaction).await?;
    shown::keys(&mut report.transaction, &mut found, &times).await?;
    ok(found.iter().map(|key| Value::Object(view::row(key, &times))).collect())
}

pub(super) async fn users(call: Call) -> Result<Response, Refusal> {
    let asked = call.query.text("user_id");
    let ids = match (own_user(&call), asked) {
        (None, asked) => asked,
        (Some(None), _) => return ok(Value::Array(Vec::new())),
        (Some(own), Some(asked)) if own != Some(asked) => {
            return Err(Refusal::forbidden("Not authorized to view spend for another user."));
        }
        (Some(own), _) => own,
    };
    let filter = UserFilter { ids: ids.map(str::to_owned).into_iter().collect(), ..UserFilter::default() };
    let order = Order { by: USER_SPEND, descending: true };
    let mut report = begin(&call).await?;
    let (mut found, _) = users::list(&mut report.transaction, &filter, order, first(&call)?).await?;
    let times = call.times(&mut report.transaction).await?;
    shown::users(&mut report.transaction, &mut found, &times).await?;
    ok(found.iter().map(|user| Value::Object(row(user, &times))).collect())
}
