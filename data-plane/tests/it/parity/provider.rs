//! All providers in one: answers in the dialect of the path with a recording, and keeps what it was sent.

use std::collections::HashMap;
use std::sync::Arc;

use bulkhead_testkit::{Recording, corpus, recordings};
use parking_lot::Mutex;
use serde_json::Value;

use super::case::Case;
use super::read_json;
use crate::upstream::{Asked, Step, Upstream, answer};

pub(super) struct Provider {
    upstream: Upstream,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The kind of answer that is next.
    kind: String,
    sent: Vec<Asked>,
}

/// Recorded answers by dialect, kind and `json` or `stream`.
struct Answers(HashMap<(String, String, String), Vec<u8>>);

impl Provider {
    pub(super) async fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let (seen, answers) = (state.clone(), Answers::read());
        let upstream = Upstream::start(move |asked| {
            let mut state = seen.lock();
            state.sent.push(asked.clone());
            vec![Step::Send(answers.to(asked, &state.kind))]
        })
        .await;
        Self { upstream, state }
    }

    pub(super) fn origin(&self) -> String {
        self.upstream.origin()
    }

    pub(super) fn will_answer(&self, case: &Case) {
        self.state.lock().kind.clone_from(&case.answer);
    }

    /// What has come since the last call.
    pub(super) fn sent(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().sent)
    }
}

impl Answers {
    fn read() -> Self {
        let recordings = recordings(&corpus());
        let recordings: HashMap<&str, &Recording> =
            recordings.iter().map(|recording| (recording.id.as_str(), recording)).collect();
        let mut answers = HashMap::new();
        for (dialect, kinds) in read_json("answers.json").as_object().unwrap() {
            for (kind, modes) in kinds.as_object().unwrap() {
                for (mode, id) in modes.as_object().unwrap() {
                    let id = id.as_str().unwrap();
                    let recording = recordings.get(id).unwrap_or_else(|| panic!("no recording {id}"));
                    answers.insert((dialect.clone(), kind.clone(), mode.clone()), recording.body.clone());
                }
            }
        }
        Self(answers)
    }

    /// The answer of this kind, or a text where the dialect has none of the kind.
    fn to(&self, asked: &Asked, kind: &str) -> Vec<u8> {
        let target = target(asked);
        let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        let Some(dialect) = dialect(target, &body) else {
            return answer("404 Not Found", &[], "no such path");
        };
        let streams = target.contains("tream") || body["stream"] == true;
        let mode = if streams { "stream" } else { "json" };
        let of =
            |dialect: &str, kind: &str| self.0.get(&(dialect.to_owned(), kind.to_owned(), mode.to_owned()));
        let own = of(dialect, kind).or_else(|| of(dialect, "text"));
        let Some(recorded) = own.or_else(|| of("chat", kind)).or_else(|| of("chat", "text")) else {
            panic!("no {mode} of {dialect} is recorded");
        };
        let bytes = named(recorded, &asked_model(target, &body));
        let content_type = match (streams, dialect) {
            (false, _) => "application/json",
            (true, "converse") => "application/vnd.amazon.eventstream",
            (true, "ollama") => "application/x-ndjson",
            (true, _) => "text/event-stream",
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
            bytes.len()
        );
        [head.as_bytes(), &bytes].concat()
    }
}

fn asked_model(target: &str, body: &Value) -> String {
    let in_path = target.split("/models/").nth(1).and_then(|rest| rest.split(':').next());
    body["model"].as_str().or(in_path).unwrap_or_default().to_owned()
}

/// The answer under the name of the model that was asked: LiteLLM bills what the answer names.
fn named(recorded: &[u8], model: &str) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(recorded) else { return recorded.to_vec() };
    let mut out = text.to_owned();
    for member in ["\"model\":", "\"modelVersion\":"] {
        let mut parts = out.split(member);
        let first = parts.next().unwrap_or_default().to_owned();
        out = parts.fold(first, |out, part| {
            let mut quoted = part.splitn(3, '"');
            match (quoted.next(), quoted.next(), quoted.next()) {
                (Some(space), Some(_), Some(rest)) if space.trim().is_empty() => {
                    format!("{out}{member}{space}\"{model}\"{rest}")
                }
                _ => out + member + part,
            }
        });
    }
    out.into_bytes()
}

/// Path and query of a request.
pub(super) fn target(asked: &Asked) -> &str {
    asked.head.split(' ').nth(1).unwrap_or_default()
}

fn dialect(target: &str, body: &Value) -> Option<&'static str> {
    let path = target.split('?').next().unwrap_or_default();
    let endings = [
        ("/openai/v1/chat/completions", "groq"),
        ("/chat/completions", "chat"),
        ("/v1/messages", "messages"),
        ("/responses", "responses"),
        ("enerateContent", "gemini"),
        ("/converse", "converse"),
        ("/converse-stream", "converse"),
        ("/v2/chat", "cohere"),
        ("/api/chat", "ollama"),
        ("/embeddings", "embeddings"),
        ("/v2/embed", "cohere-embed"),
        ("/v1/embed", "cohere-embed"),
        (":batchEmbedContents", "gemini-embed"),
    ];
    let found = endings.into_iter().find(|(ending, _)| path.ends_with(ending));
    // A provider of chat at any other path.
    found.map(|(_, dialect)| dialect).or_else(|| body.get("messages").map(|_| "chat"))
}
