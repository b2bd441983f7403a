//! A request that is allowed, and how it is answered.

use std::collections::BTreeSet;

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bulkhead_model::{Clock, UnixMillis};
use bulkhead_snapshot::Version;
use bulkhead_snapshot::wire::Id;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use sqlx::{PgConnection, Postgres, Transaction};

use super::State;
use super::applied;
use super::auth::Caller;
use super::query::Query;
use super::refusal::Refusal;
use crate::domain::body::Body;
use crate::domain::field::Wrong;
use crate::store::{Change, settings};

/// The version that a change made.
const VERSION: &str = "x-bulkhead-version";

/// A request that is allowed.
pub(crate) struct Call {
    pub(crate) state: State,
    pub(crate) caller: Caller,
    /// Who makes the change: the caller, or for whom it says it acts.
    pub(crate) by: String,
    /// The parts of the path that stand in braces.
    pub(crate) path: Vec<(String, String)>,
    pub(crate) query: Query,
    pub(crate) body: Bytes,
}

/// What answers are told relative to.
pub(crate) struct Times {
    pub(crate) now: UnixMillis,
    pub(crate) zone: TimeZone,
}

impl Call {
    /// The body; none is an empty one.
    pub(crate) fn read<B: Body>(&self) -> Result<B, Refusal> {
        Ok(B::from_value(&self.json()?)?)
    }

    fn json(&self) -> Result<Value, Refusal> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Object(Map::new()));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let wrong = Wrong::new("json_invalid", format!("JSON decode error: {error}"));
            Refusal::Invalid(vec![wrong.below("body")])
        })
    }

    /// A part of the path.
    pub(crate) fn part(&self, name: &str) -> Result<&str, Refusal> {
        let found = self.path.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let usable = found.filter(|value| !value.chars().any(char::is_control));
        usable.ok_or_else(|| Refusal::not_found("Not Found"))
    }

    /// A transaction that reads.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, Refusal> {
        Ok(self.state.store.begin().await?)
    }

    /// A transaction that changes something.
    pub(crate) async fn change(&self) -> Result<Change, Refusal> {
        Ok(self.state.store.change(&self.by).await?)
    }

    /// The time, and the zone that windows snap to.
    pub(crate) async fn times(&self, connection: &mut PgConnection) -> Result<Times, Refusal> {
        let settings = settings::read(connection).await?.map(|declared| declared.row).unwrap_or_default();
        let zone = TimeZone::get(&settings.timezone).unwrap_or(TimeZone::UTC);
        Ok(Times { now: Clock::System.now(), zone })
    }

    /// Commits and answers.
    pub(crate) async fn commit(&self, change: Change, answer: Value) -> Result<Response, Refusal> {
        let touched = change.touched().clone();
        match change.commit().await? {
            Some(version) => Ok(self.committed(&version, &touched, answer).await),
            None => ok(answer),
        }
    }

    /// Answers after a commit, when the change is in force where the caller wants to wait for that.
    pub(crate) async fn committed(
        &self,
        version: &Version,
        touched: &BTreeSet<Id>,
        answer: Value,
    ) -> Response {
        let mut response = if self.query.text("wait").is_some() {
            let (status, told) = applied::wait(&self.state.store, version, touched).await;
            (status, Json(with(answer, told))).into_response()
        } else {
            Json(answer).into_response()
        };
        if let Ok(value) = HeaderValue::from_str(&format!("{}.{}", version.epoch, version.seq)) {
            response.headers_mut().insert(VERSION, value);
        }
        response
    }

    /// Refuses a wait that nobody knows, before anything is done.
    pub(crate) fn check_wait(&self) -> Result<(), Refusal> {
        match self.query.text("wait") {
            None | Some("applied") => Ok(()),
            Some(_) => Err(Refusal::query("wait", Wrong::new("literal_error", "Input should be 'applied'"))),
        }
    }
}

/// The answer and how far the change got.
fn with(answer: Value, told: Value) -> Value {
    match (answer, told) {
        (Value::Object(mut answer), Value::Object(told)) => {
            answer.extend(told);
            Value::Object(answer)
        }
        (answer, told) => json!({"result": answer, "propagation": told}),
    }
}

/// Answers a question.
pub(crate) fn ok(answer: Value) -> Result<Response, Refusal> {
    Ok((StatusCode::OK, Json(answer)).into_response())
}
