//! The one table of configuration keys: what is honoured, what is harmless, what would restrict and does not.
//!
//! To support a key, read it where its section is read and mark it [`Class::Honoured`] here; a test fails for an
//! honoured key that nobody reads. A name that ends in `*` stands for a family; an exact name wins over it.

#[cfg(test)]
mod coverage;
mod deployments;
mod keys;
mod prices;
mod settings;

pub(crate) use deployments::CALL_PARAMETERS;
pub(crate) use prices::{Price, names as price_names, price};

/// What happens with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Read by the code of its section.
    Honoured,
    /// Without effect here, and nothing is lost: not worth a word.
    Silent,
    /// Without effect here; one warning says what is not done.
    Harmless(&'static str),
    /// It limits what may be done, and that limit is not enforced: an error, unless `accept_unenforced` names it.
    Restricting(&'static str),
    /// A list of which some items are honoured and some restrict; the others are harmless.
    Items(&'static Items),
}

/// See [`Class::Items`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Items {
    /// Read by the code of the section.
    honoured: &'static [&'static str],
    /// The items that restrict.
    restricting: &'static [&'static str],
    /// Items with a dot name code of the operator's own, which may do anything and so restricts too.
    own_code: bool,
    /// What is not enforced then.
    pub(crate) unenforced: &'static str,
    /// What is not done for any other item.
    pub(crate) harmless: &'static str,
}

impl Items {
    /// True for an item that is honoured.
    pub(crate) fn honours(&self, item: &str) -> bool {
        self.honoured.contains(&item)
    }

    /// True for an item that restricts.
    pub(crate) fn restricts(&self, item: &str) -> bool {
        self.restricting.contains(&item) || (self.own_code && item.contains('.'))
    }
}

/// Names of one class.
pub(crate) struct Row {
    names: &'static [&'static str],
    class: Class,
}

const fn honoured(names: &'static [&'static str]) -> Row {
    Row { names, class: Class::Honoured }
}

const fn silent(names: &'static [&'static str]) -> Row {
    Row { names, class: Class::Silent }
}

const fn harmless(names: &'static [&'static str], not_done: &'static str) -> Row {
    Row { names, class: Class::Harmless(not_done) }
}

const fn restricting(names: &'static [&'static str], unenforced: &'static str) -> Row {
    Row { names, class: Class::Restricting(unenforced) }
}

const fn items(names: &'static [&'static str], items: &'static Items) -> Row {
    Row { names, class: Class::Items(items) }
}

/// A section of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Top,
    Router,
    Litellm,
    General,
    ModelList,
    LitellmParams,
    ModelInfo,
    VirtualKeys,
    Bulkhead,
}

impl Section {
    pub(crate) const ALL: [Self; 9] = [
        Self::Top,
        Self::Router,
        Self::Litellm,
        Self::General,
        Self::ModelList,
        Self::LitellmParams,
        Self::ModelInfo,
        Self::VirtualKeys,
        Self::Bulkhead,
    ];

    /// The name that a qualified entry of `accept_unenforced` begins with.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Top => "",
            Self::Router => "router_settings",
            Self::Litellm => "litellm_settings",
            Self::General => "general_settings",
            Self::ModelList => "model_list",
            Self::LitellmParams => "litellm_params",
            Self::ModelInfo => "model_info",
            Self::VirtualKeys => "virtual_keys",
            Self::Bulkhead => "bulkhead_settings",
        }
    }

    fn rows(self) -> &'static [Row] {
        match self {
            Self::Top => settings::TOP,
            Self::Router => settings::ROUTER,
            Self::Litellm => settings::LITELLM,
            Self::General => settings::GENERAL,
            Self::ModelList => deployments::MODEL_LIST,
            Self::LitellmParams => deployments::LITELLM_PARAMS,
            Self::ModelInfo => deployments::MODEL_INFO,
            Self::VirtualKeys => keys::VIRTUAL_KEYS,
            Self::Bulkhead => settings::BULKHEAD,
        }
    }

    /// Every name of the section with its class, families with their `*`.
    pub(crate) fn names(self) -> impl Iterator<Item = (&'static str, Class)> {
        self.rows().iter().flat_map(|row| row.names.iter().map(|name| (*name, row.class)))
    }

    /// The class of a key; `None` is unknown.
    pub(crate) fn class(self, key: &str) -> Option<Class> {
        let exact = self.names().find(|(name, _)| *name == key);
        let family = || {
            self.names().find(|(name, _)| name.strip_suffix('*').is_some_and(|stem| key.starts_with(stem)))
        };
        exact.or_else(family).map(|(_, class)| class)
    }
}

/// True for a name that some section knows as restricting.
pub(crate) fn restricts(section: Option<&str>, name: &str) -> bool {
    classes(section, name).any(is_restricting)
}

/// True for a name that some section honours.
pub(crate) fn enforces(section: Option<&str>, name: &str) -> bool {
    classes(section, name).any(|class| class == Class::Honoured)
}

fn classes(section: Option<&str>, name: &str) -> impl Iterator<Item = Class> {
    let sections =
        Section::ALL.into_iter().filter(move |known| section.is_none_or(|section| section == known.name()));
    sections.filter_map(move |section| section.class(name))
}

/// Every restricting name, for "did you mean".
pub(crate) fn restricting_names() -> impl Iterator<Item = &'static str> {
    let names = Section::ALL.into_iter().flat_map(Section::names);
    names.filter(|(_, class)| is_restricting(*class)).map(|(name, _)| name)
}

fn is_restricting(class: Class) -> bool {
    match class {
        Class::Restricting(_) => true,
        Class::Items(items) => items.own_code || !items.restricting.is_empty(),
        Class::Honoured | Class::Silent | Class::Harmless(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_section_lists_a_name_twice() {
        for section in Section::ALL {
            let mut seen = HashSet::new();
            for (name, _) in section.names() {
                assert!(seen.insert(name), "{section:?}.{name}");
            }
        }
    }

    #[test]
    fn exact_names_win_over_families() {
        assert_eq!(Section::ModelInfo.class("supports_vision"), Some(Class::Silent));
        assert_eq!(Section::General.class("mastre_key"), None);
        assert!(restricts(None, "max_budget"));
        assert!(restricts(Some("litellm_settings"), "max_budget"));
        assert!(!restricts(Some("virtual_keys"), "max_budget"));
    }
}
