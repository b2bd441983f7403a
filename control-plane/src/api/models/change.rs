//! Models, declared, changed and removed.

use axum::response::Response;
use bulkhead_snapshot::wire::Id;
use serde_json::{Map, Value, json};

use super::body::{ModelName, ModelNew, ModelUpdate};
use super::{derive, found, view};
use crate::api::call::Call;
use crate::api::refusal::Refusal;
use crate::domain::deployment::{CREDENTIAL, merge};
use crate::domain::field::{Field, Name};
use crate::domain::id;
use crate::store::Change;
use crate::store::models::{self, StoredModel};
use crate::store::terms::Stamp;

pub(super) async fn new(call: Call) -> Result<Response, Refusal> {
    let ModelNew { model_name, litellm_params, model_info, blocked } = call.read()?;
    let Name(group) = model_name.ok_or_else(|| Refusal::missing("model_name"))?;
    let mut change = call.change().await?;
    models::exclusively(change.connection()).await?;
    let mut info = model_info.unwrap_or_default();
    let id = match own_id(&mut info)? {
        Some(id) => id,
        None => id::uuid()?,
    };
    let mut model = StoredModel {
        id,
        group,
        params: Map::new(),
        info: Map::new(),
        credential: None,
        blocked: false,
        row: None,
        stamp: Stamp::new(change.by()),
    };
    take(&mut model, litellm_params.ok_or_else(|| Refusal::missing("litellm_params"))?, info, blocked)?;
    let row = derive(&call, &mut change, &model).await?;
    models::insert(&mut change, &model, &row).await?;
    model.row = Some(row);
    answer(&call, change, &model).await
}

pub(super) async fn update(call: Call) -> Result<Response, Refusal> {
    let ModelUpdate { id, model_name, litellm_params, model_info, blocked } = call.read()?;
    let mut info = model_info.unwrap_or_default();
    let named = own_id(&mut info)?.or(id.map(|name| name.0));
    let id = match (call.part("model_id"), named) {
        (Ok(id), _) => id.to_owned(),
        (Err(_), Some(id)) => id,
        (Err(_), None) => return Err(Refusal::missing("model_info.id")),
    };
    let mut change = call.change().await?;
    let mut model = found(&mut change, &id).await?;
    if let Some(Name(group)) = model_name {
        model.group = group;
    }
    take(&mut model, litellm_params.unwrap_or_default(), info, blocked)?;
    store(&call, &mut change, &mut model).await?;
    answer(&call, change, &model).await
}

/// Takes over what is said.
fn take(
    model: &mut StoredModel,
    params: Map<String, Value>,
    mut info: Map<String, Value>,
    blocked: Option<bool>,
) -> Result<(), Refusal> {
    let inside = info.remove("blocked").filter(|value| !value.is_null());
    let inside = inside.map(|value| bool::read(&value)).transpose();
    let inside = inside.map_err(|wrong| Refusal::field("model_info.blocked", wrong.message))?;
    if let Some(blocked) = blocked.or(inside) {
        model.blocked = blocked;
    }
    // What answers add.
    for name in ["created_at", "created_by", "updated_at", "updated_by", "db_model", "declared_in"] {
        info.remove(name);
    }
    merge(&mut model.params, params);
    merge(&mut model.info, info);
    let credential = model.params.get(CREDENTIAL).map(Name::read).transpose();
    let credential = credential.map_err(|wrong| Refusal::field(CREDENTIAL, wrong.message))?;
    model.credential = credential.map(|name| name.0);
    Ok(())
}

/// The id in `model_info`, taken out.
fn own_id(info: &mut Map<String, Value>) -> Result<Option<String>, Refusal> {
    let Some(id) = info.remove("id").filter(|id| !id.is_null()) else { return Ok(None) };
    let Name(id) = Name::read(&id).map_err(|wrong| Refusal::field("model_info.id", wrong.message))?;
    Ok(Some(id))
}

/// Stores a model that was found before, with what follows from it.
async fn store(call: &Call, change: &mut Change, model: &mut StoredModel) -> Result<(), Refusal> {
    let row = derive(call, change, model).await?;
    model.stamp.updated_by = Some(change.by().to_owned());
    model.stamp.updated_at = time::OffsetDateTime::now_utc();
    models::update(change, model, &row).await?;
    model.row = Some(row);
    Ok(())
}

async fn answer(call: &Call, mut change: Change, model: &StoredModel) -> Result<Response, Refusal> {
    change.touch(Id::Deployment(model.id.clone()));
    call.commit(change, view::stored(model, &call.state.prices)).await
}

pub(super) async fn delete(call: Call) -> Result<Response, Refusal> {
    let id = named(&call)?;
    let mut change = call.change().await?;
    let model = found(&mut change, &id).await?;
    models::delete(change.connection(), &model.id).await?;
    change.touch(Id::Deployment(model.id));
    call.commit(change, json!({"message": format!("Model: {id} deleted successfully")})).await
}

pub(super) async fn block(call: Call) -> Result<Response, Refusal> {
    set_blocked(&call, true).await
}

pub(super) async fn unblock(call: Call) -> Result<Response, Refusal> {
    set_blocked(&call, false).await
}

async fn set_blocked(call: &Call, blocked: bool) -> Result<Response, Refusal> {
    let id = named(call)?;
    let mut change = call.change().await?;
    let mut model = found(&mut change, &id).await?;
    model.blocked = blocked;
    store(call, &mut change, &mut model).await?;
    answer(call, change, &model).await
}

fn named(call: &Call) -> Result<String, Refusal> {
    let ModelName { id, model_id } = call.read()?;
    Ok(id.or(model_id).ok_or_else(|| Refusal::missing("id"))?.0)
}
