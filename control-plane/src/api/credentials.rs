//! `/credentials`.

use axum::response::Response;
use bulkhead_snapshot::wire::Id;
use serde_json::{Map, Value, json};

use super::call::{Call, ok};
use super::models as model_routes;
use super::refusal::Refusal;
use super::route::Route;
use super::shape;
use crate::domain::body::{body, did_you_mean};
use crate::domain::deployment::{credential_values, masked, merge};
use crate::domain::field::Name;
use crate::store::Change;
use crate::store::credentials::{self, StoredCredential};
use crate::store::models::{self, ModelFilter};
use crate::store::terms::Stamp;

body! {
    /// `POST /credentials`
    CredentialNew {
        credential_name: Name,
        credential_values: Map<String, Value>,
        credential_info: Map<String, Value>,
        model_id: Name,
    }
}

body! {
    /// `PATCH /credentials/{credential_name}`
    CredentialUpdate {
        credential_name: Name,
        credential_values: Map<String, Value>,
        credential_info: Map<String, Value>,
    }
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post::<CredentialNew, _>("/credentials", "Store what deployments can share.", new),
        Route::get("/credentials", "All credentials, secrets hidden.", list),
        Route::get("/credentials/by_name/{credential_name}", "A credential, secrets hidden.", by_name),
        Route::get("/credentials/by_model/{model_id}", "What a deployment uses, secrets hidden.", by_model),
        Route::patch::<CredentialUpdate, _>(
            "/credentials/{credential_name}",
            "Change the values that are sent.",
            update,
        ),
        Route::delete("/credentials/{credential_name}", "Remove a credential that nobody uses.", delete),
    ]
}

async fn new(call: Call) -> Result<Response, Refusal> {
    let CredentialNew { credential_name, credential_values, credential_info, model_id } = call.read()?;
    let Name(name) = credential_name.ok_or_else(|| Refusal::missing("credential_name"))?;
    let mut change = call.change().await?;
    models::exclusively(change.connection()).await?;
    let given = match (credential_values, model_id) {
        (Some(values), _) => values,
        (None, Some(Name(id))) => values_of_model(&mut change, &id).await?,
        (None, None) => return Err(Refusal::missing("credential_values")),
    };
    let mut values = Map::new();
    merge(&mut values, given);
    check(&values)?;
    let (connection, seal) = change.parts();
    if !credentials::read(connection, seal, Some(&name)).await?.is_empty() {
        let message = format!("A credential with the name `{name}` already exists");
        return Err(Refusal::bad(message).param("credential_name"));
    }
    let stamp = Stamp::new(change.by());
    let info = Value::Object(credential_info.unwrap_or_default());
    let credential = StoredCredential { name: name.clone(), values, info, stamp };
    credentials::insert(&mut change, &credential).await?;
    change.touch(Id::Credential(name));
    call.commit(change, json!({"success": true, "message": "Credential created successfully"})).await
}

/// Only what deployments take from a credential; a value that nobody reads is a mistake.
fn check(values: &Map<String, Value>) -> Result<(), Refusal> {
    for (name, value) in values {
        if !credential_values().any(|known| known == name) {
            let near = did_you_mean(name, credential_values());
            let message = format!(
                "`{name}` is not available in this version{near} A credential holds {}",
                credential_values().collect::<Vec<_>>().join(", ")
            );
            return Err(Refusal::bad(message).param(format!("credential_values.{name}")));
        }
        if !value.is_string() {
            return Err(Refusal::field(&format!("credential_values.{name}"), "a text is wanted"));
        }
        if value.as_str().is_some_and(|text| text.starts_with("os.environ/")) {
            return Err(Refusal::field(
                &format!("credential_values.{name}"),
                "variables are read in models only; write the value, it is stored encrypted",
            ));
        }
    }
    Ok(())
}

async fn values_of_model(change: &mut Change, id: &str) -> Result<Map<String, Value>, Refusal> {
    let filter = ModelFilter { id: Some(id.to_owned()), ..ModelFilter::default() };
    let (connection, seal) = change.parts();
    let (found, _) = models::read(connection, seal, &filter, None).await?;
    let model = found.into_iter().next().ok_or_else(|| model_routes::unknown(id))?;
    Ok(of_params(&model.params))
}

fn of_params(params: &Map<String, Value>) -> Map<String, Value> {
    let known = |(name, _): &(&String, &Value)| credential_values().any(|known| known == *name);
    params.iter().filter(known).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn row(credential: &StoredCredential) -> Value {
    let head = json!({
        "credential_name": credential.name,
        "credential_values": masked(&credential.values),
        "credential_info": credential.info,
    });
    shape::joined([shape::object(head), shape::stamp(&credential.stamp)])
}

async fn list(call: Call) -> Result<Response, Refusal> {
    let mut transaction = call.begin().await?;
    let found = credentials::read(&mut transaction, call.state.store.seal(), None).await?;
    ok(json!({"success": true, "credentials": found.iter().map(row).collect::<Vec<_>>()}))
}

async fn by_name(call: Call) -> Result<Response, Refusal> {
    let name = call.part("credential_name")?;
    let mut transaction = call.begin().await?;
    let found = credentials::read(&mut transaction, call.state.store.seal(), Some(name)).await?;
    ok(row(found.first().ok_or_else(|| unknown(name))?))
}

async fn by_model(call: Call) -> Result<Response, Refusal> {
    let id = call.part("model_id")?;
    let mut transaction = call.begin().await?;
    let seal = call.state.store.seal();
    let filter = ModelFilter { id: Some(id.to_owned()), ..ModelFilter::default() };
    let (found, _) = models::read(&mut transaction, seal, &filter, None).await?;
    let model = found.first().ok_or_else(|| model_routes::unknown(id))?;
    let shared = match &model.credential {
        Some(name) => credentials::read(&mut transaction, seal, Some(name)).await?.into_iter().next(),
        None => None,
    };
    let mut values = shared.map(|shared| shared.values).unwrap_or_default();
    values.extend(of_params(&model.params));
    let name = model.credential.clone().unwrap_or_else(|| format!("{}-credential", model.group));
    ok(json!({"credential_name": name, "credential_values": masked(&values), "credential_info": {}}))
}

fn unknown(name: &str) -> Refusal {
    Refusal::not_found(format!("Credential not found. Got credential name: {name}")).param("credential_name")
}

/// The credential of this name, with nobody else changing it.
async fn found(change: &mut Change, name: &str) -> Result<StoredCredential, Refusal> {
    models::exclusively(change.connection()).await?;
    let (connection, seal) = change.parts();
    let found = credentials::read(connection, seal, Some(name)).await?;
    let credential = found.into_iter().next().ok_or_else(|| unknown(name))?;
    match &credential.stamp.owner {
        Some(owner) => Err(Refusal::owned(&format!("The credential `{name}`"), owner)),
        None => Ok(credential),
    }
}

async fn update(call: Call) -> Result<Response, Refusal> {
    let CredentialUpdate { credential_name, credential_values, credential_info } = call.read()?;
    let name = call.part("credential_name")?;
    if credential_name.is_some_and(|said| said.0 != name) {
        return Err(Refusal::bad("A credential cannot be renamed: make another one").param("credential_name"));
    }
    let mut change = call.change().await?;
    let mut credential = found(&mut change, name).await?;
    merge(&mut credential.values, credential_values.unwrap_or_default());
    check(&credential.values)?;
    if let Some(info) = credential_info {
        credential.info = Value::Object(info);
    }
    credential.stamp.updated_by = Some(change.by().to_owned());
    credentials::update(&mut change, &credential).await?;
    change.touch(Id::Credential(name.to_owned()));
    for model in users(&mut change, name).await? {
        let row = model_routes::derive(&call, &mut change, &model).await?;
        if model.row.as_ref() != Some(&row) {
            models::update(&mut change, &model, &row).await?;
            change.touch(Id::Deployment(model.id.clone()));
        }
    }
    call.commit(change, json!({"success": true, "message": "Credential updated successfully"})).await
}

/// The deployments that use a credential.
async fn users(change: &mut Change, name: &str) -> Result<Vec<models::StoredModel>, Refusal> {
    let filter = ModelFilter { credential: Some(name.to_owned()), ..ModelFilter::default() };
    let (connection, seal) = change.parts();
    Ok(models::read(connection, seal, &filter, None).await?.0)
}

async fn delete(call: Call) -> Result<Response, Refusal> {
    let name = call.part("credential_name")?;
    let mut change = call.change().await?;
    found(&mut change, name).await?;
    let users = users(&mut change, name).await?;
    if !users.is_empty() {
        let ids: Vec<_> = users.iter().map(|model| model.id.as_str()).take(10).collect();
        let message = format!("The credential `{name}` is used by models: {}", ids.join(", "));
        return Err(Refusal::bad(message).param("credential_name"));
    }
    credentials::delete(change.connection(), name).await?;
    change.touch(Id::Credential(name.to_owned()));
    call.commit(change, json!({"success": true, "message": "Credential deleted successfully"})).await
}
