//! What can be said about users.

use std::collections::BTreeMap;

use bulkhead_model::NanoUsd;
use serde_json::{Value, json};

use crate::api::refusal::Refusal;
use crate::api::terms::{TermFields, put, set};
use crate::domain::body::{Body, body};
use crate::domain::field::{Field, Life, Name, Role, RouteName, TeamRole, Wrong};
use crate::store::users::StoredUser;

body! {
    /// The fields of a user.
    UserFields { user_email: Name, user_alias: Name, user_role: Role; with terms: TermFields }
    refused ["organizations" "password" "project_id"]
    ignored ["sso_user_id" "send_invite_email" "router_settings"]
}

body! {
    /// `/user/new`, with some fields of the key that is made with it.
    UserNew {
        user_id: Name,
        teams: Vec<TeamRef>,
        auto_create_key: bool,
        team_id: Name,
        key_alias: Name,
        duration: Life,
        aliases: BTreeMap<String, String>,
        allowed_routes: Vec<RouteName>;
        with fields: UserFields
    }
}

body! {
    /// `/user/update`
    UserUpdate { user_id: Name; with fields: UserFields }
}

body! {
    /// `/user/delete`
    UserDelete { user_ids: Vec<Name> }
}

body! {
    /// A team that a user is put into.
    TeamOfUser { team_id: Name, user_role: TeamRole, max_budget_in_team: NanoUsd }
}

/// A team by its id, or with more about the membership.
pub(super) struct TeamRef(pub(super) TeamOfUser);

impl Field for TeamRef {
    fn read(value: &Value) -> Result<Self, Wrong> {
        match value {
            Value::String(_) => {
                let team_id = Some(Name::read(value)?);
                Ok(Self(TeamOfUser { team_id, user_role: None, max_budget_in_team: None }))
            }
            _ => <TeamOfUser as Field>::read(value).map(Self),
        }
    }

    fn schema() -> Value {
        json!({"anyOf": [Name::schema(), <TeamOfUser as Field>::schema()]})
    }
}

impl UserFields {
    /// Takes over what is said.
    pub(super) fn apply(self, user: &mut StoredUser) -> Result<(), Refusal> {
        let Self { user_email, user_alias, user_role, terms } = self;
        terms.apply(&mut user.terms, &<Self as Body>::refused())?;
        put(&mut user.email, user_email.map(|name| name.0));
        put(&mut user.alias, user_alias.map(|name| name.0));
        set(&mut user.role, user_role.map(|role| role.word().to_owned()));
        Ok(())
    }
}
