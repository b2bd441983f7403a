//! Proofs of thoughts on their way through another dialect.
//!
//! In the form, a signature as it is is Anthropic's. OpenAI's encrypted reasoning is carried as a signature behind a
//! mark, and Anthropic's proofs travel through a client of Responses as encrypted reasoning behind another one, so
//! that each comes back to who can read it and to nobody else. Google signs calls and texts, which only chat has a
//! place for; elsewhere that goes to the client as a proof of thoughts, behind a mark of its own.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::BytesMut;

use super::form::Block;
use super::json::{get, get_text};
use super::loss::Losses;
use super::write;
use crate::json::view::whole_number;

/// Stands before encrypted reasoning of OpenAI: its item's id, a point, and the content.
const OPENAI: &str = "openai-reasoning.";

/// Stands before thoughts of Anthropic: JSON in base64.
const ANTHROPIC: &str = "anthropic-thinking.";

/// Stands before a signature of a call or a text.
const PART: &str = "part:";

/// What values begin with, quote included, that a client keeps for another provider than the one that it asks.
pub(crate) const CARRIED: [&[u8]; 2] = [b"\"openai-reasoning.", b"\"part:"];

/// Begins what Responses have encrypted, where it is for another provider.
pub const CARRIED_CONTENT: &str = ANTHROPIC;

/// True for a signature that a client keeps for another provider than Anthropic or Bedrock.
pub(crate) fn is_carried(signature: &str) -> bool {
    [OPENAI, PART].iter().any(|mark| signature.starts_with(mark))
}

/// The signature of a call or a text, as one of thoughts. It must never go to a provider that signs those.
pub(super) fn mark_part(signature: &str) -> String {
    format!("{PART}{signature}")
}

/// Thoughts and what a client sent as their proof.
pub(super) fn read_thoughts<'a>(
    text: Cow<'a, str>,
    proof: Option<Cow<'a, str>>,
) -> impl Iterator<Item = Block<'a>> {
    let of_part = proof.as_deref().and_then(|proof| proof.strip_prefix(PART)).map(str::to_owned);
    let signature = if of_part.is_some() { None } else { proof };
    let is_said = of_part.is_none() || !text.is_empty();
    let thoughts = is_said.then_some(Block::Thinking { text, signature });
    thoughts.into_iter().chain(of_part.map(|signature| Block::ThoughtSignature(signature.into())))
}

/// True for a signature that is not Anthropic's.
pub(super) fn is_foreign(signature: &str) -> bool {
    signature.starts_with(OPENAI)
}

/// True for thoughts that Anthropic's models take back: those with a signature of theirs. Others are lost.
pub(super) fn is_provable(block: &Block<'_>, at: usize, losses: &mut Losses) -> bool {
    let lost = match block {
        Block::Thinking { signature: None, .. } => "reasoning_content",
        Block::Thinking { signature: Some(signature), .. } if is_foreign(signature) => "thinking",
        Block::ThoughtSignature(_) => "thought_signature",
        _ => return true,
    };
    losses.aside(lost, format_args!("messages[{at}]"));
    false
}

/// OpenAI's encrypted reasoning as a signature.
pub(super) fn mark_encrypted(id: &str, encrypted: &str) -> String {
    let id = if id.contains('.') { "" } else { id };
    format!("{OPENAI}{id}.{encrypted}")
}

/// The item's id and the encrypted reasoning.
pub(super) fn read_encrypted(signature: &str) -> Option<(&str, &str)> {
    signature.strip_prefix(OPENAI)?.split_once('.')
}

/// Thoughts of Anthropic, as an item of Responses carries them beside their text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sealed {
    /// What proves a text of so many bytes.
    Signature { text_bytes: u64, signature: String },
    /// Thoughts that nobody can read.
    Redacted(String),
}

impl Sealed {
    pub(super) fn write(&self) -> String {
        let mut json = BytesMut::new();
        write::object(&mut json, |fields| match self {
            Self::Signature { text_bytes, signature } => {
                fields.number("text_bytes", *text_bytes);
                fields.text("signature", signature);
            }
            Self::Redacted(data) => fields.text("redacted", data),
        });
        ANTHROPIC.to_owned() + &URL_SAFE_NO_PAD.encode(&json)
    }

    pub(super) fn read(encrypted: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(encrypted.strip_prefix(ANTHROPIC)?).ok()?;
        super::check(&json).ok()?;
        let owned = |name| get_text(&json, name).map(Cow::into_owned);
        match owned("redacted") {
            Some(data) => Some(Self::Redacted(data)),
            None => Some(Self::Signature {
                text_bytes: get(&json, "text_bytes").and_then(whole_number)?,
                signature: owned("signature")?,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_read() {
        for sealed in [
            Sealed::Signature { text_bytes: 3, signature: "a\"+/==".to_owned() },
            Sealed::Redacted("é.".to_owned()),
        ] {
            assert_eq!(Sealed::read(&sealed.write()), Some(sealed));
        }
        for other in
            ["", "gAAAAA==", "anthropic-thinking.", "anthropic-thinking.e30", "anthropic-thinking.W10"]
        {
            assert_eq!(Sealed::read(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_carried_is_known_by_its_beginning() {
        for signature in [mark_encrypted("rs_1", "g"), mark_part("CiQ")] {
            assert!(is_carried(&signature));
            let quoted = format!("\"{signature}\"");
            assert!(CARRIED.iter().any(|mark| quoted.as_bytes().starts_with(mark)), "{quoted}");
        }
        assert!(!is_carried("EqQB"));
    }

    #[test]
    fn encrypted_reasoning_comes_back() {
        for (id, encrypted) in [("rs_1", "gA.B=="), ("", "x")] {
            let signature = mark_encrypted(id, encrypted);
            assert!(is_foreign(&signature));
            assert_eq!(read_encrypted(&signature), Some((id, encrypted)));
        }
        assert_eq!(read_encrypted("EqQB"), None);
        assert!(!is_foreign("EqQB"));
    }
}
