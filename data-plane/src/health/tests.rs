//! Cooldown, probes, latency and retry budgets under a paused clock.

use std::sync::Arc;

use bulkhead_model::ErrorKind;
use bulkhead_model::routing::ByFailure;
use tokio::time::{Duration, Instant, advance};

use super::account::Account;
use super::{Access, Caps, Leave, Rules, Vitals, patience};

const SECOND: Duration = Duration::from_secs(1);

fn vitals() -> Arc<Vitals> {
    Arc::new(Vitals::new(1, Arc::default()))
}

fn rules(policy: &ByFailure) -> Rules<'_> {
    Rules { time: 5 * SECOND, allowed_fails: None, policy }
}

fn access(vitals: &Vitals) -> Access {
    vitals.access(Caps::default(), Instant::now())
}

/// So many requests, of which the first ones fail; what the last failure led to.
fn serve(vitals: &Arc<Vitals>, requests: u32, failures: u32, kind: ErrorKind, rules: Rules<'_>) -> Leave {
    let mut leave = Leave::Stays;
    for number in 0..requests {
        let mut visit = vitals.enter(Caps::default(), Instant::now()).unwrap();
        visit.sent(Instant::now());
        match number < failures {
            true => leave = vitals.failed(kind, rules, Instant::now()),
            false => visit.answered(false, Instant::now()),
        }
    }
    leave
}

#[tokio::test(start_paused = true)]
async fn more_than_half_of_at_least_five_requests_of_a_minute_have_to_fail() {
    let policy = ByFailure::default();
    let failing = |requests, failures| {
        let vitals = vitals();
        serve(&vitals, requests - failures, 0, ErrorKind::UpstreamServer, rules(&policy));
        serve(&vitals, failures, failures, ErrorKind::UpstreamServer, rules(&policy))
    };
    assert_eq!(failing(4, 4), Leave::Stays, "too few to say");
    assert_eq!(failing(6, 3), Leave::Stays, "half");
    assert_eq!(failing(5, 3), Leave::For(5 * SECOND));
    let vitals = vitals();
    serve(&vitals, 4, 4, ErrorKind::UpstreamConnection, rules(&policy));
    advance(60 * SECOND).await;
    let leave = serve(&vitals, 1, 1, ErrorKind::UpstreamConnection, rules(&policy));
    assert_eq!(leave, Leave::Stays, "another minute");
}

#[tokio::test(start_paused = true)]
async fn limits_and_refused_credentials_count_at_once_and_allowed_fails_count_exactly() {
    let none = ByFailure::default();
    for kind in
        [ErrorKind::UpstreamRateLimited, ErrorKind::UpstreamAuthentication, ErrorKind::UpstreamNotFound]
    {
        assert_eq!(serve(&vitals(), 1, 1, kind, rules(&none)), Leave::For(5 * SECOND), "{kind:?}");
    }
    let policy = ByFailure { rate_limit: Some(2), ..ByFailure::default() };
    let vitals = vitals();
    assert_eq!(serve(&vitals, 2, 2, ErrorKind::UpstreamRateLimited, rules(&policy)), Leave::Stays);
    assert_eq!(serve(&vitals, 1, 1, ErrorKind::UpstreamRateLimited, rules(&policy)), Leave::For(5 * SECOND));
    let general = Rules { allowed_fails: Some(0), ..rules(&none) };
    assert_eq!(
        serve(&super::tests::vitals(), 1, 1, ErrorKind::UpstreamTimeout, general),
        Leave::For(5 * SECOND)
    );
}

#[tokio::test(start_paused = true)]
async fn one_request_at_a_time_tries_whether_it_is_well_again() {
    let vitals = vitals();
    let now = Instant::now();
    assert!(vitals.cool(now + 5 * SECOND, now));
    assert_eq!(access(&vitals), Access::Cooling(now + 5 * SECOND));
    advance(5 * SECOND).await;
    assert_eq!(access(&vitals), Access::Probe);
    let probe = vitals.enter(Caps::default(), Instant::now()).unwrap();
    assert!(matches!(access(&vitals), Access::Cooling(_)), "the others still go elsewhere");
    drop(probe);
    assert_eq!(access(&vitals), Access::Probe, "a probe that was cancelled frees itself");
    let mut probe = vitals.enter(Caps::default(), Instant::now()).unwrap();
    probe.answered(true, Instant::now());
    drop(probe);
    assert_eq!(access(&vitals), Access::Open);
    vitals.cool(Instant::now(), Instant::now());
    let probe = vitals.enter(Caps::default(), Instant::now()).unwrap();
    let leave = vitals.failed(ErrorKind::UpstreamServer, rules(&ByFailure::default()), Instant::now());
    assert_eq!(leave, Leave::For(5 * SECOND), "one failure is enough then");
    let until = Instant::now() + 5 * SECOND;
    vitals.cool(until, Instant::now());
    drop(probe);
    assert_eq!(access(&vitals), Access::Cooling(until));
}

#[tokio::test(start_paused = true)]
async fn a_longer_cooldown_is_not_cut_short_by_another() {
    let vitals = vitals();
    let now = Instant::now();
    vitals.cool(now + 30 * SECOND, now);
    assert!(!vitals.cool(now + 5 * SECOND, now));
    assert_eq!(access(&vitals), Access::Cooling(now + 30 * SECOND));
    assert_eq!(vitals.cooled(now), (1, true));
}

#[tokio::test(start_paused = true)]
async fn caps_hold_exactly() {
    let vitals = vitals();
    let caps = Caps { parallel: Some(2), requests: Some(3), tokens: None };
    let mut first = vitals.enter(caps, Instant::now()).unwrap();
    let mut second = vitals.enter(caps, Instant::now()).unwrap();
    first.sent(Instant::now());
    second.sent(Instant::now());
    assert!(vitals.enter(caps, Instant::now()).is_none());
    assert_eq!(vitals.access(caps, Instant::now()), Access::Full);
    drop(first);
    drop(vitals.enter(caps, Instant::now()).unwrap());
    assert_eq!(vitals.access(caps, Instant::now()), Access::Open, "the provider got two");
    let mut third = vitals.enter(caps, Instant::now()).unwrap();
    third.sent(Instant::now());
    drop(third);
    assert_eq!(vitals.access(caps, Instant::now()), Access::Full, "three in a minute");
    advance(60 * SECOND).await;
    assert_eq!(vitals.access(caps, Instant::now()), Access::Open);
    let visit = vitals.enter(caps, Instant::now()).unwrap();
    visit.used(100);
    let tokens = Caps { tokens: Some(100), ..Caps::default() };
    assert_eq!(vitals.access(tokens, Instant::now()), Access::Full);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_shows_at_once_and_is_forgotten_slowly() {
    let vitals = vitals();
    assert!(vitals.load(false, Instant::now()) < f64::EPSILON, "unknown ones are tried");
    for millis in [100, 1000, 100, 100] {
        let mut visit = vitals.enter(Caps::default(), Instant::now()).unwrap();
        advance(Duration::from_millis(millis)).await;
        visit.answered(false, Instant::now());
    }
    let load = vitals.load(false, Instant::now());
    assert!((0.9..=1.0).contains(&load), "{load}");
    assert!(vitals.load(true, Instant::now()) < f64::EPSILON, "streams are counted apart");
    advance(30 * SECOND).await;
    let load = vitals.load(false, Instant::now());
    assert!(load < 0.06, "{load}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_never_makes_a_deployment_look_fast() {
    let vitals = vitals();
    serve(&vitals, 1, 1, ErrorKind::UpstreamServer, rules(&ByFailure::default()));
    assert!(vitals.load(false, Instant::now()) >= 1.0);
    assert!(vitals.load(true, Instant::now()) >= 1.0);
}

#[tokio::test(start_paused = true)]
async fn retries_are_a_fifth_of_ten_seconds_and_ten_a_second() {
    let account = Account::default();
    let granted =
        |account: &Account| (0..10_000).take_while(|_| account.may_ask_again(Instant::now())).count();
    assert_eq!(granted(&account), 100);
    for _ in 0..1000 {
        account.asked(Instant::now());
    }
    assert_eq!(granted(&account), 200);
    advance(5 * SECOND).await;
    assert_eq!(granted(&account), 0);
    advance(5 * SECOND).await;
    assert_eq!(granted(&account), 100, "what was sent ten seconds ago counts no longer");
    advance(1000 * SECOND).await;
    assert_eq!(granted(&account), 100);
}

#[test]
fn the_wait_before_a_retry_is_the_providers_or_a_random_part_of_a_doubling_time() {
    let most = |most: Duration| most;
    let wait = |said: Option<u64>, tries| {
        patience(said.map(Duration::from_secs), tries, Duration::from_millis(100), most).as_millis()
    };
    assert_eq!((wait(None, 0), wait(None, 1), wait(None, 2), wait(None, 40)), (500, 1000, 2000, 8000));
    assert_eq!((wait(Some(7), 0), wait(Some(60), 3)), (7750, 60_750));
    assert_eq!((wait(Some(61), 0), wait(Some(0), 0)), (500, 500), "too long to wait, or nothing said");
    assert_eq!(patience(None, 0, Duration::from_millis(100), |_| Duration::ZERO).as_millis(), 100);
}

#[tokio::test(start_paused = true)]
async fn who_has_left_holds_nothing_and_who_waited_here_was_not_slow() {
    let vitals = vitals();
    vitals.cool(Instant::now(), Instant::now());
    let mut failed = vitals.enter(Caps::default(), Instant::now()).unwrap();
    failed.leave();
    assert_eq!((vitals.in_flight(), access(&vitals)), (0, Access::Probe));
    let mut probe = vitals.enter(Caps::default(), Instant::now()).unwrap();
    drop(failed);
    assert_eq!(vitals.in_flight(), 1);
    assert!(matches!(access(&vitals), Access::Cooling(_)), "the lease is another's by now");
    advance(10 * SECOND).await;
    probe.sent(Instant::now());
    probe.answered(false, Instant::now());
    assert!(vitals.load(false, Instant::now()) < 0.1, "its own limits had it wait");
}
