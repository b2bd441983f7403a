//! An error that a provider reports within a stream.

use crate::error::bedrock::exception_status;
use crate::error::{ProviderError, read_provider_error};
use crate::frames::FrameError;
use crate::json::view::{find, part, whole_number};

/// What an error event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFailure {
    /// The HTTP status that the provider would have answered with, where the event says it or its type implies it.
    pub status: Option<u16>,
    /// `error.type`.
    pub kind: Option<String>,
    /// `error.code`, as text where it is a number.
    pub code: Option<String>,
    /// The text for a human, at most 4 KiB, key-like strings masked.
    pub message: String,
}

impl StreamFailure {
    /// Reads the data of an error event, or the object within it that has the `error`.
    pub(crate) fn read(data: &[u8]) -> Self {
        let ProviderError { message, kind, code, param: _ } = read_provider_error(data);
        // The type of the event itself, where the error has none of its own.
        let kind = kind.filter(|kind| kind != "error");
        let status = said_status(data)
            .or_else(|| code.as_deref().and_then(status_of_name))
            .or_else(|| kind.as_deref().and_then(status_of_name));
        Self { status, kind, code, message }
    }

    /// Reads an exception of a stream of Bedrock's; the model's own status counts where it is said.
    pub(crate) fn exception(name: &str, data: &[u8]) -> Self {
        let own = find(data, "originalStatusCode").and_then(|range| status(part(data, range)));
        let message = read_provider_error(data).message;
        Self {
            status: own.or_else(|| exception_status(name)),
            kind: Some(name.to_owned()),
            code: None,
            message,
        }
    }

    /// Of a stream that is not what its checksums say.
    pub(crate) fn damaged(error: &FrameError) -> Self {
        Self { status: Some(502), kind: Some("api_error".to_owned()), code: None, message: error.to_string() }
    }

    /// Of a provider whose answer has no place in the client's dialect, in which blocks follow each other.
    pub(crate) fn interleaved() -> Self {
        Self {
            status: Some(502),
            kind: Some("api_error".to_owned()),
            code: None,
            message: "the provider went back to a tool call that was over".to_owned(),
        }
    }

    /// True when the provider's rate limit is the reason.
    pub fn is_rate_limited(&self) -> bool {
        self.status == Some(429)
    }

    /// True when the provider has too much to do.
    pub fn is_overloaded(&self) -> bool {
        matches!(self.status, Some(503 | 529))
    }
}

fn said_status(data: &[u8]) -> Option<u16> {
    let nested = find(data, "error").map(|range| part(data, range));
    // A status may stand beside an error that is a text.
    let error = nested.filter(|error| error.starts_with(b"{")).unwrap_or(data);
    ["status_code", "code", "status"].iter().find_map(|name| {
        let value = part(error, find(error, name)?);
        status(crate::json::view::inner_text(value).unwrap_or(value))
    })
}

fn status(digits: &[u8]) -> Option<u16> {
    let status = u16::try_from(whole_number(digits)?).ok()?;
    (400..600).contains(&status).then_some(status)
}

/// The status that goes with a type or code, from the lists that OpenAI and Anthropic publish.
fn status_of_name(name: &str) -> Option<u16> {
    let status = match name {
        "invalid_request_error" | "context_length_exceeded" | "invalid_prompt" => 400,
        "authentication_error" | "invalid_api_key" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" | "model_not_found" => 404,
        "request_too_large" => 413,
        "rate_limit_error" | "rate_limit_exceeded" | "insufficient_quota" | "requests" | "tokens" => 429,
        "api_error" | "server_error" | "internal_server_error" => 500,
        "timeout_error" => 504,
        "overloaded_error" | "engine_overloaded_error" => 529,
        _ => return None,
    };
    Some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_said_or_implied() {
        for (data, status) in [
            (r#"{"error":{"message":"m","code":502}}"#, Some(502)),
            (r#"{"error":{"message":"m","code":"429"}}"#, Some(429)),
            (r#"{"error":{"message":"m","code":"tool_use_failed","status_code":400}}"#, Some(400)),
            (r#"{"error":{"message":"m","code":"rate_limit_exceeded"}}"#, Some(429)),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#, Some(529)),
            (r#"{"error":{"message":"m","code":1302}}"#, None),
            (r#"{"type":"error","code":null,"message":"m"}"#, None),
            (r#"{"error":"m"}"#, None),
            (r#"{"error":"m","status":502}"#, Some(502)),
        ] {
            let failure = StreamFailure::read(data.as_bytes());
            assert_eq!((failure.status, failure.message.as_str()), (status, "m"), "{data}");
            assert_eq!(failure.is_rate_limited(), status == Some(429));
            assert_eq!(failure.is_overloaded(), matches!(status, Some(503 | 529)));
        }
    }

    #[test]
    fn an_exception_has_the_status_of_its_name_or_of_the_model() {
        let failure = StreamFailure::exception("throttlingException", br#"{"message":"m"}"#);
        assert_eq!((failure.status, failure.kind.as_deref()), (Some(429), Some("throttlingException")));
        let data = br#"{"message":"m","originalStatusCode":503,"originalMessage":"o"}"#;
        assert_eq!(StreamFailure::exception("modelStreamErrorException", data).status, Some(503));
    }

    #[test]
    fn the_events_own_type_is_not_the_errors() {
        let failure = StreamFailure::read(br#"{"type":"error","code":"server_error","message":"m"}"#);
        assert_eq!((failure.kind, failure.status), (None, Some(500)));
    }
}
