//! Points in the history of a database, and digests of what is sent.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use bulkhead_proto as proto;
use bytes::Bytes;

/// A point in the history of one database (design §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Which database.
    pub cluster: [u8; 16],
    /// Counts the times that an operator accepted a loss.
    pub epoch: u64,
    /// Counts the changes.
    pub seq: u64,
    /// Of all changes so far.
    pub hash: [u8; 32],
}

impl Version {
    /// From the wire; `None` where it is not whole.
    pub fn decode(version: Option<&proto::Version>) -> Option<Self> {
        let proto::Version { cluster, epoch, seq, hash } = version?;
        let (cluster, hash) = (cluster.as_ref().try_into().ok()?, hash.as_ref().try_into().ok()?);
        Some(Self { cluster, epoch: *epoch, seq: *seq, hash })
    }

    /// On the wire.
    pub fn encode(&self) -> proto::Version {
        proto::Version {
            cluster: Bytes::copy_from_slice(&self.cluster),
            epoch: self.epoch,
            seq: self.seq,
            hash: Bytes::copy_from_slice(&self.hash),
        }
    }

    /// True where this is a later point, if it is one of the same history.
    pub fn is_later_than(&self, other: &Self) -> bool {
        (self.epoch, self.seq) > (other.epoch, other.seq)
    }
}

impl fmt::Display for Version {
    /// `epoch.seq`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

/// A digest in the making.
pub struct Digest(Context);

impl Default for Digest {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Digest {
    /// Adds an item.
    pub fn item(&mut self, item: &proto::Item) {
        self.part(item.r#ref.as_ref(), &item.resource);
    }

    /// Adds a deletion.
    pub fn delete(&mut self, reference: &proto::Ref) {
        self.part(Some(reference), &[]);
    }

    fn part(&mut self, reference: Option<&proto::Ref>, resource: &[u8]) {
        let (kind, id) = reference.map_or((0, ""), |reference| (reference.kind, reference.id.as_str()));
        self.0.update(&kind.to_be_bytes());
        for bytes in [id.as_bytes(), resource] {
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            self.0.update(&len.to_be_bytes());
            self.0.update(bytes);
        }
    }

    /// Adds the digest of a part.
    pub fn digest(&mut self, digest: &[u8]) {
        self.0.update(digest);
    }

    /// The digest of everything added.
    pub fn finish(self) -> [u8; 32] {
        self.0.finish().as_ref().try_into().unwrap_or_default()
    }
}

/// The digest of a chunk.
pub fn digest_of_items(items: &[proto::Item]) -> [u8; 32] {
    let mut digest = Digest::default();
    for item in items {
        digest.item(item);
    }
    digest.finish()
}

/// The digest of a delta.
pub fn digest_of_delta(delta: &proto::Delta) -> [u8; 32] {
    let mut digest = Digest::default();
    for item in &delta.put {
        digest.item(item);
    }
    for reference in &delta.delete {
        digest.delete(reference);
    }
    digest.finish()
}
