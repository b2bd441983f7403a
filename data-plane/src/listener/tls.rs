//! TLS of the inference listener. New connections get the certificate that is on disk: whoever renews it replaces the
//! files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use bulkhead_config::{Problem, Problems};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::files::{LastRead, Stamp, Watch};

/// A certificate chain and its key, both PEM, and where they come from.
#[derive(Debug)]
pub(crate) struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    read: LastRead,
    in_force: ArcSwap<CertifiedKey>,
}

impl Certificate {
    /// Reads both files, or says everything that is wrong with them.
    pub(crate) fn open(cert: &Path, key: &Path) -> Result<Arc<Self>, Problems> {
        let read = LastRead::default();
        let in_force = ArcSwap::from_pointee(load(cert, key, &read)?);
        Ok(Arc::new(Self { cert: cert.to_owned(), key: key.to_owned(), read, in_force }))
    }

    /// What the listener offers.
    pub(crate) fn server_config(self: Arc<Self>) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(self);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// Reads the files anew when they change, until the runtime ends. Bad ones are refused and the old ones stay.
    pub(crate) async fn watch(self: Arc<Self>, mut files: Watch) {
        loop {
            files.changed(&self.read).await;
            self.reload();
        }
    }

    fn reload(&self) {
        match load(&self.cert, &self.key, &self.read) {
            Ok(certificate) => {
                self.in_force.store(Arc::new(certificate));
                tracing::info!("certificate applied");
            }
            Err(problems) => {
                tracing::error!("the certificate was refused, the old one stays in force:\n{problems}");
            }
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.in_force.load_full())
    }
}

fn load(cert: &Path, key: &Path, read: &LastRead) -> Result<CertifiedKey, Problems> {
    read.set([cert, key].map(|file| (file.to_owned(), Stamp::of(file))).to_vec());
    let (chain, secret) = match (chain(cert), secret(key)) {
        (Ok(chain), Ok(secret)) => (chain, secret),
        (chain, secret) => {
            return Err(Problems(chain.err().into_iter().chain(secret.err()).collect()));
        }
    };
    CertifiedKey::from_der(chain, secret, &aws_lc_rs::default_provider()).map_err(|error| {
        let what =
            format!("the certificate and the key in {} cannot be used together: {error}", key.display());
        Problems(vec![problem(
            cert,
            "--tls-cert",
            what,
            "a certificate chain, its own certificate first, and the key it was made for",
        )])
    })
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let remedy = "a file that can be read, with the certificate chain in PEM (-----BEGIN CERTIFICATE-----), the \
                  server's own certificate first";
    let bad = |what: String| problem(file, "--tls-cert", what, remedy);
    let chain = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(reason(&error, "certificate")))?;
    if chain.is_empty() {
        return Err(bad(reason(&pem::Error::NoItemsFound, "certificate")));
    }
    Ok(chain)
}

fn secret(file: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let remedy =
        "a file that can be read, with an unencrypted private key in PEM (-----BEGIN PRIVATE KEY-----)";
    PrivateKeyDer::from_pem_file(file)
        .map_err(|error| problem(file, "--tls-key", reason(&error, "private key"), remedy))
}

fn reason(error: &pem::Error, wanted: &str) -> String {
    match error {
        pem::Error::Io(error) => format!("cannot be read: {error}"),
        pem::Error::NoItemsFound => format!("holds no {wanted}"),
        // The error itself may quote the file.
        _ => "is not PEM, or damaged".to_owned(),
    }
}

fn problem(file: &Path, flag: &str, what: String, remedy: &str) -> Problem {
    let file = file.display().to_string();
    Problem { file, line: 1, column: 1, path: flag.to_owned(), what, remedy: remedy.to_owned() }
}
