//! The gate: holders of limits and budgets, and the permits that requests get from them.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::{Clock, NanoUsd, UnixMillis};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use super::denial::{Denial, Denials};
use super::holder::{Ask, Hold, Holder, Rules, Saved, Standing, Tried};
use super::ledger::Ledger;

/// How long a request waits for others' reservations to end before it is told `budget_contended` (design §6).
const CONTENDED_WAIT: Duration = Duration::from_secs(2);
/// How long a request waits for the ledger to claim money on disk (design §1.1).
const CLAIM_WAIT: Duration = Duration::from_millis(100);
const SHARDS: usize = 64;

type Shard = Mutex<HashSet<ById, foldhash::fast::RandomState>>;

/// A holder that is found by its id.
struct ById(Arc<Holder>);

/// Whose holder it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Key,
    Member,
    Team,
    User,
}

impl Scope {
    pub(crate) const ALL: [Self; 4] = [Self::Key, Self::Member, Self::Team, Self::User];

    /// LiteLLM's name, as in `x-ratelimit-team-limit-requests`.
    pub(crate) const fn descriptor(self) -> &'static str {
        match self {
            Self::Key => "api_key",
            Self::Member => "team_member",
            Self::Team => "team",
            Self::User => "user",
        }
    }
}

/// One holder that a request must pass: its id in the ledger and its rules.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) scope: Scope,
    pub(crate) id: &'a str,
    pub(crate) rules: Rules<'a>,
}

/// Every holder in use, shared by all workers, so that a limit is exact on the whole node.
pub(crate) struct Gate {
    shards: Box<[Shard]>,
    hasher: foldhash::fast::RandomState,
    clock: Clock,
    ledger: Ledger,
    pub(crate) denials: Denials,
}

impl Borrow<str> for ById {
    fn borrow(&self) -> &str {
        &self.0.id
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for ById {}

/// What a request holds. Dropping it gives everything back as unused.
pub(crate) struct Permit {
    gate: Arc<Gate>,
    /// What is expected, also of a caller without limits.
    asked: Ask,
    /// What legs that failed have used: it counts when the request ends.
    charged: Ask,
    holds: Vec<Held>,
}

struct Held {
    scope: Scope,
    holder: Arc<Holder>,
    hold: Hold,
    standing: Standing,
}

/// A refusal and who refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) scope: Scope,
    pub(crate) denial: Denial,
}

impl Gate {
    pub(crate) fn new(clock: Clock, ledger: Ledger) -> Arc<Self> {
        let shards = std::iter::repeat_with(Shard::default).take(SHARDS).collect();
        let hasher = foldhash::fast::RandomState::default();
        Arc::new(Self { shards, hasher, clock, ledger, denials: Denials::default() })
    }

    /// Admits a request past every claim, or past none.
    pub(crate) async fn admit(self: &Arc<Self>, claims: &[Claim<'_>], ask: Ask) -> Result<Permit, Refused> {
        let outcome = self.try_until_decided(claims, ask).await;
        outcome.inspect_err(|refused| self.denials.count(refused.scope, refused.denial))
    }

    async fn try_until_decided(self: &Arc<Self>, claims: &[Claim<'_>], ask: Ask) -> Result<Permit, Refused> {
        let started = Instant::now();
        let mut vouch = !self.ledger.is_failing();
        let mut claim_by = None;
        loop {
            let first = match self.try_all(claims, ask, vouch) {
                Ok(permit) => return Ok(permit),
                Err(Stopped::Refused(refused)) => return Err(refused),
                Err(Stopped::Contended(stopped) | Stopped::Unclaimed(stopped)) => stopped,
            };
            let Some(claim) = claims.get(first) else { continue };
            let holder = self.holder(claim.id);
            let freed = holder.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            // What was freed between the try and the registration is found by trying once more.
            match self.try_all(claims, ask, vouch) {
                Ok(permit) => return Ok(permit),
                Err(Stopped::Refused(refused)) => return Err(refused),
                Err(Stopped::Contended(again)) if again == first => {
                    claim_by = None;
                    if timeout_at(started + CONTENDED_WAIT, freed).await.is_err() {
                        return Err(Refused { scope: claim.scope, denial: Denial::Contended });
                    }
                }
                Err(Stopped::Unclaimed(again)) if again == first => {
                    self.ledger.urge();
                    let by = *claim_by.get_or_insert_with(|| Instant::now() + CLAIM_WAIT);
                    // The disk is slow: the process still counts exactly, only a crash would forget.
                    vouch &= timeout_at(by, freed).await.is_ok();
                }
                Err(_) => {}
            }
        }
    }

    fn try_all(self: &Arc<Self>, claims: &[Claim<'_>], ask: Ask, vouch: bool) -> Result<Permit, Stopped> {
        let now = self.clock.now();
        let holds = Vec::with_capacity(claims.len());
        let mut permit = Permit { gate: self.clone(), asked: ask, charged: Ask::default(), holds };
        let stopped = self.hold_all(claims, ask, vouch, now, &mut permit.holds);
        match stopped {
            None => Ok(permit),
            Some(stopped) => {
                for held in permit.holds.drain(..) {
                    let first_change = held.holder.undo(&held.hold);
                    self.note(&held.holder, first_change);
                }
                Err(stopped)
            }
        }
    }

    /// Holds claim by claim up to the first that stops the request. The others are only asked whether they refuse:
    /// a spent budget weighs more than a limit, and both more than a wait.
    fn hold_all(
        &self,
        claims: &[Claim<'_>],
        ask: Ask,
        vouch: bool,
        now: UnixMillis,
        holds: &mut Vec<Held>,
    ) -> Option<Stopped> {
        let mut stopped: Option<Stopped> = None;
        for (index, claim) in claims.iter().enumerate() {
            let holder = self.holder(claim.id);
            let refused = |denial| Stopped::Refused(Refused { scope: claim.scope, denial });
            if let Some(former) = &mut stopped {
                if let Some(refused) = holder.refusal(&claim.rules, ask, now).map(refused) {
                    if refused.weight() > former.weight() {
                        *former = refused;
                    }
                } else if let Stopped::Unclaimed(_) = former {
                    // One wait for the ledger, not one after the other.
                    let first_change = holder.will_ask(&claim.rules, ask, now);
                    self.note(&holder, first_change);
                }
                continue;
            }
            match holder.try_hold(&claim.rules, ask, now, vouch) {
                Tried::Held { hold, standing, first_change } => {
                    self.note(&holder, first_change);
                    holds.push(Held { scope: claim.scope, holder, hold, standing });
                }
                Tried::Denied(denial) => stopped = Some(refused(denial)),
                Tried::Contended => stopped = Some(Stopped::Contended(index)),
                Tried::Unclaimed { first_change } => {
                    self.note(&holder, first_change);
                    stopped = Some(Stopped::Unclaimed(index));
                }
            }
        }
        stopped
    }

    fn note(&self, holder: &Arc<Holder>, first_change: bool) {
        if first_change {
            self.ledger.note(holder);
        }
    }

    /// The holder of an id, made from what a former process wrote down where there is something.
    pub(crate) fn holder(&self, id: &str) -> Arc<Holder> {
        let restored = || Arc::new(Holder::restore(id, self.ledger.take_saved(id).unwrap_or_default()));
        let Some(shard) = self.shards.get(self.shard(id)) else { return restored() };
        let mut shard = shard.lock();
        if let Some(ById(holder)) = shard.get(id) {
            return holder.clone();
        }
        let holder = restored();
        shard.insert(ById(holder.clone()));
        holder
    }

    fn shard(&self, id: &str) -> usize {
        usize::try_from(self.hasher.hash_one(id)).unwrap_or_default() % SHARDS
    }

    /// What a holder has spent.
    pub(crate) fn spent(&self, claim: &Claim<'_>) -> NanoUsd {
        self.holder(claim.id).spent_under(&claim.rules, self.clock.now())
    }

    /// Forgets holders that hold nothing and used nothing worth keeping.
    pub(crate) fn sweep(&self) {
        let now = self.clock.now();
        for shard in &self.shards {
            shard.lock().retain(|ById(holder)| Arc::strong_count(holder) > 1 || !holder.is_blank(now));
        }
    }

    /// Holders known, requests in flight and money reserved.
    pub(crate) fn totals(&self) -> (usize, u64, NanoUsd) {
        let mut totals = (0, 0, NanoUsd::ZERO);
        for shard in &self.shards {
            // Workers wait for this lock: it is not held while each holder's is taken.
            let holders: Vec<_> = shard.lock().iter().map(|ById(holder)| holder.clone()).collect();
            for holder in holders {
                let (parallel, reserved) = holder.in_flight();
                totals = (totals.0 + 1, totals.1 + u64::from(parallel), totals.2.plus(reserved));
            }
        }
        totals
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

enum Stopped {
    Refused(Refused),
    /// By the claim of that index.
    Contended(usize),
    /// By the claim of that index.
    Unclaimed(usize),
}

impl Stopped {
    fn weight(&self) -> u8 {
        match self {
            Self::Refused(Refused { denial: Denial::Budget { .. }, .. }) => 2,
            Self::Refused(_) => 1,
            Self::Contended(_) | Self::Unclaimed(_) => 0,
        }
    }
}

impl Permit {
    /// A permit of a caller without limits.
    pub(crate) fn unlimited(gate: &Arc<Gate>, ask: Ask) -> Self {
        Self { gate: gate.clone(), asked: ask, charged: Ask::default(), holds: Vec::new() }
    }

    /// Reserves what another leg may need besides what the last one has used, unless a budget is spent, or others have
    /// reserved what is left of it.
    pub(crate) fn raise(&mut self, claims: &[Claim<'_>], used: Ask, ask: Ask) -> Result<(), Refused> {
        let now = self.gate.clock.now();
        let used = self.charged.plus(used);
        let more = used.plus(ask).beyond(self.asked);
        for (held, claim) in self.holds.iter().zip(claims) {
            if let Some(denial) = held.holder.refuses_more(&claim.rules, &held.hold, used, more, now) {
                let refused = Refused { scope: claim.scope, denial };
                self.gate.denials.count(refused.scope, refused.denial);
                return Err(refused);
            }
        }
        self.extend(more);
        Ok(())
    }

    /// Counts what a leg used that is followed by another.
    pub(crate) fn charge(&mut self, used: Ask) {
        self.charged = self.charged.plus(used);
    }

    /// Reserves more for a request that produces more than was expected.
    pub(crate) fn extend(&mut self, more: Ask) {
        self.asked.tokens = self.asked.tokens.saturating_add(more.tokens);
        self.asked.cost = self.asked.cost.plus(more.cost);
        for held in &mut self.holds {
            let first_change = held.holder.extend(&mut held.hold, more);
            self.gate.note(&held.holder, first_change);
        }
    }

    /// What the holders looked like when the request was admitted.
    pub(crate) fn standings(&self) -> impl Iterator<Item = (Scope, &Standing)> {
        self.holds.iter().map(|held| (held.scope, &held.standing))
    }

    /// What the first holder has spent by now.
    pub(crate) fn spent(&self) -> Option<NanoUsd> {
        self.holds.first().map(|held| held.holder.spent())
    }

    /// What is reserved for the leg under way, where there is anything to reserve it of.
    pub(crate) fn reserved(&self) -> Ask {
        self.asked.beyond(self.charged)
    }

    /// Counts what was used and gives the rest back.
    pub(crate) fn settle(mut self, used: Ask) {
        self.release(used);
    }

    fn release(&mut self, used: Ask) {
        let used = used.plus(std::mem::take(&mut self.charged));
        for held in std::mem::take(&mut self.holds) {
            let first_change = held.holder.settle(&held.hold, used);
            self.gate.note(&held.holder, first_change);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.release(Ask::default());
    }
}

/// A saved state that a crash left: what had been claimed beyond what is known to be spent.
pub(crate) fn unsettled(saved: &Saved) -> NanoUsd {
    saved.claimed.minus(saved.spent)
}
