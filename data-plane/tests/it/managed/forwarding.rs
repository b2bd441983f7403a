//! `--management-url`: the control plane's routes on the data plane's port.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// An HTTP server that keeps what it gets and answers every connection with the same bytes.
struct Api {
    addr: SocketAddr,
    got: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Api {
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, got, answer) =
            (listener.local_addr().unwrap(), Arc::<Mutex<Vec<_>>>::default(), answer.into());
        let kept = got.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let index = kept.lock().len();
                kept.lock().push(Vec::new());
                tokio::spawn(talk(socket, kept.clone(), index, answer.clone()));
            }
        });
        Self { addr, got }
    }

    /// The request that came last.
    fn last(&self) -> String {
        String::from_utf8_lossy(self.got.lock().last().unwrap()).into_owned()
    }

    fn count(&self) -> usize {
        self.got.lock().len()
    }

    async fn gateway(&self, mock: &MockProvider) -> Gateway {
        let url = format!("http://{}/base/", self.addr);
        Gateway::with(crate::support::yaml(mock).text()).env("BULKHEAD_MANAGEMENT_URL", &url).start().await
    }
}

/// Reads a request to its end, then answers. No answer: the connection stays open.
async fn talk(mut socket: TcpStream, got: Arc<Mutex<Vec<Vec<u8>>>>, index: usize, answer: Vec<u8>) {
    let mut chunk = vec![0; 1 << 16];
    let mut all = Vec::new();
    while !is_whole(&all) {
        match socket.read(&mut chunk).await {
            Ok(count) if count > 0 => all.extend_from_slice(&chunk[..count]),
            _ => return,
        }
    }
    got.lock()[index] = all;
    if answer.is_empty() {
        let _ = socket.read(&mut chunk).await;
    }
    let _ = socket.write_all(&answer).await;
    let _ = socket.shutdown().await;
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    match head.split_once("content-length: ") {
        Some((_, length)) => body.len() >= length.lines().next().unwrap().parse::<usize>().unwrap(),
        None => !head.contains("chunked") || body.ends_with("0\r\n\r\n"),
    }
}

fn answer(body: &str) -> String {
    format!(
        "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\nx-of-the-api: yes\r\nconnection: x-hop\r\n\
         x-hop: 1\r\nkeep-alive: timeout=5\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn the_control_planes_routes_are_forwarded_and_no_others() {
    let mock = MockProvider::start();
    let api = Api::answering(answer(r#"{"key":"new"}"#)).await;
    let gateway = api.gateway(&mock).await;
    let request = Request::post("/key/generate?dry=1%202")
        .bearer(MASTER)
        .header("x-custom", "kept")
        .header("connection", "x-mine")
        .header("x-mine", "1")
        .json(r#"{"models":["gpt"]}"#);
    let said = gateway.call(&request).await;
    assert_eq!((said.status, said.json()["key"].as_str()), (201, Some("new")));
    assert_eq!((said.header("x-of-the-api"), said.header("content-length")), (Some("yes"), Some("13")));
    assert_eq!((said.header("x-hop"), said.header("keep-alive")), (None, None));
    let got = api.last();
    assert!(got.starts_with("POST /base/key/generate?dry=1%202 HTTP/1.1\r\n"), "{got}");
    assert!(got.contains(&format!("host: {}\r\n", api.addr)), "{got}");
    assert!(got.contains(&format!("authorization: Bearer {MASTER}\r\n")), "{got}");
    assert!(got.contains("x-custom: kept\r\n") && !got.contains("x-mine"), "{got}");
    assert!(got.ends_with(r#"{"models":["gpt"]}"#), "{got}");
    for (method, path) in
        [("GET", "/v1/model/info"), ("PATCH", "/team/update"), ("GET", "/ui/keys"), ("GET", "/health")]
    {
        assert_eq!(gateway.call(&Request::new(method, path).bearer(MASTER)).await.status, 201, "{path}");
        assert!(api.last().starts_with(&format!("{method} /base{path} ")), "{}", api.last());
    }
    let forwarded = api.count();
    for (path, status) in
        [("/nope", 404), ("/v1/models", 200), ("/health/liveliness", 200), ("/metrics", 404)]
    {
        assert_eq!(gateway.get(path, MASTER).await.status, status, "{path}");
    }
    assert_eq!(gateway.post("/v1/chat/completions", MASTER, body::chat("gpt", "Hi")).await.status, 200);
    assert_eq!(api.count(), forwarded);
}

#[tokio::test]
async fn bodies_are_bounded_in_both_directions() {
    let mock = MockProvider::start();
    let large = "x".repeat(15 << 20);
    let api = Api::answering(answer(&large)).await;
    let gateway = api.gateway(&mock).await;
    let said = gateway.post("/team/new", MASTER, large.clone()).await;
    assert_eq!((said.status, said.text().len()), (201, large.len()));
    let before = api.count();
    let too_large = "x".repeat(17 << 20);
    assert_eq!(gateway.post("/team/new", MASTER, too_large.clone()).await.status, 413);
    assert_eq!(api.count(), before, "what says that it is too large is not forwarded");
    let pieces = too_large.as_bytes().chunks(1 << 20).map(<[u8]>::to_vec);
    let chunked = Request::post("/team/new").bearer(MASTER).chunks(pieces);
    assert_eq!(gateway.call(&chunked).await.status, 413);
    let api = Api::answering(answer(&too_large)).await;
    let gateway = api.gateway(&mock).await;
    let mut client = gateway.client().await;
    let cut = client.exchange(&Request::get("/spend/logs").bearer(MASTER)).await;
    assert_eq!(cut.status, 201);
    assert!(
        cut.body.len() <= 16 << 20 && cut.end != bulkhead_testkit::client::End::Complete,
        "{}",
        cut.body.len()
    );
}

#[tokio::test]
async fn a_control_plane_that_is_away_or_hangs_costs_inference_nothing() {
    let mock = MockProvider::start();
    let api = Api::answering("").await;
    let gateway = api.gateway(&mock).await;
    let mut hanging = Vec::new();
    for _ in 0..32 {
        let mut client = gateway.client().await;
        hanging.push(tokio::spawn(async move {
            client.exchange(&Request::get("/key/list").bearer(MASTER)).await
        }));
    }
    assert!(eventually(PATIENCE, || api.count() == 32).await, "{}", api.count());
    let full = gateway.get("/key/list", MASTER).await;
    assert_eq!((full.status, full.header("retry-after")), (503, Some("1")));
    for _ in 0..10 {
        assert_eq!(gateway.post("/v1/chat/completions", MASTER, body::chat("gpt", "Hi")).await.status, 200);
    }
    // Clients that leave make room.
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
    let began = Instant::now();
    while api.count() == 32 {
        assert!(began.elapsed() < PATIENCE);
        let mut client = gateway.client().await;
        let asking = async move { client.exchange(&Request::get("/key/list").bearer(MASTER)).await.status };
        let _ = tokio::time::timeout(Duration::from_millis(100), asking).await;
    }
    let nobody = format!("http://127.0.0.1:{}", bulkhead_testkit::free_port());
    let yaml = crate::support::yaml(&mock).text();
    let gateway = Gateway::with(yaml).env("BULKHEAD_MANAGEMENT_URL", &nobody).start().await;
    let away = gateway.post("/key/generate", MASTER, "{}").await;
    assert_eq!(away.status, 503);
    assert!(away.text().contains("The control plane does not answer"), "{}", away.text());
    assert_eq!(gateway.post("/v1/chat/completions", MASTER, body::chat("gpt", "Hi")).await.status, 200);
}

#[tokio::test]
async fn without_the_flag_a_managed_node_names_it() {
    let (_mock, _fake, gateway) = trio().await;
    let answer = gateway.post("/key/generate", MASTER, "{}").await;
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("`--management-url`") && !answer.text().contains("virtual_keys"));
}

#[tokio::test]
async fn every_health_route_has_a_signpost() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    for (method, path, part) in [
        ("GET", "/health/shared-status", "management API"),
        ("GET", "/health/backlog", "management API"),
        ("POST", "/health/test_connection", "management API"),
    ] {
        let answer = gateway.call(&Request::new(method, path).bearer(MASTER)).await;
        assert_eq!(answer.status, 404, "{path}");
        let said = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(said.contains(part) && said.contains(path), "{said}");
    }
}
