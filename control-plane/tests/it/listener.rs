//! The management API's listener: HTTP/2, the path of a front proxy, browsers, spellings of a path.

use std::sync::Arc;

use bulkhead_testkit::FrontProxy;
use bulkhead_testkit::client::{Answer, Client, Http2Client, Request, call};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{ControlPlane, Database, MASTER, control_plane};

fn list() -> Request {
    Request::get("/key/list").bearer(MASTER)
}

#[tokio::test]
async fn http_2_is_spoken_by_prior_knowledge_beside_http_1() {
    let database = Database::migrated().await;
    let mut control_plane = ControlPlane::start(&database).await;
    let mut client = Http2Client::connect(control_plane.http).await.unwrap();
    let body = Request::post("/key/generate").bearer(MASTER).json(r#"{"key_alias":"by-http-2"}"#);
    let (status, _, text) = client.exchange(&body).await.unwrap();
    assert_eq!(status, 200, "{text}");
    for _ in 0..3 {
        let (status, _, text) = client.exchange(&list()).await.unwrap();
        assert!(status == 200 && text.contains("\"total_count\":1"), "{text}");
    }
    assert_eq!(client.streams_allowed(), 100);
    // In two pieces, as a network may deliver it.
    let mut pieces = Client::connect(control_plane.http).await.unwrap();
    pieces.send(b"PRI * HTT").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    pieces.send(b"P/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let answer = pieces.read_until(|reader| reader.raw().len() >= 9).await;
    assert_eq!(answer.raw.get(3), Some(&4), "SETTINGS: {:?}", answer.raw);
    assert_eq!(control_plane.call(Request::get("/key/list")).await.status, 200);

    control_plane.signal("TERM");
    assert_eq!(client.ended().await, None, "it was told to leave, in order");
    assert!(control_plane.ended().await.success());
}

#[tokio::test]
async fn tls_offers_http_2_first() {
    let database = Database::migrated().await;
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let flags = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let control_plane = ControlPlane::start_with(&database, &flags).await;
    for (offered, agreed) in
        [(&["h2", "http/1.1"][..], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&[], None)]
    {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = offered.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let socket = TcpStream::connect(control_plane.http).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed.map(str::as_bytes));
        if agreed == Some("h2") {
            let mut client = Http2Client::over(stream).await.unwrap();
            let (status, _, text) = client.exchange(&list()).await.unwrap();
            assert_eq!(status, 200, "{text}");
        }
    }
}

/// What a proxy before it gets for a path under its own.
async fn through(front: &FrontProxy, path: &str, target: &str) -> Answer {
    call(front.addr(), &Request::get(&format!("{path}{target}")).bearer(MASTER)).await.unwrap()
}

#[tokio::test]
async fn a_front_proxy_may_have_it_under_any_path_and_strip_that_or_keep_it() {
    let database = Database::migrated().await;
    for (root, path) in [
        ("/api/v1", "/api/v1"),
        ("/llmproxy/", "/llmproxy"),
        ("a/b/c", "/a/b/c"),
        ("", ""),
        ("/", ""),
        ("/key", "/key"),
    ] {
        let control_plane = ControlPlane::start_with(&database, &["--root-path", root]).await;
        for strips in [false, true] {
            let front = FrontProxy::start(control_plane.http, path, strips).await.unwrap();
            for (target, status) in [
                ("/key/list?size=1", 200),
                ("/health/liveliness", 200),
                ("/openapi.json", 200),
                ("/docs", 200),
                ("/", 200),
                ("/nope", 404),
                ("//key/list", 404),
            ] {
                let answer = through(&front, path, target).await;
                assert_eq!(answer.status, status, "{root} {strips} {target}: {}", answer.text());
            }
            let document = through(&front, path, "/openapi.json").await.json();
            let server = (!path.is_empty()).then_some(path);
            assert_eq!(document["servers"][0]["url"].as_str(), server);
            let page = through(&front, path, "/docs").await.text();
            assert!(page.contains(&format!("<base href=\"{path}/\">")), "{page}");
        }
        // Probes know nothing of it.
        assert_eq!(control_plane.call(Request::get("/health/readiness")).await.status, 200);
    }
}

#[test]
fn a_path_or_an_origin_that_makes_no_sense_is_refused() {
    let output = control_plane()
        .args(["serve", "--database-url", "postgres://me@127.0.0.1:1/x", "--master-key", MASTER])
        .args(["--root-path", "/a/../b"])
        .env("LITELLM_CORS_ORIGINS", "app.example.com")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("--root-path") && said.contains("LITELLM_CORS_ORIGINS"), "{said}");
}

#[tokio::test]
async fn a_path_that_can_be_read_in_two_ways_is_nobodys() {
    let database = Database::migrated().await;
    let control_plane = ControlPlane::start(&database).await;
    for path in [
        "//key/list",
        "/key//list",
        "/key/./list",
        "/health/../key/list",
        "/health/%2e%2e/key/list",
        "/key/list;x",
        "/key%2flist",
        "/KEY/list",
        "/credentials/by_name/..",
        "/credentials/by_name/%2e%2e",
        "/credentials/by_name/a%2fb",
    ] {
        let answer = control_plane.call(Request::get(path)).await;
        assert_eq!((answer.status, answer.text().as_str()), (404, r#"{"detail":"Not Found"}"#), "{path}");
    }
    // Whatever host is named, it is the path that counts.
    let absolute = Request::get("http://elsewhere.example.com/key/list").header("x-forwarded-host", "evil");
    assert_eq!(control_plane.call(absolute).await.status, 200);
}

#[tokio::test]
async fn browsers_may_call_from_origins_that_are_listed() {
    let database = Database::migrated().await;
    let flags = ["--cors-origins", "https://app.example.com"];
    let control_plane = ControlPlane::start_with(&database, &flags).await;
    let preflight = |origin: &str| {
        Request::new("OPTIONS", "/key/list")
            .header("origin", origin)
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "authorization")
    };
    let good = call(control_plane.http, &preflight("https://app.example.com")).await.unwrap();
    assert_eq!((good.status, good.text().as_str()), (200, "OK"));
    assert_eq!(good.header("access-control-allow-origin"), Some("https://app.example.com"));
    assert_eq!(good.header("access-control-allow-headers"), Some("authorization"));
    let bad = call(control_plane.http, &preflight("https://evil.example.com")).await.unwrap();
    assert_eq!((bad.status, bad.header("access-control-allow-origin")), (400, None));
    let asked = Request::get("/key/list").header("origin", "https://app.example.com");
    let refused = call(control_plane.http, &asked).await.unwrap();
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://app.example.com"));
    let none = ControlPlane::start(&database).await;
    let answer = call(none.http, &preflight("https://app.example.com")).await.unwrap();
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (405, None));
}
