//! Sorts of requests: what is asked, of which model, and when the client has had enough.

use std::time::Duration;

use bulkhead_testkit::body::{self, Body};
use bulkhead_testkit::client::{Client, End, Request};
use serde_json::json;

use super::Dice;

/// An answer that takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(40);

/// A sort of request.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// How many of them there are, beside the others.
    pub(crate) share: u64,
    /// As it is declared.
    pub(crate) model: &'static str,
    /// What the mock is asked for, which decides how it behaves.
    pub(crate) mock: &'static str,
    pub(crate) ask: Ask,
    pub(crate) leaves: Leaves,
    /// The status of an answer that comes to its end; `None` where it may not.
    pub(crate) good: Option<u16>,
    /// Between which the largest number of tokens lies that is asked for.
    pub(crate) tokens: (u64, u64),
}

/// The endpoint, and whether the answer is a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Chat,
    ChatStream,
    /// With the usage for the client, too.
    ChatStreamUsage,
    MessagesStream,
    Embeddings,
}

/// When the client goes away.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    Never,
    /// Connected, and nothing was sent.
    BeforeHead,
    InHead,
    InBody,
    /// The request is sent, nothing is answered.
    BeforeAnswer,
    /// Some events are there.
    BetweenEvents,
    /// All events are there, and the end of the body may not be.
    AfterLastEvent,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// An answer to its end.
    Whole(u16),
    /// The client left as it meant to.
    Left,
    /// Anything else.
    Broken(String),
}

impl Kind {
    /// One that asks for a chat with a model of its own name, and stays to the end.
    pub(crate) const fn chat(name: &'static str, share: u64, mock: &'static str) -> Self {
        let (ask, leaves, good) = (Ask::Chat, Leaves::Never, Some(200));
        Self { name, share, model: name, mock, ask, leaves, good, tokens: (1, 60) }
    }

    pub(crate) const fn asking(self, ask: Ask) -> Self {
        Self { ask, ..self }
    }

    pub(crate) const fn of(self, model: &'static str) -> Self {
        Self { model, ..self }
    }

    pub(crate) const fn leaving(self, leaves: Leaves) -> Self {
        Self { leaves, good: None, ..self }
    }

    pub(crate) const fn ending(self, good: Option<u16>) -> Self {
        Self { good, ..self }
    }

    /// Asks for so many tokens.
    pub(crate) const fn exactly(self, tokens: u64) -> Self {
        Self { tokens: (tokens, tokens), ..self }
    }

    /// The request with this number, which it carries as its end user. Sizes of prompt and answer differ.
    pub(crate) fn request(&self, number: usize, key: &str, dice: &mut Dice) -> Request {
        let prompt = "word ".repeat(usize::try_from(dice.between(1, 80)).unwrap());
        let user = number.to_string();
        let most = dice.between(self.tokens.0, self.tokens.1);
        let (path, body) = match self.ask {
            Ask::Chat => ("/v1/chat/completions", body::chat(self.model, &prompt)),
            Ask::ChatStream => ("/v1/chat/completions", body::chat(self.model, &prompt).stream()),
            Ask::ChatStreamUsage => {
                ("/v1/chat/completions", body::chat(self.model, &prompt).stream_with_usage())
            }
            Ask::MessagesStream => ("/v1/messages", body::messages(self.model, &prompt).stream()),
            Ask::Embeddings => ("/v1/embeddings", body::embeddings(self.model, &prompt)),
        };
        let body: Body = match self.ask {
            Ask::MessagesStream => body.with("max_tokens", most).with("metadata", json!({"user_id": user})),
            Ask::Embeddings => body.with("user", user),
            _ => body.with("max_tokens", most).with("user", user),
        };
        Request::post(path).bearer(key).json(body)
    }

    /// Sends a request of this sort; the connection is given back where it can be used again.
    pub(crate) async fn play(
        &self,
        client: Client,
        request: &Request,
        dice: &mut Dice,
    ) -> (Fate, Option<Client>) {
        let mut client = client.patience(PATIENCE);
        let bytes = request.bytes();
        let body = bytes.len() - request.head().len();
        let sent = match self.leaves {
            Leaves::BeforeHead => 0,
            Leaves::InHead => 60,
            Leaves::InBody => bytes.len() - body / 2,
            _ => bytes.len(),
        };
        if let Err(error) = client.send(bytes.get(..sent).unwrap()).await {
            return (Fate::Broken(format!("sending: {error}")), None);
        }
        match self.leaves {
            Leaves::Never => return self.stay(client).await,
            Leaves::BeforeAnswer => {
                tokio::time::sleep(Duration::from_millis(dice.between(5, 250))).await;
            }
            Leaves::BetweenEvents => {
                let few = usize::try_from(dice.between(1, 8)).unwrap();
                client.read_until(|answer| answer.events().len() >= few).await;
            }
            Leaves::AfterLastEvent => {
                client.read_until(|answer| answer.body().ends_with(b"data: [DONE]\n\n")).await;
            }
            Leaves::BeforeHead | Leaves::InHead | Leaves::InBody => {}
        }
        if dice.below(2) == 0 {
            // Otherwise it ends in order when it is dropped.
            let _ = client.reset();
        }
        (Fate::Left, None)
    }

    async fn stay(&self, mut client: Client) -> (Fate, Option<Client>) {
        let answer = client.answer().await;
        let is_whole = match self.ask {
            _ if self.good != Some(200) => true,
            Ask::Chat | Ask::Embeddings => true,
            Ask::ChatStream | Ask::ChatStreamUsage => answer.body.ends_with(b"data: [DONE]\n\n"),
            Ask::MessagesStream => {
                answer.events().last().is_some_and(|last| last.json()["type"] == "message_stop")
            }
        };
        if answer.end == End::Complete && is_whole {
            let stays = answer.header("connection").is_none_or(|said| !said.eq_ignore_ascii_case("close"));
            return (Fate::Whole(answer.status), stays.then_some(client));
        }
        let text = answer.text();
        let last: String = text.chars().skip(text.chars().count().saturating_sub(200)).collect();
        (Fate::Broken(format!("{} {:?} {last}", answer.status, answer.end)), None)
    }
}
