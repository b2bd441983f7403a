//! Work that one replica does for all: a lease with a number that fences off a former holder (design §7).

use sqlx::PgConnection;

use super::StoreError;

/// Leave to do a job until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    job: &'static str,
    fence: i64,
}

/// Takes or keeps the lease; `None` where another replica has it.
pub(crate) async fn take(
    connection: &mut PgConnection,
    job: &'static str,
    holder: &str,
    seconds: f64,
) -> Result<Option<Lease>, StoreError> {
    let fence = sqlx::query_scalar(
        "insert into job_leases (job, holder, fence, until) values ($1, $2, 1, now() + make_interval(secs => $3))
         on conflict (job) do update set holder = excluded.holder, fence = job_leases.fence + 1, until = excluded.until
         where job_leases.until < now() or job_leases.holder = excluded.holder
         returning fence",
    )
    .persistent(false)
    .bind(job)
    .bind(holder)
    .bind(seconds)
    .fetch_optional(connection)
    .await?;
    Ok(fence.map(|fence| Lease { job, fence }))
}

/// True while the lease holds; whoever takes it over waits for the transaction that asked.
pub(crate) async fn holds(connection: &mut PgConnection, lease: &Lease) -> Result<bool, StoreError> {
    let row =
        sqlx::query("select from job_leases where job = $1 and fence = $2 and until > now() for update")
            .persistent(false)
            .bind(lease.job)
            .bind(lease.fence)
            .fetch_optional(connection)
            .await?;
    Ok(row.is_some())
}
