//! What events add up to. Sums saturate: no absurd number makes a statement fail.

use std::collections::BTreeMap;

use ::time::OffsetDateTime;
use bulkhead_model::UnixMillis;
use sqlx::PgConnection;
use sqlx::types::Uuid;

use crate::domain::time;

/// What sums are of: an hour (Unix milliseconds), and texts in the order of the columns from `key_id` to `endpoint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fact<'e> {
    pub(crate) hour: i64,
    pub(crate) texts: [&'e str; 9],
}

/// Sums of events; none of them is negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) requests: i64,
    pub(crate) failures: i64,
    pub(crate) unpriced: i64,
    pub(crate) input_tokens: i64,
    pub(crate) output_tokens: i64,
    pub(crate) cache_read_tokens: i64,
    pub(crate) cache_write_tokens: i64,
    pub(crate) reasoning_tokens: i64,
    pub(crate) cost: i64,
    pub(crate) doubt: i64,
    pub(crate) duration_ms: i64,
}

/// What was spent, and when last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) amount: i64,
    /// Unix milliseconds.
    pub(crate) last_active: i64,
}

/// Whose spend is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holder<'h> {
    /// Each replica counts in a row of its own.
    Everything,
    /// By its stable id.
    Key(&'h str),
    Team(&'h str),
    User(&'h str),
    /// A team, and a user in it.
    Member(&'h str, &'h str),
}

impl Sums {
    pub(crate) fn add(&mut self, more: &Self) {
        for (sum, more) in self.numbers_mut().into_iter().zip(more.numbers()) {
            *sum = sum.saturating_add(more);
        }
    }

    /// In the order of the columns from `requests` to `duration_ms`.
    fn numbers(&self) -> [i64; 11] {
        let mut copy = *self;
        copy.numbers_mut().map(|number| *number)
    }

    fn numbers_mut(&mut self) -> [&mut i64; 11] {
        let Self {
            requests,
            failures,
            unpriced,
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            reasoning_tokens,
            cost,
            doubt,
            duration_ms,
        } = self;
        [
            requests,
            failures,
            unpriced,
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            reasoning_tokens,
            cost,
            doubt,
            duration_ms,
        ]
    }
}

impl Spent {
    pub(crate) fn add(&mut self, more: &Self) {
        self.amount = self.amount.saturating_add(more.amount);
        self.last_active = self.last_active.max(more.last_active);
    }
}

impl Holder<'_> {
    /// The kind and the id of its row.
    pub(crate) fn row(&self) -> (i16, String) {
        match self {
            Self::Everything => (0, String::new()),
            Self::Key(id) => (1, (*id).to_owned()),
            Self::Team(id) => (2, (*id).to_owned()),
            Self::User(id) => (3, (*id).to_owned()),
            Self::Member(team, user) => (4, format!("{team}\u{1f}{user}")),
        }
    }
}

/// Adds to the facts, in the order in which they are given.
pub(crate) async fn add_facts(
    connection: &mut PgConnection,
    shard: i16,
    facts: &[(Uuid, &Fact<'_>, &Sums)],
) -> Result<(), sqlx::Error> {
    if facts.is_empty() {
        return Ok(());
    }
    let hours: Vec<_> = facts.iter().map(|(_, fact, _)| stored(fact.hour)).collect();
    let mut statement = sqlx::query(ADD_FACTS)
        .persistent(false)
        .bind(hours)
        .bind(facts.iter().map(|(id, ..)| *id).collect::<Vec<_>>())
        .bind(shard);
    for at in 0..9 {
        let column: Vec<_> =
            facts.iter().map(|(_, fact, _)| fact.texts.get(at).copied().unwrap_or_default()).collect();
        statement = statement.bind(column);
    }
    let numbers: Vec<_> = facts.iter().map(|(.., sums)| sums.numbers()).collect();
    for at in 0..11 {
        let column: Vec<_> =
            numbers.iter().map(|numbers| numbers.get(at).copied().unwrap_or_default()).collect();
        statement = statement.bind(column);
    }
    statement.execute(connection).await?;
    Ok(())
}

/// `least(a, largest - b) + b` is `a + b`, or the largest number there is.
const ADD_FACTS: &str = "
    insert into usage_hourly as sum (hour, fact, shard, key_id, user_id, team_id, organization_id, model, model_group,
        deployment, provider, endpoint, requests, failures, unpriced, input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, reasoning_tokens, cost, doubt, duration_ms)
    select hour, fact, $3, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t
    from unnest($1::timestamptz[], $2::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
        $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[])
        as new (hour, fact, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t)
    on conflict (hour, fact, shard) do update set
        requests = least(sum.requests, 9223372036854775807 - excluded.requests) + excluded.requests,
        failures = least(sum.failures, 9223372036854775807 - excluded.failures) + excluded.failures,
        unpriced = least(sum.unpriced, 9223372036854775807 - excluded.unpriced) + excluded.unpriced,
        input_tokens = least(sum.input_tokens, 9223372036854775807 - excluded.input_tokens) + excluded.input_tokens,
        output_tokens = least(sum.output_tokens, 9223372036854775807 - excluded.output_tokens) + excluded.output_tokens,
        cache_read_tokens = least(sum.cache_read_tokens, 9223372036854775807 - excluded.cache_read_tokens)
            + excluded.cache_read_tokens,
        cache_write_tokens = least(sum.cache_write_tokens, 9223372036854775807 - excluded.cache_write_tokens)
            + excluded.cache_write_tokens,
        reasoning_tokens = least(sum.reasoning_tokens, 9223372036854775807 - excluded.reasoning_tokens)
            + excluded.reasoning_tokens,
        cost = least(sum.cost, 9223372036854775807 - excluded.cost) + excluded.cost,
        doubt = least(sum.doubt, 9223372036854775807 - excluded.doubt) + excluded.doubt,
        duration_ms = least(sum.duration_ms, 9223372036854775807 - excluded.duration_ms) + excluded.duration_ms";

/// Adds to what was spent, in the order of the rows.
pub(crate) async fn add_spent(
    connection: &mut PgConnection,
    shard: i16,
    spent: &BTreeMap<(i16, String), Spent>,
) -> Result<(), sqlx::Error> {
    if spent.is_empty() {
        return Ok(());
    }
    let (everything, _) = Holder::Everything.row();
    let shard = shard.to_string();
    let rows = || spent.iter().map(|((kind, id), spent)| (*kind, id.as_str(), spent));
    let id = |(kind, id, _)| if kind == everything { shard.as_str() } else { id };
    sqlx::query(
        "insert into entity_spend as sum (kind, id, amount, last_active)
         select * from unnest($1::smallint[], $2::text[], $3::bigint[], $4::timestamptz[])
         on conflict (kind, id) do update set
             amount = least(sum.amount, 9223372036854775807 - excluded.amount) + excluded.amount,
             last_active = greatest(sum.last_active, excluded.last_active)",
    )
    .persistent(false)
    .bind(rows().map(|(kind, ..)| kind).collect::<Vec<_>>())
    .bind(rows().map(id).collect::<Vec<_>>())
    .bind(rows().map(|(.., spent)| spent.amount).collect::<Vec<_>>())
    .bind(rows().map(|(.., spent)| stored(spent.last_active)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Times were cut to what can be stored.
fn stored(millis: i64) -> OffsetDateTime {
    time::stored(UnixMillis(millis)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// From now on nothing was spent: what counts was written to the entity itself.
pub(crate) async fn forget_spent(
    connection: &mut PgConnection,
    holder: Holder<'_>,
) -> Result<(), sqlx::Error> {
    let (kind, id) = holder.row();
    sqlx::query("update entity_spend set amount = 0 where kind = $1 and id = $2")
        .persistent(false)
        .bind(kind)
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}
