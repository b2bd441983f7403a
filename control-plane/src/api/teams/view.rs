//! Teams in answers.

use serde_json::{Value, json};

use crate::api::call::Times;
use crate::api::shape;
use crate::store::members::StoredMember;
use crate::store::teams::StoredTeam;

/// A team as LiteLLM's table has it. Members of other teams are left out.
pub(super) fn row(team: &StoredTeam, members: &[StoredMember], times: &Times) -> Value {
    let own: Vec<_> = members.iter().filter(|member| member.team_id == team.id).collect();
    let of_role = |role: &str| -> Vec<&str> {
        own.iter().filter(|member| member.role == role).map(|member| member.user_id.as_str()).collect()
    };
    let with_roles: Vec<_> = own.iter().map(|member| with_role(member)).collect();
    let head = shape::object(json!({
        "team_id": team.id,
        "team_alias": team.alias,
        "organization_id": null,
        "admins": of_role("admin"),
        "members": of_role("user"),
        "members_with_roles": with_roles,
        "model_aliases": team.aliases,
        "tags": team.tags,
        "router_settings": team.router_settings,
        "team_member_budget": shape::maybe_dollars(team.member_max_budget),
        "team_member_budget_duration": team.member_budget_duration,
        "team_member_rpm_limit": team.member_rpm_limit,
        "team_member_tpm_limit": team.member_tpm_limit,
        "enforcement": "per_node",
    }));
    shape::joined([head, shape::terms(&team.terms, times), shape::stamp(&team.stamp)])
}

pub(super) fn with_role(member: &StoredMember) -> Value {
    json!({"user_id": member.user_id, "user_email": member.email, "role": member.role})
}

/// A membership as LiteLLM's table has it, with its budget.
pub(super) fn membership(member: &StoredMember) -> Value {
    json!({
        "user_id": member.user_id,
        "team_id": member.team_id,
        "budget_id": null,
        "spend": shape::dollars(member.spend),
        "litellm_budget_table": {
            "max_budget": shape::maybe_dollars(member.max_budget),
            "budget_duration": member.budget_duration,
            "rpm_limit": member.rpm_limit,
            "tpm_limit": member.tpm_limit,
        },
    })
}
