//! Follows the head of the history: looks every 200 ms, and at once when somebody says that there is something.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bulkhead_model::random;
use bulkhead_snapshot::Version;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::catch_up::{MOST, ROOM};
use super::{Frame, Published, Publisher};
use crate::store::history::{self, Found, Head};
use crate::store::{PgConnection, Store, StoreError, resources};

const POLL: Duration = Duration::from_millis(200);
/// A look that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(8);
/// Longest wait between tries while the database is away.
const AWAY: Duration = Duration::from_secs(2);
/// A connection that hears nothing for so long may be dead.
const LISTEN: Duration = Duration::from_secs(60);

/// What came after what was published.
enum News {
    Delta(Version, Frame),
    /// Too much for a delta: whoever is behind gets a full sync.
    Much(Version),
    /// It is not the history that was published.
    Parted(Version),
}

impl Publisher {
    /// Follows until the process ends. With `listen` it hears notifications, too.
    pub(crate) async fn run(self: Arc<Self>, listen: bool) -> Infallible {
        let hint = Arc::new(Notify::new());
        let hear = async {
            match listen {
                true => hear(self.store.clone(), &hint).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            never = hear => never,
            never = self.follow(&hint) => never,
        }
    }

    async fn follow(&self, hint: &Notify) -> Infallible {
        let mut connection = None;
        let mut failures = 0;
        loop {
            let began = Instant::now();
            match timeout(PATIENCE, self.look(&mut connection)).await {
                Ok(Ok(())) => {
                    self.counts.looked(began);
                    if failures > 0 {
                        tracing::info!("the database is there again");
                    }
                    failures = 0;
                    self.fulls.tidy();
                    let _ = timeout(POLL, hint.notified()).await;
                }
                outcome => {
                    // Whatever hangs on it is not waited for.
                    connection = None;
                    self.counts.polls_failed.add(1);
                    if failures == 0 {
                        let error = outcome.map_or_else(|_| "it hangs".to_owned(), |said| in_words(&said));
                        tracing::error!(error, "the database cannot be followed: nodes keep what they have");
                    }
                    failures += 1;
                    sleep(random::backoff(failures, POLL, AWAY, random::number())).await;
                }
            }
        }
    }

    async fn look(&self, connection: &mut Option<PgConnection>) -> Result<(), StoreError> {
        let connection = match connection {
            Some(connection) => connection,
            none => none.insert(self.store.dedicated().await?),
        };
        let head = history::head(connection).await?;
        let Some(before) = *self.published.borrow() else {
            tracing::info!(version = %head.version, "publishing");
            self.publish(head, 0);
            return Ok(());
        };
        let published = &before.head.version;
        if head.version == *published {
            if head.forced != before.head.forced {
                self.publish(head, before.history);
            }
            return Ok(());
        }
        if head.version.cluster != published.cluster || head.version.epoch != published.epoch {
            self.part(head, before.history);
            return Ok(());
        }
        match self.news(connection, published).await? {
            News::Delta(version, frame) => {
                self.counts.deltas.add(1);
                self.ring.lock().push(*published, version, frame);
                self.publish(Head { version, forced: false }, before.history);
            }
            News::Much(version) => {
                self.ring.lock().clear();
                self.publish(Head { version, forced: false }, before.history);
            }
            News::Parted(version) => self.part(Head { version, forced: false }, before.history),
        }
        Ok(())
    }

    /// Reads what came after a point, all of it at one moment.
    async fn news(&self, connection: &mut PgConnection, from: &Version) -> Result<News, StoreError> {
        let mut moment = Store::snapshot_on(connection).await?;
        let head = history::head(&mut moment).await?.version;
        let same = head.cluster == from.cluster && head.epoch == from.epoch && head.seq > from.seq;
        if !same || history::find(&mut moment, from).await? != Found::Same {
            return Ok(News::Parted(head));
        }
        let Some(touched) = history::touched(&mut moment, from, &head, MOST).await? else {
            return Ok(News::Much(head));
        };
        let now = resources::read(&mut moment, self.store.seal(), &touched).await?;
        moment.commit().await?;
        let frame = Frame::delta(from, &head, now);
        Ok(if frame.len() > ROOM { News::Much(head) } else { News::Delta(head, frame) })
    }

    /// The database is not where it was left: somebody began a new epoch, or a part of the history is lost.
    fn part(&self, head: Head, history: u64) {
        self.ring.lock().clear();
        let before = self.version();
        let is_new_epoch = before.is_some_and(|before| {
            head.version.cluster == before.cluster && head.version.epoch > before.epoch
        });
        let now = head.version;
        if is_new_epoch {
            tracing::warn!(version = %now, "a new epoch: every node gets everything anew");
        } else {
            let before = before.map_or_else(String::new, |before| before.to_string());
            tracing::error!(
                version = %now,
                published = before,
                "the database has lost changes that were published (a failover, a restore?); nodes that have them get \
                 nothing until somebody runs `control-plane epoch new --accept-loss`"
            );
        }
        self.counts.parted.store(!is_new_epoch, Ordering::Relaxed);
        self.publish(head, history + 1);
    }

    fn publish(&self, head: Head, history: u64) {
        self.published.send_replace(Some(Published { head, history }));
    }
}

fn in_words(said: &Result<(), StoreError>) -> String {
    said.as_ref().err().map_or_else(String::new, ToString::to_string)
}

/// Turns notifications into hints. Without them everything works, 200 ms later at most.
async fn hear(store: Store, hint: &Notify) -> Infallible {
    let mut failures = 0;
    loop {
        match timeout(PATIENCE, store.listener()).await {
            Ok(Ok(mut listener)) => {
                failures = 0;
                hint.notify_one();
                while let Ok(Ok(Some(_))) = timeout(LISTEN, listener.try_recv()).await {
                    hint.notify_one();
                }
            }
            _ => failures += 1,
        }
        sleep(random::backoff(failures, POLL, AWAY, random::number())).await;
    }
}
