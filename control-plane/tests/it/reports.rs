//! Streams that do not say what a node says.

use bulkhead_proto::report::Report as Say;
use bulkhead_proto::snapshots_client::SnapshotsClient;
use bulkhead_proto::{self as proto, Report};
use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::support::{ControlPlane, Database, Node, PATIENCE, head, join_token, team_limit};

/// Messages as bytes.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

fn hello(node: &str) -> Say {
    Say::Hello(proto::Hello { node: node.to_owned(), ..proto::Hello::default() })
}

fn bytes(say: Say) -> Bytes {
    Report { report: Some(say) }.encode_to_vec().into()
}

/// Says all of it and keeps the stream open; how it ends.
async fn say(control_plane: &ControlPlane, token: &str, messages: Vec<Bytes>) -> Option<Status> {
    let channel = Channel::from_shared(format!("http://{}", control_plane.grpc)).unwrap();
    let mut grpc = Grpc::new(channel.connect().await.unwrap());
    grpc.ready().await.unwrap();
    let (sender, queue) = mpsc::channel(messages.len().max(1));
    for message in messages {
        sender.try_send(message).unwrap();
    }
    let mut request = Request::new(ReceiverStream::new(queue));
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let path = http::uri::PathAndQuery::from_static("/bulkhead.v1.Snapshots/Subscribe");
    let mut pushes = grpc.streaming(request, path, Raw).await.unwrap().into_inner();
    let ended = async {
        loop {
            match pushes.next().await {
                Some(Ok(_)) => {}
                Some(Err(status)) => return Some(status),
                None => return None,
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the stream ends")
}

#[tokio::test]
async fn a_stream_that_is_none_ends_and_harms_no_other() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let token = join_token(&database, "a");
    let node = Node::subscribed("one", &token, control_plane.grpc);
    node.until_runs(&head(&mut connection).await).await;

    let alive = || bytes(Say::Alive(proto::Alive {}));
    for (messages, part) in [
        (vec![alive()], "the first report has to be hello"),
        (vec![bytes(Say::Applied(proto::Applied::default()))], "the first report has to be hello"),
        (vec![Bytes::new()], "the first report has to be hello"),
        (vec![bytes(hello("two")), bytes(hello("two"))], "hello comes once"),
        (vec![bytes(hello(""))], "the node's name"),
        (Vec::new(), "there was no hello"),
    ] {
        let status = say(&control_plane, &token, messages).await.expect("a reason");
        assert!(status.message().contains(part), "{status:?}");
    }
    // What cannot be decoded: as the first message, and behind a good one.
    for garbage in [&b"\xff\xff\xff\xff"[..], b"\x0a\xff\x01", b"\x0a\x03\x0a\x01\xff"] {
        let garbage = Bytes::from_static(garbage);
        for messages in [vec![garbage.clone()], vec![bytes(hello("two")), alive(), garbage]] {
            let ended = say(&control_plane, &token, messages).await;
            assert!(ended.as_ref().is_none_or(|status| status.code() != Code::Unauthenticated), "{ended:?}");
        }
    }
    node.until_runs(&team_limit(&mut connection, "red", 1).await).await;
    assert_eq!(node.look(|seen| (seen.fulls, seen.ended.is_none())), (1, true));
    assert!(!control_plane.log().contains("panicked"), "{}", control_plane.log());
    let channel = Channel::from_shared(format!("http://{}", control_plane.grpc)).unwrap();
    let mut client = SnapshotsClient::new(channel.connect().await.unwrap());
    let nobody = client.subscribe(tokio_stream::empty()).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
}
