//! What a translation has to know besides the body.

use std::collections::{BTreeMap, BTreeSet};

use crate::fit::Members;

/// How a request is written for its upstream. The defaults suit the dialect's own provider.
#[derive(Debug, Clone, Copy)]
pub struct RequestOptions<'a> {
    /// The model's name at the upstream; `None` keeps the client's.
    pub model: Option<&'a str>,
    /// The name by which the model is known, where its name at the upstream does not tell.
    pub base_model: Option<&'a str>,
    /// Whether the client wants a stream, where its dialect says that in the path.
    pub stream: Option<bool>,
    /// `max_tokens` where the client names none and the dialect requires it.
    pub max_tokens: u64,
    /// How the model is told to reason.
    pub reasoning: ReasoningStyle,
    /// The model takes a JSON schema for its output; otherwise a forced tool brings it.
    pub output_schema: bool,
    /// The upstream knows `cache_control` although its dialect does not.
    pub cache_control: bool,
    /// The upstream's chat knows the role `developer`; another one is told the same as `system`.
    pub developer: bool,
    /// The upstream wants earlier reasoning back as `reasoning_content`.
    pub reasoning_content: bool,
    /// The limit of output is `max_completion_tokens`, not `max_tokens`.
    pub max_completion_tokens: bool,
    /// What the model makes of members of chat.
    pub members: Members,
    /// Ask for the usage of a stream.
    pub stream_usage: bool,
    /// Google's models are asked at the Gemini API, which takes ids of calls and counts whole requests; Vertex does
    /// neither.
    pub gemini_api: bool,
}

impl Default for RequestOptions<'_> {
    fn default() -> Self {
        Self {
            model: None,
            base_model: None,
            stream: None,
            max_tokens: 4096,
            reasoning: ReasoningStyle::Fixed,
            output_schema: true,
            developer: true,
            cache_control: false,
            reasoning_content: false,
            max_completion_tokens: false,
            members: Members::default(),
            stream_usage: true,
            gemini_api: true,
        }
    }
}

/// How a model is told to reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasoningStyle {
    /// It cannot be told.
    None,
    /// By the dialect's first way: an effort in chat, a budget of tokens in messages and Gemini.
    Fixed,
    /// In messages by `thinking: adaptive` and an effort; in Gemini by a level, as from Gemini 3 on, which also wants
    /// its signatures back; in chat as [`ReasoningStyle::Fixed`].
    Adaptive,
}

/// What the translation of an answer has to know of its request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The output comes as the input of a forced tool and goes out as text.
    pub output_tool: bool,
    /// The client asked for the usage of a stream.
    pub include_usage: bool,
    /// Tools that the client finds by two names.
    pub namespaced: Vec<Namespaced>,
    /// Tools that the client calls with plain text, and the provider with an object that holds it.
    pub plain_tools: BTreeSet<String>,
    /// Names of tools as the client has them, by what the provider calls them.
    pub renamed: BTreeMap<String, String>,
}

/// A tool in one of responses' namespaces. Other dialects have one name for a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespaced {
    /// The namespace.
    pub namespace: String,
    /// The tool's name there.
    pub name: String,
}

impl Namespaced {
    /// The name that it has elsewhere.
    pub(super) fn whole_name(&self) -> String {
        format!("{}__{}", self.namespace, self.name)
    }
}

/// How an answer is written for its client.
#[derive(Debug, Clone, Default)]
pub struct AnswerOptions {
    /// The model's name that the client shall see; `None` leaves the provider's.
    pub shown_model: Option<String>,
    /// The answer's id where the upstream gives none.
    pub id: String,
    /// Seconds since 1970, for a dialect that tells the time where the upstream's does not.
    pub created: u64,
    /// From the request.
    pub plan: Plan,
    /// The longest event of a stream in bytes, its blank line included.
    pub max_event: usize,
    /// Tokens of the input, where the provider tells them beside the answer.
    pub input_tokens: Option<u64>,
    /// A stream of Gemini goes out as one JSON array, as it does without `alt=sse`.
    pub json_array: bool,
}
