//! `/user/*`.

mod body;
mod change;

use axum::response::Response;
use bulkhead_snapshot::wire::Id;
use serde_json::{Map, Value, json};

use super::auth::{Access, Caller};
use super::call::{Call, Times, ok};
use super::keys as key_routes;
use super::refusal::Refusal;
use super::route::Route;
use super::shape;
use super::spend::shown;
use crate::domain::field::Role;
use crate::domain::id;
use crate::store::terms::{NEWEST, Stamp, Terms};
use crate::store::users::{self, StoredUser, UserFilter};
use crate::store::{Change, keys, members, teams};

use body::{UserDelete, UserNew, UserUpdate};

/// What a user spent since its spend was said, whatever the window of its budget.
pub(super) const SPEND: &str =
    "spend + coalesce((select amount from entity_spend where kind = 3 and id = users.id), 0)::numeric";

const ORDERS: &[(&str, &str)] = &[
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
    ("user_id", "id"),
    ("user_email", "email"),
    ("user_alias", "alias"),
    ("user_role", "role"),
    ("spend", SPEND),
];

pub(super) fn routes() -> Vec<Route> {
    let listing = &[
        ("user_ids", "string"),
        ("user_email", "string"),
        ("role", "string"),
        ("team", "string"),
        ("page", "integer"),
        ("page_size", "integer"),
        ("sort_by", "string"),
        ("sort_order", "string"),
    ];
    let who = &[("user_id", "string")];
    vec![
        Route::post::<UserNew, _>("/user/new", "Make a user, and a key for it.", change::new),
        Route::post::<UserUpdate, _>("/user/update", "Change the fields that are sent.", change::update),
        Route::post::<UserDelete, _>("/user/delete", "Delete users with their keys.", change::delete),
        Route::get("/user/info", "A user with its keys and teams, by default the caller's.", info)
            .access(Access::AnyKey)
            .query(who),
        Route::get("/v2/user/info", "A user, by default the caller's.", info_v2)
            .access(Access::AnyKey)
            .query(who),
        Route::get("/user/list", "Users, in pages.", list).query(listing),
        Route::get("/user/available_roles", "What users may be.", roles),
    ]
}

/// A user as LiteLLM's table has it.
pub(super) fn row(user: &StoredUser, times: &Times) -> Map<String, Value> {
    let head = shape::object(json!({
        "user_id": user.id,
        "user_email": user.email,
        "user_alias": user.alias,
        "user_role": user.role,
        "organization_id": null,
        "sso_user_id": null,
        "enforcement": "per_node",
    }));
    [head, shape::terms(&user.terms, times), shape::stamp(&user.stamp)].into_iter().flatten().collect()
}

/// The user that is asked about, if the caller may know.
fn asked(call: &Call) -> Result<String, Refusal> {
    let own = match &call.caller {
        Caller::Key(found) => found.key.user_id.as_deref(),
        _ => None,
    };
    let asked = call.query.text("user_id").or(own).ok_or_else(|| {
        Refusal::query("user_id", crate::domain::field::Wrong::new("missing", "Field required"))
    })?;
    if !call.caller.sees_all() && own != Some(asked) {
        return Err(Refusal::forbidden(format!(
            "key not allowed to access this user's info. user_id={asked}, key's user_id={}",
            own.unwrap_or("None")
        )));
    }
    Ok(asked.to_owned())
}

async fn info(call: Call) -> Result<Response, Refusal> {
    let id = asked(&call)?;
    let ids = [id.clone()];
    let mut transaction = call.begin().await?;
    let user = users::by_ids(&mut transaction, &ids, false).await?.into_iter().next();
    let mut user = user.ok_or_else(|| unknown(&id))?;
    let keys = keys::of(&mut transaction, None, Some(&ids), false).await?;
    let memberships = members::of_users(&mut transaction, &ids).await?;
    let team_ids: Vec<_> = memberships.into_iter().map(|member| member.team_id).collect();
    let found = teams::by_ids(&mut transaction, &team_ids, false).await?;
    let times = call.times(&mut transaction).await?;
    shown::users(&mut transaction, std::slice::from_mut(&mut user), &times).await?;
    let teams = super::teams::rows(&mut transaction, found, &times).await?;
    let keys = key_routes::listed(&mut transaction, keys, &times).await?;
    ok(json!({
        "user_id": id,
        "user_info": row(&user, &times),
        "keys": keys,
        "teams": teams,
    }))
}

async fn info_v2(call: Call) -> Result<Response, Refusal> {
    let id = asked(&call)?;
    let ids = [id.clone()];
    let mut transaction = call.begin().await?;
    let user = users::by_ids(&mut transaction, &ids, false).await?.into_iter().next();
    let mut user = user.ok_or_else(|| unknown(&id))?;
    let memberships = members::of_users(&mut transaction, &ids).await?;
    let times = call.times(&mut transaction).await?;
    shown::users(&mut transaction, std::slice::from_mut(&mut user), &times).await?;
    let teams: Vec<_> = memberships.into_iter().map(|member| member.team_id).collect();
    ok(shape::joined([row(&user, &times), shape::object(json!({"teams": teams}))]))
}

async fn list(call: Call) -> Result<Response, Refusal> {
    let query = &call.query;
    let page = query.page("page_size", 25)?;
    let order = query.order("sort_by", ORDERS, NEWEST)?;
    let text = |name: &str| query.text(name).map(str::to_owned);
    let filter = UserFilter {
        ids: query.list("user_ids"),
        email: text("user_email"),
        role: text("role"),
        team: text("team"),
    };
    let mut transaction = call.begin().await?;
    let (mut found, total) = users::list(&mut transaction, &filter, order, page).await?;
    let ids: Vec<_> = found.iter().map(|user| user.id.clone()).collect();
    let counts = users::key_counts(&mut transaction, &ids).await?;
    let times = call.times(&mut transaction).await?;
    shown::users(&mut transaction, &mut found, &times).await?;
    let shown = found.iter().map(|user| {
        let mut row = row(user, &times);
        row.insert("key_count".to_owned(), counts.get(&user.id).copied().unwrap_or(0).into());
        Value::Object(row)
    });
    ok(json!({
        "users": shown.collect::<Vec<_>>(),
        "total": total,
        "page": page.number,
        "page_size": page.size,
        "total_pages": page.pages(total),
    }))
}

async fn roles(_call: Call) -> Result<Response, Refusal> {
    let about = |role: Role| match role {
        Role::Admin => ("Admin (All Permissions)", "may see and change everything"),
        Role::Viewer => ("Admin (View Only)", "may see everything and change nothing"),
        Role::User => ("Internal User", "may use models and see what is known of its own keys"),
        Role::UserViewer => ("Internal Viewer", "may see what is known of its own keys"),
    };
    let roles = [Role::Admin, Role::Viewer, Role::User, Role::UserViewer];
    let entry = |role: Role| {
        let (label, description) = about(role);
        (role.word().to_owned(), json!({"ui_label": label, "description": description}))
    };
    ok(Value::Object(roles.into_iter().map(entry).collect()))
}

fn unknown(id: &str) -> Refusal {
    Refusal::not_found(format!("User {id} not found")).param("user_id")
}

fn fresh(id: String, email: Option<String>, by: &str) -> StoredUser {
    StoredUser {
        id,
        email,
        alias: None,
        role: Role::User.word().to_owned(),
        terms: Terms::default(),
        stamp: Stamp::new(by),
    }
}

/// The user of this id or address; made where there is none.
pub(super) async fn found_or_made(
    change: &mut Change,
    user_id: Option<String>,
    email: Option<String>,
) -> Result<StoredUser, Refusal> {
    let found = match (&user_id, &email) {
        (Some(id), _) => {
            users::by_ids(change.connection(), std::slice::from_ref(id), false).await?.into_iter().next()
        }
        (None, Some(email)) => users::by_email(change.connection(), email).await?,
        (None, None) => {
            return Err(Refusal::bad("Either user_id or user_email needs to be passed in").param("user_id"));
        }
    };
    if let Some(found) = found {
        return Ok(found);
    }
    let id = match user_id {
        Some(id) => id,
        None => id::uuid()?,
    };
    let user = fresh(id, email, change.by());
    free_email(change, &user).await?;
    users::insert(change.connection(), &user).await?;
    change.touch(Id::User(user.id.clone()));
    Ok(user)
}

/// Refuses an address that another user has.
async fn free_email(change: &mut Change, user: &StoredUser) -> Result<(), Refusal> {
    let Some(email) = &user.email else { return Ok(()) };
    match users::by_email(change.connection(), email).await? {
        Some(other) if other.id != user.id => {
            Err(Refusal::bad(format!("User with email {email} already exists")).param("user_email"))
        }
        _ => Ok(()),
    }
}
