//! A stream that is cut at any byte: before its first content another group answers and nothing of the first is seen;
//! after it the client has exactly the whole events there were, and then an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bulkhead_testkit::client::{Answer, Client};
use bulkhead_testkit::{GatewayYaml, canary};
use parking_lot::Mutex;
use serde_json::json;

use super::{TALKS, Talk, head, last};
use crate::support::{Gateway, MASTER};
use crate::upstream::{Asked, Step, Upstream, chunk};

/// How a stream ends where it is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cut {
    Orderly,
    Closed,
    /// What was under way may be lost with it.
    Reset,
}

/// The groups that fail, with a fallback for each at the same provider.
fn file(upstream: &Upstream) -> String {
    let mut yaml = GatewayYaml::new().master_key(MASTER);
    for (group, provider, base) in
        [("gpt", "openai", upstream.base_url()), ("claude", "anthropic", upstream.origin())]
    {
        let key = if provider == "openai" { canary::OPENAI_KEY } else { canary::ANTHROPIC_KEY };
        for (group, model) in [(group.to_owned(), "up"), (format!("{group}-b"), "other")] {
            yaml = yaml.deployment(&group).provider(provider).model(model).base(&base);
            // Another account: its retries are not those of the one that fails all the time.
            yaml = yaml.key(if model == "up" { key } else { "another" });
        }
    }
    yaml.router("fallbacks", json!([{"gpt": ["gpt-b"]}, {"claude": ["claude-b"]}])).text()
}

fn steps(asked: &Asked, talk: &Talk, at: usize, cut: Cut) -> Vec<Step> {
    if asked.body.contains("\"other\"") {
        return [vec![head()], talk.events(&talk.whole()), vec![last()]].concat();
    }
    let text = talk.sent(&talk.whole());
    let begun = Step::Send(chunk(&String::from_utf8_lossy(&text.as_bytes()[..at])));
    let end = match cut {
        Cut::Orderly => last(),
        Cut::Closed => Step::Close,
        Cut::Reset => Step::Reset,
    };
    // An empty chunk would be the end.
    if at == 0 { vec![head(), end] } else { vec![head(), begun, end] }
}

/// What the client may have got of a stream that was cut there.
fn check(talk: &Talk, at: usize, cut: Cut, answer: &Answer) {
    let case = format!("{} at {at}, {cut:?}", talk.path);
    let (text, whole) = (answer.text(), talk.whole());
    assert_eq!(answer.status, 200, "{case}: {text}");
    let elsewhere = whole.replace("\"@\"", &format!("\"{}-b\"", talk.model));
    // The whole events there were, as the client is to see them.
    let mut complete = String::new();
    // An event that says that it is over is one also without its blank line.
    let mut last_words = None;
    let mut length = 0;
    for event in whole.split_inclusive("\n\n") {
        let (sent, before) = (talk.sent(event), length);
        length += sent.len();
        if length > at {
            let there = sent.get(..at - before).unwrap_or_default();
            let is_whole = there.len() >= sent.trim_end().len();
            last_words = is_whole.then(|| talk.shown(event)[..event_length(talk, event, there)].to_owned());
            break;
        }
        complete.push_str(event);
    }
    let ends_anyhow = |events: &str| {
        let rest = text.strip_prefix(&talk.shown(events));
        rest.is_some_and(|rest| Some(rest) == last_words.as_deref())
    };
    let has_content = |events: &str| events.contains(talk.content[0]);
    let is_over = |events: &str| events.contains(talk.closing) || events.contains(talk.end);
    let is_answer_to = |events: &str| match text.strip_prefix(&talk.shown(events)) {
        Some("") => is_over(events),
        Some(rest) => {
            rest.matches("data: ").count() == 1 && rest.contains("error") && !text.contains(talk.end)
        }
        None => false,
    };
    let good = match (has_content(&complete), cut) {
        (false, _) => text == elsewhere,
        (true, Cut::Orderly | Cut::Closed) => is_answer_to(&complete) || ends_anyhow(&complete),
        (true, Cut::Reset) => {
            let ends: Vec<_> = complete.match_indices("\n\n").map(|(end, _)| end + 2).collect();
            let some = ends.iter().map(|end| &complete[..*end]).filter(|events| has_content(events));
            text == elsewhere || some.into_iter().any(is_answer_to)
        }
    };
    assert!(good, "{case}: {text}");
}

/// How much of an event the client sees where the provider sent this much of it.
fn event_length(talk: &Talk, event: &str, there: &str) -> usize {
    talk.shown(event).len() - (talk.sent(event).len() - there.len())
}

#[tokio::test]
async fn cut_at_any_byte_a_stream_is_a_prefix_of_the_truth_or_another_whole_one() {
    let now = Arc::new(Mutex::new((&TALKS[0], 0, Cut::Orderly)));
    let (script, failed) = (now.clone(), Arc::new(AtomicUsize::new(0)));
    let failures = failed.clone();
    let upstream = Upstream::start(move |asked| {
        let (talk, at, cut) = *script.lock();
        failures.fetch_add(usize::from(!asked.body.contains("\"other\"")), Ordering::Relaxed);
        steps(asked, talk, at, cut)
    })
    .await;
    let gateway = Gateway::with(file(&upstream)).start().await;
    let mut client = Client::connect(gateway.addr).await.unwrap();
    let mut requests = 0;
    for talk in &TALKS {
        for at in 0..=talk.sent(&talk.whole()).len() {
            let cut = [Cut::Orderly, Cut::Closed, Cut::Reset][at % 3];
            *now.lock() = (talk, at, cut);
            let answer = client.exchange(&talk.request()).await;
            check(talk, at, cut, &answer);
            requests += 1;
        }
    }
    assert_eq!(failed.load(Ordering::Relaxed), requests, "each was tried once where it failed");
}
