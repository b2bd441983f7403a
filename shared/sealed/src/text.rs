//! Texts that clients keep for the gateway: nobody else can read, change or make one.
//!
//! The same content is always the same text, so that what a client sends again is the same bytes as before. That needs
//! a cipher that bears a nonce that repeats; all it tells is that two contents are the same.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use zeroize::Zeroizing;

use crate::keys::derive;

/// What texts are sealed with. Prints as nothing.
pub struct TextKey(LessSafeKey);

/// The cipher did not take the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no key for sealed texts could be made")]
pub struct NoTextKey;

impl TextKey {
    /// The key that follows from a secret.
    pub fn new(secret: &[u8]) -> Result<Self, NoTextKey> {
        Self::of(&derive(secret, b"bulkhead text", b"key of texts that clients keep"))
    }

    /// A key that nobody else has.
    pub fn random() -> Result<Self, NoTextKey> {
        let mut key = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *key).map_err(|_| NoTextKey)?;
        Self::of(&key)
    }

    fn of(key: &[u8; 32]) -> Result<Self, NoTextKey> {
        UnboundKey::new(&AES_256_GCM_SIV, key).map(|key| Self(LessSafeKey::new(key))).map_err(|_| NoTextKey)
    }

    /// Seals a content for a purpose; the text is letters, digits, `-` and `_`. `None` for one that is too long.
    pub fn seal(&self, purpose: &str, content: &[u8]) -> Option<String> {
        let mut bytes = content.to_vec();
        self.0.seal_in_place_append_tag(nonce(), Aad::from(purpose), &mut bytes).ok()?;
        Some(URL_SAFE_NO_PAD.encode(&bytes))
    }

    /// What was sealed for this purpose with this key.
    pub fn open(&self, purpose: &str, text: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let length = self.0.open_in_place(nonce(), Aad::from(purpose), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

impl std::fmt::Debug for TextKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TextKey")
    }
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> TextKey {
        TextKey::new(secret.as_bytes()).unwrap()
    }

    #[test]
    fn what_was_sealed_is_opened_and_is_always_the_same_text() {
        let key = key("a");
        for content in ["", "x", "a longer content, é"] {
            let text = key.seal("p", content.as_bytes()).unwrap();
            assert_eq!(key.open("p", &text).as_deref(), Some(content.as_bytes()));
            assert_eq!(key.seal("p", content.as_bytes()), Some(text));
        }
    }

    #[test]
    fn what_is_changed_cut_or_another_keys_is_not_opened() {
        let text = key("a").seal("p", b"content").unwrap();
        assert_eq!(key("b").open("p", &text), None);
        assert_eq!(key("a").open("q", &text), None);
        for (at, letter) in text.char_indices() {
            let (before, after) = (text.get(..at).unwrap(), text.get(at + 1..).unwrap());
            assert_eq!(key("a").open("p", before), None);
            let other = if letter == 'A' { 'B' } else { 'A' };
            assert_eq!(key("a").open("p", &format!("{before}{other}{after}")), None);
        }
        for other in ["", "====", "not base64 at all", &format!("{text}A")] {
            assert_eq!(key("a").open("p", other), None);
        }
    }
}
