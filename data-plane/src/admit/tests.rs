//! Limits and budgets under a clock that tests move.

mod spend;

use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::rows::{BudgetRow, Limits, Spend};
use bulkhead_model::{Clock, NanoUsd, UnixMillis};
use jiff::tz::TimeZone;

use super::gate::Refused;
use super::{Ask, Claim, Denial, Gate, Ledger, LimitKind, Permit, Rules, Scope, Standing, unsettled};

static UTC: TimeZone = TimeZone::UTC;

struct Rig {
    dir: tempfile::TempDir,
    clock: Clock,
    gate: Arc<Gate>,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(UnixMillis::parse("2026-11-21T09:30:00Z").unwrap());
        let gate = Gate::new(clock.clone(), Ledger::open(dir.path()).unwrap().0);
        Self { dir, clock, gate }
    }

    /// A new process on the same state directory, after a clean end of the old one.
    fn restart(self) -> Self {
        self.gate.ledger().close();
        let gate = Gate::new(self.clock.clone(), Ledger::open(self.dir.path()).unwrap().0);
        Self { gate, ..self }
    }

    async fn admit(&self, limits: Limits, budget: Option<BudgetRow>, ask: Ask) -> Result<Permit, Refused> {
        self.gate.admit(&[claim(Scope::Key, "key:a", rules(limits, budget))], ask).await
    }

    async fn denial(&self, limits: Limits, budget: Option<BudgetRow>, ask: Ask) -> Denial {
        self.admit(limits, budget, ask).await.err().unwrap().denial
    }
}

fn rules(limits: Limits, budget: Option<BudgetRow>) -> Rules<'static> {
    Rules { limits, budget, spend: Spend::default(), pays: true, as_of: 1, zone: &UTC }
}

fn claim<'a>(scope: Scope, id: &'a str, rules: Rules<'a>) -> Claim<'a> {
    Claim { scope, id, rules }
}

fn standing(permit: &Permit) -> Standing {
    *permit.standings().next().unwrap().1
}

fn cost(nano: i64) -> Ask {
    Ask { tokens: 0, cost: NanoUsd(nano) }
}

fn budget(nano: i64, window: Option<&str>) -> Option<BudgetRow> {
    Some(BudgetRow { max: NanoUsd(nano), window: window.map(|text| text.parse().unwrap()) })
}

#[tokio::test]
async fn requests_per_minute_are_exact_and_the_window_starts_at_the_first() {
    let rig = Rig::new();
    let limits = Limits { rpm: Some(3), ..Limits::default() };
    for left in [2, 1, 0] {
        let permit = rig.admit(limits, None, Ask::default()).await.unwrap();
        assert_eq!(standing(&permit).remaining_requests, Some(left));
    }
    rig.clock.advance(Duration::from_secs(59));
    let Denial::Rate { kind, limit, remaining, resets, .. } = rig.denial(limits, None, Ask::default()).await
    else {
        panic!("not a rate denial")
    };
    assert_eq!((kind, limit, remaining), (LimitKind::Requests, 3, 0));
    assert_eq!(resets.utc_seconds(), "2026-11-21 09:31:00 UTC");
    rig.clock.advance(Duration::from_secs(1));
    assert!(rig.admit(limits, None, Ask::default()).await.is_ok());
}

#[tokio::test]
async fn tokens_are_reserved_and_trued_up() {
    let rig = Rig::new();
    let limits = Limits { tpm: Some(100), ..Limits::default() };
    let ask = Ask { tokens: 60, cost: NanoUsd::ZERO };
    let first = rig.admit(limits, None, ask).await.unwrap();
    assert!(matches!(
        rig.denial(limits, None, ask).await,
        Denial::Rate { kind: LimitKind::Tokens, remaining: 40, .. }
    ));
    first.settle(Ask { tokens: 10, cost: NanoUsd::ZERO });
    let second = rig.admit(limits, None, ask).await.unwrap();
    assert_eq!(standing(&second).remaining_tokens, Some(30));
    drop(second);
    let third = rig.admit(limits, None, Ask { tokens: 90, cost: NanoUsd::ZERO }).await.unwrap();
    assert_eq!(standing(&third).remaining_tokens, Some(0), "a dropped permit gives its tokens back");
}

#[tokio::test]
async fn tokens_of_an_old_window_do_not_count_in_the_new_one() {
    let rig = Rig::new();
    let limits = Limits { tpm: Some(100), ..Limits::default() };
    let long = rig.admit(limits, None, Ask { tokens: 100, cost: NanoUsd::ZERO }).await.unwrap();
    rig.clock.advance(Duration::from_secs(60));
    let next = rig.admit(limits, None, Ask { tokens: 100, cost: NanoUsd::ZERO }).await.unwrap();
    long.settle(Ask { tokens: 5000, cost: NanoUsd::ZERO });
    next.settle(Ask { tokens: 40, cost: NanoUsd::ZERO });
    assert!(rig.admit(limits, None, Ask { tokens: 60, cost: NanoUsd::ZERO }).await.is_ok());
}

#[tokio::test]
async fn parallel_places_come_back_however_a_request_ends() {
    let rig = Rig::new();
    let limits = Limits { max_parallel: Some(2), ..Limits::default() };
    let one = rig.admit(limits, None, Ask::default()).await.unwrap();
    let two = rig.admit(limits, None, Ask::default()).await.unwrap();
    assert!(matches!(
        rig.denial(limits, None, Ask::default()).await,
        Denial::Rate { kind: LimitKind::Parallel, limit: 2, .. }
    ));
    one.settle(Ask::default());
    drop(two);
    let again =
        (rig.admit(limits, None, Ask::default()).await, rig.admit(limits, None, Ask::default()).await);
    assert!(again.0.is_ok() && again.1.is_ok());
    drop(again);
    assert_eq!(rig.gate.totals(), (1, 0, NanoUsd::ZERO));
}

#[tokio::test]
async fn a_budget_admits_until_it_is_spent_and_reports_both_sums() {
    let rig = Rig::new();
    let limit = budget(100, None);
    for _ in 0..4 {
        rig.admit(Limits::default(), limit, cost(30)).await.unwrap().settle(cost(25));
    }
    assert_eq!(
        rig.denial(Limits::default(), limit, cost(1)).await,
        Denial::Budget { spent: NanoUsd(100), max: NanoUsd(100) }
    );
}

#[tokio::test]
async fn fifty_at_once_spend_exactly_what_is_there() {
    let rig = Arc::new(Rig::new());
    let limit = budget(1000, None);
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let rig = rig.clone();
            tokio::spawn(async move {
                // Reserves four times what it then costs.
                let permit =
                    rig.admit(Limits::default(), limit, cost(400)).await.map_err(|refused| refused.denial)?;
                tokio::task::yield_now().await;
                permit.settle(cost(100));
                Ok::<_, Denial>(())
            })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => admitted += 1,
            Err(denial) => assert_eq!(denial, Denial::Budget { spent: NanoUsd(1000), max: NanoUsd(1000) }),
        }
    }
    assert_eq!(admitted, 10);
    assert_eq!(rig.gate.totals().2, NanoUsd::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_would_not_fit_beside_the_others_waits_two_seconds() {
    let rig = Rig::new();
    let limit = budget(100, None);
    let holding = rig.admit(Limits::default(), limit, cost(90)).await.unwrap();
    let started = tokio::time::Instant::now();
    assert_eq!(rig.denial(Limits::default(), limit, cost(20)).await, Denial::Contended);
    assert_eq!(started.elapsed(), Duration::from_secs(2));
    holding.settle(cost(5));
    assert!(rig.admit(Limits::default(), limit, cost(20)).await.is_ok(), "what was not used is there again");
}

#[tokio::test]
async fn a_window_that_ends_is_a_new_budget_and_late_costs_belong_to_the_old_one() {
    let rig = Rig::new();
    let limit = budget(100, Some("1h"));
    let late = rig.admit(Limits::default(), limit, cost(40)).await.unwrap();
    rig.admit(Limits::default(), limit, cost(60)).await.unwrap().settle(cost(100));
    assert!(matches!(rig.denial(Limits::default(), limit, cost(1)).await, Denial::Budget { .. }));
    rig.clock.advance(Duration::from_secs(30 * 60));
    let permit = rig.admit(Limits::default(), limit, cost(60)).await.unwrap();
    late.settle(cost(40));
    assert_eq!(permit.spent(), Some(NanoUsd::ZERO));
}

#[tokio::test]
async fn a_clock_set_back_gives_no_budget_back() {
    let rig = Rig::new();
    let limit = budget(100, Some("1h"));
    rig.clock.advance(Duration::from_secs(30 * 60));
    rig.admit(Limits::default(), limit, cost(100)).await.unwrap().settle(cost(100));
    if let Clock::Manual(now) = &rig.clock {
        now.fetch_sub(60_000, std::sync::atomic::Ordering::Relaxed);
    }
    assert!(matches!(rig.denial(Limits::default(), limit, cost(1)).await, Denial::Budget { .. }));
}

#[tokio::test]
async fn a_restart_keeps_budgets_and_windows() {
    let rig = Rig::new();
    let limits = Limits { rpm: Some(2), ..Limits::default() };
    let limit = budget(100, Some("30d"));
    rig.admit(limits, limit, cost(30)).await.unwrap().settle(cost(33));
    let rig = rig.restart();
    let permit = rig.admit(limits, limit, cost(30)).await.unwrap();
    assert_eq!(permit.spent(), Some(NanoUsd(33)));
    assert!(matches!(
        rig.denial(limits, limit, cost(1)).await,
        Denial::Rate { kind: LimitKind::Requests, .. }
    ));
}

#[tokio::test]
async fn a_crash_counts_what_was_in_flight_as_spent() {
    let rig = Rig::new();
    let limit = budget(1000, None);
    let in_flight = rig.admit(Limits::default(), limit, cost(300)).await.unwrap();
    // The process is gone: its permit never settles, its ledger is what the disk has.
    let (ledger, left) = Ledger::open(rig.dir.path()).unwrap();
    let [(id, saved)] = &left[..] else { panic!("{left:?}") };
    assert_eq!(&**id, "key:a");
    assert!(unsettled(saved) >= NanoUsd(300), "{saved:?}");
    let gate = Gate::new(rig.clock.clone(), ledger);
    let claims = [claim(Scope::Key, "key:a", rules(Limits::default(), limit))];
    let permit = gate.admit(&claims, cost(1)).await.unwrap();
    assert!(permit.spent().unwrap() >= NanoUsd(300));
    drop(in_flight);
}

#[tokio::test]
async fn a_damaged_line_costs_only_itself() {
    let rig = Rig::new();
    rig.admit(Limits::default(), None, cost(30)).await.unwrap().settle(cost(30));
    rig.gate.ledger().close();
    let path = rig.dir.path().join("ledger.ndjson");
    let mut text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"key:a\""), "{text}");
    text.push_str("deadbeef 1 2 3 4 5 6 \"key:b\"\nnot a li");
    std::fs::write(&path, text).unwrap();
    let rig = rig.restart();
    assert_eq!(rig.gate.holder("key:a").spent(), NanoUsd(30));
    assert_eq!(rig.gate.holder("key:b").spent(), NanoUsd::ZERO);
}

#[tokio::test]
async fn a_refusal_of_one_holder_leaves_no_trace_at_the_others() {
    let rig = Rig::new();
    let open = rules(Limits { rpm: Some(5), ..Limits::default() }, None);
    let shut = rules(Limits { rpm: Some(0), ..Limits::default() }, None);
    let claims = [claim(Scope::Key, "key:a", open), claim(Scope::Team, "team:b", shut)];
    let refused = rig.gate.admit(&claims, Ask { tokens: 7, cost: NanoUsd(7) }).await.err().unwrap();
    assert_eq!(refused.scope, Scope::Team);
    let permit = rig.gate.admit(&claims[..1], Ask::default()).await.unwrap();
    assert_eq!(standing(&permit).remaining_requests, Some(4));
}

#[tokio::test]
async fn sweeping_forgets_only_what_holds_nothing() {
    let rig = Rig::new();
    let limits = Limits { rpm: Some(1), ..Limits::default() };
    drop(rig.admit(limits, None, Ask::default()).await.unwrap());
    rig.gate.sweep();
    assert!(rig.admit(limits, None, Ask::default()).await.is_err(), "the window is not over");
    rig.clock.advance(Duration::from_secs(61));
    rig.gate.ledger().close();
    rig.gate.sweep();
    assert_eq!(rig.gate.totals().0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_over_its_rate_limit_hears_so_without_waiting_for_money() {
    let rig = Rig::new();
    let limits = Limits { rpm: Some(1), ..Limits::default() };
    let limit = budget(100, None);
    let _holding = rig.admit(limits, limit, cost(90)).await.unwrap();
    let started = tokio::time::Instant::now();
    assert!(matches!(rig.denial(limits, limit, cost(20)).await, Denial::Rate { .. }));
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn what_a_long_request_reserves_on_the_way_is_claimed_against_a_crash() {
    let rig = Rig::new();
    let limit = budget(1000, None);
    let mut permit = rig.admit(Limits::default(), limit, cost(100)).await.unwrap();
    let claimed = || {
        Ledger::open(rig.dir.path()).unwrap().1.first().map_or(NanoUsd::ZERO, |(_, saved)| unsettled(saved))
    };
    // Until the claim ahead of the first request is given back, so that the next change is the extension.
    settle_down(&rig).await;
    permit.extend(cost(300));
    settle_down(&rig).await;
    assert_eq!(claimed(), NanoUsd(400));
}

/// Waits for a few flushes of the ledger, which has a thread of its own.
async fn settle_down(rig: &Rig) {
    let path = rig.dir.path().join("ledger.ndjson");
    let mut last = None;
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let now = std::fs::read(&path).unwrap();
        if last.replace(now.clone()) == Some(now) {
            return;
        }
    }
    panic!("the ledger never rests");
}

#[tokio::test]
async fn what_a_crash_left_is_told_once() {
    let rig = Rig::new();
    let _in_flight = rig.admit(Limits::default(), budget(1000, None), cost(300)).await.unwrap();
    assert_eq!(Ledger::open(rig.dir.path()).unwrap().1.len(), 1);
    assert_eq!(Ledger::open(rig.dir.path()).unwrap().1.len(), 0);
}
