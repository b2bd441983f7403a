//! A provider that sends exactly the bytes it is given, in the pieces it is given them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What is done for a request, one after the other.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Send(Vec<u8>),
    Pause(Duration),
    /// Goes on when the test adds a permit.
    Await(Arc<Semaphore>),
    /// Silence until the other side closes.
    Hang,
    Close,
    Reset,
}

/// A request as it arrived: head and body.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: String,
    /// How many came before it on its connection.
    pub(crate) before: usize,
}

type Script = dyn Fn(&Asked) -> Vec<Step> + Send + Sync;

/// The provider. Ends when it is dropped.
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    open: Arc<AtomicUsize>,
    hanging: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

/// Counts something for as long as it lasts.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Upstream {
    /// Listens on a free port and plays the script for each request; after it the connection takes another one.
    pub(crate) async fn start(script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let [open, hanging] = [(); 2].map(|()| Arc::<AtomicUsize>::default());
        let (script, log, count): (Arc<Script>, _, _) = (Arc::new(script), asked.clone(), open.clone());
        let silent = hanging.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let open = Counted::new(&count);
                let (script, log, silent) = (script.clone(), log.clone(), silent.clone());
                connections.spawn(async move {
                    connection(socket, script, log, silent).await;
                    drop(open);
                });
            }
        });
        Self { addr, asked, open, hanging, _task: task }
    }

    /// OpenAI's base URL.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Anthropic's base URL.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether this many connections hang, and the other side has read all that was sent before.
    pub(crate) fn hangs_and_was_read(&self, connections: usize) -> bool {
        self.hanging.load(Ordering::Relaxed) == connections && unread_from(self.addr) == 0
    }
}

/// How many bytes from this address wait in sockets of this machine for someone to read them.
fn unread_from(addr: SocketAddr) -> u64 {
    let remote = format!(":{:04X}", addr.port());
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let unread = sockets.lines().skip(1).filter_map(|socket| {
        let columns: Vec<&str> = socket.split_whitespace().collect();
        let queue = columns[4].split_once(':').unwrap().1;
        columns[2].ends_with(&remote).then(|| u64::from_str_radix(queue, 16).unwrap())
    });
    unread.sum()
}

async fn connection(
    mut socket: TcpStream,
    script: Arc<Script>,
    log: Arc<Mutex<Vec<Asked>>>,
    hanging: Arc<AtomicUsize>,
) {
    socket.set_nodelay(true).unwrap();
    let mut rest = Vec::new();
    let mut before = 0;
    while let Some(asked) = request(&mut socket, &mut rest, before).await {
        before += 1;
        log.lock().push(asked.clone());
        for step in script(&asked) {
            match step {
                Step::Send(bytes) => {
                    if socket.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Step::Pause(time) => tokio::time::sleep(time).await,
                Step::Await(gate) => gate.acquire().await.unwrap().forget(),
                Step::Hang => {
                    let _hangs = Counted::new(&hanging);
                    let _ = socket.read(&mut [0; 64]).await;
                    return;
                }
                Step::Close => return,
                Step::Reset => {
                    let _ = socket.set_zero_linger();
                    return;
                }
            }
        }
    }
}

/// Reads a request whose body has a length.
async fn request(socket: &mut TcpStream, rest: &mut Vec<u8>, before: usize) -> Option<Asked> {
    loop {
        let text = String::from_utf8_lossy(rest).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length:").map(|value| value.trim().parse::<usize>().unwrap())
            });
            let length = length.unwrap_or(0);
            if body.len() >= length {
                let whole = head.len() + 4 + length;
                let asked = Asked { head: head.to_owned(), body: body[..length].to_owned(), before };
                rest.drain(..whole);
                return Some(asked);
            }
        }
        let mut buffer = vec![0; 64 << 10];
        match socket.read(&mut buffer).await {
            Ok(read) if read > 0 => rest.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    }
}

/// An answer with a length, in one piece.
pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The head of a stream in chunks.
pub(crate) fn stream_head() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec()
}

/// One chunk of a stream; the empty one ends it.
pub(crate) fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}
