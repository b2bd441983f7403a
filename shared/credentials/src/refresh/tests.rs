use std::sync::Weak;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use bulkhead_model::Secret;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::*;
use crate::lease::{Entry, Lease};
use crate::{Source, google};

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);

/// What the source does, by the number of the fetch.
type Script = fn(u32) -> Result<Duration, Unavailable>;

/// A lease on tokens `token 1`, `token 2`, …, each fetched in a second, and how many fetches were begun.
fn lease(script: Script) -> (Arc<Lease>, Arc<AtomicU32>) {
    let fetches = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&fetches);
    let fetch = move || {
        let number = counted.fetch_add(1, Relaxed) + 1;
        async move {
            sleep(Duration::from_secs(1)).await;
            script(number).map(|life| Fetched {
                proof: Proof::Bearer(Secret::new(format!("token {number}"))),
                ends: Some(SystemTime::now() + life),
                project: None,
            })
        }
    };
    let entry = Entry { keeper: Weak::new(), source: Source::Google(google::Source::default()) };
    (Arc::new(Lease::fetched(&Handle::current(), entry, fetch)), fetches)
}

fn down() -> Unavailable {
    Unavailable::for_now("it is down")
}

fn text(proof: &Proof) -> &str {
    let Proof::Bearer(token) = proof else { panic!("no token") };
    token.expose()
}

fn now(lease: &Lease) -> Option<String> {
    lease.now().map(|proof| text(&proof).to_owned())
}

async fn get(lease: &Lease, wait: Duration) -> Result<String, String> {
    let proof = lease.get(Instant::now() + wait).await;
    proof.map(|proof| text(&proof).to_owned()).map_err(|trouble| trouble.to_string())
}

/// So much time, and all that is due in it.
async fn pass(time: Duration) {
    sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_who_ask_at_once_share_one_fetch() {
    let (lease, fetches) = lease(|_| Ok(HOUR));
    assert!(lease.now().is_none());
    let all: Vec<_> = (0..1000)
        .map(|_| {
            let lease = Arc::clone(&lease);
            tokio::spawn(async move { get(&lease, MINUTE).await })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap(), Ok("token 1".to_owned()));
    }
    assert_eq!(fetches.load(Relaxed), 1);
    assert_eq!(lease.counters().fetched.load(Relaxed), 1);
    let hour = SystemTime::now() + HOUR;
    let ends = hour.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!(ends.abs_diff(lease.counters().ends.load(Relaxed)) <= 60);
}

#[tokio::test(start_paused = true)]
async fn a_proof_is_renewed_ahead_of_its_end() {
    let (lease, fetches) = lease(|_| Ok(HOUR));
    get(&lease, MINUTE).await.unwrap();
    pass(MINUTE * 53).await;
    assert_eq!((now(&lease).as_deref(), fetches.load(Relaxed)), (Some("token 1"), 1));
    pass(MINUTE * 3).await;
    assert_eq!((now(&lease).as_deref(), fetches.load(Relaxed)), (Some("token 2"), 2));
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_nothing_while_the_old_one_is_good_and_what_has_ended_is_not_handed_out() {
    let (lease, _) = lease(|number| if number == 1 || number > 100 { Ok(HOUR) } else { Err(down()) });
    get(&lease, MINUTE).await.unwrap();
    pass(MINUTE * 59).await;
    assert_eq!(now(&lease).as_deref(), Some("token 1"));
    let failed = lease.counters().failed.load(Relaxed);
    assert!((10..100).contains(&failed), "{failed} tries in four or five minutes");
    pass(MINUTE).await;
    assert_eq!(now(&lease), None);
    assert_eq!(get(&lease, Duration::from_secs(1)).await, Err("it is down".to_owned()));
    assert!(get(&lease, HOUR).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_proof_is_not_handed_out_when_it_would_end_on_its_way() {
    let (lease, _) = lease(|number| if number == 1 { Ok(HOUR) } else { Err(down()) });
    get(&lease, MINUTE).await.unwrap();
    pass(HOUR - Duration::from_secs(12)).await;
    assert!(lease.now().is_some());
    pass(Duration::from_secs(5)).await;
    assert!(lease.now().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_outage_at_the_start_is_told_at_the_deadline_and_ends() {
    let (lease, _) = lease(|number| if number <= 5 { Err(down()) } else { Ok(HOUR) });
    let began = Instant::now();
    assert_eq!(
        get(&lease, Duration::from_millis(500)).await,
        Err("Google credentials were not fetched in time".into())
    );
    assert_eq!(get(&lease, Duration::from_secs(2)).await, Err("it is down".to_owned()));
    assert_eq!(began.elapsed().as_millis() / 10, 250);
    assert_eq!(get(&lease, MINUTE).await, Ok("token 6".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_where_somebody_has_to_change_something_and_it_is_tried_again() {
    let (lease, _) =
        lease(|number| if number == 1 { Err(Unavailable::until_changed("no key")) } else { Ok(HOUR) });
    let began = Instant::now();
    let trouble = lease.get(Instant::now() + HOUR).await.unwrap_err();
    assert_eq!((trouble.to_string().as_str(), trouble.waiting_may_help()), ("no key", false));
    assert_eq!(began.elapsed().as_secs(), 1);
    pass(MINUTE).await;
    assert_eq!(now(&lease).as_deref(), Some("token 2"));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_is_given_up_and_asked_again() {
    let fetches = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&fetches);
    let fetch = move || {
        counted.fetch_add(1, Relaxed);
        std::future::pending::<Result<Fetched, Unavailable>>()
    };
    let entry = Entry { keeper: Weak::new(), source: Source::Google(google::Source::default()) };
    let lease = Lease::fetched(&Handle::current(), entry, fetch);
    let trouble = get(&lease, MINUTE).await.unwrap_err();
    assert_eq!(trouble, "Google credentials were not given within 30 s");
    assert!(fetches.load(Relaxed) >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_proof_is_fetched_anew_once() {
    let (lease, fetches) = lease(|_| Ok(HOUR));
    let first = lease.get(Instant::now() + MINUTE).await.unwrap();
    pass(MINUTE).await;
    for _ in 0..100 {
        lease.refused(&first);
    }
    assert_eq!(now(&lease).as_deref(), Some("token 1"), "it is handed out until another is there");
    pass(Duration::from_secs(2)).await;
    assert_eq!((now(&lease).as_deref(), fetches.load(Relaxed)), (Some("token 2"), 2));
    lease.refused(&first);
    pass(MINUTE).await;
    assert_eq!(fetches.load(Relaxed), 2, "the old one's refusal says nothing of the new one");
}

#[tokio::test(start_paused = true)]
async fn refusals_do_not_make_a_flood_of_fetches() {
    let (lease, fetches) = lease(|_| Ok(HOUR));
    get(&lease, MINUTE).await.unwrap();
    for _ in 0..60 {
        lease.refused(&lease.now().unwrap());
        pass(Duration::from_secs(1)).await;
    }
    let fetched = fetches.load(Relaxed);
    assert!((9..=13).contains(&fetched), "{fetched} fetches in a minute");
}

#[tokio::test(start_paused = true)]
async fn what_is_about_to_end_is_not_asked_for_without_a_pause() {
    let (lease, fetches) = lease(|_| Ok(Duration::ZERO));
    pass(MINUTE).await;
    let fetched = fetches.load(Relaxed);
    assert!((9..=11).contains(&fetched), "{fetched} fetches in a minute");
    assert!(lease.now().is_none());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_for_nobody() {
    let (lease, fetches) = lease(|_| Ok(MINUTE));
    get(&lease, MINUTE).await.unwrap();
    drop(lease);
    pass(HOUR).await;
    assert_eq!(fetches.load(Relaxed), 1);
}

#[test]
fn proofs_are_renewed_five_minutes_or_a_fifth_of_their_life_ahead_and_not_in_one_moment() {
    for random in [0, 1_234_567, u64::MAX] {
        let long = ahead(HOUR, random);
        assert!(long <= MINUTE * 55 && long > MINUTE * 54 - Duration::from_secs(1), "{long:?}");
        let short = ahead(MINUTE, random);
        assert!(short <= Duration::from_secs(48) && short > Duration::from_secs(45), "{short:?}");
        assert_eq!(ahead(Duration::ZERO, random), BETWEEN);
    }
    assert_ne!(ahead(HOUR, 0), ahead(HOUR, 1_234_567));
    assert_eq!(usable(HOUR), HOUR - Duration::from_secs(10));
    assert_eq!(usable(MINUTE), Duration::from_secs(54));
}
