//! One holder of limits and a budget, and what it has used.

use std::time::Duration;

use bulkhead_model::rows::{BudgetRow, Limits, Spend};
use bulkhead_model::{NanoUsd, UnixMillis};
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::account::{Account, Says};
use super::denial::{Denial, LimitKind};

/// The fixed window of request and token limits; it starts at the first request (litellm.md §4.4).
pub(crate) const RATE_WINDOW: Duration = Duration::from_secs(60);

/// What a holder may do, from the snapshot of the request that asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) limits: Limits,
    pub(crate) budget: Option<BudgetRow>,
    /// What counts as spent besides what is counted here.
    pub(crate) spend: Spend,
    /// What the request costs counts here.
    pub(crate) pays: bool,
    /// The snapshot's number: the rules of a later one hold.
    pub(crate) as_of: u64,
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
    /// The turn of the account.
    turn: u64,
    pays: bool,
    asked: Ask,
}

/// Numbers for response headers, taken when the request was admitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) limits: Limits,
    pub(crate) remaining_requests: Option<u64>,
    pub(crate) remaining_tokens: Option<u64>,
    pub(crate) remaining_parallel: Option<u32>,
}

/// The use of one holder. Shared by all workers; every lock is a few instructions long.
#[derive(Debug)]
pub(crate) struct Holder {
    /// Its name in the ledger.
    pub(super) id: Box<str>,
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
    /// Zero: never, or not known.
    pub(crate) budget_end: UnixMillis,
    /// Of the declared spend that is gone on from.
    pub(crate) generation: u64,
    /// The window of that declared spend is over.
    pub(crate) base_over: bool,
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
    account: Account,
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
    pub(crate) fn restore(id: &str, saved: Saved) -> Self {
        let state = State {
            rate_start: saved.rate_start,
            requests: saved.requests,
            tokens: saved.tokens,
            account: Account::restore(&saved),
            ..State::default()
        };
        Self { id: id.into(), state: Mutex::new(state), freed: Notify::new() }
    }

    /// Tries to admit a request: budget, parallel, requests, tokens; all or nothing.
    ///
    /// `vouch` false skips the wait for the ledger's claim.
    pub(crate) fn try_hold(&self, rules: &Rules<'_>, ask: Ask, now: UnixMillis, vouch: bool) -> Tried {
        let ask = ask.where_it_pays(rules.pays);
        let mut state = self.state.lock();
        state.roll(rules, now);
        // Before any wait: nobody waits for money and then hears of a limit.
        if let Err(denial) = state.check(rules, ask, now) {
            return Tried::Denied(denial);
        }
        if let Some(budget) = rules.budget {
            match state.account.ask(budget.max, ask.cost, vouch) {
                Says::Yes => {}
                Says::Contended => return Tried::Contended,
                Says::Unclaimed => return Tried::Unclaimed { first_change: state.mark() },
            }
        }
        let hold = state.take(ask, rules.pays);
        Tried::Held { hold, standing: state.standing(&rules.limits), first_change: state.mark() }
    }

    /// Why a request could not be admitted, however long it waits.
    pub(crate) fn refusal(&self, rules: &Rules<'_>, ask: Ask, now: UnixMillis) -> Option<Denial> {
        let mut state = self.state.lock();
        state.roll(rules, now);
        state.check(rules, ask, now).err()
    }

    /// Why a request that has used so much may have no more, however long it waits: the money is spent, or spoken for.
    pub(crate) fn refuses_more(
        &self,
        rules: &Rules<'_>,
        hold: &Hold,
        used: Ask,
        more: Ask,
        now: UnixMillis,
    ) -> Option<Denial> {
        let BudgetRow { max, .. } = rules.budget?;
        let mut state = self.state.lock();
        state.roll(rules, now);
        let spent = state.account.total().plus(used.where_it_pays(hold.pays).cost);
        if spent >= max {
            return Some(Denial::Budget { spent, max });
        }
        let more = more.where_it_pays(hold.pays).cost;
        (!state.account.may_grow(max, hold.asked.cost, more)).then_some(Denial::Contended)
    }

    /// Has money claimed for a request that waits for another holder's. True on the first change since the last flush.
    pub(crate) fn will_ask(&self, rules: &Rules<'_>, ask: Ask, now: UnixMillis) -> bool {
        let Some(budget) = rules.budget else { return false };
        let cost = ask.where_it_pays(rules.pays).cost;
        let mut state = self.state.lock();
        state.roll(rules, now);
        matches!(state.account.ask(budget.max, cost, true), Says::Unclaimed) && state.mark()
    }

    /// Ends a hold: gives the reservation back and counts what was really used. True on the first change since the
    /// last flush.
    pub(crate) fn settle(&self, hold: &Hold, used: Ask) -> bool {
        let used = used.where_it_pays(hold.pays);
        let mut state = self.state.lock();
        state.parallel = state.parallel.saturating_sub(1);
        // Tokens reserved in a window that is over went with it.
        if state.rate_start == hold.rate_window {
            state.tokens = state.tokens.saturating_sub(hold.asked.tokens).saturating_add(used.tokens);
        }
        state.account.settle(hold.turn, hold.asked.cost, used.cost);
        let first_change = state.mark();
        drop(state);
        self.freed.notify_waiters();
        first_change
    }

    /// Takes a hold back as if it had never been: the request was refused further on. True on the first change since
    /// the last flush.
    pub(crate) fn undo(&self, hold: &Hold) -> bool {
        {
            let mut state = self.state.lock();
            if state.rate_start == hold.rate_window {
                state.requests = state.requests.saturating_sub(1);
            }
        }
        self.settle(hold, Ask::default())
    }

    /// Reserves more for a request that produces more than expected. Never refuses: the tokens exist already. True on
    /// the first change since the last flush.
    pub(crate) fn extend(&self, hold: &mut Hold, more: Ask) -> bool {
        let more = more.where_it_pays(hold.pays);
        let mut state = self.state.lock();
        if state.rate_start == hold.rate_window {
            state.tokens = state.tokens.saturating_add(more.tokens);
        }
        state.account.reserve(more.cost);
        hold.asked.tokens = hold.asked.tokens.saturating_add(more.tokens);
        hold.asked.cost = hold.asked.cost.plus(more.cost);
        state.mark()
    }

    /// What to write down; with `ahead`, more is claimed than is held.
    pub(super) fn save(&self, ahead: bool) -> Saved {
        let mut state = self.state.lock();
        state.dirty = false;
        let State { rate_start, requests, tokens, .. } = *state;
        let mut saved = Saved { rate_start, requests, tokens, ..Saved::default() };
        state.account.save(ahead, &mut saved);
        saved
    }

    /// Lets requests use what `save` claimed, now that it is on disk.
    pub(super) fn claimed(&self, saved: &Saved) {
        self.state.lock().account.claim(saved);
        self.freed.notify_waiters();
    }

    /// True when the claim on disk is larger than what is spent and reserved.
    pub(super) fn claims_ahead(&self) -> bool {
        self.state.lock().account.claims_ahead()
    }

    /// True when nothing is held and nothing worth keeping was used.
    pub(super) fn is_blank(&self, now: UnixMillis) -> bool {
        let state = self.state.lock();
        let rate_over = now >= state.rate_start.plus_millis(rate_millis());
        state.parallel == 0 && rate_over && state.account.is_blank()
    }

    /// Requests in flight and money reserved, for tests and the operations summary.
    pub(crate) fn in_flight(&self) -> (u32, NanoUsd) {
        let state = self.state.lock();
        (state.parallel, state.account.reserved)
    }

    /// What was spent in the current budget window, as the last request saw it.
    pub(crate) fn spent(&self) -> NanoUsd {
        self.state.lock().account.total()
    }

    /// What was spent in the current budget window.
    pub(crate) fn spent_under(&self, rules: &Rules<'_>, now: UnixMillis) -> NanoUsd {
        let mut state = self.state.lock();
        state.roll(rules, now);
        state.account.total()
    }
}

impl Ask {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { tokens: self.tokens.saturating_add(other.tokens), cost: self.cost.plus(other.cost) }
    }

    /// What of it the other does not cover.
    pub(super) fn beyond(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(other.tokens),
            cost: self.cost.minus(other.cost).max(NanoUsd::ZERO),
        }
    }

    fn where_it_pays(self, pays: bool) -> Self {
        if pays { self } else { Self { cost: NanoUsd::ZERO, ..self } }
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
        self.account.roll(rules, now);
    }

    fn check(&self, rules: &Rules<'_>, ask: Ask, now: UnixMillis) -> Result<(), Denial> {
        let spent = self.account.total();
        match rules.budget {
            Some(budget) if spent >= budget.max => Err(Denial::Budget { spent, max: budget.max }),
            _ => self.check_limits(&rules.limits, ask, now),
        }
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

    fn take(&mut self, ask: Ask, pays: bool) -> Hold {
        self.requests = self.requests.saturating_add(1);
        self.tokens = self.tokens.saturating_add(ask.tokens);
        self.parallel = self.parallel.saturating_add(1);
        Hold { rate_window: self.rate_start, turn: self.account.reserve(ask.cost), pays, asked: ask }
    }

    fn standing(&self, limits: &Limits) -> Standing {
        Standing {
            limits: *limits,
            remaining_requests: limits.rpm.map(|limit| limit.saturating_sub(self.requests)),
            remaining_tokens: limits.tpm.map(|limit| limit.saturating_sub(self.tokens)),
            remaining_parallel: limits.max_parallel.map(|limit| limit.saturating_sub(self.parallel)),
        }
    }

    fn mark(&mut self) -> bool {
        !std::mem::replace(&mut self.dirty, true)
    }
}

fn rate_millis() -> i64 {
    i64::try_from(RATE_WINDOW.as_millis()).unwrap_or(i64::MAX)
}
