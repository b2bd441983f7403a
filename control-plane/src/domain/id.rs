//! Ids and keys that are made here, and keys as people name them.

use bulkhead_model::{KeyHash, Secret, virtual_key};

/// The shortest key that somebody may choose, `sk-` included.
const SHORTEST: usize = 16;
const LONGEST: usize = 512;

/// The randomness of the operating system is not available.
#[derive(Debug, thiserror::Error)]
#[error("no randomness")]
pub(crate) struct NoRandomness;

/// A random UUID, as LiteLLM's ids are.
pub(crate) fn uuid() -> Result<String, NoRandomness> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(sqlx::types::uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
}

/// A new key.
pub(crate) fn key() -> Result<Secret, NoRandomness> {
    let mut bytes = [0; virtual_key::RANDOM_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(virtual_key::generate(&bytes))
}

/// Whether somebody may choose this key; what is wrong with it.
pub(crate) fn check_chosen(key: &Secret) -> Result<(), String> {
    let text = key.expose();
    if !text.starts_with("sk-") {
        return Err("Invalid key format. LiteLLM Virtual Key must start with 'sk-'".to_owned());
    }
    if text.len() < SHORTEST || text.len() > LONGEST {
        return Err(format!(
            "Invalid key format. A key has at least {SHORTEST} and at most {LONGEST} characters, 'sk-' included"
        ));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            "Invalid key format. A key holds letters, digits and punctuation of ASCII only".to_owned()
        );
    }
    if virtual_key::checksum_fits(text) == Some(false) {
        return Err("Invalid key format. A key of the form sk-bh-… must have the right checksum".to_owned());
    }
    Ok(())
}

/// The hash of a key that is named by itself or by its hash.
pub(crate) fn token(text: &str) -> Option<KeyHash> {
    match text.starts_with("sk-") {
        true => Some(KeyHash::of(text)),
        false => KeyHash::from_hex(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_made_may_be_chosen_and_others_only_when_long_enough() {
        assert_eq!(check_chosen(&key().unwrap()), Ok(()));
        assert_eq!(check_chosen(&Secret::new("sk-0123456789abc")), Ok(()));
        let broken = key().unwrap().expose().to_owned() + "x";
        for bad in [
            "pk-0123456789abcdef",
            "sk-0123456789ab",
            "sk-0123456789 abcdef",
            "sk-0123456789é",
            &"sk-".repeat(200),
        ] {
            assert!(check_chosen(&Secret::new(bad)).is_err(), "{bad}");
        }
        assert_eq!(check_chosen(&Secret::new(broken)), Ok(()), "of another length, so of another form");
    }

    #[test]
    fn a_key_is_named_by_itself_or_its_hash() {
        let hash = KeyHash::of("sk-1234");
        assert_eq!(token("sk-1234"), Some(hash));
        assert_eq!(token(&hash.to_string()), Some(hash));
        assert_eq!(token("alice"), None);
    }

    #[test]
    fn ids_are_uuids() {
        let id = uuid().unwrap();
        assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'));
        assert_ne!(id, uuid().unwrap());
    }
}
