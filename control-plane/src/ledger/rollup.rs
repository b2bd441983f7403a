//! What events add up to: by hour and entity, and by what a budget may be of.

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::digest::{Context, SHA256};
use bulkhead_proto::{UsageEvent, UsageSource};
use sqlx::types::Uuid;

use crate::store::usage::{Fact, Holder, Spent, Sums};

const HOUR: i64 = 3_600_000;

/// The sums of one transaction.
pub(super) struct Rollup<'e> {
    facts: HashMap<Fact<'e>, Sums>,
    spent: BTreeMap<(i16, String), Spent>,
    now: i64,
}

impl<'e> Rollup<'e> {
    /// Nothing yet. Whatever clocks say, nobody was active after `now`.
    pub(super) fn new(now: i64) -> Self {
        Self { facts: HashMap::new(), spent: BTreeMap::new(), now }
    }

    /// Adds an event.
    pub(super) fn add(&mut self, said: &'e UsageEvent) {
        let sums = sums(said);
        self.facts.entry(fact(said)).or_default().add(&sums);
        let spent = Spent { amount: sums.cost, last_active: said.time.min(self.now) };
        let UsageEvent { key_id: key, team, user, .. } = said;
        let holders = [
            Some(Holder::Everything),
            (!key.is_empty()).then_some(Holder::Key(key)),
            (!team.is_empty()).then_some(Holder::Team(team)),
            (!user.is_empty()).then_some(Holder::User(user)),
            (!team.is_empty() && !user.is_empty()).then_some(Holder::Member(team, user)),
        ];
        for holder in holders.into_iter().flatten() {
            self.spent.entry(holder.row()).or_default().add(&spent);
        }
    }

    /// The facts in the order in which every replica writes them.
    pub(super) fn facts(&self) -> Vec<(Uuid, &Fact<'e>, &Sums)> {
        let mut facts: Vec<_> = self.facts.iter().map(|(fact, sums)| (id(fact), fact, sums)).collect();
        facts.sort_unstable_by_key(|(id, fact, _)| (fact.hour, *id));
        facts
    }

    /// What was spent, in the order in which every replica writes it.
    pub(super) fn spent(&self) -> &BTreeMap<(i16, String), Spent> {
        &self.spent
    }
}

fn fact(said: &UsageEvent) -> Fact<'_> {
    Fact {
        hour: said.time - said.time.rem_euclid(HOUR),
        texts: [
            &said.key_id,
            &said.user,
            &said.team,
            &said.organization,
            &said.model,
            &said.model_group,
            &said.deployment,
            &said.provider,
            &said.endpoint,
        ],
    }
}

fn sums(said: &UsageEvent) -> Sums {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let cost = said.cost.unwrap_or(0);
    let doubt = match said.source() {
        UsageSource::Reported => 0,
        _ => said.bound.unwrap_or(0).saturating_sub(cost).max(0),
    };
    Sums {
        requests: number(said.requests),
        failures: number(said.failures),
        unpriced: unpriced(said),
        input_tokens: number(said.input_tokens),
        output_tokens: number(said.output_tokens),
        cache_read_tokens: number(said.cache_read_tokens),
        cache_write_tokens: number(said.cache_write_tokens),
        reasoning_tokens: number(said.reasoning_tokens),
        cost,
        doubt,
        duration_ms: number(said.duration_ms),
    }
}

/// Exchanges whose price is not known. One that was handed on is no request; what it used costs all the same.
fn unpriced(said: &UsageEvent) -> i64 {
    let has_used = said.input_tokens > 0 || said.output_tokens > 0;
    match (said.cost, said.handed_on) {
        (Some(_), _) => 0,
        (None, false) => i64::try_from(said.requests).unwrap_or(i64::MAX),
        (None, true) => i64::from(has_used),
    }
}

/// The first 16 bytes of the SHA-256 of the texts.
fn id(fact: &Fact<'_>) -> Uuid {
    let mut digest = Context::new(&SHA256);
    for text in fact.texts {
        digest.update(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        digest.update(text.as_bytes());
    }
    let digest = digest.finish();
    digest.as_ref().first_chunk::<16>().map_or_else(Uuid::nil, |bytes| Uuid::from_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(team: &str, cost: Option<i64>) -> UsageEvent {
        UsageEvent {
            time: 7_200_001,
            key_id: "k".to_owned(),
            team: team.to_owned(),
            user: "u".to_owned(),
            source: i32::from(UsageSource::Estimated),
            cost,
            bound: Some(100),
            requests: 1,
            ..UsageEvent::default()
        }
    }

    #[test]
    fn the_same_facts_are_one_row_and_sums_saturate() {
        let events =
            [event("", Some(i64::MAX)), event("", Some(i64::MAX)), event("", None), event("t", Some(1))];
        let mut rollup = Rollup::new(5);
        events.iter().for_each(|event| rollup.add(event));
        let facts = rollup.facts();
        let sums: Vec<_> = facts
            .iter()
            .map(|(_, fact, sums)| (fact.hour, fact.texts[2], sums.cost, sums.unpriced, sums.doubt))
            .collect();
        assert_eq!(sums.len(), 2);
        assert!(sums.contains(&(7_200_000, "", i64::MAX, 1, 100)), "{sums:?}");
        assert!(sums.contains(&(7_200_000, "t", 1, 0, 99)), "{sums:?}");
        let spent: Vec<_> =
            rollup.spent().iter().map(|((kind, id), spent)| (*kind, id.as_str(), spent.amount)).collect();
        let max = i64::MAX;
        assert_eq!(spent, [(0, "", max), (1, "k", max), (2, "t", 1), (3, "u", max), (4, "t\u{1f}u", 1)]);
        assert!(rollup.spent().values().all(|spent| spent.last_active == 5), "no clock is ahead of ours");
    }
}
