//! What keys, teams and users have in common.

use bulkhead_model::{Clock, NanoUsd};
use serde_json::Value;
use sqlx::postgres::{PgArguments, PgConnection, PgRow, Postgres};
use sqlx::{FromRow, QueryBuilder, Row};
use time::OffsetDateTime;

use super::StoreError;

pub(super) type Statement<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// What a holder may do, and what it spent.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Terms {
    pub(crate) models: Vec<String>,
    pub(crate) rpm_limit: Option<i64>,
    pub(crate) tpm_limit: Option<i64>,
    pub(crate) max_parallel_requests: Option<i32>,
    pub(crate) max_budget: Option<i64>,
    pub(crate) soft_budget: Option<i64>,
    pub(crate) budget_duration: Option<String>,
    pub(crate) spend: i64,
    pub(crate) spend_generation: i64,
    /// Spend was said anew and is not stored yet.
    #[sqlx(skip)]
    pub(crate) is_spent_anew: bool,
    pub(crate) blocked: bool,
    pub(crate) metadata: Value,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            models: Vec::new(),
            rpm_limit: None,
            tpm_limit: None,
            max_parallel_requests: None,
            max_budget: None,
            soft_budget: None,
            budget_duration: None,
            spend: 0,
            spend_generation: 0,
            is_spent_anew: false,
            blocked: false,
            metadata: Value::Object(serde_json::Map::new()),
        }
    }
}

impl Terms {
    /// Eleven arguments, in the order of the fields.
    pub(super) fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        statement
            .bind(self.models.clone())
            .bind(self.rpm_limit)
            .bind(self.tpm_limit)
            .bind(self.max_parallel_requests)
            .bind(self.max_budget)
            .bind(self.soft_budget)
            .bind(self.budget_duration.clone())
            .bind(self.spend)
            .bind(self.spend_generation)
            .bind(self.blocked)
            .bind(self.metadata.clone())
    }

    /// From now on this is what was spent; whatever nodes counted so far is over, once it is stored.
    pub(crate) fn spend_anew(&mut self, amount: NanoUsd) {
        self.spend = amount.0;
        self.spend_generation = Clock::System.now().0.max(self.spend_generation.saturating_add(1));
        self.is_spent_anew = true;
    }
}

/// Who declared a row, and when. `owner` is the file that declares it.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Stamp {
    pub(crate) owner: Option<String>,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) created_by: Option<String>,
    pub(crate) updated_at: OffsetDateTime,
    pub(crate) updated_by: Option<String>,
}

impl Stamp {
    /// Made now.
    pub(crate) fn new(by: &str) -> Self {
        let now = OffsetDateTime::now_utc();
        let by = Some(by.to_owned());
        Self { owner: None, created_at: now, created_by: by.clone(), updated_at: now, updated_by: by }
    }
}

/// A page of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    /// From 1.
    pub(crate) number: i64,
    pub(crate) size: i64,
}

impl Page {
    pub(crate) fn offset(self) -> i64 {
        self.number.saturating_sub(1).saturating_mul(self.size)
    }

    /// How many pages there are.
    pub(crate) fn pages(self, total: i64) -> i64 {
        total.saturating_add(self.size - 1) / self.size
    }
}

/// How a list is ordered: by a column, the greatest first or last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) by: &'static str,
    pub(crate) descending: bool,
}

impl Order {
    /// `unique` is a column that no two rows share, so that pages do not overlap.
    pub(super) fn push(self, query: &mut QueryBuilder<Postgres>, unique: &'static str) {
        let direction = if self.descending { " desc nulls last, " } else { " asc nulls last, " };
        query.push(" order by ").push(self.by).push(direction).push(unique);
    }
}

/// The newest first.
pub(crate) const NEWEST: Order = Order { by: "created_at", descending: true };

/// What a query counts as `total`.
pub(super) async fn total(
    connection: &mut PgConnection,
    mut query: QueryBuilder<Postgres>,
) -> Result<i64, StoreError> {
    Ok(query.build().persistent(false).fetch_one(connection).await?.try_get("total")?)
}

/// All rows of a query; those to change are locked.
pub(super) async fn fetch<R>(
    connection: &mut PgConnection,
    mut query: QueryBuilder<Postgres>,
    lock: bool,
) -> Result<Vec<R>, StoreError>
where
    R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    if lock {
        query.push(" for update");
    }
    Ok(query.build_query_as().persistent(false).fetch_all(connection).await?)
}

/// Everything, or a page of it.
pub(super) fn limit(query: &mut QueryBuilder<Postgres>, page: Option<Page>) {
    if let Some(page) = page {
        query.push(" limit ").push_bind(page.size).push(" offset ").push_bind(page.offset());
    }
}

/// A text that is contained in another, for `ilike`.
pub(super) fn containing(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}
