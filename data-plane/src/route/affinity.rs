//! Requests that belong together go to the same deployment.
//!
//! By rendezvous: of all deployments the one whose name makes the largest number with the requests' mark. Nothing is
//! remembered, so every node and every start agrees, and where one deployment is missing only its own requests move.

use std::sync::Arc;

use bulkhead_snapshot::Deployment;

use super::rng::mixed;

/// The deployment for requests with this mark.
pub(super) fn choose<'d>(round: &[&'d Arc<Deployment>], mark: u64) -> Option<&'d Arc<Deployment>> {
    round.iter().copied().max_by_key(|deployment| mixed(mark ^ of_bytes(deployment.id.as_bytes())))
}

/// The mark of a text: the same on every machine and in every release (FNV-1a).
pub(crate) fn of_bytes(bytes: &[u8]) -> u64 {
    let step = |mark: u64, byte: &u8| (mark ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mixed(bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}
