//! What an answer says that the gateway took, against what its client sees.

use bulkhead_testkit::client::{Answer, Request};
use bulkhead_testkit::{MockProvider, body};

use super::*;
use crate::support::faulty;

/// What the provider takes, and how long the client keeps the gateway waiting.
const PROVIDER: Duration = Duration::from_millis(200);
const CLIENT: Duration = Duration::from_millis(300);
/// Sockets, wake-ups and the mock, on a machine that does other things as well.
const FLOOR: Duration = Duration::from_millis(25);

fn millis(answer: &Answer, name: &str) -> Duration {
    let text = answer.header(name).unwrap_or_else(|| panic!("no {name}"));
    Duration::from_secs_f64(text.parse::<f64>().unwrap() / 1000.0)
}

fn assert_within_a_tenth(said: Duration, seen: Duration, what: &str) {
    assert!(said.abs_diff(seen) <= seen / 10 + FLOOR, "{what}: {said:?} said, {seen:?} seen");
}

async fn slow() -> (MockProvider, Gateway) {
    let mock = MockProvider::start();
    let yaml = faulty(yaml(&mock), &mock, "gpt-slow", "slow-ttft-200");
    let gateway = Gateway::with(yaml.text()).start().await;
    (mock, gateway)
}

/// Sends a request in two parts; the answer, and what the client saw of it from the first part on.
async fn in_parts(gateway: &Gateway, request: &Request, at: usize) -> (Answer, Duration) {
    let mut client = gateway.client().await;
    let bytes = request.bytes();
    let (first, rest) = bytes.split_at(at);
    let began = Instant::now();
    client.send(first).await.unwrap();
    tokio::time::sleep(CLIENT).await;
    client.send(rest).await.unwrap();
    let answer = client.answer().await;
    (answer, began.elapsed())
}

#[tokio::test]
async fn the_overhead_is_what_the_client_sees_less_what_the_provider_took() {
    let (_mock, gateway) = slow().await;
    for streams in [false, true] {
        let chat = if streams { body::chat("gpt-slow", "Hi").stream() } else { body::chat("gpt-slow", "Hi") };
        let request = Request::post("/v1/chat/completions").bearer(MASTER).json(chat);
        let in_body = request.bytes().len() - 10;
        for (at, what) in [(in_body, "a body that is slow to come"), (20, "a head that is slow to come")] {
            let (answer, seen) = in_parts(&gateway, &request, at).await;
            assert_eq!(answer.status, 200);
            let overhead = millis(&answer, "x-litellm-overhead-duration-ms");
            let total = millis(&answer, "x-litellm-response-duration-ms");
            assert_within_a_tenth(overhead, seen - PROVIDER, what);
            assert_within_a_tenth(total, seen, what);
        }
    }
    let page = scrape(&gateway).await;
    assert_near(page.sum("bulkhead_overhead_seconds_count", &[]), 4.0, "answers");
    let sum = page.sum("bulkhead_overhead_seconds_sum", &[]);
    assert_within_a_tenth(Duration::from_secs_f64(sum), 4 * CLIENT, "the sum");
}
