//! Who calls, and what the caller's models are called and allowed.

use std::sync::Arc;

use bulkhead_model::ErrorKind;
use bulkhead_model::rows::Limits;
use bulkhead_snapshot::{Group, Key, Member, ModelAccess, Snapshot, Team, User, member_id};

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// The holder of the master key: everything is allowed.
    Master,
    /// The holder of a virtual key.
    Key(Principals),
}

/// A key and what it belongs to, all of one snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Principals {
    pub(crate) key: Key,
    /// `None` where the key has none, or the snapshot is a file's, in which a team is only a label.
    pub(crate) team: Option<Arc<Team>>,
    /// `None` also for a user that was never declared.
    pub(crate) user: Option<Arc<User>>,
    /// The user in the team. One that was not declared is there where the team limits its members.
    pub(crate) member: Option<Arc<Member>>,
}

/// A model's name as a caller's aliases have it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meant<'a> {
    /// After the key's aliases: what its team is asked for.
    pub(crate) asked: &'a str,
    /// After the team's aliases: what is served.
    pub(crate) model: &'a str,
}

impl<'a> Meant<'a> {
    /// A name as it is.
    pub(crate) fn plain(name: &'a str) -> Self {
        Self { asked: name, model: name }
    }
}

impl Caller {
    /// The virtual key, where there is one.
    pub(crate) fn key(&self) -> Option<&Key> {
        self.principals().map(|principals| &principals.key)
    }

    /// The virtual key with what it belongs to, where there is one.
    pub(crate) fn principals(&self) -> Option<&Principals> {
        match self {
            Self::Master => None,
            Self::Key(principals) => Some(principals),
        }
    }

    /// What a model name means: the key's own aliases go first, then its team's.
    pub(crate) fn meaning<'a>(&'a self, name: &'a str) -> Meant<'a> {
        let Self::Key(Principals { key, team, .. }) = self else { return Meant::plain(name) };
        let asked = key.policy().aliased(name);
        Meant { asked, model: team.as_ref().map_or(asked, |team| team.aliased(asked)) }
    }

    /// Who forbids a model, as the kind of the refusal: the first of key, team and user that does.
    pub(crate) fn forbidden(&self, meant: Meant<'_>, group: &Group) -> Option<ErrorKind> {
        let allows =
            |models: &ModelAccess| models.allows(meant.asked, group) || models.allows(meant.model, group);
        self.layers().find(|(_, models)| !allows(models)).map(|(kind, _)| kind)
    }

    /// Who forbids any model at all.
    pub(crate) fn restricted(&self) -> Option<ErrorKind> {
        self.layers().find(|(_, models)| **models != ModelAccess::All).map(|(kind, _)| kind)
    }

    fn layers(&self) -> impl Iterator<Item = (ErrorKind, &ModelAccess)> {
        let of = self.principals();
        let key = of.map(|of| (ErrorKind::ModelDenied, &of.key.policy().models));
        let team = of.and_then(|of| of.team.as_ref()).map(|team| (ErrorKind::TeamModelDenied, &team.models));
        let user = of.and_then(Principals::user_models).map(|models| (ErrorKind::UserModelDenied, models));
        key.into_iter().chain(team).chain(user)
    }
}

impl Principals {
    /// Finds what the key belongs to. `None`: there is no such team, though the snapshot declares every team.
    pub(super) fn of(snapshot: &Snapshot, key: &Key) -> Option<Self> {
        let (mut team, mut user, mut member) = (None, None, None);
        if snapshot.managed {
            if let Some(id) = key.team_id() {
                team = Some(snapshot.teams.get(id)?.clone());
            }
            user = key.user_id().and_then(|id| snapshot.users.get(id)).cloned();
            member = team.as_ref().zip(key.user_id()).and_then(|(team, user)| {
                let declared = snapshot.members.get(&member_id(&team.row.id, user)).cloned();
                declared.or_else(|| undeclared_member(team, user))
            });
        }
        Some(Self { key: key.clone(), team, user, member })
    }

    /// The models of the user. `no-default-models` alone means that there are none but those of teams.
    fn user_models(&self) -> Option<&ModelAccess> {
        let user = self.user.as_ref()?;
        let only_by_team = |models: &[String]| models.iter().all(|name| name == "no-default-models");
        (self.team.is_none() || !only_by_team(&user.row.models)).then_some(&user.models)
    }
}

fn undeclared_member(team: &Team, user: &str) -> Option<Arc<Member>> {
    let limited = team.row.member_limits != Limits::default() || team.row.member_budget.is_some();
    limited.then(|| Arc::new(Member::undeclared(&team.row.id, user)))
}
