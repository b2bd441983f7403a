//! Whatever comes between a change and a node: each node ends where the database is, and was only ever at states that
//! were committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_proto::Kind;
use parking_lot::Mutex;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use crate::support::{ControlPlane, Database, Node, head, join_token};

const SEEDS: [u64; 2] = [1, 20261121];
const WRITERS: u64 = 4;
const CHANGES: u64 = 30;
const TEAMS: u64 = 6;
const NODES: usize = 4;

/// The limits of all teams, by the number of the change that made them so.
type Committed = Arc<Mutex<BTreeMap<u64, BTreeMap<String, Option<u64>>>>>;

/// Random enough.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Changes two teams in one transaction, and notes what is committed by it.
async fn change(connection: &mut PgConnection, rng: &mut Rng, committed: &Committed) {
    let (one, other) = (rng.below(TEAMS), rng.below(TEAMS));
    let (first, second) = (one.min(other), one.max(other));
    let limit = rng.below(1000);
    let mut transaction = connection.begin().await.unwrap();
    for team in [first, second] {
        let statement = if rng.below(5) == 0 {
            format!("delete from teams where id = 't{team}'")
        } else {
            format!(
                "insert into teams (id, rpm_limit) values ('t{team}', {limit}) on conflict (id) do update set rpm_limit = {limit}"
            )
        };
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *transaction).await.unwrap();
    }
    if rng.below(10) == 0 {
        // Undone: nobody may ever see it.
        return;
    }
    let team = i16::try_from(i32::from(Kind::Team)).unwrap();
    let row = sqlx::query(
        "with head as (
             update change_head set seq = seq + 1, hash = sha256(hash || convert_to($1, 'UTF8')) returning *
         )
         insert into change_log (epoch, seq, hash, kinds, ids, made_by)
         select epoch, seq, hash, array[$2, $2], array[$3, $4], 'test' from head returning seq",
    )
    .bind(limit.to_string())
    .bind(team)
    .bind(format!("t{first}"))
    .bind(format!("t{second}"))
    .fetch_one(&mut *transaction)
    .await
    .unwrap();
    let seq = u64::try_from(row.get::<i64, _>("seq")).unwrap();
    // The head is locked until the end, so this is what is committed with that number.
    let teams = teams(&mut transaction).await;
    if rng.below(2) == 0 {
        sqlx::query("select pg_notify('bulkhead_change', '')").execute(&mut *transaction).await.unwrap();
    }
    committed.lock().insert(seq, teams);
    transaction.commit().await.unwrap();
}

async fn teams(connection: &mut PgConnection) -> BTreeMap<String, Option<u64>> {
    let rows = sqlx::query("select id, rpm_limit from teams").fetch_all(connection).await.unwrap();
    let limit = |row: &sqlx::postgres::PgRow| {
        row.get::<Option<i64>, _>("rpm_limit").map(|limit| u64::try_from(limit).unwrap())
    };
    rows.iter().map(|row| (row.get("id"), limit(row))).collect()
}

#[tokio::test]
async fn nodes_see_only_what_was_committed_and_end_where_the_database_is() {
    for seed in SEEDS {
        run(seed).await;
    }
}

async fn run(seed: u64) {
    let database = Database::migrated().await;
    let (left, right) = tokio::join!(
        ControlPlane::start(&database),
        ControlPlane::start_with(&database, &["--no-listen-notify"])
    );
    let token = join_token(&database, "a");
    let mut connection = database.connect().await;
    let committed = Committed::default();
    let start = head(&mut connection).await;
    committed.lock().insert(start.seq, BTreeMap::new());
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (url, committed) = (database.url(), committed.clone());
            tokio::spawn(async move {
                let mut connection = PgConnection::connect(&url).await.unwrap();
                let mut rng = Rng(seed * 1000 + writer);
                for _ in 0..CHANGES {
                    change(&mut connection, &mut rng, &committed).await;
                    tokio::time::sleep(Duration::from_millis(rng.below(40))).await;
                }
            })
        })
        .collect();
    let mut nodes: Vec<_> =
        (0..NODES).map(|node| Node::subscribed(&format!("n{node}"), &token, left.grpc)).collect();
    let mut rng = Rng(seed);
    while writers.iter().any(|writer| !writer.is_finished()) {
        tokio::time::sleep(Duration::from_millis(rng.below(100))).await;
        let node = nodes.get_mut(usize::try_from(rng.below(4)).unwrap()).unwrap();
        match rng.below(4) {
            0 => node.leave(),
            1 => node.subscribe(left.grpc),
            2 => node.subscribe(right.grpc),
            _ => {}
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let end = head(&mut connection).await;
    let state = teams(&mut connection).await;
    for node in &mut nodes {
        node.persist(right.grpc, &end).await;
        let states = node.look(|seen| seen.states.clone());
        assert_eq!(states.last().map(|(_, teams)| teams), Some(&state), "{} with seed {seed}", node.name);
        let committed = committed.lock();
        for (version, teams) in &states {
            assert_eq!(
                Some(teams),
                committed.get(&version.seq),
                "{} at {version} with seed {seed}",
                node.name
            );
        }
        assert!(
            states.is_sorted_by(|(one, _), (two, _)| one.seq <= two.seq),
            "{} with seed {seed}",
            node.name
        );
        assert!(node.look(|seen| seen.refused.is_empty()), "{} with seed {seed}", node.name);
    }
}
