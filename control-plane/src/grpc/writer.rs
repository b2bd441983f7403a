//! What one node is sent: it is brought to where the history stands, again and again.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_snapshot::Version;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout};
use tonic::Status;

use super::session::Queue;
use crate::publish::{Frame, Heard, Next, Published, Publisher};

/// A sign of life.
const BEAT: Duration = Duration::from_secs(3);
/// A node that takes nothing for so long is too slow: it comes back and gets everything anew.
const SLOW: Duration = Duration::from_secs(15);
/// After trouble with the database.
const AGAIN: Duration = Duration::from_secs(1);

/// What the node said that matters here.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    Applied(Option<Version>),
    Refused(Option<Version>),
}

/// Where the node is, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It runs this, or will when it has taken what was sent.
    At(Version),
    /// It needs everything.
    Nowhere,
    /// Everything was sent, as of this version; its word is awaited.
    Awaits(Version),
    /// It refused everything, as of this version. Something has to change first.
    Refuses(Version),
}

/// Sends one node what it needs.
pub(super) struct Writer<'s> {
    publisher: &'s Arc<Publisher>,
    queue: &'s Queue,
    heard: &'s Heard,
    node: &'s str,
    place: Place,
    history: Option<u64>,
    held: Option<String>,
    /// The forced version that was sent.
    forced: Option<Version>,
    again: Option<Instant>,
    beat: Interval,
}

impl<'s> Writer<'s> {
    pub(super) fn new(
        publisher: &'s Arc<Publisher>,
        queue: &'s Queue,
        heard: &'s Heard,
        node: &'s str,
        version: Option<Version>,
    ) -> Self {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let place = version.map_or(Place::Nowhere, Place::At);
        Self {
            publisher,
            queue,
            heard,
            node,
            place,
            history: None,
            held: None,
            forced: None,
            again: None,
            beat,
        }
    }

    /// Sends until it cannot go on; why.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Event>) -> Status {
        let mut published = self.publisher.published();
        loop {
            let now = *published.borrow_and_update();
            if let Some(now) = now
                && let Err(status) = self.bring(&now).await
            {
                return status;
            }
            let again = self.again.unwrap_or_else(|| Instant::now() + AGAIN);
            let sent = tokio::select! {
                _ = published.changed() => Ok(()),
                () = sleep_until(again), if self.again.is_some() => Ok(()),
                _ = self.beat.tick() => self.send(Frame::alive()).await,
                event = events.recv() => match event {
                    Some(event) => {
                        self.mind(event);
                        Ok(())
                    }
                    None => Err(Status::cancelled("the node left")),
                },
            };
            if let Err(status) = sent {
                return status;
            }
        }
    }

    fn mind(&mut self, event: Event) {
        self.place = match (event, self.place) {
            (Event::Applied(Some(version)), Place::Awaits(sent)) if version == sent => Place::At(version),
            (Event::Applied(Some(version)), Place::Refuses(_)) => Place::At(version),
            (Event::Refused(None), Place::Awaits(sent)) => Place::Refuses(sent),
            (Event::Refused(Some(version)), Place::Awaits(sent)) if version == sent => Place::Refuses(sent),
            // A delta that does not fit: everything anew.
            (Event::Refused(_), Place::At(_)) => Place::Nowhere,
            (_, place) => place,
        };
    }

    /// Sends what leads from where the node is to where the history stands.
    async fn bring(&mut self, now: &Published) -> Result<(), Status> {
        self.again = None;
        let is_other_history = self.history.replace(now.history).is_some_and(|before| before != now.history);
        match self.place {
            Place::Refuses(_) if is_other_history => self.place = Place::Nowhere,
            Place::Refuses(_) if now.head.forced && self.forced != Some(now.head.version) => {
                self.place = Place::Nowhere;
            }
            _ => {}
        }
        if let Place::At(point) = self.place {
            self.bring_from(point, now).await?;
        }
        if self.place == Place::Nowhere {
            self.send_everything(now).await?;
        }
        Ok(())
    }

    async fn bring_from(&mut self, point: Version, now: &Published) -> Result<(), Status> {
        let publisher = self.publisher.clone();
        let next = self.alive_while(publisher.next(&point, &now.head)).await?;
        match next {
            Ok(Next::Nothing) => self.release(),
            Ok(Next::Deltas(frames, to)) => {
                self.release();
                for frame in frames {
                    self.send(frame).await?;
                }
                self.place = Place::At(to);
            }
            Ok(Next::Full) => {
                self.release();
                self.place = Place::Nowhere;
            }
            Ok(Next::Held(reason)) => self.hold(reason).await?,
            Err(error) => {
                tracing::debug!(node = self.node, %error, "what a node needs cannot be looked up");
                self.again = Some(Instant::now() + AGAIN);
            }
        }
        Ok(())
    }

    async fn hold(&mut self, reason: String) -> Result<(), Status> {
        if self.held.as_ref() == Some(&reason) {
            return Ok(());
        }
        tracing::error!(node = self.node, reason, "nothing is published to a node");
        self.send(Frame::held(&reason)).await?;
        self.heard.held(Some(reason.clone()));
        self.held = Some(reason);
        Ok(())
    }

    fn release(&mut self) {
        if self.held.take().is_some() {
            self.heard.held(None);
        }
    }

    async fn send_everything(&mut self, now: &Published) -> Result<(), Status> {
        let publisher = self.publisher.clone();
        let leave = self.alive_while(publisher.sending().acquire_owned()).await?;
        let _leave = leave.map_err(|_| Status::unavailable("this replica stops"))?;
        let full = publisher.full(now);
        let mut sent = 0;
        loop {
            match self.alive_while(full.frame(sent)).await? {
                Ok(Some(frame)) => self.send(frame).await?,
                Ok(None) => break,
                Err(_) if sent == 0 => {
                    self.again = Some(Instant::now() + AGAIN);
                    return Ok(());
                }
                Err(_) => return Err(Status::unavailable("the full sync broke off")),
            }
            sent += 1;
        }
        publisher.counts.fulls_sent.add(1);
        let Some((version, forced)) = full.version() else { return Ok(()) };
        self.forced = forced.then_some(version);
        self.place = Place::Awaits(version);
        Ok(())
    }

    /// Waits for something, and lets the node know meanwhile that somebody is there.
    async fn alive_while<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Status> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                _ = self.beat.tick() => self.send(Frame::alive()).await?,
            }
        }
    }

    async fn send(&self, frame: Frame) -> Result<(), Status> {
        match timeout(SLOW, self.queue.send(Ok(frame))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Status::cancelled("the node left")),
            Err(_) => {
                self.publisher.counts.dropped.add(1);
                Err(Status::resource_exhausted("the node takes too long"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::Secret;
    use serde_json::Value;
    use tonic::Code;

    use super::*;
    use crate::publish::Registry;
    use crate::seal::Seal;
    use crate::store::Store;
    use crate::store::nodes::Told;

    fn told() -> Told {
        Told {
            node: "one".to_owned(),
            group: "a".to_owned(),
            incarnation: Vec::new(),
            release: String::new(),
            stream: 0,
            connected: true,
            version: None,
            rejected: Value::Null,
            refused: None,
            held: None,
            silence: Duration::ZERO,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_takes_nothing_is_let_go_after_15_seconds() {
        let url = Secret::new("postgres://nobody@127.0.0.1:1/nothing");
        let seal = Arc::new(Seal::new(&Secret::new("salt")).unwrap());
        let publisher = Publisher::new(Store::new(&url, seal, 1).unwrap());
        let heard = Registry::new("replica".to_owned()).open(told());
        let (queue, mut pushes) = mpsc::channel(1);
        let (_tell, events) = mpsc::channel(1);
        let began = Instant::now();
        // One sign of life fits. The next one waits for room.
        let ended = Writer::new(&publisher, &queue, &heard, "one", None).run(events).await;
        assert_eq!(ended.code(), Code::ResourceExhausted);
        let waited = began.elapsed().saturating_sub(BEAT);
        assert!(waited >= SLOW && waited < SLOW + Duration::from_secs(1), "{waited:?}");
        assert_eq!(publisher.counts.dropped.get(), 1);
        assert!(pushes.try_recv().is_ok() && pushes.try_recv().is_err());
    }
}
