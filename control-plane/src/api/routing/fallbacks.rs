//! `/fallback`: declared chains, one model at a time.

use axum::response::Response;
use bulkhead_model::rows::{ChainRow, RoutingRow};
use serde_json::{Map, Value, json};

use super::{ANY, Served, read, to_change};
use crate::api::call::{Call, ok};
use crate::api::refusal::Refusal;
use crate::domain::body::body;
use crate::domain::fallback::chain;
use crate::domain::field::{Name, Wrong, words};
use crate::store::settings::{self, Declared};
use crate::store::{Change, audit};

body! {
    /// `/fallback`
    FallbackNew { model: Name, fallback_models: Vec<Name>, fallback_type: Kind }
}

words! {
    /// What kind of failure a chain is for.
    Kind { General = "general", ContextWindow = "context_window", ContentPolicy = "content_policy" }
}

impl Kind {
    fn chains(self, routing: &RoutingRow) -> &[ChainRow] {
        match self {
            Self::General => &routing.fallbacks,
            Self::ContextWindow => routing.context_window_fallbacks.as_deref().unwrap_or_default(),
            Self::ContentPolicy => routing.content_policy_fallbacks.as_deref().unwrap_or_default(),
        }
    }

    /// A special kind without any chain is not declared: then the general one holds.
    fn put(self, routing: &mut RoutingRow, chains: Vec<ChainRow>) {
        let some = |chains: Vec<ChainRow>| (!chains.is_empty()).then_some(chains);
        match self {
            Self::General => routing.fallbacks = chains,
            Self::ContextWindow => routing.context_window_fallbacks = some(chains),
            Self::ContentPolicy => routing.content_policy_fallbacks = some(chains),
        }
    }

    /// The kind that a query names; the general one where it names none.
    fn asked(call: &Call) -> Result<Self, Refusal> {
        let Some(word) = call.query.text("fallback_type") else { return Ok(Self::General) };
        let message = "Input should be 'general', 'context_window' or 'content_policy'";
        Self::of(word).ok_or_else(|| Refusal::query("fallback_type", Wrong::new("literal_error", message)))
    }
}

pub(super) async fn set(call: Call) -> Result<Response, Refusal> {
    let FallbackNew { model, fallback_models, fallback_type } = call.read()?;
    let Name(group) = model.ok_or_else(|| Refusal::missing("model"))?;
    let targets = fallback_models.ok_or_else(|| Refusal::missing("fallback_models"))?;
    if targets.is_empty() {
        return Err(Refusal::field("fallback_models", "name at least one model, or DELETE the fallbacks"));
    }
    let kind = fallback_type.unwrap_or(Kind::General);
    let mut change = call.change().await?;
    let mut declared = changeable(&mut change).await?;
    let served = Served::read(change.connection(), &declared.row).await?;
    if group != ANY {
        served.check("model", &group)?;
    }
    for Name(target) in &targets {
        served.check("fallback_models", target)?;
    }
    let row = chain(group, targets).map_err(|wrong| Refusal::field("fallback_models", wrong.message))?;
    let answer = shown(&row, kind);
    let mut chains = kind.chains(&declared.row.routing).to_vec();
    let done = match chains.iter_mut().find(|other| other.group == row.group) {
        Some(other) => {
            *other = row;
            "updated"
        }
        None => {
            chains.push(row);
            "created"
        }
    };
    kind.put(&mut declared.row.routing, chains);
    let answer = told(answer, &format!("Fallback configuration {done} successfully"));
    commit(&call, change, &declared, answer).await
}

pub(super) async fn get(call: Call) -> Result<Response, Refusal> {
    let (group, kind) = (call.part("model")?, Kind::asked(&call)?);
    let declared = read(&call).await?;
    let found = kind.chains(&declared.row.routing).iter().find(|chain| chain.group == group);
    ok(shown(found.ok_or_else(|| none(group, kind))?, kind).into())
}

pub(super) async fn delete(call: Call) -> Result<Response, Refusal> {
    let (group, kind) = (call.part("model")?.to_owned(), Kind::asked(&call)?);
    let mut change = call.change().await?;
    let mut declared = changeable(&mut change).await?;
    let mut chains = kind.chains(&declared.row.routing).to_vec();
    let place = chains.iter().position(|chain| chain.group == group).ok_or_else(|| none(&group, kind))?;
    let gone = chains.remove(place);
    kind.put(&mut declared.row.routing, chains);
    let answer = told(shown(&gone, kind), "Fallback configuration deleted successfully");
    commit(&call, change, &declared, answer).await
}

/// The settings, locked, and not declared by a file.
async fn changeable(change: &mut Change) -> Result<Declared, Refusal> {
    let declared = to_change(change).await?;
    match &declared.owner {
        Some(owner) => Err(Refusal::owned("What holds for routing", owner)),
        None => Ok(declared),
    }
}

async fn commit(
    call: &Call,
    mut change: Change,
    declared: &Declared,
    answer: Map<String, Value>,
) -> Result<Response, Refusal> {
    let subject = answer.get("model").and_then(Value::as_str).unwrap_or_default();
    let details = Value::Object(answer.clone());
    audit::note_with(change.connection(), &call.by, "fallback", subject, &details).await?;
    settings::put(&mut change, &declared.row, None).await?;
    call.commit(change, answer.into()).await
}

fn none(group: &str, kind: Kind) -> Refusal {
    Refusal::not_found(format!("No {} fallbacks configured for model '{group}'", kind.word())).param("model")
}

fn shown(chain: &ChainRow, kind: Kind) -> Map<String, Value> {
    let shown = json!({
        "model": chain.group,
        "fallback_models": chain.targets,
        "fallback_type": kind.word(),
    });
    crate::api::shape::object(shown)
}

fn told(mut answer: Map<String, Value>, message: &str) -> Map<String, Value> {
    answer.insert("message".to_owned(), message.into());
    answer
}
