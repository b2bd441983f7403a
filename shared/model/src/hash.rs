//! Key hashes: what is stored instead of a virtual key.

use std::fmt;

/// SHA-256 of a full virtual key, `sk-` prefix included: LiteLLM's token, so imported hashes work unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(pub [u8; 32]);

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key hash is 64 hexadecimal digits (the SHA-256 of the key)")]
pub struct NotAKeyHash;

impl KeyHash {
    /// Hashes a key as the client sends it.
    pub fn of(key: &str) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(digest.as_ref());
        Self(out)
    }

    /// Reads 64 hexadecimal digits, upper or lower case.
    pub fn from_hex(text: &str) -> Result<Self, NotAKeyHash> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(NotAKeyHash);
        }
        let mut out = [0; 32];
        for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return Err(NotAKeyHash) };
            let (Some(high), Some(low)) = (hex_value(*high), hex_value(*low)) else {
                return Err(NotAKeyHash);
            };
            *byte = high << 4 | low;
        }
        Ok(Self(out))
    }

    /// Compares in constant time; used for the master key, which is not found by look-up.
    pub fn same(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&hex(&self.0)).unwrap_or_default())
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> Vec<u8> {
    let digit = |value: u8| value + if value < 10 { b'0' } else { b'a' - 10 };
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

/// `sk-...` and the last four characters: how a key is shown to people. LiteLLM's `key_name`.
pub fn masked(key: &str) -> String {
    let tail: Vec<char> = key.chars().rev().take(4).collect();
    let tail: String = tail.into_iter().rev().collect();
    format!("sk-...{tail}")
}

/// How a text is shown that was presented as a key and is none: `abcd****wxyz`, and nothing of a text too short to hide its middle.
pub fn half_masked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    match (chars.first_chunk::<4>(), chars.last_chunk::<4>()) {
        (Some(first), Some(last)) if chars.len() >= 12 => {
            format!("{}****{}", String::from_iter(first), String::from_iter(last))
        }
        _ => "****".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_sha256_of_the_whole_key_and_round_trips_as_hex() {
        let hash = KeyHash::of("sk-1234");
        let hex = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b";
        assert_eq!(hash.to_string(), hex);
        assert_eq!(KeyHash::from_hex(hex), Ok(hash));
        assert_eq!(KeyHash::from_hex(&hex.to_uppercase()), Ok(hash));
    }

    #[test]
    fn anything_but_64_hex_digits_is_refused() {
        for bad in ["", "88dc", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(KeyHash::from_hex(bad), Err(NotAKeyHash), "{bad}");
        }
    }

    #[test]
    fn a_masked_key_shows_four_characters() {
        assert_eq!(masked("sk-abcdefgh"), "sk-...efgh");
        assert_eq!(masked("sk"), "sk-...sk");
    }

    #[test]
    fn a_text_that_is_no_key_keeps_its_middle() {
        assert_eq!(half_masked("abcdefghijkl"), "abcd****ijkl");
        assert_eq!(half_masked("abcdefghijk"), "****");
    }
}
