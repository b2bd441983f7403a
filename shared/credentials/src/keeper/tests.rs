use tokio::time::Instant;

use super::*;
use crate::{Hidden, Proof, aws};

fn declared() -> aws::Source {
    aws::Source {
        access_key_id: Some("AKIDEXAMPLE".to_owned()),
        secret_access_key: Some(Hidden::from("CANARY")),
        ..aws::Source::default()
    }
}

#[tokio::test]
async fn declared_keys_are_there_at_once_and_leases_are_shared_while_held() {
    let keeper = Keeper::with_environment(Handle::current(), Environment::default());
    let source = Source::Aws(declared());
    let lease = keeper.lease(&source);
    let Some(Proof::Aws(keys)) = lease.now().as_deref().cloned() else { panic!("no keys") };
    assert_eq!((&*keys.access_key_id, keys.secret_access_key.expose()), ("AKIDEXAMPLE", "CANARY"));
    assert!(lease.get(Instant::now()).await.is_ok());

    assert!(Arc::ptr_eq(&lease, &keeper.lease(&source.clone())));
    let other = keeper.lease(&Source::Aws(aws::Source { session_token: Some("T".into()), ..declared() }));
    assert!(!Arc::ptr_eq(&lease, &other));
    drop(other);
    assert_eq!(keeper.leases.lock().len(), 1);
    drop(lease);
    assert!(keeper.leases.lock().is_empty());
    assert!(!format!("{source:?}").contains("CANARY"));
}
