//! The proxy's control socket.

use bulkhead_testkit::proxy::Mode;
use bulkhead_testkit::{FaultProxy, MockProvider};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

#[tokio::test]
async fn modes_are_switched_by_lines() {
    let mock = MockProvider::start();
    let proxy = FaultProxy::start(mock.addr());
    let control = proxy.control("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut stream = BufReader::new(TcpStream::connect(control).await.unwrap());
    let mut say = async |line: &str| {
        stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_line(&mut answer).await.unwrap();
        answer.trim().to_owned()
    };
    assert_eq!(say("rst-after 100 request").await, "ok");
    assert_eq!(say("mode").await, "rst-after 100 request");
    assert_eq!(proxy.mode(), "rst-after 100 request".parse::<Mode>().unwrap());
    assert!(say("stats").await.starts_with("{\"connections\":0"));
    assert!(say("explode").await.starts_with("error: no mode: write one of pass, "));
    assert_eq!(say("reset-connections").await, "ok");
}
