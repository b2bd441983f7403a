//! `control-plane migrate`.

use sqlx::Row;

use crate::support::{Database, control_plane};

#[tokio::test]
async fn the_schema_is_made_once_and_again_does_no_harm() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    sqlx::query("update change_head set seq = 7").execute(&mut connection).await.unwrap();
    database.migrate();
    let head =
        sqlx::query("select epoch, seq, hash from change_head").fetch_one(&mut connection).await.unwrap();
    assert_eq!((head.get::<i64, _>("epoch"), head.get::<i64, _>("seq")), (1, 7));
    assert_eq!(head.get::<Vec<u8>, _>("hash").len(), 32);
}

#[test]
fn without_a_database_it_says_which_flag_is_missing() {
    let output = control_plane().arg("migrate").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--database-url"), "{output:?}");
}

#[tokio::test]
async fn somebody_who_holds_a_lock_for_a_while_is_waited_for_without_holding_others_up() {
    let database = Database::empty().await;
    let mut connection = database.connect().await;
    // The migrator's own table, held for longer than the lock timeout.
    sqlx::query("create table _sqlx_migrations (version bigint primary key, description text not null, installed_on timestamptz not null default now(), success boolean not null, checksum bytea not null, execution_time bigint not null)")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::raw_sql("begin; lock table _sqlx_migrations in access exclusive mode")
        .execute(&mut connection)
        .await
        .unwrap();
    let url = database.url();
    let migrate = tokio::task::spawn_blocking(move || {
        control_plane().args(["migrate", "--database-url", &url]).output().unwrap()
    });
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    sqlx::raw_sql("commit").execute(&mut connection).await.unwrap();
    let output = migrate.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
