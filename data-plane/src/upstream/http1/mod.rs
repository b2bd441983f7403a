//! The client's side of HTTP/1.1: one request at a time on a socket, polled by the exchange that waits for the answer.
//!
//! A general client has buffers and channels for each connection, and a silent stream pays for them. Here a read goes
//! to the stack, and what it brought to the heap, exactly as long as it is: a connection that waits holds nothing.

mod error;
mod framing;
mod head;
mod outgoing;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use self::framing::{Found, Framing};
use self::head::Head;
use self::outgoing::Outgoing;
use super::body::SendBody;
use super::send::{Broken, SendError};
use super::wire::Wire;

pub(super) use self::error::Http1Error;

/// What is read at once, on the stack.
const READ: usize = 16 << 10;
/// What is read at once, to the heap, where more has come than fits there.
const LARGE: usize = 64 << 10;
/// Words before an answer (1xx) that are listened to.
const INTERIM: u32 = 100;

/// A connection that speaks HTTP/1.1.
pub(super) struct Connection {
    wire: Wire,
    /// `None` when the provider has all that it is to get.
    outgoing: Option<Outgoing>,
    /// The provider takes no more of it.
    deaf: bool,
    method: Method,
    /// The beginning of a head whose end has not come.
    head: BytesMut,
    /// Words before the answer so far.
    interim: u32,
    /// A byte of an answer has come.
    heard: bool,
    /// What is to come of the answer's body.
    framing: Framing,
    /// What came of it together with the head.
    first: Result<Bytes, Http1Error>,
    /// The last read took all that there was room for.
    plenty: bool,
    /// Nothing says that the connection cannot carry another request.
    persistent: bool,
}

impl Connection {
    pub(super) fn new(wire: Wire) -> Self {
        Self {
            wire,
            outgoing: None,
            deaf: false,
            method: Method::POST,
            head: BytesMut::new(),
            interim: 0,
            heard: false,
            framing: Framing::END,
            first: Ok(Bytes::new()),
            plenty: false,
            persistent: true,
        }
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(&mut self, request: Request<SendBody>) -> Result<Response<()>, SendError> {
        let (head, body) = request.into_parts();
        self.outgoing = Some(Outgoing::new(&head, body));
        self.method = head.method;
        (self.interim, self.heard) = (0, false);
        std::future::poll_fn(|cx| self.poll_head(cx)).await.map_err(|error| self.why(error))
    }

    fn why(&self, error: Http1Error) -> SendError {
        if self.heard {
            SendError::BadHead(Broken::Http1(error))
        } else if self.outgoing.is_some() {
            SendError::Unsent
        } else {
            SendError::NoAnswer(Broken::Http1(error))
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<()>, Http1Error>> {
        loop {
            // First: what was said before the request is no answer to it.
            while let Poll::Ready(head) = self.poll_read_head(cx) {
                if let Some(response) = head? {
                    self.send_on_for(response.status());
                    return Poll::Ready(Ok(response));
                }
            }
            let Some(outgoing) = self.outgoing.as_mut().filter(|_| !self.deaf) else { return Poll::Pending };
            match ready!(outgoing.poll(&mut self.wire, cx)) {
                Ok(()) => {
                    self.outgoing = None;
                    return Poll::Pending;
                }
                // It may have said why.
                Err(_) => self.deaf = true,
            }
        }
    }

    /// Reads once: a head, a part of one, or a word before it.
    fn poll_read_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Response<()>>, Http1Error>> {
        let mut space = [const { MaybeUninit::uninit() }; READ];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.wire).poll_read(cx, &mut buffer))?;
        self.plenty = buffer.remaining() == 0;
        let read = buffer.filled_mut();
        if read.is_empty() {
            return Poll::Ready(Err(Http1Error::Cut));
        }
        if self.outgoing.as_ref().is_some_and(|outgoing| !outgoing.has_begun()) {
            return Poll::Ready(Err(Http1Error::Unasked));
        }
        self.heard = true;
        if self.head.is_empty() {
            return Poll::Ready(self.take_head(read, 0));
        }
        let mut text = std::mem::take(&mut self.head);
        // The last newline before what is new may be the first of the two.
        let from = text.len().saturating_sub(2);
        text.extend_from_slice(read);
        Poll::Ready(self.take_head(&mut text, from))
    }

    /// Takes the head of the answer from what has come; keeps what is only the beginning of one.
    fn take_head(
        &mut self,
        mut text: &mut [u8],
        mut from: usize,
    ) -> Result<Option<Response<()>>, Http1Error> {
        while let Some(end) = head::end(text, from).filter(|end| *end <= head::LARGEST) {
            let Some((head, rest)) = std::mem::take(&mut text).split_at_mut_checked(end) else { break };
            if let Some(Head { response, framing, persistent }) = head::parse(head, &self.method)? {
                self.framing = framing;
                self.persistent &= persistent;
                self.first = self.take_body(rest);
                return Ok(Some(response));
            }
            self.interim += 1;
            if self.interim > INTERIM {
                return Err(Http1Error::Head("no end of words before it"));
            }
            (text, from) = (rest, 0);
        }
        if text.len() > head::LARGEST {
            return Err(Http1Error::Head("it is too long"));
        }
        self.head = BytesMut::from(&*text);
        Ok(None)
    }

    /// A provider that answers before it has the request, and with an error, does not want the rest; one that has
    /// begun to work does.
    fn send_on_for(&mut self, status: StatusCode) {
        if self.outgoing.is_some() && (self.deaf || !status.is_success()) {
            self.outgoing = None;
            self.persistent = false;
        }
    }

    /// The next piece of the answer's body; `None` at the end. Pending only when the socket has nothing.
    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Http1Error>>> {
        if let Some(outgoing) = &mut self.outgoing
            && let Poll::Ready(outcome) = outgoing.poll(&mut self.wire, cx)
        {
            self.outgoing = None;
            self.persistent &= outcome.is_ok();
        }
        let mut chunk = std::mem::replace(&mut self.first, Ok(Bytes::new()));
        loop {
            match chunk {
                Ok(data) if !data.is_empty() => return Poll::Ready(Some(Ok(data))),
                Ok(_) if self.framing.is_over() => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(_) if self.plenty && self.framing.run() > READ as u64 => {
                    chunk = ready!(self.poll_read_large(cx));
                }
                Ok(_) => chunk = ready!(self.poll_read_body(cx)),
            }
        }
    }

    /// Reads once. What comes is copied: little, and so nothing else is kept with it.
    fn poll_read_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Http1Error>> {
        let mut space = [const { MaybeUninit::uninit() }; READ];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.wire).poll_read(cx, &mut buffer))?;
        self.plenty = buffer.remaining() == 0;
        Poll::Ready(match buffer.filled_mut() {
            [] => self.framing.closed().map(|()| Bytes::new()),
            read => self.take_body(read),
        })
    }

    /// Reads once where much has come and nothing but the body's data is next: that is not copied.
    fn poll_read_large(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Http1Error>> {
        self.plenty = false;
        let room = usize::try_from(self.framing.run()).map_or(LARGE, |run| run.min(LARGE));
        let mut buffer = BytesMut::with_capacity(room);
        let read = ready!(pin!(self.wire.read_buf(&mut (&mut buffer).limit(room))).poll(cx))?;
        self.plenty = read == room;
        // A small part of much room is not worth what it would keep.
        if read < READ {
            return Poll::Ready(match &mut *buffer {
                [] => self.framing.closed().map(|()| Bytes::new()),
                read => self.take_body(read),
            });
        }
        Poll::Ready(self.framing.find(&mut buffer).map(|_| buffer.freeze()))
    }

    /// Takes from what has come what belongs to the body.
    fn take_body(&mut self, bytes: &mut [u8]) -> Result<Bytes, Http1Error> {
        let Found { data, taken } = self.framing.find(bytes)?;
        // What comes after the end is no answer to anything.
        self.persistent &= taken == bytes.len();
        Ok(bytes.get(data).map(Bytes::copy_from_slice).unwrap_or_default())
    }

    /// True when the connection can carry another request. Looks at the socket once: a peer that has closed an idle
    /// connection is noticed here.
    pub(super) fn poll_usable(&mut self, cx: &mut Context<'_>) -> bool {
        let mut space = [MaybeUninit::uninit()];
        self.persistent
            && self.outgoing.is_none()
            && self.framing.is_over()
            && Pin::new(&mut self.wire).poll_read(cx, &mut ReadBuf::uninit(&mut space)).is_pending()
    }
}
