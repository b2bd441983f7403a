//! From rows to a snapshot.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bulkhead_model::rows::{CloudValue, CredentialRow, DeploymentRow, KeyRow, SettingsRow};
use bulkhead_pricing::PriceBook;

use crate::deployment::Deployment;
use crate::key::Keys;
use crate::models::{Group, ModelTable};
use crate::pattern::Pattern;
use crate::policy::Common;
use crate::principal::{Member, Team, User};
use crate::settings::Settings;
use crate::table::Table;

/// Everything that a file declares.
#[derive(Clone, Default)]
pub struct Declared {
    /// What holds for the whole gateway.
    pub settings: SettingsRow,
    /// Where models are served.
    pub deployments: Vec<DeploymentRow>,
    /// Virtual keys.
    pub keys: Vec<KeyRow>,
}

/// A row that cannot be compiled. The text never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{id}: {what}")]
pub struct CompileError {
    /// The id of the row.
    pub id: String,
    /// What is wrong with it.
    pub what: String,
}

/// Everything that decides about requests, compiled. Immutable; what two snapshots have in common they share.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Counts the snapshots of this process; for people and metrics.
    pub revision: u64,
    /// Settings.
    pub settings: Arc<Settings>,
    /// Keys.
    pub keys: Keys,
    /// Teams.
    pub teams: Table<Team>,
    /// Users.
    pub users: Table<User>,
    /// Members of teams.
    pub members: Table<Member>,
    /// Models.
    pub models: Arc<ModelTable>,
    /// Prices.
    pub prices: Arc<PriceBook>,
    /// It comes from a control plane, which declares every team; in a file a team is only a label.
    pub managed: bool,
}

impl Snapshot {
    /// Compiles everything, or names every row that is wrong.
    pub fn compile(
        declared: &Declared,
        prices: Arc<PriceBook>,
        revision: u64,
    ) -> Result<Self, Vec<CompileError>> {
        let mut errors = Vec::new();
        let settings = Settings::compile(&declared.settings).map_err(|error| errors.push(error)).ok();
        let deployments = deployments(declared, &prices, &mut errors);
        let keys = keys(&declared.keys, &mut errors);
        match settings {
            Some(settings) if errors.is_empty() => Ok(Self {
                revision,
                settings: Arc::new(settings),
                keys,
                teams: Table::default(),
                users: Table::default(),
                members: Table::default(),
                models: Arc::new(ModelTable::build(groups(deployments), &declared.settings.aliases)),
                prices,
                managed: false,
            }),
            _ => Err(errors),
        }
    }
}

fn keys(rows: &[KeyRow], errors: &mut Vec<CompileError>) -> Keys {
    let mut keys = Keys::default();
    let mut common = Common::default();
    for row in rows {
        if let Some(twin) = keys.get(&row.hash) {
            let what = format!("the same key as `{}`", twin.id());
            errors.push(CompileError { id: row.id.clone(), what });
        }
        keys.insert(row.clone(), &mut common);
    }
    keys
}

fn deployments(declared: &Declared, prices: &PriceBook, errors: &mut Vec<CompileError>) -> Vec<Deployment> {
    let mut ids = HashSet::new();
    let mut compiled = Vec::new();
    for row in &declared.deployments {
        if !ids.insert(&row.id) {
            errors.push(CompileError { id: row.id.clone(), what: "two deployments have this id".to_owned() });
        }
        match Deployment::compile(row, &declared.settings, prices) {
            Ok(deployment) => compiled.push(deployment),
            Err(error) => errors.push(error),
        }
    }
    compiled
}

/// Compiles a deployment with its credential: what the control plane asks before it stores a row.
pub fn check_deployment(
    row: &DeploymentRow,
    credential: Option<&CredentialRow>,
    settings: &SettingsRow,
    prices: &PriceBook,
) -> Result<(), CompileError> {
    with_credential(row, credential).and_then(|row| Deployment::compile(&row, settings, prices)).map(drop)
}

/// The row with the values of its credential where it has none of its own.
pub(crate) fn with_credential(
    row: &DeploymentRow,
    credential: Option<&CredentialRow>,
) -> Result<DeploymentRow, CompileError> {
    let mut row = row.clone();
    let Some(name) = row.credential.take() else { return Ok(row) };
    let Some(credential) = credential else {
        return Err(CompileError { id: row.id, what: format!("there is no credential `{name}`") });
    };
    let CredentialRow { name: _, api_key, api_base, api_version, organization, cloud } = credential.clone();
    row.api_key = row.api_key.or(api_key);
    row.api_base = row.api_base.or(api_base);
    row.api_version = row.api_version.or(api_version);
    row.organization = row.organization.or(organization);
    let is_said = |said: &CloudValue| row.cloud.iter().any(|own| own.name == said.name);
    let (_, missing): (Vec<_>, Vec<_>) = cloud.into_iter().partition(is_said);
    row.cloud.extend(missing);
    Ok(row)
}

/// Groups deployments by name, in the order in which the names first come up.
pub(crate) fn groups(deployments: Vec<Deployment>) -> Vec<Group> {
    let mut order: Vec<Box<str>> = Vec::new();
    let mut members: HashMap<Box<str>, Vec<Deployment>> = HashMap::new();
    for deployment in deployments {
        let group = members.entry(deployment.group.clone()).or_insert_with_key(|name| {
            order.push(name.clone());
            Vec::new()
        });
        group.push(deployment);
    }
    let finish = |name: Box<str>| {
        let mut deployments = members.remove(&name)?;
        weigh(&mut deployments);
        deployments.sort_by_key(|deployment| deployment.order);
        let mut access_groups: Vec<Box<str>> = Vec::new();
        for group in deployments.iter().flat_map(|deployment| &deployment.access_groups) {
            if !access_groups.contains(group) {
                access_groups.push(group.clone());
            }
        }
        Some(Group {
            pattern: Pattern::is_wildcard(&name).then(|| Pattern::new(&name)),
            name,
            deployments: deployments.into_iter().map(Arc::new).collect(),
            access_groups: access_groups.into(),
        })
    };
    order.into_iter().filter_map(finish).collect()
}

/// `simple-shuffle` goes by the first of `weight`, `rpm`, `tpm` that any deployment of the group sets; unset counts
/// as zero, and where none is set all are equal.
fn weigh(deployments: &mut [Deployment]) {
    for hint in 0..3 {
        let of = |deployment: &Deployment| deployment.hints.get(hint).copied().flatten();
        if deployments.iter().any(|deployment| of(deployment).is_some()) {
            for deployment in deployments {
                deployment.weight = of(deployment).unwrap_or(0);
            }
            return;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use bulkhead_model::rows::AliasRow;

    pub(crate) fn deployment(group: &str, model: &str, provider: &str) -> DeploymentRow {
        DeploymentRow {
            id: format!("{group}/{model}"),
            group: group.into(),
            provider: provider.into(),
            model: model.into(),
            ..DeploymentRow::default()
        }
    }

    fn compile(declared: &Declared) -> Result<Snapshot, Vec<CompileError>> {
        Snapshot::compile(declared, Arc::new(PriceBook::embedded()), 1)
    }

    fn declared(deployments: Vec<DeploymentRow>) -> Declared {
        Declared { deployments, ..Declared::default() }
    }

    #[test]
    fn names_resolve_by_alias_exact_wildcard_and_id_in_that_order() {
        let mut all = declared(vec![
            deployment("gpt-4o", "gpt-4o", "openai"),
            deployment("openai/*", "*", "openai"),
            deployment("*", "*", "openai"),
        ]);
        all.settings.aliases = vec![AliasRow { name: "fast".into(), group: "gpt-4o".into(), hidden: false }];
        let snapshot = compile(&all).unwrap();
        let resolve = |name| {
            let resolved = snapshot.models.resolve(name).unwrap();
            (resolved.group.name.to_string(), resolved.captured.join(","))
        };
        assert_eq!(resolve("fast"), ("gpt-4o".into(), String::new()));
        assert_eq!(resolve("gpt-4o"), ("gpt-4o".into(), String::new()));
        assert_eq!(resolve("openai/o3"), ("openai/*".into(), "o3".into()));
        assert_eq!(resolve("anything"), ("*".into(), "anything".into()));

        let by_id = compile(&declared(vec![deployment("a", "gpt-4o", "openai")])).unwrap();
        assert!(by_id.models.resolve("a/gpt-4o").unwrap().only.is_some());
        assert!(by_id.models.resolve("nope").is_none());
    }

    #[test]
    fn weights_follow_the_first_hint_that_anybody_sets() {
        let mut rows = vec![deployment("g", "a", "openai"), deployment("g", "b", "openai")];
        rows[0].rpm = Some(10);
        rows[1].tpm = Some(99);
        let snapshot = compile(&declared(rows)).unwrap();
        let group = snapshot.models.groups().next().unwrap();
        assert_eq!(group.deployments.iter().map(|d| d.weight).collect::<Vec<_>>(), [10, 0]);
    }

    #[test]
    fn every_bad_row_is_named_at_once() {
        let mut bad = deployment("g", "a", "nobody");
        bad.id = "one".into();
        let mut base = deployment("g", "a", "openai");
        base.id = "two".into();
        base.api_base = Some("ftp://x".into());
        let mut all = declared(vec![bad, base]);
        all.settings.timezone = "Mars/Phobos".into();
        let errors = compile(&all).unwrap_err();
        let ids: Vec<_> = errors.iter().map(|error| error.id.as_str()).collect();
        assert_eq!(ids, ["settings", "one", "two"]);
    }
}
