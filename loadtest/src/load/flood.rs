//! A flood of requests that are refused: more of them than a client that waits for answers can offer from one CPU.
//!
//! Requests are written many at a time (HTTP/1.1 pipelining), each with another key, and answers are only counted by
//! their status. A server that closes connections after an answer is connected to again.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

/// How often a connection gets its share of the rate.
const TICK: Duration = Duration::from_millis(2);

/// Requests on a connection that are not answered; beyond, the rate is not kept, and the figures say so.
const UNANSWERED: u64 = 512;

/// How long the last answers may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// A status line, up to its code.
const STATUS: &[u8] = b"HTTP/1.1 ";

/// Requests with bad keys, a given number a second.
pub struct Flood {
    /// Where to connect.
    pub addr: SocketAddr,
    /// Path of all requests.
    pub path: String,
    /// Body of all requests.
    pub body: String,
    /// Requests a second.
    pub rate: u64,
    /// Connections to spread them over.
    pub connections: u64,
    /// How long.
    pub duration: Duration,
}

/// What became of it.
#[derive(Debug, Default, Clone)]
pub struct Flooded {
    /// Requests written.
    pub sent: u64,
    /// Answers by status.
    pub answers: BTreeMap<u16, u64>,
    /// Connections made.
    pub connections: u64,
}

impl Flooded {
    /// Answers with this status.
    pub fn answered(&self, status: u16) -> u64 {
        self.answers.get(&status).copied().unwrap_or(0)
    }
}

impl Flood {
    /// Blocks until it is over.
    pub fn run(self) -> io::Result<Flooded> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (flood, books) = (Arc::new(self), Arc::new(Mutex::new(Flooded::default())));
            let mut tasks = JoinSet::new();
            for lane in 0..flood.connections {
                tasks.spawn(Arc::clone(&flood).drive(lane, Arc::clone(&books)));
            }
            let mut outcome = Ok(());
            while let Some(driven) = tasks.join_next().await {
                outcome = outcome.and(driven.map_err(io::Error::other).flatten());
            }
            outcome.map(|()| books.lock().clone())
        })
    }

    /// One connection after the other until the time is over.
    async fn drive(self: Arc<Self>, lane: u64, books: Arc<Mutex<Flooded>>) -> io::Result<()> {
        let end = Instant::now() + self.duration;
        let mut keys = lane << 40;
        while Instant::now() < end {
            let stream = TcpStream::connect(self.addr).await?;
            stream.set_nodelay(true)?;
            books.lock().connections += 1;
            // A reset is a server's way to close a connection on which more requests are under way.
            match self.pour(stream, &mut keys, end, &books).await {
                Err(error) if !is_closed(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes and counts on one connection until it closes or the time is over.
    async fn pour(
        &self,
        mut stream: TcpStream,
        keys: &mut u64,
        end: Instant,
        books: &Mutex<Flooded>,
    ) -> io::Result<()> {
        let (mut reader, mut writer) = stream.split();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut statuses = Statuses::default();
        let mut buffer = vec![0; 64 << 10];
        let began = Instant::now();
        let (mut sent, mut answered) = (0, 0);
        loop {
            tokio::select! {
                read = reader.read(&mut buffer) => {
                    let read = read?;
                    if read == 0 {
                        return Ok(());
                    }
                    let mut books = books.lock();
                    statuses.feed(buffer.get(..read).unwrap_or_default(), |status| {
                        *books.answers.entry(status).or_default() += 1;
                        answered += 1;
                    });
                    if Instant::now() >= end && answered >= sent {
                        return Ok(());
                    }
                }
                _ = ticks.tick() => {
                    let now = Instant::now();
                    if now >= end {
                        if answered >= sent || now > end + FAREWELL {
                            return Ok(());
                        }
                        continue;
                    }
                    let due = (now - began).as_secs_f64() * self.rate as f64 / self.connections.max(1) as f64;
                    let count = (due as u64).saturating_sub(sent).min(UNANSWERED.saturating_sub(sent - answered));
                    let requests: String = (0..count).map(|_| self.request(keys)).collect();
                    sent += count;
                    books.lock().sent += count;
                    writer.write_all(requests.as_bytes()).await?;
                }
            }
        }
    }

    fn request(&self, keys: &mut u64) -> String {
        *keys += 1;
        format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer sk-flood-{:032x}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{}",
            self.path,
            self.addr,
            keys,
            self.body.len(),
            self.body
        )
    }
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error.kind(), ConnectionReset | BrokenPipe)
}

/// Finds status codes in bytes that come in pieces.
#[derive(Default)]
struct Statuses {
    /// What may be the beginning of a status line.
    rest: Vec<u8>,
}

impl Statuses {
    fn feed(&mut self, bytes: &[u8], mut on_status: impl FnMut(u16)) {
        self.rest.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(at) = memchr::memmem::find(self.rest.get(from..).unwrap_or_default(), STATUS) {
            let code = from + at + STATUS.len();
            let Some(digits) = self.rest.get(code..code + 3) else {
                from += at;
                break;
            };
            if let Some(status) = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()) {
                on_status(status);
            }
            from = code;
        }
        let longest = STATUS.len() + 2;
        from = from.max(self.rest.len().saturating_sub(longest));
        self.rest.drain(..from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_found_in_any_pieces() {
        let answers = b"HTTP/1.1 401 Unauthorized\r\nx: HTTP/1\r\n\r\n{}HTTP/1.1 429 No\r\n\r\nHTTP/1.1 401";
        for step in 1..=answers.len() {
            let (mut statuses, mut found) = (Statuses::default(), Vec::new());
            answers.chunks(step).for_each(|part| statuses.feed(part, |status| found.push(status)));
            assert_eq!(found, [401, 429, 401], "{step}");
        }
    }
}
