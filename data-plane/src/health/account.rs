//! How often an account at a provider may be asked again.
//!
//! A provider that fails gets what clients send, and little more: retries are at most a fifth of what was sent in the
//! last ten seconds, and ten a second besides.

use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

const SECONDS: usize = 10;
const A_SECOND: u64 = 10;

/// Requests to one account.
#[derive(Debug, Default)]
pub(crate) struct Account(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    began: Option<Instant>,
    /// The second of the newest slot, counted from the beginning.
    now: u64,
    slots: [Slot; SECONDS],
}

#[derive(Debug, Default, Clone, Copy)]
struct Slot {
    first_tries: u64,
    retries: u64,
}

impl Account {
    /// A request goes to this account for the first time.
    pub(crate) fn asked(&self, now: Instant) {
        self.0.lock().slot(now).first_tries += 1;
    }

    /// Takes one retry, where there is one left.
    pub(crate) fn may_ask_again(&self, now: Instant) -> bool {
        let mut ring = self.0.lock();
        ring.slot(now);
        let sum = |of: fn(&Slot) -> u64| ring.slots.iter().map(of).sum::<u64>();
        let (first_tries, retries) = (sum(|slot| slot.first_tries), sum(|slot| slot.retries));
        let allowed = first_tries / 5 + A_SECOND * SECONDS as u64;
        if retries >= allowed {
            return false;
        }
        ring.slot(now).retries += 1;
        true
    }
}

impl Ring {
    /// The slot of this second; those that went by without one are emptied.
    fn slot(&mut self, now: Instant) -> &mut Slot {
        let began = *self.began.get_or_insert(now);
        let second = now.saturating_duration_since(began).as_secs().max(self.now);
        for passed in (self.now + 1..=second).take(SECONDS) {
            *self.at(passed) = Slot::default();
        }
        if second - self.now > SECONDS as u64 {
            self.slots = Default::default();
        }
        self.now = second;
        self.at(second)
    }

    fn at(&mut self, second: u64) -> &mut Slot {
        let [first, rest @ ..] = &mut self.slots;
        match usize::try_from(second % SECONDS as u64) {
            Ok(index @ 1..) => rest.get_mut(index - 1).unwrap_or(first),
            _ => first,
        }
    }
}

/// The longest that a provider's `retry-after` is waited for (litellm.md §3.2).
const LONGEST: Duration = Duration::from_secs(60);
/// The first wait without one, and the most that doubling leads to.
const FIRST: Duration = Duration::from_millis(500);
const MOST: Duration = Duration::from_secs(8);

/// How long to wait before the same deployment is asked again: what the provider said, else a random part of a time that
/// doubles, and at least `least`.
pub(crate) fn patience(
    said: Option<Duration>,
    tries: u32,
    least: Duration,
    random: impl Fn(Duration) -> Duration,
) -> Duration {
    let wait = match said {
        Some(said) if !said.is_zero() && said <= LONGEST => said + random(Duration::from_millis(750)),
        _ => random(FIRST.saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX)).min(MOST)),
    };
    wait.max(least)
}
