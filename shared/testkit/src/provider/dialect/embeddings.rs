//! `/v1/embeddings`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::provider::ask::Ask;
use crate::provider::say::{Say, Voice};
use crate::provider::text::{mix, quoted};

/// Numbers in a vector where the request does not say.
pub(super) const DIMENSIONS: usize = 256;

pub(crate) fn body(ask: &Ask<'_>, say: &Say, voice: &Voice) -> String {
    let input = ask.members.present("input").unwrap_or_default();
    let dimensions = ask.members.get("dimensions").unwrap_or(DIMENSIONS).min(4096);
    let base64 = ask.members.get::<String>("encoding_format").as_deref() == Some("base64");
    let item = |(index, text): (usize, &str)| {
        let vector = vector(text, dimensions);
        let embedding =
            if base64 { encode(&vector) } else { serde_json::to_string(&vector).unwrap_or_default() };
        format!(r#"{{"object":"embedding","index":{index},"embedding":{embedding}}}"#)
    };
    let items: Vec<_> = inputs(input).into_iter().enumerate().map(item).collect();
    let usage = say.reported.map(|usage| {
        format!(r#","usage":{{"prompt_tokens":{},"total_tokens":{}}}"#, usage.input, usage.input)
    });
    format!(
        r#"{{"object":"list","data":[{}],"model":{}{}}}"#,
        items.join(","),
        quoted(&voice.model),
        usage.unwrap_or_default()
    )
}

/// One text, a list of texts, one list of tokens, or a list of lists of tokens.
fn inputs(input: &str) -> Vec<&str> {
    let elements: Vec<&RawValue> = serde_json::from_str(input).unwrap_or_default();
    let tokens = elements.first().is_some_and(|first| first.get().starts_with(|c: char| c.is_ascii_digit()));
    if elements.is_empty() || tokens {
        vec![input]
    } else {
        elements.into_iter().map(RawValue::get).collect()
    }
}

/// Numbers in -1..1 that follow from the text.
pub(super) fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut state = text.bytes().fold(0, |state, byte| mix(state ^ u64::from(byte)));
    let mut next = || {
        state = mix(state);
        f32::from(i16::from_ne_bytes([state as u8, (state >> 8) as u8])) / 32768.0
    };
    (0..dimensions).map(|_| next()).collect()
}

fn encode(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    format!("\"{}\"", STANDARD.encode(bytes))
}
