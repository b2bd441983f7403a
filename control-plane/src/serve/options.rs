//! What `serve` is told, read and found good: everything that is wrong is said at once, before any port is bound.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bulkhead_config::flag::{note, problem};
use bulkhead_config::{Problem, Problems};
use bulkhead_files::Certificate;
use bulkhead_model::Secret;

use crate::Failure;
use crate::apply::File;
use crate::args::{Serve, all};
use crate::seal::Seal;

/// What `serve` goes by.
pub(super) struct Options {
    pub(super) database: Secret,
    pub(super) seal: Arc<Seal>,
    pub(super) master_key: Secret,
    pub(super) file: Option<File>,
    pub(super) http_tls: Option<Arc<Certificate>>,
    pub(super) grpc_tls: Option<Arc<Certificate>>,
    pub(super) listen: bool,
    pub(super) keep_changes: i64,
    /// Days.
    pub(super) keep_usage: i64,
}

impl Options {
    pub(super) fn read(args: &Serve) -> Result<Self, Failure> {
        let mut problems = Vec::new();
        let database = note(args.database.url(), &mut problems);
        let given = note(args.keys.given_master_key(), &mut problems).flatten();
        let file = match &args.config {
            None => None,
            Some(path) => match File::read(path, given.as_ref()) {
                Ok(file) => Some(file),
                Err(Failure::Usage(wrong)) => {
                    // The file's own mistakes, and then those of the command line.
                    let rest = Self::rest(args, &mut problems);
                    drop(rest);
                    let more: Vec<_> = problems.iter().map(Problem::to_string).collect();
                    return Err(Failure::Usage([vec![wrong], more].concat().join("\n")));
                }
                Err(other) => return Err(other),
            },
        };
        let declared = file.as_ref().and_then(|file| file.declared.master_key.as_ref());
        let master_key = note(args.keys.master_key(declared), &mut problems);
        let seal = master_key.as_ref().and_then(|key| note(args.keys.seal(key), &mut problems));
        let tls = Self::rest(args, &mut problems);
        let read = database.zip(master_key).zip(seal).zip(tls);
        let (((database, master_key), seal), (http_tls, grpc_tls)) = all(read, problems)?;
        let &Serve { no_listen_notify, keep_changes, usage_retention_days, .. } = args;
        let (listen, keep_usage) = (!no_listen_notify, usage_retention_days);
        Ok(Self { database, seal, master_key, file, http_tls, grpc_tls, listen, keep_changes, keep_usage })
    }

    fn rest(args: &Serve, problems: &mut Vec<Problem>) -> Option<Tls> {
        let http = certificate("--tls", &args.tls_cert, &args.tls_key, problems);
        let grpc = certificate("--grpc", &args.grpc_cert, &args.grpc_key, problems);
        let plaintext = match args.grpc_cert {
            Some(_) => Some(()),
            None => note(plaintext(args), problems),
        };
        http.zip(grpc).zip(plaintext).map(|(tls, ())| tls)
    }
}

type Tls = (Option<Arc<Certificate>>, Option<Arc<Certificate>>);

/// The certificate of `<flag>-cert` and `<flag>-key`, of which there are both or none.
fn certificate(
    flag: &'static str,
    cert: &Option<PathBuf>,
    key: &Option<PathBuf>,
    problems: &mut Vec<Problem>,
) -> Option<Option<Arc<Certificate>>> {
    let (Some(cert), Some(key)) = (cert, key) else { return Some(None) };
    let opened = Certificate::open(flag, cert, key);
    opened.map(Some).map_err(|Problems(wrong)| problems.extend(wrong)).ok()
}

/// Join tokens and keys leave the machine only encrypted.
fn plaintext(args: &Serve) -> Result<(), Problem> {
    let address = &args.grpc_listen;
    let local = match address.parse::<SocketAddr>() {
        Ok(address) => address.ip().is_loopback(),
        Err(_) => address.rsplit_once(':').is_some_and(|(host, _)| host == "localhost"),
    };
    if local || args.insecure_plaintext {
        return Ok(());
    }
    Err(problem(
        "--grpc-listen",
        format!(
            "{address} can be reached from other machines, and join tokens and keys would travel unencrypted"
        ),
        "--grpc-cert and --grpc-key; or --insecure-plaintext, where the network itself encrypts",
    ))
}
