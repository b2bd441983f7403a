//! What can be said about keys, teams and users alike.

use bulkhead_model::{NanoUsd, WindowLength};
use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::shape;
use crate::domain::body::body;
use crate::domain::field::Name;
use crate::store::terms::Terms;

body! {
    /// What keys, teams and users have in common.
    TermFields {
        models: Vec<Name>,
        max_budget: NanoUsd,
        soft_budget: NanoUsd,
        budget_duration: WindowLength,
        tpm_limit: u64,
        rpm_limit: u64,
        max_parallel_requests: u32,
        spend: NanoUsd,
        blocked: bool,
        metadata: Map<String, Value>,
    }
    refused [
        "model_max_budget" "budget_limits" "model_rpm_limit" "model_tpm_limit" "mcp_rpm_limit" "tag_rpm_limit"
        "tpd_limit" "guardrails" "policies" "enforced_params" "object_permission" "permissions"
        "allowed_cache_controls" "allowed_passthrough_routes" "denied_passthrough_routes"
        "allowed_vector_store_indexes" "access_group_ids" "budget_id" "organization_id"
    ]
    ignored ["config" "prompts" "disable_global_guardrails" "secret_manager_settings"]
}

impl TermFields {
    /// Takes over what is said. `restricting` are names that mean a restriction in the metadata, too.
    pub(crate) fn apply(self, terms: &mut Terms, restricting: &[&'static str]) -> Result<(), Refusal> {
        let Self {
            models,
            max_budget,
            soft_budget,
            budget_duration,
            tpm_limit,
            rpm_limit,
            max_parallel_requests,
            spend,
            blocked,
            metadata,
        } = self;
        set(&mut terms.models, models.map(shape::names));
        put(&mut terms.max_budget, max_budget.map(|amount| amount.0));
        put(&mut terms.soft_budget, soft_budget.map(|amount| amount.0));
        put(&mut terms.budget_duration, budget_duration.map(|length| length.to_string()));
        put(&mut terms.tpm_limit, tpm_limit.map(u64::cast_signed));
        put(&mut terms.rpm_limit, rpm_limit.map(u64::cast_signed));
        put(&mut terms.max_parallel_requests, max_parallel_requests.map(u32::cast_signed));
        set(&mut terms.blocked, blocked);
        if let Some(spend) = spend {
            terms.spend_anew(spend);
        }
        if let Some(metadata) = metadata {
            terms.metadata = shape::metadata(metadata, restricting)?;
        }
        Ok(())
    }
}

/// What is said holds.
pub(crate) fn set<T>(to: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *to = said;
    }
}

/// As [`set`], for what may be absent.
pub(crate) fn put<T>(to: &mut Option<T>, said: Option<T>) {
    if said.is_some() {
        *to = said;
    }
}
