//! Whose a sealed text is.

use aws_lc_rs::digest::{SHA256, digest};

use crate::identify::Caller;

/// Enough of a digest to tell ids apart.
const MARK: usize = 16;
type Mark = [u8; MARK];

/// As with LiteLLM the user and the team of the key; of a key that has neither the key itself. None of them: the master
/// key's holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Owner {
    user: Option<Mark>,
    team: Option<Mark>,
    key: Option<Mark>,
}

impl Owner {
    /// Whoever calls.
    pub(super) fn of(caller: &Caller) -> Self {
        let Some(key) = caller.key() else { return Self::default() };
        let user = key.user_id().map(|id| mark("user", id));
        let team = key.team_id().map(|id| mark("team", id));
        let alone = user.is_none() && team.is_none();
        Self { user, team, key: alone.then(|| mark("key", key.id())) }
    }

    /// Whether a caller may use what belongs to this owner. Who holds the master key may use everything.
    pub(super) fn admits(&self, caller: &Caller) -> bool {
        let Some(key) = caller.key() else { return true };
        let same = |own: Option<Mark>, kind: &str, id: Option<&str>| {
            own.is_none_or(|own| id.is_some_and(|id| mark(kind, id) == own))
        };
        *self != Self::default()
            && same(self.user, "user", key.user_id())
            && same(self.team, "team", key.team_id())
            && same(self.key, "key", Some(key.id()))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let marks = [self.user, self.team, self.key];
        let flags = marks.iter().zip([1, 2, 4]).filter(|(mark, _)| mark.is_some()).map(|(_, flag)| flag);
        out.push(flags.sum());
        marks.iter().flatten().for_each(|mark| out.extend_from_slice(mark));
    }

    /// Reads what was written, and leaves what follows.
    pub(super) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (flags, rest) = bytes.split_first()?;
        *bytes = rest;
        let mut mark = |flag: u8| {
            if flags & flag == 0 {
                return Some(None);
            }
            let (mark, rest) = bytes.split_first_chunk::<MARK>()?;
            *bytes = rest;
            Some(Some(*mark))
        };
        Some(Self { user: mark(1)?, team: mark(2)?, key: mark(4)? })
    }
}

fn mark(kind: &str, id: &str) -> Mark {
    let whole = digest(&SHA256, format!("{kind}:{id}").as_bytes());
    whole.as_ref().first_chunk().copied().unwrap_or_default()
}
