//! The management API over HTTP.

mod auth;
mod away;
mod credentials;
mod document;
mod explain;
mod keys;
mod lists;
mod models;
mod owned;
mod races;
mod regenerate;
mod routing;
mod spend;
mod teams;
mod users;

use bulkhead_testkit::client::{Answer, Request, call};
use serde_json::{Value, json};

use crate::support::{ControlPlane, Database, MASTER};

/// A control plane and its database.
pub(crate) struct Api {
    pub(crate) plane: ControlPlane,
    pub(crate) database: Database,
}

/// A status and a body.
pub(crate) type Said = (u16, Value);

impl Api {
    pub(crate) async fn start() -> Self {
        let database = Database::migrated().await;
        Self { plane: ControlPlane::start(&database).await, database }
    }

    /// A request as somebody.
    pub(crate) async fn ask(&self, method: &str, path: &str, key: &str, body: Option<Value>) -> Answer {
        let mut request = Request::new(method, path).bearer(key);
        if let Some(body) = body {
            request = request.json(body.to_string());
        }
        call(self.plane.http, &request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Said {
        said(&self.ask("GET", path, MASTER, None).await)
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Said {
        said(&self.ask("POST", path, MASTER, Some(body)).await)
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Said {
        said(&self.ask("PATCH", path, MASTER, Some(body)).await)
    }

    /// A post that must succeed.
    pub(crate) async fn done(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(path, body.clone()).await;
        assert_eq!(status, 200, "{path} {body}: {answer}");
        answer
    }

    /// A question that must be answered.
    pub(crate) async fn told(&self, path: &str) -> Value {
        let (status, answer) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Makes a key: the key itself.
    pub(crate) async fn key(&self, body: Value) -> String {
        text(&self.done("/key/generate", body).await, "key")
    }

    /// What is known of a key.
    pub(crate) async fn info(&self, key: &str) -> Value {
        self.told(&format!("/key/info?key={key}")).await.get("info").cloned().unwrap()
    }

    /// Every post, its status, and a part of what is said.
    pub(crate) async fn table(&self, rows: &[(&str, Value, u16, &str)]) {
        for (path, body, status, part) in rows {
            let (found, answer) = self.post(path, body.clone()).await;
            let shown = answer.to_string();
            assert!(
                found == *status && shown.contains(part),
                "{path} {body}: {found} {shown}\nwanted {status} {part}"
            );
        }
    }

    /// The version that the history stands at.
    pub(crate) async fn seq(&self) -> i64 {
        let mut connection = self.database.connect().await;
        sqlx::query_scalar("select seq from change_head").fetch_one(&mut connection).await.unwrap()
    }

    /// What the last change touched, as kinds and ids.
    pub(crate) async fn last_touched(&self) -> Vec<(i16, String)> {
        let mut connection = self.database.connect().await;
        sqlx::query_as(
            "select * from unnest((select kinds from change_log order by seq desc limit 1),
             (select ids from change_log order by seq desc limit 1)) order by 1, 2",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap()
    }

    pub(crate) async fn sql(&self, statement: &'static str) {
        let mut connection = self.database.connect().await;
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    }
}

pub(crate) fn said(answer: &Answer) -> Said {
    let body = match answer.body.is_empty() {
        true => Value::Null,
        false => answer.json(),
    };
    (answer.status, body)
}

pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

/// The hash of a key, in hexadecimal.
pub(crate) fn hash(key: &str) -> String {
    bulkhead_model::KeyHash::of(key).to_string()
}

/// An element of `model_list` that needs nothing else.
pub(crate) fn model(name: &str) -> Value {
    json!({
        "model_name": name,
        "litellm_params": {"model": "openai/gpt-4o", "api_key": "sk-provider-0123456789abcdef", "rpm": 10},
    })
}
