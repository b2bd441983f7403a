//! What can be said about teams and their members.

use std::collections::BTreeMap;

use bulkhead_model::{NanoUsd, WindowLength};
use serde_json::Value;

use crate::api::refusal::Refusal;
use crate::api::shape;
use crate::api::terms::{TermFields, put, set};
use crate::domain::body::{Body, body};
use crate::domain::fallback::RouterSettings;
use crate::domain::field::{Name, OneOrMore, TeamRole};
use crate::store::teams::StoredTeam;

body! {
    /// The fields of a team.
    TeamFields {
        team_alias: Name,
        tags: Vec<Name>,
        model_aliases: BTreeMap<String, String>,
        team_member_budget: NanoUsd,
        team_member_budget_duration: WindowLength,
        team_member_rpm_limit: u64,
        team_member_tpm_limit: u64,
        router_settings: RouterSettings;
        with terms: TermFields
    }
    refused ["team_member_key_duration" "default_team_member_models" "default_team_member_budget" "allowed_models"]
    ignored ["team_member_permissions" "logging"]
}

body! {
    /// `/team/new`
    TeamNew {
        team_id: Name,
        members_with_roles: Vec<Member>,
        admins: Vec<Name>,
        members: Vec<Name>;
        with fields: TeamFields
    }
}

body! {
    /// `/team/update`
    TeamUpdate { team_id: Name; with fields: TeamFields }
}

body! {
    /// `/team/delete`
    TeamDelete { team_ids: Vec<Name> }
}

body! {
    /// `/team/block`
    TeamName { team_id: Name }
}

body! {
    /// `/team/model/add`
    TeamModels { team_id: Name, models: Vec<Name> }
}

body! {
    /// A user in a team.
    Member { role: TeamRole, user_id: Name, user_email: Name }
}

body! {
    /// What a member may do in the team.
    MemberTerms {
        max_budget_in_team: NanoUsd,
        budget_duration: WindowLength,
        tpm_limit: u64,
        rpm_limit: u64,
    }
    refused ["allowed_models" "models" "model_max_budget" "budget_limits"]
}

body! {
    /// `/team/member_add`
    MemberAdd { team_id: Name, member: OneOrMore<Member>; with terms: MemberTerms }
}

body! {
    /// `/team/bulk_member_add`
    BulkMemberAdd { team_id: Name, members: Vec<Member>, all_users: bool; with terms: MemberTerms }
}

body! {
    /// `/team/member_update`
    MemberUpdate { team_id: Name, user_id: Name, user_email: Name, role: TeamRole; with terms: MemberTerms }
}

body! {
    /// `/team/member_delete`
    MemberDelete { team_id: Name, user_id: Name, user_email: Name }
}

impl TeamFields {
    /// Takes over what is said.
    pub(super) fn apply(self, team: &mut StoredTeam) -> Result<(), Refusal> {
        let Self {
            team_alias,
            tags,
            model_aliases,
            team_member_budget,
            team_member_budget_duration,
            team_member_rpm_limit,
            team_member_tpm_limit,
            router_settings,
            terms,
        } = self;
        let metadata = terms.metadata.clone().map(Value::Object);
        terms.apply(&mut team.terms, &<Self as Body>::refused())?;
        put(&mut team.alias, team_alias.map(|name| name.0));
        set(&mut team.tags, shape::tags(tags, metadata.as_ref())?);
        if let Some(aliases) = model_aliases {
            team.aliases = aliases.into_iter().map(|(name, to)| (name, Value::from(to))).collect();
        }
        set(&mut team.router_settings, router_settings.map(RouterSettings::into_stored));
        put(&mut team.member_max_budget, team_member_budget.map(|amount| amount.0));
        put(&mut team.member_budget_duration, team_member_budget_duration.map(|length| length.to_string()));
        put(&mut team.member_rpm_limit, team_member_rpm_limit.map(u64::cast_signed));
        put(&mut team.member_tpm_limit, team_member_tpm_limit.map(u64::cast_signed));
        Ok(())
    }
}
