//! `/model/*`.

mod body;
mod change;
mod list;
mod view;

use bulkhead_model::rows::SettingsRow;
use bulkhead_snapshot::check_deployment;
use serde_json::{Map, Value};

use super::call::Call;
use super::refusal::Refusal;
use super::route::Route;
use crate::domain::deployment::{self, Given, credential_row};
use crate::store::models::{self, ModelFilter, StoredModel};
use crate::store::{Change, credentials, settings};
use bulkhead_model::rows::DeploymentRow;

use body::{ModelName, ModelNew, ModelUpdate};

pub(super) fn routes() -> Vec<Route> {
    let by_id = &[("litellm_model_id", "string")];
    let listing = &[
        ("model", "string"),
        ("modelId", "string"),
        ("search", "string"),
        ("page", "integer"),
        ("size", "integer"),
    ];
    vec![
        Route::post::<ModelNew, _>("/model/new", "Declare a deployment of a model.", change::new),
        Route::post::<ModelUpdate, _>("/model/update", "Change the fields that are sent.", change::update),
        Route::patch::<ModelUpdate, _>(
            "/model/{model_id}/update",
            "Change the fields that are sent.",
            change::update,
        ),
        Route::post::<ModelName, _>("/model/delete", "Remove a deployment.", change::delete),
        Route::post::<ModelName, _>(
            "/model/block",
            "Send nothing to a deployment until it is unblocked.",
            change::block,
        ),
        Route::post::<ModelName, _>("/model/unblock", "Use a deployment again.", change::unblock),
        Route::get("/model/info", "All deployments, secrets hidden.", list::info).query(by_id),
        Route::get("/v1/model/info", "All deployments, secrets hidden.", list::info).query(by_id),
        Route::get("/v2/model/info", "Deployments, in pages.", list::info_v2).query(listing),
        Route::get("/model_group/info", "What clients can ask for.", list::groups)
            .query(&[("model_group", "string")]),
    ]
}

/// The deployment of this id, with nobody else changing it.
async fn found(change: &mut Change, id: &str) -> Result<StoredModel, Refusal> {
    models::exclusively(change.connection()).await?;
    let filter = ModelFilter { id: Some(id.to_owned()), ..ModelFilter::default() };
    let (connection, seal) = change.parts();
    let (found, _) = models::read(connection, seal, &filter, None).await?;
    let model = found.into_iter().next().ok_or_else(|| unknown(id))?;
    match &model.stamp.owner {
        Some(owner) => Err(Refusal::owned(&format!("The model `{}` ({id})", model.group), owner)),
        None => Ok(model),
    }
}

pub(super) fn unknown(id: &str) -> Refusal {
    Refusal::not_found(format!("Model not found. Passed in model id={id}")).param("model_info.id")
}

/// What follows from a declaration, checked as nodes will compile it.
pub(super) async fn derive(
    call: &Call,
    change: &mut Change,
    model: &StoredModel,
) -> Result<DeploymentRow, Refusal> {
    let values = match &model.credential {
        None => None,
        Some(name) => Some(credential_values(change, name).await?),
    };
    let given = Given {
        id: &model.id,
        group: &model.group,
        params: &model.params,
        info: &model.info,
        blocked: model.blocked,
        credential: model.credential.as_deref().zip(values.as_ref()),
    };
    let row = deployment::read(&given, &call.state.outside()).map_err(|refused| {
        let said = Refusal::bad(refused.message);
        match refused.field {
            Some(field) => said.param(field),
            None => said,
        }
    })?;
    let settings: SettingsRow =
        settings::read(change.connection()).await?.map(|declared| declared.row).unwrap_or_default();
    let credential =
        values.as_ref().zip(model.credential.clone()).map(|(values, name)| credential_row(name, values));
    check_deployment(&row, credential.as_ref(), &settings, &call.state.prices)
        .map_err(|error| Refusal::bad(error.what))?;
    Ok(row)
}

async fn credential_values(change: &mut Change, name: &str) -> Result<Map<String, Value>, Refusal> {
    let (connection, seal) = change.parts();
    let found = credentials::read(connection, seal, Some(name)).await?;
    let found = found.into_iter().next().ok_or_else(|| {
        Refusal::bad(format!("There is no credential `{name}`. Create it via /credentials first."))
            .param(deployment::CREDENTIAL)
    })?;
    Ok(found.values)
}
