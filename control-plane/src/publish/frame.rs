//! Messages as they go out, encoded once.

use bulkhead_proto as proto;
use bulkhead_snapshot::{Version, digest_of_delta, digest_of_items};
use bytes::Bytes;
use prost::Message;
use proto::push::Push;

use crate::store::resources::Now;

/// An encoded push. Copies share it.
#[derive(Debug, Clone)]
pub(crate) struct Frame(pub(crate) Bytes);

impl Frame {
    pub(crate) fn of(push: Push) -> Self {
        Self(proto::Push { push: Some(push) }.encode_to_vec().into())
    }

    pub(crate) fn alive() -> Self {
        Self::of(Push::Alive(proto::Alive {}))
    }

    pub(crate) fn held(reason: &str) -> Self {
        Self::of(Push::Held(proto::Held { reason: reason.to_owned() }))
    }

    pub(super) fn delta(from: &Version, version: &Version, now: Now) -> Self {
        let Now { put, delete } = now;
        let (from, version) = (Some(from.encode()), Some(version.encode()));
        let mut delta = proto::Delta { from, version, put, delete, digest: Bytes::new() };
        delta.digest = Bytes::copy_from_slice(&digest_of_delta(&delta));
        Self::of(Push::Delta(delta))
    }

    /// A chunk, and its digest.
    pub(super) fn chunk(items: Vec<proto::Item>) -> (Self, [u8; 32]) {
        let digest = digest_of_items(&items);
        (Self::of(Push::Chunk(proto::Chunk { items, digest: Bytes::copy_from_slice(&digest) })), digest)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
