//! `--management-url`, with a control plane that the test plays: what comes late, in pieces, or for nobody.

use bulkhead_testkit::client::{Client, End};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const PIECE: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";

async fn gateway(mock: &MockProvider, timeout: &str) -> (TcpListener, Gateway) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let builder = Gateway::with(crate::support::yaml(mock).text()).env("BULKHEAD_MANAGEMENT_URL", &url);
    (listener, builder.env("BULKHEAD_MANAGEMENT_TIMEOUT", timeout).start().await)
}

/// A client that has asked, and the control plane's side of it.
async fn asked(listener: &TcpListener, gateway: &Gateway) -> (Client, TcpStream) {
    let mut client = gateway.client().await.patience(PATIENCE);
    client.send(&Request::get("/key/list").bearer(MASTER).bytes()).await.unwrap();
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    (client, socket)
}

/// Waits until the gateway has closed its side, which is soon and not only when the time is up.
async fn until_closed(mut socket: TcpStream) {
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("it closes");
}

#[tokio::test]
async fn an_answer_in_chunks_is_passed_on_piece_by_piece() {
    let mock = MockProvider::start();
    let (listener, gateway) = gateway(&mock, "30s").await;
    let (mut client, mut socket) = asked(&listener, &gateway).await;
    socket.write_all(PIECE.as_bytes()).await.unwrap();
    let first = client.read_until(|reader| reader.body() == b"first").await;
    assert_eq!((first.status, first.end), (200, End::Stopped), "{}", first.text());
    socket.write_all(b"7\r\n second\r\n0\r\n\r\n").await.unwrap();
    let whole = client.answer().await;
    assert_eq!((whole.text().as_str(), whole.end), ("first second", End::Complete));

    // One that breaks off is no answer that ended.
    let (mut client, mut socket) = asked(&listener, &gateway).await;
    socket.write_all(PIECE.as_bytes()).await.unwrap();
    client.read_until(|reader| reader.body() == b"first").await;
    drop(socket);
    let cut = client.answer().await;
    assert!(cut.text() == "first" && cut.end != End::Complete, "{:?} {}", cut.end, cut.text());
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_request_to_the_control_plane() {
    let mock = MockProvider::start();
    let (listener, gateway) = gateway(&mock, "1h").await;
    let (client, socket) = asked(&listener, &gateway).await;
    drop(client);
    until_closed(socket).await;

    let (mut client, mut socket) = asked(&listener, &gateway).await;
    socket.write_all(PIECE.as_bytes()).await.unwrap();
    client.read_until(|reader| reader.body() == b"first").await;
    drop(client);
    until_closed(socket).await;
}

#[tokio::test]
async fn what_takes_too_long_is_ended_before_the_answer_and_in_its_midst() {
    let mock = MockProvider::start();
    let (listener, gateway) = gateway(&mock, "1s").await;
    let began = Instant::now();
    let (mut client, socket) = asked(&listener, &gateway).await;
    let late = client.answer().await;
    assert_eq!((late.status, late.header("retry-after")), (503, Some("1")), "{}", late.text());
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(5), "{took:?}");
    until_closed(socket).await;

    let (mut client, mut socket) = asked(&listener, &gateway).await;
    socket.write_all(PIECE.as_bytes()).await.unwrap();
    let cut = client.answer().await;
    assert!(cut.status == 200 && cut.end != End::Complete && cut.end != End::TimedOut, "{:?}", cut.end);
    until_closed(socket).await;
}
