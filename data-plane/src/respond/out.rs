//! The body of an answer to a client.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bulkhead_model::ErrorKind;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::awaited::{Awaited, Next};
use super::stream::Relaying;
use crate::attempt::Waits;
use crate::management::Forwarded;
use crate::upstream::AnswerBody;

/// What hyper sends.
pub(crate) enum OutBody {
    /// All of it is here; `None` once it was taken.
    Full(Option<Bytes>),
    /// Events of a provider, relayed.
    Relay(Box<Relaying>),
    /// Events that the client was told to wait for.
    Awaited(Box<Awaited>),
    /// A large answer, forwarded as it comes after what was read of it already.
    Through(Box<Through>),
    /// An answer of the control plane, forwarded as it comes.
    Forwarded(Forwarded),
}

/// An answer that is too large to hold.
pub(crate) struct Through {
    pub(crate) first: Vec<Bytes>,
    pub(crate) rest: AnswerBody,
    /// Bytes that went by.
    pub(crate) passed: u64,
    pub(crate) settle: Box<crate::settle::Settle>,
    pub(crate) waits: Waits,
    /// When the next byte has to be there.
    pub(crate) deadline: Pin<Box<Sleep>>,
    pub(crate) ended: bool,
}

/// The client must see a broken transfer, not a short one: hyper closes the connection on it.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
pub(crate) struct BrokenOff;

impl OutBody {
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Some(bytes.into()))
    }
}

impl Body for OutBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut *self {
            Self::Full(bytes) => Poll::Ready(
                bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))),
            ),
            Self::Awaited(awaited) => match std::task::ready!(awaited.poll_out(cx)) {
                Next::Say(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Next::Over => Poll::Ready(None),
                Next::Relay(relaying) => {
                    *self = Self::Relay(relaying);
                    self.poll_frame(cx)
                }
            },
            Self::Relay(relaying) => {
                relaying.poll_out(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Through(through) => through.poll_out(cx),
            Self::Forwarded(forwarded) => forwarded.poll_out(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Relay(_) | Self::Awaited(_) | Self::Through(_) | Self::Forwarded(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => {
                let len = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(len).unwrap_or(u64::MAX))
            }
            Self::Relay(_) | Self::Awaited(_) | Self::Through(_) | Self::Forwarded(_) => SizeHint::default(),
        }
    }
}

impl Through {
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if !self.first.is_empty() {
            let bytes = self.first.remove(0);
            return Poll::Ready(Some(Ok(self.pass(bytes))));
        }
        let next = match self.rest.poll_chunk(cx) {
            Poll::Pending if self.settle.is_time_up() => {
                return Poll::Ready(self.break_off(ErrorKind::ShuttingDown));
            }
            Poll::Pending if self.deadline.as_mut().poll(cx).is_pending() => return Poll::Pending,
            Poll::Pending => return Poll::Ready(self.break_off(ErrorKind::UpstreamTimeout)),
            Poll::Ready(next) => next,
        };
        Poll::Ready(match next {
            Some(Ok(bytes)) => {
                self.deadline.as_mut().reset(self.waits.next_byte());
                Some(Ok(self.pass(bytes)))
            }
            Some(Err(_)) => self.break_off(ErrorKind::UpstreamTruncated),
            None => {
                self.ended = true;
                self.settle.complete();
                None
            }
        })
    }

    /// What such an answer reports is not read, so all of it counts as text.
    fn pass(&mut self, bytes: Bytes) -> Frame<Bytes> {
        self.passed = self.passed.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.settle.produced(self.passed);
        Frame::data(bytes)
    }

    fn break_off(&mut self, kind: ErrorKind) -> Option<Result<Frame<Bytes>, BrokenOff>> {
        self.ended = true;
        self.settle.fail(kind);
        Some(Err(BrokenOff))
    }
}
