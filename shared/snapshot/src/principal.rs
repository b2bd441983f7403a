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
    let mut id = String::with_capacity(team.len() + SEPARATOR.len_utf8() + user.len());
    id.push_str(team);
    id.push(SEPARATOR);
    id.push_str(user);
    id
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

#[cfg(test)]
mod tests {
    use bulkhead_model::NanoUsd;

    use super::*;

    fn budget(max: i64) -> Option<BudgetRow> {
        Some(BudgetRow { max: NanoUsd(max), window: None })
    }

    #[test]
    fn a_member_without_limits_and_budget_has_those_of_the_team() {
        let member_limits = Limits { rpm: Some(1), tpm: Some(2), max_parallel: None };
        let row = TeamRow { id: "t".into(), member_limits, member_budget: budget(3), ..TeamRow::default() };
        let team = Team::compile(row);
        let row = MemberRow { team: "t".into(), user: "u".into(), ..MemberRow::default() };
        let plain = Member::compile(row.clone());
        assert_eq!((plain.limits(&team), plain.budget(&team)), (member_limits, budget(3)));

        let limits = Limits { rpm: Some(9), ..Limits::default() };
        let own = Member::compile(MemberRow { limits, budget: budget(7), ..row });
        assert_eq!(own.limits(&team), Limits { rpm: Some(9), ..member_limits });
        assert_eq!(own.budget(&team), budget(7));
    }

    #[test]
    fn principals_are_found_by_their_ids_and_named_by_kind_in_the_ledger() {
        let row = MemberRow { team: "t".into(), user: "u".into(), ..MemberRow::default() };
        let member = Member::compile(row);
        assert_eq!(member.key(), id("t", "u"));
        assert_eq!(&*member.ledger_id, "member:t\u{1f}u");
        let team = Team::compile(TeamRow { id: "t".into(), ..TeamRow::default() });
        let user = User::compile(UserRow { id: "t".into(), ..UserRow::default() });
        assert_eq!((team.key(), user.key()), ("t", "t"));
        assert_eq!((&*team.ledger_id, &*user.ledger_id), ("team:t", "user:t"));
    }

    #[test]
    fn an_alias_of_the_team_is_another_model() {
        let row = TeamRow { aliases: vec![("fast".into(), "gpt-4o".into())], ..TeamRow::default() };
        let team = Team::compile(row);
        assert_eq!((team.aliased("fast"), team.aliased("slow")), ("gpt-4o", "slow"));
    }
}
