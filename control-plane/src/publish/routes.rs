//! The fleet in the management API.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::nodes;
use crate::api::call::{Call, ok};
use crate::api::refusal::Refusal;
use crate::api::route::Route;
use crate::domain::body::body;
use crate::store::history::Forced;

body! {
    /// `/nodes/force`
    Force { epoch: u64, seq: u64 }
}

/// What this part of the house adds to the management API.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/nodes", "What every node runs, and why not something else.", list),
        Route::post::<Force, _>(
            "/nodes/force",
            "Let nodes take the full sync of this version though it loses more than half of something.",
            force,
        ),
    ]
}

async fn list(call: Call) -> Result<Response, Refusal> {
    ok(nodes::list(&call.state.store).await?)
}

async fn force(call: Call) -> Result<Response, Refusal> {
    let Force { epoch, seq } = call.read()?;
    let epoch = epoch.ok_or_else(|| Refusal::missing("epoch"))?;
    let seq = seq.ok_or_else(|| Refusal::missing("seq"))?;
    match nodes::force(&call.state.store, epoch, seq, &call.by).await? {
        Forced::Noted => ok(json!({ "forced": { "epoch": epoch, "seq": seq } })),
        Forced::NotTheHead(head) => {
            let message =
                format!("the history stands at {head}, not at {epoch}.{seq}: look again, and force that one");
            Err(Refusal::new(StatusCode::CONFLICT, "not_the_head", message))
        }
    }
}
