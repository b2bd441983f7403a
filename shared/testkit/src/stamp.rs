//! Numbers and times in pieces of text: `#000007@00000001234567890123 ` is piece 7, sent at that time.
//!
//! The time is the machine's monotonic clock in nanoseconds, so that a process that receives the text on the same
//! machine can tell how long it was on its way. It is text among text: what stands between has no reason to change it.
//! The time is put in when the piece is sent, in the place of as many zeros, so that nothing changes its length.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Digits of the number.
const NUMBER: usize = 6;

/// Digits of the time.
const TIME: usize = 20;

/// From the `#` to the last digit of the time.
const LENGTH: usize = 1 + NUMBER + 1 + TIME;

/// One piece, as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Its place in the stream, from 0.
    pub number: u64,
    /// When it was sent, on the clock of [`now`].
    pub nanos: u64,
}

impl Stamp {
    /// The first stamp in a text.
    pub fn find(text: &[u8]) -> Option<Self> {
        next(text, 0).map(|(_, stamp)| stamp)
    }
}

/// The machine's monotonic clock, in nanoseconds.
pub fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let part = |part: i64| u64::try_from(part).unwrap_or(0);
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

/// So many pieces, not yet sent.
pub(crate) fn pieces(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("#{number:0NUMBER$}@{:0TIME$} ", 0)).collect()
}

/// Puts the time into the pieces that have none yet.
pub(crate) fn put(text: Bytes) -> Bytes {
    let mut text = BytesMut::from(text);
    let time = format!("{:0TIME$}", now());
    let mut from = 0;
    while let Some((range, stamp)) = next(&text, from) {
        from = range.end;
        if stamp.nanos == 0
            && let Some(place) = text.get_mut(range.end - TIME..range.end)
        {
            place.copy_from_slice(time.as_bytes());
        }
    }
    text.freeze()
}

/// The next stamp and where it stands.
fn next(text: &[u8], from: usize) -> Option<(Range<usize>, Stamp)> {
    let rest = text.get(from..)?;
    memchr::memchr_iter(b'#', rest).find_map(|at| {
        let (number, time) = rest.get(at + 1..at + LENGTH)?.split_at_checked(NUMBER)?;
        let stamp = Stamp { number: digits(number)?, nanos: digits(time.strip_prefix(b"@")?)? };
        Some((from + at..from + at + LENGTH, stamp))
    })
}

fn digits(text: &[u8]) -> Option<u64> {
    // `parse` would take a sign.
    let all = text.iter().all(u8::is_ascii_digit);
    all.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_put_once_and_found_again() {
        let [first, second] = pieces(2).try_into().unwrap();
        let before = now();
        let sent = put(Bytes::from(format!("{{\"a\":\"#x {first}{second}\"}}")));
        let Stamp { number, nanos } = Stamp::find(&sent).unwrap();
        assert_eq!(number, 0);
        assert!((before..=now()).contains(&nanos));
        assert_eq!(sent.len(), first.len() * 2 + 11);
        let behind = Stamp::find(&sent[10..]).unwrap();
        assert_eq!(behind, Stamp { number: 1, nanos });
        assert_eq!(put(sent.clone()), sent);
    }

    #[test]
    fn what_only_looks_like_a_stamp_is_none() {
        for text in ["", "#", "#000001", "#00000a@00000000000000000001", "#000001 00000000000000000001"] {
            assert_eq!(Stamp::find(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Stamp::find(b"##000001@+0000000000000000001"), None);
    }
}
