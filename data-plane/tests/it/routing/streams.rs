//! Streams that fail before their first content go elsewhere, and nobody notices; after it nothing is sent twice.

use std::sync::Arc;

use bulkhead_testkit::client::End;
use tokio::sync::Semaphore;

use super::*;

const TWO: [Place; 2] = [("a", "a1"), ("b", "b1")];
const WHOLE: &str = "<0><1><2>";

fn chained(yaml: GatewayYaml) -> GatewayYaml {
    yaml.router("fallbacks", json!([{"a": ["b"]}])).router("num_retries", 0)
}

fn stream(group: &str) -> Value {
    chat(group, json!({"stream": true}))
}

/// The text of a stream.
fn text_of(answer: &Answer) -> String {
    let events = answer.events();
    let texts = events
        .iter()
        .filter(|event| event.data != "[DONE]")
        .map(|event| event.json()["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned());
    texts.collect()
}

fn head() -> Step {
    Step::Send(stream_head())
}

fn error_event() -> Step {
    let data =
        json!({"error": {"message": "too much", "type": "rate_limit_error", "code": "rate_limit_exceeded"}});
    Step::Send(chunk(&format!("data: {data}\n\n")))
}

#[tokio::test]
async fn before_the_first_content_every_failure_goes_elsewhere() {
    let role = || Step::Send(chunk(ROLE));
    for (what, steps) in [
        ("an error answer", failing()),
        ("a reset", vec![Step::Reset]),
        ("a reset after the head", vec![head(), Step::Reset]),
        ("a reset after the role", vec![head(), role(), Step::Reset]),
        ("an end after the role", vec![head(), role(), Step::Send(chunk(""))]),
        ("an error event", vec![head(), error_event(), Step::Send(chunk(""))]),
        ("an error event after the role", vec![head(), role(), error_event(), Step::Hang]),
        ("an event that is not one", vec![head(), role(), Step::Send(b"zz\r\n".to_vec()), Step::Close]),
    ] {
        let farm = Farm::start(&TWO, chained).await;
        farm.play("a1", [steps]);
        let answer = farm.ask(stream("a")).await;
        assert_eq!((answer.status, answer.end), (200, End::Complete), "{what}: {}", answer.text());
        assert_eq!(text_of(&answer), WHOLE, "{what}");
        assert_eq!(answer.text().matches("\"role\"").count(), 1, "{what}: no event of the first one is seen");
        assert!(answer.text().ends_with("data: [DONE]\n\n"), "{what}");
        assert!(answer.text().contains("\"model\":\"b\""), "{what}");
        assert_eq!(farm.came(), ["a1", "b1"], "{what}");
        let records = farm.gateway.usage_of(2).await;
        assert_eq!(
            (&records[0]["status"], &records[1]["status"]),
            (&json!("failure"), &json!("success")),
            "{what}"
        );
    }
}

#[tokio::test]
async fn while_the_client_hears_comments_its_request_can_still_go_elsewhere() {
    let farm =
        Farm::start(&TWO, |yaml| chained(yaml).setting("bulkhead_settings", "keepalive_seconds", 0.05)).await;
    let gate = Arc::new(Semaphore::new(0));
    farm.play("a1", [vec![head(), Step::Send(chunk(ROLE)), Step::Await(gate.clone()), Step::Reset]]);
    let mut client = farm.gateway.client().await;
    let request = Request::post("/v1/chat/completions").bearer(MASTER).json(stream("a").to_string());
    client.send(&request.bytes()).await.unwrap();
    let so_far = client
        .read_until(|so_far| String::from_utf8_lossy(so_far.body()).matches(": ping").count() >= 2)
        .await;
    assert!(!so_far.text().contains("role"), "what could be taken back is held: {}", so_far.text());
    gate.add_permits(1);
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.end), (200, End::Complete));
    assert_eq!(text_of(&answer), WHOLE);
    assert_eq!(answer.text().matches("\"role\"").count(), 1);
}

#[tokio::test]
async fn after_the_first_content_nothing_is_tried_elsewhere() {
    for pieces in 1..=3 {
        for (what, last) in [
            ("reset", Step::Reset),
            ("close", Step::Close),
            ("orderly end", Step::Send(chunk(""))),
            ("error", error_event()),
            (
                "within an event",
                Step::Send(chunk("data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"é")),
            ),
        ] {
            let farm = Farm::start(&TWO, chained).await;
            farm.play("a1", [[vec![head()], events(pieces), vec![last, Step::Close]].concat()]);
            let answer = farm.ask(stream("a")).await;
            let text: String = (0..pieces).map(|n| format!("<{n}>")).collect();
            assert!(answer.text().starts_with("data: "), "{what}");
            let said = answer.events();
            let error = said.last().unwrap().json();
            assert!(error["error"]["message"].is_string(), "{what}: {error}");
            let before: String = said[..said.len() - 1]
                .iter()
                .map(|event| {
                    event.json()["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned()
                })
                .collect();
            assert_eq!(before, text, "{what}: a prefix of the truth");
            assert!(!answer.text().contains("[DONE]"), "{what}: never a clean end");
            assert_eq!(farm.came(), ["a1"], "{what}");
            let record = farm.gateway.usage_of(1).await.remove(0);
            assert_eq!(
                (&record["status"], &record["handed_on"]),
                (&json!("failure"), &json!(false)),
                "{what}"
            );
        }
    }
}

/// The text of a stream before its error.
fn told(answer: &Answer) -> String {
    let events = answer.events();
    let texts = events.iter().filter(|event| event.data != "[DONE]").map(|event| event.json());
    texts.filter_map(|data| Some(data["choices"][0]["delta"]["content"].as_str()?.to_owned())).collect()
}

/// LiteLLM #26015: a limit in the middle of a stream, no retries, no fallbacks, a hundred at once.
#[tokio::test]
async fn a_limit_within_a_hundred_streams_ends_them_and_the_gateway_rests() {
    let farm = Farm::start(&[("a", "a1")], |yaml| yaml.router("num_retries", 0)).await;
    farm.play("a1", [[vec![head()], events(2), vec![error_event(), Step::Hang]].concat()]);
    let request = || Request::post("/v1/chat/completions").bearer(MASTER).json(stream("a").to_string());
    for answer in farm.gateway.at_once((0..100).map(|_| request()).collect()).await {
        assert_eq!(answer.end, End::Complete, "nobody waits for a provider that has said its last");
        assert_eq!(told(&answer), "<0><1>", "{}", answer.text());
        assert!(answer.text().contains("too much"));
    }
    farm.gateway.until_metric("bulkhead_in_flight", &[], 0.0).await;
    let spent = || cpu_of(farm.gateway.pid());
    let before = spent();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let used = spent() - before;
    assert!(used < 25, "{used} hundredths of a second in one second of rest");
    assert_eq!(farm.gateway.get("/health/liveliness", MASTER).await.status, 200);
}

/// User and system time of a process in hundredths of a second.
fn cpu_of(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Silent from the first byte, within the head, after some events: each ends at its own time, and what can go elsewhere
/// does (requirements R-110).
#[tokio::test]
async fn silence_ends_at_the_time_that_is_set_for_it() {
    for (what, steps, elsewhere) in [
        ("from the first byte", vec![Step::Hang], true),
        ("after the head", vec![head(), Step::Hang], true),
        ("after the role", vec![head(), Step::Send(chunk(ROLE)), Step::Hang], true),
        ("after content", [vec![head()], events(2), vec![Step::Hang]].concat(), false),
    ] {
        let farm = Farm::start(&TWO, |yaml| {
            chained(yaml).setting("bulkhead_settings", "first_byte_timeout", 0.3).setting(
                "bulkhead_settings",
                "idle_timeout",
                0.3,
            )
        })
        .await;
        farm.play("a1", [steps]);
        let began = std::time::SystemTime::now();
        let answer = farm.ask(stream("a")).await;
        let took = began.elapsed().unwrap();
        assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(5), "{what}: {took:?}");
        assert_eq!(farm.came().len(), 1 + usize::from(elsewhere), "{what}: {}", answer.text());
        if elsewhere {
            assert_eq!(text_of(&answer), WHOLE, "{what}");
        } else {
            assert!(answer.text().contains("Request timed out"), "{what}: {}", answer.text());
        }
    }
}

/// The client leaves in each phase: the provider is left as well, and there is one record for each leg.
#[tokio::test]
async fn a_client_that_leaves_ends_whatever_is_under_way() {
    for (what, plays, legs) in [
        ("before the head", vec![vec![Step::Hang]], 1),
        ("before the content", vec![vec![head(), Step::Send(chunk(ROLE)), Step::Hang]], 1),
        ("in the second leg", vec![failing(), vec![Step::Hang]], 2),
        ("within the content", vec![[vec![head()], events(2), vec![Step::Hang]].concat()], 1),
    ] {
        let farm = Farm::start(&[("a", "a1")], |yaml| yaml.router("num_retries", 1)).await;
        farm.play("a1", plays);
        let mut client = farm.gateway.client().await;
        let request = Request::post("/v1/chat/completions").bearer(MASTER).json(stream("a").to_string());
        client.send(&request.bytes()).await.unwrap();
        while farm.came().len() < legs {
            tokio::time::sleep(A_MOMENT).await;
        }
        if what == "within the content" {
            client.read_until(|so_far| String::from_utf8_lossy(so_far.body()).contains("<1>")).await;
        }
        drop(client);
        let began = std::time::SystemTime::now();
        farm.gateway.until_metric("bulkhead_in_flight", &[], 0.0).await;
        assert!(began.elapsed().unwrap() < Duration::from_secs(5), "{what}");
        let records = farm.gateway.usage_of(legs).await;
        assert_eq!(records[legs - 1]["error"], "client_gone", "{what}");
        assert_ne!(records[legs - 1]["usage"], "reported", "{what}: it is billed by what there was");
    }
}

/// one deadline for all legs, also where a stream has its head and nothing else.
#[tokio::test]
async fn the_time_of_all_tries_bounds_the_way_to_the_first_content() {
    for silent in [vec![Step::Hang], vec![head(), Step::Send(chunk(ROLE)), Step::Hang]] {
        let farm = Farm::start(&TWO, |yaml| yaml.setting("bulkhead_settings", "overall_timeout", 0.5)).await;
        farm.play("a1", [silent]);
        let began = std::time::SystemTime::now();
        let answer = farm.ask(stream("a")).await;
        assert_eq!(answer.status, 408, "{}", answer.text());
        assert!(began.elapsed().unwrap() < Duration::from_millis(2500));
    }
}
