//! Who asks, and whether they may.

use axum::http::HeaderMap;
use bulkhead_model::presented::{self, NoKey};
use bulkhead_model::{KeyHash, hash, virtual_key};
use parking_lot::RwLock;
use time::OffsetDateTime;

use super::State;
use super::refusal::Refusal;
use crate::domain::field::Role;
use crate::domain::{routes, time as times};
use crate::store::keys::{self, Presented};

/// LiteLLM's name for whoever has the master key.
const MASTER_USER: &str = "default_user_id";

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing.
    Public,
    /// Any key that is in force; what it may see is the handler's to say.
    AnyKey,
    /// To be an admin, or somebody who may see what admins see.
    Viewer,
    /// To be an admin.
    Admin,
}

/// The master key in force, by its hash.
pub(crate) struct MasterKey(RwLock<KeyHash>);

impl MasterKey {
    pub(crate) fn new(key: KeyHash) -> Self {
        Self(RwLock::new(key))
    }

    /// From now on this one is good, and the one before is not.
    pub(crate) fn set(&self, key: KeyHash) {
        *self.0.write() = key;
    }

    pub(super) fn same(&self, other: &KeyHash) -> bool {
        self.0.read().same(other)
    }
}

/// Who asks.
pub(crate) enum Caller {
    /// Nobody that was asked for a key.
    Nobody,
    /// Whoever has the master key.
    Master,
    /// A virtual key.
    Key(Box<Presented>),
}

impl Caller {
    /// As whom changes are noted.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Nobody => "nobody",
            Self::Master => MASTER_USER,
            Self::Key(found) => found.key.user_id.as_deref().unwrap_or(&found.key.name),
        }
    }

    fn role(&self) -> Option<Role> {
        match self {
            Self::Nobody => None,
            Self::Master => Some(Role::Admin),
            Self::Key(found) => found.role.as_deref().and_then(Role::of),
        }
    }

    /// True for those who may see everything.
    pub(crate) fn sees_all(&self) -> bool {
        matches!(self.role(), Some(Role::Admin | Role::Viewer))
    }
}

/// Finds the caller and checks that it may call the route.
pub(crate) async fn authorize(
    state: &State,
    headers: &HeaderMap,
    access: Access,
    path: &str,
) -> Result<Caller, Refusal> {
    if access == Access::Public {
        return Ok(Caller::Nobody);
    }
    let caller = identify(state, headers).await?;
    let reads = access != Access::Admin;
    if let Caller::Key(found) = &caller
        && !routes::allow(&found.key.allowed_routes, path, reads)
    {
        let allowed: Vec<_> = found.key.allowed_routes.iter().map(|route| format!("'{route}'")).collect();
        return Err(Refusal::forbidden(format!(
            "Virtual key is not allowed to call this route. Only allowed to call routes: [{}]. Tried to call route: \
             {path}",
            allowed.join(", ")
        )));
    }
    let may = match caller.role() {
        Some(Role::Admin) => true,
        Some(Role::Viewer) => access != Access::Admin,
        _ => access == Access::AnyKey,
    };
    match may {
        true => Ok(caller),
        false => Err(refuse_role(&caller, path)),
    }
}

fn refuse_role(caller: &Caller, path: &str) -> Refusal {
    let role = caller.role().map_or("unknown", Role::word);
    let user = match caller {
        Caller::Key(found) => found.key.user_id.as_deref().unwrap_or("unknown"),
        _ => "unknown",
    };
    if role == Role::Viewer.word() {
        return Refusal::forbidden(format!(
            "user not allowed to access this route, role= {role}. Trying to access: {path}"
        ));
    }
    Refusal::forbidden(format!(
        "Authentication Error, Only proxy admin can be used to generate, delete, update info for new \
         keys/users/teams. Route={path}. Your role={role}. Your user_id={user}"
    ))
}

async fn identify(state: &State, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let no_key = |why: NoKey| Refusal::unauthorized("auth_error", why.to_string());
    let key = presented::find(headers, None).map_err(no_key)?;
    let hash = KeyHash::of(key);
    // Needs no database.
    if state.master_key.same(&hash) {
        return Ok(Caller::Master);
    }
    if !key.starts_with("sk-") {
        return Err(Refusal::unauthorized(
            "auth_error",
            format!(
                "Authentication Error, LiteLLM Virtual Key expected. Received={}, expected to start with 'sk-'.",
                hash::half_masked(key)
            ),
        ));
    }
    if virtual_key::checksum_fits(key) == Some(false) {
        return Err(unknown(key, hash));
    }
    let mut transaction = state.store.begin().await?;
    let found = keys::presented(&mut transaction, hash).await?.ok_or_else(|| unknown(key, hash))?;
    in_force(&found, key)?;
    Ok(Caller::Key(Box::new(found)))
}

fn in_force(found: &Presented, key: &str) -> Result<(), Refusal> {
    let blocked =
        |what: String| Err(Refusal::unauthorized("auth_error", format!("Authentication Error, {what}")));
    if found.key.terms.blocked {
        return blocked("Key is blocked. Update via `/key/unblock` if you're an admin.".to_owned());
    }
    if found.user_blocked {
        return blocked(format!("User={} is blocked.", found.key.user_id.as_deref().unwrap_or_default()));
    }
    let now = OffsetDateTime::now_utc();
    if let Some(expires) = found.key.expires_at.filter(|expires| *expires <= now) {
        let message = format!(
            "Authentication Error - Expired Key. Key Expiry time {} and current time {}",
            times::millis(expires).rfc3339(),
            times::millis(now).rfc3339()
        );
        return Err(Refusal::unauthorized("expired_key", message).param(hash::masked(key)));
    }
    if found.team_blocked {
        let team = found.key.team_id.as_deref().unwrap_or_default();
        return blocked(format!("Team={team} is blocked. Update via `/team/unblock` if you're an admin."));
    }
    Ok(())
}

fn unknown(key: &str, hash: KeyHash) -> Refusal {
    Refusal::unauthorized(
        "token_not_found_in_db",
        format!(
            "Authentication Error, Invalid proxy server token passed. Received API Key = {}, Key Hash (Token) ={hash}. \
             Unable to find token in cache or `LiteLLM_VerificationTokenTable`",
            hash::masked(key)
        ),
    )
    .param("key")
}
