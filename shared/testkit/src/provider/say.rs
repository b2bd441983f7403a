//! What an answer says and costs, before any dialect gives it a form.

use bulkhead_model::usage::ServiceTier;
use bulkhead_model::{Endpoint, Usage};

use super::ask::{Ask, Cache};
use super::behaviour::{Behaviour, Reasoning, Text, UsageMode};
use super::order;
use super::schema;
use super::text;
use crate::stamp;

/// Bytes of a piece of JSON: small, so that tool arguments and structured answers come in several.
const JSON_PIECE: usize = 8;

/// Bytes of a piece of a long answer.
const LONG_PIECE: usize = 1000;

/// Reasoning tokens of a request that asks for reasoning, where the model's name says nothing.
const REASONING: u64 = 24;

/// The content of an answer.
pub(crate) struct Say {
    pub(crate) content: Content,
    pub(crate) finish: Finish,
    pub(crate) reasoning: Option<Reasoning>,
    /// What was really used.
    pub(crate) usage: Usage,
    /// What the answer says was used.
    pub(crate) reported: Option<Usage>,
    /// Anthropic's final count names output tokens only.
    pub(crate) output_only: bool,
    pub(crate) n: usize,
}

/// Text, or tool calls.
pub(crate) enum Content {
    Text(Vec<String>),
    Calls(Vec<Call>),
}

/// One tool call.
pub(crate) struct Call {
    pub(crate) name: String,
    /// The arguments' JSON, in pieces.
    pub(crate) arguments: Vec<String>,
}

/// Why the answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    Tools,
}

/// Who answers: the parts of an answer that do not depend on what is said.
pub(crate) struct Voice {
    /// Seeds the ids.
    pub(crate) seq: u64,
    /// The model's name as it is answered.
    pub(crate) model: String,
    /// The service tier that was asked for.
    pub(crate) tier: Option<String>,
    /// Azure's additions to chat.
    pub(crate) azure: bool,
}

impl Say {
    /// Decides what to say.
    pub(crate) fn to(ask: &Ask<'_>, behaviour: &Behaviour, body: &[u8], tier: Option<&str>) -> Self {
        let (content, finish) = content(ask, behaviour, body);
        let reasoning = behaviour.reasoning.or_else(|| {
            let can = ask.endpoint != Endpoint::Completions && !ask.endpoint.embeds();
            (can && ask.reasons).then_some(Reasoning { tokens: REASONING, shown: false })
        });
        let pieces = match &content {
            Content::Text(pieces) => pieces.len(),
            Content::Calls(calls) => calls.iter().map(|call| call.arguments.len() + 1).sum(),
        };
        let usage = usage(ask, behaviour, pieces as u64, reasoning, tier);
        let reported = match behaviour.usage {
            UsageMode::Missing => None,
            UsageMode::Zero => Some(Usage::default()),
            UsageMode::Real | UsageMode::OutputOnly => Some(usage),
        };
        let output_only = behaviour.usage == UsageMode::OutputOnly;
        Self { content, finish, reasoning, usage, reported, output_only, n: ask.n }
    }

    /// Bytes of content in the whole answer.
    pub(crate) fn bytes(&self) -> usize {
        let one: usize = match &self.content {
            Content::Text(pieces) => pieces.iter().map(String::len).sum(),
            Content::Calls(calls) => calls.iter().flat_map(|call| &call.arguments).map(String::len).sum(),
        };
        one * self.n
    }
}

fn content(ask: &Ask<'_>, behaviour: &Behaviour, body: &[u8]) -> (Content, Finish) {
    if let Some(call) = order::next(ask).filter(|_| behaviour.agent) {
        return (Content::Calls(vec![call]), Finish::Tools);
    }
    if !ask.calls.is_empty() && !behaviour.agent {
        let call = |tool: &super::ask::Tool| Call {
            name: tool.name.clone(),
            arguments: text::pieces(&schema::sample(&tool.schema).to_string(), JSON_PIECE),
        };
        return (Content::Calls(ask.calls.iter().map(call).collect()), Finish::Tools);
    }
    if let Some(wanted) = &ask.json {
        let value = wanted.as_ref().map_or_else(|| serde_json::json!({"answer": "mock"}), schema::sample);
        return (Content::Text(text::pieces(&value.to_string(), JSON_PIECE)), Finish::Stop);
    }
    let mut pieces = match behaviour.text {
        Text::Sentence => text::sentence(),
        Text::Chunks(count) => text::words(count),
        Text::Stamped(count) => stamp::pieces(count),
        Text::Bytes(total) => text::bytes(total, LONG_PIECE),
        Text::Multibyte => text::multibyte(),
        Text::Echo => text::pieces(&String::from_utf8_lossy(body), LONG_PIECE),
    };
    if let Some(size) = behaviour.big_event {
        let middle = pieces.len() / 2;
        pieces.insert(middle, text::bytes(size, size.max(1)).concat());
    }
    let cut = matches!(behaviour.text, Text::Sentence | Text::Chunks(_) | Text::Stamped(_));
    let limit = ask.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    if cut && limit < pieces.len() {
        pieces.truncate(limit);
        return (Content::Text(pieces), Finish::Length);
    }
    (Content::Text(pieces), Finish::Stop)
}

fn usage(
    ask: &Ask<'_>,
    behaviour: &Behaviour,
    pieces: u64,
    reasoning: Option<Reasoning>,
    tier: Option<&str>,
) -> Usage {
    let reasoned = reasoning.map_or(0, |reasoning| reasoning.tokens);
    let counted = (ask.prompt_bytes as u64 / 4).max(1);
    let (input, output) = behaviour.tokens.unwrap_or((counted, pieces * ask.n as u64 + reasoned));
    let mut usage = Usage { input, output, ..Usage::default() };
    match (ask.endpoint, ask.cache) {
        (Endpoint::Completions | Endpoint::OllamaChat, _) | (_, Cache::None) => {}
        (endpoint, _) if endpoint.embeds() => {}
        (_, Cache::Read) => usage.cache_read = input * 3 / 4,
        (_, Cache::Write5m) => usage.cache_write = input / 2,
        (_, Cache::Write1h) => usage.cache_write_1h = input / 2,
    }
    if matches!(ask.endpoint, Endpoint::ChatCompletions | Endpoint::Responses | Endpoint::GenerateContent) {
        usage.reasoning = reasoned.min(output);
        usage.tier = tier.map(ServiceTier::from_answer).unwrap_or_default();
    }
    if ask.endpoint.embeds() {
        usage.output = 0;
    }
    usage
}
