//! One HTTP/1.1 connection and what the pool knows of it.

use tokio::time::Instant;

use super::counts::Slot;
use super::http1::Connection;
use super::wire::Wire;

/// A connection and the place it goes back to.
pub(crate) struct Live {
    pub(super) connection: Box<Connection>,
    /// True when it was idle before this request: the provider may have closed it meanwhile.
    pub(super) reused: bool,
    pub(super) slot: Slot,
    pub(super) idle_since: Instant,
    /// From then on it takes no request.
    pub(super) retires: Instant,
}

impl Live {
    pub(super) fn new(wire: Wire, slot: Slot, retires: Instant) -> Self {
        let connection = Box::new(Connection::new(wire));
        Self { connection, reused: false, slot, idle_since: Instant::now(), retires }
    }
}
