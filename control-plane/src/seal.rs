//! Encryption at rest: AES-256-GCM with a key of its own for each purpose.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use bulkhead_model::Secret;

/// The first byte of what is sealed: how it was done.
const FORMAT: u8 = 1;

/// What is sealed, which decides the key; nothing sealed for one purpose opens for another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The values of a credential.
    Credential,
    /// `litellm_params` as they were given.
    Params,
    /// The resource that follows from a deployment.
    Deployment,
}

impl Purpose {
    const ALL: [Self; 3] = [Self::Credential, Self::Params, Self::Deployment];

    fn name(self) -> &'static [u8] {
        match self {
            Self::Credential => b"bulkhead credential 1",
            Self::Params => b"bulkhead deployment params 1",
            Self::Deployment => b"bulkhead deployment resource 1",
        }
    }
}

/// What was sealed cannot be opened: another key, another row, or damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "stored under another salt key: start with the LITELLM_SALT_KEY (else the master key) it was stored with"
)]
pub(crate) struct NotOurs;

/// Seals and opens.
pub(crate) struct Seal([RandomizedNonceKey; 3]);

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

impl Seal {
    /// Derives the keys from the salt key.
    pub(crate) fn new(salt_key: &Secret) -> anyhow::Result<Self> {
        let extracted = Salt::new(HKDF_SHA256, b"bulkhead").extract(salt_key.expose().as_bytes());
        let key = |purpose: Purpose| {
            let mut bytes = [0; 32];
            let name = [purpose.name()];
            extracted.expand(&name, Length).and_then(|okm| okm.fill(&mut bytes))?;
            RandomizedNonceKey::new(&AES_256_GCM, &bytes)
        };
        let [one, two, three] = Purpose::ALL.map(key);
        let failed = |_| anyhow::anyhow!("the encryption keys cannot be derived");
        Ok(Self([one.map_err(failed)?, two.map_err(failed)?, three.map_err(failed)?]))
    }

    /// Encrypts for one row, named by its id.
    pub(crate) fn seal(&self, purpose: Purpose, id: &str, clear: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut text = clear.to_vec();
        let nonce = self
            .key(purpose)
            .seal_in_place_append_tag(Aad::from(id.as_bytes()), &mut text)
            .map_err(|_| anyhow::anyhow!("encryption failed"))?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Decrypts what was sealed for the row.
    pub(crate) fn open(&self, purpose: Purpose, id: &str, sealed: &[u8]) -> Result<Vec<u8>, NotOurs> {
        let (format, rest) = sealed.split_first().ok_or(NotOurs)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or(NotOurs)?;
        if *format != FORMAT {
            return Err(NotOurs);
        }
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let clear = self.key(purpose).open_in_place(nonce, Aad::from(id.as_bytes()), &mut text);
        let len = clear.map_err(|_| NotOurs)?.len();
        text.truncate(len);
        Ok(text)
    }

    fn key(&self, purpose: Purpose) -> &RandomizedNonceKey {
        let Self([credential, params, deployment]) = self;
        match purpose {
            Purpose::Credential => credential,
            Purpose::Params => params,
            Purpose::Deployment => deployment,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_purpose_and_row_open_what_was_sealed() {
        let seal = Seal::new(&Secret::new("sk-salt")).unwrap();
        let sealed = seal.seal(Purpose::Params, "a", b"sk-provider").unwrap();
        assert_eq!(seal.open(Purpose::Params, "a", &sealed).unwrap(), b"sk-provider");
        assert!(!sealed.windows(11).any(|window| window == b"sk-provider"));
        assert_ne!(sealed, seal.seal(Purpose::Params, "a", b"sk-provider").unwrap());
        let other = Seal::new(&Secret::new("sk-other")).unwrap();
        assert_eq!(other.open(Purpose::Params, "a", &sealed), Err(NotOurs));
        assert_eq!(seal.open(Purpose::Deployment, "a", &sealed), Err(NotOurs));
        assert_eq!(seal.open(Purpose::Params, "b", &sealed), Err(NotOurs));
        for index in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[index] ^= 1;
            assert_eq!(seal.open(Purpose::Params, "a", &damaged), Err(NotOurs), "{index}");
            assert_eq!(seal.open(Purpose::Params, "a", &sealed[..index]), Err(NotOurs), "{index}");
        }
    }
}
