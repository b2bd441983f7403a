//! The spool: usage events of a managed node on disk, until the control plane has them and for a day longer (design §8).

use std::io;

use bulkhead_model::UnixMillis;
use bulkhead_proto::UsageBatch;
use bytes::Bytes;
use tokio::sync::watch;

/// A start of this node's process: events are numbered within it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Incarnation([u8; 16]);

impl Incarnation {
    pub(crate) fn encode(self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// What the control plane has not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lag {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) oldest: Option<UnixMillis>,
}

/// The spool.
pub(crate) struct Spool {
    appended: watch::Sender<u64>,
}

impl Spool {
    /// Those of which there are events on disk, oldest first, the current one last.
    pub(crate) fn incarnations(&self) -> Vec<Incarnation> {
        Vec::new()
    }

    /// What the control plane has of these incarnations: reading goes on behind it, be it further on or further back.
    pub(crate) fn resume(&self, _marks: &[(Incarnation, u64)]) {}

    /// The next batch to send, about as large as `max_bytes`; `None` where everything was handed out. Reads the disk.
    pub(crate) fn next(&self, _max_bytes: usize) -> io::Result<Option<UsageBatch>> {
        Ok(None)
    }

    /// The control plane has all numbers of the incarnation up to this one.
    pub(crate) fn acked(&self, _incarnation: Incarnation, _through: u64) {}

    /// Moves when there is more to send.
    pub(crate) fn appended(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    pub(crate) fn lag(&self) -> Lag {
        Lag::default()
    }

    /// Everything was acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        true
    }
}
