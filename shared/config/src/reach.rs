//! What a model name can reach, for checking aliases and the models of keys.

use std::collections::HashSet;

use crate::deployment::Deployments;

/// Names under which something is served.
pub(crate) struct Reach {
    /// Model groups in the order of the file, once each.
    groups: Vec<String>,
    aliases: Vec<String>,
    access_groups: Vec<String>,
    /// Groups with their provider before them: `openai/gpt-4o` for a group `gpt-4o` that OpenAI serves.
    prefixed: Vec<String>,
    /// Groups and ids of deployments.
    exact: HashSet<String>,
    /// Groups with a `*`.
    wildcards: Vec<String>,
}

impl Reach {
    pub(crate) fn new<'a>(deployments: &Deployments, aliases: impl Iterator<Item = &'a str>) -> Self {
        let mut exact = HashSet::new();
        let groups: Vec<String> =
            deployments.groups.iter().filter(|group| exact.insert((*group).clone())).cloned().collect();
        exact.extend(deployments.rows.iter().map(|row| row.id.clone()));
        let prefixed = deployments.rows.iter().map(|row| format!("{}/{}", row.provider, row.group));
        Self {
            wildcards: groups.iter().filter(|group| group.contains('*')).cloned().collect(),
            groups,
            aliases: aliases.map(str::to_owned).collect(),
            access_groups: deployments.access_groups.clone(),
            prefixed: prefixed.collect(),
            exact,
        }
    }

    /// The model groups, once each.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(String::as_str)
    }

    /// True for a name that is itself a `model_name`.
    pub(crate) fn is_group(&self, name: &str) -> bool {
        self.groups().any(|group| group == name)
    }

    /// Every name that a key may list.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().chain(&self.aliases).chain(&self.access_groups).map(String::as_str)
    }

    /// True when a request for this model finds a deployment, aliases aside.
    pub(crate) fn serves(&self, model: &str) -> bool {
        self.exact.contains(model) || self.wildcards.iter().any(|group| fits(group, model))
    }

    /// True when a client may ask for this model.
    pub(crate) fn answers(&self, model: &str) -> bool {
        self.serves(model) || self.aliases.iter().any(|alias| alias == model)
    }

    /// True when a request can come to a chain of fallbacks for this group: by its name, without its provider or with
    /// one before it.
    pub(crate) fn can_fail(&self, group: &str) -> bool {
        let bare = |name: &str| name.split_once('/').map(|(_, bare)| bare.to_owned());
        self.answers(group)
            || bare(group).is_some_and(|bare| self.answers(&bare))
            || self.groups().any(|name| bare(name).is_some_and(|bare| bare == group))
    }

    /// True when an entry of a key's `models` allows anything at all.
    pub(crate) fn allows_something(&self, entry: &str) -> bool {
        let special = ["*", "all-proxy-models", "all-team-models", "no-default-models"];
        let by_wildcard =
            || self.names().chain(self.prefixed.iter().map(String::as_str)).any(|name| fits(entry, name));
        special.contains(&entry)
            || self.answers(entry)
            || self.access_groups.iter().any(|group| group == entry)
            || (entry.contains('*') && by_wildcard())
    }
}

/// True when the name fits the pattern, in which `*` stands for any text. Without `*` both must be the same.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts = rest.split('*').rev();
    let last = parts.next().unwrap_or_default();
    for part in parts.rev() {
        match left.split_once(part) {
            Some((_, behind)) => left = behind,
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, name, expected) in [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4", false),
            ("*", "", true),
            ("openai/*", "openai/gpt-4o", true),
            ("openai/*", "openai/gpt-*", true),
            ("openai/*", "azure/gpt-4o", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
