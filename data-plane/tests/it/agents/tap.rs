//! Between a client and the gateway: what the client sends, byte for byte.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What came over one connection so far.
type Heard = Arc<Mutex<Vec<u8>>>;

/// Passes all on. Ends when it is dropped.
pub(super) struct Tap {
    addr: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    _task: JoinSet<()>,
}

/// A request as the client sent it.
pub(super) struct Sent {
    /// In lower case.
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Tap {
    /// Listens on a free port.
    pub(super) async fn start(gateway: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<Vec<Heard>>>::default();
        let all = heard.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (read, write) = client.into_split();
                let (from, to) = TcpStream::connect(gateway).await.unwrap().into_split();
                let heard = Heard::default();
                all.lock().push(heard.clone());
                connections.spawn(pass(read, to, heard));
                connections.spawn(pass(from, write, Heard::default()));
            }
        });
        Self { addr, heard, _task: task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// All requests since the last call, those of one connection after the other.
    pub(super) fn take(&self) -> Vec<Sent> {
        self.heard.lock().iter().flat_map(|heard| requests(&std::mem::take(&mut *heard.lock()))).collect()
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, heard: Heard) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        heard.lock().extend_from_slice(&buffer[..read]);
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

fn requests(mut bytes: &[u8]) -> Vec<Sent> {
    let mut requests = Vec::new();
    while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        assert!(!head.contains("\ntransfer-encoding:"), "a body without a length: {head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length = length.map_or(0, |length| length.trim().parse().unwrap());
        let (request, rest) = bytes.split_at(end + 4 + length);
        requests.push(Sent { head, body: request[end + 4..].to_vec() });
        bytes = rest;
    }
    requests
}
