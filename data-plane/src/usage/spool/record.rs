//! What is in the frames of a segment: exchanges that were begun, and events.
//!
//! A frame is an incarnation, the number of its first event, and records: a kind, the number of the exchange, a length
//! (four bytes, big endian) and an encoded event. An open record holds the event as it would be if the process died.

use bytes::Bytes;

use super::Incarnation;

const OPEN: u8 = 1;
const EVENT: u8 = 2;

/// What an event takes at least. It tells how many may be in what cannot be read.
pub(super) const SMALLEST: u64 = 64;

/// The number of an exchange, and an event that is encoded.
pub(super) type Of = (u64, Bytes);

/// A frame that is put together.
pub(super) struct Content(Vec<u8>);

impl Content {
    pub(super) fn new(incarnation: Incarnation, first: u64) -> Self {
        let mut bytes = incarnation.0.to_vec();
        bytes.extend_from_slice(&first.to_be_bytes());
        Self(bytes)
    }

    pub(super) fn open(&mut self, exchange: u64, event: &[u8]) {
        self.record(OPEN, exchange, event);
    }

    /// An event, which ends the exchange. Its number is the next one.
    pub(super) fn event(&mut self, exchange: u64, event: &[u8]) {
        self.record(EVENT, exchange, event);
    }

    fn record(&mut self, kind: u8, exchange: u64, event: &[u8]) {
        self.0.push(kind);
        self.0.extend_from_slice(&exchange.to_be_bytes());
        // Texts are cut: an event is far from this long.
        self.0.extend_from_slice(&u32::try_from(event.len()).unwrap_or_default().to_be_bytes());
        self.0.extend_from_slice(event);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A frame that was read.
pub(super) struct Frame {
    pub(super) incarnation: Incarnation,
    /// The number of its first event, also where it has none.
    pub(super) first: u64,
    pub(super) opens: Vec<Of>,
    pub(super) events: Vec<Of>,
}

impl Frame {
    /// `None` where it is not what a frame of the spool is.
    pub(super) fn parse(content: Vec<u8>) -> Option<Self> {
        let mut rest = Bytes::from(content);
        let incarnation = Incarnation::decode(&take(&mut rest, 16)?)?;
        let first = number(&mut rest)?;
        let (mut opens, mut events) = (Vec::new(), Vec::new());
        while !rest.is_empty() {
            let kind = take(&mut rest, 1)?;
            let exchange = number(&mut rest)?;
            let len = u32::from_be_bytes(take(&mut rest, 4)?.as_ref().try_into().ok()?);
            let event = take(&mut rest, usize::try_from(len).ok()?)?;
            match *kind.first()? {
                OPEN => opens.push((exchange, event)),
                EVENT => events.push((exchange, event)),
                _ => return None,
            }
        }
        Some(Self { incarnation, first, opens, events })
    }
}

fn take(rest: &mut Bytes, len: usize) -> Option<Bytes> {
    (len <= rest.len()).then(|| rest.split_to(len))
}

fn number(rest: &mut Bytes) -> Option<u64> {
    Some(u64::from_be_bytes(take(rest, 8)?.as_ref().try_into().ok()?))
}
