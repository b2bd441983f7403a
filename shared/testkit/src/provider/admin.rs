//! `/_mock/…`: the books over HTTP, for processes that run the mock as a binary.

use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

use super::plan::Plan;
use super::serve::Provider;

/// Answers `GET ledger`, `GET requests`, `GET stats` and `POST reset`.
pub(crate) fn plan(provider: &Provider, method: &Method, path: &str) -> Plan {
    let body = match (method.as_str(), path) {
        ("GET", "ledger") => ledger(provider),
        ("GET", "requests") => {
            Value::Array(provider.ledger.requests().iter().map(|request| request.json()).collect())
        }
        ("GET", "stats") => stats(provider),
        ("POST", "reset") => {
            provider.reset();
            json!({"reset": true})
        }
        _ => {
            let body =
                "the mock serves GET /_mock/ledger, /_mock/requests, /_mock/stats and POST /_mock/reset\n";
            return Plan::plain(404, HeaderMap::new(), "text/plain", body);
        }
    };
    Plan::plain(200, HeaderMap::new(), "application/json", body.to_string())
}

fn ledger(provider: &Provider) -> Value {
    let records: Vec<Value> = provider.ledger.records().iter().map(|record| record.json()).collect();
    let totals: Map<String, Value> =
        provider.ledger.totals().into_iter().map(|(model, totals)| (model, totals.json())).collect();
    json!({"count": provider.ledger.count(), "records": records, "totals": totals})
}

fn stats(provider: &Provider) -> Value {
    let stats = provider.stats.read();
    json!({"accepted": stats.accepted, "open": stats.open, "in_flight": stats.in_flight})
}
