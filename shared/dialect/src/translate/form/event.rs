//! The events of an answer. One that comes in one piece is read into the same events as a stream, only fewer.

use std::borrow::Cow;
use std::ops::Range;

use bulkhead_model::Usage;

use crate::relay::StreamFailure;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// The answer begins. Comes first, and once.
    Start(Start<'a>),
    /// More of one choice.
    More {
        /// The choice's number.
        choice: u32,
        /// What it is.
        delta: Delta<'a>,
    },
    /// What comes next is another block than what came before, even of the same kind.
    BlockEnd,
    /// A choice is finished.
    Finish {
        /// The choice's number.
        choice: u32,
        /// Why.
        reason: Finish,
        /// The text that ended it.
        stop_sequence: Option<Cow<'a, str>>,
    },
    /// What was used up to now.
    Usage(Usage),
    /// The provider failed. Nothing follows.
    Failed(StreamFailure),
    /// The answer is over. Nothing follows.
    End,
}

/// What an answer begins with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start<'a> {
    /// The provider's id of the answer.
    pub id: Option<Cow<'a, str>>,
    /// The provider's name of the model.
    pub model: Option<Cow<'a, str>>,
    /// Seconds since 1970.
    pub created: Option<u64>,
}

/// More of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// A refusal's words.
    Refusal(Cow<'a, str>),
    /// Thoughts.
    Thinking(Cow<'a, str>),
    /// The signature of the thoughts before it.
    Signature(Cow<'a, str>),
    /// The signature of what the thoughts led to: of the call that comes next, or of the text before it.
    ThoughtSignature(Cow<'a, str>),
    /// Thoughts that nobody can read.
    RedactedThinking(Cow<'a, str>),
    /// A call of a tool begins.
    Tool {
        /// The call's number in its choice.
        call: u32,
        /// Its id, where the provider gives one.
        id: Cow<'a, str>,
        /// The tool's name.
        name: Cow<'a, str>,
    },
    /// More of a call's arguments.
    Arguments {
        /// The call's number.
        call: u32,
        /// JSON text.
        text: Cow<'a, str>,
    },
    /// Where the text around it comes from.
    Citation(Citation<'a>),
    /// Probabilities, as OpenAI has them.
    Logprobs(&'a [u8]),
    /// Spoken output, as OpenAI has it.
    Audio(&'a [u8]),
    /// A picture.
    Image {
        /// `image/png`.
        media_type: Cow<'a, str>,
        /// Base64.
        data: Cow<'a, str>,
    },
}

impl Delta<'_> {
    /// Bytes of text, reasoning and arguments. For estimates.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(text)
            | Self::Refusal(text)
            | Self::Thinking(text)
            | Self::RedactedThinking(text)
            | Self::Arguments { text, .. } => text.len(),
            Self::Tool { name, .. } => name.len(),
            Self::Audio(value) => value.len(),
            Self::Image { data, .. } => data.len(),
            Self::Signature(_) | Self::ThoughtSignature(_) | Self::Citation(_) | Self::Logprobs(_) => 0,
        }
    }
}

/// Where a text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Citation<'a> {
    /// A page on the web.
    Url {
        /// Its address.
        url: Cow<'a, str>,
        /// Its title.
        title: Option<Cow<'a, str>>,
        /// The words that are cited.
        cited: Option<Cow<'a, str>>,
        /// Where in the text of the open block what it stands for is, in characters; the whole block where nobody says.
        span: Option<Range<u64>>,
    },
    /// A place in a document of the request, as Anthropic has it.
    Place(&'a [u8]),
}

/// Why a choice is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model had nothing to add.
    Stop,
    /// A stop sequence.
    StopSequence,
    /// The limit of output, or of the context.
    Length,
    /// Tools are to be called.
    Tools,
    /// The provider or the model refused.
    Refused,
    /// The provider paused; the client is to go on.
    Pause,
}
