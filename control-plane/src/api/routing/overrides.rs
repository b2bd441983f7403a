//! `/router/override`: what an operator says in the place of declared chains, until it expires (requirements R-070).

use axum::response::Response;
use bulkhead_model::rows::OverrideRow;
use bulkhead_model::{Clock, UnixMillis, WindowLength};
use serde_json::{Value, json};

use super::{ANY, Served, read, to_change};
use crate::api::call::{Call, ok};
use crate::api::refusal::Refusal;
use crate::api::shape;
use crate::domain::body::body;
use crate::domain::fallback::chain;
use crate::domain::field::{Name, Wrong};
use crate::domain::time;
use crate::store::{audit, settings};

body! {
    /// `/router/override`
    OverrideNew { group: Name, targets: Vec<Name>, ttl: WindowLength, force: bool }
}

/// What lasts longer is no exception but a rule, and belongs where rules are declared.
const LONGEST: WindowLength = WindowLength::Days(30);
/// So many at once are a misunderstanding.
const MOST: usize = 1000;

const SET: &str = "override";
const ENDED: &str = "override end";

pub(super) async fn set(call: Call) -> Result<Response, Refusal> {
    let OverrideNew { group, targets, ttl, force } = call.read()?;
    let Name(group) = group.ok_or_else(|| Refusal::missing("group"))?;
    let targets = targets.ok_or_else(|| Refusal::missing("targets"))?;
    let ttl = ttl.ok_or_else(|| Refusal::missing("ttl"))?;
    if ttl.as_millis() > LONGEST.as_millis() {
        return Err(Refusal::field("ttl", format!("an override lasts at most {LONGEST}")));
    }
    let mut change = call.change().await?;
    let mut row = to_change(&mut change).await?;
    let served = Served::read(change.connection(), &row.row).await?;
    if group != ANY {
        served.check("group", &group)?;
    }
    for Name(target) in &targets {
        served.check("targets", target)?;
    }
    let chain = chain(group, targets).map_err(|wrong| Refusal::field("targets", wrong.message))?;
    let now = Clock::System.now();
    let expires = time::after(now, ttl).ok_or_else(|| Refusal::field("ttl", "this never ends"))?;
    let new =
        OverrideRow { group: chain.group, targets: chain.targets, expires, force: force.unwrap_or(false) };
    let owner = row.owner.take();
    let overrides = &mut row.row.routing.overrides;
    overrides.retain(|other| other.group != new.group && now < other.expires);
    if overrides.len() >= MOST {
        return Err(Refusal::bad(format!("There are {MOST} overrides already.")));
    }
    overrides.push(new.clone());
    let answer = shown(&new);
    audit::note_with(change.connection(), &call.by, SET, &new.group, &answer).await?;
    settings::put(&mut change, &row.row, owner.as_deref()).await?;
    call.commit(change, answer).await
}

pub(super) async fn list(call: Call) -> Result<Response, Refusal> {
    let overrides = read(&call).await?.row.routing.overrides;
    let now = Clock::System.now();
    let mut transaction = call.begin().await?;
    let mut listed = Vec::new();
    for row in overrides.iter().filter(|row| now < row.expires) {
        let deed = audit::last(&mut transaction, SET, &row.group).await?;
        let who = json!({
            "set_by": deed.as_ref().map(|deed| deed.actor.as_str()),
            "set_at": deed.map(|deed| shape::time(deed.at)),
        });
        listed.push(shape::joined([shape::object(shown(row)), shape::object(who)]));
    }
    ok(json!({"overrides": listed}))
}

pub(super) async fn delete(call: Call) -> Result<Response, Refusal> {
    let group = call
        .query
        .text("group")
        .ok_or_else(|| Refusal::query("group", Wrong::new("missing", "Field required")))?
        .to_owned();
    let now = Clock::System.now();
    let mut change = call.change().await?;
    let mut row = to_change(&mut change).await?;
    let owner = row.owner.take();
    let overrides = &mut row.row.routing.overrides;
    overrides.retain(|other| now < other.expires);
    let there = overrides.len();
    overrides.retain(|other| other.group != group);
    if overrides.len() == there {
        return Err(Refusal::not_found(format!("There is no override for '{group}'")).param("group"));
    }
    audit::note(change.connection(), &call.by, ENDED, &group).await?;
    settings::put(&mut change, &row.row, owner.as_deref()).await?;
    call.commit(change, json!({"group": group, "message": "Override deleted successfully"})).await
}

fn shown(row: &OverrideRow) -> Value {
    let OverrideRow { group, targets, expires, force } = row;
    json!({"group": group, "targets": targets, "expires": UnixMillis::rfc3339(*expires), "force": force})
}
