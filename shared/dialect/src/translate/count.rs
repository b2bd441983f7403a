//! Counting tokens: a prompt in, a number out. The prompt is that of a conversation.

use bulkhead_model::Endpoint;
use bytes::{Bytes, BytesMut};

use super::json::{fields, get};
use super::write;
use super::{Answered, Dialect, Loss, RequestOptions, TranslateError, Weight, check, gemini};
use crate::json::view::whole_number;

/// What Anthropic takes where it counts; anything else it refuses.
const COUNTED: [&str; 6] = ["model", "messages", "system", "tools", "tool_choice", "thinking"];

/// What Vertex takes there of a request.
const COUNTED_BY_VERTEX: [&str; 4] = ["contents", "systemInstruction", "tools", "generationConfig"];

/// What Bedrock takes there of a request to Converse.
const COUNTED_BY_BEDROCK: [&str; 4] = ["messages", "system", "toolConfig", "additionalModelRequestFields"];

/// What is spoken where tokens are counted.
pub(super) const fn dialect(endpoint: Endpoint) -> Option<Dialect> {
    match endpoint {
        Endpoint::CountTokens => Some(Dialect::Messages),
        Endpoint::GeminiCountTokens => Some(Dialect::Gemini),
        Endpoint::BedrockCountTokens => Some(Dialect::Converse),
        _ => None,
    }
}

/// Translates a prompt. What is lost of it makes the count a little wrong, not another one.
pub(super) fn request(
    from: Dialect,
    to: Dialect,
    body: &[u8],
    options: &RequestOptions<'_>,
) -> Result<(Bytes, Vec<Loss>), TranslateError> {
    check(body)?;
    let asked = match from {
        Dialect::Gemini => gemini::get(body, "generateContentRequest").unwrap_or(body),
        _ => body,
    };
    let translated = super::request(from, to, asked, options)?;
    let mut out = BytesMut::with_capacity(translated.body.len() + write::USUAL_SIZE);
    let mut only = |names: &[&str]| {
        write::object(&mut out, |body| {
            let counted = fields(&translated.body).filter(|(name, _)| names.contains(&&**name));
            counted.for_each(|(name, value)| body.raw(&name, value));
        });
    };
    match to {
        Dialect::Gemini if !options.gemini_api => only(&COUNTED_BY_VERTEX),
        Dialect::Gemini => write::object(&mut out, |body| {
            body.object("generateContentRequest", |inner| {
                inner.text("model", &format!("models/{}", options.model.unwrap_or_default()));
                fields(&translated.body).for_each(|(name, value)| inner.raw(&name, value));
            });
        }),
        Dialect::Converse => write::object(&mut out, |body| {
            body.object("input", |input| {
                input.object("converse", |inner| {
                    let counted = fields(&translated.body);
                    let counted = counted.filter(|(name, _)| COUNTED_BY_BEDROCK.contains(&&**name));
                    counted.for_each(|(name, value)| inner.raw(&name, value));
                });
            });
        }),
        _ => only(&COUNTED),
    }
    let aside = |loss| Loss { weight: Weight::Aside, ..loss };
    Ok((out.freeze(), translated.losses.into_iter().map(aside).collect()))
}

/// Translates the number.
pub(super) fn answer(upstream: Dialect, client: Dialect, body: &[u8]) -> Result<Answered, TranslateError> {
    check(body)?;
    let tokens = get(body, name(upstream)).and_then(whole_number).ok_or(TranslateError::NoAnswer)?;
    Ok(Answered {
        body: written(client, tokens),
        usage: None,
        is_estimate: false,
        finish_reason: None,
        content_bytes: 0,
    })
}

/// What the number is called.
const fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Gemini => "totalTokens",
        Dialect::Converse => "inputTokens",
        _ => "input_tokens",
    }
}

fn written(client: Dialect, tokens: u64) -> Bytes {
    let mut out = BytesMut::new();
    write::object(&mut out, |body| body.number(name(client), tokens));
    out.freeze()
}

/// The answer to a client who asks for a count at this endpoint, and what the number is called there.
pub fn counted(endpoint: Endpoint, tokens: u64) -> Option<(Bytes, &'static str)> {
    let client = dialect(endpoint)?;
    Some((written(client, tokens), name(client)))
}
