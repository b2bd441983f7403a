//! Users in teams.

use axum::response::Response;
use bulkhead_snapshot::member_id;
use bulkhead_snapshot::wire::Id;
use serde_json::{Value, json};

use super::body::{BulkMemberAdd, Member, MemberAdd, MemberDelete, MemberTerms, MemberUpdate};
use super::{locked, shown, view};
use crate::api::call::Call;
use crate::api::keys as key_routes;
use crate::api::refusal::Refusal;
use crate::api::shape;
use crate::api::terms::put;
use crate::api::users as user_routes;
use crate::domain::field::{Name, TeamRole};
use crate::store::members::{self, StoredMember};
use crate::store::teams::StoredTeam;
use crate::store::{Change, keys, users};

pub(super) async fn add(call: Call) -> Result<Response, Refusal> {
    let MemberAdd { team_id, member, terms } = call.read()?;
    let Name(id) = team_id.ok_or_else(|| Refusal::missing("team_id"))?;
    let asked = member.ok_or_else(|| Refusal::missing("member"))?.0;
    let mut change = call.change().await?;
    let team = locked(&mut change, &id).await?;
    let mut added = Vec::new();
    for member in asked {
        added.push(add_one(&mut change, &team.id, member, &terms).await?);
    }
    let answer = with_added(&call, &mut change, &team, &added).await?;
    call.commit(change, answer).await
}

async fn with_added(
    call: &Call,
    change: &mut Change,
    team: &StoredTeam,
    added: &[StoredMember],
) -> Result<Value, Refusal> {
    let times = call.times(change.connection()).await?;
    let row = shape::object(shown(change.connection(), team, &times).await?);
    let ids: Vec<_> = added.iter().map(|member| member.user_id.clone()).collect();
    let updated = users::by_ids(change.connection(), &ids, false).await?;
    let updated: Vec<_> = updated.iter().map(|user| user_routes::row(user, &times)).collect();
    let memberships: Vec<_> = added.iter().map(view::membership).collect();
    let more = json!({"updated_users": updated, "updated_team_memberships": memberships});
    Ok(shape::joined([row, shape::object(more)]))
}

/// Puts a user into a team that is there; makes the user where nobody has that id or address.
pub(super) async fn add_one(
    change: &mut Change,
    team: &str,
    member: Member,
    terms: &MemberTerms,
) -> Result<StoredMember, Refusal> {
    let Member { role, user_id, user_email } = member;
    let role = role.ok_or_else(|| Refusal::missing("role"))?;
    let user =
        user_routes::found_or_made(change, user_id.map(|name| name.0), user_email.map(|name| name.0)).await?;
    join(change, team, &user.id, user.email, role, terms_of(terms)).await
}

/// What a membership says beyond who and where.
#[derive(Debug, Clone, Default)]
pub(crate) struct Share {
    max_budget: Option<i64>,
    budget_duration: Option<String>,
    rpm_limit: Option<i64>,
    tpm_limit: Option<i64>,
}

impl Share {
    /// A budget, and nothing else.
    pub(crate) fn of_budget(max: Option<bulkhead_model::NanoUsd>) -> Self {
        Self { max_budget: max.map(|amount| amount.0), ..Self::default() }
    }
}

fn terms_of(terms: &MemberTerms) -> Share {
    Share {
        max_budget: terms.max_budget_in_team.map(|amount| amount.0),
        budget_duration: terms.budget_duration.map(|length| length.to_string()),
        rpm_limit: terms.rpm_limit.map(u64::cast_signed),
        tpm_limit: terms.tpm_limit.map(u64::cast_signed),
    }
}

/// Puts a user that is there into a team that is there.
pub(crate) async fn join(
    change: &mut Change,
    team: &str,
    user: &str,
    email: Option<String>,
    role: TeamRole,
    share: Share,
) -> Result<StoredMember, Refusal> {
    let there = members::of_teams(change.connection(), &[team.to_owned()]).await?;
    if there.iter().any(|member| member.user_id == user) {
        let message = format!("User with id={user} is already a member of team={team}");
        return Err(Refusal::new(
            axum::http::StatusCode::BAD_REQUEST,
            "team_member_already_in_team",
            message,
        )
        .param("user_id"));
    }
    let Share { max_budget, budget_duration, rpm_limit, tpm_limit } = share;
    let member = StoredMember {
        team_id: team.to_owned(),
        user_id: user.to_owned(),
        role: role.word().to_owned(),
        rpm_limit,
        tpm_limit,
        max_budget,
        budget_duration,
        spend: 0,
        email,
    };
    members::insert(change.connection(), &member).await?;
    change.touch(Id::Member(member_id(team, user)));
    Ok(member)
}

/// Each by itself: one that fails holds up no other.
pub(super) async fn bulk_add(call: Call) -> Result<Response, Refusal> {
    let BulkMemberAdd { team_id, members: asked, all_users, terms } = call.read()?;
    let Name(id) = team_id.ok_or_else(|| Refusal::missing("team_id"))?;
    if all_users == Some(true) {
        return Err(Refusal::bad("`all_users` is not available: name the members").param("all_users"));
    }
    let asked = asked.ok_or_else(|| Refusal::missing("members"))?;
    let mut change = call.change().await?;
    let team = locked(&mut change, &id).await?;
    let (mut results, mut added) = (Vec::new(), 0);
    let total = asked.len();
    for member in asked {
        let (user, email) =
            (member.user_id.clone().map(|name| name.0), member.user_email.clone().map(|name| name.0));
        let attempt = add_one(&mut change, &team.id, member, &terms).await;
        let error = match attempt {
            Ok(_) => None,
            Err(refusal @ Refusal::Store(_)) => return Err(refusal),
            Err(refusal) => Some(refusal.reason()),
        };
        added += usize::from(error.is_none());
        results
            .push(json!({"user_id": user, "user_email": email, "success": error.is_none(), "error": error}));
    }
    let times = call.times(change.connection()).await?;
    let updated = shown(change.connection(), &team, &times).await?;
    let answer = json!({
        "team_id": id,
        "results": results,
        "total_requested": total,
        "successful_additions": added,
        "failed_additions": total - added,
        "updated_team": updated,
    });
    call.commit(change, answer).await
}

pub(super) async fn update(call: Call) -> Result<Response, Refusal> {
    let MemberUpdate { team_id, user_id, user_email, role, terms } = call.read()?;
    let Name(id) = team_id.ok_or_else(|| Refusal::missing("team_id"))?;
    let mut change = call.change().await?;
    let team = locked(&mut change, &id).await?;
    let mut member = member(&mut change, &team, user_id, user_email).await?;
    if let Some(role) = role {
        member.role = role.word().to_owned();
    }
    let share = terms_of(&terms);
    put(&mut member.max_budget, share.max_budget);
    put(&mut member.budget_duration, share.budget_duration);
    put(&mut member.rpm_limit, share.rpm_limit);
    put(&mut member.tpm_limit, share.tpm_limit);
    members::update(change.connection(), &member).await?;
    change.touch(Id::Member(member_id(&member.team_id, &member.user_id)));
    let answer = json!({
        "team_id": id,
        "user_id": member.user_id,
        "user_email": member.email,
        "role": member.role,
        "max_budget_in_team": shape::maybe_dollars(member.max_budget),
        "budget_duration": member.budget_duration,
        "rpm_limit": member.rpm_limit,
        "tpm_limit": member.tpm_limit,
    });
    call.commit(change, answer).await
}

pub(super) async fn delete(call: Call) -> Result<Response, Refusal> {
    let MemberDelete { team_id, user_id, user_email } = call.read()?;
    let Name(id) = team_id.ok_or_else(|| Refusal::missing("team_id"))?;
    let mut change = call.change().await?;
    let team = locked(&mut change, &id).await?;
    let member = member(&mut change, &team, user_id, user_email).await?;
    let (teams, users) = ([team.id.clone()], [member.user_id.clone()]);
    let gone = keys::of(change.connection(), Some(&teams), Some(&users), true).await?;
    key_routes::remove(&mut change, &gone).await?;
    members::delete(change.connection(), &team.id, &member.user_id).await?;
    change.touch(Id::Member(member_id(&team.id, &member.user_id)));
    let times = call.times(change.connection()).await?;
    let answer = shown(change.connection(), &team, &times).await?;
    call.commit(change, answer).await
}

/// The member of a team that is locked.
async fn member(
    change: &mut Change,
    team: &StoredTeam,
    user_id: Option<Name>,
    user_email: Option<Name>,
) -> Result<StoredMember, Refusal> {
    if user_id.is_none() && user_email.is_none() {
        return Err(Refusal::bad("Either user_id or user_email needs to be passed in").param("user_id"));
    }
    let is_asked = |member: &StoredMember| match (&user_id, &user_email) {
        (Some(Name(id)), _) => member.user_id == *id,
        (None, Some(Name(email))) => {
            member.email.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(email))
        }
        (None, None) => false,
    };
    let members = members::of_teams(change.connection(), std::slice::from_ref(&team.id)).await?;
    members
        .into_iter()
        .find(is_asked)
        .ok_or_else(|| Refusal::bad(format!("User not found in team. Team ID={}", team.id)).param("user_id"))
}
