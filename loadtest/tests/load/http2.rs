//! HTTP/2: many streams on a connection, with prior knowledge and over TLS.

use std::sync::Arc;

use http::Version;
use loadtest::load::{Expect, Load, Pace, Tls};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use crate::failed;
use crate::server::Server;

#[test]
fn streams_share_a_connection() {
    // Nothing is answered before four are in flight, so that four have to be there at once.
    let server = Server::http2(|request| format!("{:?} {}", request.version(), request.uri()), 4, None);
    let load = Load { http2: Some(4), pace: Pace::Open { rate: 200.0 }, ..server.load(Expect::Body, 0.0) };
    let report = load.run().unwrap();
    assert_eq!((report.sent, report.ok, failed(&report)), (40, 40, vec![]));
    assert_eq!((server.accepted(), report.reconnects), (1, 0));
    let said = format!("{:?} http://{}/", Version::HTTP_2, load.addr);
    assert_eq!(report.bytes, 40 * said.len() as u64);
}

#[test]
fn a_stream_that_fails_costs_no_connection() {
    let server = Server::http2(|_| "data: x\n\n".to_owned(), 1, None);
    let load = Load { http2: Some(2), connections: 2, ..server.load(Expect::Stream, 100.0) };
    let report = load.run().unwrap();
    assert_eq!((failed(&report), report.reconnects), (vec![("no_terminal_event", 20)], 0));
    assert!(server.accepted() <= 2);
}

#[test]
fn tls_says_what_is_spoken() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let server =
        Server::http2(|request| request.uri().to_string(), 1, Some(TlsAcceptor::from(Arc::new(config))));

    let tls = Tls::trusting(cert.pem().as_bytes(), "localhost", true).unwrap();
    let load = Load { http2: Some(2), tls: Some(tls), ..server.load(Expect::Body, 50.0) };
    let report = load.run().unwrap();
    assert_eq!((report.ok, failed(&report)), (10, vec![]));
    assert_eq!(report.bytes, 10 * format!("https://{}/", load.addr).len() as u64);

    let other = Tls::trusting(cert.pem().as_bytes(), "elsewhere", true).unwrap();
    let report = Load { tls: Some(other), ..load.clone() }.run().unwrap();
    assert_eq!(failed(&report), [("connect", 10)]);
    let http1 = Tls::trusting(cert.pem().as_bytes(), "localhost", false).unwrap();
    let report = Load { tls: Some(http1), http2: None, ..load }.run().unwrap();
    assert_eq!(failed(&report), [("connect", 10)]);
}
