//! Signatures of calls and texts, as LiteLLM has them: among the fields of their provider, and those of calls also at
//! the end of the id, for clients that send back only what OpenAI has.

use std::borrow::Cow;

use super::super::json::{get, get_text};
use super::super::write::Fields;

/// Between an id and its signature.
pub(crate) const SEPARATOR: &str = "__thought__";

/// The id of a call with its signature.
pub(super) fn signed_id<'a>(id: Cow<'a, str>, signature: Option<&str>) -> Cow<'a, str> {
    match signature {
        Some(signature) => format!("{id}{SEPARATOR}{signature}").into(),
        None => id,
    }
}

/// The id without its signature.
pub(crate) fn unsigned_id(id: &str) -> &str {
    id.split_once(SEPARATOR).map_or(id, |(id, _)| id)
}

/// The id without its signature, and the signature.
pub(super) fn split_id(id: Cow<'_, str>) -> (Cow<'_, str>, Option<Cow<'_, str>>) {
    match id {
        Cow::Borrowed(text) => match text.split_once(SEPARATOR) {
            Some((id, signature)) => (id.into(), Some(signature.into())),
            None => (id, None),
        },
        Cow::Owned(text) => match text.split_once(SEPARATOR) {
            Some((id, signature)) => (id.to_owned().into(), Some(signature.to_owned().into())),
            None => (text.into(), None),
        },
    }
}

/// The signature of a call by the members that say so: LiteLLM's in two places, and Google's own.
pub(super) fn read_signature(call: &[u8]) -> Option<Cow<'_, str>> {
    let of = |object| get_text(get(object, "provider_specific_fields")?, "thought_signature");
    let of_google = || get_text(get(get(call, "extra_content")?, "google")?, "thought_signature");
    of(call).or_else(|| of(get(call, "function")?)).or_else(of_google).filter(|text| !text.is_empty())
}

/// Writes the signature of a call.
pub(super) fn write_signature(call: &mut Fields<'_>, signature: Option<&str>) {
    if let Some(signature) = signature {
        call.object("provider_specific_fields", |fields| fields.text("thought_signature", signature));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_found_wherever_a_client_kept_it() {
        let id = signed_id("call_1".into(), Some("a+/=="));
        assert_eq!(split_id(id), ("call_1".into(), Some("a+/==".into())));
        assert_eq!(split_id("call_1".into()), ("call_1".into(), None));
        for call in [
            &br#"{"provider_specific_fields":{"thought_signature":"s"}}"#[..],
            br#"{"function":{"provider_specific_fields":{"thought_signature":"s"}}}"#,
            br#"{"extra_content":{"google":{"thought_signature":"s"}}}"#,
        ] {
            assert_eq!(read_signature(call).as_deref(), Some("s"));
        }
        assert_eq!(read_signature(br#"{"provider_specific_fields":{"thought_signature":""}}"#), None);
    }
}
