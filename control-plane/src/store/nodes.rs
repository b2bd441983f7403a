//! What every node runs, as it told the replica it is connected to.

use std::time::Duration;

use bulkhead_snapshot::Version;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;
use sqlx::{PgConnection, Row};

use super::StoreError;

/// A node as a replica knows it.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) node: String,
    pub(crate) group: String,
    pub(crate) incarnation: Vec<u8>,
    pub(crate) release: String,
    pub(crate) stream: i64,
    pub(crate) connected: bool,
    pub(crate) version: Option<Version>,
    /// `[{"resource": …, "reason": …}]`
    pub(crate) rejected: Value,
    pub(crate) refused: Option<String>,
    pub(crate) held: Option<String>,
    /// Since it was heard last.
    pub(crate) silence: Duration,
}

/// A replica that was killed cannot say that its nodes left.
const GONE: Duration = Duration::from_secs(15);

impl Told {
    /// True where somebody hears it.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected && self.silence < GONE
    }
}

/// A node as all replicas know it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) told: Told,
    pub(crate) replica: String,
}

/// Columns of the statement below, in parallel.
#[derive(Default)]
struct Columns {
    node: Vec<String>,
    group: Vec<String>,
    incarnation: Vec<Vec<u8>>,
    release: Vec<String>,
    stream: Vec<i64>,
    connected: Vec<bool>,
    cluster: Vec<Option<Uuid>>,
    epoch: Vec<Option<i64>>,
    seq: Vec<Option<i64>>,
    hash: Vec<Option<Vec<u8>>>,
    rejected: Vec<Value>,
    refused: Vec<Option<String>>,
    held: Vec<Option<String>>,
    silence: Vec<f64>,
}

impl Columns {
    fn push(&mut self, told: Told) {
        let Told { node, group, incarnation, release, stream, connected, version, .. } = told;
        self.node.push(node);
        self.group.push(group);
        self.incarnation.push(incarnation);
        self.release.push(release);
        self.stream.push(stream);
        self.connected.push(connected);
        self.cluster.push(version.map(|version| Uuid::from_bytes(version.cluster)));
        self.epoch.push(version.map(|version| version.epoch.cast_signed()));
        self.seq.push(version.map(|version| version.seq.cast_signed()));
        self.hash.push(version.map(|version| version.hash.to_vec()));
        self.rejected.push(told.rejected);
        self.refused.push(told.refused);
        self.held.push(told.held);
        self.silence.push(told.silence.as_secs_f64());
    }
}

/// Writes down what nodes told this replica, each node once. What a later subscription of a node said, at any replica,
/// is left alone.
pub(crate) async fn note(
    connection: &mut PgConnection,
    replica: &str,
    told: Vec<Told>,
) -> Result<(), StoreError> {
    let mut columns = Columns::default();
    told.into_iter().for_each(|told| columns.push(told));
    sqlx::query(
        "insert into nodes (node, node_group, incarnation, release, replica, stream, connected, cluster, epoch, seq, hash,
             rejected, refused, held, heard_at)
         select node, node_group, incarnation, release, $1, stream, connected, cluster, epoch, seq, hash,
             rejected, refused, held, now() - make_interval(secs => silence)
         from unnest($2::text[], $3::text[], $4::bytea[], $5::text[], $6::bigint[], $7::boolean[], $8::uuid[],
             $9::bigint[], $10::bigint[], $11::bytea[], $12::jsonb[], $13::text[], $14::text[], $15::float8[])
             as told (node, node_group, incarnation, release, stream, connected, cluster, epoch, seq, hash, rejected,
                 refused, held, silence)
         order by node
         on conflict (node) do update set (node_group, incarnation, release, replica, stream, connected, cluster, epoch,
             seq, hash, rejected, refused, held, heard_at) = (excluded.node_group, excluded.incarnation,
             excluded.release, excluded.replica, excluded.stream, excluded.connected, excluded.cluster, excluded.epoch,
             excluded.seq, excluded.hash, excluded.rejected, excluded.refused, excluded.held, excluded.heard_at)
         where nodes.stream <= excluded.stream or not nodes.connected or nodes.heard_at < now() - interval '15 seconds'",
    )
    .persistent(false)
    .bind(replica)
    .bind(columns.node)
    .bind(columns.group)
    .bind(columns.incarnation)
    .bind(columns.release)
    .bind(columns.stream)
    .bind(columns.connected)
    .bind(columns.cluster)
    .bind(columns.epoch)
    .bind(columns.seq)
    .bind(columns.hash)
    .bind(columns.rejected)
    .bind(columns.refused)
    .bind(columns.held)
    .bind(columns.silence)
    .execute(connection)
    .await?;
    Ok(())
}

/// Every node there is, by name.
pub(crate) async fn list(connection: &mut PgConnection) -> Result<Vec<Known>, StoreError> {
    let rows = sqlx::query(
        "select node, node_group, incarnation, release, replica, stream, connected, cluster, epoch, seq, hash, rejected,
         refused, held, greatest(extract(epoch from now() - heard_at), 0)::float8 as silence
         from nodes order by node",
    )
    .persistent(false)
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().map(known).collect::<Result<_, sqlx::Error>>()?)
}

fn known(row: &PgRow) -> Result<Known, sqlx::Error> {
    let told = Told {
        node: row.try_get("node")?,
        group: row.try_get("node_group")?,
        incarnation: row.try_get("incarnation")?,
        release: row.try_get("release")?,
        stream: row.try_get("stream")?,
        connected: row.try_get("connected")?,
        version: version(row)?,
        rejected: row.try_get("rejected")?,
        refused: row.try_get("refused")?,
        held: row.try_get("held")?,
        silence: Duration::try_from_secs_f64(row.try_get("silence")?).unwrap_or(Duration::MAX),
    };
    Ok(Known { told, replica: row.try_get("replica")? })
}

fn version(row: &PgRow) -> Result<Option<Version>, sqlx::Error> {
    let cluster: Option<Uuid> = row.try_get("cluster")?;
    let (epoch, seq): (Option<i64>, Option<i64>) = (row.try_get("epoch")?, row.try_get("seq")?);
    let hash: Option<Vec<u8>> = row.try_get("hash")?;
    let whole = cluster.zip(epoch).zip(seq).zip(hash);
    Ok(whole.and_then(|(((cluster, epoch), seq), hash)| {
        let (epoch, seq) = (epoch.cast_unsigned(), seq.cast_unsigned());
        Some(Version { cluster: *cluster.as_bytes(), epoch, seq, hash: hash.try_into().ok()? })
    }))
}

/// Forgets nodes that were not heard for so many days.
pub(crate) async fn forget(connection: &mut PgConnection, days: i32) -> Result<(), StoreError> {
    sqlx::query("delete from nodes where heard_at < now() - make_interval(days => $1)")
        .persistent(false)
        .bind(days)
        .execute(connection)
        .await?;
    Ok(())
}
