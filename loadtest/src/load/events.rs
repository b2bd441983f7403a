//! Counting server-sent events at the price of a search for line ends.

/// What the beginning of a line is compared with; longer lines are told apart by it, too.
const PREFIX: usize = 40;

/// Lines that say that the stream is whole.
const TERMINAL: [&[u8]; 4] =
    [b"data: [DONE]", b"event: message_stop", b"event: response.completed", b"event: response.incomplete"];

/// Lines that say that it broke.
const ERROR: [&[u8]; 3] = [b"event: error", b"event: response.failed", b"data: {\"error\""];

/// Counts the events of one stream.
#[derive(Default)]
pub(crate) struct EventCounter {
    /// The beginning of the line that is being read.
    line: Vec<u8>,
    has_data: bool,
    /// Complete events.
    pub(crate) events: u64,
    /// A terminal event was among them.
    pub(crate) terminal: bool,
    /// An error was among them.
    pub(crate) error: bool,
}

impl EventCounter {
    /// Takes in the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at_checked(end + 1).unwrap_or((rest, &[]));
            self.keep(line);
            self.end_line();
            rest = after;
        }
        self.keep(rest);
    }

    fn keep(&mut self, part: &[u8]) {
        let room = PREFIX.saturating_sub(self.line.len()).min(part.len());
        self.line.extend_from_slice(part.get(..room).unwrap_or_default());
    }

    fn end_line(&mut self) {
        let line = self.line.trim_ascii_end();
        if line.is_empty() {
            self.events += u64::from(self.has_data);
            self.has_data = false;
        } else {
            self.has_data |= line.starts_with(b"data:");
            self.terminal |= TERMINAL.iter().any(|start| line.starts_with(start));
            self.error |= ERROR.iter().any(|start| line.starts_with(start));
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
            let mut counter = EventCounter::default();
            stream.chunks(step).for_each(|part| counter.feed(part));
            assert_eq!((counter.events, counter.terminal, counter.error), (3, true, false), "{step}");
        }
        let mut counter = EventCounter::default();
        counter.feed(b"data: {\"error\":{\"message\":\"x\"}}\n\n");
        assert!(counter.error && !counter.terminal);
    }
}
