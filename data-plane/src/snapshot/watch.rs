//! Watches the configuration file: a change or SIGHUP compiles it anew. A bad file is refused whole, with all that is
//! wrong with it in the log, and the old snapshot keeps serving.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::FileSource;
use crate::worker::Node;

/// Looking is cheaper than being told: it works on every file system and through every kind of symbolic link.
const LOOK: Duration = Duration::from_millis(500);

/// Watches until the runtime ends.
pub(crate) async fn watch(source: Arc<FileSource>, node: Arc<Node>) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut changed = None;
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                tracing::info!("SIGHUP: reading the configuration again");
                reload(&source, &node).await;
                changed = None;
            }
            _ = look.tick() => {
                let before = std::mem::replace(&mut changed, source.changed());
                // Unchanged for one look: whoever writes it is done.
                if changed.is_some() && changed == before {
                    reload(&source, &node).await;
                    changed = None;
                }
            }
        }
    }
}

/// Compiles the file and swaps the snapshot, off the runtime's thread.
async fn reload(source: &Arc<FileSource>, node: &Arc<Node>) {
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
            return;
        }
        Ok(Err(problems)) => {
            tracing::error!("the configuration was refused, the old one keeps serving:\n{problems}");
        }
        Err(error) => {
            tracing::error!(%error, "compiling the configuration failed, the old one keeps serving")
        }
    }
    node.reloads.refused.add(1);
}
