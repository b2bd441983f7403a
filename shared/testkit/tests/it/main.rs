//! The test doubles, tested at their sockets.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may fail the test")]

mod books;
mod control;
mod dialects;
mod faults;
mod proxy;
mod refusals;

use std::time::Duration;

use bulkhead_testkit::MockProvider;
use bulkhead_testkit::body::Body;
use bulkhead_testkit::client::{Answer, Client, Request};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(10);

async fn client(mock: &MockProvider) -> Client {
    Client::connect(mock.addr()).await.unwrap().patience(LONG)
}

fn post(path: &str, body: Body) -> Request {
    let request = Request::post(path);
    let request = if path.contains("/messages") {
        request.anthropic("sk-test-1234")
    } else {
        request.bearer("sk-test-1234")
    };
    request.json(body)
}

async fn ask(mock: &MockProvider, path: &str, body: Body) -> Answer {
    client(mock).await.exchange(&post(path, body)).await
}
