//! Where a request goes on after its model group has failed it (requirements ).
//!
//! The first source that says anything of the group holds alone: the request's body; an operator's override; the key;
//! its team; the chain declared for the group; the default chain. An override with `force` goes before the body. Each
//! group is gone to once, so there are no circles, and only `max_fallbacks` of them.

use std::collections::VecDeque;
use std::sync::Arc;

use bulkhead_model::rows::FallbackPolicy;
use bulkhead_model::{ErrorKind, UnixMillis};
use bulkhead_snapshot::{FallbackKind, Group, Resolved, Routing, chain_of};

use crate::identify::Caller;
use crate::read::{Call, Detour, Detours, Source};

/// No request goes on more often, whatever is declared.
pub(super) const CAP: u32 = 5;

/// A model group as a request came to it: a wildcard is as many groups as it has names.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) name: Box<str>,
    pub(super) group: Arc<Group>,
}

impl Place {
    pub(super) fn of(resolved: &Resolved<'_, '_>) -> Self {
        Self { name: resolved.name.into(), group: resolved.group.clone() }
    }

    /// What something may be declared for, the most specific name first.
    pub(super) fn names(&self) -> [&str; 2] {
        [&self.name, &self.group.name]
    }
}

/// The groups that are left to go to.
#[derive(Debug, Default)]
pub(super) struct Hops {
    seen: Vec<Box<str>>,
    ahead: VecDeque<Detour>,
}

impl Hops {
    /// A request has come to a group of this name.
    pub(super) fn arrived(&mut self, name: &str) {
        self.seen.push(name.into());
    }

    pub(super) fn was_at(&self, name: &str) -> bool {
        self.seen.iter().any(|seen| **seen == *name)
    }

    pub(super) fn ahead(&self) -> impl Iterator<Item = &Detour> {
        self.ahead.iter()
    }

    /// A group has failed: what is declared for it goes before what was ahead already.
    pub(super) fn failed(&mut self, chain: Vec<Detour>) {
        for detour in chain.into_iter().rev() {
            self.ahead.push_front(detour);
        }
    }

    /// Where to go on.
    pub(super) fn next(&mut self) -> Option<Detour> {
        self.ahead.pop_front()
    }
}

/// What is asked where to go on.
pub(super) struct Sources<'r> {
    pub(super) call: &'r Call,
    pub(super) caller: &'r Caller,
    pub(super) routing: &'r Routing,
    pub(super) now: UnixMillis,
}

impl Sources<'_> {
    /// Where to go on from a group that failed like this. `is_first`: it is the one that was asked for.
    pub(super) fn chain(&self, place: &Place, failure: ErrorKind, is_first: bool) -> Vec<Detour> {
        let names = &place.names();
        let policies = self.policies();
        let detours = self.call.detours.as_deref();
        if self.are_disabled() {
            return Vec::new();
        }
        let kind = match failure {
            ErrorKind::ContextWindow => FallbackKind::ContextWindow,
            ErrorKind::ContentPolicy => FallbackKind::ContentPolicy,
            _ => FallbackKind::General,
        };
        let special = (kind != FallbackKind::General).then(|| self.special(kind, names, detours)).flatten();
        special.unwrap_or_else(|| self.general(names, detours.filter(|_| is_first), &policies))
    }

    /// Where to go on from a name that nobody serves.
    pub(super) fn of_unknown(&self) -> Vec<Detour> {
        match self.are_disabled() {
            true => Vec::new(),
            false => to(self.routing.default_chain(), Source::Default),
        }
    }

    fn are_disabled(&self) -> bool {
        self.call.detours.as_deref().is_some_and(|detours| detours.disabled)
            || self.policies().iter().any(|(_, policy)| policy.disabled)
    }

    fn special(&self, kind: FallbackKind, names: &[&str], detours: Option<&Detours>) -> Option<Vec<Detour>> {
        let own = detours.and_then(|detours| match kind {
            FallbackKind::ContextWindow => detours.context_window.as_ref(),
            _ => detours.content_policy.as_ref(),
        });
        match own {
            Some(own) => Some(own.of_group(names).to_vec()),
            None => self.routing.chain(kind, names).map(|targets| to(targets, Source::Group)),
        }
    }

    fn general(
        &self,
        names: &[&str],
        detours: Option<&Detours>,
        policies: &[(Source, &FallbackPolicy)],
    ) -> Vec<Detour> {
        let operators = self.routing.override_of(names, self.now);
        if let Some((targets, true)) = operators {
            return to(targets, Source::Override);
        }
        if let Some(own) = detours.and_then(|detours| detours.general.as_ref()) {
            return own.of_group(names).to_vec();
        }
        if let Some((targets, false)) = operators {
            return to(targets, Source::Override);
        }
        for (source, policy) in policies {
            if let Some(chain) = chain_of(&policy.chains, names) {
                return chain.targets.iter().map(|target| Detour::to(target, *source)).collect();
            }
        }
        match self.routing.chain(FallbackKind::General, names) {
            Some(declared) => to(declared, Source::Group),
            None => to(self.routing.default_chain(), Source::Default),
        }
    }

    /// The key's and its team's.
    fn policies(&self) -> Vec<(Source, &FallbackPolicy)> {
        let Some(of) = self.caller.principals() else { return Vec::new() };
        let team = of.team.as_ref().map(|team| (Source::Team, &team.row.fallbacks));
        [Some((Source::Key, &of.key.policy().said.fallbacks)), team].into_iter().flatten().collect()
    }
}

fn to(targets: &[Box<str>], source: Source) -> Vec<Detour> {
    targets.iter().map(|target| Detour::to(target, source)).collect()
}
