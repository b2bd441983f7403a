//! TLS to clients and to providers, with certificates made for the test.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bulkhead_testkit::client::{Client, End, Http2Client, Request};
use bulkhead_testkit::{GatewayYaml, MockProvider, body, canary, eventually};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::{Builder, Gateway, MASTER, PATIENCE, yaml};

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    cert: String,
    key: String,
}

impl Pair {
    /// What a server needs that shows this certificate.
    pub(crate) fn server(&self) -> ServerConfig {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![der(self)], key).unwrap()
    }
}

impl Authority {
    /// A file with its certificate, for who is to trust it.
    pub(crate) fn file(&self, dir: &TempDir) -> String {
        authorities(dir, &self.pem)
    }

    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn issue(&self, name: &str) -> Pair {
        self.issue_with(CertificateParams::new(vec![name.to_owned()]).unwrap())
    }

    fn issue_with(&self, params: CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { cert, key: key.serialize_pem() }
    }

    /// What a client needs that trusts this authority and offers these protocols.
    fn client(&self, protocols: &[&str]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}

/// A certificate that vouches for itself.
fn self_signed(name: &str) -> Pair {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    Pair { cert: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

/// The files of a listener.
struct Files(TempDir);

impl Files {
    fn with(pair: &Pair) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write(pair);
        files
    }

    fn cert(&self) -> PathBuf {
        self.0.path().join("server.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("server.key")
    }

    fn write(&self, pair: &Pair) {
        std::fs::write(self.cert(), &pair.cert).unwrap();
        std::fs::write(self.key(), &pair.key).unwrap();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn with_tls(builder: Builder, files: &Files) -> Builder {
    builder.arg("--tls-cert", text(&files.cert())).arg("--tls-key", text(&files.key()))
}

async fn connect(tls: &TlsConnector, addr: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(addr).await?;
    tls.connect(ServerName::try_from("localhost").unwrap(), socket).await
}

/// Sends a request and reads to the end of the connection.
async fn last_words(stream: &mut TlsStream<TcpStream>, request: Request) -> String {
    stream.write_all(&request.header("connection", "close").bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

/// The certificate that a new client is shown; one that was here before remembers what it was shown then.
async fn shown(authority: &Authority, addr: SocketAddr) -> CertificateDer<'static> {
    let stream = connect(&authority.client(&[]), addr).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

fn der(pair: &Pair) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap()
}

fn chat() -> Request {
    Request::post("/v1/chat/completions").bearer(MASTER).json(body::chat("gpt", "Hi"))
}

#[tokio::test]
async fn answers_and_streams_come_over_tls_by_what_the_client_speaks() {
    let (mock, authority) = (MockProvider::start(), Authority::new("one"));
    let files = Files::with(&authority.issue("localhost"));
    let gateway = with_tls(Gateway::with(yaml(&mock).text()), &files).start().await;
    gateway.until_log("inference listening on https://").await;

    for protocols in [&["http/1.1", "h2"][..], &["h2"]] {
        let stream = connect(&authority.client(protocols), gateway.addr).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "the gateway's first choice");
        let mut client = Http2Client::over(stream).await.unwrap();
        let (status, headers, _) = client.exchange(&chat()).await.unwrap();
        assert_eq!((status, headers.get("connection")), (200, None));
        let streamed = chat().json(body::chat("gpt", "Hi").stream());
        let (_, _, text) = client.exchange(&streamed).await.unwrap();
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    }
    for protocols in [&["http/1.1"][..], &[]] {
        let tls = authority.client(protocols);
        let mut stream = connect(&tls, gateway.addr).await.unwrap();
        let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(agreed, protocols.last().map(|last| last.as_bytes().to_vec()));
        let answer = last_words(&mut stream, chat()).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let mut stream = connect(&tls, gateway.addr).await.unwrap();
        let streamed = chat().json(body::chat("gpt", "Hi").stream());
        let answer = last_words(&mut stream, streamed).await;
        assert!(answer.contains("data: [DONE]\n\n"), "{answer}");
    }
    assert_eq!(mock.ledger().count(), 8);
}

#[tokio::test]
async fn a_client_that_speaks_something_else_or_an_old_tls_hears_so_in_the_handshake() {
    let (mock, authority) = (MockProvider::start(), Authority::new("one"));
    let files = Files::with(&authority.issue("localhost"));
    let gateway = with_tls(Gateway::with(yaml(&mock).text()), &files).start().await;
    let error = connect(&authority.client(&["spdy/3.1"]), gateway.addr).await.unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");

    // The hello of a TLS 1.1 client, with one cipher suite.
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2];
    hello.extend_from_slice(&[7; 32]);
    hello.extend_from_slice(&[0, 0, 2, 0xc0, 0x13, 1, 0]);
    let mut client = Client::connect(gateway.addr).await.unwrap().patience(PATIENCE);
    client.send(&hello).await.unwrap();
    assert_eq!(client.until_closed().await, End::Eof);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_new_connections_and_a_bad_one_is_not() {
    let (mock, authority) = (MockProvider::start(), Authority::new("one"));
    let (first, second, third) =
        (authority.issue("localhost"), authority.issue("localhost"), authority.issue("localhost"));
    let files = Files::with(&first);
    let gateway = with_tls(Gateway::with(yaml(&mock).text()), &files).start().await;
    let mut old = connect(&authority.client(&[]), gateway.addr).await.unwrap();
    assert_eq!(shown(&authority, gateway.addr).await, der(&first));

    files.write(&second);
    gateway.until_log("certificate applied").await;
    assert_eq!(shown(&authority, gateway.addr).await, der(&second));
    let answer = last_words(&mut old, chat()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "the old connection goes on: {answer}");

    std::fs::write(files.cert(), "-----BEGIN CERTIFICATE-----\nhalf of it").unwrap();
    gateway.until_log("the certificate was refused").await;
    assert_eq!(shown(&authority, gateway.addr).await, der(&second));
    // A key of another certificate is what it looks like between the two writes of a renewal.
    std::fs::write(files.cert(), &third.cert).unwrap();
    gateway.until_log("cannot be used together").await;
    assert_eq!(shown(&authority, gateway.addr).await, der(&second));
    std::fs::write(files.key(), &third.key).unwrap();
    let applied = || gateway.log().matches("certificate applied").count();
    assert!(eventually(PATIENCE, || applied() == 2).await, "{}", gateway.log());
    assert_eq!(shown(&authority, gateway.addr).await, der(&third));
}

#[tokio::test]
async fn plain_http_on_a_tls_port_fails_quickly_and_harms_nobody() {
    let (mock, authority) = (MockProvider::start(), Authority::new("one"));
    let files = Files::with(&authority.issue("localhost"));
    let gateway = with_tls(Gateway::with(yaml(&mock).text()), &files).start().await;
    let asked = Instant::now();
    let mut client = gateway.client().await.patience(PATIENCE);
    let answer = client.exchange(&chat()).await;
    assert_ne!(answer.end, End::TimedOut);
    assert_eq!(answer.status, 0, "{}", answer.text());
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(mock.ledger().count(), 0);
    let mut stream = connect(&authority.client(&[]), gateway.addr).await.unwrap();
    assert!(last_words(&mut stream, chat()).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_client_that_says_nothing_or_stops_in_the_handshake_is_cut() {
    let (mock, authority) = (MockProvider::start(), Authority::new("one"));
    let files = Files::with(&authority.issue("localhost"));
    let gateway = with_tls(Gateway::with(yaml(&mock).text()), &files).env("KEEPALIVE_TIMEOUT", "1");
    let gateway = gateway.start().await;
    // Nothing, and the beginning of a hello of 512 bytes.
    for said in [&[][..], &[0x16, 3, 1, 2, 0, 1, 0]] {
        let mut client = gateway.client().await.patience(PATIENCE);
        client.send(said).await.unwrap();
        assert_eq!(client.until_closed().await, End::Eof, "after {} bytes", said.len());
    }
    gateway.until_metric("bulkhead_connections", &[], 0.0).await;
}

/// The exit code and the words of a gateway with these files; no port is bound.
fn refused(yaml: &str, cert: &Path, key: &Path) -> String {
    let builder = Gateway::with(yaml).arg("--tls-cert", text(cert)).arg("--tls-key", text(key));
    let (code, said) = builder.refused();
    assert_eq!(code, Some(64), "{said}");
    assert!(!said.contains("listening"), "{said}");
    said
}

#[tokio::test]
async fn files_that_are_no_certificate_and_key_are_refused_by_name_with_what_to_write() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock).text();
    let (good, other) = (self_signed("localhost"), self_signed("localhost"));
    let files = Files::with(&good);
    let bad = Files::with(&Pair { cert: good.key.clone(), key: other.key });
    let garbage = files.0.path().join("garbage.pem");
    let begin = "-----BEGIN PRIVATE KEY-----\n";
    std::fs::write(&garbage, format!("{begin}{}\n-----END PRIVATE KEY-----\n", canary::JOIN_TOKEN)).unwrap();
    let missing = files.0.path().join("missing.pem");

    for (cert, key, file, flag, what) in [
        (&missing, &files.key(), &missing, "--tls-cert", "No such file"),
        (&files.cert(), &missing, &missing, "--tls-key", "No such file"),
        (&bad.cert(), &files.key(), &bad.cert(), "--tls-cert", "holds no certificate"),
        (&files.cert(), &files.cert(), &files.cert(), "--tls-key", "holds no private key"),
        (&files.cert(), &garbage, &garbage, "--tls-key", "is not PEM, or damaged"),
        (&files.cert(), &bad.key(), &files.cert(), "--tls-cert", "cannot be used together"),
    ] {
        let said = refused(&yaml, cert, key);
        let line = said.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {said}"));
        assert!(line.starts_with(text(file)) && line.contains(flag), "{said}");
        assert!(said.contains("\n    write: ") && said.contains("PEM") | said.contains("chain"), "{said}");
    }
    let said = refused(&format!("{yaml}\nno_such_section: 1\n"), &missing, &garbage);
    for place in ["gateway.yaml:", "no_such_section", text(&missing), text(&garbage)] {
        assert!(said.contains(place), "all at once, with {place}: {said}");
    }
    let (code, said) = Gateway::with(&*yaml).arg("--tls-cert", text(&files.cert())).refused();
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("--tls-key"), "{said}");
}

/// A provider behind TLS.
struct Front {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Front {
    async fn start(pair: &Pair, mock: &MockProvider) -> Self {
        let tls = TlsAcceptor::from(Arc::new(pair.server()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (addr, mock, connections) = (listener.local_addr().unwrap(), mock.addr(), Arc::default());
        let counter: Arc<AtomicUsize> = Arc::clone(&connections);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (tls, counter) = (tls.clone(), counter.clone());
                served.spawn(async move {
                    let Ok(mut inside) = tls.accept(socket).await else { return };
                    counter.fetch_add(1, Ordering::Relaxed);
                    let mut outside = TcpStream::connect(mock).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
                });
            }
        });
        Self { addr, connections, _task: task }
    }

    fn yaml(&self, host: &str) -> String {
        GatewayYaml::new()
            .master_key(MASTER)
            .deployment("gpt")
            .provider("openai")
            .model("ok")
            .base(format!("https://{host}:{}/v1", self.addr.port()))
            .key(canary::OPENAI_KEY)
            .text()
    }
}

fn authorities(files: &TempDir, pem: &str) -> String {
    let path = files.path().join("authorities.pem");
    std::fs::write(&path, pem).unwrap();
    text(&path).to_owned()
}

#[tokio::test]
async fn a_provider_whose_authority_is_configured_is_reached_over_one_connection() {
    let (mock, authority) = (MockProvider::start(), Authority::new("one"));
    let dir = tempfile::tempdir().unwrap();
    for (name, host) in [("localhost", "localhost"), ("127.0.0.1", "127.0.0.1")] {
        let front = Front::start(&authority.issue(name), &mock).await;
        let file = authority.file(&dir);
        let gateway = Gateway::with(front.yaml(host)).env("SSL_CERT_FILE", &file).start().await;
        let mut client = gateway.client().await;
        for request in [chat(), chat().json(body::chat("gpt", "Hi").stream()), chat()] {
            let answer = client.exchange(&request).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.end, End::Complete);
        }
        assert_eq!(front.connections.load(Ordering::Relaxed), 1, "{host}");
    }
    assert_eq!(mock.ledger().count(), 6);
}

#[tokio::test]
async fn a_provider_that_cannot_prove_who_it_is_gets_no_request_and_the_log_says_why() {
    let (mock, authority) = (MockProvider::start(), Authority::new("one"));
    let dir = tempfile::tempdir().unwrap();
    let mut expired = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    expired.not_before = rcgen::date_time_ymd(2020, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2021, 1, 1);
    for (pair, reason) in [
        (self_signed("localhost"), "UnknownIssuer"),
        (Authority::new("another").issue("localhost"), "UnknownIssuer"),
        (authority.issue("another.example"), "not valid for name"),
        (authority.issue_with(expired), "certificate expired"),
    ] {
        let front = Front::start(&pair, &mock).await;
        let file = authority.file(&dir);
        let gateway = Gateway::with(front.yaml("localhost")).env("SSL_CERT_FILE", &file).start().await;
        for request in [chat(), chat().json(body::chat("gpt", "Hi").stream())] {
            let answer = gateway.call(&request).await;
            assert_eq!(answer.status, 500, "{}", answer.text());
            // LiteLLM's words; the cause is for the operator.
            let message =
                "litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.";
            assert_eq!(answer.json()["error"]["message"], message);
        }
        let log = gateway.log();
        let line =
            log.lines().find(|line| line.contains(reason)).unwrap_or_else(|| panic!("{reason}: {log}"));
        assert!(line.contains("WARN") && line.contains("cannot connect to a provider"), "{line}");
        assert!(line.contains("localhost") && line.contains(&front.addr.port().to_string()), "{line}");
        assert_eq!(front.connections.load(Ordering::Relaxed), 0, "{reason}");
        for record in gateway.usage_of(2).await {
            assert_eq!(
                (&record["error"], &record["input_tokens"]),
                (&"upstream_connection".into(), &0.into())
            );
        }
    }
    assert_eq!(mock.ledger().count(), 0);
}
