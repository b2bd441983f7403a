//! A new secret, and a new count.

use axum::response::Response;
use bulkhead_model::{Clock, KeyHash, hash};
use bulkhead_snapshot::wire::Id;
use serde_json::json;

use super::body::{KeyRegenerate, SpendReset};
use super::{change::store, free, locked, make, to_change, touch, view};
use crate::api::call::Call;
use crate::api::refusal::Refusal;
use crate::api::shape;
use crate::api::spend::shown;
use crate::domain::{id, time};
use crate::store::keys;

/// The key keeps its id, so that its books go on. With a grace period the secret that it had stays valid for so long;
/// without one, every secret that it ever had is refused from now on.
pub(super) async fn regenerate(call: Call) -> Result<Response, Refusal> {
    let body: KeyRegenerate = call.read()?;
    let named = match (call.part("key"), &body.key) {
        (Ok(name), _) => name.to_owned(),
        (Err(_), Some(key)) => key.expose().to_owned(),
        (Err(_), None) => return Err(Refusal::missing("key")),
    };
    let mut change = call.change().await?;
    let before = to_change(&mut change, &named).await?;
    // Under the tokens that end here, too.
    touch(&mut change, std::slice::from_ref(&before)).await?;
    let secret = match body.new_key {
        None => id::key()?,
        Some(chosen) => {
            id::check_chosen(&chosen).map_err(|what| Refusal::bad(what).param("new_key"))?;
            chosen
        }
    };
    let now = Clock::System.now();
    let mut key = before.clone();
    body.fields.apply(&mut key, now)?;
    make::may_be_stored(&mut change, &key, Some(&before)).await?;
    key.token = KeyHash::of(secret.expose()).0.to_vec();
    key.name = hash::masked(secret.expose());
    free(&call, change.connection(), key.hash()).await?;
    match body.grace_period.and_then(|length| time::after(now, length)).and_then(time::stored) {
        Some(until) => keys::keep_token(change.connection(), &before, until).await?,
        None => keys::drop_old_tokens(change.connection(), &before.id).await?,
    }
    store(&mut change, &mut key).await?;
    change.touch(Id::Key(before.hash()));
    let times = call.times(change.connection()).await?;
    let made = view::made(&key, secret.expose(), &times);
    call.commit(change, made.into()).await
}

/// What counts as spent from now on, whatever nodes counted. A file that declares the key says nothing of it.
pub(super) async fn reset_spend(call: Call) -> Result<Response, Refusal> {
    let body: SpendReset = call.read()?;
    let amount = body.reset_to.ok_or_else(|| Refusal::missing("reset_to"))?;
    let mut change = call.change().await?;
    let mut key = locked(&mut change, call.part("key")?).await?;
    let times = call.times(change.connection()).await?;
    let mut before = key.clone();
    shown::keys(change.connection(), std::slice::from_mut(&mut before), &times).await?;
    if key.terms.max_budget.is_some_and(|max| amount.0 > max) {
        return Err(Refusal::bad("reset_to must not be above the key's max_budget").param("reset_to"));
    }
    key.terms.spend_anew(amount);
    store(&mut change, &mut key).await?;
    let reset = time::reset_at(key.terms.budget_duration.as_deref(), times.now, &times.zone);
    let answer = json!({
        "key_hash": key.hash().to_string(),
        "spend": shape::dollars(key.terms.spend),
        "previous_spend": shape::dollars(before.terms.spend),
        "max_budget": shape::maybe_dollars(key.terms.max_budget),
        "budget_reset_at": reset.map(bulkhead_model::UnixMillis::rfc3339),
    });
    call.commit(change, answer).await
}
