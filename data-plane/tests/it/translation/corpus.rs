//! Recorded answers of real providers, replayed as the upstream.

use std::path::{Path, PathBuf};

use bulkhead_dialect::relay::End as StreamEnd;
use bulkhead_dialect::translate::{AnswerOptions, Dialect, Plan, Stream, answer as translated};
use bytes::BytesMut;

use super::*;
use crate::upstream::{chunk, stream_head};

/// A recorded answer.
struct Case {
    id: String,
    dialect: Dialect,
    streams: bool,
    body: Vec<u8>,
}

/// Where a client of a dialect asks.
fn path(client: Dialect) -> &'static str {
    match client {
        Dialect::Chat => CHAT,
        Dialect::Messages => MESSAGES,
    }
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/testkit/corpus");
    let folders = |path: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect()
    };
    let mut cases: Vec<Case> = folders(&root)
        .iter()
        .flat_map(|provider| folders(provider))
        .filter_map(|folder| case(&folder))
        .collect();
    cases.sort_by(|one, other| one.id.cmp(&other.id));
    cases
}

fn case(folder: &Path) -> Option<Case> {
    let meta: Value = serde_json::from_slice(&std::fs::read(folder.join("meta.json")).ok()?).unwrap();
    let dialect = match meta["api"].as_str()? {
        "openai.chat" => Dialect::Chat,
        "anthropic.messages" => Dialect::Messages,
        _ => return None,
    };
    let streams = meta["kind"] == "sse";
    let body = std::fs::read(folder.join(if streams { "response.sse" } else { "response.json" })).ok()?;
    let is_answer = || serde_json::from_slice::<Value>(&body).is_ok_and(|body| body.get("error").is_none());
    (meta["status"] == 200 && (streams || is_answer())).then(|| Case {
        id: meta["id"].as_str().unwrap().to_owned(),
        dialect,
        streams,
        body,
    })
}

/// What the client should get; `None` where the recording is one of a failure.
fn expected(case: &Case, client: Dialect, call_id: &str) -> Option<String> {
    let options = AnswerOptions {
        shown_model: Some(case.dialect.name().to_owned()),
        id: call_id.to_owned(),
        created: 0,
        plan: Plan { include_usage: true, ..Plan::default() },
        max_event: 1 << 24,
    };
    if !case.streams {
        let done = translated(case.dialect, client, &case.body, options).unwrap();
        return Some(String::from_utf8(done.body.to_vec()).unwrap());
    }
    let mut stream = Stream::new(case.dialect, client, options);
    let mut out = BytesMut::new();
    stream.feed(&case.body, &mut out).unwrap();
    let end = stream.finish(&mut out);
    (end == StreamEnd::Complete).then(|| String::from_utf8(out.to_vec()).unwrap())
}

/// The time of an answer is the gateway's where the provider tells none.
fn timeless(text: &str) -> String {
    let mut parts = text.split("\"created\":");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        out.push_str("\"created\":");
        out.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    }
    out
}

fn asks(client: Dialect, upstream: Dialect, number: usize, streams: bool, call_id: &str) -> Request {
    let (model, prompt) = (upstream.name(), format!("case {number}"));
    let body = match client {
        Dialect::Chat if streams => body::chat(model, &prompt).stream_with_usage(),
        Dialect::Chat => body::chat(model, &prompt),
        Dialect::Messages if streams => body::messages(model, &prompt).stream(),
        Dialect::Messages => body::messages(model, &prompt),
    };
    Request::post(path(client)).bearer(MASTER).header("x-litellm-call-id", call_id).json(body.text())
}

#[tokio::test]
async fn recordings_reach_every_client_through_the_gateway() {
    let cases = std::sync::Arc::new(cases());
    assert!(cases.len() > 400, "{}", cases.len());
    let shared = cases.clone();
    let provider = Upstream::start(move |asked| {
        let number = asked.body.split("case ").nth(1).unwrap();
        let number: usize =
            number.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap();
        let case = &shared[number];
        let text = String::from_utf8(case.body.clone()).unwrap();
        match case.streams {
            false => vec![Step::Send(answer("200 OK", &[("content-type", "application/json")], &text))],
            true => vec![Step::Send(stream_head()), Step::Send(chunk(&text)), Step::Send(chunk(""))],
        }
    })
    .await;
    let yaml = GatewayYaml::new().master_key(MASTER);
    let yaml = yaml.deployment("chat").provider("openai").base(provider.base_url()).key("k");
    let yaml = yaml.deployment("messages").provider("anthropic").base(provider.origin()).key("k");
    let gateway = Gateway::with(yaml.text()).start().await;
    let mut client = gateway.client().await;
    for (number, case) in cases.iter().enumerate() {
        for dialect in Dialect::ALL {
            let call_id = format!("call-{number}-{}", dialect.name());
            let request = asks(dialect, case.dialect, number, case.streams, &call_id);
            let answer = client.exchange(&request).await;
            if dialect == case.dialect {
                // Unchanged but for the model's name, which other tests look at.
                assert!(answer.status == 200 || case.streams, "{}: {}", case.id, answer.text());
                continue;
            }
            match expected(case, dialect, &call_id) {
                Some(expected) => {
                    assert_eq!(
                        (answer.status, answer.end),
                        (200, End::Complete),
                        "{} {}",
                        case.id,
                        answer.text()
                    );
                    assert_eq!(
                        timeless(&answer.text()),
                        timeless(&expected),
                        "{} for {}",
                        case.id,
                        dialect.name()
                    );
                }
                None => assert!(answer.status != 200 || answer.text().contains("error"), "{}", case.id),
            }
        }
    }
}
