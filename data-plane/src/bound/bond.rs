//! A sealed text: a deployment, an owner, and what the provider said.

use std::sync::Arc;

use bulkhead_dialect::bound::{Bound, Sealing};
use bulkhead_sealed::TextKey;
use bulkhead_snapshot::{Deployment, Settings};

use super::owner::Owner;
use crate::identify::Caller;

/// OpenAI's, and LiteLLM's.
const BEFORE_ID: &str = "resp_";
/// Encrypted content without it is the provider's own.
pub(super) const BEFORE_CONTENT: &str = "bulkhead-sealed.";

/// What a text says once it is open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bond {
    /// The deployment's id.
    pub(crate) deployment: String,
    pub(crate) owner: Owner,
    /// The provider's text.
    pub(crate) said: String,
}

/// What a client's id of a response means.
pub(crate) enum Named {
    Sealed(Bond),
    /// Not given out by this gateway, and the provider's as far as anybody knows.
    Unmanaged,
}

impl Bond {
    pub(super) fn seal(&self, bound: Bound, key: &TextKey) -> Option<String> {
        let mut bytes = Vec::with_capacity(self.said.len() + self.deployment.len() + 64);
        self.owner.write(&mut bytes);
        let length = u16::try_from(self.deployment.len()).ok()?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(self.deployment.as_bytes());
        bytes.extend_from_slice(self.said.as_bytes());
        Some(format!("{}{}", before(bound), key.seal(purpose(bound), &bytes)?))
    }

    pub(super) fn open(bound: Bound, text: &str, key: &TextKey) -> Option<Self> {
        let bytes = key.open(purpose(bound), text.strip_prefix(before(bound))?)?;
        let mut rest = bytes.as_slice();
        let owner = Owner::read(&mut rest)?;
        let (length, rest) = rest.split_first_chunk()?;
        let (deployment, said) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(Self { deployment: text(deployment)?, owner, said: text(said)? })
    }
}

fn before(bound: Bound) -> &'static str {
    match bound {
        Bound::ResponseId => BEFORE_ID,
        Bound::Content => BEFORE_CONTENT,
    }
}

fn purpose(bound: Bound) -> &'static str {
    match bound {
        Bound::ResponseId => "id of a response, 1",
        Bound::Content => "content of an item, 1",
    }
}

/// Opens what a caller may use.
pub(super) fn open(settings: &Settings, caller: &Caller, bound: Bound, text: &str) -> Option<Bond> {
    let bond = Bond::open(bound, text, &settings.text_key)?;
    (settings.shared_response_ids || bond.owner.admits(caller)).then_some(bond)
}

/// What an id means to a caller; `None` where it means nothing. Providers' own ids are for those who may use everything,
/// or where the operator says so: all tenants share the account, so one's id would be everybody's.
pub(crate) fn named(settings: &Settings, caller: &Caller, id: &str) -> Option<Named> {
    if let Some(bond) = open(settings, caller, Bound::ResponseId, id) {
        return Some(Named::Sealed(bond));
    }
    let is_ours = Bond::open(Bound::ResponseId, id, &settings.text_key).is_some();
    (!is_ours && allows_unmanaged(settings, caller)).then_some(Named::Unmanaged)
}

pub(super) fn allows_unmanaged(settings: &Settings, caller: &Caller) -> bool {
    settings.unmanaged_response_ids || settings.shared_response_ids || caller.key().is_none()
}

/// Seals what a deployment answers to a caller.
pub(crate) fn sealing(settings: &Settings, caller: &Caller, deployment: &Deployment) -> Sealing {
    sealing_for(settings, Owner::of(caller), &deployment.id)
}

/// Seals what a deployment says for an owner, whoever asks.
pub(super) fn sealing_for(settings: &Settings, owner: Owner, deployment: &str) -> Sealing {
    let (key, deployment) = (Arc::clone(&settings.text_key), deployment.to_owned());
    Sealing::new(move |bound, said| {
        let bond = Bond { deployment: deployment.clone(), owner, said: said.to_owned() };
        bond.seal(bound, &key)
    })
}

impl Bond {
    /// Seals what is told about this response as it was sealed itself.
    pub(crate) fn sealing(&self, settings: &Settings) -> Sealing {
        sealing_for(settings, self.owner, &self.deployment)
    }
}
