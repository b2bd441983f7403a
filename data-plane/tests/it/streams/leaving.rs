//! A client that leaves: the provider is stopped, what was held comes back, what was produced is billed once.

use bulkhead_testkit::client::Request;
use bulkhead_testkit::eventually;
use serde_json::Value;

use super::{CHAT, RESPONSES, Scene, TALKS, Talk, head, last};
use crate::support::PATIENCE;
use crate::upstream::{Step, answer};

const KEY: &str = "sk-leaving-0123456789";

/// How a client leaves.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Leave {
    Reset,
    Close,
}

/// What the provider does, how many events the client awaits before it leaves, and what is written down then.
struct Phase {
    steps: Vec<Step>,
    awaited: usize,
    usage: &'static str,
    /// Tokens of output, by the bytes or as reported.
    output: u64,
    complete: bool,
}

fn phases(talk: &Talk) -> [Phase; 5] {
    let hang = |text: &str| [vec![head()], talk.events(text), vec![Step::Hang]].concat();
    let count = |text: &str| text.matches("\n\n").count();
    let begun = talk.begun();
    let two = [begun.as_str(), talk.content[1]].concat();
    let whole = talk.whole();
    // Anthropic reports at the start.
    let before = if talk.is_anthropic() { ("estimated", 1) } else { ("unknown", 0) };
    let reports = talk.is_anthropic() || talk.path == RESPONSES.path;
    [
        Phase { steps: vec![Step::Hang], awaited: 0, usage: "unknown", output: 0, complete: false },
        Phase { steps: vec![head(), Step::Hang], awaited: 0, usage: "unknown", output: 0, complete: false },
        Phase { steps: hang(talk.opening), awaited: 0, usage: before.0, output: before.1, complete: false },
        Phase { steps: hang(&two), awaited: count(&two), usage: "estimated", output: 4, complete: false },
        Phase {
            steps: hang(&whole),
            awaited: count(&whole),
            usage: if reports { "reported" } else { "estimated" },
            output: 7,
            complete: true,
        },
    ]
}

fn request(talk: &Talk) -> Request {
    Request::post(talk.path).bearer(KEY).json(talk.body())
}

fn cost(record: &Value) -> f64 {
    record["cost"].as_str().unwrap().parse().unwrap()
}

async fn leave(scene: &Scene, talk: &Talk, phase: &Phase, how: Leave) {
    let asked = scene.upstream.asked().len();
    scene.script(phase.steps.clone());
    let mut client = scene.gateway.client().await.patience(PATIENCE);
    client.send(&request(talk).bytes()).await.unwrap();
    assert!(eventually(PATIENCE, || scene.upstream.asked().len() > asked).await);
    let so_far = client.read_until(|so_far| so_far.events().len() >= phase.awaited).await;
    assert_eq!(so_far.events().len(), phase.awaited, "{}", so_far.text());
    // An opening is held back: only the socket says that the gateway has it.
    assert!(eventually(PATIENCE, || scene.upstream.hangs_and_was_read(1)).await);
    assert_eq!(scene.upstream.open(), 1);
    match how {
        Leave::Reset => client.reset().unwrap(),
        Leave::Close => drop(client),
    }
    assert!(eventually(PATIENCE, || scene.upstream.open() == 0).await, "the provider goes on");
    scene.at_rest().await;
}

#[tokio::test]
async fn a_client_that_leaves_stops_the_provider_and_pays_for_what_there_was() {
    let scene = Scene::with(|yaml| yaml.virtual_key(KEY).limit("max_budget", 100)).await;
    let mut told = 0;
    for talk in &TALKS {
        for phase in phases(talk) {
            for how in [Leave::Reset, Leave::Close] {
                leave(&scene, talk, &phase, how).await;
                let records = scene.gateway.usage_of(told + 1).await;
                let record = records.last().unwrap();
                assert_told(talk, record, &phase, how);
                told += 1;
            }
        }
    }
    // Every sum was taken from the budget, and nothing else was.
    scene.script([vec![head()], CHAT.events(&CHAT.whole()), vec![last()]].concat());
    let answer = scene.gateway.call(&request(&CHAT)).await;
    let said = answer.header("x-litellm-key-spend").unwrap();
    let spent = scene.gateway.usage_of(told + 1).await.iter().take(told).map(cost).sum::<f64>();
    assert!((said.parse::<f64>().unwrap() - spent).abs() < 1e-12, "{said} was spent, not {spent}");
}

fn assert_told(talk: &Talk, record: &Value, phase: &Phase, how: Leave) {
    let case = format!("{} {how:?}: {record}", talk.path);
    if phase.complete {
        assert_eq!((&record["status"], &record["error"]), (&"success".into(), &Value::Null), "{case}");
    } else {
        assert_eq!(
            (&record["status"], &record["error"]),
            (&"failure".into(), &"client_gone".into()),
            "{case}"
        );
    }
    assert_eq!(record["usage"], phase.usage, "{case}");
    assert_eq!(record["bound"].is_string(), phase.usage != "reported", "{case}");
    assert_eq!(record["output_tokens"], phase.output, "{case}");
    assert!(record["input_tokens"].as_u64().unwrap() > 0, "{case}");
    assert!(cost(record) > 0.0, "{case}");
}

#[tokio::test]
async fn a_client_that_leaves_an_answer_in_one_piece_stops_the_provider_as_well() {
    let scene = Scene::with(|yaml| yaml.virtual_key(KEY).limit("max_budget", 100)).await;
    let half = answer("200 OK", &[("content-type", "application/json")], &"{".repeat(1000));
    let half = &half[..half.len() - 500];
    let mut told = 0;
    for talk in &TALKS {
        let body = talk.body().with("stream", false).raw("stream_options", "null");
        for steps in [vec![Step::Hang], vec![Step::Send(half.to_vec()), Step::Hang]] {
            let asked = scene.upstream.asked().len();
            scene.script(steps);
            let mut client = scene.gateway.client().await;
            let request = Request::post(talk.path).bearer(KEY).json(body.clone());
            client.send(&request.bytes()).await.unwrap();
            assert!(eventually(PATIENCE, || scene.upstream.asked().len() > asked).await);
            drop(client);
            assert!(eventually(PATIENCE, || scene.upstream.open() == 0).await, "the provider goes on");
            scene.at_rest().await;
            told += 1;
            let record = scene.gateway.usage_of(told).await.pop().unwrap();
            assert_eq!(
                (&record["error"], &record["usage"]),
                (&"client_gone".into(), &"unknown".into()),
                "{record}"
            );
            assert!(cost(&record) > 0.0 && record["bound"].is_string(), "{record}");
        }
    }
}
