//! Streams that are open and silent.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a stream may take to begin.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest head and first event together.
const LONGEST: usize = 64 << 10;

/// Streams of which the first event has come. They close when this is dropped.
pub struct Held(Vec<TcpStream>);

impl Held {
    /// Opens so many, one after the other, with a request as it is to be sent.
    pub fn open(addr: SocketAddr, request: &[u8], count: usize) -> io::Result<Self> {
        (0..count).map(|_| begin(addr, request)).collect::<io::Result<_>>().map(Self)
    }

    /// How many have ended or said anything since.
    pub fn stirred(&self) -> io::Result<usize> {
        let mut count = 0;
        for stream in &self.0 {
            stream.set_nonblocking(true)?;
            let quiet =
                matches!(stream.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
            count += usize::from(!quiet);
        }
        Ok(count)
    }
}

fn begin(addr: SocketAddr, request: &[u8]) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer)?;
        answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
        if read == 0 || answer.len() > LONGEST || !answer.starts_with(b"HTTP/1.1 200") {
            let text = String::from_utf8_lossy(&answer).into_owned();
            return Err(io::Error::other(format!("a stream did not begin: {text}")));
        }
        let body = memchr::memmem::find(&answer, b"\r\n\r\n").and_then(|end| answer.get(end + 4..));
        if body.is_some_and(|body| memchr::memmem::find(body, b"\n\n").is_some()) {
            return Ok(stream);
        }
    }
}
