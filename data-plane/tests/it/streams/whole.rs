//! A stream arrives whole: every event, in order, byte for byte but for the model's name.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_testkit::client::{Answer, Client, End};
use tokio::sync::Semaphore;

use super::{CHAT, RESPONSES, Scene, TALKS, Talk, head, last};
use crate::support::{Gateway, PATIENCE};
use crate::upstream::{Step, answer, chunk, stream_head};

fn assert_whole(talk: &Talk, answer: &Answer, text: &str, case: &str) {
    assert_eq!((answer.status, answer.end), (200, End::Complete), "{} {case}: {}", talk.path, answer.text());
    assert_eq!(answer.text(), talk.shown(text), "{} {case}", talk.path);
}

/// What the specification of server-sent events allows and no provider's SDK is surprised by.
fn oddities(talk: &Talk) -> Vec<(&'static str, String)> {
    let whole = talk.whole();
    let between = |odd: &str| {
        [talk.opening, odd, talk.content[0], odd, talk.content[1], talk.closing, odd, talk.end].concat()
    };
    vec![
        ("plain", whole.clone()),
        ("crlf", whole.replace('\n', "\r\n")),
        ("cr", whole.replace('\n', "\r")),
        ("line ends mixed", whole.replace("\n\n", "\r\n\n")),
        ("byte order mark", format!("\u{feff}{whole}")),
        ("comments", between(": hold the line\n\n:\n")),
        ("blank lines", between("\n\n\n")),
        ("unknown types", between("event: vendor.thing\ndata: {\"vendor\":\"mine\",\"n\":1e400}\n\n")),
        ("other fields", between("id: 7\nretry: 100\nnonsense\nmore: of it\ndata\n\n")),
        ("data that is no JSON", between("data: OPENROUTER PROCESSING {\n\n")),
        (
            "data in lines",
            whole
                .replace(",\"index\":0", ",\ndata: \"index\":0")
                .replace("\"response\":", "\ndata:\"response\":"),
        ),
        ("no spaces after colons", whole.replace("data: {", "data:{").replace("event: ", "event:")),
        ("no blank line at the end", whole.trim_end().to_owned()),
    ]
}

#[tokio::test]
async fn every_event_arrives_in_order_and_as_it_was_sent() {
    let scene = Scene::start().await;
    for talk in &TALKS {
        for (case, text) in oddities(talk) {
            let steps = [head(), Step::Send(chunk(&talk.sent(&text))), last()];
            assert_whole(talk, &scene.answer(talk, steps).await, &text, case);
        }
    }
    for record in scene.gateway.usage_of(4 * oddities(&CHAT).len()).await {
        assert_eq!((&record["status"], &record["error"]), (&"success".into(), &().into()), "{record}");
    }
}

#[tokio::test]
async fn a_stream_in_two_pieces_is_the_same_wherever_it_is_cut() {
    let scene = Scene::start().await;
    let mut client = scene.gateway.client().await;
    let (mut cuts, mut requests) = (0, 0);
    for talk in &TALKS {
        let request = talk.request();
        // Short, with an edit, a comment and both kinds of line ends.
        let text = [talk.opening, ":\r\n\r\n", talk.content[2], &talk.end.replace('\n', "\r\n")].concat();
        let sent = talk.sent(&text).into_bytes();
        for cut in 1..sent.len() {
            let (a, b) = sent.split_at(cut);
            // A write and a chunk each: the relay sees two pieces also where the network joins them.
            scene.script([head(), Step::Send(piece(a)), Step::Send(piece(b)), last()]);
            assert_whole(talk, &client.exchange(&request).await, &text, &format!("cut at {cut}"));
            cuts += 1;
        }
        requests += 1;
        let pieces = sent.iter().map(|byte| Step::Send(piece(&[*byte])));
        scene.script(std::iter::once(head()).chain(pieces).chain([last()]));
        assert_whole(talk, &client.exchange(&request).await, &text, "byte by byte");
    }
    assert_eq!(scene.upstream.asked().len(), cuts + requests);
    assert!(cuts > 1000, "{cuts}");
}

/// A chunk of bytes that may end within a character.
fn piece(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

#[tokio::test]
async fn the_framing_of_the_providers_answer_is_its_own_matter() {
    let scene = Scene::start().await;
    for talk in &TALKS {
        let text = talk.whole();
        let sent = talk.sent(&text);
        let with_length = answer("200 OK", &[("content-type", "text/event-stream; charset=utf-8")], &sent);
        assert_whole(talk, &scene.answer(talk, [Step::Send(with_length)]).await, &text, "with a length");
        let until_closed =
            format!("HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream\r\n\r\n{sent}").into_bytes();
        let steps = [Step::Send(until_closed), Step::Close];
        assert_whole(talk, &scene.answer(talk, steps).await, &text, "until the connection ends");
        let raw = [stream_head(), chunk(&sent), chunk("")].concat();
        let writes = raw.chunks(7).map(|bytes| Step::Send(bytes.to_vec()));
        assert_whole(talk, &scene.answer(talk, writes).await, &text, "seven bytes a write");
    }
}

#[tokio::test]
async fn a_large_event_passes_among_small_ones() {
    let scene = Scene::start().await;
    let large = "x".repeat(3 << 20);
    for talk in [&CHAT, &RESPONSES] {
        let text = talk.whole().replace("ijklmnop", &large);
        let sent = talk.sent(&text).into_bytes();
        let writes = sent.chunks(50_000).map(|bytes| Step::Send(piece(bytes)));
        let steps = std::iter::once(head()).chain(writes).chain([last()]);
        assert_whole(talk, &scene.answer(talk, steps).await, &text, "large");
    }
}

/// Reads up to this many bytes of body.
async fn read(client: &mut Client, bytes: usize) -> Answer {
    client.read_until(|so_far| so_far.body().len() >= bytes).await
}

#[tokio::test]
async fn an_event_is_not_kept_back_for_the_next() {
    for talk in &TALKS {
        let scene = Scene::start().await;
        let gate = Arc::new(Semaphore::new(0));
        let mut steps = vec![head()];
        for event in talk.events(&talk.whole()) {
            steps.extend([event, Step::Await(gate.clone())]);
        }
        steps.push(last());
        scene.script(steps);
        let mut client = scene.gateway.client().await.patience(PATIENCE);
        client.send(&talk.request().bytes()).await.unwrap();
        // Events without content leave together with the first one with.
        gate.add_permits(talk.opening.matches("\n\n").count());
        let mut expected = talk.begun();
        let mut answer = read(&mut client, talk.shown(&expected).len()).await;
        for event in
            [talk.content[1], talk.content[2], talk.closing, talk.end].concat().split_inclusive("\n\n")
        {
            assert_eq!(answer.text(), talk.shown(&expected), "{}", talk.path);
            expected.push_str(event);
            gate.add_permits(1);
            answer = read(&mut client, talk.shown(&expected).len()).await;
        }
        gate.add_permits(1);
        assert_whole(talk, &client.answer().await, &talk.whole(), "released one by one");
    }
}

/// Kilobytes of memory that the gateway has.
fn resident(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_client_that_reads_slowly_loses_nothing_and_costs_no_memory() {
    let scene = Scene::start().await;
    let event = |n| CHAT.content[0].replace("abcdefgh", &format!("{n} {}", "y".repeat(10_000)));
    let events: Vec<String> = (0..4000).map(event).collect();
    let text = [CHAT.opening, &events.concat(), CHAT.closing, CHAT.end].concat();
    scene.script(std::iter::once(head()).chain(CHAT.events(&text)).chain([last()]));
    let before = resident(&scene.gateway);
    let mut client = scene.gateway.client().await;
    client.send(&CHAT.request().bytes()).await.unwrap();
    client.read_until(|so_far| !so_far.body().is_empty()).await;
    // Forty megabytes are more than the sockets take in, and the gateway takes in no more than it can send.
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = resident(&scene.gateway);
        assert!(now < before + 10_000, "{before} kB, then {now} kB");
    }
    assert_whole(&CHAT, &client.answer().await, &text, "slowly");
}
