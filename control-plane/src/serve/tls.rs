//! Connections by TLS: one whose handshake takes its time holds up no other.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;

pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes that are done and wait to be served.
const DONE: usize = 64;
/// After a connection that could not be accepted: there may be too many.
const AGAIN: Duration = Duration::from_millis(100);

/// Connections whose handshake is done.
pub(super) type Handshakes = ReceiverStream<io::Result<TlsStream<TcpStream>>>;

/// Shakes hands with everybody who comes, until nobody wants the connections any more.
pub(super) fn handshakes(incoming: TcpIncoming, tls: Arc<ServerConfig>) -> Handshakes {
    let (ready, done) = mpsc::channel(DONE);
    tokio::spawn(accept(incoming, TlsAcceptor::from(tls), ready));
    ReceiverStream::new(done)
}

async fn accept(
    mut incoming: TcpIncoming,
    tls: TlsAcceptor,
    ready: mpsc::Sender<io::Result<TlsStream<TcpStream>>>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = incoming.next() => accepted,
            () = ready.closed() => return,
        };
        let connection = match accepted {
            Some(Ok(connection)) => connection,
            Some(Err(_)) => {
                sleep(AGAIN).await;
                continue;
            }
            None => return,
        };
        let (tls, ready) = (tls.clone(), ready.clone());
        tokio::spawn(async move {
            if let Ok(Ok(connection)) = timeout(HANDSHAKE, tls.accept(connection)).await {
                let _ = ready.send(Ok(connection)).await;
            }
        });
    }
}
