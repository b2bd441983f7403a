//! What a request refers to that one deployment has.

use std::borrow::Cow;
use std::sync::Arc;

use bulkhead_dialect::json::view::{find, part, text};
use bulkhead_dialect::json::{Kind, Member, Splice};
use bulkhead_model::ErrorKind;
use bulkhead_snapshot::{Deployment, Snapshot};
use bytes::Bytes;

use super::bond::{Named, allows_unmanaged, named};
use super::items::{Item, find_items, opened, same_account};
use super::not_found;
use crate::apart::apart;
use crate::fault::{Fault, Outcome};
use crate::identify::Caller;
use crate::read::Call;

/// No id is longer.
const LONGEST_ID: usize = 4 << 10;

/// What a request refers to.
pub(crate) struct Bonds {
    home: Option<Home>,
    /// The answer that it goes on from.
    previous: Option<Previous>,
    items: Vec<Item>,
}

/// Where what a request refers to is from.
pub(crate) struct Home {
    pub(crate) deployment: Arc<Deployment>,
    /// Elsewhere there is nothing to go on from. Otherwise it is only better there.
    pub(crate) is_only: bool,
}

struct Previous {
    /// The client's id.
    shown: String,
    /// The provider's.
    said: String,
}

impl Home {
    pub(crate) fn is(&self, deployment: &Deployment) -> bool {
        self.deployment.id == deployment.id
    }

    /// A deployment that has it as well.
    pub(crate) fn is_shared_by(&self, deployment: &Deployment) -> bool {
        same_account(&self.deployment, deployment)
    }
}

/// Reads and opens what a request to Responses refers to; `None` where that is nothing.
pub(crate) async fn read(
    snapshot: &Arc<Snapshot>,
    caller: &Caller,
    call: &Call,
) -> Outcome<Option<Box<Bonds>>> {
    refuse_conversation(snapshot, caller, call)?;
    let previous = match call.scan.find("previous_response_id") {
        Some(member) if member.kind == Kind::String => previous(snapshot, caller, call, member)?,
        _ => None,
    };
    let items = items(snapshot, caller, call).await?;
    if previous.is_none() && items.is_empty() {
        return Ok(None);
    }
    let (only, previous) = previous.unzip();
    let latest = || items.iter().rev().find_map(|item| item.from.clone());
    let home = match only {
        Some(deployment) => Some(Home { deployment, is_only: true }),
        None => latest().map(|deployment| Home { deployment, is_only: false }),
    };
    Ok(Some(Box::new(Bonds { home, previous, items })))
}

fn previous(
    snapshot: &Snapshot,
    caller: &Caller,
    call: &Call,
    member: &Member,
) -> Outcome<Option<(Arc<Deployment>, Previous)>> {
    let missing = |id: &str| {
        not_found("Previous response", id).param("previous_response_id").code("previous_response_not_found")
    };
    let Some(shown) = member.string_value(&call.body, LONGEST_ID) else { return Err(missing("…")) };
    match named(&snapshot.settings, caller, &shown) {
        None => Err(missing(&shown)),
        Some(Named::Unmanaged) => Ok(None),
        Some(Named::Sealed(bond)) => {
            let Some((_, deployment)) = snapshot.models.deployment(&bond.deployment) else {
                return Err(gone(&shown));
            };
            Ok(Some((deployment.clone(), Previous { shown, said: bond.said })))
        }
    }
}

/// The owner is told why.
fn gone(id: &str) -> Box<Fault> {
    let message = format!(
        "Previous response with id '{id}' not found. The deployment that keeps it is no longer declared. Send the whole \
         conversation in `input`."
    );
    Fault::new(ErrorKind::ResponseNotFound, message)
        .param("previous_response_id")
        .code("previous_response_not_found")
}

/// Conversations are made at the provider, so nobody here knows whose they are.
fn refuse_conversation(snapshot: &Snapshot, caller: &Caller, call: &Call) -> Outcome<()> {
    let Some(member) = call.scan.find("conversation").filter(|member| member.kind != Kind::Null) else {
        return Ok(());
    };
    if allows_unmanaged(&snapshot.settings, caller) {
        return Ok(());
    }
    let value = call.body.bytes(member.value.clone(), LONGEST_ID).unwrap_or_default();
    let id = text(&value).or_else(|| text(part(&value, find(&value, "id")?))).unwrap_or(Cow::Borrowed("…"));
    Err(not_found("Conversation", &id).param("conversation"))
}

async fn items(snapshot: &Arc<Snapshot>, caller: &Caller, call: &Call) -> Outcome<Vec<Item>> {
    let input = call.scan.find("input").filter(|input| matches!(input.kind, Kind::Array { empty: false }));
    let Some(input) = input.map(|input| input.value.clone()) else { return Ok(Vec::new()) };
    let (snapshot, caller, body) = (snapshot.clone(), caller.clone(), call.body.clone());
    let found = apart(body.len(), move || find_items(&snapshot, &caller, &body, input)).await;
    found.unwrap_or_else(|| Err(Fault::new(ErrorKind::Internal, "Internal server error")))
}

impl Bonds {
    pub(crate) fn home(&self) -> Option<&Home> {
        self.home.as_ref()
    }

    /// Puts the provider's own texts back for a deployment, and names what is left out for it. `is_same`: it speaks
    /// Responses.
    pub(crate) fn open(
        &self,
        call: &Call,
        to: &Deployment,
        is_same: bool,
        splice: &mut Splice<'_>,
        dropped: &mut Vec<String>,
    ) {
        if let (Some(previous), Some(member)) = (&self.previous, call.scan.find("previous_response_id")) {
            let json = serde_json::Value::from(previous.said.as_str()).to_string();
            splice.replace(member, Bytes::from(json));
        }
        if let Some(input) = call.scan.find("input") {
            let (cuts, is_short) = opened(&self.items, to, is_same);
            splice.replace_within(input, cuts);
            if is_short {
                dropped.push("encrypted_content".to_owned());
            }
        }
    }

    /// A provider's error names its own id; the client knows another.
    pub(crate) fn shown_in(&self, fault: &mut Fault) {
        if let Some(Previous { shown, said }) = &self.previous {
            fault.rename(said, shown);
        }
    }
}
