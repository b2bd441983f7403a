//! What LiteLLM's metrics say of the moment: how deployments fare, and what is left of budgets.

use bulkhead_model::NanoUsd;
use bulkhead_model::rows::BudgetRow;
use bulkhead_snapshot::Snapshot;
use bulkhead_telemetry::page::{Labels, Page};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tokio::time::Instant;

use super::Ops;
use crate::admission;
use crate::litellm::{Owner, Table};

pub(super) fn place(id: &str, model: &str, api_base: &str, provider: &str) -> Labels {
    Labels::default()
        .with("litellm_model_name", model)
        .with("model_id", id)
        .with("api_base", api_base)
        .with("api_provider", provider)
}

/// 0 is healthy, 1 failing, 2 left out.
pub(super) fn deployments(ops: &Ops, snapshot: &Snapshot, table: &Table, page: &mut Page) {
    let now = Instant::now();
    let vitals: HashMap<_, _> =
        ops.node.health.all().into_iter().map(|(id, vitals)| (id, vitals.cooled(now))).collect();
    let all: BTreeMap<_, _> = snapshot.models.deployments().map(|it| (&it.id, it)).collect();
    let mut states = Vec::new();
    let mut family = page.counters("deployment_cooled_down", "How often a deployment was left out");
    for (id, it) in all {
        let (times, is_cooling) = vitals.get(id).copied().unwrap_or_default();
        let labels = place(id, it.model.text(), it.api_base.to_str().unwrap_or_default(), &it.provider.name);
        if times > 0 {
            family.sample(&labels.clone().with("exception_status", ""), times);
        }
        let state = if is_cooling { 2 } else { u8::from(table.is_failing(id)) };
        states.push((labels, state));
    }
    let mut family = page.gauges("deployment_state", "0 is healthy, 1 failing, 2 left out");
    for (labels, state) in states {
        family.sample(&labels, state);
    }
}

/// A budget, and what was spent of it.
struct Left {
    labels: Labels,
    budget: Option<BudgetRow>,
    spent: NanoUsd,
}

/// Budgets of those who have series of their own.
pub(super) fn budgets(ops: &Ops, snapshot: &Snapshot, owners: &[Owner], page: &mut Page) {
    let gate = &ops.node.gate;
    let keys: BTreeMap<_, _> = owners.iter().filter_map(|it| Some((it.hash?, it))).collect();
    let keys = keys.into_iter().filter_map(|(hash, owner)| {
        let key = snapshot.keys.get(&hash)?;
        let labels = Labels::default().with("hashed_api_key", &owner.key).with("api_key_alias", &owner.alias);
        let spent = admission::spent(gate, snapshot, &key);
        Some(Left { labels, budget: key.policy().said.budget, spent })
    });
    left("api_key", "a key", keys.collect(), page);
    let teams: BTreeSet<_> = owners.iter().map(|owner| &*owner.team).collect();
    let teams = teams.into_iter().filter_map(|id| {
        let team = snapshot.teams.get(id)?;
        let alias = team.row.alias.as_deref().unwrap_or_default();
        let labels = Labels::default().with("team", id).with("team_alias", alias);
        let spent = admission::spent_by_team(gate, snapshot, team);
        Some(Left { labels, budget: team.row.budget, spent })
    });
    left("team", "a team", teams.collect(), page);
    let users: BTreeSet<_> = owners.iter().map(|owner| &*owner.user).collect();
    let users = users.into_iter().filter_map(|id| {
        let user = snapshot.users.get(id)?;
        let spent = admission::spent_by_user(gate, snapshot, user);
        Some(Left { labels: Labels::default().with("user", id), budget: user.row.budget, spent })
    });
    left("user", "a user", users.collect(), page);
}

/// As LiteLLM has it, what has no budget has all there is left.
fn left(of: &str, whose: &str, all: Vec<Left>, page: &mut Page) {
    let (remaining, most) = (format!("remaining_{of}_budget_metric"), format!("{of}_max_budget_metric"));
    let mut family = page.gauges(&remaining, &format!("Dollars that {whose} may still spend"));
    for it in &all {
        match &it.budget {
            Some(budget) => family.sample(&it.labels, budget.max.minus(it.spent)),
            None => family.sample(&it.labels, "+Inf"),
        }
    }
    let mut family = page.gauges(&most, &format!("Dollars that {whose} may spend"));
    for it in &all {
        if let Some(budget) = &it.budget {
            family.sample(&it.labels, budget.max);
        }
    }
}
