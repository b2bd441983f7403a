//! What the nodes of this replica told it, on its way into the table that all replicas share.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::{Clock, UnixMillis, random};
use bulkhead_snapshot::Version;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::store::nodes::{Told, note};
use crate::store::{PgConnection, Store, StoreError};

/// Signs of life are written down this often.
const EVERY: Duration = Duration::from_secs(1);
/// News wait this long for others.
const GATHER: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(5);
const AWAY: Duration = Duration::from_secs(2);
/// Nodes in one statement.
const BATCH: usize = 500;

/// The subscriptions of this replica.
pub(crate) struct Registry {
    replica: String,
    streams: Mutex<HashMap<i64, Stream>>,
    news: Notify,
    /// Held while something is written down, so that what was said later is never overtaken.
    line: tokio::sync::Mutex<Option<PgConnection>>,
}

struct Stream {
    told: Told,
    heard: Instant,
    /// Something is not in the table yet.
    is_news: bool,
}

/// One subscription, as long as it lives.
pub(crate) struct Heard {
    registry: Arc<Registry>,
    stream: i64,
}

impl Registry {
    pub(crate) fn new(replica: String) -> Arc<Self> {
        Arc::new(Self { replica, streams: Mutex::default(), news: Notify::new(), line: Default::default() })
    }

    /// A node subscribed.
    pub(crate) fn open(self: &Arc<Self>, mut told: Told) -> Heard {
        let mut streams = self.streams.lock();
        let last = streams.keys().max().copied().unwrap_or(0);
        let stream = stream_id(Clock::System.now()).max(last.saturating_add(1));
        told.stream = stream;
        let twin = streams
            .values()
            .find(|other| other.told.node == told.node && other.told.connected)
            .is_some_and(|other| other.told.incarnation != told.incarnation);
        if twin {
            tracing::warn!(
                node = told.node,
                "two processes have this name; give each node its own with --node-name"
            );
        }
        streams.insert(stream, Stream { told, heard: Instant::now(), is_news: true });
        self.news.notify_one();
        Heard { registry: self.clone(), stream }
    }

    /// How many connected nodes are held, which get nothing.
    pub(crate) fn held(&self) -> usize {
        self.streams
            .lock()
            .values()
            .filter(|stream| stream.told.held.is_some() && stream.told.connected)
            .count()
    }

    /// Connected nodes by how they are, next to what was published.
    pub(crate) fn states(&self, published: Option<Version>) -> [(&'static str, usize); 4] {
        let [mut current, mut behind, mut refusing, mut held] = [0; 4];
        for Stream { told, .. } in self.streams.lock().values().filter(|stream| stream.told.connected) {
            let count = match told {
                Told { held: Some(_), .. } => &mut held,
                Told { refused: Some(_), .. } => &mut refusing,
                Told { version, .. } if *version == published => &mut current,
                _ => &mut behind,
            };
            *count += 1;
        }
        [("current", current), ("behind", behind), ("refusing", refusing), ("held", held)]
    }

    /// Writes down what is new until the process ends.
    pub(crate) async fn run(self: Arc<Self>, store: Store) -> Infallible {
        let mut failures = 0;
        loop {
            let _ = timeout(EVERY, self.news.notified()).await;
            sleep(GATHER).await;
            match self.flush(&store).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    tracing::debug!(%error, "what nodes run cannot be written down");
                    sleep(random::backoff(failures, EVERY, AWAY, random::number())).await;
                }
            }
        }
    }

    /// Writes down what is new, once.
    pub(crate) async fn flush(&self, store: &Store) -> Result<(), StoreError> {
        let mut connection = self.line.lock().await;
        loop {
            let (batch, streams) = self.batch();
            if batch.is_empty() {
                return Ok(());
            }
            let written = timeout(PATIENCE, self.write(store, &mut connection, batch)).await;
            if let Err(error) = written.unwrap_or_else(|_| Err(StoreError::hung())) {
                *connection = None;
                self.unwritten(&streams);
                return Err(error);
            }
            self.streams.lock().retain(|_, stream| stream.told.connected || stream.is_news);
        }
    }

    async fn write(
        &self,
        store: &Store,
        connection: &mut Option<PgConnection>,
        batch: Vec<Told>,
    ) -> Result<(), StoreError> {
        let connection = match connection {
            Some(connection) => connection,
            none => none.insert(store.dedicated().await?),
        };
        note(connection, &self.replica, batch).await
    }

    /// What is to be written down, each node once: the last subscription of its name.
    fn batch(&self) -> (Vec<Told>, Vec<i64>) {
        let mut streams = self.streams.lock();
        let mut latest: HashMap<String, i64> = HashMap::new();
        for (id, stream) in streams.iter() {
            let last = latest.entry(stream.told.node.clone()).or_insert(*id);
            *last = (*last).max(*id);
        }
        let mut told = Vec::new();
        let mut ids = Vec::new();
        for (id, stream) in streams.iter_mut().filter(|(_, stream)| stream.is_news) {
            if told.len() == BATCH {
                break;
            }
            stream.is_news = false;
            if latest.get(&stream.told.node) == Some(id) {
                told.push(Told { silence: stream.heard.elapsed(), ..stream.told.clone() });
                ids.push(*id);
            }
        }
        (told, ids)
    }

    fn unwritten(&self, ids: &[i64]) {
        let mut streams = self.streams.lock();
        for id in ids {
            if let Some(stream) = streams.get_mut(id) {
                stream.is_news = true;
            }
        }
    }
}

/// A later subscription has a higher number, about; where clocks differ, the table goes by who is still heard.
fn stream_id(now: UnixMillis) -> i64 {
    const RANDOM: u32 = 20;
    let random = i64::try_from(random::number() % (1 << RANDOM)).unwrap_or(0);
    (now.0 << RANDOM) | random
}

impl Heard {
    /// A sign of life.
    pub(crate) fn alive(&self) {
        self.tell(false, |_| {});
    }

    /// It runs a version, but for some rows.
    pub(crate) fn runs(&self, version: Option<Version>, rejected: Value) {
        self.tell(true, |told| (told.version, told.rejected, told.refused) = (version, rejected, None));
    }

    /// It refused a push.
    pub(crate) fn refused(&self, reason: String) {
        self.tell(true, |told| told.refused = Some(reason));
    }

    /// Nothing is published to it, or something is again.
    pub(crate) fn held(&self, reason: Option<String>) {
        self.tell(true, |told| told.held = reason);
    }

    fn tell(&self, at_once: bool, change: impl FnOnce(&mut Told)) {
        if let Some(stream) = self.registry.streams.lock().get_mut(&self.stream) {
            change(&mut stream.told);
            stream.heard = Instant::now();
            stream.is_news = true;
        }
        if at_once {
            self.registry.news.notify_one();
        }
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        if let Some(stream) = self.registry.streams.lock().get_mut(&self.stream) {
            stream.told.connected = false;
            stream.is_news = true;
        }
        self.registry.news.notify_one();
    }
}
