//! A stream of bytes that are no messages.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bulkhead_proto::report::Report as Say;
use bulkhead_proto::{Refused, Report};
use bytes::{Buf, Bytes};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use prost::Message;
use tokio::net::TcpListener;

use super::*;

/// What every subscription is answered with, and what each said.
#[derive(Clone, Default)]
struct Babble {
    answer: Arc<Mutex<Bytes>>,
    said: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Babble {
    async fn serve(self, listener: TcpListener) {
        while let Ok((socket, _)) = listener.accept().await {
            let babble = self.clone();
            let service = service_fn(move |request| babble.clone().answer(request));
            let server = http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(socket), service));
        }
    }

    async fn answer(
        self,
        request: http::Request<Incoming>,
    ) -> Result<
        http::Response<impl hyper::body::Body<Data = Bytes, Error = Infallible> + Send + 'static>,
        Infallible,
    > {
        let answer = Ok(Frame::data(self.answer.lock().clone()));
        let index = self.said.lock().len();
        self.said.lock().push(Vec::new());
        tokio::spawn(async move {
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                self.said.lock()[index].extend(frame.into_data().unwrap_or_default());
            }
        });
        // It never ends by itself.
        let body = StreamBody::new(Box::pin(stream::iter([answer]).chain(stream::pending())));
        Ok(http::Response::builder().header("content-type", "application/grpc").body(body).unwrap())
    }

    /// Subscriptions so far.
    fn count(&self) -> usize {
        self.said.lock().len()
    }

    /// Why a push was refused, in any of the later subscriptions.
    fn refusal(&self, after: usize) -> Option<Refused> {
        self.said.lock().iter().skip(after).flat_map(|said| reports(said)).find_map(|say| match say {
            Say::Refused(refused) => Some(refused),
            _ => None,
        })
    }
}

/// The reports in a body of gRPC.
fn reports(mut said: &[u8]) -> Vec<Say> {
    let mut reports = Vec::new();
    while said.len() >= 5 {
        said.advance(1);
        let length = usize::try_from(said.get_u32()).unwrap();
        let Some((report, rest)) = said.split_at_checked(length) else { break };
        reports.extend(Report::decode(report).unwrap().report);
        said = rest;
    }
    reports
}

fn framed(flag: u8, length: u32, message: &[u8]) -> Bytes {
    [&[flag][..], &length.to_be_bytes(), message].concat().into()
}

#[tokio::test]
async fn what_cannot_be_decoded_is_refused_and_the_node_comes_again() {
    let mock = MockProvider::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr: SocketAddr = listener.local_addr().unwrap();
    let babble = Babble::default();
    *babble.answer.lock() = framed(0, 3, b"\xff\xff\xff");
    let serving = tokio::spawn(babble.clone().serve(listener));
    let gateway = follow_url(&format!("http://{addr}")).start().await;
    for next in [
        // A full sync whose version is cut off.
        framed(0, 4, b"\x0a\x7f\x0a\x01"),
        // Compressed, which nobody agreed to.
        framed(1, 3, b"abc"),
        // Larger than any message.
        framed(0, u32::MAX, b"abc"),
        Bytes::from_static(b"\x07 is no flag"),
    ] {
        let after = babble.count().saturating_sub(1);
        let refused = || babble.refusal(after).is_some();
        assert!(eventually(PATIENCE, refused).await, "{}", gateway.log());
        let refused = babble.refusal(after).unwrap();
        assert!(refused.version.is_none() && !refused.reason.is_empty(), "{}", refused.reason);
        *babble.answer.lock() = next;
        let count = babble.count();
        assert!(eventually(PATIENCE, || babble.count() > count).await, "it comes again: {}", gateway.log());
    }
    assert_eq!(gateway.ops("/livez").await.status, 200);
    serving.abort();
    let _ = serving.await;
    let _fake = Fake::start_at(addr, rows(&mock), None);
    gateway.until_status(KEY, 200).await;
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}
