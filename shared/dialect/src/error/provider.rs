//! What a provider's error body says, in any of the shapes they come in.

use std::time::Duration;

use serde_json::{Map, Value};

use super::mask::mask;

/// Longest message that is passed on, in bytes.
const LONGEST_MESSAGE: usize = 4 << 10;
/// Longest type, code and parameter that are passed on, in bytes.
const LONGEST_NAME: usize = 256;
/// Most names in the path to a parameter.
const DEEPEST_PLACE: usize = 16;
/// More of a body is not looked at: an error is no place for megabytes.
const LONGEST_BODY: usize = 256 << 10;

/// A provider's error. Key-like strings are masked in all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderError {
    /// The text for a human, at most 4 KiB; never empty.
    pub message: String,
    /// `error.type`, or `error.status` where Google says it.
    pub kind: Option<String>,
    /// `error.code`, as text where it is a number.
    pub code: Option<String>,
    /// The member of the request that is at fault.
    pub param: Option<String>,
}

/// Reads the body of an error answer: the envelopes of OpenAI and Anthropic, `{"error": "text"}`,
/// `{"message": …}`, `{"detail": …}`, any of them in an array, or text; of HTML, the first line a reader would see.
pub fn read_provider_error(body: &[u8]) -> ProviderError {
    let body = body.get(..LONGEST_BODY).unwrap_or(body);
    let error = match serde_json::from_slice(body) {
        Ok(value) => of_value(&value),
        Err(_) => ProviderError { message: first_line(&String::from_utf8_lossy(body)), ..Default::default() },
    };
    let message = if error.message.trim().is_empty() { "no message" } else { error.message.trim() };
    let name = |name: Option<String>| name.map(|name| cut(mask(&name), LONGEST_NAME));
    ProviderError {
        message: cut(mask(message), LONGEST_MESSAGE),
        kind: name(error.kind),
        code: name(error.code),
        param: name(error.param),
    }
}

/// How long Google wants to be left alone, which it says in the body and not in a header: `RetryInfo` among the
/// details.
pub fn read_retry_delay(body: &[u8]) -> Option<Duration> {
    let body: Value = serde_json::from_slice(body.get(..LONGEST_BODY).unwrap_or(body)).ok()?;
    let error = body.get("error").or_else(|| body.get(0)?.get("error"))?;
    let delay = error.get("details")?.as_array()?.iter().find_map(|detail| detail.get("retryDelay"))?;
    let seconds: f64 = delay.as_str()?.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn of_value(value: &Value) -> ProviderError {
    match value {
        Value::Object(object) => of_object(object),
        Value::Array(array) => array.first().map(of_value).unwrap_or_default(),
        Value::String(text) => ProviderError { message: text.clone(), ..Default::default() },
        _ => ProviderError::default(),
    }
}

fn of_object(object: &Map<String, Value>) -> ProviderError {
    // Mistral's message is an object of its own where a member of the request is at fault.
    let nested =
        ["error", "errors", "detail", "details", "message"].iter().filter_map(|name| object.get(*name));
    let nested = nested.map(of_value).find(|error| !error.message.is_empty());
    let own = |names: &[&str]| names.iter().filter_map(|name| object.get(*name)).find_map(plain);
    let nested = nested.unwrap_or_default();
    let message =
        own(&["message", "Message", "msg", "error_description"]).map_or(nested.message, |message| {
            // OpenRouter puts what its provider said beside its own message.
            match object.get("metadata").and_then(|metadata| metadata.get("raw")).and_then(plain) {
                Some(raw) => format!("{message}: {raw}"),
                None => message,
            }
        });
    let message = match filtered(object) {
        Some(kinds) => format!("{message} Filtered: {kinds}."),
        None => message,
    };
    ProviderError {
        message,
        kind: nested.kind.or_else(|| name_in(object)),
        code: nested.code.or_else(|| own(&["code"])).or_else(|| inner_code(object)),
        param: nested.param.or_else(|| own(&["param"])).or_else(|| location(object)),
    }
}

/// What Azure's filter found, which it says in an error within the error.
fn filtered(object: &Map<String, Value>) -> Option<String> {
    let inner = object.get("innererror")?;
    let found = inner.get("content_filter_result").or_else(|| inner.get("content_filter_results"))?;
    let kinds = found.as_object()?.iter().filter(|(_, of)| of.get("filtered") == Some(&Value::Bool(true)));
    let named = kinds.map(|(kind, of)| match of.get("severity").and_then(plain) {
        Some(severity) => format!("{kind} ({severity})"),
        None => kind.clone(),
    });
    Some(named.collect::<Vec<_>>().join(", ")).filter(|kinds| !kinds.is_empty())
}

/// What kind of error it is. Azure's `status` is a number, and no kind.
fn name_in(object: &Map<String, Value>) -> Option<String> {
    let names = ["type", "status", "__type"].iter();
    names.filter_map(|name| object.get(*name)?.as_str()).next().map(str::to_owned)
}

/// Azure's own code, where it has none of OpenAI's.
fn inner_code(object: &Map<String, Value>) -> Option<String> {
    plain(object.get("innererror")?.get("code")?)
}

/// Where FastAPI, which many serve with, finds something wrong: `["body", "messages", 0]`.
fn location(object: &Map<String, Value>) -> Option<String> {
    let path = object.get("loc")?.as_array()?.iter().filter_map(plain);
    let path: Vec<String> = path.skip_while(|name| name == "body").take(DEEPEST_PLACE).collect();
    (!path.is_empty()).then(|| path.join("."))
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The first line with text on it; of HTML, without tags and without what scripts and styles hold.
fn first_line(text: &str) -> String {
    let shown = if text.trim_start().starts_with('<') { without_tags(text) } else { text.to_owned() };
    shown.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

fn without_tags(html: &str) -> String {
    let mut shown = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        shown.push_str(before);
        let Some((tag, after)) = tag.split_once('>') else { return shown };
        let name = tag.trim_start().to_ascii_lowercase();
        rest = if name.starts_with("script") || name.starts_with("style") {
            after.split_once("</").and_then(|(_, end)| end.split_once('>')).map_or("", |(_, after)| after)
        } else {
            after
        };
    }
    shown + rest
}

/// At most `longest` bytes, cut between characters.
fn cut(mut text: String, longest: usize) -> String {
    text.truncate(text.floor_char_boundary(longest));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &str) -> (String, Option<String>, Option<String>, Option<String>) {
        let ProviderError { message, kind, code, param } = read_provider_error(body.as_bytes());
        (message, kind, code, param)
    }

    #[test]
    fn every_shape_is_read() {
        for (body, message, kind, code, param) in [
            (
                r#"{"error":{"message":"m","type":"invalid_request_error","param":"p","code":"c"}}"#,
                "m",
                Some("invalid_request_error"),
                Some("c"),
                Some("p"),
            ),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"m"},"request_id":"r"}"#,
                "m",
                Some("overloaded_error"),
                None,
                None,
            ),
            (
                r#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]"#,
                "m",
                Some("RESOURCE_EXHAUSTED"),
                Some("429"),
                None,
            ),
            (
                r#"{"object":"error","message":"m","type":"BadRequestError","param":null,"code":400}"#,
                "m",
                Some("BadRequestError"),
                Some("400"),
                None,
            ),
            (r#"{"error":"m"}"#, "m", None, None, None),
            (r#"{"Message":"m"}"#, "m", None, None, None),
            (r#"{"detail":"m"}"#, "m", None, None, None),
            (r#"{"detail":[{"loc":["body"],"msg":"m","type":"missing"}]}"#, "m", Some("missing"), None, None),
            (
                r#"{"error":{"message":"m","code":400,"metadata":{"raw":"why"}}}"#,
                "m: why",
                None,
                Some("400"),
                None,
            ),
            (
                r#"{"error":{"message":"m.","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation",
                    "content_filter_result":{"hate":{"filtered":true,"severity":"high"},
                    "jailbreak":{"detected":true,"filtered":true},"sexual":{"filtered":false,"severity":"safe"}}}}}"#,
                "m. Filtered: hate (high), jailbreak.",
                None,
                Some("content_filter"),
                None,
            ),
            (r#"{"error":{"message":"m","innererror":{"code":"c"}}}"#, "m", None, Some("c"), None),
            ("\"m\"", "m", None, None, None),
            ("\r\n m \nmore", "m", None, None, None),
            (
                "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>x</body></html>",
                "502 Bad Gateway",
                None,
                None,
                None,
            ),
            ("<style>p { a: b }</style><p>m</p>", "m", None, None, None),
            ("", "no message", None, None, None),
            ("{}", "no message", None, None, None),
            ("<html", "no message", None, None, None),
            ("5 < 6", "5 < 6", None, None, None),
        ] {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            assert_eq!(read(body), (message.to_owned(), owned(kind), owned(code), owned(param)), "{body}");
        }
    }

    #[test]
    fn googles_delay_is_among_the_details() {
        let error = r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.QuotaFailure"},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.4s"}]}}"#;
        let delay = Some(Duration::from_millis(34_400));
        assert_eq!(read_retry_delay(error.as_bytes()), delay);
        assert_eq!(read_retry_delay(format!("[{error}]").as_bytes()), delay);
        for none in [
            "{}",
            "",
            r#"{"error":{"details":[{"retryDelay":"-1s"}]}}"#,
            r#"{"error":{"details":[{"retryDelay":"x"}]}}"#,
        ] {
            assert_eq!(read_retry_delay(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn keys_are_masked_and_lengths_bounded() {
        let (message, kind, ..) =
            read(r#"{"error":{"message":"bad key sk-secret-1","type":"sk-secret-2","code":null}}"#);
        assert_eq!((message.as_str(), kind.as_deref()), ("bad key [redacted]", Some("[redacted]")));
        let long = format!("{{\"message\":\"{}\"}}", "é ".repeat(9000));
        assert_eq!(read(&long).0.len(), 4095);
        assert_eq!(read(&"x y ".repeat(1 << 20)).0.len(), 4096);
    }

    proptest! {
        #[test]
        fn anything_can_be_read(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!read_provider_error(&body).message.is_empty());
        }

        #[test]
        fn tags_are_not_shown(body in "<[<>/a-c \n!]{0,40}") {
            let line = first_line(&body);
            prop_assert!(!line.contains('<') && !line.contains('\n'), "{}", line);
        }
    }
}
