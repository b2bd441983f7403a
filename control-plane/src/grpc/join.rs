//! Join tokens: who may subscribe, and for how long.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::KeyHash;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::seldom::Seldom;
use crate::store::tokens::{self, Admitted};
use crate::store::{Line, Store, StoreError};

/// How soon a revocation is seen.
const LOOK: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(5);

static AWAY: Seldom = Seldom::new();

/// Checks join tokens.
pub(crate) struct Join {
    line: Line,
    good: watch::Sender<Option<Arc<HashSet<String>>>>,
}

impl Join {
    pub(crate) fn new(store: &Store) -> Arc<Self> {
        Arc::new(Self { line: Line::new(store), good: watch::Sender::new(None) })
    }

    /// What the request's token lets in. Trouble with the database never looks like a bad token.
    pub(super) async fn admit(&self, metadata: &MetadataMap) -> Result<Admitted, Status> {
        let header = metadata.get("authorization").and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return Err(Status::unauthenticated("there is no join token; see `control-plane token create`"));
        };
        match self.look_up(&KeyHash::of(token)).await {
            Ok(Some(admitted)) => Ok(admitted),
            Ok(None) => Err(Status::unauthenticated("this join token is unknown, or was revoked")),
            Err(error) => {
                if let Some(kept_back) = AWAY.turn() {
                    tracing::warn!(%error, kept_back, "join tokens cannot be looked up");
                }
                Err(Status::unavailable("join tokens cannot be looked up at the moment"))
            }
        }
    }

    async fn look_up(&self, hash: &KeyHash) -> Result<Option<Admitted>, StoreError> {
        let mut line = self.line.take().await?;
        let admitted = timeout(PATIENCE, tokens::admitted(&mut line, hash)).await;
        let admitted = admitted.map_err(|_| StoreError::hung())??;
        line.give_back();
        Ok(admitted)
    }

    /// Looks which tokens are good until the process ends.
    pub(crate) async fn watch(self: Arc<Self>) -> Infallible {
        loop {
            sleep(LOOK).await;
            if self.good.receiver_count() > 0
                && let Err(error) = self.look().await
            {
                tracing::debug!(%error, "join tokens cannot be looked at");
            }
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let mut line = self.line.take().await?;
        let good = timeout(PATIENCE, tokens::good(&mut line)).await.map_err(|_| StoreError::hung())??;
        line.give_back();
        self.good.send_replace(Some(Arc::new(good)));
        Ok(())
    }

    /// Returns when the token is good no longer.
    pub(super) async fn revoked(&self, token: &str) {
        let mut good = self.good.subscribe();
        // What was seen before may be older than the token.
        good.mark_unchanged();
        while good.changed().await.is_ok() {
            if good.borrow_and_update().as_ref().is_some_and(|good| !good.contains(token)) {
                return;
            }
        }
    }
}
