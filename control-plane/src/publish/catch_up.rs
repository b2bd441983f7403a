//! What a node needs that is not where the others are.

use std::time::Duration;

use bulkhead_snapshot::Version;
use tokio::time::timeout;

use super::{Frame, Publisher};
use crate::store::history::{self, Found};
use crate::store::{Head, PgConnection, Store, StoreError, resources};

/// Resources in a delta; more are a matter for a full sync.
pub(super) const MOST: usize = 20_000;
/// Bytes of a delta. Nodes take messages of up to 64 MiB.
pub(super) const ROOM: usize = 32 << 20;

/// A look that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(8);

/// A delta over many changes, made for a node that was away; others may have been away, too.
pub(super) struct Merged {
    from: Version,
    to: Version,
    frame: Frame,
}

/// What a node gets next.
#[derive(Debug)]
pub(crate) enum Next {
    /// It has everything.
    Nothing,
    /// These deltas, which lead to this version.
    Deltas(Vec<Frame>, Version),
    /// Everything.
    Full,
    /// Nothing, for this reason.
    Held(String),
}

impl Publisher {
    /// What a node at a point gets next.
    pub(crate) async fn next(&self, point: &Version, head: &Head) -> Result<Next, StoreError> {
        if *point == head.version {
            return Ok(Next::Nothing);
        }
        if let Some((frames, to)) = self.ring.lock().after(point) {
            return Ok(Next::Deltas(frames, to));
        }
        let mut line = self.behind.take().await?;
        let next =
            timeout(PATIENCE, self.look_up(&mut line, point)).await.map_err(|_| StoreError::hung())??;
        line.give_back();
        Ok(next)
    }

    async fn look_up(&self, connection: &mut PgConnection, point: &Version) -> Result<Next, StoreError> {
        let mut moment = Store::snapshot_on(connection).await?;
        let head = history::head(&mut moment).await?.version;
        if let Some(next) = judge(&mut moment, point, &head).await? {
            return Ok(next);
        }
        if let Some(known) =
            self.merged.lock().as_ref().filter(|known| known.from == *point && known.to == head)
        {
            return Ok(Next::Deltas(vec![known.frame.clone()], head));
        }
        let Some(touched) = history::touched(&mut moment, point, &head, MOST).await? else {
            return Ok(Next::Full);
        };
        let now = resources::read(&mut moment, self.store.seal(), &touched).await?;
        moment.commit().await?;
        let frame = Frame::delta(point, &head, now);
        if frame.len() > ROOM {
            return Ok(Next::Full);
        }
        *self.merged.lock() = Some(Merged { from: *point, to: head, frame: frame.clone() });
        Ok(Next::Deltas(vec![frame], head))
    }
}

/// What a node gets that cannot have a delta.
async fn judge(
    connection: &mut PgConnection,
    point: &Version,
    head: &Version,
) -> Result<Option<Next>, StoreError> {
    let held = |reason: String| Ok(Some(Next::Held(reason)));
    if point.cluster != head.cluster {
        return held(format!(
            "the node follows another cluster ({}) than this database ({}); to follow this one, start it with an empty \
             state directory",
            uuid(&point.cluster),
            uuid(&head.cluster)
        ));
    }
    if point.epoch < head.epoch {
        return Ok(Some(Next::Full));
    }
    if point.is_later_than(head) {
        return held(format!(
            "the node runs {point}, which is ahead of the database at {head}: the database lost changes; see \
             `control-plane epoch new`"
        ));
    }
    if point == head {
        return Ok(Some(Next::Nothing));
    }
    Ok(match history::find(connection, point).await? {
        Found::Same => None,
        Found::Gone => Some(Next::Full),
        Found::Other => Some(Next::Held(format!(
            "the node runs {point} of a history that this database, at {head}, does not know: the database lost changes; \
             see `control-plane epoch new`"
        ))),
    })
}

/// As PostgreSQL writes it.
pub(super) fn uuid(bytes: &[u8; 16]) -> String {
    let digits = bulkhead_model::hash::hex(bytes);
    let mut text = String::with_capacity(36);
    for (place, digit) in digits.into_iter().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(char::from(digit));
    }
    text
}
