//! What every request would say while something is away is said seldom.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Between two lines about the same.
const EVERY: Duration = Duration::from_secs(60);

/// One thing to say, by whoever meets it.
pub(crate) struct Seldom(Mutex<Turn>);

struct Turn {
    said: Option<Instant>,
    kept_back: u64,
}

impl Seldom {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Turn { said: None, kept_back: 0 }))
    }

    /// Whether it is said now; with how many times it was not since it was said last.
    pub(crate) fn turn(&self) -> Option<u64> {
        self.turn_at(Instant::now())
    }

    fn turn_at(&self, now: Instant) -> Option<u64> {
        let mut turn = self.0.lock();
        if turn.said.is_some_and(|said| now.duration_since(said) < EVERY) {
            turn.kept_back += 1;
            return None;
        }
        turn.said = Some(now);
        Some(std::mem::take(&mut turn.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_a_minute_and_how_often_it_was_not() {
        let seldom = Seldom::new();
        let start = Instant::now();
        let at = |seconds| seldom.turn_at(start + Duration::from_secs(seconds));
        assert_eq!([at(0), at(1), at(59), at(60), at(61)], [Some(0), None, None, Some(2), None]);
        assert_eq!(at(500), Some(1));
    }
}
