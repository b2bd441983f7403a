//! What the flags of a managed node say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bulkhead_config::flag::{note, problem, secret};
use bulkhead_config::{Problem, Problems};
use bulkhead_model::Secret;
use bulkhead_sealed::StateKeys;
use parking_lot::Mutex;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tonic::metadata::{Ascii, MetadataValue};

use super::Staleness;
use crate::args::Managed;
use crate::flags::Peer;
use crate::upstream::{Dialer, system_roots};

/// Which control plane to follow, and how.
pub(crate) struct Follow {
    pub(crate) peer: Peer,
    grpc_ca: Option<PathBuf>,
    join_token_file: Option<PathBuf>,
    access: Mutex<Access>,
    pub(crate) keys: StateKeys,
    pub(crate) staleness: Staleness,
}

/// What a connection goes by.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) dialer: Arc<Dialer>,
    /// `Bearer` and the join token.
    pub(crate) authorization: MetadataValue<Ascii>,
    /// What is wrong with the files.
    wrong: Vec<Problem>,
}

impl Follow {
    /// Reads the flags, or says everything that is wrong with them.
    pub(crate) fn read(url: &str, flags: &Managed) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let peer = note(peer(url, flags), &mut problems);
        let roots = note(roots(flags.grpc_ca.as_deref()), &mut problems);
        let file = flags.join_token_file.as_deref();
        let token = note(join_token(flags.join_token.as_ref(), file), &mut problems);
        let given = secret("--state-key", flags.state_key.as_ref(), flags.state_key_file.as_deref());
        let given = note(given, &mut problems);
        let keys = match (given, &token) {
            (Some(Some(given)), _) => note(state_keys(&given), &mut problems),
            (Some(None), Some((token, _))) => Some(StateKeys::from_join_token(token)),
            _ => None,
        };
        let staleness = Staleness { after: flags.max_stale, action: flags.max_stale_action };
        match (peer, roots, token, keys) {
            (Some(peer), Some(roots), Some((_, authorization)), Some(keys)) if problems.is_empty() => {
                let access = Access { dialer: dialer(roots), authorization, wrong: Vec::new() };
                let (grpc_ca, join_token_file) = (flags.grpc_ca.clone(), flags.join_token_file.clone());
                Ok(Self { peer, grpc_ca, join_token_file, access: Mutex::new(access), keys, staleness })
            }
            _ => Err(Problems(problems)),
        }
    }

    /// What the next connection goes by. The files are read anew; where one is bad, what it held before stays.
    pub(crate) fn access(&self) -> Access {
        let mut access = self.access.lock();
        let mut wrong = Vec::new();
        if self.grpc_ca.is_some()
            && let Some(roots) = note(roots(self.grpc_ca.as_deref()), &mut wrong)
        {
            access.dialer = dialer(roots);
        }
        if self.join_token_file.is_some()
            && let Some((_, read)) = note(join_token(None, self.join_token_file.as_deref()), &mut wrong)
        {
            access.authorization = read;
        }
        if access.wrong != wrong {
            for problem in &wrong {
                tracing::error!("{problem}; what was read before stays in force");
            }
            access.wrong = wrong;
        }
        access.clone()
    }
}

fn dialer(roots: RootCertStore) -> Arc<Dialer> {
    Arc::new(Dialer::speaking("h2", roots))
}

fn peer(url: &str, flags: &Managed) -> Result<Peer, Problem> {
    let peer = Peer::parse("--control-plane", url)?;
    let plain = !peer.target.https;
    if plain && !flags.insecure_plaintext && !peer.is_loopback() {
        return Err(problem(
            "--control-plane",
            "http:// to another machine would send the join token and every key unencrypted",
            "an https:// URL; or --insecure-plaintext, where the network itself encrypts",
        ));
    }
    if plain && flags.grpc_ca.is_some() {
        return Err(problem(
            "--grpc-ca",
            "it has no meaning for an http:// control plane",
            "an https:// URL",
        ));
    }
    if !peer.prefix.is_empty() {
        return Err(problem("--control-plane", "gRPC has no path", "the URL without its path"));
    }
    Ok(peer)
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, Problem> {
    let Some(file) = file else { return Ok(system_roots()) };
    let wrong = |what: &str| {
        let remedy = "a file that can be read, with the authorities' certificates in PEM (-----BEGIN CERTIFICATE-----)";
        problem("--grpc-ca", format!("{} {what}", file.display()), remedy)
    };
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|_| wrong("cannot be read, or is not PEM"))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|_| wrong("holds what is no certificate"))?;
    }
    if roots.is_empty() { Err(wrong("holds no certificate")) } else { Ok(roots) }
}

fn join_token(
    value: Option<&Secret>,
    file: Option<&Path>,
) -> Result<(Secret, MetadataValue<Ascii>), Problem> {
    let token = secret("--join-token", value, file)?;
    let remedy = "what `control-plane token create` printed";
    let token =
        token.ok_or_else(|| problem("--join-token", "a node with a control plane needs one", remedy))?;
    let mut value = MetadataValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|_| problem("--join-token", "it holds what no token holds", remedy))?;
    value.set_sensitive(true);
    Ok((token, value))
}

/// The key, and after a comma the one before it.
fn state_keys(text: &Secret) -> Result<StateKeys, Problem> {
    let keys = match text.expose().split_once(',') {
        None => StateKeys::parse(text.expose()),
        Some((key, old)) => {
            StateKeys::parse(key).and_then(|key| StateKeys::parse(old).map(|old| key.with_old(old)))
        }
    };
    keys.map_err(|error| {
        problem("--state-key", error.to_string(), "`openssl rand -hex 32`; after a comma the old one")
    })
}
