//! The history of changes: where it stands, what a part of it touched, and whether a point is in it.

use std::collections::BTreeSet;

use bulkhead_proto as proto;
use bulkhead_snapshot::Version;
use bulkhead_snapshot::wire::Id;
use sqlx::{PgConnection, Row};

use super::StoreError;
use super::change::version;

/// Where the history stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) version: Version,
    /// An operator forced exactly this version.
    pub(crate) forced: bool,
}

/// What the history says of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is in it.
    Same,
    /// Another change has that number.
    Other,
    /// It is not known any more, or never was.
    Gone,
}

/// Reads the last change. The limits tell the planner that there is one row of each; from the size of the tables alone
/// it would think of thousands, and compile.
pub(crate) async fn head(connection: &mut PgConnection) -> Result<Head, StoreError> {
    let row = sqlx::query(
        "select cluster.id, head.epoch, head.seq, head.hash, exists (
             select from forced_versions forced where (forced.epoch, forced.seq) = (head.epoch, head.seq)
         ) as forced
         from (select epoch, seq, hash from change_head limit 1) head, (select id from cluster limit 1) cluster",
    )
    .persistent(false)
    .fetch_one(connection)
    .await?;
    Ok(Head { version: version(&row)?, forced: row.try_get("forced")? })
}

/// Looks a point up. It is of the same cluster.
pub(crate) async fn find(connection: &mut PgConnection, point: &Version) -> Result<Found, StoreError> {
    let hash: Option<Vec<u8>> =
        sqlx::query_scalar("select hash from change_log where epoch = $1 and seq = $2")
            .persistent(false)
            .bind(point.epoch.cast_signed())
            .bind(point.seq.cast_signed())
            .fetch_optional(connection)
            .await?;
    Ok(match hash {
        Some(hash) if hash == point.hash => Found::Same,
        Some(_) => Found::Other,
        None => Found::Gone,
    })
}

/// What was touched after one point up to and including another of the same epoch; `None` where that is more than
/// `most`, or where the history has a hole.
pub(crate) async fn touched(
    connection: &mut PgConnection,
    from: &Version,
    to: &Version,
    most: usize,
) -> Result<Option<BTreeSet<Id>>, StoreError> {
    let bound = |point: &Version| point.seq.cast_signed();
    let totals = sqlx::query(
        "select count(*) as changes, coalesce(sum(cardinality(ids)), 0)::bigint as ids
         from change_log where epoch = $1 and seq > $2 and seq <= $3",
    )
    .persistent(false)
    .bind(from.epoch.cast_signed())
    .bind(bound(from))
    .bind(bound(to))
    .fetch_one(&mut *connection)
    .await?;
    let changes: i64 = totals.try_get("changes")?;
    let ids: i64 = totals.try_get("ids")?;
    if changes.cast_unsigned() != to.seq.saturating_sub(from.seq) || usize::try_from(ids).unwrap_or(0) > most
    {
        return Ok(None);
    }
    let rows = sqlx::query(
        "select distinct kind, id from change_log, unnest(kinds, ids) as touched (kind, id)
         where epoch = $1 and seq > $2 and seq <= $3",
    )
    .persistent(false)
    .bind(from.epoch.cast_signed())
    .bind(bound(from))
    .bind(bound(to))
    .fetch_all(connection)
    .await?;
    let id = |row: sqlx::postgres::PgRow| {
        let kind: i16 = row.try_get("kind")?;
        Ok(Id::decode(proto::Ref { kind: kind.into(), id: row.try_get("id")? }))
    };
    Ok(Some(rows.into_iter().map(id).collect::<Result<_, sqlx::Error>>()?))
}

/// How a forced version was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Forced {
    /// It is noted, and audited.
    Noted,
    /// The history stands elsewhere: at this version.
    NotTheHead(Version),
}

/// Notes that the full sync of exactly this version may lose more than half of a kind.
pub(crate) async fn force(
    connection: &mut PgConnection,
    epoch: u64,
    seq: u64,
    by: &str,
) -> Result<Forced, StoreError> {
    let now = head(connection).await?.version;
    if (now.epoch, now.seq) != (epoch, seq) {
        return Ok(Forced::NotTheHead(now));
    }
    sqlx::query(
        "with forced as (
             insert into forced_versions (epoch, seq, by) values ($1, $2, $3) on conflict do nothing returning 1
         )
         insert into audit_log (actor, action, subject) select $3, 'force', $4 from forced",
    )
    .persistent(false)
    .bind(epoch.cast_signed())
    .bind(seq.cast_signed())
    .bind(by)
    .bind(now.to_string())
    .execute(&mut *connection)
    .await?;
    sqlx::query("select pg_notify($1, '')")
        .persistent(false)
        .bind(super::change::CHANNEL)
        .execute(connection)
        .await?;
    Ok(Forced::Noted)
}

/// Begins a new epoch above everything that was ever seen. The caller holds the head by [`lock`].
pub(crate) async fn begin_epoch(
    connection: &mut PgConnection,
    epoch: u64,
    seq: u64,
    by: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "with head as (
             update change_head set epoch = $1, seq = $2, hash = sha256(hash || convert_to('epoch ' || $1, 'UTF8'))
             where singleton returning epoch, seq, hash
         ), noted as (
             insert into change_log (epoch, seq, hash, kinds, ids, made_by)
             select epoch, seq, hash, '{}', '{}', $3 from head
         ), audited as (
             insert into audit_log (actor, action, subject) select $3, 'epoch new', epoch || '.' || seq from head
         )
         select pg_notify($4, '') from head",
    )
    .persistent(false)
    .bind(epoch.cast_signed())
    .bind(seq.cast_signed())
    .bind(by)
    .bind(super::change::CHANNEL)
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps others from making changes until the transaction ends.
pub(crate) async fn lock(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("select from change_head where singleton for update")
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes some of what nobody needs any more: all but the last `changes`, and what is older than `days`. How many
/// went; the newest change stays whatever its age.
pub(crate) async fn prune(
    connection: &mut PgConnection,
    changes: i64,
    days: i32,
    most: i64,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "with old as (
             select log.epoch, log.seq from change_log log, (select epoch, seq from change_head limit 1) head
             where (log.epoch, log.seq) <> (head.epoch, head.seq) and (
                 log.made_at < now() - make_interval(days => $2)
                 or (log.epoch, log.seq) < (
                     select epoch, seq from change_log order by epoch desc, seq desc offset $1 - 1 limit 1
                 )
             )
             order by log.epoch, log.seq limit $3
         )
         delete from change_log log using old where (log.epoch, log.seq) = (old.epoch, old.seq)",
    )
    .persistent(false)
    .bind(changes)
    .bind(days)
    .bind(most)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
