//! Signatures over HTTP/2, where the host is in `:authority` and nobody sends a line with it.

use std::net::Ipv4Addr;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::tls::Authority;

/// Bedrock over HTTP/2, which keeps what arrived as lines of HTTP/1.1.
struct OverHttp2 {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    _task: JoinSet<()>,
}

impl OverHttp2 {
    async fn start(mut tls: ServerConfig) -> Self {
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (log, acceptor, mut task) = (asked.clone(), TlsAcceptor::from(Arc::new(tls)), JoinSet::new());
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(serve(acceptor.clone(), socket, log.clone()));
            }
        });
        Self { port, asked, _task: task }
    }
}

async fn serve(acceptor: TlsAcceptor, socket: TcpStream, log: Arc<Mutex<Vec<Asked>>>) {
    let Ok(socket) = acceptor.accept(socket).await else { return };
    let mut connection = h2::server::handshake(socket).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let log = log.clone();
        tokio::spawn(async move {
            let (head, mut stream) = request.into_parts();
            let mut body = Vec::new();
            while let Some(Ok(chunk)) = stream.data().await {
                let _ = stream.flow_control().release_capacity(chunk.len());
                body.extend_from_slice(&chunk);
            }
            assert!(!head.headers.contains_key("host"));
            let mut lines = format!("{} {} HTTP/2\r\n", head.method, head.uri.path_and_query().unwrap());
            lines += &format!("host: {}\r\n", head.uri.authority().unwrap());
            for (name, value) in &head.headers {
                lines += &format!("{name}: {}\r\n", value.to_str().unwrap());
            }
            log.lock().push(Asked { head: lines, body: String::from_utf8(body).unwrap(), before: 0 });
            let response = http::Response::builder().header("content-type", "application/json");
            let mut out = respond.send_response(response.body(()).unwrap(), false).unwrap();
            out.send_data(Bytes::from(said().to_string()), true).unwrap();
        });
    }
}

#[tokio::test]
async fn what_arrives_over_http2_is_signed() {
    let (authority, dir) = (Authority::new("one"), tempfile::tempdir().unwrap());
    let upstream = OverHttp2::start(authority.issue("127.0.0.1").server()).await;
    let yaml = GatewayYaml::new().master_key(MASTER).deployment("claude").provider("bedrock").model(MODEL);
    let base = format!("https://127.0.0.1:{}/behind", upstream.port);
    let yaml = with_keys(yaml.base(base).param("aws_region_name", STATIC.region));
    let gateway = Gateway::with(yaml.text()).env("SSL_CERT_FILE", &authority.file(&dir)).start().await;
    for (path, body) in [
        ("/model/claude/converse", prompt("Hi").to_string()),
        ("/model/claude/converse", prompt(&"x".repeat(1 << 20)).to_string()),
        (CHAT, body::chat("claude", "Hi").text()),
    ] {
        let answer = gateway.post(path, MASTER, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    let asked = upstream.asked.lock().clone();
    assert_eq!(asked.len(), 3);
    for asked in &asked {
        assert!(asked.head.starts_with("POST /behind/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/"));
        assert_signed(asked, STATIC);
    }
}
