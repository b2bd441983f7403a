//! Watches the configuration file: a change or SIGHUP compiles it anew. A bad file is refused whole, with all that is
//! wrong with it in the log, and the old snapshot keeps serving.

use std::sync::Arc;

use bulkhead_files::Watch;

use super::FileSource;
use crate::leases;
use crate::worker::Node;

/// Watches until the runtime ends.
pub(crate) async fn watch(mut files: Watch, source: Arc<FileSource>, node: Arc<Node>) {
    loop {
        files.changed(source.last_read()).await;
        reload(&source, &node).await;
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
            leases::begin(&snapshot, &node.keeper);
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
