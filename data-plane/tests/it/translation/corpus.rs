//! Recorded answers of real providers, replayed as the upstream.

use bulkhead_dialect::relay::End as StreamEnd;
use bulkhead_dialect::translate::{AnswerOptions, Dialect, Plan, Stream, answer as translated};
use bulkhead_testkit::{Recording, corpus, recordings};
use bytes::BytesMut;

use super::*;

/// A recorded answer.
struct Case {
    id: String,
    dialect: Dialect,
    streams: bool,
    body: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let answers = recordings(&corpus()).into_iter().filter(Recording::is_answer);
    let case = |Recording { id, endpoint, streams, body, .. }| {
        let dialect = Dialect::of(endpoint).filter(|dialect| Dialect::UPSTREAMS.contains(dialect))?;
        Some(Case { id, dialect, streams, body })
    };
    answers.filter_map(case).collect()
}

/// What the client should get; `None` where the recording is one of a failure.
fn expected(case: &Case, client: Dialect, call_id: &str) -> Option<Vec<u8>> {
    let options = AnswerOptions {
        shown_model: Some(case.dialect.name().to_owned()),
        id: call_id.to_owned(),
        created: 0,
        plan: Plan { include_usage: true, ..Plan::default() },
        max_event: 1 << 24,
        json_array: false,
        input_tokens: None,
    };
    if !case.streams {
        return translated(case.dialect, client, &case.body, options).ok().map(|done| done.body.to_vec());
    }
    let mut stream = Stream::new(case.dialect, client, options);
    let mut out = BytesMut::new();
    stream.feed(&case.body, &mut out).unwrap();
    let end = stream.finish(&mut out);
    (end == StreamEnd::Complete).then(|| out.to_vec())
}

/// The time of an answer is the gateway's where the provider tells none.
fn timeless(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body).into_owned();
    ["\"created\":", "\"created_at\":"].iter().fold(text, |text, name| {
        let mut parts = text.split(name);
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |out, part| {
            out + name + part.trim_start_matches(|letter: char| letter.is_ascii_digit())
        })
    })
}

fn asks(client: Dialect, upstream: Dialect, number: usize, streams: bool, call_id: &str) -> Request {
    let (model, prompt) = (upstream.name(), format!("case {number}"));
    let streaming = |body: bulkhead_testkit::body::Body| if streams { body.stream() } else { body };
    let (path, body) = match client {
        Dialect::Chat if streams => (CHAT.to_owned(), body::chat(model, &prompt).stream_with_usage().text()),
        Dialect::Chat => (CHAT.to_owned(), body::chat(model, &prompt).text()),
        Dialect::Completions => panic!("no provider is asked in it"),
        Dialect::Cohere | Dialect::Ollama => panic!("no client speaks it"),
        Dialect::Messages => (MESSAGES.to_owned(), streaming(body::messages(model, &prompt)).text()),
        Dialect::Responses => ("/v1/responses".to_owned(), streaming(body::responses(model, &prompt)).text()),
        Dialect::Gemini => {
            let action = if streams { "streamGenerateContent?alt=sse" } else { "generateContent" };
            let contents = json!([{"role": "user", "parts": [{"text": prompt}]}]);
            (format!("/v1beta/models/{model}:{action}"), json!({ "contents": contents }).to_string())
        }
        Dialect::Converse => {
            let action = if streams { "converse-stream" } else { "converse" };
            let messages = json!([{"role": "user", "content": [{"text": prompt}]}]);
            (format!("/model/{model}/{action}"), json!({ "messages": messages }).to_string())
        }
    };
    Request::post(&path).bearer(MASTER).header("x-litellm-call-id", call_id).json(body)
}

/// The recording, as a provider sends it.
fn steps(case: &Case) -> Vec<Step> {
    let kind = match (case.streams, case.dialect) {
        (false, _) => "application/json",
        (true, Dialect::Converse) => "application/vnd.amazon.eventstream",
        (true, Dialect::Ollama) => "application/x-ndjson",
        (true, _) => "text/event-stream",
    };
    let length = case.body.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
    vec![Step::Send(head.into_bytes()), Step::Send(case.body.clone())]
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
        steps(&shared[number])
    })
    .await;
    let yaml = GatewayYaml::new().master_key(MASTER);
    let yaml = yaml.deployment("chat").provider("moonshot").base(provider.base_url()).key("k");
    let yaml = yaml.deployment("messages").provider("anthropic").base(provider.origin()).key("k");
    let yaml = yaml.deployment("responses").provider("openai").base(provider.base_url()).key("k");
    let yaml = yaml.info("mode", "responses");
    let yaml = yaml.deployment("gemini").provider("gemini").base(provider.origin()).key("k");
    let yaml = yaml.deployment("converse").provider("bedrock").base(provider.origin()).key("k");
    let yaml = yaml.deployment("cohere").provider("cohere").base(provider.origin()).key("k");
    let yaml = yaml.deployment("ollama").provider("ollama_chat").base(provider.origin()).key("k");
    let gateway = Gateway::with(yaml.text()).start().await;
    let mut client = gateway.client().await;
    for (number, case) in cases.iter().enumerate() {
        for dialect in Dialect::ALL {
            let call_id = format!("call-{number}-{}", dialect.name());
            let request = asks(dialect, case.dialect, number, case.streams, &call_id);
            let answer = client.exchange(&request).await;
            let same = dialect == case.dialect;
            if same
                && matches!(dialect, Dialect::Gemini | Dialect::Converse)
                && expected(case, dialect, "").is_some()
            {
                assert_eq!(
                    (answer.status, answer.end),
                    (200, End::Complete),
                    "{} {}",
                    case.id,
                    answer.text()
                );
                assert!(answer.body == case.body, "{} is not as it was sent", case.id);
                continue;
            }
            if same {
                // Unchanged but for the model's name, which other tests look at.
                assert!(answer.status == 200 || case.streams, "{}: {}", case.id, answer.text());
                continue;
            }
            match expected(case, dialect, &call_id) {
                Some(expected) => {
                    assert_eq!(
                        (answer.status, answer.end),
                        (200, End::Complete),
                        "{} for {}: {}",
                        case.id,
                        dialect.name(),
                        answer.text()
                    );
                    let (got, expected) = (timeless(&answer.body), timeless(&expected));
                    assert_eq!(got, expected, "{} for {}", case.id, dialect.name());
                }
                None => assert!(failed(&answer), "{} for {}: {}", case.id, dialect.name(), answer.text()),
            }
        }
    }
}

/// An error in whatever form.
fn failed(answer: &Answer) -> bool {
    answer.status != 200 || ["error", "Exception"].iter().any(|word| answer.text().contains(word))
}
