//! Join tokens.

use std::time::Duration;

use tonic::Code;

use crate::support::{ControlPlane, Database, Node, head, join_token, run};

#[tokio::test]
async fn a_token_lets_in_until_it_is_revoked() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let (good, bad) = (join_token(&database, "blue"), join_token(&database, "red"));
    assert!(good.starts_with("bh-join-") && good != bad, "{good}");
    let stored: Vec<String> = sqlx::query_scalar("select row_to_json(t)::text from join_tokens t")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert!(!stored.concat().contains(&good), "only a hash is kept");

    let one = Node::subscribed("one", &good, control_plane.grpc);
    let two = Node::subscribed("two", &bad, control_plane.grpc);
    let version = head(&mut connection).await;
    one.until_runs(&version).await;
    two.until_runs(&version).await;

    let (_, list, _) = run(&database, &["token", "list"]);
    let id = |group: &str| {
        let line = list.lines().find(|line| line.contains(group)).unwrap_or_else(|| panic!("{list}"));
        line.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(run(&database, &["token", "revoke", "nobody"]).0, Some(64));
    assert_eq!(run(&database, &["token", "revoke", &id("red")]).0, Some(0));
    let revoked = std::time::SystemTime::now();
    two.until("ended", |seen| seen.ended.as_ref().is_some_and(|ended| ended.code() == Code::Unauthenticated))
        .await;
    assert!(revoked.elapsed().unwrap() < Duration::from_secs(10));
    assert!(one.look(|seen| seen.ended.is_none()));
    assert!(run(&database, &["token", "list"]).1.contains("revoked"));

    for token in [bad.as_str(), "bh-join-00", "", "sk-1234"] {
        let node = Node::subscribed("three", token, control_plane.grpc);
        node.until("refused", |seen| {
            seen.ended.as_ref().is_some_and(|ended| ended.code() == Code::Unauthenticated)
        })
        .await;
    }
}

#[tokio::test]
async fn a_token_that_was_made_elsewhere_is_let_in_once_and_for_all() {
    let database = Database::migrated().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("join-token");
    let token = format!("bh-join-{}", "0f".repeat(32));
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let create = ["token", "create", "--group", "green", "--token-file", file.to_str().unwrap()];
    for said in ["lets nodes in", "known already"] {
        let (code, out, err) = run(&database, &create);
        assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
        assert!(err.contains(said) && !err.contains(&token), "{err}");
    }
    assert_eq!(run(&database, &["token", "list"]).1.lines().count(), 1);

    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let node = Node::subscribed("one", &token, control_plane.grpc);
    node.until_runs(&head(&mut connection).await).await;

    for guessable in ["bh-join-00", &"0f".repeat(36), ""] {
        std::fs::write(&file, guessable).unwrap();
        let (code, _, err) = run(&database, &create);
        assert_eq!(code, Some(64), "{err}");
        assert!(err.contains("--token-file") && !err.contains("0f0f"), "{err}");
    }
}
