//! How far each start of a node's process has been taken in.

use std::collections::BTreeMap;

use sqlx::postgres::PgRow;
use sqlx::types::Uuid;
use sqlx::{PgConnection, Row};

/// Numbers up to and including `through` were taken; so many of them the node could not read any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) through: i64,
    pub(crate) lost: i64,
}

/// Where these incarnations are, as far as they are known.
pub(crate) async fn through(
    connection: &mut PgConnection,
    incarnations: &[Uuid],
) -> Result<BTreeMap<Uuid, i64>, sqlx::Error> {
    let rows = sqlx::query("select incarnation, through from usage_marks where incarnation = any($1)")
        .persistent(false)
        .bind(incarnations)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok((row.try_get("incarnation")?, row.try_get("through")?))).collect()
}

/// Locks the marks of these incarnations, in one order, and makes those that are missing.
///
/// What is missing is made before anything is locked: who waits for a row that is being made holds no other.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    nodes: &BTreeMap<Uuid, &str>,
) -> Result<BTreeMap<Uuid, Mark>, sqlx::Error> {
    let incarnations: Vec<_> = nodes.keys().copied().collect();
    let names: Vec<_> = nodes.values().copied().collect();
    sqlx::query(
        "insert into usage_marks (incarnation, node) select * from unnest($1::uuid[], $2::text[])
         on conflict do nothing",
    )
    .persistent(false)
    .bind(&incarnations)
    .bind(&names)
    .execute(&mut *connection)
    .await?;
    let rows = sqlx::query(
        "select incarnation, through, lost from usage_marks where incarnation = any($1) order by incarnation for update",
    )
    .persistent(false)
    .bind(&incarnations)
    .fetch_all(connection)
    .await?;
    let mark = |row: &PgRow| {
        let mark = Mark { through: row.try_get("through")?, lost: row.try_get("lost")? };
        Ok((row.try_get("incarnation")?, mark))
    };
    rows.iter().map(mark).collect()
}

/// Moves marks that are locked.
pub(crate) async fn move_to(
    connection: &mut PgConnection,
    marks: &BTreeMap<Uuid, Mark>,
) -> Result<(), sqlx::Error> {
    let incarnations: Vec<_> = marks.keys().copied().collect();
    let (through, lost): (Vec<_>, Vec<_>) = marks.values().map(|mark| (mark.through, mark.lost)).unzip();
    sqlx::query(
        "update usage_marks set through = moved.through, lost = moved.lost, updated_at = now()
         from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as moved (incarnation, through, lost)
         where usage_marks.incarnation = moved.incarnation",
    )
    .persistent(false)
    .bind(incarnations)
    .bind(through)
    .bind(lost)
    .execute(connection)
    .await?;
    Ok(())
}
