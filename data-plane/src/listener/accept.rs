//! The accept loop: a thread and runtime of its own, so that a busy worker does not keep others from connecting.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::sync::watch;

use super::crew::Crew;

const BACKLOG: u32 = 4096;

/// A bound socket that nobody accepts on yet.
pub(crate) struct Bound {
    listener: std::net::TcpListener,
    pub(crate) address: SocketAddr,
}

/// Binds an address such as `0.0.0.0:4000`.
pub(crate) async fn bind(address: &str) -> io::Result<Bound> {
    let address = lookup_host(address)
        .await?
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the address has no meaning"))?;
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?.into_std()?;
    let address = listener.local_addr()?;
    Ok(Bound { listener, address })
}

impl Bound {
    /// The socket in the runtime that will accept on it.
    pub(crate) fn listen(self) -> io::Result<TcpListener> {
        TcpListener::from_std(self.listener)
    }

    /// Accepts until `stop` changes, and gives each connection to the least loaded worker. Clients that have connected
    /// by then are served.
    pub(crate) async fn accept(self, crew: Arc<Crew>, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let listener = self.listen()?;
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return accept_the_rest(listener, &crew),
                accepted = listener.accept() => accepted,
            };
            match accepted {
                // Each worker has a reactor of its own, so the socket leaves this one's.
                Ok((socket, peer)) => hand_over(&crew, socket.into_std(), peer),
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: connections that end will make room.
                    tracing::warn!(%error, "cannot accept connections");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// Takes those who wait already: to them the gateway has answered.
fn accept_the_rest(listener: TcpListener, crew: &Crew) -> io::Result<()> {
    let listener = listener.into_std()?;
    for _ in 0..BACKLOG {
        let Ok((socket, peer)) = listener.accept() else { break };
        hand_over(crew, socket.set_nonblocking(true).map(|()| socket), peer);
    }
    Ok(())
}

fn hand_over(crew: &Crew, socket: io::Result<TcpStream>, peer: SocketAddr) {
    match socket.and_then(|socket| socket.set_nodelay(true).map(|()| socket)) {
        Ok(socket) => crew.assign(socket, peer.ip()),
        Err(error) => tracing::debug!(%error, "a connection ended before it was served"),
    }
}

fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
