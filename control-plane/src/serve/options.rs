//! What `serve` is told, read and found good: everything that is wrong is said at once, before any port is bound.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bulkhead_config::flag::{note, problem};
use bulkhead_config::{Problem, Problems};
use bulkhead_files::Certificate;
use bulkhead_model::Secret;

use super::front::Front;
use super::given::{Files, Given};
use crate::Failure;
use crate::args::Serve;
use crate::flags::variable_of;
use crate::seal::Seal;

/// What `serve` goes by.
pub(super) struct Options {
    pub(super) database: Secret,
    pub(super) seal: Arc<Seal>,
    pub(super) given: Given,
    pub(super) files: Arc<Files>,
    pub(super) http_tls: Option<Arc<Certificate>>,
    pub(super) grpc_tls: Option<Arc<Certificate>>,
    pub(super) front: Front,
    pub(super) listen: bool,
    pub(super) keep_changes: i64,
    /// Days.
    pub(super) keep_usage: i64,
}

impl Options {
    pub(super) fn read(args: &Serve) -> Result<Self, Failure> {
        let mut problems = Vec::new();
        let database = note(args.database.url(), &mut problems);
        let files = Files::new(&args.keys, args.config.as_deref());
        let (given, wrong) = match files.read() {
            Ok(given) => (Some(given), None),
            Err(wrong) => (None, Some(wrong)),
        };
        let seal = given.as_ref().and_then(|given| note(args.keys.seal(&given.master_key), &mut problems));
        let tls = Self::rest(args, &mut problems);
        let front = front(args, &mut problems);
        let read = database.zip(given).zip(seal).zip(tls).zip(front).filter(|_| problems.is_empty());
        let Some(((((database, given), seal), (http_tls, grpc_tls)), front)) = read else {
            let problems = problems.iter().map(Problem::to_string);
            return Err(Failure::Usage(wrong.into_iter().chain(problems).collect::<Vec<_>>().join("\n")));
        };
        let &Serve { no_listen_notify, keep_changes, usage_retention_days, .. } = args;
        let (listen, keep_usage) = (!no_listen_notify, usage_retention_days);
        let files = Arc::new(files);
        Ok(Self { database, seal, given, files, http_tls, grpc_tls, front, listen, keep_changes, keep_usage })
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

/// What requests of the management API pass first.
fn front(args: &Serve, problems: &mut Vec<Problem>) -> Option<Front> {
    let (root, cors) = (variable_of("SERVER_ROOT_PATH"), variable_of("LITELLM_CORS_ORIGINS"));
    let root = note(bulkhead_front::root_path(args.root_path.as_deref(), root.as_deref()), problems);
    let cors = note(bulkhead_front::cors(args.cors_origins.as_deref(), cors.as_deref()), problems);
    root.zip(cors).map(|(root, cors)| Front { root, cors })
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
