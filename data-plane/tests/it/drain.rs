//! How a gateway stops: nothing that was accepted is dropped, what takes too long is told so, and all of it is
//! written down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bulkhead_testkit::client::{Answer, Client, End, Request, call};
use bulkhead_testkit::{GatewayYaml, MockProvider, body, eventually};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::money::{micros, priced, spent};
use crate::support::{Gateway, PATIENCE, faulty, yaml};

const KEY: &str = "sk-drain-0123456789abcdef";

/// A key with a budget for models that take their time.
fn config(mock: &MockProvider) -> GatewayYaml {
    let mut yaml = yaml(mock);
    for (group, model) in [
        ("gpt-slow", "slow-ttft-1500"),
        ("gpt-pieces", "slow-chunk-50+chunks-40"),
        ("gpt-stall", "chunks-50+stall-after-20"),
        ("gpt-hang", "hang"),
    ] {
        yaml = priced(yaml, mock, group, model);
    }
    yaml = faulty(yaml, mock, "claude-stall", "chunks-50+stall-after-20");
    priced(yaml, mock, "gpt-priced", "ok")
        .virtual_key(KEY)
        .limit("key_alias", "spender")
        .limit("max_budget", 100)
}

fn chat(model: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(KEY).json(body::chat(model, "How are you?"))
}

fn stream(model: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(KEY).json(body::chat(model, "How are you?").stream())
}

fn claude(model: &str) -> Request {
    Request::post("/v1/messages").anthropic(KEY).json(body::messages(model, "How are you?").stream())
}

fn sent(gateway: &Gateway, request: Request) -> JoinHandle<Answer> {
    let addr = gateway.addr;
    tokio::spawn(async move { call(addr, &request).await.unwrap() })
}

/// Sends requests and waits until all of them are with the provider.
async fn in_flight(gateway: &Gateway, requests: Vec<Request>) -> Vec<JoinHandle<Answer>> {
    let count = f64::from(u32::try_from(requests.len()).unwrap());
    let answers = requests.into_iter().map(|request| sent(gateway, request)).collect();
    gateway.until_metric("bulkhead_in_flight", &[], count).await;
    answers
}

/// Nobody listens any more.
async fn until_refused(addr: SocketAddr) {
    let started = Instant::now();
    while Client::connect(addr).await.is_ok() {
        assert!(started.elapsed() < PATIENCE, "connections are still taken");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What the records say was spent, in micro-dollars.
fn recorded(records: &[Value]) -> u64 {
    records.iter().map(|record| micros(record["cost"].as_str().unwrap())).sum()
}

/// A new process on the same directory: what its ledger knows of the key, in micro-dollars. Nothing is left over.
async fn remembered(gateway: &Gateway, mock: &MockProvider) -> u64 {
    let records = gateway.usage().len();
    let next = Gateway::with(config(mock).text()).in_dir_of(gateway).start().await;
    let answer = next.call(&chat("no-such-model")).await;
    assert_eq!(next.usage().len(), records, "a process that drained leaves nothing to be found");
    micros(answer.header("x-litellm-key-spend").unwrap())
}

#[tokio::test]
async fn sigterm_finishes_what_is_in_flight_and_ends_well_before_the_grace_period_does() {
    for signal in ["TERM", "INT"] {
        let mock = MockProvider::start();
        let mut gateway = Gateway::with(config(&mock).text()).start().await;
        let mut idle = gateway.client().await;
        assert_eq!(idle.exchange(&chat("gpt-priced")).await.status, 200);
        let answers =
            in_flight(&gateway, vec![chat("gpt-slow"), stream("gpt-slow"), stream("gpt-pieces")]).await;

        let told = Instant::now();
        gateway.signal(signal);
        gateway.until_log("draining").await;
        let ready = gateway.ops("/readyz").await;
        assert_eq!((ready.status, ready.text().as_str()), (503, "draining"));
        assert_eq!(gateway.ops("/livez").await.status, 200);
        // A connection that is open is served once more and told that it is over.
        let last = idle.exchange(&Request::get("/health/readiness")).await;
        assert_eq!((last.status, last.text().as_str()), (503, r#"{"status":"shutting_down"}"#));
        assert_eq!(last.header("connection"), Some("close"));
        until_refused(gateway.addr).await;

        for (index, answer) in answers.into_iter().enumerate() {
            let answer = answer.await.unwrap();
            assert_eq!((answer.status, answer.end), (200, End::Complete), "{}", answer.text());
            match index {
                // The heads of the others: this one was still to come, that of the last one had gone.
                0 => assert!(!answer.json()["usage"].is_null()),
                _ => assert_eq!(answer.events().last().unwrap().data, "[DONE]"),
            }
            assert_eq!(answer.header("connection"), (index < 2).then_some("close"), "{index}");
        }
        let status = gateway.ended().await;
        assert_eq!(status.code(), Some(0), "{}", gateway.log());
        assert!(told.elapsed() < Duration::from_secs(15), "of 30: {:?}", told.elapsed());

        let records = gateway.usage();
        assert_eq!(records.len(), 4, "{records:#?}");
        assert!(
            records.iter().all(|it| it["status"] == "success" && it["usage"] == "reported"),
            "{records:#?}"
        );
        assert_eq!(recorded(&records), spent(&mock).await);
        assert_eq!(remembered(&gateway, &mock).await, spent(&mock).await);
    }
}

#[tokio::test]
async fn an_idle_gateway_ends_soon() {
    let mock = MockProvider::start();
    let mut gateway = Gateway::start(&mock).await;
    let _silent = gateway.client().await;
    let mut idle = gateway.client().await;
    assert_eq!(idle.exchange(&Request::get("/health/liveliness")).await.status, 200);
    let told = Instant::now();
    assert_eq!(gateway.terminate().await.code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
    assert_eq!(idle.until_closed().await, End::Eof);
}

#[tokio::test]
async fn whoever_has_not_noticed_that_it_is_unready_is_served_for_a_while() {
    let mock = MockProvider::start();
    let wait = Duration::from_secs(2);
    let gateway = Gateway::with(config(&mock).text()).arg("--drain-wait", "2s");
    let mut gateway = gateway.start().await;
    let mut kept = gateway.client().await;
    assert_eq!(kept.exchange(&chat("gpt-priced")).await.status, 200);
    let told = Instant::now();
    gateway.signal("TERM");
    while gateway.ops("/readyz").await.status == 200 {
        assert!(told.elapsed() < Duration::from_millis(500), "of 100 ms, five times as long");
    }
    let last = kept.exchange(&chat("gpt-priced")).await;
    assert_eq!((last.status, last.header("connection")), (200, Some("close")), "{}", last.text());
    let mut served = 0;
    while told.elapsed() < wait / 2 {
        let answer = gateway.call(&chat("gpt-priced")).await;
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "{}", answer.text());
        served += 1;
    }
    assert!(served > 0);
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.log());
    assert!(told.elapsed() >= wait, "{:?}", told.elapsed());
    assert_eq!(gateway.usage().len(), served + 2);
}

#[tokio::test]
async fn whoever_says_stop_twice_does_not_wait_for_load_balancers() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(config(&mock).text()).arg("--drain-wait", "1h");
    let mut gateway = gateway.start().await;
    let answers = in_flight(&gateway, vec![chat("gpt-hang")]).await;
    let told = Instant::now();
    gateway.signal("TERM");
    gateway.until_log("draining").await;
    assert_eq!(gateway.terminate().await.code(), Some(0), "{}", gateway.log());
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
    for answer in answers {
        assert_eq!(answer.await.unwrap().status, 503);
    }
}

/// Sends one request after the other, over a connection for as long as it is kept, until nobody listens.
async fn keep_asking(addr: SocketAddr, served: Arc<AtomicU64>, request: Request) {
    while let Ok(mut client) = Client::connect(addr).await {
        let mut kept = true;
        while kept {
            let answer = client.exchange(&request).await;
            assert_eq!((answer.status, answer.end), (200, End::Complete), "{}", answer.text());
            served.fetch_add(1, Ordering::Relaxed);
            kept = answer.header("connection") != Some("close");
        }
    }
}

#[tokio::test]
async fn twenty_clients_that_never_pause_lose_no_request() {
    let mock = MockProvider::start();
    let mut gateway = Gateway::with(config(&mock).text()).start().await;
    let served = Arc::<AtomicU64>::default();
    let requests = [chat("gpt-priced"), stream("gpt-priced")];
    let clients: Vec<_> = (0..20)
        .map(|index| tokio::spawn(keep_asking(gateway.addr, served.clone(), requests[index % 2].clone())))
        .collect();
    assert!(eventually(PATIENCE, || served.load(Ordering::Relaxed) > 500).await);
    assert_eq!(gateway.terminate().await.code(), Some(0));
    for client in clients {
        client.await.unwrap();
    }
    let served = served.load(Ordering::Relaxed);
    let records = gateway.usage();
    assert_eq!((records.len() as u64, mock.ledger().count()), (served, served));
    assert_eq!(recorded(&records), spent(&mock).await);
    assert_eq!(remembered(&gateway, &mock).await, spent(&mock).await);
}

/// Every answer is whole, says that the gateway stops, and is not passed off as an end.
fn assert_cut(answers: &[Answer]) {
    let [openai, anthropic, whole] = answers else { panic!("three answers") };
    for answer in [openai, anthropic] {
        assert_eq!((answer.status, answer.end), (200, End::Complete), "{}", answer.text());
        let events = answer.events();
        assert!(events.len() > 20, "{}", answer.text());
        let error = &events.last().unwrap().json()["error"];
        assert_eq!(error["message"], "The gateway is shutting down. Please retry.", "{}", answer.text());
        assert!(
            !answer.text().contains("[DONE]") && !answer.text().contains("message_stop"),
            "{}",
            answer.text()
        );
    }
    let error = &openai.events().last().unwrap().json()["error"];
    assert_eq!((&error["type"], &error["code"]), (&"service_unavailable_error".into(), &"503".into()));
    assert_eq!(anthropic.events().last().unwrap().event.as_deref(), Some("error"));
    assert_eq!((whole.status, whole.end), (503, End::Complete), "{}", whole.text());
    assert_eq!(whole.header("retry-after"), Some("1"));
}

/// A cut exchange is billed by what was seen of it, and says that this is an estimate or not known.
fn assert_billed(records: &[Value]) {
    assert_eq!(records.len(), 3, "{records:#?}");
    for record in records {
        assert_eq!((&record["status"], &record["error"]), (&"failure".into(), &"shutting_down".into()));
        assert!(record["input_tokens"].as_u64().unwrap() > 0, "{record}");
        let produced = record["output_tokens"].as_u64().unwrap();
        match record["stream"].as_bool().unwrap() {
            true => assert!(produced > 5 && record["usage"] == "estimated", "{record}"),
            false => assert!(produced == 0 && record["usage"] == "unknown", "{record}"),
        }
    }
}

#[tokio::test]
async fn what_outlasts_the_grace_period_is_cut_with_an_error_and_billed() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(config(&mock).text()).env("GRACEFUL_SHUTDOWN_TIMEOUT", "1");
    let mut gateway = gateway.start().await;
    let requests = vec![stream("gpt-stall"), claude("claude-stall"), chat("gpt-hang")];
    let answers = in_flight(&gateway, requests).await;
    let told = Instant::now();
    assert_eq!(gateway.terminate().await.code(), Some(0), "{}", gateway.log());
    let took = told.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(10), "{took:?}");
    gateway.until_log("the grace period is over").await;
    let answers = futures_util::future::join_all(answers).await;
    assert_cut(&answers.into_iter().map(Result::unwrap).collect::<Vec<_>>());
    let records = gateway.usage();
    assert_billed(&records);
    assert_eq!(remembered(&gateway, &mock).await, recorded(&records));
}

#[tokio::test]
async fn whoever_says_stop_twice_does_not_wait_for_the_grace_period() {
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM")] {
        let mock = MockProvider::start();
        let mut gateway = Gateway::with(config(&mock).text()).start().await;
        let requests = vec![stream("gpt-stall"), claude("claude-stall"), chat("gpt-hang")];
        let answers = in_flight(&gateway, requests).await;
        let told = Instant::now();
        gateway.signal(first);
        gateway.until_log("draining").await;
        until_refused(gateway.addr).await;
        gateway.signal(second);
        assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.log());
        assert!(told.elapsed() < Duration::from_secs(10), "of 30: {:?}", told.elapsed());
        let answers = futures_util::future::join_all(answers).await;
        assert_cut(&answers.into_iter().map(Result::unwrap).collect::<Vec<_>>());
        assert_billed(&gateway.usage());
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_nobody_up() {
    let mock = MockProvider::start();
    let yaml = faulty(config(&mock), &mock, "gpt-large", "bytes-20000000");
    let gateway = Gateway::with(yaml.text()).env("GRACEFUL_SHUTDOWN_TIMEOUT", "1");
    let mut gateway = gateway.start().await;
    let mut deaf = gateway.client().await;
    deaf.send(&stream("gpt-large").bytes()).await.unwrap();
    gateway.until_metric("bulkhead_in_flight", &[], 1.0).await;
    let told = Instant::now();
    assert_eq!(gateway.terminate().await.code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
    let records = gateway.usage();
    assert_eq!((records.len(), &records[0]["error"]), (1, &"shutting_down".into()), "{records:#?}");
}
