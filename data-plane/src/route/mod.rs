//! Route: from the model asked for to the deployment that will serve it.

mod affinity;
mod candidates;
mod pick;
mod rng;
mod rule;
mod strategy;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bulkhead_model::{Endpoint, ErrorKind};
use bulkhead_snapshot::{Deployment, Resolved, Snapshot};
use bytes::Bytes;

pub(crate) use affinity::of_bytes as mark_of;
pub(crate) use pick::{Chooser, Picked};
pub(crate) use rng::Rng;
pub(crate) use rule::{By, Rule};

use crate::bound::Home;
use crate::fault::{Fault, Outcome};
use crate::identify::{Caller, Meant};

/// A deployment and what the model is called there.
#[derive(Debug, Clone)]
pub(crate) struct Routed {
    pub(crate) deployment: Arc<Deployment>,
    /// The provider's name of the model.
    pub(crate) model: String,
    /// The same as a JSON text.
    pub(crate) model_json: Bytes,
}

/// What a request is like, as far as it matters to where it goes.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'r> {
    pub(crate) endpoint: Endpoint,
    pub(crate) tags: &'r [String],
    pub(crate) stream: bool,
    /// Estimated from the body's length.
    pub(crate) input_tokens: u64,
    /// Requests with the same mark go to the same deployment.
    pub(crate) affinity: Option<u64>,
    /// Where what it refers to is from.
    pub(crate) home: Option<&'r Home>,
    /// Ids of deployments that failed it.
    pub(crate) tried: &'r [Box<str>],
}

impl Wanted<'_> {
    pub(crate) fn was_tried(&self, deployment: &Deployment) -> bool {
        self.tried.contains(&deployment.id)
    }
}

impl Routed {
    fn new(deployment: &Arc<Deployment>, captured: &[&str]) -> Self {
        match &deployment.model_json {
            Some(json) => Self {
                deployment: deployment.clone(),
                model: deployment.model.text().to_owned(),
                model_json: json.clone(),
            },
            None => {
                let model = deployment.model.fill(captured);
                let model_json = serde_json::Value::from(model.as_str()).to_string().into();
                Self { deployment: deployment.clone(), model, model_json }
            }
        }
    }
}

/// Resolves a name and checks that the caller may use it. Unknown and forbidden models look the same to a caller that
/// may not use everything, so that names cannot be guessed.
pub(crate) fn resolve<'s>(
    snapshot: &'s Snapshot,
    caller: &Caller,
    meant: Meant<'s>,
) -> Outcome<Resolved<'s, 's>> {
    let Some(resolved) = snapshot.models.resolve(meant.model) else {
        return Err(match caller.restricted() {
            Some(kind) => denied(kind, meant.asked),
            None => unknown(meant.model),
        });
    };
    match caller.forbidden(meant, resolved.group) {
        Some(kind) => Err(denied(kind, meant.asked)),
        None => Ok(resolved),
    }
}

fn unknown(asked: &str) -> Box<Fault> {
    let message = format!(
        "litellm.BadRequestError: You passed in model={asked}. There are no healthy deployments for this model"
    );
    Fault::new(ErrorKind::UnknownModel, message)
}

fn denied(kind: ErrorKind, asked: &str) -> Box<Fault> {
    let message = format!(
        "The requested model '{asked}' is not available for this API key, or the model name is invalid. \
         Check the models available to you and try again."
    );
    Fault::new(kind, message).param("model")
}
