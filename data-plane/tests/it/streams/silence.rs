//! A provider that says nothing: the client hears that it waits, and for how long it may.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bulkhead_testkit::client::{Answer, Client, End, Request};
use bulkhead_testkit::{GatewayYaml, body, eventually};
use tokio::sync::Semaphore;

use super::{CHAT, Scene, TALKS, Talk, groups, head, in_every_dialect, last};
use crate::support::{Gateway, MASTER, PATIENCE};
use crate::upstream::{Step, Upstream, answer, chunk};

const PING: &str = ": ping\n\n";

async fn impatient() -> Scene {
    Scene::with(|yaml| yaml.setting("bulkhead_settings", "keepalive_seconds", 0.05)).await
}

async fn asking(scene: &Scene, talk: &Talk, steps: Vec<Step>) -> Client {
    scene.script(steps);
    let mut client = scene.gateway.client().await.patience(PATIENCE);
    client.send(&talk.request().bytes()).await.unwrap();
    client
}

/// Reads until this many comments have come.
async fn pings(client: &mut Client, count: usize) -> Answer {
    let answer = client
        .read_until(|so_far| String::from_utf8_lossy(so_far.body()).matches(PING).count() >= count)
        .await;
    assert_eq!((answer.status, answer.end), (200, End::Stopped), "{}", answer.text());
    answer
}

#[tokio::test]
async fn a_silent_provider_is_bridged_with_comments_and_its_answer_follows() {
    in_every_dialect(bridged).await;
}

async fn bridged(talk: &'static Talk) {
    let scene = impatient().await;
    let sent = talk.sent(&talk.whole());
    let (opening, begun) = (talk.sent(talk.opening).len(), talk.sent(&talk.begun()).len());
    // Before the head, after it, within the opening, after it, within an event, between events, before the end.
    let places = [None, Some(0), Some(9), Some(opening), Some(begun - 7), Some(begun), Some(sent.len())];
    for place in places {
        let gate = Arc::new(Semaphore::new(0));
        let wait = Step::Await(gate.clone());
        let (before, after) = sent.split_at(place.unwrap_or(0));
        let mut steps = match place {
            None => vec![wait, head()],
            Some(0) => vec![head(), wait],
            Some(_) => vec![head(), Step::Send(chunk(before)), wait],
        };
        // An empty chunk would be the end.
        steps.extend((!after.is_empty()).then(|| Step::Send(chunk(after))));
        steps.push(last());
        let mut client = asking(&scene, talk, steps).await;
        let waiting = pings(&mut client, 3).await;
        let kind = waiting.header("content-type").unwrap();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        assert_eq!(waiting.header("cache-control"), Some("no-cache"));
        gate.add_permits(2);
        let answer = client.answer().await;
        assert_eq!(answer.end, End::Complete, "{} {place:?}", talk.path);
        assert_eq!(answer.text().replace(PING, ""), talk.shown(&talk.whole()), "{} {place:?}", talk.path);
    }
    scene.at_rest().await;
    for record in scene.gateway.usage_of(places.len()).await {
        assert_eq!(record["status"], "success", "{record}");
    }
}

#[tokio::test]
async fn a_failure_after_a_comment_is_an_event() {
    in_every_dialect(failing_late).await;
}

/// Failures after the wait: what the provider does, the code by dialect, the end of the message.
fn late_failures() -> [(Vec<Step>, [&'static str; 2], &'static str); 5] {
    let refused = r#"{"error":{"type":"rate_limit_error","message":"too much"}}"#;
    let whole = answer("200 OK", &[("content-type", "application/json")], r#"{"id":"x","model":"up"}"#);
    let (broken, lost) = (["502", "api_error"], ["500", "api_error"]);
    [
        (vec![Step::Send(answer("429 No", &[], refused))], ["429", "rate_limit_error"], " - too much"),
        (vec![Step::Reset], lost, " - Connection error."),
        (vec![Step::Send(whole)], broken, " - the answer was not a readable stream"),
        (vec![head(), last()], broken, " - the stream ended before it was complete"),
        (vec![head(), Step::Reset], lost, " - Connection error."),
    ]
}

async fn failing_late(talk: &'static Talk) {
    let scene = impatient().await;
    let waiting = async |steps: Vec<Step>| {
        let gate = Arc::new(Semaphore::new(0));
        let steps = [vec![Step::Await(gate.clone())], steps].concat();
        let mut client = asking(&scene, talk, steps).await;
        pings(&mut client, 1).await;
        // A connection that turns out to be stale is replaced once.
        gate.add_permits(2);
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.end), (200, End::Complete), "{}", talk.path);
        answer
    };
    for (steps, code, message) in late_failures() {
        let answer = waiting(steps).await;
        assert_eq!(answer.events().len(), 1, "{message}: {}", answer.text());
        let (said_code, said) = talk.error_event(&answer);
        assert_eq!(said_code, code[usize::from(talk.is_anthropic())], "{} {message}", talk.path);
        assert!(said.ends_with(message), "{} {message}: {said}", talk.path);
    }
    // Nothing of a provider that failed before its first content is passed on, but what it said.
    let answer = waiting([vec![head()], talk.events(talk.error), vec![last()]].concat()).await;
    let (code, said) = talk.error_event(&answer);
    assert_eq!(code, if talk.is_anthropic() { "rate_limit_error" } else { "429" });
    assert!(said.ends_with("Exception - too much"), "{said}");
    scene.at_rest().await;
    for record in scene.gateway.usage_of(6).await {
        assert_eq!(record["status"], "failure", "{record}");
    }
}

/// Time that a request took, at least and at most; the machine may be busy.
fn assert_took(started: SystemTime, at_least: f64) {
    let took = started.elapsed().unwrap().as_secs_f64();
    assert!(took >= at_least * 0.95 && took < at_least * 5.0 + 1.0, "{took} s, not {at_least} s");
}

/// Silence in every phase; the steps after which there is content.
fn silences(talk: &Talk) -> [(Vec<Step>, bool); 4] {
    [
        (vec![Step::Hang], false),
        (vec![head(), Step::Hang], false),
        ([vec![head()], talk.events(talk.opening), vec![Step::Hang]].concat(), false),
        ([vec![head()], talk.events(&talk.begun()), vec![Step::Hang]].concat(), true),
    ]
}

fn assert_timed_out(talk: &Talk, answer: &Answer, committed: bool, limit: &str) {
    let text = answer.text();
    assert_eq!((answer.status, answer.end), (if committed { 200 } else { 408 }, End::Complete), "{text}");
    let said = if committed {
        let (code, said) = talk.error_event(answer);
        assert_eq!(code, if talk.is_anthropic() { "timeout_error" } else { "408" });
        assert!(text.starts_with(&talk.shown(&talk.begun())) && !text.contains(talk.end), "{text}");
        said
    } else {
        let error = &answer.json()["error"];
        let (name, kind) = if talk.is_anthropic() { ("type", "timeout_error") } else { ("code", "408") };
        assert_eq!(error[name], kind, "{text}");
        error["message"].as_str().unwrap().to_owned()
    };
    let begin = "litellm.Timeout: APITimeoutError - Request timed out.";
    assert!(said.starts_with(begin) && said.contains(&format!("timeout value={limit},")), "{said}");
}

#[tokio::test]
async fn a_stream_that_falls_silent_times_out_in_every_phase() {
    in_every_dialect(silent).await;
}

async fn silent(talk: &'static Talk) {
    let scene = Scene::with_params(&[("stream_timeout", 0.3)]).await;
    for (steps, committed) in silences(talk) {
        let started = SystemTime::now();
        let answer = scene.answer(talk, steps).await;
        assert_took(started, 0.3);
        assert_timed_out(talk, &answer, committed, "0.3");
    }
    scene.at_rest().await;
    assert!(eventually(PATIENCE, || scene.upstream.open() == 0).await);
    for record in scene.gateway.usage_of(4).await {
        assert_eq!(record["error"], "upstream_timeout", "{record}");
        assert_ne!(record["usage"], "reported", "the provider may have worked: {record}");
        assert!(record["bound"].is_string(), "{record}");
    }
}

#[tokio::test]
async fn a_timeout_after_a_comment_is_an_event() {
    in_every_dialect(silent_at_length).await;
}

async fn silent_at_length(talk: &'static Talk) {
    let scene = Scene::built(|upstream| {
        groups(upstream, &[("stream_timeout", 0.4)]).setting("bulkhead_settings", "keepalive_seconds", 0.05)
    })
    .await;
    for (steps, _) in &silences(talk)[..3] {
        let answer = scene.answer(talk, steps.clone()).await;
        assert_eq!((answer.status, answer.end), (200, End::Complete));
        assert!(answer.text().contains(PING) && !answer.text().contains(talk.end));
        let (code, _) = talk.error_event(&answer);
        assert_eq!(code, if talk.is_anthropic() { "timeout_error" } else { "408" });
    }
}

#[tokio::test]
async fn a_stream_may_last_longer_than_a_silence_may() {
    in_every_dialect(slow).await;
}

async fn slow(talk: &'static Talk) {
    let scene = Scene::with_params(&[("stream_timeout", 1.0)]).await;
    let steps = talk.events(&talk.whole()).into_iter();
    let steps = steps.flat_map(|event| [event, Step::Pause(Duration::from_millis(200))]);
    let started = SystemTime::now();
    let answer = scene.answer(talk, std::iter::once(head()).chain(steps).chain([last()])).await;
    assert_eq!(answer.text(), talk.shown(&talk.whole()));
    assert!(started.elapsed().unwrap() > Duration::from_secs(1));
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_ended_by_the_time_for_a_request() {
    in_every_dialect(endless).await;
}

async fn endless(talk: &'static Talk) {
    let scene = Scene::with(|yaml| yaml.litellm("request_timeout", 0.6)).await;
    for (text, committed) in [(talk.opening.to_owned(), false), (talk.begun(), true)] {
        let again = [Step::Send(chunk(": still here\n\n")), Step::Pause(Duration::from_millis(20))];
        let steps = std::iter::once(head()).chain(talk.events(&text));
        let started = SystemTime::now();
        let answer = scene.answer(talk, steps.chain(again.into_iter().cycle().take(2000))).await;
        assert_took(started, 0.6);
        assert_timed_out(talk, &answer, committed, "0.6");
    }
}

#[tokio::test]
async fn the_callers_own_timeouts_go_before_the_deployments() {
    let upstream = Upstream::start(|_| vec![Step::Hang]).await;
    let gateway = Gateway::with(groups(&upstream, &[("timeout", 60.0)]).text()).start().await;
    let chat = |body: body::Body| Request::post(CHAT.path).bearer(MASTER).json(body);
    let hi = || body::chat("gpt", "Hi");
    let requests = vec![
        chat(hi().with("timeout", 0.2)),
        chat(hi()).header("x-litellm-timeout", "0.2"),
        chat(hi().stream().with("timeout", 0.2)),
        chat(hi().stream().with("stream_timeout", 0.2).with("timeout", 60)),
        chat(hi().stream()).header("x-litellm-stream-timeout", "0.2").header("x-litellm-timeout", "60"),
        chat(hi().stream()).header("x-litellm-timeout", "0.2"),
    ];
    for answer in gateway.at_once(requests).await {
        assert_timed_out(&CHAT, &answer, false, "0.2");
    }
    for asked in upstream.asked() {
        assert!(!asked.head.contains("x-litellm") && !asked.body.contains("timeout"), "{asked:?}");
    }
}

#[tokio::test]
async fn nothing_is_said_in_between_where_that_is_turned_off() {
    let upstream = Upstream::start(|_| {
        let pause = Step::Pause(Duration::from_millis(300));
        [
            vec![pause.clone(), head()],
            CHAT.events(&CHAT.begun()),
            vec![pause],
            CHAT.events(CHAT.end),
            vec![last()],
        ]
        .concat()
    })
    .await;
    let keepalive =
        |yaml: GatewayYaml, seconds: f64| yaml.setting("bulkhead_settings", "keepalive_seconds", seconds);
    for (seconds, spoken) in [(0.0, false), (0.05, true)] {
        let gateway = Gateway::with(keepalive(groups(&upstream, &[]), seconds).text()).start().await;
        let answer = gateway.call(&CHAT.request()).await;
        let expected = CHAT.shown(&[&CHAT.begun(), CHAT.end].concat());
        assert_eq!(answer.text().replace(PING, ""), expected);
        assert_eq!(answer.text() != expected, spoken);
    }
}

#[tokio::test]
async fn silence_after_the_last_event_is_no_failure() {
    let scene = Scene::with_params(&[("stream_timeout", 0.3)]).await;
    for talk in &TALKS {
        let steps = [vec![head()], talk.events(&talk.whole()), vec![Step::Hang]].concat();
        let answer = scene.answer(talk, steps).await;
        assert_eq!((answer.text(), answer.end), (talk.shown(&talk.whole()), End::Complete));
    }
    for record in scene.gateway.usage_of(4).await {
        assert_eq!(record["status"], "success", "{record}");
    }
}
