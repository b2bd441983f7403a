//! Several replicas write about the same keys at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bulkhead_proto::UsageEvent;
use sqlx::Row;
use sqlx::postgres::PgConnection;
use tokio::task::JoinSet;

use super::support::{Sender, event, events, incarnation, number, spent};
use crate::support::{ControlPlane, Database, join_token};

/// Random enough.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn hot(rng: &mut Rng, keys: u64) -> UsageEvent {
    let key = rng.below(keys);
    let mut said = event(&format!("k{key}"), 1 + i64::try_from(rng.below(100)).unwrap());
    (said.team, said.user) = (format!("t{}", key % 3), format!("u{}", rng.below(5)));
    said
}

#[tokio::test]
async fn four_replicas_on_ten_hot_keys_do_not_deadlock_and_are_exact() {
    const SECONDS: u64 = 4;
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let token = join_token(&database, "a");
    let mut replicas = Vec::new();
    for _ in 0..4 {
        replicas.push(ControlPlane::start(&database).await);
    }
    let mut nodes = JoinSet::new();
    let end = SystemTime::now() + Duration::from_secs(SECONDS);
    for node in 0..8u8 {
        let id = incarnation(node + 1);
        let mut sender = Sender::opened(&replicas[usize::from(node % 4)], &token, id).await;
        nodes.spawn(async move {
            let (mut rng, mut next, mut sum) = (Rng(u64::from(node)), 1, 0);
            while SystemTime::now() < end {
                let some: Vec<_> = (0..20).map(|_| hot(&mut rng, 10)).collect();
                sum += some.iter().map(|said| said.cost.unwrap()).sum::<i64>();
                assert_eq!(sender.answered(events(id, next, &some)).await, next + 19);
                next += 20;
            }
            (next - 1, sum)
        });
    }
    let (mut count, mut sum) = (0, 0);
    for (events, cost) in nodes.join_all().await {
        count += i64::try_from(events).unwrap();
        sum += cost;
    }
    assert_eq!(number(&mut connection, "select count(*) from usage_events").await, count);
    for kind in 0..=4 {
        let statement = format!("select sum(amount)::bigint from entity_spend where kind = {kind}");
        assert_eq!(number(&mut connection, &statement).await, sum, "{kind}");
    }
    assert_eq!(number(&mut connection, "select sum(cost)::bigint from usage_hourly").await, sum);
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(number(&mut connection, deadlocks).await, 0);
    for replica in &replicas {
        assert_eq!(replica.metric("bulkhead_usage_failures_total").await, 0.0);
    }
}

/// What each key spent, as it should be.
type Model = BTreeMap<String, i64>;

async fn as_counted(connection: &mut PgConnection) -> Model {
    let rows = sqlx::query("select id, amount from entity_spend where kind = 1")
        .fetch_all(connection)
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn whatever_is_delivered_again_and_wherever_each_event_counts_once() {
    for seed in [1, 20_261_121, 7] {
        any_interleaving(seed).await;
    }
}

/// Nodes send from random numbers on, to random replicas, and leave before the answer; each ends at its last number.
async fn any_interleaving(seed: u64) {
    const EVENTS: u64 = 400;
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let token: Arc<str> = join_token(&database, "a").into();
    let (left, right) = tokio::join!(ControlPlane::start(&database), ControlPlane::start(&database));
    let (first, second) = (left.grpc, right.grpc);
    let mut model = Model::new();
    let mut nodes = JoinSet::new();
    for node in 0..4u8 {
        let mut rng = Rng(seed * 100 + u64::from(node));
        let all: Vec<_> = (0..EVENTS).map(|_| hot(&mut rng, 10)).collect();
        for said in &all {
            *model.entry(said.key_id.clone()).or_default() += said.cost.unwrap();
        }
        // Two streams of one start of a process, as after a network that came back.
        for stream in 0..2u64 {
            let (all, token) = (all.clone(), token.clone());
            nodes.spawn(async move {
                let mut rng = Rng(seed * 1000 + u64::from(node) * 10 + stream);
                let id = incarnation(node + 1);
                let mut at = 0;
                while at < EVENTS {
                    let address = if rng.below(2) == 0 { first } else { second };
                    let (mut sender, mark) = Sender::open(address, &token, id).await.unwrap();
                    at = mark;
                    for _ in 0..rng.below(8) {
                        let from = (at + 2).saturating_sub(rng.below(30)).clamp(1, EVENTS);
                        let to = (from + rng.below(60)).min(EVENTS);
                        let range = usize::try_from(from - 1).unwrap()..usize::try_from(to).unwrap();
                        sender.send(events(id, from, all.get(range).unwrap())).await;
                        if rng.below(3) > 0 {
                            at = sender.mark().await.unwrap().max(at);
                        }
                    }
                }
            });
        }
    }
    nodes.join_all().await;
    assert_eq!(as_counted(&mut connection).await, model, "with seed {seed}");
    let (_, everything, _, _) = spent(&mut connection, "k0").await;
    assert_eq!(everything, model.values().sum::<i64>(), "with seed {seed}");
    let hourly = "select sum(requests)::bigint from usage_hourly";
    assert_eq!(number(&mut connection, hourly).await, i64::try_from(4 * EVENTS).unwrap(), "with seed {seed}");
}
