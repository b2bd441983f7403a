//! The money of one holder: what it spent in the window in force, and what follows when the window, its length or the
//! generation of its spend changes.

use bulkhead_model::rows::Spend;
use bulkhead_model::{NanoUsd, UnixMillis, Window, WindowLength};

use super::holder::{Rules, Saved};

/// A window that starts this far ahead was written by a clock that was wrong; one nearer by a clock set back.
const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// The window of a budget that never starts anew. Zero is no window at all.
const ENDLESS: Window = Window { start: UnixMillis(1), end: None };

/// Generations from here on are times; those below are mere numbers.
const FIRST_TIME: UnixMillis = UnixMillis(1_000_000_000_000);

/// What was spent, and what is spoken for.
#[derive(Debug, Default)]
pub(super) struct Account {
    window: Option<Window>,
    /// The length that the window was declared with.
    length: Option<WindowLength>,
    /// Counts the windows that ended, so that what was begun in an old one is not paid from a new one.
    turn: u64,
    /// The newest snapshot that was followed.
    as_of: u64,
    /// Of the declared spend that `spent` goes on from.
    generation: u64,
    /// The declared spend, as long as its window lasts.
    base: NanoUsd,
    /// The window that the declared spend belonged to is over.
    base_over: bool,
    /// Spent here, in this window and generation.
    spent: NanoUsd,
    pub(super) reserved: NanoUsd,
    /// What the ledger on disk already counts against a crash, of what is spent here.
    claimed: NanoUsd,
    /// How much may be spent here, as the last request saw it.
    max: NanoUsd,
    /// Asked for since the last flush, together and at most by one request: how much to claim ahead.
    demand: NanoUsd,
    largest: NanoUsd,
}

/// What an account says to a reservation.
pub(super) enum Says {
    Yes,
    /// Would fit if requests in flight turn out cheaper than reserved.
    Contended,
    /// Fits, but the ledger has to claim the money first.
    Unclaimed,
}

impl Account {
    pub(super) fn restore(saved: &Saved) -> Self {
        let end = (saved.budget_end != UnixMillis(0)).then_some(saved.budget_end);
        Self {
            window: (saved.budget_start != UnixMillis(0))
                .then_some(Window { start: saved.budget_start, end }),
            generation: saved.generation,
            base_over: saved.base_over,
            spent: saved.claimed,
            claimed: saved.claimed,
            ..Self::default()
        }
    }

    /// Starts a new window where the old one is over, and a new count where there is a new generation.
    pub(super) fn roll(&mut self, rules: &Rules<'_>, now: UnixMillis) {
        self.roll_window(rules, now);
        self.follow(rules.spend, rules.as_of);
    }

    fn roll_window(&mut self, rules: &Rules<'_>, now: UnixMillis) {
        let length = rules.budget.and_then(|budget| budget.window);
        let over = self.window.is_some_and(|window| is_over(&window, now));
        let same = |window: Window| self.length == length && window.end.is_some() == length.is_some();
        if !over && self.window.is_some_and(same) {
            return;
        }
        let fresh = length.map_or(ENDLESS, |length| Window::containing(now, length, rules.zone));
        // Lines of an older release do not say when their window ends.
        let unsaid = |window: Window| {
            window.end.is_none() && window.start != ENDLESS.start && window.start != fresh.start
        };
        // Another length is no new budget: what was spent counts on in the window that it makes.
        if over || self.window.is_some_and(unsaid) {
            self.turn = self.turn.wrapping_add(1);
            self.spent = NanoUsd::ZERO;
            self.claimed = NanoUsd::ZERO;
            self.base_over = true;
        }
        self.window = Some(fresh);
        self.length = length;
    }

    /// A request that began under an older snapshot than the last one changes nothing.
    fn follow(&mut self, declared: Spend, as_of: u64) {
        if as_of < self.as_of {
            return;
        }
        self.as_of = as_of;
        if declared.generation != self.generation {
            self.generation = declared.generation;
            self.spent = NanoUsd::ZERO;
            self.claimed = NanoUsd::ZERO;
            self.base_over = false;
        }
        let said = UnixMillis(i64::try_from(declared.generation).unwrap_or(i64::MAX));
        self.base_over |= said >= FIRST_TIME && self.window.is_some_and(|window| window.start > said);
        self.base_over &= declared.amount > NanoUsd::ZERO;
        self.base = if self.base_over { NanoUsd::ZERO } else { declared.amount };
    }

    /// Whether a budget of `max` allows for `cost` more. `vouch` false skips the wait for the ledger's claim.
    pub(super) fn ask(&mut self, max: NanoUsd, cost: NanoUsd, vouch: bool) -> Says {
        let max = max.minus(self.base);
        let total = self.held().plus(cost);
        // A request that is alone may go over by the error of its own estimate; it is the last one then.
        if total > max && self.reserved > NanoUsd::ZERO {
            return Says::Contended;
        }
        self.max = max;
        self.demand = self.demand.plus(cost);
        self.largest = self.largest.max(cost);
        if vouch && total.min(max) > self.claimed { Says::Unclaimed } else { Says::Yes }
    }

    /// Whether a reservation of `own` may become so much larger. As before, one that is alone may go over.
    pub(super) fn may_grow(&self, max: NanoUsd, own: NanoUsd, more: NanoUsd) -> bool {
        let alone = self.reserved.minus(own) <= NanoUsd::ZERO;
        more == NanoUsd::ZERO || alone || self.held().plus(more) <= max.minus(self.base)
    }

    /// Reserves, and says in which turn.
    pub(super) fn reserve(&mut self, cost: NanoUsd) -> u64 {
        self.reserved = self.reserved.plus(cost);
        self.turn
    }

    /// Ends a reservation made in a turn.
    pub(super) fn settle(&mut self, turn: u64, reserved: NanoUsd, used: NanoUsd) {
        self.reserved = self.reserved.minus(reserved);
        if self.turn == turn {
            self.spent = self.spent.plus(used);
        }
    }

    /// What to write down. `ahead` claims what was asked for since the last time once more, so that requests seldom
    /// wait for a claim, but never more than the largest of them or a sixteenth of what is left: a crash counts as
    /// spent what was claimed.
    pub(super) fn save(&mut self, ahead: bool, saved: &mut Saved) {
        let (demand, largest) = (std::mem::take(&mut self.demand), std::mem::take(&mut self.largest));
        let held = self.held();
        let share = NanoUsd(self.max.minus(held).0 / 16);
        let ahead = if ahead { demand.min(largest.max(share)) } else { NanoUsd::ZERO };
        let window = self.window.unwrap_or(Window::ENDLESS);
        saved.budget_start = window.start;
        saved.budget_end = window.end.unwrap_or(UnixMillis(0));
        saved.generation = self.generation;
        saved.base_over = self.base_over;
        saved.spent = self.spent;
        saved.claimed = held.plus(ahead).min(self.max).max(held);
    }

    /// Lets requests use what `save` claimed, now that it is on disk.
    pub(super) fn claim(&mut self, saved: &Saved) {
        let same_window = self.window.is_some_and(|window| window.start == saved.budget_start);
        if same_window && self.generation == saved.generation {
            self.claimed = saved.claimed;
        }
    }

    /// True when the claim on disk is larger than what is spent and reserved.
    pub(super) fn claims_ahead(&self) -> bool {
        self.claimed > self.held()
    }

    /// True when there is nothing worth keeping.
    pub(super) fn is_blank(&self) -> bool {
        self.reserved == NanoUsd::ZERO && self.spent == NanoUsd::ZERO && !self.base_over
    }

    /// What was spent in the window, here and before.
    pub(super) fn total(&self) -> NanoUsd {
        self.base.plus(self.spent)
    }

    fn held(&self) -> NanoUsd {
        self.spent.plus(self.reserved)
    }
}

/// A clock that was set back a little does not give a spent budget back.
fn is_over(window: &Window, now: UnixMillis) -> bool {
    window.end.is_some_and(|end| end <= now) || window.start >= now.plus_millis(DAY_MILLIS)
}
