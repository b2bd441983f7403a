//! Certificates that are renewed on disk.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bulkhead_testkit::eventually;
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Certificate, ClientTlsConfig};

use crate::support::{ControlPlane, Database, Node, PATIENCE, head, join_token, team_limit};

type Made = CertifiedKey<KeyPair>;

fn made() -> Made {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

/// Certificate and key in one file, which changes in one step.
fn write(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, file).unwrap();
}

fn pem(made: &Made) -> String {
    format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem())
}

/// The certificate that a new client is shown.
async fn shown(addr: SocketAddr, trusted: &[&Made]) -> CertificateDer<'static> {
    let mut roots = RootCertStore::empty();
    trusted.iter().for_each(|made| roots.add(made.cert.der().clone()).unwrap());
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let socket = TcpStream::connect(addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(client)).connect(name, socket).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap().first().unwrap().clone().into_owned()
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_who_comes_and_who_is_there_stays() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("both.pem");
    let (first, second, third) = (made(), made(), made());
    write(&file, &pem(&first));
    let path = file.to_str().unwrap();
    let flags = ["--grpc-cert", path, "--grpc-key", path, "--tls-cert", path, "--tls-key", path];
    let control_plane = ControlPlane::start_with(&database, &flags).await;
    let token = join_token(&database, "a");
    let mut node = Node::new("one", &token);
    let trust = |made: &Made| {
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(made.cert.pem())).domain_name("localhost")
    };
    node.subscribe_securely(control_plane.grpc, trust(&first));
    node.until_runs(&head(&mut connection).await).await;

    let lines = |text: &str| {
        let of = |flag: &str| {
            let log = control_plane.log();
            log.lines().filter(|line| line.contains(text) && line.contains(flag)).count()
        };
        (of("\"--grpc\""), of("\"--tls\""))
    };
    let all = [&first, &second, &third];
    write(&file, &pem(&second));
    assert!(eventually(PATIENCE, || lines("certificate applied") == (1, 1)).await, "{}", control_plane.log());
    for addr in [control_plane.grpc, control_plane.http] {
        assert_eq!(shown(addr, &all).await, *second.cert.der());
    }
    node.until_runs(&team_limit(&mut connection, "red", 1).await).await;

    write(&file, "-----BEGIN CERTIFICATE-----\nhalf of it");
    assert!(eventually(PATIENCE, || lines("was refused") == (1, 1)).await, "{}", control_plane.log());
    for addr in [control_plane.grpc, control_plane.http] {
        assert_eq!(shown(addr, &all).await, *second.cert.der());
    }
    node.until_runs(&team_limit(&mut connection, "red", 2).await).await;
    let mut another = Node::new("two", &token);
    another.subscribe_securely(control_plane.grpc, trust(&second));
    another.until_runs(&head(&mut connection).await).await;

    write(&file, &pem(&third));
    assert!(eventually(PATIENCE, || lines("certificate applied") == (2, 2)).await, "{}", control_plane.log());
    assert_eq!(lines("was refused"), (1, 1), "said once");
    for addr in [control_plane.grpc, control_plane.http] {
        assert_eq!(shown(addr, &all).await, *third.cert.der());
    }
    node.until_runs(&team_limit(&mut connection, "red", 3).await).await;
    assert_eq!(node.look(|seen| (seen.fulls, seen.ended.is_none())), (1, true), "one stream all the time");
}
