//! Compiled teams, users and members: what several keys share.

use bulkhead_model::rows::{BudgetRow, Limits, MemberRow, TeamRow, UserRow};

use crate::access::ModelAccess;
use crate::table::{Keyed, spread_text};

/// A team.
#[derive(Debug)]
pub struct Team {
    /// As declared.
    pub row: TeamRow,
    /// Its name in the ledger: `team:` and the id.
    pub ledger_id: Box<str>,
    /// Models that its keys may use.
    pub models: ModelAccess,
}

/// A user.
#[derive(Debug)]
pub struct User {
    /// As declared.
    pub row: UserRow,
    /// Its name in the ledger: `user:` and the id.
    pub ledger_id: Box<str>,
    /// Models that its keys may use.
    pub models: ModelAccess,
}

/// A user in a team.
#[derive(Debug)]
pub struct Member {
    /// As declared.
    pub row: MemberRow,
    /// Its name in the ledger: `member:` and the id.
    pub ledger_id: Box<str>,
}

impl Team {
    pub(crate) fn compile(row: TeamRow) -> Self {
        Self { ledger_id: format!("team:{}", row.id).into(), models: ModelAccess::compile(&row.models), row }
    }

    /// What `model` means for its keys.
    pub fn aliased<'a>(&'a self, model: &'a str) -> &'a str {
        self.row.aliases.iter().find(|(from, _)| from == model).map_or(model, |(_, to)| to)
    }
}

impl User {
    pub(crate) fn compile(row: UserRow) -> Self {
        Self { ledger_id: format!("user:{}", row.id).into(), models: ModelAccess::compile(&row.models), row }
    }
}

impl Member {
    pub(crate) fn compile(row: MemberRow) -> Self {
        Self { ledger_id: format!("{LEDGER}{}", id(&row.team, &row.user)).into(), row }
    }

    /// A user of a team's key who was not declared as its member: the team's limits for members hold.
    pub fn undeclared(team: &str, user: &str) -> Self {
        Self::compile(MemberRow { team: team.to_owned(), user: user.to_owned(), ..MemberRow::default() })
    }

    /// Its limits, else the team's for members.
    pub fn limits(&self, team: &Team) -> Limits {
        let (own, of_team) = (self.row.limits, team.row.member_limits);
        Limits {
            rpm: own.rpm.or(of_team.rpm),
            tpm: own.tpm.or(of_team.tpm),
            max_parallel: own.max_parallel.or(of_team.max_parallel),
        }
    }

    /// Its budget, else the team's for members.
    pub fn budget(&self, team: &Team) -> Option<BudgetRow> {
        self.row.budget.or(team.row.member_budget)
    }
}

const LEDGER: &str = "member:";

/// Between the two ids that make a member's; no id holds it.
pub(crate) const SEPARATOR: char = '\u{1f}';

/// The id of a member: the team's, a unit separator, which no id holds, and the user's.
pub fn id(team: &str, user: &str) -> String {
    format!("{team}{SEPARATOR}{user}")
}

impl Keyed for Team {
    type Key = str;

    fn key(&self) -> &str {
        &self.row.id
    }

    fn spread(key: &str) -> u64 {
        spread_text(key)
    }
}

impl Keyed for User {
    type Key = str;

    fn key(&self) -> &str {
        &self.row.id
    }

    fn spread(key: &str) -> u64 {
        spread_text(key)
    }
}

impl Keyed for Member {
    type Key = str;

    fn key(&self) -> &str {
        self.ledger_id.strip_prefix(LEDGER).unwrap_or(&self.ledger_id)
    }

    fn spread(key: &str) -> u64 {
        spread_text(key)
    }
}
