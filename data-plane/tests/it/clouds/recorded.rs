//! Recorded answers of Anthropic's, as Bedrock's Invoke would have sent them.

use bulkhead_model::Endpoint;
use bulkhead_testkit::provider::invoke_frames;
use bulkhead_testkit::{Recording, corpus, recordings};

use super::*;
use crate::upstream::{Step, Upstream};

fn answer(kind: &str, body: &[u8]) -> Vec<Step> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
    vec![Step::Send(head.into_bytes()), Step::Send(body.to_vec())]
}

/// What a client reads of an answer.
fn read(answer: &Answer, streams: bool) -> Vec<Value> {
    if !streams {
        return vec![answer.json()];
    }
    let text = answer.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

/// The time and the id of a translated answer are the gateway's.
fn timeless(mut events: Vec<Value>) -> Vec<Value> {
    for event in events.iter_mut().filter_map(Value::as_object_mut) {
        event.retain(|name, _| name != "created");
    }
    events
}

#[tokio::test]
async fn recordings_in_frames_are_what_they_are_without() {
    // An error within a stream is an exception there, of which there are fewer.
    let fails = |case: &Recording| {
        String::from_utf8_lossy(&case.body).replace("event: ", "event:").contains("event:error")
    };
    let of_messages = |case: &Recording| {
        case.endpoint == Endpoint::Messages && case.is_answer() && !(case.streams && fails(case))
    };
    let cases: Vec<_> = recordings(&corpus()).into_iter().filter(of_messages).collect();
    assert!(cases.iter().filter(|case| case.streams).count() > 30, "{}", cases.len());
    let bodies: Vec<_> = cases.iter().map(|case| (case.streams, case.body.clone())).collect();
    let provider = Upstream::start(move |asked| {
        let number = asked.body.split("case ").nth(1).unwrap();
        let number: String = number.chars().take_while(char::is_ascii_digit).collect();
        let (streams, body) = &bodies[number.parse::<usize>().unwrap()];
        match (streams, asked.head.contains("/invoke")) {
            (false, _) => answer("application/json", body),
            (true, false) => answer("text/event-stream", body),
            (true, true) => answer("application/vnd.amazon.eventstream", &invoke_frames(body)),
        }
    })
    .await;
    let yaml = GatewayYaml::new().master_key(MASTER);
    let yaml = yaml.deployment("native").provider("anthropic").base(provider.origin()).key("k");
    let yaml = yaml.deployment("framed").provider("bedrock").model("invoke/claude").base(provider.origin());
    let gateway = Gateway::with(yaml.key("k").text()).start().await;
    let mut client = gateway.client().await;
    for (number, case) in cases.iter().enumerate() {
        for path in [MESSAGES, CHAT] {
            let mut seen = Vec::new();
            for model in ["native", "framed"] {
                let body = body::messages(model, &format!("case {number}"));
                let body = if case.streams { body.stream() } else { body };
                let request = Request::post(path).bearer(MASTER).header("x-litellm-call-id", "c");
                let answer = client.exchange(&request.json(body.text())).await;
                let read = timeless(read(&answer, case.streams && answer.status == 200));
                let shown = Value::from(read).to_string().replace("\"native\"", "\"framed\"");
                let shown = shown.replace("Anthropic", "Bedrock");
                seen.push((answer.status, shown));
            }
            assert_eq!(seen[0], seen[1], "{} {path}", case.id);
        }
    }
}
