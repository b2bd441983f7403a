//! Bedrock's errors: a message in the body, and what it is in the head `x-amzn-errortype` or in a frame.

use bytes::{Bytes, BytesMut};
use serde::Serialize;

use super::{ErrorBody, json};
use crate::frames;

/// The head that names the error.
pub const ERROR_TYPE: &str = "x-amzn-errortype";

#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
}

/// The body of an error answer, which goes with [`exception_name`] in [`ERROR_TYPE`].
pub fn render_exception(error: &ErrorBody<'_>) -> Bytes {
    json(&Body { message: error.message })
}

/// The frame that ends a stream whose head has been sent.
pub(crate) fn render_frame(error: &ErrorBody<'_>) -> Bytes {
    let mut frame = BytesMut::new();
    frames::write_exception(stream_exception(error.status), render_exception(error), &mut frame);
    frame.freeze()
}

/// The error for a status, from AWS's published model of the service.
pub fn exception_name(status: u16) -> &'static str {
    match status {
        401 | 403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 | 504 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 | 529 => "ServiceUnavailableException",
        400..500 => "ValidationException",
        _ => "InternalServerException",
    }
}

/// The exception within a stream for a status; there are fewer.
pub(crate) fn stream_exception(status: u16) -> &'static str {
    match status {
        424 => "modelStreamErrorException",
        429 => "throttlingException",
        503 | 529 => "serviceUnavailableException",
        // A timeout is no fault of the request.
        408 => "internalServerException",
        400..500 => "validationException",
        _ => "internalServerException",
    }
}

/// The name of an error in the value of [`ERROR_TYPE`] or in `__type`, both of which may have addresses around it.
pub fn exception_in(value: &str) -> &str {
    let name = value.split_once(':').map_or(value, |(name, _)| name);
    name.rsplit_once('#').map_or(name, |(_, name)| name).trim()
}

/// The status of an error by its name, whose first letter is small within a stream.
pub fn exception_status(name: &str) -> Option<u16> {
    let kind = name.strip_suffix("Exception")?;
    Some(match kind {
        "Validation" | "validation" | "ServiceQuotaExceeded" => 400,
        "AccessDenied" | "UnrecognizedClient" | "ExpiredToken" | "IncompleteSignature" => 403,
        "ResourceNotFound" => 404,
        "ModelTimeout" | "modelTimeout" => 408,
        "ModelError" | "modelStreamError" | "ModelStreamError" => 424,
        "Throttling" | "throttling" | "ModelNotReady" => 429,
        "InternalServer" | "internalServer" => 500,
        "ServiceUnavailable" | "serviceUnavailable" => 503,
        _ => return None,
    })
}

/// True where AWS refuses a request for its time, by the name of the error and its words: those that AWS's own SDKs
/// take for it.
pub fn blames_time(error: &str, message: &str) -> bool {
    let says = |words: &str| message.contains(words);
    match exception_in(error) {
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => true,
        "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            says("Signature expired") || says("Signature not yet current")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_statuses_go_together() {
        for status in [400, 403, 404, 408, 424, 429, 500, 503] {
            assert_eq!(exception_status(exception_name(status)), Some(status));
        }
        for status in [400, 424, 429, 500, 503] {
            assert_eq!(exception_status(stream_exception(status)), Some(status));
        }
        assert_eq!(
            (exception_name(529), exception_name(422)),
            ("ServiceUnavailableException", "ValidationException")
        );
        assert_eq!(exception_status("unknown"), None);
    }

    #[test]
    fn addresses_around_a_name_are_left_out() {
        for value in [
            "ValidationException",
            "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/",
            "com.amazon.coral.service#ValidationException",
        ] {
            assert_eq!(exception_in(value), "ValidationException");
        }
    }

    #[test]
    fn a_body_has_a_message() {
        let error = ErrorBody { message: "no \"luck\"", kind: "k", param: None, code: "400", status: 400 };
        assert_eq!(render_exception(&error), r#"{"message":"no \"luck\""}"#);
    }

    #[test]
    fn only_what_aws_says_of_the_time_is_about_it() {
        let expired = "Signature expired: 20260101T000000Z is now earlier than 20260101T010000Z (20260101T010500Z - 5 min.)";
        let early = "Signature not yet current: 20260101T010000Z is still later than 20260101T000500Z";
        for (error, message, is) in [
            ("InvalidSignatureException", expired, true),
            (
                "InvalidSignatureException:http://internal.amazon.com/coral/com.amazon.coral.service/",
                early,
                true,
            ),
            ("com.amazon.coral.service#InvalidSignatureException", expired, true),
            ("SignatureDoesNotMatch", expired, true),
            ("RequestTimeTooSkewed", "The difference is too large.", true),
            ("RequestExpired", "", true),
            ("InvalidSignatureException", "The request signature we calculated does not match", false),
            ("ExpiredTokenException", "The security token included in the request is expired", false),
            ("", expired, false),
        ] {
            assert_eq!(blames_time(error, message), is, "{error}: {message}");
        }
    }
}
