//! Single exchanges.

use bulkhead_model::KeyHash;
use sqlx::types::Uuid;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use time::OffsetDateTime;

use crate::store::StoreError;
use crate::store::terms::{Order, Page, total};

/// An exchange with a provider, or the sum of several.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Log {
    pub(crate) incarnation: Uuid,
    pub(crate) seq: i64,
    pub(crate) node: String,
    pub(crate) at: OffsetDateTime,
    pub(crate) call_id: String,
    pub(crate) call_type: String,
    pub(crate) endpoint: String,
    pub(crate) stream: bool,
    pub(crate) failure: Option<String>,
    pub(crate) model: String,
    pub(crate) model_group: String,
    pub(crate) provider: String,
    pub(crate) provider_model: String,
    pub(crate) deployment: String,
    pub(crate) key_id: String,
    pub(crate) key_hash: Option<Vec<u8>>,
    pub(crate) key_alias: Option<String>,
    pub(crate) team_id: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) organization_id: Option<String>,
    pub(crate) end_user: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) source: i16,
    pub(crate) requests: i64,
    pub(crate) failures: i64,
    pub(crate) input_tokens: i64,
    pub(crate) output_tokens: i64,
    pub(crate) cache_read_tokens: i64,
    pub(crate) cache_write_tokens: i64,
    pub(crate) cache_write_1h_tokens: i64,
    pub(crate) reasoning_tokens: i64,
    pub(crate) input_audio_tokens: i64,
    pub(crate) output_audio_tokens: i64,
    pub(crate) service_tier: String,
    pub(crate) cost: Option<i64>,
    pub(crate) bound: Option<i64>,
    pub(crate) duration_ms: i64,
    pub(crate) first_byte_ms: Option<i64>,
    /// Of its request, from 1; 0 is not known.
    pub(crate) leg: i32,
    /// Another leg followed: it counts as no request.
    pub(crate) handed_on: bool,
    pub(crate) retries: i32,
    pub(crate) fallbacks: i32,
    pub(crate) first_token_ms: Option<i64>,
    pub(crate) upstream_ms: Option<i64>,
    pub(crate) overhead_us: i64,
    pub(crate) rule: String,
    pub(crate) status: Option<i32>,
}

const COLUMNS: &str = "incarnation, seq, node, at, call_id, call_type, endpoint, stream, failure, model, model_group, \
     provider, provider_model, deployment, key_id, key_hash, key_alias, team_id, user_id, organization_id, end_user, \
     tags, source, requests, failures, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, \
     cache_write_1h_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens, service_tier, cost, bound, \
     duration_ms, first_byte_ms, leg, handed_on, retries, fallbacks, first_token_ms, upstream_ms, overhead_us, rule, \
     status";

/// What logs can be ordered by, and the columns.
pub(crate) const SORTS: &[(&str, &str)] = &[
    ("startTime", "at"),
    // As numbers: no time is as late as the largest duration after another.
    ("endTime", "extract(epoch from at) * 1000 + duration_ms"),
    ("spend", "cost"),
    ("total_tokens", "input_tokens::numeric + output_tokens"),
    ("request_duration_ms", "duration_ms"),
    ("ttft_ms", "first_byte_ms"),
    ("model", "provider_model"),
];

const NULLABLE: [&str; 2] = ["cost", "first_byte_ms"];

/// A key that logs are asked of.
#[derive(Debug, Clone)]
pub(crate) enum LogKey {
    /// By its stable id: with every secret that it had.
    Id(String),
    /// By a hash that no key has any more.
    Hash(KeyHash),
}

/// How logs are asked for one by one.
#[derive(Debug, Clone)]
pub(crate) enum RequestName {
    /// The number of an event.
    Event(Uuid, i64),
    /// What the client knows it by; several exchanges may share it.
    Call(String),
}

/// Those whose requests somebody may see who may not see all.
#[derive(Debug, Clone)]
pub(crate) struct Visible {
    /// By its stable id.
    pub(crate) key: String,
    pub(crate) user: Option<String>,
    pub(crate) teams: Vec<String>,
}

/// Which logs.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogFilter {
    /// Inclusive.
    pub(crate) from: Option<OffsetDateTime>,
    /// Exclusive.
    pub(crate) to: Option<OffsetDateTime>,
    /// Those of this key only, whatever is asked.
    pub(crate) own: Option<String>,
    pub(crate) visible: Option<Visible>,
    pub(crate) key: Option<LogKey>,
    pub(crate) request: Option<RequestName>,
    /// Columns that must equal a text.
    pub(crate) equal: Vec<(&'static str, String)>,
    /// As it was asked for, or as the provider names it.
    pub(crate) model: Option<String>,
    pub(crate) failed: Option<bool>,
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    /// A name of any of those who take part.
    pub(crate) search: Option<String>,
}

impl LogFilter {
    fn push(&self, query: &mut QueryBuilder<Postgres>) {
        query.push(" where true");
        // The day is what partitions are pruned by.
        if let Some(from) = self.from {
            query.push(" and at >= ").push_bind(from);
            query.push(" and day >= ").push_bind(from.to_offset(time::UtcOffset::UTC).date());
        }
        if let Some(to) = self.to {
            query.push(" and at < ").push_bind(to);
            query.push(" and day <= ").push_bind(to.to_offset(time::UtcOffset::UTC).date());
        }
        if let Some(own) = &self.own {
            query.push(" and key_id = ").push_bind(own.clone());
        }
        if let Some(Visible { key, user, teams }) = &self.visible {
            query.push(" and (key_id = ").push_bind(key.clone());
            query.push(" or user_id = ").push_bind(user.clone());
            query.push(" or team_id = any(").push_bind(teams.clone()).push("))");
        }
        match &self.key {
            Some(LogKey::Id(id)) => {
                query.push(" and key_id = ").push_bind(id.clone());
            }
            Some(LogKey::Hash(hash)) => {
                query.push(" and key_hash = ").push_bind(hash.0.to_vec());
            }
            None => {}
        }
        match &self.request {
            Some(RequestName::Event(incarnation, seq)) => {
                query.push(" and incarnation = ").push_bind(*incarnation).push(" and seq = ").push_bind(*seq);
            }
            Some(RequestName::Call(id)) => {
                query.push(" and call_id = ").push_bind(id.clone());
            }
            None => {}
        }
        for (column, text) in &self.equal {
            query.push(" and ").push(column).push(" = ").push_bind(text.clone());
        }
        if let Some(model) = &self.model {
            query.push(" and ").push_bind(model.clone()).push(" in (model, provider_model)");
        }
        match self.failed {
            Some(true) => query.push(" and failure is not null"),
            Some(false) => query.push(" and failure is null"),
            None => query,
        };
        // What is not known is shown as nothing, and found as that.
        if let Some(min) = self.min {
            query.push(" and coalesce(cost, 0) >= ").push_bind(min);
        }
        if let Some(max) = self.max {
            query.push(" and coalesce(cost, 0) <= ").push_bind(max);
        }
        if let Some(search) = &self.search {
            query.push(" and ").push_bind(search.clone());
            query.push(
                " in (call_id, encode(key_hash, 'hex'), team_id, user_id, end_user, deployment,
                 node || '-' || replace(incarnation::text, '-', '') || '-' || seq)",
            );
        }
    }
}

/// A page of logs. Late ones are among them.
pub(crate) async fn logs(
    connection: &mut PgConnection,
    filter: &LogFilter,
    order: Order,
    page: Page,
) -> Result<Vec<Log>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new("select * from (");
    for (table, between) in [("usage_events", ") union all ("), ("usage_late", ")")] {
        // Each table ends its own search as soon as it has as many as can be on the page.
        query.push(if table == "usage_events" { "(" } else { "" });
        query.push("select ").push(COLUMNS).push(" from ").push(table);
        filter.push(&mut query);
        sort(&mut query, order);
        query.push(" limit ").push_bind(page.offset().saturating_add(page.size)).push(between);
    }
    query.push(") as logs");
    sort(&mut query, order);
    query.push(" limit ").push_bind(page.size).push(" offset ").push_bind(page.offset());
    Ok(query.build_query_as().persistent(false).fetch_all(connection).await?)
}

/// Without a word on nulls where there are none: the index is read backwards only if they are where it has them.
fn sort(query: &mut QueryBuilder<Postgres>, order: Order) {
    query.push(" order by ").push(order.by).push(if order.descending { " desc" } else { " asc" });
    if NULLABLE.contains(&order.by) {
        query.push(" nulls last");
    }
    query.push(", incarnation, seq");
}

/// How many there are, counted to `most`.
pub(crate) async fn count(
    connection: &mut PgConnection,
    filter: &LogFilter,
    most: i64,
) -> Result<i64, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new("select count(*) as total from ((select from usage_events");
    filter.push(&mut query);
    query.push(" limit ").push_bind(most).push(") union all (select from usage_late");
    filter.push(&mut query);
    query.push(" limit ").push_bind(most).push(")) as logs");
    Ok(total(connection, query).await?.min(most))
}
