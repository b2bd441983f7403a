//! Ids of calls, as providers want them that do not take any.

use std::fmt::Write;

use crate::digest::sha256;

/// How long Mistral's are.
const LENGTH: usize = 9;

const LETTERS: [u8; 62] = *b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Nine letters and digits in the place of an id that is something else; always the same for the same.
pub(crate) fn short(id: &str) -> Option<String> {
    if id.len() == LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let mut short = String::with_capacity(LENGTH);
    for byte in sha256(id.as_bytes()).iter().take(LENGTH) {
        let letter = LETTERS.get(usize::from(*byte) % LETTERS.len()).copied().unwrap_or(b'0');
        // Writing into memory does not fail.
        let _ = short.write_char(char::from(letter));
    }
    Some(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_fits_stays_and_another_is_always_the_same() {
        assert_eq!(short("abcDEF123"), None);
        for id in ["call_1", "toolu_01A09q90qw90lq917835lq9", "", "abcDEF12_", "äöüabc"] {
            let one = short(id).unwrap();
            assert!(one.len() == 9 && one.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{one}");
            assert_eq!(short(id), Some(one.clone()));
            assert_eq!(short(&one), None);
        }
        assert_ne!(short("call_1"), short("call_2"));
    }
}
