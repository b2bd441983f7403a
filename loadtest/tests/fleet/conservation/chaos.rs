//! What fails, and when.

use std::time::Duration;

use crate::support::Dice;

/// Something that fails for a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    ControlPlanesKilled,
    ControlPlanesFrozen,
    ControlPlanesCut,
    DatabaseKilled,
    DatabaseFrozen,
    DatabaseCut,
    /// Batches arrive and are committed; the connection breaks before anybody hears of it.
    RepliesHeld,
}

const FAULTS: [Fault; 7] = [
    Fault::ControlPlanesKilled,
    Fault::ControlPlanesFrozen,
    Fault::ControlPlanesCut,
    Fault::DatabaseKilled,
    Fault::DatabaseFrozen,
    Fault::DatabaseCut,
    Fault::RepliesHeld,
];

/// Something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Begin(Fault),
    End(Fault),
    /// `kill -9` of a node, which is started again.
    Kill(usize),
    /// Hold what comes back from control planes from now on.
    Hold,
    /// Break the connections whose replies are held.
    Break,
}

/// How long replies are held.
const HELD: Duration = Duration::from_millis(600);
/// How long a connection works before.
const WORKS: Duration = Duration::from_millis(1400);

/// Acts in the order of their times.
pub(super) struct Timeline {
    pub(super) acts: Vec<(Duration, Act)>,
    pub(super) length: Duration,
}

impl Timeline {
    /// Each fault once, in any order, for a tenth of the time with calm between, and a kill in each tenth.
    pub(super) fn new(length: Duration, nodes: usize, dice: &mut Dice) -> Self {
        let phase = length / 10;
        let calm = (length - phase * 7) / 8;
        let mut faults = FAULTS;
        dice.shuffle(&mut faults);
        let mut acts = Vec::new();
        for (turn, fault) in (0..).zip(faults) {
            let begins = calm + (phase + calm) * turn;
            acts.extend([(begins, Act::Begin(fault)), (begins + phase, Act::End(fault))]);
            if fault == Fault::RepliesHeld {
                let mut at = begins + WORKS;
                while at + HELD < begins + phase {
                    acts.extend([(at, Act::Hold), (at + HELD, Act::Break)]);
                    at += HELD + WORKS;
                }
            }
        }
        for tenth in 0..10 {
            let share = u32::try_from(dice.between(20, 90)).unwrap();
            let node = usize::try_from(dice.below(nodes as u64)).unwrap();
            acts.push((phase * tenth + phase * share / 100, Act::Kill(node)));
        }
        acts.sort_by_key(|(at, _)| *at);
        Self { acts, length }
    }
}
