//! A request on its way out.

use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CONTENT_LENGTH, HeaderName};
use http::request::Parts;
use tokio::io::AsyncWrite;

use super::super::body::SendBody;
use super::super::wire::Wire;

/// Room for the head of most requests.
const HEAD: usize = 1 << 10;
/// Pieces in one write.
const PIECES: usize = 32;

/// What the provider has not got of a request.
pub(super) struct Outgoing {
    head: Vec<u8>,
    /// Bytes of the head that are written.
    written: usize,
    body: SendBody,
}

impl Outgoing {
    pub(super) fn new(head: &Parts, body: SendBody) -> Self {
        Self { head: render(head, body.left()), written: 0, body }
    }

    /// True when some of it was written.
    pub(super) fn has_begun(&self) -> bool {
        self.written > 0
    }

    /// Writes what the socket takes, head and body together. Ready when nothing is left.
    pub(super) fn poll(&mut self, wire: &mut Wire, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let written = {
                let head = self.head.get(self.written..).filter(|head| !head.is_empty());
                let mut pieces = [IoSlice::new(&[]); PIECES];
                let mut used = 0;
                for (place, piece) in pieces.iter_mut().zip(head.into_iter().chain(self.body.segments())) {
                    *place = IoSlice::new(piece);
                    used += 1;
                }
                if used == 0 {
                    break;
                }
                let (pieces, _) = pieces.split_at_checked(used).unwrap_or_default();
                ready!(Pin::new(&mut *wire).poll_write_vectored(cx, pieces))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.took(written);
        }
        // TLS may hold the last record back.
        Pin::new(wire).poll_flush(cx)
    }

    fn took(&mut self, written: usize) {
        let of_head = written.min(self.head.len().saturating_sub(self.written));
        self.written += of_head;
        self.body.advance(written - of_head);
    }
}

fn render(head: &Parts, length: u64) -> Vec<u8> {
    let mut text = Vec::with_capacity(HEAD);
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    for piece in [head.method.as_str(), " ", path, " HTTP/1.1\r\n"] {
        text.extend_from_slice(piece.as_bytes());
    }
    for (name, value) in head.headers.iter().filter(|(name, _)| !is_of_the_connection(name)) {
        for piece in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(piece);
        }
    }
    // Writing to memory does not fail.
    let _ = write!(text, "{CONTENT_LENGTH}: {length}\r\n\r\n");
    text
}

/// What this side says itself, or never does.
fn is_of_the_connection(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "content-length"
            | "expect"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}
