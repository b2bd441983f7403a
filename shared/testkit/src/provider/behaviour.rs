//! What a model's name makes the mock provider do: the reading of the table in `names.md`.

use std::time::Duration;

/// A parsed model name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Behaviour {
    pub(crate) tokens: Option<(u64, u64)>,
    pub(crate) before_head: Duration,
    pub(crate) before_event: Duration,
    pub(crate) before_content: Duration,
    pub(crate) between_content: Duration,
    pub(crate) text: Text,
    pub(crate) big_event: Option<usize>,
    pub(crate) reasoning: Option<Reasoning>,
    pub(crate) usage: UsageMode,
    pub(crate) crlf: bool,
    pub(crate) comments: bool,
    pub(crate) one_byte_writes: bool,
    pub(crate) tear_characters: bool,
    pub(crate) chunked: bool,
    pub(crate) gzip: bool,
    pub(crate) strict: bool,
    pub(crate) agent: bool,
    pub(crate) bad_json_chunk: bool,
    pub(crate) no_done: bool,
    pub(crate) fault: Option<Fault>,
    pub(crate) instead: Option<Instead>,
    pub(crate) when: When,
    pub(crate) close: Close,
}

/// What the answer's text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Text {
    /// One short sentence.
    #[default]
    Sentence,
    /// So many words.
    Chunks(usize),
    /// So many pieces with their numbers and times.
    Stamped(usize),
    /// So many bytes.
    Bytes(usize),
    /// Words of many-byte characters.
    Multibyte,
    /// The request body.
    Echo,
}

/// Reasoning before the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reasoning {
    pub(crate) tokens: u64,
    /// Chat shows it as `reasoning_content`.
    pub(crate) shown: bool,
}

/// What the answer says about its usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum UsageMode {
    #[default]
    Real,
    Missing,
    Zero,
    /// Anthropic's older form: the final count has output tokens only.
    OutputOnly,
}

/// Something that happens after some pieces of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// Pieces of content that are sent before; `None` is even before the events without content.
    pub(crate) after: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    Reset,
    Close,
    CleanEnd,
    Stall,
    ErrorEvent,
}

/// An answer that is none, or an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instead {
    Hang,
    HalfHead,
    Reset,
    Refuse,
    Empty,
    Html,
    BadJson,
    Status(u16),
    RateLimit(RetryHint),
    ContextWindow,
    ContentPolicy,
    UnknownModel,
    Secret(u16),
}

/// What a 429 says about when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryHint {
    Seconds(u64),
    Date(u64),
    Nothing,
}

/// Which requests get `instead`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum When {
    #[default]
    Always,
    /// The first n of each user.
    First(u64),
    /// Each n-th.
    Every(u64),
    /// Those in even periods of this length.
    Oscillate(Duration),
}

/// What happens to the connection after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Close {
    #[default]
    Never,
    AtOnce,
    AfterIdle(Duration),
}

/// First words that only parts of the table have: what begins so and does not parse is a mistake.
const OURS: [&str; 39] = [
    "agent",
    "ok",
    "slow",
    "chunks",
    "stamped",
    "bytes",
    "big",
    "multibyte",
    "echo",
    "reasoning",
    "zero",
    "old",
    "crlf",
    "comments",
    "one",
    "chunked",
    "gzip",
    "strict",
    "cut",
    "close",
    "clean",
    "stall",
    "error",
    "bad",
    "hang",
    "rst",
    "empty",
    "html",
    "status",
    "fail",
    "every",
    "oscillate",
    "refuse",
    "429",
    "529",
    "no",
    "context",
    "content",
    "secret",
];

impl Behaviour {
    /// Reads a model name.
    pub(crate) fn of(model: &str) -> Self {
        let mut behaviour = Self::default();
        for part in model.split('+') {
            let words: Vec<&str> = part.split('-').collect();
            let known = behaviour
                .shape(&words)
                .or_else(|| behaviour.fault(&words))
                .or_else(|| behaviour.error(&words));
            let ours = words.first().is_some_and(|first| OURS.contains(first));
            if known.is_none() && ours {
                return Self { instead: Some(Instead::UnknownModel), ..Self::default() };
            }
        }
        behaviour
    }

    /// Parts that change how a whole answer looks or how fast it comes.
    fn shape(&mut self, words: &[&str]) -> Option<()> {
        match words {
            ["ok"] => {}
            ["ok", counts] => {
                let (prompt, completion) = counts.split_once('x')?;
                self.tokens = Some((prompt.parse().ok()?, completion.parse().ok()?));
            }
            ["slow", "ttft", ms] => self.before_head = millis(ms)?,
            ["slow", "event", ms] => self.before_event = millis(ms)?,
            ["slow", "token", ms] => self.before_content = millis(ms)?,
            ["slow", "chunk", ms] => self.between_content = millis(ms)?,
            ["chunks", n] => self.text = Text::Chunks(n.parse().ok()?),
            ["stamped", n] => self.text = Text::Stamped(n.parse().ok()?),
            ["bytes", n] => self.text = Text::Bytes(n.parse().ok()?),
            ["big", "event", n] => self.big_event = Some(n.parse().ok()?),
            ["multibyte"] => (self.text, self.tear_characters) = (Text::Multibyte, true),
            ["echo"] => self.text = Text::Echo,
            ["reasoning", n] => self.reasoning = Some(Reasoning { tokens: n.parse().ok()?, shown: false }),
            ["reasoning", "content", n] => {
                self.reasoning = Some(Reasoning { tokens: n.parse().ok()?, shown: true })
            }
            ["no", "usage"] => self.usage = UsageMode::Missing,
            ["zero", "usage"] => self.usage = UsageMode::Zero,
            ["old", "usage"] => self.usage = UsageMode::OutputOnly,
            ["crlf"] => self.crlf = true,
            ["comments"] => self.comments = true,
            ["one", "byte", "writes"] => self.one_byte_writes = true,
            ["chunked"] => self.chunked = true,
            ["gzip"] => self.gzip = true,
            ["strict"] => self.strict = true,
            ["agent"] => self.agent = true,
            ["close", "idle", ms] => self.close = Close::AfterIdle(millis(ms)?),
            ["refuse", "reuse"] => self.close = Close::AtOnce,
            _ => return None,
        }
        Some(())
    }

    /// Parts that end or spoil an answer that began well.
    fn fault(&mut self, words: &[&str]) -> Option<()> {
        let (kind, after) = match words {
            ["cut", "after", k] => (FaultKind::Reset, Some(k.parse().ok()?)),
            ["close", "after", k] => (FaultKind::Close, Some(k.parse().ok()?)),
            ["clean", "end", "after", k] => (FaultKind::CleanEnd, Some(k.parse().ok()?)),
            ["stall", "after", k] => (FaultKind::Stall, Some(k.parse().ok()?)),
            ["error", "after", k] => (FaultKind::ErrorEvent, Some(k.parse().ok()?)),
            ["error", "first", "event"] => (FaultKind::ErrorEvent, None),
            ["hang", "headers"] => (FaultKind::Stall, None),
            ["bad", "json", "chunk"] => {
                self.bad_json_chunk = true;
                return Some(());
            }
            ["no", "done"] => {
                self.no_done = true;
                return Some(());
            }
            _ => return None,
        };
        self.fault = Some(Fault { kind, after });
        Some(())
    }

    /// Parts that replace the answer.
    fn error(&mut self, words: &[&str]) -> Option<()> {
        self.instead = Some(match words {
            ["hang"] => Instead::Hang,
            ["hang", "half", "head"] => Instead::HalfHead,
            ["rst"] => Instead::Reset,
            ["empty", "200"] => Instead::Empty,
            ["html", "200"] => Instead::Html,
            ["bad", "json"] => Instead::BadJson,
            ["429", "retry", "after", "date", n] => Instead::RateLimit(RetryHint::Date(n.parse().ok()?)),
            ["429", "retry", "after", n] => Instead::RateLimit(RetryHint::Seconds(n.parse().ok()?)),
            ["429", "no", "headers"] => Instead::RateLimit(RetryHint::Nothing),
            ["status", code] => status(code)?,
            ["529"] => Instead::Status(529),
            ["context", "window"] => Instead::ContextWindow,
            ["content", "policy"] => Instead::ContentPolicy,
            ["unknown", "model"] => Instead::UnknownModel,
            ["secret", "in", "error", code] => Instead::Secret(error_code(code)?),
            ["fail", n, "then", "ok"] => {
                self.when = When::First(n.parse().ok()?);
                Instead::Status(500)
            }
            ["fail", n, code, "then", "ok"] => {
                self.when = When::First(n.parse().ok()?);
                status(code)?
            }
            ["refuse", "stream", n] => {
                self.when = When::Every(n.parse().ok()?);
                Instead::Refuse
            }
            ["every", n, code] => {
                self.when = When::Every(n.parse().ok()?);
                status(code)?
            }
            ["oscillate", code, ms] => {
                self.when = When::Oscillate(millis(ms)?);
                status(code)?
            }
            _ => return None,
        });
        Some(())
    }
}

fn millis(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}

fn error_code(text: &str) -> Option<u16> {
    text.parse().ok().filter(|code| (300..600).contains(code))
}

fn status(text: &str) -> Option<Instead> {
    Some(match error_code(text)? {
        429 => Instead::RateLimit(RetryHint::Seconds(1)),
        code => Instead::Status(code),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_table_is_understood() {
        let table = include_str!("names.md").lines().filter_map(|line| line.strip_prefix("| `"));
        let mut seen = 0;
        for line in table {
            let names = line.split_once(" |").unwrap().0;
            for name in names.split('`').filter(|name| !name.is_empty() && *name != ", ") {
                let name = name.replace("<code>", "503").replace("<status>", "401");
                let got = Behaviour::of(&name);
                assert!(name == "ok" || got != Behaviour::default(), "{name} does nothing");
                assert!(
                    name == "unknown-model" || got.instead != Some(Instead::UnknownModel),
                    "{name} is not parsed"
                );
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen}");
    }

    #[test]
    fn ordinary_names_are_ordinary_and_parts_add_up() {
        for name in ["gpt-4o", "claude-sonnet-4-5", "text-embedding-3-small", "o1", "meta/llama-3"] {
            assert_eq!(Behaviour::of(name), Behaviour::default(), "{name}");
        }
        let both = Behaviour::of("gpt-4o+chunks-7+cut-after-3");
        assert_eq!(both.text, Text::Chunks(7));
        assert_eq!(both.fault, Some(Fault { kind: FaultKind::Reset, after: Some(3) }));
    }

    #[test]
    fn a_mistyped_name_is_an_unknown_model() {
        for name in ["cut-aftr-5", "ok-1000", "slow-ttft", "status-abc", "status-200", "hang-on", "chunks-x"]
        {
            assert_eq!(Behaviour::of(name).instead, Some(Instead::UnknownModel), "{name}");
        }
    }
}
