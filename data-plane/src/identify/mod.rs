//! Identify: whose request it is. One hash, one look-up in the snapshot, no wait.

mod header;

use std::sync::Arc;

use bulkhead_model::{ErrorKind, KeyHash, UnixMillis, hash};
use bulkhead_snapshot::{Key, Snapshot};
use http::HeaderMap;

pub(crate) use header::is_key_header;

use crate::fault::{Fault, Outcome};

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// The holder of the master key: everything is allowed.
    Master,
    /// The holder of a virtual key.
    Key(Arc<Key>),
}

impl Caller {
    /// The virtual key, where there is one.
    pub(crate) fn key(&self) -> Option<&Arc<Key>> {
        match self {
            Self::Master => None,
            Self::Key(key) => Some(key),
        }
    }
}

/// Finds the caller by the key in the headers; LiteLLM's order of headers, statuses and messages (litellm.md §1, §4.6).
pub(crate) fn identify(snapshot: &Snapshot, headers: &HeaderMap, now: UnixMillis) -> Outcome<Caller> {
    let key = header::find(headers, snapshot.settings.key_header.as_ref())?;
    if !key.starts_with("sk-") {
        let message = format!(
            "Authentication Error, LiteLLM Virtual Key expected. Received={}, expected to start with 'sk-'.",
            half_masked(key)
        );
        return Err(Fault::new(ErrorKind::MalformedKey, message).param("None"));
    }
    let hash = KeyHash::of(key);
    if snapshot.settings.master_key.is_some_and(|master| master.same(&hash)) {
        return Ok(Caller::Master);
    }
    let Some(found) = snapshot.keys.get(&hash) else { return Err(unknown(snapshot, key, &hash)) };
    if found.blocked {
        let message = "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.";
        return Err(Fault::new(ErrorKind::Blocked, message).param("None"));
    }
    if let Some(expires) = found.expires.filter(|expires| *expires <= now) {
        let message = format!(
            "Authentication Error - Expired Key. Key Expiry time {} and current time {}",
            expires.rfc3339(),
            now.rfc3339()
        );
        return Err(Fault::new(ErrorKind::ExpiredKey, message).param(hash::masked(key)));
    }
    Ok(Caller::Key(found.clone()))
}

fn unknown(snapshot: &Snapshot, key: &str, hash: &KeyHash) -> Box<Fault> {
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
    Fault::new(ErrorKind::UnknownKey, message).param("key")
}

/// `abcd****wxyz`, and nothing of a text too short to hide its middle.
fn half_masked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    match (chars.first_chunk::<4>(), chars.last_chunk::<4>()) {
        (Some(first), Some(last)) if chars.len() >= 12 => {
            format!("{}****{}", String::from_iter(first), String::from_iter(last))
        }
        _ => "****".to_owned(),
    }
}

/// Refuses a key that may not call this route.
pub(crate) fn permit_route(
    caller: &Caller,
    path: &str,
    endpoint: Option<bulkhead_model::Endpoint>,
) -> Outcome<()> {
    let Some(key) = caller.key() else { return Ok(()) };
    if key.policy.routes.allows(path, endpoint) {
        return Ok(());
    }
    let allowed: Vec<_> = key.policy.said.allowed_routes.iter().map(|route| format!("'{route}'")).collect();
    let message = format!(
        "Virtual key is not allowed to call this route. Only allowed to call routes: [{}]. Tried to call route: {path}",
        allowed.join(", ")
    );
    Err(Fault::new(ErrorKind::RouteDenied, message).param("None"))
}
