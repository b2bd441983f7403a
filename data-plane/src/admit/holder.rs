//! One holder of limits and a budget, and what it has used.

use std::time::Duration;

use bulkhead_model::rows::{BudgetRow, Limits};
use bulkhead_model::{NanoUsd, UnixMillis, Window};
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::denial::{Denial, LimitKind};

/// The fixed window of request and token limits; it starts at the first request (litellm.md §4.4).
pub(crate) const RATE_WINDOW: Duration = Duration::from_secs(60);

const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// What a holder may do, from the snapshot of the request that asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) limits: Limits,
    pub(crate) budget: Option<BudgetRow>,
    pub(crate) zone: &'a TimeZone,
}

/// What a request wants to hold while it runs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ask {
    /// Tokens expected, input and output.
    pub(crate) tokens: u64,
    /// Cost expected; zero where the price is unknown.
    pub(crate) cost: NanoUsd,
}

/// What a request holds of one holder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hold {
    rate_window: UnixMillis,
    budget_window: UnixMillis,
    pub(crate) asked: Ask,
}

/// Numbers for response headers, taken when the request was admitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) remaining_requests: Option<u64>,
    pub(crate) remaining_tokens: Option<u64>,
    pub(crate) remaining_parallel: Option<u32>,
    pub(crate) spent: NanoUsd,
}

/// The use of one holder. Shared by all workers; every lock is a few instructions long.
#[derive(Debug, Default)]
pub(crate) struct Holder {
    state: Mutex<State>,
    /// Wakes requests that wait for a reservation to end or a claim to be written.
    pub(super) freed: Notify,
}

/// What is written down of a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Saved {
    pub(crate) rate_start: UnixMillis,
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    pub(crate) budget_start: UnixMillis,
    pub(crate) spent: NanoUsd,
    /// At least `spent` and all reservations: what a crash must count as spent.
    pub(crate) claimed: NanoUsd,
}

#[derive(Debug, Default)]
struct State {
    rate_start: UnixMillis,
    requests: u64,
    /// Used and reserved in this rate window.
    tokens: u64,
    parallel: u32,
    window: Option<Window>,
    spent: NanoUsd,
    reserved: NanoUsd,
    /// What the ledger on disk already counts against a crash.
    claimed: NanoUsd,
    /// The budget, as the last request saw it.
    max: NanoUsd,
    /// Asked for since the last flush, together and at most by one request: how much to claim ahead.
    demand: NanoUsd,
    largest: NanoUsd,
    dirty: bool,
}

/// The outcome of one try.
pub(crate) enum Tried {
    /// Admitted. `first_change` says that the ledger has to be told of this holder.
    Held { hold: Hold, standing: Standing, first_change: bool },
    /// Cannot be admitted.
    Denied(Denial),
    /// Would fit if requests in flight turn out cheaper than reserved.
    Contended,
    /// Fits, but the ledger has to claim the money first.
    Unclaimed { first_change: bool },
}

impl Holder {
    /// A holder with what a former process wrote down.
    pub(crate) fn restore(saved: Saved) -> Self {
        let state = State {
            rate_start: saved.rate_start,
            requests: saved.requests,
            tokens: saved.tokens,
            window: (saved.budget_start != UnixMillis(0))
                .then_some(Window { start: saved.budget_start, end: None }),
            spent: saved.claimed,
            claimed: saved.claimed,
            ..State::default()
        };
        Self { state: Mutex::new(state), freed: Notify::new() }
    }

    /// Tries to admit a request: budget, parallel, requests, tokens; all or nothing.
    ///
    /// `vouch` false skips the wait for the ledger's claim.
    pub(crate) fn try_hold(&self, rules: &Rules<'_>, ask: Ask, now: UnixMillis, vouch: bool) -> Tried {
        let mut state = self.state.lock();
        state.roll(rules, now);
        if let Some(budget) = rules.budget
            && state.spent >= budget.max
        {
            return Tried::Denied(Denial::Budget { spent: state.spent, max: budget.max });
        }
        // Before any wait: nobody waits for money and then hears of a limit.
        if let Err(denial) = state.check_limits(&rules.limits, ask, now) {
            return Tried::Denied(denial);
        }
        if let Some(budget) = rules.budget {
            let total = state.spent.plus(state.reserved).plus(ask.cost);
            // A request that is alone may go over by the error of its own estimate; it is the last one then.
            if total > budget.max && state.reserved > NanoUsd::ZERO {
                return Tried::Contended;
            }
            state.max = budget.max;
            state.demand = state.demand.plus(ask.cost);
            state.largest = state.largest.max(ask.cost);
            if vouch && total.min(budget.max) > state.claimed {
                return Tried::Unclaimed { first_change: state.mark() };
            }
        }
        let hold = state.take(ask);
        Tried::Held { hold, standing: state.standing(&rules.limits), first_change: state.mark() }
    }

    /// Ends a hold: gives the reservation back and counts what was really used. True on the first change since the
    /// last flush.
    pub(crate) fn settle(&self, hold: &Hold, used: Ask) -> bool {
        let mut state = self.state.lock();
        state.parallel = state.parallel.saturating_sub(1);
        // Tokens reserved in a window that is over went with it.
        if state.rate_start == hold.rate_window {
            state.tokens = state.tokens.saturating_sub(hold.asked.tokens).saturating_add(used.tokens);
        }
        state.reserved = state.reserved.minus(hold.asked.cost);
        if state.window.is_some_and(|window| window.start == hold.budget_window) {
            state.spent = state.spent.plus(used.cost);
        }
        let first_change = state.mark();
        drop(state);
        self.freed.notify_waiters();
        first_change
    }

    /// Takes a hold back as if it had never been: the request was refused further on.
    pub(crate) fn undo(&self, hold: &Hold) {
        {
            let mut state = self.state.lock();
            if state.rate_start == hold.rate_window {
                state.requests = state.requests.saturating_sub(1);
            }
        }
        self.settle(hold, Ask::default());
    }

    /// Reserves more for a request that produces more than expected. Never refuses: the tokens exist already. True on
    /// the first change since the last flush.
    pub(crate) fn extend(&self, hold: &mut Hold, more: Ask) -> bool {
        let mut state = self.state.lock();
        if state.rate_start == hold.rate_window {
            state.tokens = state.tokens.saturating_add(more.tokens);
        }
        state.reserved = state.reserved.plus(more.cost);
        hold.asked.tokens = hold.asked.tokens.saturating_add(more.tokens);
        hold.asked.cost = hold.asked.cost.plus(more.cost);
        state.mark()
    }

    /// What to write down. `ahead` claims what was asked for since the last time once more, so that requests seldom
    /// wait for a claim, but never more than the largest of them or a sixteenth of what is left: a crash counts as
    /// spent what was claimed.
    pub(super) fn save(&self, ahead: bool) -> Saved {
        let mut state = self.state.lock();
        state.dirty = false;
        let (demand, largest) = (std::mem::take(&mut state.demand), std::mem::take(&mut state.largest));
        let held = state.spent.plus(state.reserved);
        let share = NanoUsd(state.max.minus(held).0 / 16);
        let ahead = if ahead { demand.min(largest.max(share)) } else { NanoUsd::ZERO };
        let claimed = held.plus(ahead).min(state.max).max(held);
        Saved {
            rate_start: state.rate_start,
            requests: state.requests,
            tokens: state.tokens,
            budget_start: state.window.map_or(UnixMillis(0), |window| window.start),
            spent: state.spent,
            claimed,
        }
    }

    /// Lets requests use what `save` claimed, now that it is on disk.
    pub(super) fn claimed(&self, saved: &Saved) {
        let mut state = self.state.lock();
        if state.window.is_some_and(|window| window.start == saved.budget_start) {
            state.claimed = saved.claimed;
        }
        drop(state);
        self.freed.notify_waiters();
    }

    /// True when the claim on disk is larger than what is spent and reserved.
    pub(super) fn claims_ahead(&self) -> bool {
        let state = self.state.lock();
        state.claimed > state.spent.plus(state.reserved)
    }

    /// True when nothing is held and nothing worth keeping was used.
    pub(super) fn is_blank(&self, now: UnixMillis) -> bool {
        let state = self.state.lock();
        let rate_over = now >= state.rate_start.plus_millis(rate_millis());
        state.parallel == 0 && state.reserved == NanoUsd::ZERO && state.spent == NanoUsd::ZERO && rate_over
    }

    /// Requests in flight and money reserved, for tests and the operations summary.
    pub(crate) fn in_flight(&self) -> (u32, NanoUsd) {
        let state = self.state.lock();
        (state.parallel, state.reserved)
    }

    /// What was spent in the current budget window.
    pub(crate) fn spent(&self) -> NanoUsd {
        self.state.lock().spent
    }
}

impl State {
    /// Starts new windows where the old ones are over.
    fn roll(&mut self, rules: &Rules<'_>, now: UnixMillis) {
        // A window that starts in the future was written by a clock that has since been set back.
        if now >= self.rate_start.plus_millis(rate_millis()) || self.rate_start > now {
            self.rate_start = now;
            self.requests = 0;
            self.tokens = 0;
        }
        let length = rules.budget.and_then(|budget| budget.window);
        let fresh = match (length, self.window) {
            (None, _) => Window { start: UnixMillis(1), end: None },
            (Some(_), Some(window)) if window.end.is_some() && window.contains(now) => return,
            // A clock that was set back a little does not give a spent budget back.
            (Some(_), Some(window)) if window.start > now && window.start < now.plus_millis(DAY_MILLIS) => {
                return;
            }
            (Some(length), _) => Window::containing(now, length, rules.zone),
        };
        if self.window.is_none_or(|window| window.start != fresh.start) && self.window.is_some() {
            self.spent = NanoUsd::ZERO;
            self.claimed = NanoUsd::ZERO;
        }
        self.window = Some(fresh);
    }

    fn check_limits(&self, limits: &Limits, ask: Ask, now: UnixMillis) -> Result<(), Denial> {
        let resets = self.rate_start.plus_millis(rate_millis());
        let denied = |kind, limit, remaining| Denial::Rate { kind, limit, remaining, resets, now };
        if let Some(limit) = limits.max_parallel
            && self.parallel >= limit
        {
            return Err(denied(LimitKind::Parallel, u64::from(limit), 0));
        }
        if let Some(limit) = limits.rpm
            && self.requests >= limit
        {
            return Err(denied(LimitKind::Requests, limit, 0));
        }
        if let Some(limit) = limits.tpm
            && self.tokens.saturating_add(ask.tokens) > limit
        {
            return Err(denied(LimitKind::Tokens, limit, limit.saturating_sub(self.tokens)));
        }
        Ok(())
    }

    fn take(&mut self, ask: Ask) -> Hold {
        self.requests = self.requests.saturating_add(1);
        self.tokens = self.tokens.saturating_add(ask.tokens);
        self.parallel = self.parallel.saturating_add(1);
        self.reserved = self.reserved.plus(ask.cost);
        let budget_window = self.window.map_or(UnixMillis(0), |window| window.start);
        Hold { rate_window: self.rate_start, budget_window, asked: ask }
    }

    fn standing(&self, limits: &Limits) -> Standing {
        Standing {
            remaining_requests: limits.rpm.map(|limit| limit.saturating_sub(self.requests)),
            remaining_tokens: limits.tpm.map(|limit| limit.saturating_sub(self.tokens)),
            remaining_parallel: limits.max_parallel.map(|limit| limit.saturating_sub(self.parallel)),
            spent: self.spent,
        }
    }

    fn mark(&mut self) -> bool {
        !std::mem::replace(&mut self.dirty, true)
    }
}

fn rate_millis() -> i64 {
    i64::try_from(RATE_WINDOW.as_millis()).unwrap_or(i64::MAX)
}
