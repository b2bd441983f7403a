//! A proxy before a server, which has it under a path.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The longest head that it reads.
const LONGEST: usize = 64 << 10;

/// A proxy that forwards what is under its path, one request a connection.
pub struct FrontProxy {
    addr: SocketAddr,
    _task: JoinSet<()>,
}

impl FrontProxy {
    /// Forwards what is under `path` to `upstream`, and takes the path away where it `strips`. All else is 404.
    pub async fn start(upstream: SocketAddr, path: &str, strips: bool) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let path = path.to_owned();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let path = path.clone();
                served.spawn(async move { drop(forward(client, upstream, &path, strips).await) });
            }
        });
        Ok(Self { addr, _task: task })
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

async fn forward(mut client: TcpStream, upstream: SocketAddr, path: &str, strips: bool) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < LONGEST {
        if client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let below = text.split_once(' ').and_then(|(method, rest)| Some((method, rest.strip_prefix(path)?)));
    let Some((method, below)) = below.filter(|(_, below)| below.starts_with(['/', ' ', '?'])) else {
        return client
            .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await;
    };
    let slash = if below.starts_with('/') { "" } else { "/" };
    let head = if strips { format!("{method} {slash}{below}") } else { text.clone() };
    let head = head.replacen("\r\n", "\r\nconnection: close\r\nx-forwarded-for: 203.0.113.9\r\n", 1);
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(head.as_bytes()).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
