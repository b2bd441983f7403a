//! Model groups: from the name a client asks for to the deployments that can serve it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::deployment::Deployment;
use crate::pattern::Pattern;

/// Deployments that serve one public name.
#[derive(Debug)]
pub struct Group {
    /// `model_name`; holds `*` for a wildcard group.
    pub name: Box<str>,
    /// Those that serve it, lowest `order` first.
    pub deployments: Box<[Arc<Deployment>]>,
    /// Access groups that it belongs to.
    pub access_groups: Box<[Box<str>]>,
    /// The name compiled, for a wildcard group.
    pub pattern: Option<Pattern>,
}

impl Group {
    /// The providers behind the group; one may come up more than once.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.deployments.iter().map(|deployment| &*deployment.provider.name)
    }

    #[cfg(test)]
    pub(crate) fn for_access_test(name: &str, providers: &[&str], access_groups: &[&str]) -> Self {
        Self {
            name: name.into(),
            deployments: providers.iter().map(|provider| Arc::new(Deployment::for_test(provider))).collect(),
            access_groups: access_groups.iter().map(|group| (*group).into()).collect(),
            pattern: None,
        }
    }
}

/// What a model name resolves to.
#[derive(Debug)]
pub struct Resolved<'t, 'n> {
    /// What was asked for, after aliases: a group's name, one of many of a wildcard, or a deployment's id.
    pub name: &'n str,
    /// The group.
    pub group: &'t Arc<Group>,
    /// One deployment of it, where the name was a deployment's id.
    pub only: Option<&'t Arc<Deployment>>,
    /// What the group's stars stand for in this name.
    pub captured: Vec<&'n str>,
}

/// A name in `/v1/models`.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'t> {
    /// What a client asks for.
    pub name: &'t str,
    /// What that means: for an alias the name it stands for, else itself.
    pub target: &'t str,
    /// The group that serves it.
    pub group: &'t Arc<Group>,
}

/// Every group, found by name, alias, wildcard or deployment id.
#[derive(Debug, Default)]
pub struct ModelTable {
    groups: Vec<Arc<Group>>,
    exact: HashMap<Box<str>, usize, foldhash::fast::RandomState>,
    /// Most specific first.
    wildcards: Vec<usize>,
    aliases: HashMap<Box<str>, Alias, foldhash::fast::RandomState>,
    by_id: HashMap<Box<str>, (usize, Arc<Deployment>), foldhash::fast::RandomState>,
}

#[derive(Debug)]
struct Alias {
    group: Box<str>,
    hidden: bool,
}

impl ModelTable {
    pub(crate) fn build(groups: Vec<Group>, aliases: &[bulkhead_model::rows::AliasRow]) -> Self {
        let groups: Vec<_> = groups.into_iter().map(Arc::new).collect();
        let mut table = Self::default();
        for (index, group) in groups.iter().enumerate() {
            match group.pattern {
                Some(_) => table.wildcards.push(index),
                None => drop(table.exact.insert(group.name.clone(), index)),
            }
            for deployment in &group.deployments {
                table.by_id.insert(deployment.id.clone(), (index, deployment.clone()));
            }
        }
        let specificity =
            |index: &usize| groups.get(*index).and_then(|g| g.pattern.as_ref()).map(Pattern::specificity);
        table.wildcards.sort_by_key(|index| std::cmp::Reverse(specificity(index)));
        for alias in aliases {
            let target = Alias { group: alias.group.as_str().into(), hidden: alias.hidden };
            table.aliases.insert(alias.name.as_str().into(), target);
        }
        table.groups = groups;
        table
    }

    /// Resolves a name: alias, exact name, wildcard (most specific first), deployment id.
    pub fn resolve<'t, 'n>(&'t self, name: &'n str) -> Option<Resolved<'t, 'n>>
    where
        't: 'n,
    {
        let name = self.aliases.get(name).map_or(name, |alias| &*alias.group);
        if let Some(group) = self.exact.get(name).and_then(|index| self.groups.get(*index)) {
            return Some(Resolved { name, group, only: None, captured: Vec::new() });
        }
        for index in &self.wildcards {
            let Some(group) = self.groups.get(*index) else { continue };
            if let Some(captured) = group.pattern.as_ref().and_then(|pattern| pattern.captures(name)) {
                return Some(Resolved { name, group, only: None, captured });
            }
        }
        let (index, deployment) = self.by_id.get(name)?;
        let group = self.groups.get(*index)?;
        Some(Resolved { name, group, only: Some(deployment), captured: Vec::new() })
    }

    /// A deployment by its id, and its group.
    pub fn deployment(&self, id: &str) -> Option<(&Arc<Group>, &Arc<Deployment>)> {
        let (index, deployment) = self.by_id.get(id)?;
        Some((self.groups.get(*index)?, deployment))
    }

    /// Every group in the order of declaration.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.iter()
    }

    /// Every deployment.
    pub fn deployments(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        self.groups.iter().flat_map(|group| group.deployments.iter())
    }

    /// Names to show in `/v1/models`: groups and visible aliases. Wildcard groups come as they are; whoever lists
    /// them expands them.
    pub fn names(&self) -> impl Iterator<Item = Shown<'_>> {
        let groups = self.groups.iter().map(|group| Shown { name: &group.name, target: &group.name, group });
        let mut aliases: Vec<_> = self.aliases.iter().filter(|(_, alias)| !alias.hidden).collect();
        aliases.sort_by_key(|(name, _)| *name);
        let aliases = aliases.into_iter().filter_map(|(name, alias)| {
            let resolved = self.resolve(&alias.group)?;
            Some(Shown { name, target: &alias.group, group: resolved.group })
        });
        groups.chain(aliases)
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// True when no model is served.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}
