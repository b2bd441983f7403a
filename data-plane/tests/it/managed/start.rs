//! How a managed node is told whom to follow, and what it refuses to start with.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use super::*;

/// An environment, and parts of what is said about it.
type Case<'c> = (&'c [(&'c str, &'c str)], &'c [&'c str]);

#[test]
fn what_cannot_be_meant_ends_with_64_and_all_that_is_wrong() {
    let url = "BULKHEAD_CONTROL_PLANE";
    let token = "BULKHEAD_JOIN_TOKEN";
    let elsewhere = "http://192.0.2.1:4002";
    let cases: &[Case<'_>] = &[
        (&[], &["--config: nothing says", "--control-plane URL"]),
        (
            &[(url, "http://127.0.0.1:1")],
            &["--join-token: a node with a control plane needs one", "token create"],
        ),
        (&[(url, elsewhere), (token, "t")], &["would send the join token", "--insecure-plaintext"]),
        (&[(url, "127.0.0.1:4002"), (token, "t")], &["--control-plane: "]),
        (&[(url, "https://cp/path"), (token, "t")], &["gRPC has no path"]),
        (&[(url, "https://cp"), (token, "t"), ("BULKHEAD_GRPC_CA", "/nowhere")], &["--grpc-ca: /nowhere"]),
        (&[(url, "http://[::1]:1"), (token, "t"), ("BULKHEAD_GRPC_CA", "/nowhere")], &["no meaning"]),
        (&[(url, "https://cp"), ("BULKHEAD_JOIN_TOKEN_FILE", "/nowhere")], &["--join-token-file: /nowhere"]),
        (&[(url, "https://cp"), (token, "t"), ("BULKHEAD_MANAGEMENT_URL", "cp")], &["--management-url: "]),
        (&[(url, "https://cp"), (token, "t"), ("BULKHEAD_MAX_STALE", "soon")], &["not a duration"]),
        (
            &[(url, elsewhere), ("BULKHEAD_STATE_KEY", canary::STATE_KEY)],
            &[
                "--control-plane: ",
                "--join-token: ",
                "--state-key: a state key is 32 bytes",
                "openssl rand -hex 32",
            ],
        ),
    ];
    for (env, parts) in cases {
        let builder = env.iter().fold(Gateway::managed(), |builder, (name, value)| builder.env(name, value));
        let (code, text) = builder.refused();
        assert_eq!(code, Some(64), "{env:?}: {text}");
        for part in *parts {
            assert!(text.contains(part), "no `{part}` in {text}");
        }
    }
    let mock = MockProvider::start();
    let both = Gateway::with(crate::support::yaml(&mock).text()).env(url, "https://cp").env(token, "t");
    let (code, text) = both.refused();
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("--control-plane: there is a --config, too"), "{text}");
}

#[tokio::test]
async fn secrets_may_come_from_files() {
    let mock = MockProvider::start();
    let fake = Fake::start(rows(&mock));
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let start = |key: &str| {
        Gateway::managed()
            .env("BULKHEAD_CONTROL_PLANE", &fake.url())
            .env("BULKHEAD_JOIN_TOKEN_FILE", &file("token", canary::JOIN_TOKEN))
            .env("BULKHEAD_STATE_KEY_FILE", &file("key", key))
    };
    let (old, new) = ("0f".repeat(32), "a5".repeat(32));
    let mut gateway = start(&old).start().await;
    gateway.until_status(KEY, 200).await;
    fake.until_applied().await;
    for (key, readable) in [(format!("{new},{old}"), true), ("77".repeat(32), false)] {
        let hellos = fake.hellos().len();
        gateway.terminate().await;
        let again = start(&key).in_dir_of(&gateway).start().await;
        fake.until_hellos(hellos + 1, PATIENCE).await;
        assert_eq!(fake.hellos()[hellos].version.is_some(), readable, "{key}");
        again.until_status(KEY, 200).await;
        gateway = again;
    }
}

/// A private authority, and a server that has a certificate of it.
pub(super) fn authority(dir: &TempDir) -> (PathBuf, TlsAcceptor) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let cert = params.signed_by(&key, &issuer).unwrap().pem();
    let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
    let secret = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, secret).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    (file, TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_named_and_only_there() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, tls) = authority(&dir);
    let mock = MockProvider::start();
    let fake = Fake::start_at((Ipv4Addr::LOCALHOST, 0).into(), rows(&mock), Some(tls));
    let start = |ca: Option<&Path>| {
        let builder = follow_url(&format!("https://localhost:{}", fake.addr.port()));
        ca.into_iter().fold(builder, |builder, ca| builder.env("BULKHEAD_GRPC_CA", ca.to_str().unwrap()))
    };
    let trusting = start(Some(&ca)).start().await;
    trusting.until_status(KEY, 200).await;
    fake.change(vec![key(canary::OTHER_KEY)], Vec::new());
    trusting.until_status(canary::OTHER_KEY, 200).await;
    let wary = start(None).start().await;
    wary.until_log("TLS failed").await;
    assert_eq!(fake.hellos().len(), 1, "the token goes to nobody who is not trusted");
    assert_eq!(wary.ops("/readyz").await.status, 503);
}

#[tokio::test]
async fn a_control_plane_elsewhere_is_followed_in_plaintext_where_that_is_said() {
    let mock = MockProvider::start();
    let fake = Fake::start(rows(&mock));
    // Not an address of this machine only, as far as anybody can say.
    let url = format!("http://0.0.0.0:{}", fake.addr.port());
    let (code, said) = follow_url(&url).refused();
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("--control-plane: ") && said.contains("--insecure-plaintext"), "{said}");
    let gateway = follow_url(&url).env("BULKHEAD_INSECURE_PLAINTEXT", "true").start().await;
    gateway.until_status(KEY, 200).await;
}
