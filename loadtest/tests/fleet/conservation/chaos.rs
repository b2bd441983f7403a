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
    /// Batches arrive, and the connection breaks before anybody hears of it.
    Repeats,
}

/// In any order.
const FAULTS: [Fault; 6] = [
    Fault::ControlPlanesKilled,
    Fault::ControlPlanesFrozen,
    Fault::ControlPlanesCut,
    Fault::DatabaseKilled,
    Fault::DatabaseFrozen,
    Fault::DatabaseCut,
];

/// Something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Begin(Fault),
    End(Fault),
    /// `kill -9` of a node, which is started again.
    Kill(usize),
    /// What control planes say does not come back.
    Hold,
    /// The database lets nobody write for [`LOCKED`].
    Lock,
    /// Break the connections between nodes and control planes.
    Break,
}

pub(super) const LOCKED: Duration = Duration::from_secs(2);

/// What makes nodes send again what arrived, over and over, by seconds of [`CYCLE`]: batches that are not committed when
/// a node asks what is there, then batches that are, and the node has not heard of it.
const REPEATS: [(f64, Act); 4] = [(0.8, Act::Lock), (1.4, Act::Break), (3.6, Act::Hold), (4.1, Act::Break)];
const CYCLE: Duration = Duration::from_secs(5);

/// Acts in the order of their times.
pub(super) struct Timeline {
    pub(super) acts: Vec<(Duration, Act)>,
    pub(super) length: Duration,
}

impl Timeline {
    /// Each fault once for a tenth of the time, with calm between, and a kill in each tenth. Repeats come first: nodes
    /// that had to wait for long ask again too late for the locks.
    pub(super) fn new(length: Duration, nodes: usize, dice: &mut Dice) -> Self {
        let phase = length / 10;
        let calm = (length - phase * 7) / 8;
        let mut faults = FAULTS;
        dice.shuffle(&mut faults);
        let mut acts = Vec::new();
        for (turn, fault) in (0..).zip([Fault::Repeats].into_iter().chain(faults)) {
            let begins = calm + (phase + calm) * turn;
            acts.extend([(begins, Act::Begin(fault)), (begins + phase, Act::End(fault))]);
            if fault == Fault::Repeats {
                let mut cycle = begins;
                while cycle + CYCLE <= begins + phase {
                    acts.extend(REPEATS.map(|(at, act)| (cycle + Duration::from_secs_f64(at), act)));
                    cycle += CYCLE;
                }
            }
        }
        let mut killed: Vec<_> = (0..10).map(|kill| kill % nodes).collect();
        dice.shuffle(&mut killed);
        for (tenth, node) in (0..).zip(killed) {
            let share = u32::try_from(dice.between(20, 90)).unwrap();
            acts.push((phase * tenth + phase * share / 100, Act::Kill(node)));
        }
        acts.sort_by_key(|(at, _)| *at);
        Self { acts, length }
    }
}
