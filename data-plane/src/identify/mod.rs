//! Identify: whose request it is. One hash, a few look-ups in one snapshot, no wait.

mod caller;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::fmt::Display;

use bulkhead_model::presented::{self, NoKey};
use bulkhead_model::{ErrorKind, KeyHash, UnixMillis, hash, virtual_key};
use bulkhead_snapshot::{Key, Snapshot};
use http::HeaderMap;

pub(crate) use caller::{Caller, Meant, Principals};

use crate::fault::{Fault, Outcome};

/// Finds the caller by the key in the headers; LiteLLM's order of headers and checks, its statuses and messages
/// (litellm.md §1, §4.1, §4.6).
pub(crate) fn identify(snapshot: &Snapshot, headers: &HeaderMap, now: UnixMillis) -> Outcome<Caller> {
    let key = presented::find(headers, snapshot.settings.key_header.as_ref()).map_err(no_key)?;
    if !key.starts_with("sk-") {
        let message = format!(
            "Authentication Error, LiteLLM Virtual Key expected. Received={}, expected to start with 'sk-'.",
            hash::half_masked(key)
        );
        return Err(Fault::new(ErrorKind::MalformedKey, message).param("None"));
    }
    let hash = KeyHash::of(key);
    if snapshot.settings.master_key.is_some_and(|master| master.same(&hash)) {
        return Ok(Caller::Master);
    }
    if virtual_key::checksum_fits(key) == Some(false) {
        return Err(unknown(ErrorKind::BadChecksum, snapshot, key, &hash));
    }
    let Some(found) = snapshot.keys.get(&hash) else {
        return Err(unknown(ErrorKind::UnknownKey, snapshot, key, &hash));
    };
    check(snapshot, &found, key, now).map(Caller::Key)
}

/// Finds what a key belongs to and checks that all of it is in force.
fn check(snapshot: &Snapshot, found: &Key, key: &str, now: UnixMillis) -> Outcome<Principals> {
    if found.is_blocked() {
        return Err(blocked("Key is blocked. Update via `/key/unblock` if you're an admin."));
    }
    understood("key", || found.name(), &found.policy().said.requires)?;
    let Some(principals) = Principals::of(snapshot, found) else { return Err(team_not_ready(found)) };
    let Principals { key: _, team, user, member } = &principals;
    if let Some(team) = team {
        understood("team", || &team.row.id, &team.row.requires)?;
    }
    if let Some(user) = user {
        understood("user", || &user.row.id, &user.row.requires)?;
    }
    if let Some(member) = member {
        understood("team member", || &member.row.user, &member.row.requires)?;
    }
    if let Some(user) = user.as_ref().filter(|user| user.row.blocked) {
        return Err(blocked(&format!("User={} is blocked.", user.row.id)));
    }
    if let Some(expires) = found.expires().filter(|expires| *expires <= now) {
        return Err(expired(expires, now, key));
    }
    if let Some(team) = team.as_ref().filter(|team| team.row.blocked) {
        let id = &team.row.id;
        return Err(blocked(&format!(
            "Team={id} is blocked. Update via `/team/unblock` if you're an admin."
        )));
    }
    Ok(principals)
}

fn no_key(why: NoKey) -> Box<Fault> {
    let kind = match why {
        NoKey::Missing => ErrorKind::NoKey,
        NoKey::Malformed => ErrorKind::MalformedKey,
    };
    Fault::new(kind, why.to_string()).param("None")
}

fn blocked(what: &str) -> Box<Fault> {
    Fault::new(ErrorKind::Blocked, format!("Authentication Error, {what}")).param("None")
}

fn expired(expires: UnixMillis, now: UnixMillis, key: &str) -> Box<Fault> {
    let message = format!(
        "Authentication Error - Expired Key. Key Expiry time {} and current time {}",
        expires.rfc3339(),
        now.rfc3339()
    );
    Fault::new(ErrorKind::ExpiredKey, message).param(hash::masked(key))
}

/// Denies what is under a restriction that this release cannot enforce.
fn understood<N: Display>(what: &str, name: impl FnOnce() -> N, requires: &[String]) -> Outcome<()> {
    if requires.is_empty() {
        return Ok(());
    }
    let name = name();
    let message = format!(
        "The {what} `{name}` is under a restriction that this gateway node does not know: {}. Upgrade this node to a \
         release that does.",
        requires.join(", ")
    );
    Err(Fault::new(ErrorKind::UnknownRestriction, message).param("None"))
}

fn team_not_ready(key: &Key) -> Box<Fault> {
    let team = key.team_id().unwrap_or_default();
    let message = format!(
        "Service Unavailable, the team `{team}` of this key is not known to this node yet. Please retry shortly."
    );
    Fault::new(ErrorKind::TeamNotReady, message).retry_after(1)
}

fn unknown(kind: ErrorKind, snapshot: &Snapshot, key: &str, hash: &KeyHash) -> Box<Fault> {
    let mut message = format!(
        "Authentication Error, Invalid proxy server token passed. Received API Key = {}, Key Hash (Token) ={hash}. \
         Unable to find token in cache or `LiteLLM_VerificationTokenTable`",
        hash::masked(key)
    );
    if snapshot.settings.mentions_database {
        message.push_str(
            ". This gateway runs from its file alone: keys in the database that the file names are not visible to it; \
             declare them under `virtual_keys` or run it with a control plane",
        );
    }
    Fault::new(kind, message).param("key")
}

/// Refuses a key that may not call this route.
pub(crate) fn permit_route(
    caller: &Caller,
    path: &str,
    endpoint: Option<bulkhead_model::Endpoint>,
) -> Outcome<()> {
    let Some(key) = caller.key() else { return Ok(()) };
    if key.policy().routes.allows(path, endpoint) {
        return Ok(());
    }
    let allowed: Vec<_> = key.policy().said.allowed_routes.iter().map(|route| format!("'{route}'")).collect();
    let message = format!(
        "Virtual key is not allowed to call this route. Only allowed to call routes: [{}]. Tried to call route: {path}",
        allowed.join(", ")
    );
    Err(Fault::new(ErrorKind::RouteDenied, message).param("None"))
}
