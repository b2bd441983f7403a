//! The management API, over a connection that is kept.

use std::net::SocketAddr;
use std::time::Duration;

use bulkhead_testkit::client::{Answer, Client, End, Request};
use serde_json::Value;

use super::MASTER;

const PATIENCE: Duration = Duration::from_secs(20);

/// A caller with the master key.
pub(crate) struct Api {
    addr: SocketAddr,
    client: Option<Client>,
}

impl Api {
    pub(crate) fn of(addr: SocketAddr) -> Self {
        Self { addr, client: None }
    }

    pub(crate) async fn send(&mut self, request: Request) -> Answer {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::connect(self.addr).await.unwrap().patience(PATIENCE),
        };
        let answer = client.exchange(&request.bearer(MASTER)).await;
        if answer.end == End::Complete {
            self.client = Some(client);
        }
        answer
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.send(Request::post(path).json(body.to_string())).await
    }

    /// A change that is accepted; what is said of it.
    pub(crate) async fn change(&mut self, path: &str, body: Value) -> Value {
        good(path, self.post(path, body).await)
    }

    pub(crate) async fn patch(&mut self, path: &str, body: Value) -> Value {
        good(path, self.send(Request::new("PATCH", path).json(body.to_string())).await)
    }

    pub(crate) async fn get(&mut self, path: &str) -> Value {
        good(path, self.send(Request::get(path)).await)
    }

    /// A new key.
    pub(crate) async fn key(&mut self) -> String {
        self.key_with(serde_json::json!({})).await
    }

    pub(crate) async fn key_with(&mut self, body: Value) -> String {
        let made = self.change("/key/generate", body).await;
        made["key"].as_str().unwrap_or_else(|| panic!("no key in {made}")).to_owned()
    }
}

fn good(path: &str, answer: Answer) -> Value {
    assert_eq!((answer.status, answer.end), (200, End::Complete), "{path}: {}", answer.text());
    answer.json()
}
