//! What a gateway serves comes from a file or from a control plane; from here on the node does not care.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use bulkhead_config::Problems;
use bulkhead_config::flag::problem;
use bulkhead_files::Watch;
use bulkhead_model::{Clock, random};
use bulkhead_sealed::StateKeys;
use bulkhead_snapshot::Snapshot;

use crate::args::Args;
use crate::leases;
use crate::node::side_thread;
use crate::snapshot::{self, Applier, FileSource, Follow, Link, Subscriber};
use crate::usage::Shipper;
use crate::worker::Node;

/// Where snapshots come from, read and found good.
pub(crate) enum Source {
    /// Standalone.
    File(Arc<FileSource>, Box<Snapshot>),
    /// Managed.
    ControlPlane(Box<Follow>),
}

/// A source whose state directory is open.
pub(crate) enum Opened {
    File(Arc<FileSource>, Box<Snapshot>),
    ControlPlane { follow: Arc<Follow>, link: Arc<Link>, applier: Box<Applier>, state_dir: PathBuf },
}

impl Source {
    /// Reads the configuration, or says everything that is wrong with it.
    pub(crate) fn read(args: &Args, env: HashMap<String, String>) -> Result<Self, Problems> {
        let either = "`--config FILE` to run standalone, or `--control-plane URL` to follow a control plane";
        let wrong = |flag: &str, what: &str| Err(Problems(vec![problem(flag, what, either)]));
        match (&args.config, &args.control_plane) {
            (Some(file), None) => {
                let source = Arc::new(FileSource::new(file.clone(), env));
                let snapshot = source.load(1)?;
                Ok(Self::File(source, Box::new(snapshot)))
            }
            (None, Some(url)) => Ok(Self::ControlPlane(Box::new(Follow::read(url, &args.managed)?))),
            (None, None) => wrong("--config", "nothing says where this gateway gets what it serves"),
            (Some(_), Some(_)) => {
                wrong("--control-plane", "there is a --config, too, and only one of them can hold")
            }
        }
    }

    /// Reads the last good snapshot of a managed node.
    pub(crate) fn open(self, state_dir: &Path) -> anyhow::Result<Opened> {
        let follow = match self {
            Self::File(source, snapshot) => return Ok(Opened::File(source, snapshot)),
            Self::ControlPlane(follow) => Arc::from(follow),
        };
        let applier = Applier::open(state_dir, &follow)
            .with_context(|| format!("--state-dir {}: the last snapshot", state_dir.display()))?;
        let link = Link::new(follow.staleness, snapshot::age(state_dir, Clock::System.now()));
        let (link, applier) = (Arc::new(link), Box::new(applier));
        Ok(Opened::ControlPlane { follow, link, applier, state_dir: state_dir.to_owned() })
    }
}

impl Opened {
    /// The tie to the control plane.
    pub(crate) fn link(&self) -> Option<Arc<Link>> {
        match self {
            Self::File(..) => None,
            Self::ControlPlane { link, .. } => Some(link.clone()),
        }
    }

    /// What the state directory of a managed node is encrypted with.
    pub(crate) fn state_keys(&self) -> Option<StateKeys> {
        match self {
            Self::File(..) => None,
            Self::ControlPlane { follow, .. } => Some(follow.keys.clone()),
        }
    }

    /// Puts in force what is there, and follows the source until the process ends.
    pub(crate) fn follow(self, node: &Arc<Node>, name: String, files: Watch) -> anyhow::Result<()> {
        match self {
            Self::File(source, snapshot) => {
                leases::begin(&snapshot, &node.keeper);
                node.snapshot.store(Some(Arc::from(snapshot)));
                tokio::spawn(snapshot::watch(files, source, node.clone()));
            }
            Self::ControlPlane { follow, link, applier, state_dir } => {
                applier.put_in_force(node, &link);
                if let Some(spool) = node.recorder.spool().cloned() {
                    let (follow, node, name) = (follow.clone(), node.clone(), name.clone());
                    let shipper = Shipper { follow, node, spool, name, seed: random::number() };
                    side_thread("usage-shipper", shipper.run())?;
                }
                let node = node.clone();
                let subscriber = Subscriber { follow, node, link, name, state_dir, seed: random::number() };
                side_thread("control-plane", subscriber.run(*applier))?;
            }
        }
        Ok(())
    }
}
