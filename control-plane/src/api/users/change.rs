//! Users, made, changed and removed.

use axum::response::Response;
use bulkhead_snapshot::member_id;
use bulkhead_snapshot::wire::Id;
use serde_json::{Value, json};

use super::body::{TeamOfUser, UserDelete, UserNew, UserUpdate};
use super::{free_email, fresh, row, unknown};
use crate::api::call::Call;
use crate::api::keys as key_routes;
use crate::api::refusal::Refusal;
use crate::api::shape;
use crate::api::spend::shown;
use crate::api::teams as team_routes;
use crate::domain::field::{Name, TeamRole};
use crate::domain::id;
use crate::store::users::{self, StoredUser};
use crate::store::{Change, keys, members};

pub(super) async fn new(call: Call) -> Result<Response, Refusal> {
    let UserNew {
        user_id,
        teams,
        auto_create_key,
        team_id,
        key_alias,
        duration,
        aliases,
        allowed_routes,
        fields,
    } = call.read()?;
    let mut change = call.change().await?;
    let id = match user_id {
        Some(Name(id)) => id,
        None => id::uuid()?,
    };
    if !users::by_ids(change.connection(), std::slice::from_ref(&id), false).await?.is_empty() {
        return Err(Refusal::bad(format!("User with id {id} already exists")).param("user_id"));
    }
    let mut user = fresh(id, None, change.by());
    fields.apply(&mut user)?;
    free_email(&mut change, &user).await?;
    users::insert(change.connection(), &user).await?;
    change.touch(Id::User(user.id.clone()));
    let mut joined = Vec::new();
    for team in teams.into_iter().flatten() {
        joined.push(join(&mut change, &user, team.0).await?);
    }
    let times = call.times(change.connection()).await?;
    let mut answer = row(&user, &times);
    answer.insert("teams".to_owned(), joined.into());
    let asked = key_routes::Asked { alias: key_alias, team_id, duration, aliases, allowed_routes };
    let (key, made) = match auto_create_key {
        Some(false) => (Value::Null, None),
        _ => {
            let (secret, key) = key_routes::for_user(&mut change, &user.id, asked).await?;
            (secret.expose().into(), Some(key))
        }
    };
    let of_key = |value: fn(&keys::StoredKey) -> Value| made.as_ref().map_or(Value::Null, value);
    answer.insert("key".to_owned(), key);
    answer.insert("key_name".to_owned(), of_key(|key| key.name.clone().into()));
    answer.insert("key_alias".to_owned(), of_key(|key| json!(key.alias)));
    answer.insert("token".to_owned(), of_key(|key| key.hash().to_string().into()));
    answer.insert("expires".to_owned(), of_key(|key| key.expires_at.map_or(Value::Null, shape::time)));
    call.commit(change, answer.into()).await
}

async fn join(change: &mut Change, user: &StoredUser, team: TeamOfUser) -> Result<String, Refusal> {
    let TeamOfUser { team_id, user_role, max_budget_in_team } = team;
    let Name(team) = team_id.ok_or_else(|| Refusal::missing("teams.team_id"))?;
    team_routes::locked(change, &team).await?;
    let share = team_routes::Share::of_budget(max_budget_in_team);
    let role = user_role.unwrap_or(TeamRole::User);
    team_routes::join(change, &team, &user.id, user.email.clone(), role, share).await?;
    Ok(team)
}

pub(super) async fn update(call: Call) -> Result<Response, Refusal> {
    let UserUpdate { user_id, fields } = call.read()?;
    let mut change = call.change().await?;
    let id = match (user_id, &fields.user_email) {
        (Some(Name(id)), _) => id,
        // LiteLLM finds the user by its address, too.
        (None, Some(Name(email))) => {
            let found = users::by_email(change.connection(), email).await?;
            found.ok_or_else(|| unknown(email))?.id
        }
        (None, None) => return Err(Refusal::missing("user_id")),
    };
    let found = users::by_ids(change.connection(), std::slice::from_ref(&id), true).await?;
    let mut user = found.into_iter().next().ok_or_else(|| unknown(&id))?;
    not_owned(&user)?;
    fields.apply(&mut user)?;
    free_email(&mut change, &user).await?;
    user.stamp.updated_by = Some(change.by().to_owned());
    user.stamp.updated_at = time::OffsetDateTime::now_utc();
    users::update(change.connection(), &user).await?;
    change.touch(Id::User(id.clone()));
    let times = call.times(change.connection()).await?;
    shown::users(change.connection(), std::slice::from_mut(&mut user), &times).await?;
    let data = row(&user, &times);
    call.commit(change, json!({"user_id": id, "data": data})).await
}

fn not_owned(user: &StoredUser) -> Result<(), Refusal> {
    match &user.stamp.owner {
        Some(owner) => Err(Refusal::owned(&format!("The user `{}`", user.id), owner)),
        None => Ok(()),
    }
}

pub(super) async fn delete(call: Call) -> Result<Response, Refusal> {
    let body: UserDelete = call.read()?;
    let ids = shape::names(body.user_ids.ok_or_else(|| Refusal::missing("user_ids"))?);
    let mut change = call.change().await?;
    let found = users::by_ids(change.connection(), &ids, true).await?;
    if let Some(missing) = ids.iter().find(|id| !found.iter().any(|user| user.id == **id)) {
        return Err(unknown(missing));
    }
    found.iter().try_for_each(not_owned)?;
    let gone = keys::of(change.connection(), None, Some(&ids), true).await?;
    key_routes::remove(&mut change, &gone).await?;
    for member in members::of_users(change.connection(), &ids).await? {
        change.touch(Id::Member(member_id(&member.team_id, &member.user_id)));
    }
    for id in &ids {
        change.touch(Id::User(id.clone()));
    }
    users::delete(change.connection(), &ids).await?;
    call.commit(change, found.len().into()).await
}
