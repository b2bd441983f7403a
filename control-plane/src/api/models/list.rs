//! Lists of models.

use std::collections::BTreeMap;

use axum::response::Response;
use serde_json::{Value, json};

use super::{unknown, view};
use crate::api::call::{Call, ok};
use crate::api::refusal::Refusal;
use crate::api::shape;
use crate::store::models::{self, ModelFilter, StoredModel};
use crate::store::terms::Page;

pub(super) async fn info(call: Call) -> Result<Response, Refusal> {
    let id = call.query.text("litellm_model_id");
    let filter = ModelFilter { id: id.map(str::to_owned), ..ModelFilter::default() };
    let (found, _) = read(&call, &filter, None).await?;
    match id {
        Some(id) if found.is_empty() => Err(unknown(id)),
        _ => ok(json!({"data": listed(&call, &found)})),
    }
}

pub(super) async fn info_v2(call: Call) -> Result<Response, Refusal> {
    let text = |name: &str| call.query.text(name).map(str::to_owned);
    let page = call.query.page("size", 50)?;
    let filter =
        ModelFilter { id: text("modelId"), group: text("model"), search: text("search"), credential: None };
    let (found, total) = read(&call, &filter, Some(page)).await?;
    let list = json!({"data": listed(&call, &found), "size": page.size});
    ok(shape::joined([shape::object(list), shape::paged(total, page)]))
}

pub(super) async fn groups(call: Call) -> Result<Response, Refusal> {
    let filter =
        ModelFilter { group: call.query.text("model_group").map(str::to_owned), ..ModelFilter::default() };
    let (found, _) = read(&call, &filter, None).await?;
    let mut groups: BTreeMap<&str, Vec<&StoredModel>> = BTreeMap::new();
    for model in found.iter().filter(|model| !model.blocked) {
        groups.entry(&model.group).or_default().push(model);
    }
    let prices = &call.state.prices;
    let data: Vec<_> = groups.iter().map(|(name, models)| view::group(name, models, prices)).collect();
    ok(json!({"data": data}))
}

fn listed(call: &Call, found: &[StoredModel]) -> Vec<Value> {
    found.iter().map(|model| view::listed(model, &call.state.prices)).collect()
}

async fn read(
    call: &Call,
    filter: &ModelFilter,
    page: Option<Page>,
) -> Result<(Vec<StoredModel>, i64), Refusal> {
    let mut transaction = call.begin().await?;
    Ok(models::read(&mut transaction, call.state.store.seal(), filter, page).await?)
}
