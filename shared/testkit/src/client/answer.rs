//! Answers: every byte, the times they came, and what they mean.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::sse::{SseEvent, events};

/// How the reading of an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The answer is whole.
    Complete,
    /// The connection ended in an orderly way, the answer did not.
    Eof,
    /// The connection was reset.
    Reset,
    /// The answer is no HTTP.
    Malformed,
    /// The client's patience was at its end.
    TimedOut,
    /// The caller had enough.
    Stopped,
    /// Anything else.
    Failed(io::ErrorKind),
}

impl End {
    pub(super) fn of(error: &io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match error.kind() {
            ConnectionReset | BrokenPipe | ConnectionAborted => Self::Reset,
            other => Self::Failed(other),
        }
    }
}

/// One read from the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// Since the client began to send the request.
    pub after: Duration,
    /// Bytes read.
    pub bytes: usize,
}

/// An answer, or as much of it as came.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status; 0 where no whole head came.
    pub status: u16,
    /// Header names (as spelled) and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// The bytes as they came, head and framing included.
    pub raw: Vec<u8>,
    /// When they came.
    pub reads: Vec<Read>,
    /// How it ended.
    pub end: End,
}

impl Answer {
    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as server-sent events.
    pub fn events(&self) -> Vec<SseEvent> {
        events(&self.body)
    }

    /// When the first byte came.
    pub fn first_byte(&self) -> Option<Duration> {
        self.reads.first().map(|read| read.after)
    }
}

/// Reads an answer as it comes.
#[derive(Clone)]
pub struct Reader {
    raw: Vec<u8>,
    reads: Vec<Read>,
    start: Instant,
    head: Option<Head>,
    body: Vec<u8>,
    /// Bytes of `raw` that are understood.
    used: usize,
    broken: bool,
    done: bool,
}

#[derive(Clone)]
struct Head {
    status: u16,
    headers: Vec<(String, String)>,
    framing: Framing,
}

#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClosed,
}

impl Reader {
    pub(super) fn new(rest: Vec<u8>, start: Instant) -> Self {
        let mut reader = Self {
            raw: Vec::new(),
            reads: Vec::new(),
            start,
            head: None,
            body: Vec::new(),
            used: 0,
            broken: false,
            done: false,
        };
        if !rest.is_empty() {
            reader.feed(&rest, start);
        }
        reader
    }

    /// The status, once the head is there.
    pub fn status(&self) -> Option<u16> {
        self.head.as_ref().map(|head| head.status)
    }

    /// Every byte so far.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The body so far, without its framing.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The complete events so far.
    pub fn events(&self) -> Vec<SseEvent> {
        events(&self.body)
    }

    pub(super) fn feed(&mut self, bytes: &[u8], now: Instant) {
        self.raw.extend_from_slice(bytes);
        self.reads.push(Read { after: now.duration_since(self.start), bytes: bytes.len() });
        if self.understand().is_none() {
            self.broken = true;
        }
    }

    pub(super) fn end(&self) -> Option<End> {
        match (self.broken, self.done) {
            (true, _) => Some(End::Malformed),
            (_, true) => Some(End::Complete),
            _ => None,
        }
    }

    /// The connection ended: for a body without framing that is the end of the body.
    pub(super) fn at_eof(&self) -> End {
        match &self.head {
            Some(Head { framing: Framing::UntilClosed, .. }) => End::Complete,
            _ => End::Eof,
        }
    }

    pub(super) fn finish(self, end: End) -> (Answer, Vec<u8>) {
        let mut raw = self.raw;
        let rest = if self.done { raw.split_off(self.used) } else { Vec::new() };
        let (status, headers) = self.head.map(|head| (head.status, head.headers)).unwrap_or_default();
        (Answer { status, headers, body: self.body, raw, reads: self.reads, end }, rest)
    }

    /// Takes in what is new; `None` when it is no HTTP.
    fn understand(&mut self) -> Option<()> {
        while self.head.is_none() {
            let unread = self.raw.get(self.used..)?;
            let Some(end) = memchr::memmem::find(unread, b"\r\n\r\n") else { return Some(()) };
            let head = Head::parse(unread.get(..end)?)?;
            self.used += end + 4;
            // `100 Continue` and its kind come before the answer.
            if head.status >= 200 {
                self.head = Some(head);
            }
        }
        match self.head.as_ref()?.framing {
            Framing::Length(length) => {
                let wanted = length - self.body.len();
                let unread = self.raw.get(self.used..)?;
                let taken = unread.get(..wanted.min(unread.len()))?;
                self.body.extend_from_slice(taken);
                self.used += taken.len();
                self.done = self.body.len() == length;
            }
            Framing::UntilClosed => {
                self.body.extend_from_slice(self.raw.get(self.used..)?);
                self.used = self.raw.len();
            }
            Framing::Chunked => while self.chunk()? {},
        }
        Some(())
    }

    /// Takes one whole chunk; false when there is none yet.
    fn chunk(&mut self) -> Option<bool> {
        let unread = self.raw.get(self.used..)?;
        let Some(line) = memchr::memmem::find(unread, b"\r\n").filter(|_| !self.done) else {
            return Some(false);
        };
        let size = std::str::from_utf8(unread.get(..line)?).ok()?.split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let data = line + 2;
        let Some(chunk) = unread.get(data..data + size + 2) else { return Some(false) };
        let (chunk, ending) = chunk.split_at_checked(size)?;
        if ending != b"\r\n" {
            return None;
        }
        self.body.extend_from_slice(chunk);
        self.used += data + size + 2;
        self.done = size == 0;
        Some(!self.done)
    }
}

impl Head {
    fn parse(head: &[u8]) -> Option<Self> {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let mut line = lines.next()?.split(' ');
        if !line.next()?.starts_with("HTTP/1.") {
            return None;
        }
        let status = line.next()?.parse().ok()?;
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        let headers: Vec<_> = lines.map(header).collect::<Option<_>>()?;
        let find = |name: &str| {
            headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let framing = match (find("transfer-encoding"), find("content-length")) {
            _ if status == 204 || status == 304 || status < 200 => Framing::Length(0),
            (Some(encoding), _) if encoding.eq_ignore_ascii_case("chunked") => Framing::Chunked,
            (_, Some(length)) => Framing::Length(length.parse().ok()?),
            _ => Framing::UntilClosed,
        };
        Some(Self { status, headers, framing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &[u8], step: usize) -> (Answer, Vec<u8>) {
        let now = Instant::now();
        let mut reader = Reader::new(Vec::new(), now);
        raw.chunks(step).for_each(|part| reader.feed(part, now));
        let end = reader.end().unwrap_or(End::Stopped);
        reader.finish(end)
    }

    #[test]
    fn answers_are_read_in_any_pieces() {
        let raw =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n\
            5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\nHTTP/1.1 404";
        for step in 1..raw.len() {
            let (answer, rest) = read(raw, step);
            assert_eq!((answer.status, answer.text().as_str(), answer.end), (200, "hello!", End::Complete));
            assert_eq!((answer.header("x-a"), rest.as_slice()), (Some("b"), &b"HTTP/1.1 404"[..]));
        }
    }

    #[test]
    fn half_an_answer_is_none() {
        let (answer, _) = read(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", 7);
        assert_eq!((answer.status, answer.text().as_str(), answer.end), (200, "hel", End::Stopped));
        let (answer, _) = read(b"SMTP ready\r\n\r\n", 100);
        assert_eq!(answer.end, End::Malformed);
    }
}
