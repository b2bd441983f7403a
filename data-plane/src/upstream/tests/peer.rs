//! The other end of a connection.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

use super::{BODY, PATIENCE};

/// One that speaks HTTP/1.1.
pub(super) struct Peer(pub(super) DuplexStream);

impl Peer {
    /// Reads a whole request.
    pub(super) async fn request(&mut self) {
        let mut text = Vec::new();
        while !text.ends_with(BODY) {
            let read = timeout(PATIENCE, self.0.read_buf(&mut text)).await.expect("no request").unwrap();
            assert_ne!(read, 0, "closed within a request");
        }
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    pub(super) async fn answer(&mut self) {
        self.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    }

    /// True when the other side has closed.
    pub(super) async fn is_closed(&mut self) -> bool {
        super::turns().await;
        let mut byte = [0];
        matches!(futures_util::FutureExt::now_or_never(self.0.read(&mut byte)), Some(Ok(0)))
    }
}

/// A frame of HTTP/2.
#[derive(Debug)]
pub(super) struct Frame {
    kind: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// One that speaks HTTP/2, frame by frame.
pub(super) struct Frames(DuplexStream);

impl Frames {
    /// Reads the preface and says how many streams it allows; says nothing with `None`.
    pub(super) async fn greet(mut io: DuplexStream, streams: Option<u32>) -> Self {
        let mut preface = [0; 24];
        timeout(PATIENCE, io.read_exact(&mut preface)).await.expect("no preface").unwrap();
        assert!(preface.starts_with(b"PRI * HTTP/2.0"));
        let mut frames = Self(io);
        if let Some(streams) = streams {
            frames.allow(streams).await;
        }
        frames
    }

    pub(super) async fn allow(&mut self, streams: u32) {
        let mut payload = vec![0, 3];
        payload.extend(streams.to_be_bytes());
        self.write(SETTINGS, 0, 0, &payload).await;
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await.unwrap();
    }

    /// The next frame; `None` at the end.
    pub(super) async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        timeout(PATIENCE, self.0.read_exact(&mut head)).await.expect("no frame").ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind: head[3], stream: u32::from_be_bytes(head[5..].try_into().unwrap()), payload })
    }

    /// The next frame of this kind.
    pub(super) async fn until(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.read().await.expect("closed");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// The number of the next request that is here to its end.
    pub(super) async fn request(&mut self) -> u32 {
        let body = self.until(DATA).await;
        assert_eq!(body.payload, BODY);
        body.stream
    }

    pub(super) async fn head(&mut self, stream: u32) {
        // `:status: 200`, from the static table.
        self.write(HEADERS, 4, stream, &[0x88]).await;
    }

    pub(super) async fn answer(&mut self, stream: u32) {
        self.head(stream).await;
        self.write(DATA, 1, stream, b"{}").await;
    }

    pub(super) async fn refuse(&mut self, stream: u32) {
        self.write(RST_STREAM, 0, stream, &7u32.to_be_bytes()).await;
    }

    /// Goes away; streams up to this one were looked at.
    pub(super) async fn go_away(&mut self, last: u32) {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend(0u32.to_be_bytes());
        self.write(GOAWAY, 0, 0, &payload).await;
    }

    /// Reads to the end.
    pub(super) async fn until_closed(&mut self) {
        while self.read().await.is_some() {}
    }
}
