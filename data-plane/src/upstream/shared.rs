//! An HTTP/2 connection: what is known of it, and the task that drives it.
//!
//! `h2` itself is used and not hyper's client on top of it: that one spends two tasks on a request and keeps the
//! number of streams that the peer allows to its own connection task.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use tokio::time::{Instant, Interval, interval_at};

use super::counts::{Room, Slot};
use super::dial::DialError;
use super::wire::{Traffic, Wire};

/// Streams that one connection carries at most, also where its peer allows more.
pub(super) const STREAMS: usize = 100;
/// What one stream may have on its way that its client has not taken.
const STREAM_WINDOW: u32 = 256 << 10;
/// Enough for all streams of a connection, so that one whose client does not read holds up no other.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 100;
/// What `h2` may spend on keeping small frames that were not taken yet; beyond it the connection ends. Enough for as
/// many streams with full windows of small events.
const SMALL_FRAMES: usize = 64 << 20;
/// The largest head of an answer.
const HEAD: u32 = 64 << 10;
/// With requests in flight, a peer that says nothing for this long is asked for a sign of life; it has as long again.
const PING: Duration = Duration::from_secs(15);
/// How long a new connection counts as one that will say what it allows.
const SETTINGS: Duration = Duration::from_secs(10);
/// The peer has not said yet how many streams it allows. Its SETTINGS hold 32 bits.
const UNSAID: usize = usize::MAX - 1;

/// A connection that several requests use at once.
pub(super) struct Shared {
    pub(super) sender: SendRequest<Bytes>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) room: Arc<Room>,
    streams: AtomicUsize,
    /// What the peer allows.
    allowed: AtomicUsize,
    /// What the peer took when it refused one more.
    taken: AtomicUsize,
    /// It has had a request.
    pub(super) carried: AtomicBool,
    /// It takes no request any more: the peer said GOAWAY, or it broke.
    ended: AtomicBool,
    /// It was closed here, because the peer gave no sign of life.
    pub(super) silent: AtomicBool,
    pub(super) born: Instant,
    retires: Instant,
    /// Milliseconds from its birth to the end of its last stream.
    used: AtomicU64,
}

impl Shared {
    /// Opens one on this socket; the task is for the worker's own runtime.
    pub(super) async fn open(
        wire: Wire,
        slot: Slot,
        retires: Instant,
    ) -> Result<(Arc<Self>, Driver), DialError> {
        let traffic = wire.traffic();
        let (sender, mut connection) = Builder::new()
            .enable_push(false)
            .initial_max_send_streams(UNSAID)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .data_frame_budget(SMALL_FRAMES)
            .max_header_list_size(HEAD)
            .handshake::<_, Bytes>(wire)
            .await
            .map_err(DialError::connect)?;
        let born = Instant::now();
        let shared = Arc::new(Self {
            sender,
            traffic: traffic.clone(),
            room: slot.room.clone(),
            streams: AtomicUsize::new(0),
            allowed: AtomicUsize::new(UNSAID),
            taken: AtomicUsize::new(STREAMS),
            carried: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            born,
            retires,
            used: AtomicU64::new(0),
        });
        let driver = Driver {
            ping: connection.ping_pong(),
            connection,
            shared: Arc::downgrade(&shared),
            traffic,
            heard: 0,
            asked: false,
            tick: interval_at(born + PING, PING),
            _slot: slot,
        };
        Ok((shared, driver))
    }

    /// Streams it may carry: one until the peer has said how many.
    pub(super) fn limit(&self) -> usize {
        match self.allowed.load(Ordering::Relaxed) {
            UNSAID => 1,
            allowed => allowed.min(self.taken.load(Ordering::Relaxed)),
        }
    }

    /// True while it is not known, or too soon to say, how many streams it will carry.
    pub(super) fn is_young(&self, now: Instant) -> bool {
        matches!(self.allowed.load(Ordering::Relaxed), UNSAID | 0) && now < self.born + SETTINGS
    }

    pub(super) fn takes_requests(&self, now: Instant) -> bool {
        !self.has_ended() && now < self.retires
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub(super) fn has_room(&self) -> bool {
        self.streams.load(Ordering::Relaxed) < self.limit()
    }

    /// At four fifths of its limit: another connection is made before this one is full.
    pub(super) fn is_crowded(&self) -> bool {
        self.streams.load(Ordering::Relaxed).saturating_mul(5) >= self.limit().saturating_mul(4)
    }

    /// True when it is in nobody's way to close it.
    pub(super) fn is_done(&self, now: Instant, idle: Duration) -> bool {
        let used = self.born + Duration::from_millis(self.used.load(Ordering::Relaxed));
        self.has_ended()
            || self.streams.load(Ordering::Relaxed) == 0 && (now >= self.retires || now >= used + idle)
    }

    pub(super) fn begin_stream(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end_stream(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
        let used = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.used.store(used, Ordering::Relaxed);
        self.room.freed.notify_one();
    }

    /// The peer refused a stream: it takes no more than it has besides. With none besides, it was for another reason.
    pub(super) fn refused(&self) {
        let besides = self.streams.load(Ordering::Relaxed).saturating_sub(1);
        if besides > 0 {
            self.taken.fetch_min(besides, Ordering::Relaxed);
        }
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.room.freed.notify_one();
    }

    /// Looks at what the peer has said: how many streams it allows, and whether it goes away.
    fn learn(&self, allowed: usize, cx: &mut Context<'_>) {
        if self.allowed.swap(allowed, Ordering::Relaxed) != allowed {
            self.room.freed.notify_one();
        }
        if !self.has_ended() && matches!(self.sender.clone().poll_ready(cx), Poll::Ready(Err(_))) {
            self.end();
        }
    }
}

/// Drives a connection until it ends.
pub(super) struct Driver {
    connection: Connection<Wire, Bytes>,
    ping: Option<PingPong>,
    shared: Weak<Shared>,
    traffic: Arc<Traffic>,
    /// Bytes read up to the last tick.
    heard: u64,
    asked: bool,
    tick: Interval,
    _slot: Slot,
}

impl Driver {
    pub(super) async fn run(mut self) {
        std::future::poll_fn(|cx| self.poll(cx)).await;
        if let Some(shared) = self.shared.upgrade() {
            shared.end();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let outcome = Pin::new(&mut self.connection).poll(cx);
        if let Some(shared) = self.shared.upgrade() {
            shared.learn(self.connection.max_concurrent_send_streams(), cx);
        }
        if let Poll::Ready(outcome) = outcome {
            if let Err(error) = outcome {
                tracing::debug!(%error, "an HTTP/2 connection to a provider broke");
            }
            return Poll::Ready(());
        }
        while self.tick.poll_tick(cx).is_ready() {
            if self.is_dead(cx) {
                tracing::debug!("an HTTP/2 connection to a provider was closed: no sign of life");
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// True for a peer that has not answered a ping, and for a connection that nobody holds and that has not closed.
    fn is_dead(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(shared) = self.shared.upgrade() else { return true };
        let heard = self.traffic.read();
        if heard != self.heard || shared.streams.load(Ordering::Relaxed) == 0 {
            self.heard = heard;
            self.asked = false;
            return false;
        }
        if self.asked {
            shared.silent.store(true, Ordering::Relaxed);
            return true;
        }
        self.asked = true;
        if let Some(ping) = &mut self.ping {
            // The answer to the one before, which has to be taken first. It was heard already.
            let _ = ping.poll_pong(cx);
            // It fails only for a connection that is about to end.
            let _ = ping.send_ping(Ping::opaque());
        }
        false
    }
}
