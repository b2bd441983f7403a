//! Probabilities: Cohere's are of pieces of text with one or several tokens each, OpenAI's of tokens.

use bytes::BytesMut;
use serde_json::Number;

use super::super::json::{get, get_text, items};
use super::super::write;

/// Passes Cohere's probabilities on as OpenAI has them, a piece of text as one token: the logarithms of several add up.
pub(super) fn with_logprobs<'a>(pieces: impl Iterator<Item = &'a [u8]>, pass: impl FnOnce(&[u8])) {
    let mut pieces = pieces.filter(|piece| get(piece, "logprobs").is_some()).peekable();
    if pieces.peek().is_none() {
        return;
    }
    let mut out = BytesMut::new();
    write::object(&mut out, |logprobs| {
        logprobs.array("content", |tokens| {
            for piece in pieces {
                let text = get_text(piece, "text").unwrap_or_default();
                let Some(logprob) = sum(get(piece, "logprobs").unwrap_or_default()) else { continue };
                tokens.object(|fields| {
                    fields.text("token", &text);
                    fields.raw("logprob", logprob.to_string().as_bytes());
                    fields.array("bytes", |list| {
                        text.bytes().for_each(|byte| write::number(list.value(), byte.into()));
                    });
                    fields.array("top_logprobs", |_| {});
                });
            }
        });
    });
    pass(&out);
}

fn sum(list: &[u8]) -> Option<Number> {
    let numbers = items(list).map(|number| serde_json::from_slice::<f64>(number).ok());
    Number::from_f64(numbers.sum::<Option<f64>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_a_token() {
        let pieces =
            br#"[{"text":"A ","token_ids":[1],"logprobs":[-0.5]},{"text":"b","logprobs":[-0.25,-0.5]},
            {"text":"c","logprobs":["x"]},{"text":"d"}]"#;
        let mut got = None;
        with_logprobs(items(pieces), |logprobs| got = serde_json::from_slice(logprobs).ok());
        let token = |text: &str, logprob: f64| serde_json::json!({"token": text, "logprob": logprob, "bytes": text.as_bytes(), "top_logprobs": []});
        assert_eq!(got, Some(serde_json::json!({"content": [token("A ", -0.5), token("b", -0.75)]})));
        with_logprobs(items(b"[]"), |_| panic!("there are none"));
    }
}
