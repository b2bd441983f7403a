//! The last deltas, one after the other.

use std::collections::VecDeque;

use bulkhead_snapshot::Version;

use super::Frame;

const DELTAS: usize = 512;
const BYTES: usize = 32 << 20;

/// A bounded number of deltas, each of which goes on where the one before it ended.
#[derive(Default)]
pub(super) struct Ring {
    deltas: VecDeque<Delta>,
    bytes: usize,
}

struct Delta {
    from: Version,
    to: Version,
    frame: Frame,
}

impl Ring {
    /// Adds a delta; the oldest go where there is no room.
    pub(super) fn push(&mut self, from: Version, to: Version, frame: Frame) {
        if self.deltas.back().is_some_and(|last| last.to != from) {
            self.clear();
        }
        self.bytes += frame.len();
        self.deltas.push_back(Delta { from, to, frame });
        while self.deltas.len() > DELTAS || self.bytes > BYTES {
            let Some(oldest) = self.deltas.pop_front() else { break };
            self.bytes -= oldest.frame.len();
        }
    }

    pub(super) fn clear(&mut self) {
        self.deltas.clear();
        self.bytes = 0;
    }

    /// What comes after a point, and where it leads; `None` where the point is not in the ring.
    pub(super) fn after(&self, point: &Version) -> Option<(Vec<Frame>, Version)> {
        let first = self.deltas.binary_search_by_key(&point.seq, |delta| delta.from.seq).ok()?;
        self.deltas.get(first).filter(|delta| delta.from == *point)?;
        let frames = self.deltas.range(first..).map(|delta| delta.frame.clone()).collect();
        Some((frames, self.deltas.back()?.to))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn version(seq: u64) -> Version {
        Version { cluster: [0; 16], epoch: 1, seq, hash: [u8::try_from(seq % 251).unwrap(); 32] }
    }

    fn ring(from: u64, to: u64, size: usize) -> Ring {
        let mut ring = Ring::default();
        for seq in from..to {
            ring.push(version(seq), version(seq + 1), Frame(Bytes::from(vec![0; size])));
        }
        ring
    }

    #[test]
    fn what_comes_after_a_point_is_whole_or_not_there() {
        let mut ring = ring(5, 9, 10);
        assert_eq!(ring.after(&version(5)).map(|(frames, to)| (frames.len(), to)), Some((4, version(9))));
        assert_eq!(ring.after(&version(8)).map(|(frames, to)| (frames.len(), to)), Some((1, version(9))));
        for none in [version(4), version(9), Version { hash: [9; 32], ..version(6) }] {
            assert!(ring.after(&none).is_none(), "{none}");
        }
        ring.push(version(20), version(22), Frame(Bytes::new()));
        assert!(ring.after(&version(8)).is_none());
        assert_eq!(ring.after(&version(20)).map(|(frames, to)| (frames.len(), to)), Some((1, version(22))));
    }

    #[test]
    fn it_is_bounded_in_number_and_size() {
        let many = ring(0, 2000, 1);
        assert_eq!(many.deltas.len(), DELTAS);
        let large = ring(0, 100, 1 << 20);
        assert!(
            large.bytes <= BYTES
                && large.bytes == large.deltas.iter().map(|delta| delta.frame.len()).sum::<usize>()
        );
    }
}
