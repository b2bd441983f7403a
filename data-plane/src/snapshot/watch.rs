//! Watches the configuration file: a change or SIGHUP compiles it anew. A bad file is refused whole, with all that is
//! wrong with it in the log, and the old snapshot keeps serving.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::FileSource;
use crate::worker::Node;

/// Looking is cheaper than being told: it works on every file system and through every kind of symbolic link.
const LOOK: Duration = Duration::from_millis(500);

/// Identity of a file's content, as far as the file system tells.
type Stamp = Vec<Option<(SystemTime, u64)>>;

/// Watches until the runtime ends.
pub(crate) async fn watch(source: Arc<FileSource>, node: Arc<Node>) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut applied = stamp(&source.files());
    let mut pending: Option<Stamp> = None;
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                tracing::info!("SIGHUP: reading the configuration again");
                applied = reload(&source, &node).await;
                pending = None;
            }
            _ = look.tick() => {
                let now = stamp(&source.files());
                if now == applied {
                    pending = None;
                } else if pending.as_ref() == Some(&now) {
                    // Unchanged for one look: whoever writes it is done.
                    applied = reload(&source, &node).await;
                    pending = None;
                } else {
                    pending = Some(now);
                }
            }
        }
    }
}

/// Compiles the file and swaps the snapshot, off the runtime's thread; returns what it read.
async fn reload(source: &Arc<FileSource>, node: &Arc<Node>) -> Stamp {
    let before = stamp(&source.files());
    let revision = node.snapshot.load().as_deref().map_or(1, |snapshot| snapshot.revision + 1);
    let loading = source.clone();
    let outcome = tokio::task::spawn_blocking(move || loading.load(revision)).await;
    match outcome {
        Ok(Ok(snapshot)) => {
            tracing::info!(
                revision,
                keys = snapshot.keys.len(),
                model_groups = snapshot.models.len(),
                "configuration applied"
            );
            node.snapshot.store(Some(Arc::new(snapshot)));
            node.reloads.applied.add(1);
            // Includes may be others now.
            if source.files().len() == before.len() { before } else { stamp(&source.files()) }
        }
        Ok(Err(problems)) => {
            tracing::error!("the configuration was refused, the old one keeps serving:\n{problems}");
            node.reloads.refused.add(1);
            before
        }
        Err(error) => {
            tracing::error!(%error, "compiling the configuration failed");
            node.reloads.refused.add(1);
            before
        }
    }
}

fn stamp(files: &[PathBuf]) -> Stamp {
    files
        .iter()
        .map(|file| {
            let metadata = std::fs::metadata(file).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
        .collect()
}
