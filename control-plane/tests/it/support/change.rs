//! Changes as the control plane makes them, by SQL.

use bulkhead_proto::Kind;
use bulkhead_snapshot::Version;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

/// A resource that a change touches.
pub(crate) type Touch<'t> = (Kind, &'t str);

/// Runs statements and notes what they touch, in one transaction; the version that it made.
pub(crate) async fn commit(
    connection: &mut PgConnection,
    statements: &[&str],
    touched: &[Touch<'_>],
) -> Version {
    let mut transaction = connection.begin().await.unwrap();
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe((*statement).to_owned())).execute(&mut *transaction).await.unwrap();
    }
    let kinds: Vec<i16> = touched.iter().map(|(kind, _)| i16::try_from(i32::from(*kind)).unwrap()).collect();
    let ids: Vec<&str> = touched.iter().map(|(_, id)| *id).collect();
    sqlx::query(
        "with head as (
             update change_head set seq = seq + 1, hash = sha256(hash || convert_to($3, 'UTF8')) returning *
         )
         insert into change_log (epoch, seq, hash, kinds, ids, made_by) select epoch, seq, hash, $1, $2, 'test' from head",
    )
    .bind(kinds)
    .bind(ids)
    .bind(statements.join(";"))
    .execute(&mut *transaction)
    .await
    .unwrap();
    let version = head(&mut transaction).await;
    sqlx::query("select pg_notify('bulkhead_change', '')").execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    version
}

/// Makes a team or gives it another limit of requests per minute; the version of that.
pub(crate) async fn team_limit(connection: &mut PgConnection, team: &str, limit: i64) -> Version {
    let statement = format!(
        "insert into teams (id, rpm_limit) values ('{team}', {limit}) on conflict (id) do update set rpm_limit = {limit}"
    );
    commit(connection, &[&statement], &[(Kind::Team, team)]).await
}

/// Where the history stands.
pub(crate) async fn head(connection: &mut PgConnection) -> Version {
    let row =
        sqlx::query("select cluster.id, epoch, seq, hash from change_head, cluster where cluster.singleton")
            .fetch_one(connection)
            .await
            .unwrap();
    Version {
        cluster: *row.get::<sqlx::types::Uuid, _>("id").as_bytes(),
        epoch: row.get::<i64, _>("epoch").try_into().unwrap(),
        seq: row.get::<i64, _>("seq").try_into().unwrap(),
        hash: row.get::<Vec<u8>, _>("hash").try_into().unwrap(),
    }
}

/// Makes a database out to be another one.
pub(crate) async fn cluster(connection: &mut PgConnection, id: [u8; 16]) {
    let id = sqlx::types::Uuid::from_bytes(id);
    sqlx::query("update cluster set id = $1").bind(id).execute(connection).await.unwrap();
}
