//! The master key of a replica, put in force on every node by the rules of a file.

use bulkhead_model::KeyHash;
use bulkhead_model::rows::SettingsRow;

use super::{Outcome, Standing, TRIES, When, standing};
use crate::store::files::Kind;
use crate::store::{Store, StoreError, audit, files, settings};

const BY: &str = "serve";

/// Puts the master key into the settings, and makes settings where there are none. A key that was replaced by another
/// one is left alone.
pub(crate) async fn put_master_key(store: &Store, key: KeyHash, when: When) -> Result<Outcome, StoreError> {
    let mut tries = 0;
    loop {
        match once(store, key, when).await {
            // Somebody else put one at the same time.
            Err(StoreError::Constraint(_)) if tries < TRIES => tries += 1,
            outcome => return outcome,
        }
    }
}

async fn once(store: &Store, key: KeyHash, when: When) -> Result<Outcome, StoreError> {
    let mut change = store.change(BY).await?;
    let declared = settings::locked(change.connection()).await?;
    let (row, owner) =
        declared.map_or_else(|| (SettingsRow::default(), None), |declared| (declared.row, declared.owner));
    let outcome = match standing(change.connection(), Kind::MasterKey, &key.0, when).await? {
        Standing::Older => return Ok(Outcome::Older),
        Standing::InForce(generation) => Outcome::InForce(generation),
        Standing::Next(generation) => {
            files::note(change.connection(), Kind::MasterKey, generation, &key.0, "").await?;
            audit::note(change.connection(), BY, "master key", &format!("generation {generation}")).await?;
            Outcome::Applied(generation, None)
        }
    };
    settings::put(&mut change, &SettingsRow { master_key: Some(key), ..row }, owner.as_deref()).await?;
    change.commit().await?;
    Ok(outcome)
}
