//! Keys that the state on disk is encrypted with.

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bulkhead_model::{KeyHash, Secret};
use zeroize::Zeroizing;

/// Keys of the state on disk: one that is written with, and old ones that are still read with.
///
/// No `Debug`; wiped on drop.
#[derive(Clone)]
pub struct StateKeys {
    current: StateKey,
    old: Vec<StateKey>,
}

/// A key; wiped on drop.
pub type StateKey = Zeroizing<[u8; 32]>;

/// A text that is no state key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a state key is 32 bytes, as 64 hexadecimal digits or in base64 (`openssl rand -hex 32`)")]
pub struct NotAStateKey;

impl StateKeys {
    /// The key that follows from a join token.
    pub fn from_join_token(token: &Secret) -> Self {
        let key = derive(token.expose().as_bytes(), b"bulkhead state", b"state key from join token");
        Self { current: key, old: Vec::new() }
    }

    /// Reads 64 hexadecimal digits, or base64 of 32 bytes.
    pub fn parse(text: &str) -> Result<Self, NotAStateKey> {
        let text = text.trim();
        let key = match KeyHash::from_hex(text) {
            Ok(KeyHash(key)) => Zeroizing::new(key),
            Err(_) => from_base64(text).ok_or(NotAStateKey)?,
        };
        Ok(Self { current: key, old: Vec::new() })
    }

    /// Reads with the keys of `old` as well.
    #[must_use]
    pub fn with_old(mut self, old: Self) -> Self {
        self.old.push(old.current);
        self.old.extend(old.old);
        self
    }

    /// The key that is written with.
    pub fn current(&self) -> &StateKey {
        &self.current
    }

    /// The current one first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &StateKey> {
        std::iter::once(&self.current).chain(&self.old)
    }
}

fn from_base64(text: &str) -> Option<StateKey> {
    let text = text.trim_end_matches('=');
    let decoded = STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()?;
    let decoded = Zeroizing::new(decoded);
    decoded.as_slice().try_into().ok().map(Zeroizing::new)
}

/// HKDF-SHA256.
pub(crate) fn derive(secret: &[u8], salt: &[u8], info: &[u8]) -> StateKey {
    let mut out = Zeroizing::new([0; 32]);
    let extracted = Salt::new(HKDF_SHA256, salt).extract(secret);
    // 32 bytes are what this hash gives, so neither step can fail; if one did, the key would be unusable, not known.
    let filled = extracted.expand(&[info], HKDF_SHA256).and_then(|okm| okm.fill(&mut *out));
    if filled.is_err() {
        aws_lc_rs::rand::fill(&mut *out).ok();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(keys: &StateKeys) -> Vec<[u8; 32]> {
        keys.all().map(|key| **key).collect()
    }

    #[test]
    fn a_state_key_is_hex_or_base64() {
        let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff";
        let padded = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8=";
        for text in
            [hex, padded, padded.trim_end_matches('='), &padded.replace('/', "_"), &format!(" {hex}\n")]
        {
            let keys = StateKeys::parse(text).ok().unwrap();
            assert_eq!((keys.current[1], keys.current[31]), (1, 255), "{text}");
        }
        for bad in [
            "",
            "00",
            &hex.replacen('0', "", 1),
            &padded.replacen("AAEC", "", 1),
            "not a key at all, whatever its length may be",
        ] {
            assert_eq!(StateKeys::parse(bad).err(), Some(NotAStateKey), "{bad}");
        }
    }

    #[test]
    fn a_join_token_gives_its_own_key_always_the_same() {
        let of = |token: &str| StateKeys::from_join_token(&Secret::new(token));
        assert_eq!(bytes(&of("a")), bytes(&of("a")));
        assert_ne!(bytes(&of("a")), bytes(&of("b")));
        let both = of("new").with_old(of("old").with_old(of("older")));
        assert_eq!(bytes(&both), [bytes(&of("new")), bytes(&of("old")), bytes(&of("older"))].concat());
    }
}
