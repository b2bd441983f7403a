//! Google's requests that say the model within, which has to be the one that their path says.

use std::ops::Range;

use bulkhead_model::Endpoint;
use bytes::{Bytes, BytesMut};

use super::json::text;
use super::write::string;
use crate::json::view::{elements, members, part};

/// The top-level member in which the model may be said.
pub fn models_within(endpoint: Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::EmbedContent => Some("model"),
        Endpoint::BatchEmbedContents => Some("requests"),
        Endpoint::GeminiCountTokens => Some("generateContentRequest"),
        _ => None,
    }
}

/// The value of that member with another model's name; `None` where nothing is to be done.
pub fn with_model_within(value: &[u8], model: &str) -> Option<Bytes> {
    let mut wanted = BytesMut::new();
    string(&mut wanted, &format!("models/{model}"));
    let at = |start: usize, end: usize| part(value, start..end);
    let (mut out, mut done) = (BytesMut::new(), 0);
    for said in places(value).into_iter().filter(|said| at(said.start, said.end) != wanted) {
        out.extend_from_slice(at(done, said.start));
        out.extend_from_slice(&wanted);
        done = said.end;
    }
    if done == 0 {
        return None;
    }
    out.extend_from_slice(at(done, value.len()));
    Some(out.freeze())
}

/// Where names of models stand: the value itself, a member of it, or of its elements.
fn places(value: &[u8]) -> Vec<Range<usize>> {
    if text(value).is_some() {
        return std::iter::once(0..value.len()).collect();
    }
    let single = std::iter::once(0..value.len()).filter(|_| value.starts_with(b"{"));
    let models = elements(value).chain(single).filter_map(|element| {
        let inner = members(part(value, element.clone())).filter(|(name, _)| *name == b"model").last()?.1;
        Some(element.start + inner.start..element.start + inner.end)
    });
    models.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_named_anew_wherever_it_stands() {
        for (value, expected) in [
            (r#""models/a""#, Some(r#""models/b""#)),
            (
                r#"{"contents":[{"model":"a"}], "model" : "models/a"}"#,
                Some(r#"{"contents":[{"model":"a"}], "model" : "models/b"}"#),
            ),
            (
                r#"[{"model":"models/a","x":1},{"model":"models/b"},{},{"model":"a"}]"#,
                Some(r#"[{"model":"models/b","x":1},{"model":"models/b"},{},{"model":"models/b"}]"#),
            ),
            (r#"[{"model":"models/b"}]"#, None),
            (r#"[{"content":{}}]"#, None),
            ("7", None),
        ] {
            let renamed = with_model_within(value.as_bytes(), "b");
            assert_eq!(renamed.as_deref(), expected.map(str::as_bytes), "{value}");
        }
    }
}
