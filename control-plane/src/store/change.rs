//! A transaction that changes what is declared.
//!
//! It ends with one statement that takes the lock on the head of the history, counts it up and notes what was touched:
//! numbers have no gaps, and no two transactions share one (design §4).

use std::collections::BTreeSet;
use std::sync::Arc;

use bulkhead_snapshot::wire::Id;
use bulkhead_snapshot::{Digest, Version};
use sqlx::{PgConnection, Postgres, Row, Transaction};

use super::{StoreError, resources};
use crate::seal::Seal;

/// Somebody listens for it to look at once; whoever misses it looks 200 ms later.
pub(crate) const CHANNEL: &str = "bulkhead_change";

/// A change in the making. Dropping it undoes everything.
pub(crate) struct Change {
    transaction: Transaction<'static, Postgres>,
    seal: Arc<Seal>,
    by: String,
    touched: BTreeSet<Id>,
}

impl Change {
    pub(super) fn new(transaction: Transaction<'static, Postgres>, seal: Arc<Seal>, by: &str) -> Self {
        Self { transaction, seal, by: by.to_owned(), touched: BTreeSet::new() }
    }

    /// The connection, for statements.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// The connection, and what opens what it reads.
    pub(crate) fn parts(&mut self) -> (&mut PgConnection, &Seal) {
        (&mut self.transaction, &self.seal)
    }

    /// What seals.
    pub(crate) fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Who makes it.
    pub(crate) fn by(&self) -> &str {
        &self.by
    }

    /// Notes that a resource is made, changed or gone.
    pub(crate) fn touch(&mut self, id: Id) {
        self.touched.insert(id);
    }

    /// What is made, changed or gone.
    pub(crate) fn touched(&self) -> &BTreeSet<Id> {
        &self.touched
    }

    /// Resources as they are at this point of the transaction.
    pub(super) async fn read(&mut self, ids: &BTreeSet<Id>) -> Result<resources::Now, StoreError> {
        resources::read(&mut self.transaction, &self.seal, ids).await
    }

    /// Commits; the version that the change made, or `None` where it touched nothing that nodes know of.
    pub(crate) async fn commit(mut self) -> Result<Option<Version>, StoreError> {
        if self.touched.is_empty() {
            self.transaction.commit().await?;
            return Ok(None);
        }
        let digest = self.digest().await?;
        let parts: Vec<_> = self.touched.iter().map(Id::parts).collect();
        let kinds: Vec<_> =
            parts.iter().map(|(kind, _)| i16::try_from(i32::from(*kind)).unwrap_or(0)).collect();
        let ids: Vec<_> = parts.into_iter().map(|(_, id)| id).collect();
        let row = sqlx::query(
            "with head as (
                 update change_head set seq = seq + 1, hash = sha256(hash || $1) where singleton returning epoch, seq, hash
             ), noted as (
                 insert into change_log (epoch, seq, hash, kinds, ids, made_by)
                 select epoch, seq, hash, $2, $3, $4 from head
             )
             select cluster.id, epoch, seq, hash, pg_notify($5, '') from head, (select id from cluster limit 1) cluster",
        )
        .persistent(false)
        .bind(digest.as_slice())
        .bind(kinds)
        .bind(ids)
        .bind(&self.by)
        .bind(CHANNEL)
        .fetch_one(&mut *self.transaction)
        .await?;
        let version = version(&row)?;
        self.transaction.commit().await?;
        Ok(Some(version))
    }

    /// Of what was touched, as it is at the end of the transaction.
    async fn digest(&mut self) -> Result<[u8; 32], StoreError> {
        let touched = std::mem::take(&mut self.touched);
        let now = self.read(&touched).await?;
        self.touched = touched;
        let mut digest = Digest::default();
        for item in &now.put {
            digest.item(item);
        }
        for reference in &now.delete {
            digest.delete(reference);
        }
        Ok(digest.finish())
    }
}

/// Reads `cluster.id, epoch, seq, hash`.
pub(super) fn version(row: &sqlx::postgres::PgRow) -> Result<Version, StoreError> {
    let cluster: sqlx::types::Uuid = row.try_get("id")?;
    let hash: Vec<u8> = row.try_get("hash")?;
    let hash = hash.try_into().map_err(|_| anyhow::anyhow!("a hash in the history is not 32 bytes"))?;
    Ok(Version {
        cluster: *cluster.as_bytes(),
        epoch: row.try_get::<i64, _>("epoch")?.cast_unsigned(),
        seq: row.try_get::<i64, _>("seq")?.cast_unsigned(),
        hash,
    })
}
