//! Teams, made, changed and removed.

use axum::response::Response;
use bulkhead_snapshot::member_id;
use bulkhead_snapshot::wire::Id;
use serde_json::json;

use super::body::{Member, MemberTerms, TeamDelete, TeamModels, TeamName, TeamNew, TeamUpdate};
use super::{members, not_owned, shown, store, to_change, unknown};
use crate::api::call::Call;
use crate::api::keys as key_routes;
use crate::api::refusal::Refusal;
use crate::api::shape;
use crate::domain::body::Body;
use crate::domain::field::{Name, TeamRole};
use crate::domain::id;
use crate::store::teams::{self, StoredTeam};
use crate::store::terms::{Stamp, Terms};
use crate::store::{keys, members as memberships};

pub(super) async fn new(call: Call) -> Result<Response, Refusal> {
    let TeamNew { team_id, members_with_roles, admins, members, fields } = call.read()?;
    let mut change = call.change().await?;
    let id = match team_id {
        Some(Name(id)) => id,
        None => id::uuid()?,
    };
    let mut team = fresh(&id, change.by());
    fields.apply(&mut team)?;
    if !teams::by_ids(change.connection(), std::slice::from_ref(&id), false).await?.is_empty() {
        let message = format!("Team id = {id} already exists. Please use a different team id.");
        return Err(Refusal::bad(message).param("team_id"));
    }
    teams::insert(change.connection(), &team).await?;
    change.touch(Id::Team(id));
    let named =
        |role: TeamRole| move |name: Name| Member { role: Some(role), user_id: Some(name), user_email: None };
    let everybody = members_with_roles
        .into_iter()
        .flatten()
        .chain(admins.into_iter().flatten().map(named(TeamRole::Admin)))
        .chain(members.into_iter().flatten().map(named(TeamRole::User)));
    let terms = MemberTerms::nothing();
    for member in everybody {
        members::add_one(&mut change, &team.id, member, &terms).await?;
    }
    let times = call.times(change.connection()).await?;
    let answer = shown(change.connection(), &team, &times).await?;
    call.commit(change, answer).await
}

fn fresh(id: &str, by: &str) -> StoredTeam {
    StoredTeam {
        id: id.to_owned(),
        alias: None,
        aliases: json!({}),
        member_rpm_limit: None,
        member_tpm_limit: None,
        member_max_budget: None,
        member_budget_duration: None,
        tags: Vec::new(),
        router_settings: json!({}),
        terms: Terms::default(),
        stamp: Stamp::new(by),
    }
}

pub(super) async fn update(call: Call) -> Result<Response, Refusal> {
    let TeamUpdate { team_id, fields } = call.read()?;
    let id = match (call.part("team_id"), team_id) {
        (Ok(id), _) => id.to_owned(),
        (Err(_), Some(Name(id))) => id,
        (Err(_), None) => return Err(Refusal::missing("team_id")),
    };
    let mut change = call.change().await?;
    let mut team = to_change(&mut change, &id).await?;
    fields.apply(&mut team)?;
    store(&mut change, &mut team).await?;
    let times = call.times(change.connection()).await?;
    let data = shown(change.connection(), &team, &times).await?;
    call.commit(change, json!({"team_id": id, "data": data})).await
}

pub(super) async fn delete(call: Call) -> Result<Response, Refusal> {
    let body: TeamDelete = call.read()?;
    let ids = shape::names(body.team_ids.ok_or_else(|| Refusal::missing("team_ids"))?);
    let mut change = call.change().await?;
    let found = teams::by_ids(change.connection(), &ids, true).await?;
    if let Some(missing) = ids.iter().find(|id| !found.iter().any(|team| team.id == **id)) {
        return Err(unknown(missing));
    }
    found.iter().try_for_each(not_owned)?;
    let gone = keys::of(change.connection(), Some(&ids), None, true).await?;
    key_routes::remove(&mut change, &gone).await?;
    for member in memberships::of_teams(change.connection(), &ids).await? {
        change.touch(Id::Member(member_id(&member.team_id, &member.user_id)));
    }
    for id in &ids {
        change.touch(Id::Team(id.clone()));
    }
    teams::delete(change.connection(), &ids).await?;
    call.commit(change, json!({"deleted_teams": ids})).await
}

pub(super) async fn block(call: Call) -> Result<Response, Refusal> {
    set_blocked(&call, true).await
}

pub(super) async fn unblock(call: Call) -> Result<Response, Refusal> {
    set_blocked(&call, false).await
}

async fn set_blocked(call: &Call, blocked: bool) -> Result<Response, Refusal> {
    let body: TeamName = call.read()?;
    let Name(id) = body.team_id.ok_or_else(|| Refusal::missing("team_id"))?;
    changed(call, &id, |team| {
        team.terms.blocked = blocked;
        Ok(())
    })
    .await
}

pub(super) async fn model_add(call: Call) -> Result<Response, Refusal> {
    let (id, models) = of_models(&call)?;
    changed(&call, &id, |team| {
        let new: Vec<_> = models.into_iter().filter(|model| !team.terms.models.contains(model)).collect();
        team.terms.models.extend(new);
        Ok(())
    })
    .await
}

/// An empty list allows everything, so taking the last model away is refused instead of opening all of them.
pub(super) async fn model_delete(call: Call) -> Result<Response, Refusal> {
    let (id, models) = of_models(&call)?;
    changed(&call, &id, |team| {
        let had = team.terms.models.len();
        team.terms.models.retain(|model| !models.contains(model));
        if team.terms.models.is_empty() && had > 0 {
            return Err(Refusal::bad(
                "This takes the team's last model away, and a team without a list may use every model. Block the team, \
                 or set models to [\"no-default-models\"].",
            )
            .param("models"));
        }
        Ok(())
    })
    .await
}

fn of_models(call: &Call) -> Result<(String, Vec<String>), Refusal> {
    let TeamModels { team_id, models } = call.read()?;
    let Name(id) = team_id.ok_or_else(|| Refusal::missing("team_id"))?;
    Ok((id, shape::names(models.ok_or_else(|| Refusal::missing("models"))?)))
}

async fn changed(
    call: &Call,
    id: &str,
    how: impl FnOnce(&mut StoredTeam) -> Result<(), Refusal> + Send,
) -> Result<Response, Refusal> {
    let mut change = call.change().await?;
    let mut team = to_change(&mut change, id).await?;
    how(&mut team)?;
    store(&mut change, &mut team).await?;
    let times = call.times(change.connection()).await?;
    let answer = shown(change.connection(), &team, &times).await?;
    call.commit(change, answer).await
}
