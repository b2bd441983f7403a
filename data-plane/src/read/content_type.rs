//! Which bodies are read as JSON.

use bulkhead_model::ErrorKind;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::fault::{Fault, Outcome};

/// Accepts JSON in any of its names, and a body that names no type. None of it compressed.
pub(crate) fn check_content_type(headers: &HeaderMap) -> Outcome<()> {
    if headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        let message = "Compressed request bodies are not read here. Send the body without Content-Encoding.";
        return Err(Fault::new(ErrorKind::UnsupportedMediaType, message).param("content-encoding"));
    }
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or("unreadable");
    let essence = text.split(';').next().unwrap_or_default().trim();
    let is_json = |name: &str| essence.eq_ignore_ascii_case(name);
    if is_json("application/json") || is_json("text/json") || essence.is_empty() || has_json_suffix(essence) {
        return Ok(());
    }
    let essence = essence.to_ascii_lowercase();
    let message =
        format!("Content-Type '{essence}' is not read here. Send 'Content-Type: application/json'.");
    Err(Fault::new(ErrorKind::UnsupportedMediaType, message).param("content-type"))
}

fn has_json_suffix(essence: &str) -> bool {
    essence.rsplit_once('+').is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn json_is_taken_and_forms_are_not() {
        for (value, taken) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/vnd.api+json", true),
            ("text/json", true),
            ("application/x-www-form-urlencoded", false),
            ("multipart/form-data; boundary=x", false),
            ("text/plain", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
            assert_eq!(check_content_type(&headers).is_ok(), taken, "{value}");
        }
        assert!(check_content_type(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn compressed_bodies_are_not_taken() {
        for (value, taken) in [("gzip", false), ("identity, gzip", false), ("identity", true)] {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(check_content_type(&headers).is_ok(), taken, "{value}");
        }
    }
}
