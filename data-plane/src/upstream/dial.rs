//! Opening a connection: every address of a host, with a stagger, then TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_snapshot::Target;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::TlsConnector;

use super::wire::Wire;

/// The longest time for name, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(10);
/// The next address is tried when the one before has not answered for this long (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);

/// Why there is no connection. The text is for logs: it may name hosts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("the name was not found: {0}")]
    Name(io::Error),
    #[error("no address accepted a connection: {0}")]
    Connect(io::Error),
    #[error("TLS failed: {0}")]
    Tls(io::Error),
    #[error("no connection within {} s", CONNECT.as_secs())]
    Timeout,
    #[error("too many connections to this host")]
    Full,
}

/// Opens connections.
pub(crate) struct Dialer {
    tls: TlsConnector,
}

impl Dialer {
    /// Trusts the system's certificate authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured), or the bundled
    /// ones where the system has none.
    pub(crate) fn new() -> Self {
        Self::speaking("http/1.1", system_roots())
    }

    /// Trusts these authorities, and asks for this protocol where there is TLS.
    pub(crate) fn speaking(protocol: &str, roots: RootCertStore) -> Self {
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Self { tls: TlsConnector::from(Arc::new(config)) }
    }

    /// Connects, within ten seconds or the caller's deadline.
    pub(crate) async fn dial(&self, target: &Target, deadline: Instant) -> Result<Wire, DialError> {
        let deadline = deadline.min(Instant::now() + CONNECT);
        timeout_at(deadline, self.dial_patiently(target)).await.map_err(|_| DialError::Timeout)?
    }

    async fn dial_patiently(&self, target: &Target) -> Result<Wire, DialError> {
        let addresses: Vec<_> =
            tokio::net::lookup_host((&*target.host, target.port)).await.map_err(DialError::Name)?.collect();
        let socket = first_to_connect(&addresses).await.map_err(DialError::Connect)?;
        socket.set_nodelay(true).map_err(DialError::Connect)?;
        if !target.https {
            return Ok(Wire::plain(socket));
        }
        let name = ServerName::try_from(target.host.to_string())
            .map_err(|error| DialError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        self.tls.connect(name, socket).await.map(Wire::tls).map_err(DialError::Tls)
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

async fn first_to_connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut tries: FuturesUnordered<_> = addresses
        .iter()
        .zip(0u32..)
        .map(|(address, index)| async move {
            if index > 0 {
                sleep(STAGGER * index).await;
            }
            TcpStream::connect(address).await
        })
        .collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    while let Some(outcome) = tries.next().await {
        match outcome {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}
