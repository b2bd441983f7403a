//! The certificate of a TLS listener. New connections get the one that is on disk: whoever renews it replaces the files.

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

use crate::{LastRead, Stamp, Watch};

/// A certificate chain and its key, both PEM, and where they come from.
#[derive(Debug)]
pub struct Certificate {
    files: Files,
    read: LastRead,
    in_force: ArcSwap<CertifiedKey>,
}

#[derive(Debug)]
struct Files {
    /// They are given by `<flag>-cert` and `<flag>-key`.
    flag: &'static str,
    cert: PathBuf,
    key: PathBuf,
}

impl Certificate {
    /// Reads the files of `<flag>-cert` and `<flag>-key`, or says everything that is wrong with them.
    pub fn open(flag: &'static str, cert: &Path, key: &Path) -> Result<Arc<Self>, Problems> {
        let files = Files { flag, cert: cert.to_owned(), key: key.to_owned() };
        let read = LastRead::default();
        let in_force = ArcSwap::from_pointee(files.load(&read)?);
        Ok(Arc::new(Self { files, read, in_force }))
    }

    /// What a listener offers that speaks these protocols, the best one first.
    pub fn server_config(self: Arc<Self>, protocols: &[&str]) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(self);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// Reads the files anew when they change, until the runtime ends. Bad ones are refused and the old ones stay.
    pub async fn watch(self: Arc<Self>, mut files: Watch) {
        loop {
            files.changed(&self.read).await;
            self.reload();
        }
    }

    fn reload(&self) {
        let flag = self.files.flag;
        match self.files.load(&self.read) {
            Ok(certificate) => {
                self.in_force.store(Arc::new(certificate));
                tracing::info!(flag, "certificate applied");
            }
            Err(problems) => {
                tracing::error!(flag, "the certificate was refused, the old one stays in force:\n{problems}");
            }
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.in_force.load_full())
    }
}

impl Files {
    fn load(&self, read: &LastRead) -> Result<CertifiedKey, Problems> {
        read.set([&self.cert, &self.key].map(|file| (file.clone(), Stamp::of(file))).to_vec());
        let (chain, secret) = match (self.chain(), self.secret()) {
            (Ok(chain), Ok(secret)) => (chain, secret),
            (chain, secret) => {
                return Err(Problems(chain.err().into_iter().chain(secret.err()).collect()));
            }
        };
        CertifiedKey::from_der(chain, secret, &aws_lc_rs::default_provider()).map_err(|error| {
            let key = self.key.display();
            let what = format!("the certificate and the key in {key} cannot be used together: {error}");
            let remedy = "a certificate chain, its own certificate first, and the key it was made for";
            Problems(vec![self.problem(&self.cert, "cert", what, remedy)])
        })
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, Problem> {
        let remedy = "a file that can be read, with the certificate chain in PEM (-----BEGIN CERTIFICATE-----), the \
                      server's own certificate first";
        let bad = |what: String| self.problem(&self.cert, "cert", what, remedy);
        let chain = CertificateDer::pem_file_iter(&self.cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| bad(reason(&error, "certificate")))?;
        if chain.is_empty() {
            return Err(bad(reason(&pem::Error::NoItemsFound, "certificate")));
        }
        Ok(chain)
    }

    fn secret(&self) -> Result<PrivateKeyDer<'static>, Problem> {
        let remedy =
            "a file that can be read, with an unencrypted private key in PEM (-----BEGIN PRIVATE KEY-----)";
        PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| self.problem(&self.key, "key", reason(&error, "private key"), remedy))
    }

    fn problem(&self, file: &Path, which: &str, what: String, remedy: &str) -> Problem {
        let (file, path) = (file.display().to_string(), format!("{}-{which}", self.flag));
        Problem { file, line: 1, column: 1, path, what, remedy: remedy.to_owned() }
    }
}

fn reason(error: &pem::Error, wanted: &str) -> String {
    match error {
        pem::Error::Io(error) => format!("cannot be read: {error}"),
        pem::Error::NoItemsFound => format!("holds no {wanted}"),
        // The error itself may quote the file.
        _ => "is not PEM, or damaged".to_owned(),
    }
}
