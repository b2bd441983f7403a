//! Checking server-sent events at the price of a search for line ends.

use bulkhead_testkit::stamp::Stamp;

/// What the beginning of a line is compared with; longer lines are told apart by it, too.
const PREFIX: usize = 40;

/// How far into a line a stamp is looked for.
const STAMPED: usize = 4096;

/// Lines that say that the stream is whole.
const TERMINAL: [&[u8]; 4] =
    [b"data: [DONE]", b"event: message_stop", b"event: response.completed", b"event: response.incomplete"];

/// Lines that say that it broke.
const ERROR: [&[u8]; 3] = [b"event: error", b"event: response.failed", b"data: {\"error\""];

/// Counts the events of one stream.
pub(crate) struct EventCounter {
    /// The beginning of the line that is being read.
    line: Vec<u8>,
    /// How much of a line is kept.
    keep: usize,
    has_data: bool,
    /// Complete events.
    pub(crate) events: u64,
    /// Those with a stamp, which were numbered from 0 without a gap.
    pub(crate) stamps: u64,
    /// A stamp did not follow the one before.
    pub(crate) disorder: bool,
    /// A terminal event was among them.
    pub(crate) terminal: bool,
    /// An error was among them.
    pub(crate) error: bool,
}

impl EventCounter {
    /// A stream whose pieces are stamped, or are not.
    pub(crate) fn new(stamped: bool) -> Self {
        Self {
            line: Vec::new(),
            keep: if stamped { STAMPED } else { PREFIX },
            has_data: false,
            events: 0,
            stamps: 0,
            disorder: false,
            terminal: false,
            error: false,
        }
    }

    /// Takes in the next bytes, and gives the stamps in them to `on_stamp`.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut on_stamp: impl FnMut(Stamp)) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at_checked(end + 1).unwrap_or((rest, &[]));
            self.keep(line);
            self.end_line(&mut on_stamp);
            rest = after;
        }
        self.keep(rest);
    }

    fn keep(&mut self, part: &[u8]) {
        let room = self.keep.saturating_sub(self.line.len()).min(part.len());
        self.line.extend_from_slice(part.get(..room).unwrap_or_default());
    }

    fn end_line(&mut self, on_stamp: &mut impl FnMut(Stamp)) {
        let line = self.line.trim_ascii_end();
        if line.is_empty() {
            self.events += u64::from(self.has_data);
            self.has_data = false;
        } else {
            self.has_data |= line.starts_with(b"data:");
            self.terminal |= TERMINAL.iter().any(|start| line.starts_with(start));
            self.error |= ERROR.iter().any(|start| line.starts_with(start));
        }
        if self.keep == STAMPED
            && let Some(stamp) = Stamp::find(line)
        {
            self.disorder |= stamp.number != self.stamps;
            self.stamps += 1;
            on_stamp(stamp);
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_in_any_pieces() {
        let stream = b": c\n\nevent: x\ndata: {\"a\":1}\n\ndata: 2\r\n\r\ndata: [DONE]\n\ndata: torn";
        for step in 1..stream.len() {
            let mut counter = EventCounter::new(false);
            stream.chunks(step).for_each(|part| counter.feed(part, |_| {}));
            assert_eq!((counter.events, counter.terminal, counter.error), (3, true, false), "{step}");
        }
        let mut counter = EventCounter::new(false);
        counter.feed(b"data: {\"error\":{\"message\":\"x\"}}\n\n", |_| {});
        assert!(counter.error && !counter.terminal);
    }

    /// A stream whose pieces have these numbers; piece n was sent at n + 1.
    fn stamped(numbers: &[u64]) -> String {
        let piece = |number: &u64| format!("data: {{\"content\":\"#{number:06}@{:020} \"}}\n\n", number + 1);
        numbers.iter().map(piece).collect::<String>() + "data: [DONE]\n\n"
    }

    #[test]
    fn stamps_come_out_once_in_any_pieces() {
        let stream = stamped(&[0, 1, 2]);
        for step in 1..stream.len() {
            let mut counter = EventCounter::new(true);
            let mut times = Vec::new();
            stream.as_bytes().chunks(step).for_each(|part| counter.feed(part, |it| times.push(it.nanos)));
            assert_eq!(times, [1, 2, 3], "{step}");
            assert_eq!((counter.stamps, counter.disorder), (3, false), "{step}");
        }
    }

    #[test]
    fn an_event_that_is_lost_moved_or_doubled_is_noticed() {
        for numbers in [&[1][..], &[0, 2], &[0, 2, 1], &[0, 0], &[0, 1, 1, 3]] {
            let mut counter = EventCounter::new(true);
            counter.feed(stamped(numbers).as_bytes(), |_| {});
            assert!(counter.disorder, "{numbers:?}");
        }
    }
}
