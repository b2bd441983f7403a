//! The proxy's door: open, stuck, or shut.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use super::mode::Mode;
use super::{Counters, Setting, flow};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A connection that is not made within this time finds the backlog full.
const FULL: Duration = Duration::from_millis(100);

/// The listener and what its connections share.
pub(crate) struct Door {
    pub(crate) addr: SocketAddr,
    pub(crate) upstream: SocketAddr,
    pub(crate) settings: watch::Receiver<Setting>,
    pub(crate) counters: Arc<Counters>,
    /// Connections of the proxy to itself that filled the backlog.
    pub(crate) own: HashSet<SocketAddr>,
    /// A generation of the setting, and the connections taken in since it began.
    pub(crate) counted: (u64, u64),
}

/// Binds an address that a listener of this process may have had a moment ago.
fn bind(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

/// Binds and listens.
pub(crate) fn listen(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl Door {
    /// Serves until the proxy is dropped; an error only where the port is lost.
    pub(crate) async fn serve(mut self, listener: std::net::TcpListener) -> io::Result<()> {
        let mut listener = TcpListener::from_std(listener)?;
        loop {
            let mode = self.settings.borrow_and_update().mode;
            match mode {
                Mode::Refuse => {
                    drop(listener);
                    // Bound but not listening: the port stays ours, and whoever connects is refused.
                    let held = bind(self.addr)?;
                    self.while_in(Mode::Refuse).await?;
                    listener = held.listen(BACKLOG)?;
                }
                Mode::StopAccepting => self.stick(&listener).await?,
                _ => {
                    let accepted = tokio::select! {
                        changed = self.settings.changed() => {
                            changed.map_err(io::Error::other)?;
                            continue;
                        }
                        accepted = listener.accept() => accepted,
                    };
                    if let Ok((client, from)) = accepted
                        && !self.own.remove(&from)
                    {
                        self.admit(client);
                    }
                }
            }
        }
    }

    async fn while_in(&mut self, mode: Mode) -> io::Result<()> {
        self.settings.wait_for(|setting| setting.mode != mode).await.map_err(io::Error::other)?;
        Ok(())
    }

    /// Takes a connection in. The mode may have changed while it was accepted, and the newer one holds.
    fn admit(&mut self, client: TcpStream) {
        self.counters.connections.fetch_add(1, Ordering::Relaxed);
        let setting = *self.settings.borrow();
        if self.counted.0 != setting.generation {
            self.counted = (setting.generation, 0);
        }
        self.counted.1 += 1;
        let is_cut = match setting.mode {
            Mode::CutEvery(k) => self.counted.1.is_multiple_of(k),
            mode => mode == Mode::Refuse,
        };
        if is_cut {
            self.counters.resets.fetch_add(1, Ordering::Relaxed);
            let _ = client.set_zero_linger();
            return;
        }
        let counters = Arc::clone(&self.counters);
        counters.open.fetch_add(1, Ordering::Relaxed);
        let carried =
            flow::carry(client, self.upstream, self.settings.clone(), Arc::clone(&counters), setting.resets);
        tokio::spawn(async move {
            carried.await;
            counters.open.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// Accepts nothing and fills the backlog with connections of its own, so that the kernel drops what comes.
    async fn stick(&mut self, listener: &TcpListener) -> io::Result<()> {
        SockRef::from(listener).listen(0)?;
        let mut fillers = Vec::new();
        while let Ok(filler) = tokio::time::timeout(FULL, TcpStream::connect(self.addr)).await {
            let filler = filler?;
            self.own.insert(filler.local_addr()?);
            fillers.push(filler);
        }
        self.while_in(Mode::StopAccepting).await?;
        drop(fillers);
        SockRef::from(listener).listen(BACKLOG.cast_signed())?;
        Ok(())
    }
}
