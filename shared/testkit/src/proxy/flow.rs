//! One connection through the proxy: two pumps that ask before every piece what is to be done with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::Instant;

use super::mode::{Direction, Mode};
use super::{Counters, Setting};

/// Bytes that one read takes.
const PIECE: usize = 16 << 10;

/// Bytes that a black hole takes from one side before it stops reading.
const HELD: usize = 1 << 20;

/// A bandwidth is kept in this many steps a second.
const STEPS: u64 = 50;

/// The connection is to be reset on both sides.
struct Broken;

/// What both pumps of a connection know.
struct Flow {
    counters: Arc<Counters>,
    /// Something was asked since the last response began.
    asked: AtomicBool,
    last_byte: Mutex<Instant>,
    forgotten: AtomicBool,
    /// Resets ordered before this connection began.
    resets: u64,
}

impl Flow {
    fn is_forgotten(&self) -> bool {
        self.forgotten.load(Ordering::Relaxed)
    }
}

/// Carries one connection, which was taken in after so many orders to reset, until it ends.
pub(crate) async fn carry(
    mut client: TcpStream,
    upstream: SocketAddr,
    mut settings: watch::Receiver<Setting>,
    counters: Arc<Counters>,
    resets: u64,
) {
    let Some(held) = wait_out(&mut client, &mut settings).await else { return };
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        // The client of a proxy whose upstream is down sees the connection break.
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let flow = Flow {
        counters,
        asked: AtomicBool::new(false),
        last_byte: Mutex::new(Instant::now()),
        forgotten: AtomicBool::new(false),
        resets,
    };
    let (client_reads, client_writes) = client.split();
    let (server_reads, server_writes) = server.split();
    let up = Pump::new(&flow, settings.clone(), Direction::Request, client_reads, server_writes, held);
    let down = Pump::new(&flow, settings, Direction::Response, server_reads, client_writes, Vec::new());
    if tokio::try_join!(up.run(), down.run()).is_err() {
        flow.counters.resets.fetch_add(1, Ordering::Relaxed);
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// While the proxy is a black hole, the client is read and the upstream hears nothing, not even a connection. Gives
/// what the client sent meanwhile; `None` when it left.
async fn wait_out(client: &mut TcpStream, settings: &mut watch::Receiver<Setting>) -> Option<Vec<u8>> {
    let mut held = Vec::new();
    while settings.borrow_and_update().mode == Mode::Blackhole {
        tokio::select! {
            changed = settings.changed() => changed.ok()?,
            read = client.read_buf(&mut held), if held.len() < HELD => match read {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            },
        }
    }
    Some(held)
}

/// Carries one direction.
struct Pump<'a> {
    flow: &'a Flow,
    settings: watch::Receiver<Setting>,
    setting: Setting,
    direction: Direction,
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    /// Read and not yet written.
    held: Vec<u8>,
    /// Bytes that went through since the mode was set.
    passed: u64,
    /// The sender has ended.
    ended: bool,
    /// The receiver has been told that it is the end.
    shut: bool,
}

impl<'a> Pump<'a> {
    fn new(
        flow: &'a Flow,
        settings: watch::Receiver<Setting>,
        direction: Direction,
        from: ReadHalf<'a>,
        to: WriteHalf<'a>,
        held: Vec<u8>,
    ) -> Self {
        let setting = *settings.borrow();
        Self { flow, settings, setting, direction, from, to, held, passed: 0, ended: false, shut: false }
    }

    async fn run(mut self) -> Result<(), Broken> {
        loop {
            self.refresh()?;
            if self.flow.is_forgotten() {
                self.swallow().await;
            } else if self.shut {
                self.held.clear();
                if self.ended {
                    return Ok(());
                }
                self.read().await?;
            } else if self.is_to_close() {
                self.shut().await?;
            } else if self.setting.mode == Mode::Blackhole {
                self.read().await?;
            } else if !self.held.is_empty() {
                self.write().await?;
            } else if self.ended {
                return self.shut().await;
            } else {
                self.read().await?;
            }
        }
    }

    /// Takes in a new setting; a new mode counts from zero.
    fn refresh(&mut self) -> Result<(), Broken> {
        let setting = *self.settings.borrow_and_update();
        if setting.generation != self.setting.generation {
            self.passed = 0;
        }
        self.setting = setting;
        if setting.resets == self.flow.resets { Ok(()) } else { Err(Broken) }
    }

    fn is_to_close(&self) -> bool {
        matches!(self.setting.mode, Mode::HalfClose { direction, bytes }
            if direction == self.direction && self.passed >= bytes)
    }

    async fn shut(&mut self) -> Result<(), Broken> {
        self.shut = true;
        self.to.shutdown().await.map_err(|_| Broken)
    }

    /// Waits for bytes, a change of mode, or the time at which an idle connection is forgotten.
    async fn read(&mut self) -> Result<(), Broken> {
        let forget_at = match self.setting.mode {
            Mode::IdleForget(idle) => Some(*self.flow.last_byte.lock() + idle),
            _ => None,
        };
        let room = self.held.len() < HELD && !self.ended;
        let mut piece = Vec::with_capacity(PIECE);
        tokio::select! {
            biased;
            changed = self.settings.changed() => changed.map_err(|_| Broken),
            () = until(forget_at) => {
                self.forget_if_idle(forget_at);
                Ok(())
            }
            read = self.from.read_buf(&mut piece), if room => {
                match read {
                    Ok(0) => self.ended = true,
                    Ok(_) => self.took(&piece),
                    Err(_) => return Err(Broken),
                }
                Ok(())
            }
        }
    }

    fn took(&mut self, piece: &[u8]) {
        *self.flow.last_byte.lock() = Instant::now();
        let counter = match self.direction {
            Direction::Request => &self.flow.counters.from_client,
            Direction::Response => &self.flow.counters.from_upstream,
        };
        counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
        self.held.extend_from_slice(piece);
    }

    /// The other direction may have carried something while this one waited.
    fn forget_if_idle(&self, was_due: Option<Instant>) {
        let Mode::IdleForget(idle) = self.setting.mode else { return };
        if was_due == Some(*self.flow.last_byte.lock() + idle)
            && !self.flow.forgotten.swap(true, Ordering::Relaxed)
        {
            self.flow.counters.forgotten.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A forgotten connection: what comes is lost, an end is not told.
    async fn swallow(&mut self) {
        let mut lost = Vec::with_capacity(PIECE);
        loop {
            lost.clear();
            match self.from.read_buf(&mut lost).await {
                Ok(0) | Err(_) => std::future::pending().await,
                Ok(_) => {}
            }
        }
    }

    /// Lets through as much of what is held as the mode allows at once.
    async fn write(&mut self) -> Result<(), Broken> {
        let own = self.direction;
        if own == Direction::Response && !self.wait_turn().await {
            return Ok(());
        }
        let mine = move |direction: Direction| direction == own;
        let mut size = self.held.len();
        let mut pause = Duration::ZERO;
        match self.setting.mode {
            Mode::ResetAfter { direction, bytes } if mine(direction) => {
                size = size.min(usize::try_from(bytes - self.passed).unwrap_or(usize::MAX));
            }
            Mode::HalfClose { direction, bytes } if mine(direction) => {
                size = size.min(usize::try_from(bytes - self.passed).unwrap_or(usize::MAX));
            }
            Mode::Bandwidth(rate) => {
                let rate = rate.max(1);
                size = size.min(usize::try_from(rate.div_ceil(STEPS)).unwrap_or(usize::MAX));
                pause = Duration::from_secs(1).mul_f64(size as f64 / rate as f64);
            }
            Mode::Corrupt { offset } if mine(Direction::Response) => {
                let at = offset.checked_sub(self.passed).and_then(|at| usize::try_from(at).ok());
                if let Some(byte) = at.and_then(|at| self.held.get_mut(at)) {
                    *byte ^= 0x80;
                }
            }
            _ => {}
        }
        self.pass(size).await?;
        if matches!(self.setting.mode, Mode::ResetAfter { direction, bytes } if mine(direction) && self.passed >= bytes)
        {
            return Err(Broken);
        }
        self.pause(pause).await;
        Ok(())
    }

    async fn pass(&mut self, size: usize) -> Result<(), Broken> {
        let rest = self.held.split_off(size);
        let piece = std::mem::replace(&mut self.held, rest);
        self.to.write_all(&piece).await.map_err(|_| Broken)?;
        self.passed += piece.len() as u64;
        if self.direction == Direction::Request {
            self.flow.asked.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Waits before the first bytes of a response; false when the mode changed meanwhile.
    async fn wait_turn(&mut self) -> bool {
        if !self.flow.asked.swap(false, Ordering::Relaxed) {
            return true;
        }
        let wait = match self.setting.mode {
            Mode::Delay(wait) => wait,
            Mode::Ramp { step, max } => {
                let before = self.flow.counters.ramped.fetch_add(1, Ordering::Relaxed);
                step.saturating_mul(u32::try_from(before + 1).unwrap_or(u32::MAX)).min(max)
            }
            _ => Duration::ZERO,
        };
        self.pause(wait).await
    }

    /// False when the mode changed before the time was over.
    async fn pause(&mut self, time: Duration) -> bool {
        if time.is_zero() {
            return true;
        }
        tokio::select! {
            () = tokio::time::sleep(time) => true,
            _ = self.settings.changed() => {
                // The change is to be seen again by the loop.
                self.settings.mark_changed();
                false
            }
        }
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
