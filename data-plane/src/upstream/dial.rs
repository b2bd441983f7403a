//! Opening a connection: every address of a host, with a stagger, then TLS.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_snapshot::Target;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::wire::Wire;

/// The longest time for name, TCP and TLS together.
pub(super) const CONNECT: Duration = Duration::from_secs(10);
/// The next address is tried when the one before has not answered for this long (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);
/// A connection that failed is tried once more after this pause: long enough for a process that restarts behind its
/// port, too short to be noticed where nobody listens.
const AGAIN: Duration = Duration::from_millis(50);

/// Why there is no connection. The text is for logs: it may name hosts. All who waited for one attempt get the same.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum DialError {
    #[error("the name was not found: {0}")]
    Name(Arc<io::Error>),
    #[error("no address accepted a connection: {0}")]
    Connect(Arc<io::Error>),
    #[error("TLS failed: {0}")]
    Tls(Arc<io::Error>),
    #[error("no connection within {} s", CONNECT.as_secs())]
    Timeout,
    #[error("too many requests wait for a connection to this host")]
    Full,
}

impl DialError {
    pub(super) fn connect(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Connect(Arc::new(io::Error::other(error)))
    }

    fn tls(error: io::Error) -> Self {
        Self::Tls(Arc::new(error))
    }

    /// False for what the next attempt would meet again: what rustls says of certificates and protocols.
    fn may_pass(&self) -> bool {
        match self {
            Self::Name(_) | Self::Connect(_) => true,
            Self::Tls(error) => error.kind() != io::ErrorKind::InvalidData,
            Self::Timeout | Self::Full => false,
        }
    }
}

/// What makes connections: a `Dialer`, or a test that plays the other end.
pub(crate) trait Connect: Send + Sync {
    /// Connects until the deadline.
    fn connect<'a>(&'a self, target: &'a Target, deadline: Instant) -> Dialling<'a>;
}

pub(crate) type Dialling<'a> = Pin<Box<dyn Future<Output = Result<Wire, DialError>> + Send + 'a>>;

impl Connect for Dialer {
    fn connect<'a>(&'a self, target: &'a Target, deadline: Instant) -> Dialling<'a> {
        Box::pin(self.dial(target, deadline))
    }
}

/// Opens connections.
pub(crate) struct Dialer {
    tls: TlsConnector,
}

impl Dialer {
    /// Trusts the system's certificate authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured), or the bundled
    /// ones where the system has none. Takes HTTP/2 where a provider speaks it.
    pub(crate) fn new() -> Self {
        Self::offering(&["h2", "http/1.1"], system_roots())
    }

    /// Trusts these authorities, and asks for this protocol where there is TLS.
    pub(crate) fn speaking(protocol: &str, roots: RootCertStore) -> Self {
        Self::offering(&[protocol], roots)
    }

    fn offering(protocols: &[&str], roots: RootCertStore) -> Self {
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Self { tls: TlsConnector::from(Arc::new(config)) }
    }

    /// Connects, within ten seconds or the caller's deadline.
    pub(crate) async fn dial(&self, target: &Target, deadline: Instant) -> Result<Wire, DialError> {
        let deadline = deadline.min(Instant::now() + CONNECT);
        timeout_at(deadline, self.dial_patiently(target)).await.map_err(|_| DialError::Timeout)?
    }

    async fn dial_patiently(&self, target: &Target) -> Result<Wire, DialError> {
        match self.dial_once(target).await {
            Err(error) if error.may_pass() => {
                tracing::debug!(host = %target.host, %error, "connecting once more");
                sleep(AGAIN).await;
                self.dial_once(target).await
            }
            outcome => outcome,
        }
    }

    async fn dial_once(&self, target: &Target) -> Result<Wire, DialError> {
        let found = tokio::net::lookup_host((&*target.host, target.port)).await;
        let addresses: Vec<_> = found.map_err(|error| DialError::Name(Arc::new(error)))?.collect();
        let socket = first_to_connect(&addresses).await.map_err(DialError::connect)?;
        socket.set_nodelay(true).map_err(DialError::connect)?;
        if !target.https {
            return Ok(Wire::plain(socket));
        }
        let name = ServerName::try_from(target.host.to_string())
            .map_err(|error| DialError::tls(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        self.tls.connect(name, socket).await.map(Wire::tls).map_err(DialError::tls)
    }
}

/// What the system trusts, or the bundled authorities where it trusts none.
pub(crate) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// Tries the addresses in turn: the next one when the one before has failed, or says nothing for a while.
async fn first_to_connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut untried = addresses.iter();
    let mut tries = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        tries.extend(untried.next().map(TcpStream::connect));
        let outcome = if untried.len() == 0 {
            tries.next().await
        } else {
            let Ok(outcome) = timeout(STAGGER, tries.next()).await else { continue };
            outcome
        };
        match outcome {
            Some(Ok(socket)) => return Ok(socket),
            Some(Err(error)) => last = error,
            None => return Err(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        (listener, addr)
    }

    fn target(https: bool, addr: SocketAddr) -> Target {
        Target { https, host: addr.ip().to_string().into(), port: addr.port() }
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_followed_by_the_next() {
        let (closed, refusing) = listener().await;
        drop(closed);
        let (_listener, open) = listener().await;
        let socket = first_to_connect(&[refusing, open]).await.unwrap();
        assert_eq!(socket.peer_addr().unwrap(), open);
        let error = first_to_connect(&[refusing, refusing]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(first_to_connect(&[]).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_connection_that_breaks_is_tried_once_more_and_a_dead_port_fails_fast() {
        let dialer = Dialer::speaking("h2", RootCertStore::empty());
        let (listener, addr) = listener().await;
        let accepted = tokio::spawn(async move {
            // Closed within the handshake, as by a process that restarts.
            drop(listener.accept().await.unwrap());
            drop(listener.accept().await.unwrap());
        });
        let began = Instant::now();
        let deadline = began + CONNECT;
        let target = target(true, addr);
        assert!(matches!(dialer.dial(&target, deadline).await, Err(DialError::Tls(_))));
        accepted.await.unwrap();
        let refused = dialer.dial(&target, deadline).await;
        assert!(matches!(refused, Err(DialError::Connect(_))));
        assert!(began.elapsed() < CONNECT / 4, "{:?}", began.elapsed());
    }
}
