//! Certificates from files.

use std::path::Path;
use std::sync::Arc;

use bulkhead_config::Problem;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::flags::problem;

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// What the management API offers.
pub(super) fn http(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, Problem> {
    let (chain, secret) = read("--tls", cert, key)?;
    let unusable = |error: rustls::Error| {
        let what =
            format!("the certificate and the key in {} cannot be used together: {error}", key.display());
        problem(
            "--tls-cert",
            what,
            "a certificate chain, its own certificate first, and the key it was made for",
        )
    };
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret));
    let mut config = config.map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The chain and the key of `<flag>-cert` and `<flag>-key`.
pub(super) fn read(flag: &str, cert: &Path, key: &Path) -> Result<Pair, Problem> {
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = match chain {
        Ok(chain) if chain.is_empty() => Err(pem::Error::NoItemsFound),
        chain => chain,
    };
    let chain = chain.map_err(|error| {
        let remedy =
            "a file that can be read, with the certificate chain in PEM (-----BEGIN CERTIFICATE-----)";
        problem(&format!("{flag}-cert"), reason(cert, &error, "certificate"), remedy)
    })?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        let remedy =
            "a file that can be read, with an unencrypted private key in PEM (-----BEGIN PRIVATE KEY-----)";
        problem(&format!("{flag}-key"), reason(key, &error, "private key"), remedy)
    })?;
    Ok((chain, secret))
}

fn reason(file: &Path, error: &pem::Error, wanted: &str) -> String {
    let file = file.display();
    match error {
        pem::Error::Io(error) => format!("{file} cannot be read: {error}"),
        pem::Error::NoItemsFound => format!("{file} holds no {wanted}"),
        // The error itself may quote the file.
        _ => format!("{file} is not PEM, or damaged"),
    }
}
