//! Events, each a row: in the partition of its day, among the late ones, or among those that could not be stored.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use bulkhead_proto::UsageEvent;
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;
use sqlx::{PgConnection, Row};

use super::copy::Rows;

/// Bytes of an event that are kept of one that could not be stored.
const KEPT: usize = 64 << 10;

const MILLIS_OF_DAY: i64 = 86_400_000;

/// In the order of [`row`].
const COLUMNS: &str = "day, incarnation, seq, node, at, call_id, call_type, endpoint, stream, failure, model, \
    model_group, provider, provider_model, deployment, key_id, key_hash, key_alias, team_id, user_id, \
    organization_id, end_user, tags, source, requests, failures, input_tokens, output_tokens, cache_read_tokens, \
    cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens, \
    service_tier, cost, bound, duration_ms, first_byte_ms, leg, handed_on, retries, fallbacks, first_token_ms, \
    upstream_ms, overhead_us, rule, status";
const COUNT: i16 = 48;

/// An event, clean.
pub(crate) struct Stored<'e> {
    pub(crate) incarnation: Uuid,
    pub(crate) seq: i64,
    pub(crate) node: &'e str,
    pub(crate) said: &'e UsageEvent,
}

/// An event that cannot be stored.
pub(crate) struct Reject<'e> {
    pub(crate) incarnation: Uuid,
    pub(crate) seq: i64,
    pub(crate) node: &'e str,
    pub(crate) reason: String,
    pub(crate) cost: Option<i64>,
    pub(crate) sent: &'e [u8],
}

/// Stores events whose days have partitions.
pub(crate) async fn store(connection: &mut PgConnection, events: &[Stored<'_>]) -> Result<(), sqlx::Error> {
    copy(connection, "usage_events", events).await
}

/// Stores events whose days have none.
pub(crate) async fn store_late(
    connection: &mut PgConnection,
    events: &[Stored<'_>],
) -> Result<(), sqlx::Error> {
    copy(connection, "usage_late", events).await
}

async fn copy(
    connection: &mut PgConnection,
    table: &'static str,
    events: &[Stored<'_>],
) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let mut rows = Rows::new();
    for event in events {
        row(&mut rows, event);
    }
    rows.send(connection, &format!("copy {table} ({COLUMNS}) from stdin (format binary)")).await
}

fn row(rows: &mut Rows, event: &Stored<'_>) {
    let Stored { incarnation, seq, node, said } = event;
    rows.row(COUNT);
    rows.date(said.time.div_euclid(MILLIS_OF_DAY));
    rows.uuid(incarnation);
    rows.big(*seq);
    rows.text(node);
    rows.time(said.time);
    rows.text(&said.call_id);
    rows.text(&said.call_type);
    rows.text(&said.endpoint);
    rows.bool(said.stream);
    rows.text_or_null(said.failure.as_deref().unwrap_or_default());
    rows.text(&said.model);
    rows.text(&said.model_group);
    rows.text(&said.provider);
    rows.text(&said.provider_model);
    rows.text(&said.deployment);
    rows.text(&said.key_id);
    match &*said.key_hash {
        [] => rows.null(),
        hash => rows.bytes(hash),
    }
    for text in [&said.key_alias, &said.team, &said.user, &said.organization, &said.end_user] {
        rows.text_or_null(text);
    }
    rows.texts(&said.tags);
    rows.small(i16::try_from(said.source).unwrap_or(0));
    let counts = [
        said.requests,
        said.failures,
        said.input_tokens,
        said.output_tokens,
        said.cache_read_tokens,
        said.cache_write_tokens,
        said.cache_write_1h_tokens,
        said.reasoning_tokens,
        said.input_audio_tokens,
        said.output_audio_tokens,
    ];
    counts.into_iter().for_each(|count| rows.count(count));
    rows.text(&said.service_tier);
    rows.big_or_null(said.cost);
    rows.big_or_null(said.bound);
    rows.count(said.duration_ms);
    let millis = |millis: Option<u64>| millis.map(|millis| i64::try_from(millis).unwrap_or(i64::MAX));
    rows.big_or_null(millis(said.first_byte_ms));
    rows.integer(said.leg);
    rows.bool(said.handed_on);
    rows.integer(said.retries);
    rows.integer(said.fallbacks);
    rows.big_or_null(millis(said.first_token_ms));
    rows.big_or_null(millis(said.upstream_ms));
    rows.count(said.overhead_us);
    rows.text(&said.rule);
    match said.status {
        0 => rows.null(),
        status => rows.integer(status),
    }
}

/// Keeps what cannot be stored, for a look.
pub(crate) async fn put_rejects(
    connection: &mut PgConnection,
    rejects: &[Reject<'_>],
) -> Result<(), sqlx::Error> {
    if rejects.is_empty() {
        return Ok(());
    }
    let column = |text: fn(&Reject<'_>) -> String| rejects.iter().map(text).collect::<Vec<_>>();
    sqlx::query(
        "insert into usage_rejects (incarnation, seq, node, reason, cost, event)
         select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bytea[])",
    )
    .persistent(false)
    .bind(rejects.iter().map(|reject| reject.incarnation).collect::<Vec<_>>())
    .bind(rejects.iter().map(|reject| reject.seq).collect::<Vec<_>>())
    .bind(column(|reject| reject.node.to_owned()))
    .bind(column(|reject| reject.reason.clone()))
    .bind(rejects.iter().map(|reject| reject.cost).collect::<Vec<_>>())
    .bind(rejects.iter().map(|reject| reject.sent.get(..KEPT).unwrap_or(reject.sent)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// The numbers that are there, of some.
pub(crate) async fn known(
    connection: &mut PgConnection,
    incarnation: Uuid,
    numbers: RangeInclusive<i64>,
) -> Result<HashSet<(Uuid, i64)>, sqlx::Error> {
    let rows = sqlx::query(
        "select seq from usage_events where incarnation = $1 and seq between $2 and $3
         union all select seq from usage_late where incarnation = $1 and seq between $2 and $3
         union all select seq from usage_rejects where incarnation = $1 and seq between $2 and $3",
    )
    .persistent(false)
    .bind(incarnation)
    .bind(*numbers.start())
    .bind(*numbers.end())
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row: &PgRow| Ok((incarnation, row.try_get("seq")?))).collect()
}
