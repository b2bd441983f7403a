//! From rows to a snapshot.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::KeyHash;
use bulkhead_model::rows::{DeploymentRow, KeyRow, SettingsRow};
use bulkhead_pricing::PriceBook;
use http::header::HeaderName;
use jiff::tz::TimeZone;

use crate::deployment::Deployment;
use crate::key::{Key, KeyTable};
use crate::models::{Group, ModelTable};
use crate::pattern::Pattern;

/// Everything declared.
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

/// Settings in the form that a request needs.
#[derive(Debug)]
pub struct Settings {
    /// Hash of the master key.
    pub master_key: Option<KeyHash>,
    /// A header that is looked at first for the key.
    pub key_header: Option<HeaderName>,
    /// The largest request body, in bytes.
    pub max_request_bytes: u64,
    /// Memory for request bodies of the whole process, in bytes.
    pub body_memory_bytes: u64,
    /// Route by tags.
    pub tag_filtering: bool,
    /// One common tag is enough.
    pub tag_match_any: bool,
    /// The status of `budget_exceeded`.
    pub budget_exceeded_status: u16,
    /// Time without an upstream byte before a stream's head goes out; zero is never.
    pub keepalive: Duration,
    /// Pass a provider's 401, 402, 403 on.
    pub expose_upstream_auth: bool,
    /// Forward the client's `x-*` headers.
    pub forward_client_headers: bool,
    /// The zone of budget windows.
    pub zone: TimeZone,
    /// The file names a database whose keys this gateway cannot see.
    pub mentions_database: bool,
}

/// Everything that decides about requests, compiled. Immutable.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts the snapshots of this process; for people and metrics.
    pub revision: u64,
    /// Settings.
    pub settings: Settings,
    /// Keys.
    pub keys: KeyTable,
    /// Models.
    pub models: ModelTable,
    /// Prices.
    pub prices: Arc<PriceBook>,
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
        let groups = groups(declared, &prices, &mut errors);
        let mut keys = KeyTable::default();
        for row in &declared.keys {
            if let Some(twin) = keys.insert(Key::compile(row)) {
                errors.push(CompileError {
                    id: row.id.clone(),
                    what: format!("the same key as `{}`", twin.id),
                });
            }
        }
        match settings {
            Some(settings) if errors.is_empty() => {
                let models = ModelTable::build(groups, &declared.settings.aliases);
                Ok(Self { revision, settings, keys, models, prices })
            }
            _ => Err(errors),
        }
    }
}

impl Settings {
    fn compile(row: &SettingsRow) -> Result<Self, CompileError> {
        let wrong = |what: String| CompileError { id: "settings".to_owned(), what };
        let key_header = match &row.key_header {
            None => None,
            Some(name) => Some(
                HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| wrong(format!("litellm_key_header_name: `{name}` is not a header name")))?,
            ),
        };
        let zone = TimeZone::get(&row.timezone)
            .map_err(|_| wrong(format!("timezone: `{}` is not an IANA time zone", row.timezone)))?;
        Ok(Self {
            master_key: row.master_key,
            key_header,
            max_request_bytes: row.max_request_bytes,
            body_memory_bytes: row.body_memory_bytes,
            tag_filtering: row.tag_filtering,
            tag_match_any: row.tag_match_any,
            budget_exceeded_status: row.budget_exceeded_status,
            keepalive: row.keepalive,
            expose_upstream_auth: row.expose_upstream_auth,
            forward_client_headers: row.forward_client_headers,
            zone,
            mentions_database: row.mentions_database,
        })
    }
}

/// Groups deployments by name, in the order in which the names first come up.
fn groups(declared: &Declared, prices: &PriceBook, errors: &mut Vec<CompileError>) -> Vec<Group> {
    let mut order: Vec<&str> = Vec::new();
    let mut members: HashMap<&str, (Vec<Deployment>, Vec<Box<str>>)> = HashMap::new();
    let mut ids: HashMap<&str, ()> = HashMap::new();
    for row in &declared.deployments {
        if ids.insert(&row.id, ()).is_some() {
            errors.push(CompileError { id: row.id.clone(), what: "two deployments have this id".to_owned() });
        }
        let deployment = match Deployment::compile(row, &declared.settings, prices) {
            Ok(deployment) => deployment,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        let (deployments, access_groups) = members.entry(&row.group).or_insert_with(|| {
            order.push(&row.group);
            Default::default()
        });
        deployments.push(deployment);
        for group in &row.access_groups {
            if !access_groups.iter().any(|known| **known == **group) {
                access_groups.push(group.as_str().into());
            }
        }
    }
    let finish = |name: &str| {
        let (mut deployments, access_groups) = members.remove(name)?;
        weigh(&mut deployments, &declared.deployments);
        deployments.sort_by_key(|deployment| deployment.order);
        Some(Group {
            name: name.into(),
            deployments: deployments.into_iter().map(Arc::new).collect(),
            access_groups: access_groups.into(),
            pattern: Pattern::is_wildcard(name).then(|| Pattern::new(name)),
        })
    };
    order.into_iter().filter_map(finish).collect()
}

/// `simple-shuffle` goes by the first of `weight`, `rpm`, `tpm` that any deployment of the group sets; unset counts
/// as zero, and where none is set all are equal.
fn weigh(deployments: &mut [Deployment], rows: &[DeploymentRow]) {
    let of = |deployment: &Deployment| rows.iter().find(|row| *row.id == *deployment.id);
    let by: [fn(&DeploymentRow) -> Option<u64>; 3] =
        [|row| row.weight.map(u64::from), |row| row.rpm, |row| row.tpm];
    for weight in by {
        let weights: Vec<_> = deployments.iter().map(|deployment| of(deployment).and_then(weight)).collect();
        if weights.iter().any(Option::is_some) {
            for (deployment, weight) in deployments.iter_mut().zip(weights) {
                deployment.weight = weight.unwrap_or(0);
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
