//! Everything of a request of messages that is neither conversation nor tools.

use super::super::form::{Block, Effort, Knob, Output, Reasoning, Request, Role, Setting};
use super::super::loss::Losses;
use super::super::seal::is_foreign;
use super::super::write::{self, Fields};
use super::super::{Dialect, ReasoningStyle, RequestOptions};
use super::cache::write_cache;
use super::request_writer::write_format;
use crate::json::view::whole_number;

/// The smallest budget that Anthropic takes.
const LEAST_BUDGET: u64 = 1024;
/// What LiteLLM leaves for the answer beside thoughts.
const ROOM: u64 = 4096;

/// Writes the options, the limit of output first.
pub(super) fn write_options(
    request: &Request<'_>,
    thinking: &Thinking,
    options: &RequestOptions<'_>,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) {
    match limit(request) {
        Some(limit) => body.raw("max_tokens", limit),
        None => body.number("max_tokens", thinking.limit(options).unwrap_or(options.max_tokens)),
    }
    for setting in &request.settings {
        match setting.knob.name_in(Dialect::Messages) {
            _ if matches!(setting.knob, Knob::MaxTokens | Knob::WebSearch) => {}
            // Models from Opus 4.1 on refuse the two together, and 1 is what happens anyhow.
            Some("temperature") if is_one(setting) && request.setting(Knob::TopP).is_some() => {}
            Some(_) if !thinking.allows(setting) && setting.is_idle() => {}
            Some(_) if !thinking.allows(setting) => losses.asked(&setting.name, ""),
            Some(name) => body.raw(name, setting.value),
            None if setting.is_idle() => {}
            None => losses.asked(&setting.name, ""),
        }
    }
    write_stops(request, body, losses);
    thinking.write(body);
    if thinking.effort().is_some() || (options.output_schema && has_schema(request)) {
        body.object("output_config", |config| {
            if let Some(effort) = thinking.effort() {
                config.text("effort", effort);
            }
            write_format(request, options, config, losses);
        });
    }
    if let Some(user) = &request.user {
        body.object("metadata", |metadata| metadata.text("user_id", user));
    }
    write_tier(request, body, losses);
    if let Some(cache) = request.cache {
        write_cache(body, cache);
    }
    if let Some(stream) = request.stream {
        body.flag("stream", stream);
    }
}

fn number(setting: &Setting<'_>) -> Option<f64> {
    serde_json::from_slice(setting.value).ok()
}

fn is_one(setting: &Setting<'_>) -> bool {
    number(setting) == Some(1.0)
}

fn has_schema(request: &Request<'_>) -> bool {
    matches!(request.output, Some(Output::Schema { schema: Some(_), .. }))
}

fn limit<'a>(request: &Request<'a>) -> Option<&'a [u8]> {
    request.setting(Knob::MaxTokens).map(|setting| setting.value)
}

/// Anthropic takes no stop sequence of nothing but white space.
fn write_stops(request: &Request<'_>, body: &mut Fields<'_>, losses: &mut Losses) {
    let (stops, blank): (Vec<_>, Vec<_>) = request.stop.iter().partition(|stop| !stop.trim().is_empty());
    if !blank.is_empty() {
        losses.asked("stop", "");
    }
    if !stops.is_empty() {
        body.array("stop_sequences", |items| stops.iter().for_each(|stop| items.text(stop)));
    }
}

fn write_tier(request: &Request<'_>, body: &mut Fields<'_>, losses: &mut Losses) {
    match request.tier.as_deref() {
        None => {}
        Some("auto") => body.text("service_tier", "auto"),
        Some("default" | "standard_only") => body.text("service_tier", "standard_only"),
        Some(_) => losses.asked("service_tier", ""),
    }
}

/// How the model is told to think.
pub(crate) enum Thinking {
    None,
    Budget(u64),
    Adaptive(Option<&'static str>),
}

impl Thinking {
    pub(crate) fn decide(request: &Request<'_>, options: &RequestOptions<'_>, losses: &mut Losses) -> Self {
        let Some((reasoning, name)) = request.reasoning else { return Self::None };
        let budget = match reasoning {
            Reasoning::Off => return Self::None,
            Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort)) => effort.budget(),
            Reasoning::Adaptive(None) => Effort::Medium.budget(),
            Reasoning::Budget(tokens) => tokens,
        };
        match options.reasoning {
            ReasoningStyle::None => {
                losses.asked(name, "");
                Self::None
            }
            ReasoningStyle::Adaptive => Self::Adaptive(match reasoning {
                Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort)) => Some(effort_name(effort)),
                Reasoning::Budget(tokens) => Some(effort_name(Effort::of_budget(tokens))),
                Reasoning::Adaptive(None) | Reasoning::Off => None,
            }),
            // Anthropic refuses thoughts in the middle of a round of tools that began without.
            ReasoningStyle::Fixed if is_amid_tools(request) => {
                losses.aside(name, "");
                Self::None
            }
            ReasoningStyle::Fixed => match limit(request).and_then(whole_number) {
                Some(limit) if limit <= LEAST_BUDGET => {
                    losses.asked(name, "");
                    Self::None
                }
                Some(limit) => Self::Budget(budget.min(limit - 1).max(LEAST_BUDGET)),
                None => Self::Budget(budget.max(LEAST_BUDGET)),
            },
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// A model that thinks samples as Anthropic likes.
    pub(crate) fn allows(&self, setting: &Setting<'_>) -> bool {
        match setting.knob {
            _ if !self.is_on() => true,
            Knob::Temperature => is_one(setting),
            Knob::TopP => number(setting).is_some_and(|value| value >= 0.95),
            Knob::TopK => false,
            _ => true,
        }
    }

    /// The limit of output where nobody names one: thoughts count as output, and a model refuses more than it has.
    pub(crate) fn limit(&self, options: &RequestOptions<'_>) -> Option<u64> {
        let Self::Budget(tokens) = self else { return None };
        let limit = tokens.saturating_add(ROOM);
        // A model that is not known has the default, which is no limit of its own.
        let knows_limit = options.max_tokens > ROOM.max(*tokens);
        Some(if knows_limit { limit.min(options.max_tokens) } else { limit })
    }

    pub(crate) fn effort(&self) -> Option<&'static str> {
        if let Self::Adaptive(effort) = self { *effort } else { None }
    }

    /// Writes the member `thinking`.
    pub(crate) fn write(&self, body: &mut Fields<'_>) {
        match self {
            Self::None => {}
            Self::Budget(tokens) => write::object(body.value("thinking"), |thinking| {
                thinking.text("type", "enabled");
                thinking.number("budget_tokens", *tokens);
            }),
            Self::Adaptive(_) => {
                write::object(body.value("thinking"), |thinking| thinking.text("type", "adaptive"));
            }
        }
    }
}

/// Anthropic has nothing below `low`.
fn effort_name(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Xhigh => "xhigh",
        Effort::Max => "max",
    }
}

/// True when the model's last turn called tools without the thoughts that led to it.
fn is_amid_tools(request: &Request<'_>) -> bool {
    let last = request.turns.iter().rev().find(|turn| turn.role == Role::Assistant);
    last.is_some_and(|turn| {
        let has = |wanted: fn(&Block<'_>) -> bool| turn.parts.iter().any(|part| wanted(&part.block));
        let thought = |block: &Block<'_>| match block {
            Block::Thinking { signature: Some(signature), .. } => !is_foreign(signature),
            block => matches!(block, Block::RedactedThinking(_)),
        };
        has(|block| matches!(block, Block::ToolCall { .. })) && !has(thought)
    })
}
