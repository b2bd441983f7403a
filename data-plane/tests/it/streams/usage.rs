//! Answers that are not what was asked for, and streams that do not say what was used.

use bulkhead_testkit::body;
use bulkhead_testkit::client::{End, Request};
use serde_json::json;

use super::{CHAT, COMPLETIONS, MESSAGES, RESPONSES, Scene, TALKS, Talk, groups, head, last};
use crate::support::{Gateway, MASTER};
use crate::upstream::{Step, answer};

/// An answer in one piece; it reports 5 tokens of input and 7 of output.
fn whole(talk: &Talk) -> &'static str {
    match talk.path {
        "/v1/messages" => {
            r#"{"id":"m","model":"@","content":[{"type":"text","text":"hi"}],"usage":{"input_tokens":5,"output_tokens":7}}"#
        }
        "/v1/responses" => r#"{"output":[],"usage":{"input_tokens":5,"output_tokens":7},"model":"@"}"#,
        _ => r#"{"id":"c","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7},"model":"@"}"#,
    }
}

#[tokio::test]
async fn an_answer_in_one_piece_to_a_request_for_a_stream_is_given_in_one_piece() {
    let scene = Scene::start().await;
    for talk in &TALKS {
        let json = answer("200 OK", &[("content-type", "application/json")], &talk.sent(whole(talk)));
        let answer = scene.answer(talk, [Step::Send(json)]).await;
        assert_eq!((answer.status, answer.end), (200, End::Complete));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.text(), talk.shown(whole(talk)));
        assert!(answer.header("x-litellm-response-cost").is_some(), "it is known in time");
    }
    for record in scene.gateway.usage_of(4).await {
        assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(5), &json!(7)), "{record}");
        assert_eq!((&record["usage"], &record["stream"]), (&json!("reported"), &json!(true)), "{record}");
    }
}

#[tokio::test]
async fn a_stream_that_nobody_asked_for_is_no_answer() {
    let scene = Scene::start().await;
    for talk in &TALKS {
        scene.script([vec![head()], talk.events(&talk.whole()), vec![last()]].concat());
        let body = talk.body().with("stream", false).raw("stream_options", "null");
        let answer = scene.gateway.call(&Request::post(talk.path).bearer(MASTER).json(body)).await;
        assert_eq!((answer.status, answer.end), (502, End::Complete), "{}", answer.text());
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.ends_with("the answer was not JSON"), "{message}");
    }
    scene.at_rest().await;
    for record in scene.gateway.usage_of(4).await {
        assert_eq!((&record["error"], &record["usage"]), (&json!("upstream_bad_answer"), &json!("unknown")));
    }
}

#[tokio::test]
async fn a_stream_that_does_not_report_is_estimated_and_says_so() {
    let scene = Scene::start().await;
    for talk in &TALKS {
        let text = talk.whole();
        // No usage anywhere.
        let mute = text.replace(",\"usage\":{\"input_tokens\":5,\"output_tokens\":1}", "");
        let mute = mute.replace(",\"usage\":{\"output_tokens\":7}", "");
        let mute = mute.replace(",\"usage\":{\"input_tokens\":5,\"output_tokens\":7}", "");
        let answer = scene.answer(talk, [vec![head()], talk.events(&mute), vec![last()]].concat()).await;
        assert_eq!(answer.text(), talk.shown(&mute), "{}", talk.path);
    }
    for record in scene.gateway.usage_of(4).await {
        assert_eq!(
            (&record["usage"], &record["status"]),
            (&json!("estimated"), &json!("success")),
            "{record}"
        );
        // Three times eight letters, one of them escaped and one of two bytes.
        assert_eq!(record["output_tokens"], 7, "{record}");
        assert!(record["input_tokens"].as_u64().unwrap() > 0, "{record}");
        assert!(record["bound"].is_string() && record["cost"].is_string(), "{record}");
    }
}

#[tokio::test]
async fn usage_that_comes_unasked_is_the_clients_as_well() {
    let scene = Scene::start().await;
    let quiet = groups(&scene.upstream, &[]).text().replace(
        "      model: \"openai/up\"\n",
        "      model: \"openai/up\"\n      additional_drop_params: [stream_options]\n",
    );
    let quiet = Gateway::with(quiet).start().await;
    for talk in [&CHAT, &COMPLETIONS] {
        let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7},\"model\":\"@\"}\n\n";
        let beside = talk
            .closing
            .replace("\"model\"", "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6},\"model\"");
        let before = [talk.begun(), beside].concat();
        let text = [&before, usage, talk.end].concat();
        scene.script([vec![head()], talk.events(&text), vec![last()]].concat());
        let plain = Request::post(talk.path).bearer(MASTER).json(talk.body().raw("stream_options", "{}"));
        // Only the gateway asked: what has nothing but usage is kept back.
        let kept = scene.gateway.call(&plain).await;
        assert_eq!(kept.text(), talk.shown(&[&before, talk.end].concat()));
        // The client asked.
        assert_eq!(scene.gateway.call(&talk.request()).await.text(), talk.shown(&text));
        // Nobody asked.
        assert_eq!(quiet.call(&plain).await.text(), talk.shown(&text));
    }
    for record in [scene.gateway.usage_of(4).await, quiet.usage_of(2).await].concat() {
        assert_eq!((&record["usage"], &record["output_tokens"]), (&json!("reported"), &json!(7)), "{record}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_report_is_estimated_by_what_it_says() {
    let scene = Scene::start().await;
    let said = "four".repeat(100);
    let bodies = [
        (
            &CHAT,
            format!(
                r#"{{"id":"c","choices":[{{"index":0,"message":{{"role":"assistant","content":"{said}"}}}}]}}"#
            ),
        ),
        (&COMPLETIONS, format!(r#"{{"id":"c","choices":[{{"index":0,"text":"{said}"}}]}}"#)),
        (
            &RESPONSES,
            format!(
                r#"{{"output":[{{"type":"message","content":[{{"type":"output_text","text":"{said}"}}]}}]}}"#
            ),
        ),
        (&MESSAGES, format!(r#"{{"id":"m","content":[{{"type":"text","text":"{said}"}}]}}"#)),
    ];
    for (talk, text) in &bodies {
        scene.script([Step::Send(answer("200 OK", &[("content-type", "application/json")], text))]);
        let body = talk.body().with("stream", false).raw("stream_options", "null");
        let answer = scene.gateway.call(&Request::post(talk.path).bearer(MASTER).json(body)).await;
        assert_eq!(answer.text(), *text);
        assert_eq!(answer.header("x-litellm-response-cost"), None, "an estimate is not told as a fact");
    }
    for record in scene.gateway.usage_of(4).await {
        assert_eq!(record["usage"], "estimated", "{record}");
        let output = record["output_tokens"].as_u64().unwrap();
        assert!((100..=130).contains(&output), "{record}");
        assert!(record["bound"].is_string(), "{record}");
    }
    // What an embedding gives back are numbers and not tokens.
    scene.script([Step::Send(answer(
        "200 OK",
        &[],
        r#"{"object":"list","data":[{"embedding":[0.1,0.2]}]}"#,
    ))]);
    let body = body::embeddings("gpt", "Hi");
    let answer = scene.gateway.call(&Request::post("/v1/embeddings").bearer(MASTER).json(body)).await;
    assert_eq!(answer.status, 200);
    let record = scene.gateway.usage_of(5).await.pop().unwrap();
    assert_eq!((&record["output_tokens"], &record["usage"]), (&json!(0), &json!("estimated")), "{record}");
}

/// An answer of more than sixteen megabytes is forwarded as it comes, and what it reports is not read.
#[tokio::test]
async fn an_answer_too_large_to_read_is_estimated_by_its_length() {
    let scene = Scene::start().await;
    let long = "four".repeat(5 << 20);
    let text =
        format!(r#"{{"choices":[{{"text":"{long}"}}],"usage":{{"prompt_tokens":5,"completion_tokens":7}}}}"#);
    let bodies = [
        ("/v1/completions", body::completions("gpt", "Hi")),
        ("/v1/embeddings", body::embeddings("gpt", "Hi")),
    ];
    for (path, body) in bodies {
        scene.script([Step::Send(answer("200 OK", &[("content-type", "application/json")], &text))]);
        let answer = scene.gateway.call(&Request::post(path).bearer(MASTER).json(body)).await;
        assert_eq!((answer.status, answer.end), (200, End::Complete));
        assert!(answer.body == text.as_bytes(), "{path}");
    }
    let records = scene.gateway.usage_of(2).await;
    for record in &records {
        assert_eq!(
            (&record["usage"], &record["status"]),
            (&json!("estimated"), &json!("success")),
            "{record}"
        );
    }
    assert_eq!(records[0]["output_tokens"], text.len().div_ceil(4), "{}", records[0]);
    assert_eq!(records[1]["output_tokens"], 0, "{}", records[1]);
}
