//! Errors on the wire: ours, in the dialect of the client, and the provider's, in whatever shape they come.

pub mod bedrock;
mod classify;
mod mask;
mod provider;

use bulkhead_model::{Dialect, Endpoint};
use bytes::Bytes;
use serde::Serialize;

pub use classify::{is_bad_key, is_content_policy, is_context_window, is_forbidden_content};
pub use provider::{ProviderError, read_provider_error, read_retry_delay};

/// What an error says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorBody<'a> {
    /// The text for a human.
    pub message: &'a str,
    /// `error.type` in OpenAI's envelope; Anthropic's follows from the status.
    pub kind: &'a str,
    /// The member of the request that is at fault.
    pub param: Option<&'a str>,
    /// `error.code`, a string even where it is a number.
    pub code: &'a str,
    /// The HTTP status, which the error may have to carry without a head.
    pub status: u16,
}

#[derive(Serialize)]
struct OpenAi<'a> {
    error: OpenAiError<'a>,
}

#[derive(Serialize)]
struct OpenAiError<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: &'a str,
}

#[derive(Serialize)]
struct Anthropic<'a> {
    r#type: &'static str,
    error: AnthropicError<'a>,
}

#[derive(Serialize)]
struct AnthropicError<'a> {
    r#type: &'static str,
    message: &'a str,
}

/// The `error` event of the Responses API, flat by OpenAI's published schema.
#[derive(Serialize)]
struct ResponsesEvent<'a> {
    r#type: &'static str,
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
    sequence_number: u64,
}

#[derive(Serialize)]
struct Gemini<'a> {
    error: GeminiError<'a>,
}

#[derive(Serialize)]
struct GeminiError<'a> {
    code: u16,
    message: &'a str,
    status: &'static str,
}

impl<'a> ErrorBody<'a> {
    fn openai(&self) -> OpenAi<'a> {
        let Self { message, kind, param, code, status: _ } = *self;
        OpenAi { error: OpenAiError { message, r#type: kind, param, code } }
    }

    fn anthropic(&self) -> Anthropic<'a> {
        let error = AnthropicError { r#type: anthropic_type(self.status), message: self.message };
        Anthropic { r#type: "error", error }
    }
}

/// `error.type` by status, from Anthropic's published list of errors.
fn anthropic_type(status: u16) -> &'static str {
    match status {
        400 | 405 | 415 | 422 => "invalid_request_error",
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        _ => "api_error",
    }
}

/// `error.status` by HTTP status, from Google's published list of codes.
fn gemini_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        402 | 403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        502 | 503 | 529 => "UNAVAILABLE",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

/// The body of an error answer for a client of Google's, which has the same shape within a stream.
pub(crate) fn render_gemini(error: &ErrorBody<'_>) -> Bytes {
    let ErrorBody { message, status, .. } = *error;
    json(&Gemini { error: GeminiError { code: status, message, status: gemini_status(status) } })
}

/// The body of an error answer.
pub fn render(dialect: Dialect, error: &ErrorBody<'_>) -> Bytes {
    match dialect {
        Dialect::OpenAi => json(&error.openai()),
        Dialect::Anthropic => json(&error.anthropic()),
        Dialect::Gemini => render_gemini(error),
        Dialect::Bedrock => bedrock::render_exception(error),
    }
}

/// The event that ends a stream whose head has been sent. Nothing may follow it: a client must not take the stream
/// for complete. `before` is how many events went out, which clients of responses want to be told.
pub fn render_event(endpoint: Endpoint, error: &ErrorBody<'_>, before: u64) -> Bytes {
    let (name, data) = match endpoint {
        // No client asks at the last three.
        Endpoint::ChatCompletions
        | Endpoint::Completions
        | Endpoint::Embeddings
        | Endpoint::CohereChat
        | Endpoint::OllamaChat
        | Endpoint::CohereEmbed => ("", json(&error.openai())),
        Endpoint::Responses => {
            let ErrorBody { message, code, param, .. } = *error;
            (
                "event: error\n",
                json(&ResponsesEvent { r#type: "error", code, message, param, sequence_number: before }),
            )
        }
        Endpoint::Messages | Endpoint::CountTokens => ("event: error\n", json(&error.anthropic())),
        Endpoint::GenerateContent
        | Endpoint::EmbedContent
        | Endpoint::BatchEmbedContents
        | Endpoint::GeminiCountTokens
        | Endpoint::PredictEmbeddings => ("", render_gemini(error)),
        Endpoint::Converse | Endpoint::InvokeEmbeddings | Endpoint::BedrockCountTokens => {
            return bedrock::render_frame(error);
        }
    };
    [name.as_bytes(), b"data: ", &data, b"\n\n"].concat().into()
}

fn json(value: &impl Serialize) -> Bytes {
    // Strings and options of strings always serialise.
    serde_json::to_vec(value).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: ErrorBody<'_> = ErrorBody {
        message: "no \"luck\"\n",
        kind: "invalid_request_error",
        param: Some("model"),
        code: "400",
        status: 400,
    };

    #[test]
    fn bodies_have_the_shape_of_the_dialect() {
        assert_eq!(
            render(Dialect::OpenAi, &ERROR),
            r#"{"error":{"message":"no \"luck\"\n","type":"invalid_request_error","param":"model","code":"400"}}"#
        );
        assert_eq!(
            render(Dialect::OpenAi, &ErrorBody { param: None, ..ERROR }),
            r#"{"error":{"message":"no \"luck\"\n","type":"invalid_request_error","param":null,"code":"400"}}"#
        );
        assert_eq!(
            render(Dialect::Anthropic, &ErrorBody { status: 529, ..ERROR }),
            r#"{"type":"error","error":{"type":"overloaded_error","message":"no \"luck\"\n"}}"#
        );
    }

    #[test]
    fn anthropics_type_follows_from_the_status() {
        for (status, name) in [
            (400, "invalid_request_error"),
            (401, "authentication_error"),
            (402, "billing_error"),
            (403, "permission_error"),
            (404, "not_found_error"),
            (408, "timeout_error"),
            (413, "request_too_large"),
            (422, "invalid_request_error"),
            (429, "rate_limit_error"),
            (500, "api_error"),
            (502, "api_error"),
            (503, "overloaded_error"),
            (504, "timeout_error"),
        ] {
            assert_eq!(anthropic_type(status), name, "{status}");
        }
    }

    #[test]
    fn googles_status_follows_from_the_status() {
        for (status, name) in [
            (400, "INVALID_ARGUMENT"),
            (401, "UNAUTHENTICATED"),
            (403, "PERMISSION_DENIED"),
            (404, "NOT_FOUND"),
            (413, "INVALID_ARGUMENT"),
            (422, "INVALID_ARGUMENT"),
            (429, "RESOURCE_EXHAUSTED"),
            (500, "INTERNAL"),
            (502, "UNAVAILABLE"),
            (503, "UNAVAILABLE"),
            (504, "DEADLINE_EXCEEDED"),
        ] {
            let body =
                format!(r#"{{"error":{{"code":{status},"message":"no \"luck\"\n","status":"{name}"}}}}"#);
            assert_eq!(render_gemini(&ErrorBody { status, ..ERROR }), body);
        }
    }

    #[test]
    fn events_are_one_frame_each() {
        let openai = r#"data: {"error":{"message":"no \"luck\"\n","type":"invalid_request_error","param":"model","code":"400"}}"#;
        assert_eq!(render_event(Endpoint::ChatCompletions, &ERROR, 3), format!("{openai}\n\n"));
        assert_eq!(
            render_event(Endpoint::Responses, &ERROR, 3),
            "event: error\ndata: {\"type\":\"error\",\"code\":\"400\",\"message\":\"no \\\"luck\\\"\\n\",\"param\":\"model\",\"sequence_number\":3}\n\n"
        );
        assert_eq!(
            render_event(Endpoint::Messages, &ERROR, 3),
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"no \\\"luck\\\"\\n\"}}\n\n"
        );
    }
}
