//! The response itself, which the first events and the last ones show, and its ids.

use bulkhead_model::Usage;
use bulkhead_model::usage::ServiceTier;

use super::super::AnswerOptions;
use super::super::form::{Finish, Start};
use super::super::write::Fields;
use crate::relay::StreamFailure;

/// What the id of a response begins with.
const PREFIX: &str = "resp_";

/// Longest part of an id that comes from the provider, so that ids of items stay below OpenAI's 64.
const LONGEST_ID: usize = 48;

/// What a response begins with.
#[derive(Default)]
pub(super) struct Head {
    /// The id without its prefix.
    pub(super) id: String,
    model: String,
    created: u64,
}

/// How far a response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status<'a> {
    InProgress,
    Completed,
    /// Why.
    Incomplete(&'static str),
    Failed(&'a StreamFailure),
}

impl Status<'_> {
    pub(super) fn of(finish: Option<Finish>, has_refusal: bool) -> Self {
        match finish {
            Some(Finish::Length) => Self::Incomplete("max_output_tokens"),
            // The model's own words say it.
            Some(Finish::Refused) if !has_refusal => Self::Incomplete("content_filter"),
            _ => Self::Completed,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed(_) => "failed",
        }
    }
}

impl Head {
    pub(super) fn new(start: &Start<'_>, options: &AnswerOptions) -> Self {
        let shown = options.shown_model.as_deref().or(start.model.as_deref());
        let id = start.id.as_deref().unwrap_or(&options.id);
        let id = id.strip_prefix(PREFIX).unwrap_or(id);
        let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        Self {
            id: id.chars().filter(is_plain).take(LONGEST_ID).collect(),
            model: shown.unwrap_or_default().to_owned(),
            created: start.created.unwrap_or(options.created),
        }
    }

    /// Writes the response. OpenAI's members for what the client asked for are there, but only it knows them.
    pub(super) fn write(
        &self,
        status: Status<'_>,
        output: &[u8],
        usage: Option<&Usage>,
        body: &mut Fields<'_>,
    ) {
        body.text("id", &format!("{PREFIX}{}", self.id));
        body.text("object", "response");
        body.number("created_at", self.created);
        body.text("status", status.name());
        match status {
            Status::Failed(failure) => body.object("error", |error| {
                error.text("code", error_code(failure));
                error.text("message", &failure.message);
            }),
            _ => body.raw("error", b"null"),
        }
        match status {
            Status::Incomplete(reason) => {
                body.object("incomplete_details", |details| details.text("reason", reason));
            }
            _ => body.raw("incomplete_details", b"null"),
        }
        body.raw("instructions", b"null");
        body.raw("metadata", b"{}");
        body.text("model", &self.model);
        let list = body.value("output");
        list.extend_from_slice(b"[");
        list.extend_from_slice(output);
        list.extend_from_slice(b"]");
        body.flag("parallel_tool_calls", true);
        body.raw("temperature", b"null");
        body.text("tool_choice", "auto");
        body.raw("tools", b"[]");
        body.raw("top_p", b"null");
        if let Some(usage) = usage {
            write_usage(usage, body);
        }
    }
}

/// Clients tell by the code whether to try again.
pub(super) fn error_code(failure: &StreamFailure) -> &str {
    let said =
        failure.code.as_deref().filter(|code| code.starts_with(|letter: char| letter.is_ascii_alphabetic()));
    said.unwrap_or(match failure.status {
        Some(429) => "rate_limit_exceeded",
        Some(400..429) => "invalid_prompt",
        _ => "server_error",
    })
}

fn write_usage(usage: &Usage, body: &mut Fields<'_>) {
    body.object("usage", |fields| {
        fields.number("input_tokens", usage.input);
        fields.object("input_tokens_details", |details| {
            details.number("cached_tokens", usage.cache_read);
            details.number("cache_write_tokens", usage.cache_write.saturating_add(usage.cache_write_1h));
        });
        fields.number("output_tokens", usage.output);
        fields.object("output_tokens_details", |details| details.number("reasoning_tokens", usage.reasoning));
        fields.number("total_tokens", usage.input.saturating_add(usage.output));
    });
    match usage.tier {
        ServiceTier::Standard | ServiceTier::Batch => {}
        tier @ (ServiceTier::Priority | ServiceTier::Flex) => body.text("service_tier", tier.label()),
    }
}
