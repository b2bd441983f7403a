//! `/team/*`.

mod body;
mod change;
mod list;
mod members;
mod view;

use axum::response::Response;
use bulkhead_snapshot::wire::Id;
use serde_json::json;
use sqlx::PgConnection;

use super::auth::{Access, Caller};
use super::call::{Call, Times, ok};
use super::keys as key_routes;
use super::refusal::Refusal;
use super::route::Route;
use super::spend::shown as spent;
use crate::store::teams::{self, StoredTeam};
use crate::store::{Change, keys, members as memberships};

use body::{
    BulkMemberAdd, MemberAdd, MemberDelete, MemberUpdate, TeamDelete, TeamModels, TeamName, TeamNew,
    TeamUpdate,
};

pub(super) use list::rows;
pub(super) use members::{Share, join};

pub(super) fn routes() -> Vec<Route> {
    let listing = &[
        ("user_id", "string"),
        ("team_id", "string"),
        ("team_alias", "string"),
        ("organization_id", "string"),
        ("page", "integer"),
        ("page_size", "integer"),
        ("sort_by", "string"),
        ("sort_order", "string"),
    ];
    let routes = vec![
        Route::post::<TeamNew, _>("/team/new", "Make a team.", change::new),
        Route::post::<TeamUpdate, _>("/team/update", "Change the fields that are sent.", change::update),
        Route::patch::<TeamUpdate, _>("/team/{team_id}", "Change the fields that are sent.", change::update),
        Route::post::<TeamDelete, _>("/team/delete", "Delete teams, their members and keys.", change::delete),
        Route::get("/team/info", "A team with its members and keys.", info)
            .access(Access::AnyKey)
            .query(&[("team_id", "string")]),
        Route::get("/team/list", "All teams, or those of a user.", list::list)
            .query(&[("user_id", "string"), ("organization_id", "string")]),
        Route::get("/v2/team/list", "Teams, in pages.", list::list_v2).query(listing),
        Route::post::<TeamName, _>("/team/block", "Refuse all keys of a team.", change::block),
        Route::post::<TeamName, _>("/team/unblock", "Accept a team's keys again.", change::unblock),
        Route::post::<TeamModels, _>("/team/model/add", "Let a team use more models.", change::model_add),
        Route::post::<TeamModels, _>("/team/model/delete", "Take models from a team.", change::model_delete),
        Route::post::<MemberAdd, _>("/team/member_add", "Put users into a team.", members::add),
        Route::post::<MemberUpdate, _>("/team/member_update", "Change a member.", members::update),
        Route::post::<MemberDelete, _>(
            "/team/member_delete",
            "Take a user and its keys out of a team.",
            members::delete,
        ),
        Route::post::<BulkMemberAdd, _>(
            "/team/bulk_member_add",
            "Put many users into a team.",
            members::bulk_add,
        ),
    ];
    routes.into_iter().map(Route::detail).collect()
}

async fn info(call: Call) -> Result<Response, Refusal> {
    let id = call.query.text("team_id").ok_or_else(|| {
        Refusal::query("team_id", crate::domain::field::Wrong::new("missing", "Field required"))
    })?;
    let own = match &call.caller {
        Caller::Key(found) => found.key.team_id.as_deref() == Some(id),
        _ => false,
    };
    if !own && !call.caller.sees_all() {
        return Err(Refusal::forbidden(format!(
            "key not allowed to access this team's info. Key team_id is not {id}"
        )));
    }
    let mut transaction = call.begin().await?;
    let ids = [id.to_owned()];
    let team = teams::by_ids(&mut transaction, &ids, false).await?.into_iter().next();
    let mut team =
        team.ok_or_else(|| Refusal::not_found(format!("Team not found, passed team id: {id}.")))?;
    let mut members = memberships::of_teams(&mut transaction, &ids).await?;
    let keys = keys::of(&mut transaction, Some(&ids), None, false).await?;
    let times = call.times(&mut transaction).await?;
    spent::teams(&mut transaction, std::slice::from_mut(&mut team), &times).await?;
    spent::members(&mut transaction, &mut members, &times).await?;
    let memberships: Vec<_> = members.iter().map(view::membership).collect();
    ok(json!({
        "team_id": id,
        "team_info": view::row(&team, &members, &times),
        "keys": key_routes::listed(&mut transaction, keys, &times).await?,
        "team_memberships": memberships,
    }))
}

/// The team of this id, locked.
pub(super) async fn locked(change: &mut Change, id: &str) -> Result<StoredTeam, Refusal> {
    let found = teams::by_ids(change.connection(), &[id.to_owned()], true).await?;
    found.into_iter().next().ok_or_else(|| unknown(id))
}

/// The team of this id, locked, and not declared by a file.
async fn to_change(change: &mut Change, id: &str) -> Result<StoredTeam, Refusal> {
    let team = locked(change, id).await?;
    not_owned(&team)?;
    Ok(team)
}

fn unknown(id: &str) -> Refusal {
    Refusal::not_found(format!("Team not found, passed team_id={id}")).param("team_id")
}

fn not_owned(team: &StoredTeam) -> Result<(), Refusal> {
    match &team.stamp.owner {
        Some(owner) => Err(Refusal::owned(&format!("The team `{}`", team.id), owner)),
        None => Ok(()),
    }
}

/// Stores a team that was locked before.
async fn store(change: &mut Change, team: &mut StoredTeam) -> Result<(), Refusal> {
    team.stamp.updated_by = Some(change.by().to_owned());
    team.stamp.updated_at = time::OffsetDateTime::now_utc();
    teams::update(change.connection(), team).await?;
    change.touch(Id::Team(team.id.clone()));
    Ok(())
}

/// A team as answers have it.
async fn shown(
    connection: &mut PgConnection,
    team: &StoredTeam,
    times: &Times,
) -> Result<serde_json::Value, Refusal> {
    let members = memberships::of_teams(connection, std::slice::from_ref(&team.id)).await?;
    let mut team = team.clone();
    spent::teams(connection, std::slice::from_mut(&mut team), times).await?;
    Ok(view::row(&team, &members, times))
}
