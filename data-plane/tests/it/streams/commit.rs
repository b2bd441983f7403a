//! The commit point: a failure before the first content is an ordinary error answer, one after it an error event.

use std::sync::Arc;

use bulkhead_testkit::client::{Answer, End};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{CHAT, COMPLETIONS, MESSAGES, RESPONSES, Scene, TALKS, Talk, head, last};
use crate::upstream::{Step, answer, chunk};

/// A failure, and how the caller is told: status, OpenAI's type, Anthropic's type, the end of the message.
struct Failure {
    what: &'static str,
    steps: fn(&Talk) -> Vec<Step>,
    status: u16,
    openai: &'static str,
    anthropic: &'static str,
    message: &'static str,
    /// The kind in the usage record.
    kind: &'static str,
}

const LIMITED: Failure = Failure {
    what: "an error event at once",
    steps: |talk| [vec![head()], talk.events(talk.error), vec![last()]].concat(),
    status: 429,
    openai: "throttling_error",
    anthropic: "rate_limit_error",
    message: "Exception - too much",
    kind: "upstream_rate_limited",
};

const LOST: Failure = Failure {
    what: "a reset in the place of an answer",
    steps: |_| vec![Step::Reset],
    status: 500,
    openai: "internal_server_error",
    anthropic: "api_error",
    message: "Exception - Connection error.",
    kind: "upstream_connection",
};

const SHORT: Failure = Failure {
    what: "an orderly end after the opening",
    steps: |talk| [vec![head()], talk.events(talk.opening), vec![last()]].concat(),
    status: 502,
    openai: "internal_server_error",
    anthropic: "api_error",
    message: "Exception - the stream ended before it was complete",
    kind: "upstream_truncated",
};

/// What can go wrong before there is content.
fn failures() -> Vec<Failure> {
    vec![
        LIMITED,
        Failure {
            what: "an error event after the opening",
            steps: |talk| {
                [vec![head()], talk.events(talk.opening), talk.events(talk.error), vec![Step::Hang]].concat()
            },
            ..LIMITED
        },
        Failure {
            what: "an error event and a reset in one",
            steps: |talk| [vec![head()], talk.events(talk.error), vec![Step::Reset]].concat(),
            ..LIMITED
        },
        LOST,
        Failure { what: "an end in the place of an answer", steps: |_| vec![Step::Close], ..LOST },
        Failure { what: "a reset after the head", steps: |_| vec![head(), Step::Reset], ..LOST },
        Failure {
            what: "a reset after the opening",
            steps: |talk| [vec![head()], talk.events(talk.opening), vec![Step::Reset]].concat(),
            ..LOST
        },
        Failure {
            what: "the end of the connection after the opening",
            steps: |talk| [vec![head()], talk.events(talk.opening), vec![Step::Close]].concat(),
            ..LOST
        },
        SHORT,
        Failure { what: "no event", steps: |_| vec![head(), last()], ..SHORT },
        Failure {
            what: "an empty body",
            steps: |_| vec![Step::Send(answer("200 OK", &[("content-type", "text/event-stream")], ""))],
            ..SHORT
        },
        Failure {
            what: "half of the first content",
            steps: |talk| {
                let half = &talk.content[0][..talk.content[0].len() / 2];
                vec![head(), Step::Send(chunk(&talk.sent(&[talk.opening, half].concat()))), last()]
            },
            ..SHORT
        },
        Failure {
            what: "an answer that is empty",
            steps: |_| vec![Step::Send(answer("200 OK", &[], ""))],
            message: "Exception - the answer could not be read",
            kind: "upstream_bad_answer",
            ..SHORT
        },
        Failure {
            what: "a web page",
            steps: |_| vec![Step::Send(answer("200 OK", &[("content-type", "text/html")], "<html>"))],
            message: "Exception - the answer could not be read",
            kind: "upstream_bad_answer",
            ..SHORT
        },
        Failure {
            what: "an encoding that nobody asked for",
            steps: |_| {
                let headers = [("content-type", "text/event-stream"), ("content-encoding", "br")];
                vec![Step::Send(answer("200 OK", &headers, "x"))]
            },
            message: "Exception - the answer was not a readable stream",
            kind: "upstream_bad_answer",
            ..SHORT
        },
    ]
}

fn assert_refused(talk: &Talk, answer: &Answer, failure: &Failure) {
    let case = format!("{}: {}: {}", talk.path, failure.what, answer.text());
    assert_eq!((answer.status, answer.end), (failure.status, End::Complete), "{case}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{case}");
    let body = answer.json();
    let error = &body["error"];
    if talk.is_anthropic() {
        assert_eq!((&body["type"], &error["type"]), (&"error".into(), &failure.anthropic.into()), "{case}");
    } else {
        assert_eq!(error["type"], failure.openai, "{case}");
        assert_eq!(error["code"], failure.status.to_string(), "{case}");
    }
    let who = if talk.is_anthropic() { "Anthropic" } else { "OpenAI" };
    let message = error["message"].as_str().unwrap();
    assert!(message.ends_with(&format!("{who}{}", failure.message)), "{case}");
    assert!(answer.header("x-litellm-call-id").is_some() && answer.header("x-litellm-model-id").is_some());
}

#[tokio::test]
async fn a_failure_before_the_first_content_is_an_ordinary_error() {
    let scene = Scene::start().await;
    let mut kinds = Vec::new();
    for talk in &TALKS {
        for failure in failures() {
            assert_refused(talk, &scene.answer(talk, (failure.steps)(talk)).await, &failure);
            kinds.push(failure.kind);
        }
    }
    scene.at_rest().await;
    let records = scene.gateway.usage_of(kinds.len()).await;
    for (record, kind) in records.iter().zip(&kinds) {
        assert_eq!((&record["error"], &record["status"]), (&(*kind).into(), &"failure".into()), "{record}");
        assert_eq!(record["output_tokens"].as_u64().filter(|tokens| *tokens > 1), None, "{record}");
    }
    let resends = scene.gateway.metric("bulkhead_ambiguous_resends_total", &[]).await as usize;
    assert_eq!(scene.upstream.asked().len(), kinds.len() + resends, "only a stale connection is replaced");
}

/// An answer that began well: the content so far and one error event, in the caller's dialect.
fn assert_broken(talk: &Talk, answer: &Answer, before: &str, code: [&str; 2], message: &str) {
    let text = answer.text();
    assert_eq!((answer.status, answer.end), (200, End::Complete), "{} {text}", talk.path);
    let rest = text.strip_prefix(&talk.shown(before)).unwrap_or_else(|| panic!("{} {text}", talk.path));
    assert_eq!((rest.matches("data: ").count(), rest.ends_with("\n\n")), (1, true), "{text}");
    assert!(!text.contains("[DONE]") && !text.contains(talk.end), "{text}");
    let (said_code, said) = talk.error_event(answer);
    assert_eq!(said_code, code[usize::from(talk.is_anthropic())], "{text}");
    assert!(said.ends_with(message), "{text}");
}

#[tokio::test]
async fn a_failure_after_it_is_an_error_event_and_the_end() {
    let scene = Scene::start().await;
    let truncated = "the stream ended before it was complete";
    let mut requests = 0;
    for talk in &TALKS {
        let begun = talk.begun();
        let half = &talk.content[1][..talk.content[1].len() / 2];
        let almost = [begun.as_str(), talk.content[1]].concat();
        let torn = talk.sent(&[begun.as_str(), half].concat());
        let cases: [(&str, &str, Vec<Step>); 5] = [
            ("end", &begun, [vec![head()], talk.events(&begun), vec![last()]].concat()),
            ("reset", &begun, [vec![head()], talk.events(&begun), vec![Step::Reset]].concat()),
            ("close", &almost, [vec![head()], talk.events(&almost), vec![Step::Close]].concat()),
            ("torn", &begun, vec![head(), Step::Send(chunk(&torn)), Step::Close]),
            ("torn at an orderly end", &begun, vec![head(), Step::Send(chunk(&torn)), last()]),
        ];
        for (case, before, steps) in cases {
            let answer = scene.answer(talk, steps).await;
            println!("{} {case}", talk.path);
            assert_broken(talk, &answer, before, ["502", "api_error"], truncated);
            requests += 1;
        }
    }
    scene.at_rest().await;
    for record in scene.gateway.usage_of(requests).await {
        assert_eq!(record["error"], "upstream_truncated", "{record}");
        assert_eq!(record["usage"], "estimated", "{record}");
        // Eight letters are two tokens, by the bytes.
        assert!(matches!(record["output_tokens"].as_u64(), Some(2 | 4)), "{record}");
        assert!(record["cost"].is_string() && record["bound"].is_string(), "{record}");
    }
}

#[tokio::test]
async fn the_providers_own_error_event_is_told_once() {
    let scene = Scene::start().await;
    for talk in &TALKS {
        let text = [&talk.begun(), talk.error].concat();
        let sent = || [vec![head()], talk.events(&text)].concat();
        for end in [last(), Step::Close, Step::Reset] {
            let answer = scene.answer(talk, [sent(), vec![end.clone()]].concat()).await;
            assert_eq!((answer.status, answer.end), (200, End::Complete));
            assert_eq!(answer.text(), talk.shown(&text), "{} {end:?}", talk.path);
        }
    }
    scene.at_rest().await;
    for record in scene.gateway.usage_of(12).await {
        assert_eq!(
            (&record["error"], &record["usage"]),
            (&"upstream_rate_limited".into(), &"estimated".into()),
            "{record}"
        );
    }
}

#[tokio::test]
async fn every_kind_of_content_commits() {
    let scene = Scene::start().await;
    let chat = |delta: &str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n");
    let block = |rest: &str| {
        format!(
            "event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{rest}}}\n\n"
        )
    };
    let cases: Vec<(&Talk, String)> = vec![
        (&CHAT, chat(r#"{"reasoning_content":"hm"}"#)),
        (&CHAT, chat(r#"{"refusal":"no"}"#)),
        (&CHAT, chat(r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":""}}]}"#)),
        (&CHAT, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"},{\"index\":1,\"delta\":{}}]}\n\n".to_owned()),
        (&COMPLETIONS, COMPLETIONS.content[0].to_owned()),
        (&RESPONSES, "data: {\"type\":\"response.function_call_arguments.delta\",\"delta\":\"{\"}\n\n".to_owned()),
        (&RESPONSES, "data: {\"type\":\"response.output_item.done\",\"item\":{}}\n\n".to_owned()),
        (&MESSAGES, block(r#"{"type":"tool_use","id":"t","name":"f","input":{}}"#)),
        (&MESSAGES, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\n".to_owned()),
    ];
    for (talk, content) in cases {
        let before = [talk.opening, &content].concat();
        let steps = [vec![head()], talk.events(&before), vec![Step::Reset]].concat();
        let answer = scene.answer(talk, steps).await;
        assert_broken(talk, &answer, &before, ["502", "api_error"], "before it was complete");
    }
}

#[tokio::test]
async fn an_opening_that_does_not_end_is_not_held_for_ever() {
    let scene = Scene::start().await;
    let comments = format!(": {}\n\n", "x".repeat(1000)).repeat(70);
    let before = [CHAT.opening, comments.as_str()].concat();
    let gate = Arc::new(Semaphore::new(0));
    let wait = vec![Step::Await(gate.clone())];
    scene.script([vec![head()], CHAT.events(&before), wait, CHAT.events(CHAT.error), vec![last()]].concat());
    let mut client = scene.gateway.client().await;
    client.send(&CHAT.request().bytes()).await.unwrap();
    client.read_until(|so_far| so_far.body().len() > 1000).await;
    gate.add_permits(1);
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.end), (200, End::Complete));
    assert_eq!(answer.text(), CHAT.shown(&[&before, CHAT.error].concat()));
    let [record] = &scene.gateway.usage_of(1).await[..] else { panic!() };
    assert_eq!(record["error"], Value::from("upstream_rate_limited"));
}

#[tokio::test]
async fn a_stream_without_its_last_words_is_complete_only_where_every_choice_is() {
    let scene = Scene::start().await;
    for talk in [&CHAT, &COMPLETIONS] {
        let text = [&talk.begun(), talk.closing].concat();
        let answer = scene.answer(talk, [vec![head()], talk.events(&text), vec![last()]].concat()).await;
        assert_eq!(answer.text(), talk.shown(&text), "nothing is added, not even [DONE]");
    }
    for talk in [&RESPONSES, &MESSAGES] {
        let text = [&talk.begun(), talk.closing].concat();
        let answer = scene.answer(talk, [vec![head()], talk.events(&text), vec![last()]].concat()).await;
        assert_broken(talk, &answer, &text, ["502", "api_error"], "before it was complete");
    }
    for (index, record) in scene.gateway.usage_of(4).await.iter().enumerate() {
        assert_eq!(record["status"], if index < 2 { "success" } else { "failure" }, "{record}");
    }
}
