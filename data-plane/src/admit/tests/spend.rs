//! What was spent, as windows, their lengths and the generations of the declared spend change.

use super::super::holder::{Holder, Saved, Tried};
use super::super::ledger::checksum;
use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn declared(nano: i64, window: Option<&str>, generation: u64, amount: i64) -> Rules<'static> {
    let spend = Spend { generation, amount: NanoUsd(amount) };
    Rules { spend, as_of: generation, ..rules(Limits::default(), budget(nano, window)) }
}

impl Rig {
    async fn under(&self, rules: Rules<'_>, ask: Ask) -> Result<Permit, Denial> {
        let claims = [claim(Scope::Key, "key:a", rules)];
        self.gate.admit(&claims, ask).await.map_err(|refused| refused.denial)
    }

    async fn spend(&self, rules: Rules<'_>, nano: i64) {
        self.under(rules, cost(nano)).await.unwrap().settle(cost(nano));
    }

    fn spent(&self, rules: Rules<'_>) -> i64 {
        self.gate.spent(&claim(Scope::Key, "key:a", rules)).0
    }
}

fn spent_up(spent: i64, max: i64) -> Denial {
    Denial::Budget { spent: NanoUsd(spent), max: NanoUsd(max) }
}

#[tokio::test]
async fn another_length_keeps_what_was_spent_and_ends_when_it_says() {
    let rig = Rig::new();
    rig.spend(declared(100, Some("1d"), 0, 0), 60).await;
    // From the day to the hour: 09:00 to 10:00, and it is 09:30.
    assert_eq!(rig.spent(declared(100, Some("1h"), 0, 0)), 60);
    rig.clock.advance(HOUR / 2);
    assert_eq!(rig.spent(declared(100, Some("1h"), 0, 0)), 0, "the new length's window is over");
    rig.spend(declared(100, Some("1h"), 0, 0), 70).await;
    // From the hour to the day: the end of the hour is no end any more.
    assert_eq!(rig.spent(declared(100, Some("1d"), 0, 0)), 70);
    rig.clock.advance(5 * HOUR);
    assert_eq!(rig.spent(declared(100, Some("1d"), 0, 0)), 70);
    rig.clock.advance(9 * HOUR);
    assert_eq!(rig.spent(declared(100, Some("1d"), 0, 0)), 0);
}

#[tokio::test]
async fn a_window_that_comes_or_goes_keeps_what_was_spent() {
    let rig = Rig::new();
    rig.spend(declared(100, None, 0, 0), 60).await;
    assert_eq!(rig.spent(declared(100, Some("1h"), 0, 0)), 60, "it is in the first window");
    rig.spend(declared(100, Some("1h"), 0, 0), 5).await;
    assert_eq!(rig.spent(declared(100, None, 0, 0)), 65);
    rig.clock.advance(24 * HOUR);
    assert_eq!(rig.spent(declared(100, None, 0, 0)), 65);
    assert_eq!(rig.spent(declared(100, Some("1h"), 0, 0)), 65);
    rig.clock.advance(HOUR);
    assert_eq!(rig.spent(declared(100, Some("1h"), 0, 0)), 0);
}

#[tokio::test]
async fn what_was_spent_in_a_window_that_is_over_is_not_kept_by_another_length() {
    let rig = Rig::new();
    rig.spend(declared(100, Some("1h"), 0, 0), 60).await;
    rig.clock.advance(HOUR);
    assert_eq!(rig.spent(declared(100, Some("1d"), 0, 0)), 0);
}

#[tokio::test]
async fn a_restart_between_two_lengths_is_none_for_what_was_spent() {
    for (before, after) in
        [(Some("1h"), Some("1d")), (Some("1d"), Some("1h")), (None, Some("1h")), (Some("1h"), None)]
    {
        let rig = Rig::new();
        rig.spend(declared(100, before, 0, 0), 60).await;
        let rig = rig.restart();
        assert_eq!(rig.spent(declared(100, after, 0, 0)), 60, "{before:?} {after:?}");
    }
    let rig = Rig::new();
    rig.spend(declared(100, Some("1h"), 0, 0), 60).await;
    rig.clock.advance(HOUR);
    let rig = rig.restart();
    assert_eq!(rig.spent(declared(100, Some("1d"), 0, 0)), 0, "the hour was over");
}

#[tokio::test]
async fn a_request_in_flight_while_the_length_changes_is_paid_from_the_new_window() {
    let rig = Rig::new();
    let in_flight = rig.under(declared(100, Some("1d"), 0, 0), cost(40)).await.unwrap();
    assert_eq!(rig.spent(declared(100, Some("1h"), 0, 0)), 0);
    in_flight.settle(cost(40));
    assert_eq!(rig.spent(declared(100, Some("1h"), 0, 0)), 40);
}

#[tokio::test]
async fn a_budget_counts_what_was_spent_before_and_here() {
    let rig = Rig::new();
    rig.spend(declared(100, None, 1, 70), 20).await;
    assert_eq!(rig.spent(declared(100, None, 1, 70)), 90);
    rig.spend(declared(100, None, 1, 70), 10).await;
    assert_eq!(rig.under(declared(100, None, 1, 70), cost(1)).await.err(), Some(spent_up(100, 100)));
    assert_eq!(rig.under(declared(100, None, 2, 100), cost(1)).await.err(), Some(spent_up(100, 100)));
}

#[tokio::test(start_paused = true)]
async fn requests_at_once_do_not_get_past_what_was_spent_before() {
    let rig = Rig::new();
    let _holding = rig.under(declared(100, None, 1, 70), cost(20)).await.unwrap();
    assert_eq!(rig.under(declared(100, None, 1, 70), cost(20)).await.err(), Some(Denial::Contended));
    assert!(rig.under(declared(100, None, 1, 70), cost(10)).await.is_ok());
}

#[tokio::test]
async fn a_new_generation_ends_the_nodes_own_count_and_what_is_in_flight_goes_into_the_new_one() {
    let rig = Rig::new();
    rig.spend(declared(100, None, 1, 10), 30).await;
    let in_flight = rig.under(declared(100, None, 1, 10), cost(20)).await.unwrap();
    assert_eq!(rig.spent(declared(100, None, 2, 5)), 5);
    in_flight.settle(cost(20));
    assert_eq!(rig.spent(declared(100, None, 2, 5)), 25);
    // A control plane that was restored may count from further back.
    let restored = Rules { as_of: 9, ..declared(100, None, 1, 50) };
    assert_eq!(rig.spent(restored), 50);
}

#[tokio::test]
async fn a_request_under_an_older_snapshot_does_not_bring_its_generation_back() {
    let rig = Rig::new();
    rig.spend(declared(100, None, 2, 0), 30).await;
    rig.spend(declared(100, None, 1, 95), 1).await;
    assert_eq!(rig.spent(declared(100, None, 2, 0)), 31);
}

#[tokio::test]
async fn generations_survive_a_restart() {
    let rig = Rig::new();
    rig.spend(declared(100, None, 7, 10), 30).await;
    let rig = rig.restart();
    assert_eq!(rig.spent(declared(100, None, 7, 10)), 40);
    let rig = Rig::new();
    rig.spend(declared(100, None, 7, 10), 30).await;
    let rig = rig.restart();
    assert_eq!(rig.spent(declared(100, None, 8, 10)), 10, "the count was of another generation");
}

#[tokio::test]
async fn what_was_spent_before_ends_with_its_window() {
    let rig = Rig::new();
    rig.spend(declared(100, Some("1h"), 1, 80), 5).await;
    rig.clock.advance(HOUR);
    assert_eq!(rig.spent(declared(100, Some("1h"), 1, 80)), 0);
    rig.spend(declared(100, Some("1h"), 1, 80), 7).await;
    let rig = rig.restart();
    assert_eq!(rig.spent(declared(100, Some("1h"), 1, 80)), 7, "also after a restart");
    assert_eq!(rig.spent(declared(100, Some("1h"), 2, 3)), 3);
}

#[tokio::test]
async fn a_holder_that_nobody_remembers_counts_what_was_said_in_this_window_alone() {
    let said = |time: &str, window| {
        let said = UnixMillis::parse(time).unwrap().0;
        declared(100, window, said.cast_unsigned(), 80)
    };
    // It is 09:30.
    assert_eq!(Rig::new().spent(said("2026-11-21T09:10:00Z", Some("1h"))), 80);
    assert_eq!(Rig::new().spent(said("2026-11-21T08:50:00Z", Some("1h"))), 0);
    assert_eq!(Rig::new().spent(said("2026-11-21T08:50:00Z", Some("1d"))), 80);
    assert_eq!(Rig::new().spent(said("2025-11-21T08:50:00Z", None)), 80);
}

#[tokio::test]
async fn a_ledger_of_an_older_release_is_read() {
    let rig = Rig::new();
    let start = UnixMillis::parse("2026-11-21T09:00:00Z").unwrap().0;
    let body = |start: i64| format!("0 0 0 {start} 60 60 \"key:a\"");
    for (start, left) in [(start, 60), (start - 3_600_000, 0)] {
        let text = format!("{:08x} {}\n", checksum(body(start).as_bytes()), body(start));
        rig.gate.ledger().close();
        std::fs::write(rig.dir.path().join("ledger.ndjson"), text).unwrap();
        let gate = Gate::new(rig.clock.clone(), Ledger::open(rig.dir.path()).unwrap().0);
        assert_eq!(gate.spent(&claim(Scope::Key, "key:a", declared(100, Some("1h"), 0, 0))).0, left);
        gate.ledger().close();
    }
}

#[tokio::test]
async fn whoever_does_not_pay_is_held_to_rates_alone() {
    let rig = Rig::new();
    let limits = Limits { rpm: Some(2), ..Limits::default() };
    let user = Rules { pays: false, ..rules(limits, None) };
    let team = rules(Limits::default(), budget(100, None));
    let claims = [claim(Scope::Team, "team:t", team), claim(Scope::User, "user:u", user)];
    let mut permit = rig.gate.admit(&claims, cost(10)).await.unwrap();
    permit.extend(cost(10));
    permit.settle(cost(30));
    assert_eq!(rig.gate.totals().2, NanoUsd::ZERO);
    assert_eq!(rig.gate.holder("team:t").spent(), NanoUsd(30));
    assert_eq!(rig.gate.holder("user:u").spent(), NanoUsd::ZERO);
    drop(rig.gate.admit(&claims, cost(10)).await.unwrap());
    let refused = rig.gate.admit(&claims, cost(10)).await.err().unwrap();
    assert_eq!(refused.scope, Scope::User);
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_weighs_more_than_a_limit_and_a_limit_more_than_a_wait() {
    let rig = Rig::new();
    let shut = Limits { rpm: Some(0), ..Limits::default() };
    let limited = claim(Scope::Key, "key:a", rules(shut, None));
    let spent = claim(Scope::Team, "team:t", rules(Limits::default(), budget(0, None)));
    let refused = rig.gate.admit(&[limited, spent], cost(1)).await.err().unwrap();
    assert_eq!((refused.scope, refused.denial), (Scope::Team, spent_up(0, 0)));

    let contended = claim(Scope::Key, "key:b", rules(Limits::default(), budget(10, None)));
    let _holding = rig.gate.admit(&[contended], cost(9)).await.unwrap();
    let limited = claim(Scope::Team, "team:u", rules(shut, None));
    let started = tokio::time::Instant::now();
    let refused = rig.gate.admit(&[contended, limited], cost(9)).await.err().unwrap();
    assert_eq!(refused.scope, Scope::Team);
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[test]
fn what_is_taken_back_after_a_flush_has_to_be_flushed_again() {
    let holder = Holder::restore("key:a", Saved::default());
    let tried = holder.try_hold(&rules(Limits::default(), None), cost(1), UnixMillis(1), true);
    let Tried::Held { hold, first_change: true, .. } = tried else { panic!("not held") };
    holder.save(false);
    assert!(holder.undo(&hold), "the ledger would never hear of this holder again");
}

#[test]
fn a_request_that_waits_for_one_claim_has_the_others_made_meanwhile() {
    let holder = Holder::restore("key:a", Saved::default());
    let rules = rules(Limits::default(), budget(1000, None));
    assert!(holder.will_ask(&rules, cost(30), UnixMillis(1)), "the ledger is told");
    let saved = holder.save(true);
    assert!(saved.claimed >= NanoUsd(30), "{saved:?}");
    holder.claimed(&saved);
    assert!(matches!(holder.try_hold(&rules, cost(30), UnixMillis(1), true), Tried::Held { .. }));
    assert!(
        !holder.will_ask(&super::rules(Limits::default(), None), cost(30), UnixMillis(1)),
        "there is no budget"
    );
}

#[tokio::test]
async fn a_later_leg_reserves_besides_what_the_former_ones_used() {
    let rig = Rig::new();
    let of = |permit: &Permit| permit.reserved().cost;
    let claims = [claim(Scope::Key, "key:a", rules(Limits::default(), budget(1000, None)))];
    let mut permit = rig.gate.admit(&claims, cost(100)).await.unwrap();
    permit.raise(&claims, cost(30), cost(100)).unwrap();
    permit.charge(cost(30));
    assert_eq!((of(&permit), rig.gate.totals().2), (NanoUsd(100), NanoUsd(130)));
    permit.raise(&claims, cost(10), cost(50)).unwrap();
    permit.charge(cost(10));
    assert_eq!((of(&permit), rig.gate.totals().2), (NanoUsd(90), NanoUsd(130)), "less is enough");
    permit.settle(cost(60));
    assert_eq!(rig.gate.spent(&claims[0]), NanoUsd(100));
    assert_eq!(rig.gate.totals().2, NanoUsd::ZERO);
}

#[tokio::test]
async fn a_later_leg_takes_no_money_that_others_have_reserved() {
    let rig = Rig::new();
    let claims = [claim(Scope::Key, "key:a", rules(Limits::default(), budget(1000, None)))];
    let mut one = rig.gate.admit(&claims, cost(400)).await.unwrap();
    let other = rig.gate.admit(&claims, cost(400)).await.unwrap();
    let denial =
        |permit: &mut Permit, used, ask| permit.raise(&claims, cost(used), cost(ask)).unwrap_err().denial;
    assert_eq!(denial(&mut one, 0, 700), Denial::Contended);
    assert_eq!(rig.gate.totals().2, NanoUsd(800), "nothing was taken");
    one.raise(&claims, cost(0), cost(600)).unwrap();
    drop(other);
    one.raise(&claims, cost(0), cost(5000)).unwrap();
    assert!(matches!(denial(&mut one, 1000, 1), Denial::Budget { .. }), "what it has used is spent");
}
