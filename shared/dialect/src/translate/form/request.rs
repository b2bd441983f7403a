//! A request.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::super::Namespaced;
use super::{Knob, Setting};

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// The model's name.
    pub model: Option<Cow<'a, str>>,
    /// The conversation, system prompts included, in the client's order.
    pub turns: Vec<Turn<'a>>,
    /// What the model may call.
    pub tools: Vec<Tool<'a>>,
    /// Those of them that the client finds by two names.
    pub namespaced: Vec<Namespaced>,
    /// Those of them that take plain text, which is a member of their arguments here.
    pub plain_tools: BTreeSet<String>,
    /// What it shall call.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether it may call several at once.
    pub parallel_tools: Option<bool>,
    /// What form the output has.
    pub output: Option<Output<'a>>,
    /// How much it shall think, and the member that said so.
    pub reasoning: Option<(Reasoning, &'static str)>,
    /// The client asks to see the thoughts.
    pub shows_thoughts: bool,
    /// Texts that end the answer.
    pub stop: Vec<Cow<'a, str>>,
    /// Everything that is one value.
    pub settings: Vec<Setting<'a>>,
    /// Who the end user is.
    pub user: Option<Cow<'a, str>>,
    /// The service tier by its name in the client's dialect.
    pub tier: Option<Cow<'a, str>>,
    /// Cache up to the last block that can be.
    pub cache: Option<Cache>,
    /// Answer with a stream.
    pub stream: Option<bool>,
    /// The client wants the usage of a stream.
    pub include_usage: bool,
}

impl<'a> Request<'a> {
    /// The setting of a knob.
    pub(in super::super) fn setting(&self, knob: Knob) -> Option<&Setting<'a>> {
        self.settings.iter().find(|setting| setting.knob == knob)
    }

    /// Clients may give two names of one knob, or one of them twice; no member may stand twice.
    pub(in super::super) fn keep_last_settings(&mut self) {
        let mut kept: Vec<Setting<'a>> = Vec::new();
        for setting in self.settings.drain(..).rev() {
            let is_same = |later: &Setting<'a>| {
                later.knob == setting.knob && (setting.knob != Knob::Native || later.name == setting.name)
            };
            if !kept.iter().any(is_same) {
                kept.push(setting);
            }
        }
        kept.reverse();
        self.settings = kept;
    }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The operator.
    System,
    /// The operator, by OpenAI's newer name.
    Developer,
    /// The user, and the tools.
    User,
    /// The model.
    Assistant,
}

/// What one speaks at once.
#[derive(Debug, Clone)]
pub struct Turn<'a> {
    /// Who speaks.
    pub role: Role,
    /// Its number in the client's list.
    pub at: usize,
    /// What is said, in order.
    pub parts: Vec<Part<'a>>,
}

/// A block, and whether the prompt up to it shall be cached.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// The block.
    pub block: Block<'a>,
    /// Cache up to here.
    pub cache: Option<Cache>,
}

impl<'a> From<Block<'a>> for Part<'a> {
    fn from(block: Block<'a>) -> Self {
        Self { block, cache: None }
    }
}

/// How long a prompt is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// As long as the provider does by itself.
    Default,
    /// Five minutes.
    FiveMinutes,
    /// An hour.
    Hour,
}

/// A piece of a turn.
#[derive(Debug, Clone)]
pub enum Block<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// An image.
    Image {
        /// Where it is.
        source: Source<'a>,
        /// How closely to look.
        detail: Option<Cow<'a, str>>,
    },
    /// A document.
    File {
        /// Where it is.
        source: Source<'a>,
        /// Its name.
        name: Option<Cow<'a, str>>,
    },
    /// Sound.
    Audio {
        /// Base64.
        data: Cow<'a, str>,
        /// `wav`, `mp3`.
        format: Cow<'a, str>,
    },
    /// What the model called.
    ToolCall {
        /// Ties the result to it.
        id: Cow<'a, str>,
        /// The tool's name.
        name: Cow<'a, str>,
        /// JSON text, as it was written.
        arguments: Cow<'a, str>,
    },
    /// What came of it.
    ToolResult {
        /// The call's id.
        id: Cow<'a, str>,
        /// Text, images, documents.
        content: Vec<Part<'a>>,
        /// It failed.
        is_error: bool,
    },
    /// What the model thought.
    Thinking {
        /// The thoughts.
        text: Cow<'a, str>,
        /// The provider's proof that they are its own.
        signature: Option<Cow<'a, str>>,
    },
    /// What the model thought, unreadable.
    RedactedThinking(Cow<'a, str>),
    /// The signature of the text or the call that comes next: Gemini signs what its thoughts led to.
    ThoughtSignature(Cow<'a, str>),
    /// The model refused, in these words.
    Refusal(Cow<'a, str>),
}

impl Block<'_> {
    /// What writers call it where it is lost; clients are told their own word for it.
    pub(in super::super) fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Image { .. } => "image_url",
            Self::File { .. } => "file",
            Self::Audio { .. } => "input_audio",
            Self::ToolCall { .. } => "tool_calls",
            Self::ToolResult { .. } => "tool",
            Self::Thinking { .. } => "thinking",
            Self::RedactedThinking(_) => "redacted_thinking",
            Self::ThoughtSignature(_) => "thought_signature",
            Self::Refusal(_) => "refusal",
        }
    }
}

/// Where an image or a document is.
#[derive(Debug, Clone)]
pub enum Source<'a> {
    /// Here, in base64.
    Base64 {
        /// `image/png`.
        media_type: Cow<'a, str>,
        /// The bytes.
        data: Cow<'a, str>,
    },
    /// Elsewhere.
    Url(Cow<'a, str>),
    /// Uploaded to the provider.
    FileId(Cow<'a, str>),
    /// Here, as plain text.
    Text(Cow<'a, str>),
}

impl Source<'_> {
    /// True for what was uploaded to Google, which names it by a URI.
    pub fn is_uri(&self) -> bool {
        matches!(self, Self::FileId(id) if id.contains("://"))
    }
}

/// What the model may call.
#[derive(Debug, Clone, Default)]
pub struct Tool<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// What it does.
    pub description: Option<Cow<'a, str>>,
    /// The JSON schema of its arguments.
    pub parameters: Option<&'a [u8]>,
    /// The arguments follow the schema to the letter.
    pub strict: Option<bool>,
    /// Cache up to here.
    pub cache: Option<Cache>,
}

/// What the model shall call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// What it likes.
    Auto,
    /// Nothing.
    None,
    /// Anything.
    Required,
    /// This tool.
    Tool(Cow<'a, str>),
}

/// What form the output has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output<'a> {
    /// Any JSON object.
    Json,
    /// JSON by a schema.
    Schema {
        /// The schema's name.
        name: Option<Cow<'a, str>>,
        /// What it is for.
        description: Option<Cow<'a, str>>,
        /// The JSON schema.
        schema: Option<&'a [u8]>,
        /// To the letter.
        strict: Option<bool>,
    },
}

/// How much the model shall think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reasoning {
    /// Not at all.
    Off,
    /// As much as this says.
    Effort(Effort),
    /// Up to so many tokens.
    Budget(u64),
    /// As the model sees fit.
    Adaptive(Option<Effort>),
}

/// An effort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Hardly any.
    Minimal,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More.
    Xhigh,
    /// All there is.
    Max,
}

impl Effort {
    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" => Self::Xhigh,
            "max" => Self::Max,
            _ => return None,
        })
    }

    /// LiteLLM's budget for this effort, in tokens; Anthropic takes none below 1,024.
    pub fn budget(self) -> u64 {
        match self {
            Self::Minimal | Self::Low => 1024,
            Self::Medium => 2048,
            Self::High => 4096,
            Self::Xhigh => 8192,
            Self::Max => 16384,
        }
    }

    /// LiteLLM's effort for a budget.
    pub fn of_budget(tokens: u64) -> Self {
        match tokens {
            10_000.. => Self::High,
            5_000.. => Self::Medium,
            2_000.. => Self::Low,
            _ => Self::Minimal,
        }
    }
}
