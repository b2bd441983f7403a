//! A full sync as it arrives in chunks.

use bulkhead_proto as proto;
use bulkhead_snapshot::{Digest, Incoming, Version, digest_of_items};

/// More than any database of ours holds, and less than what would end the process.
pub(super) const ROOM: u64 = 2 << 30;

/// A full sync so far. Items are compiled as they come.
pub(super) struct Collector {
    begin: proto::FullBegin,
    incoming: Incoming,
    /// Items so far.
    count: u64,
    digests: Digest,
    room: u64,
}

impl Collector {
    /// Begins to collect at most `room` bytes.
    pub(super) fn begin(begin: proto::FullBegin, room: u64) -> Result<Self, String> {
        let version = Version::decode(begin.version.as_ref()).ok_or("its version is not whole")?;
        let incoming = Incoming::new(version, begin.forced);
        Ok(Self { begin, incoming, count: 0, digests: Digest::default(), room })
    }

    /// What it says it is.
    pub(super) fn version(&self) -> Option<proto::Version> {
        self.begin.version.clone()
    }

    pub(super) fn add(&mut self, chunk: proto::Chunk) -> Result<(), String> {
        let proto::Chunk { items, digest } = chunk;
        if digest_of_items(&items) != *digest {
            return Err("the digest of a chunk does not fit".to_owned());
        }
        let size: usize = items.iter().map(size_of).sum();
        let left = u64::try_from(size).ok().and_then(|size| self.room.checked_sub(size));
        self.room = left.ok_or("it is larger than a node takes in")?;
        self.digests.digest(&digest);
        for item in items {
            self.count = self.count.saturating_add(1);
            self.incoming.add(item);
        }
        Ok(())
    }

    pub(super) fn finish(self, end: &proto::FullEnd) -> Result<Incoming, String> {
        let Self { begin, incoming, count, digests, room: _ } = self;
        if end.version != begin.version {
            return Err("it ends as another version than it began".to_owned());
        }
        if count != begin.resources {
            return Err(format!("it has {count} resources and promised {}", begin.resources));
        }
        if digests.finish() != *end.digest {
            return Err("its digest does not fit".to_owned());
        }
        Ok(incoming)
    }
}

/// What an item takes in memory, about.
fn size_of(item: &proto::Item) -> usize {
    let id = item.r#ref.as_ref().map_or(0, |reference| reference.id.len());
    std::mem::size_of::<proto::Item>() + id + item.resource.len()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn version(seq: u64) -> proto::Version {
        Version { cluster: [1; 16], epoch: 1, seq, hash: [2; 32] }.encode()
    }

    fn begin(resources: u64) -> proto::FullBegin {
        proto::FullBegin { version: Some(version(1)), resources, forced: false }
    }

    fn chunk(id: &str) -> proto::Chunk {
        let reference = proto::Ref { kind: proto::Kind::Team.into(), id: id.to_owned() };
        let items = vec![proto::Item { r#ref: Some(reference), resource: Bytes::from_static(b"row") }];
        let digest = Bytes::copy_from_slice(&digest_of_items(&items));
        proto::Chunk { items, digest }
    }

    fn end(chunks: &[proto::Chunk]) -> proto::FullEnd {
        let mut digest = Digest::default();
        chunks.iter().for_each(|chunk| digest.digest(&chunk.digest));
        proto::FullEnd { version: Some(version(1)), digest: Bytes::copy_from_slice(&digest.finish()) }
    }

    fn collect(
        begin: proto::FullBegin,
        chunks: Vec<proto::Chunk>,
        end: &proto::FullEnd,
    ) -> Result<Incoming, String> {
        let mut collector = Collector::begin(begin, 1000)?;
        chunks.into_iter().try_for_each(|chunk| collector.add(chunk))?;
        collector.finish(end)
    }

    #[test]
    fn what_is_whole_is_taken() {
        let chunks = vec![chunk("a"), chunk("b")];
        let end = end(&chunks);
        assert!(collect(begin(2), chunks, &end).is_ok());
    }

    #[test]
    fn what_is_odd_is_refused() {
        let refusal = |begin, chunks, end| collect(begin, chunks, &end).err().unwrap();
        let whole = || vec![chunk("a"), chunk("b")];
        assert!(refusal(begin(3), whole(), end(&whole())).contains("promised 3"));
        assert!(refusal(begin(2), whole(), end(&whole()[1..])).contains("digest does not fit"));
        let mut other = end(&whole());
        other.version = Some(version(2));
        assert!(refusal(begin(2), whole(), other).contains("another version"));
        let mut flipped = chunk("a");
        flipped.items[0].resource = Bytes::from_static(b"rov");
        assert!(refusal(begin(1), vec![flipped], end(&[chunk("a")])).contains("chunk does not fit"));
        assert!(refusal(proto::FullBegin::default(), Vec::new(), end(&[])).contains("not whole"));
        let many: Vec<_> = (0..50).map(|number| chunk(&format!("team-{number}"))).collect();
        assert!(refusal(begin(50), many, end(&[])).contains("larger"));
    }
}
