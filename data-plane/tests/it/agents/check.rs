//! What the provider saw of an agent, and what the gateway has in its books.

use std::collections::BTreeMap;

use bulkhead_testkit::MockProvider;
use bulkhead_testkit::provider::LoggedRequest;
use serde_json::value::RawValue;

use super::desk::NOTE;
use super::tap::Sent;
use crate::support::Gateway;

/// What a prompt is made of, where a provider's cache looks from its beginning on.
const STEADY: [&str; 4] = ["system", "tools", "instructions", "systemInstruction"];
const GROWING: [&str; 3] = ["messages", "input", "contents"];

/// A model group, and what its provider is asked.
pub(super) struct Way {
    pub(super) group: &'static str,
    endpoint: &'static str,
    /// The provider speaks what the agent speaks.
    own: bool,
}

type Members = BTreeMap<String, Box<RawValue>>;

impl Way {
    pub(super) const fn own(group: &'static str, endpoint: &'static str) -> Self {
        Self { group, endpoint, own: true }
    }

    pub(super) const fn to(group: &'static str, endpoint: &'static str) -> Self {
        Self { group, endpoint, own: false }
    }

    /// Three turns at the least: two calls with their results, and the last words.
    pub(super) fn check(&self, mock: &MockProvider, sent: &[Sent]) {
        let (turns, group) = (mock.requests(), self.group);
        assert!(turns.len() >= 3, "{group}: {} turns", turns.len());
        for record in mock.ledger().records() {
            assert_eq!((record.endpoint, record.status), (self.endpoint, 200), "{group}");
        }
        let read = |turn: &LoggedRequest| text(turn).contains(NOTE);
        assert!(!turns.first().is_some_and(read) && turns.last().is_some_and(read), "{group}");
        for pair in turns.windows(2) {
            assert_grows(group, &members(&pair[0]), &members(&pair[1]));
        }
        if self.own {
            turns.iter().for_each(|turn| self.assert_untouched(turn, sent));
        }
    }

    /// The body is one that the agent sent, but for the model's name, and so are the features that it asks for.
    fn assert_untouched(&self, turn: &LoggedRequest, sent: &[Sent]) {
        let model = turn.json_body()["model"].as_str().map(str::to_owned);
        let renamed = |sent: &&Sent| {
            let body = String::from_utf8_lossy(&sent.body);
            let ours = model.as_ref().map(|model| format!(r#""model":"{model}""#));
            let theirs = format!(r#""model":"{}""#, self.group);
            ours.map_or(body.to_string(), |ours| body.replacen(&theirs, &ours, 1)) == text(turn)
        };
        let found = sent.iter().find(renamed);
        let found = found.unwrap_or_else(|| panic!("{}: turn {} is not what was sent", self.group, turn.seq));
        let beta = found.head.lines().find_map(|line| line.strip_prefix("anthropic-beta: "));
        assert_eq!(turn.header("anthropic-beta").as_deref(), beta, "{}", self.group);
        // Claude Code asks for features of Anthropic's, and says where its prompt is cached.
        let claude_code = self.endpoint == "/v1/messages";
        assert_eq!(beta.is_some_and(|beta| beta.contains("claude-code-")), claude_code, "{}", self.group);
        assert_eq!(text(turn).contains(r#""cache_control""#), claude_code, "{}", self.group);
    }
}

fn text(turn: &LoggedRequest) -> String {
    String::from_utf8_lossy(turn.body.as_ref().unwrap()).into_owned()
}

fn members(turn: &LoggedRequest) -> Members {
    serde_json::from_slice(turn.body.as_ref().unwrap()).unwrap()
}

/// What was said stays as it was, byte for byte, but where the agent itself moves a cache breakpoint.
fn assert_grows(group: &str, before: &Members, after: &Members) {
    let raw = |members: &Members, name: &str| members.get(name).map(|value| value.get().to_owned());
    for name in STEADY {
        assert_eq!(raw(before, name), raw(after, name), "{group}: {name}");
    }
    for name in GROWING {
        let list = |members| {
            raw(members, name).map(|value| serde_json::from_str::<Vec<Box<RawValue>>>(&value).unwrap())
        };
        let (before, after) = (list(before).unwrap_or_default(), list(after).unwrap_or_default());
        assert!(before.is_empty() || after.len() > before.len(), "{group}: {name} does not grow");
        let moved = |value: &str| value.contains(r#""cache_control""#);
        for (before, after) in before.iter().zip(&after).map(|(before, after)| (before.get(), after.get())) {
            assert!(before == after || moved(before), "{group}: {name} changed: {before:.80} {after:.80}");
        }
    }
}

/// Each of the agent's requests is in the books, with what the provider says that it took.
pub(super) async fn settled(gateway: &Gateway, mock: &MockProvider, turns: usize) {
    let records = gateway.usage_of(turns).await;
    let newest = records.iter().rev().zip(mock.ledger().records().into_iter().rev());
    for (record, theirs) in newest {
        let reported = theirs.reported.unwrap_or_else(|| panic!("{} {record}", theirs.json()));
        assert_eq!(
            (&record["status"], &record["usage"]),
            (&"success".into(), &"reported".into()),
            "{record}"
        );
        assert_eq!(record["input_tokens"], reported.input, "{record}");
        assert_eq!(record["output_tokens"], reported.output, "{record}");
        assert!(record["cost"].as_str().is_some_and(|cost| cost.parse::<f64>().unwrap() > 0.0), "{record}");
    }
}
