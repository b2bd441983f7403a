//! Keys that the control plane makes: `sk-bh-`, a public id, a secret and a checksum.
//!
//! The checksum tells a key that was cut off or mistyped, or that somebody made up, from one that may exist: it is
//! refused before anything is looked up, and scanners for leaked keys find no false ones.

use aws_lc_rs::digest::{SHA256, digest};

use crate::Secret;

const PREFIX: &str = "sk-bh-";
/// Eight characters each: the public id, then the secret.
const CHUNKS: usize = 5;
const CHUNK: usize = 8;
const CHECKSUM: usize = 6;
const BASE: u64 = 62;

/// How many random bytes a key is made of.
pub const RANDOM_BYTES: usize = CHUNKS * 8;

/// Makes a key: 8 characters of public id, 32 of secret (190 bits) and 6 of checksum, each one of `0-9A-Za-z`.
pub fn generate(random: &[u8; RANDOM_BYTES]) -> Secret {
    let mut key = String::with_capacity(PREFIX.len() + CHUNKS * CHUNK + CHECKSUM);
    key.push_str(PREFIX);
    for bytes in random.as_chunks().0 {
        key.extend(base62(u64::from_be_bytes(*bytes), CHUNK));
    }
    let sum = checksum(&key);
    key.extend(base62(u64::from(sum), CHECKSUM));
    Secret::new(key)
}

/// Whether the checksum fits; `None` for a key that is not of this form.
pub fn checksum_fits(key: &str) -> Option<bool> {
    let random = key.strip_prefix(PREFIX)?;
    if random.len() != CHUNKS * CHUNK + CHECKSUM || !random.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let (body, sum) = key.split_at_checked(key.len().checked_sub(CHECKSUM)?)?;
    Some(sum.chars().eq(base62(u64::from(checksum(body)), CHECKSUM)))
}

/// The first 32 bits of the SHA-256.
fn checksum(body: &str) -> u32 {
    digest(&SHA256, body.as_bytes()).as_ref().first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// The lowest `digits` digits, the lowest first. Of 64 random bits the bias of eight digits is below 2⁻¹⁶.
fn base62(mut value: u64, digits: usize) -> impl Iterator<Item = char> {
    std::iter::repeat_with(move || {
        let digit = u8::try_from(value % BASE).unwrap_or_default();
        value /= BASE;
        char::from(match digit {
            0..10 => b'0' + digit,
            10..36 => b'A' + digit - 10,
            _ => b'a' + digit - 36,
        })
    })
    .take(digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_form_is_fixed_for_good() {
        let random: [u8; RANDOM_BYTES] = std::array::from_fn(|place| u8::try_from(place * 6).unwrap());
        let key = generate(&random);
        assert_eq!(key.expose(), "sk-bh-c85E3oKn8dAbEgx5e7GyPYaOAcLLbQDhg6RimIqzfiAkP4");
        assert_eq!(key.expose().len(), 52);
        assert_eq!(checksum_fits(key.expose()), Some(true));
    }

    #[test]
    fn keys_of_another_form_are_nobodys_business() {
        let long = format!("sk-bh-{}", "a".repeat(47));
        let odd = format!("sk-bh-{}-", "a".repeat(45));
        let wide = format!("sk-bh-{}é", "a".repeat(44));
        for key in ["", "sk-bh-", "sk-1234", "sk-bh-short", &long, &odd, &wide] {
            assert_eq!(checksum_fits(key), None, "{key}");
        }
    }

    proptest! {
        #[test]
        fn a_key_with_one_character_changed_does_not_fit(
            random in any::<[u8; RANDOM_BYTES]>(),
            place in 6usize..52,
            other in prop::char::range('0', '9'),
        ) {
            let key = generate(&random);
            prop_assert_eq!(checksum_fits(key.expose()), Some(true));
            let mut changed: Vec<char> = key.expose().chars().collect();
            prop_assume!(changed[place] != other);
            changed[place] = other;
            prop_assert_eq!(checksum_fits(&String::from_iter(changed)), Some(false));
        }
    }
}
