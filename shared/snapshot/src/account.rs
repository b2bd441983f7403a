//! Whose account with a provider a request is on.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use http::header::{HeaderName, HeaderValue};

use crate::address::Target;
use crate::identity::Identity;

/// Headers that say whose account a request is on.
const OF_ACCOUNT: [&str; 6] =
    ["authorization", "x-api-key", "api-key", "x-goog-api-key", "openai-organization", "openai-project"];

/// Hashed with a key of the process, so that nothing can be told from the number.
pub(crate) fn account(
    target: &Target,
    headers: &[(HeaderName, HeaderValue)],
    identity: Option<&Identity>,
) -> u64 {
    static KEYED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let mut credentials: Vec<_> = headers
        .iter()
        .filter(|(name, _)| OF_ACCOUNT.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    credentials.sort_unstable();
    KEYED.hash_one((target, credentials, identity))
}

#[cfg(test)]
mod tests {
    use bulkhead_model::rows::{DeploymentRow, SettingsRow};
    use bulkhead_pricing::PriceBook;

    use crate::compile::tests::deployment;
    use crate::deployment::Deployment;

    #[test]
    fn an_account_is_an_address_and_credentials_and_nothing_else() {
        let settings = SettingsRow::default();
        let account = |change: &dyn Fn(&mut DeploymentRow)| {
            let mut row = deployment("g", "gpt-4o", "openai");
            row.api_key = Some(bulkhead_model::Secret::new("sk-one"));
            change(&mut row);
            Deployment::compile(&row, &settings, &PriceBook::embedded()).unwrap().account
        };
        let one = account(&|_| {});
        assert_eq!(account(&|row| row.model = "gpt-4o-mini".into()), one);
        assert_eq!(account(&|row| row.api_base = Some("https://api.openai.com/other/v1".into())), one);
        assert_ne!(account(&|row| row.api_key = Some(bulkhead_model::Secret::new("sk-two"))), one);
        assert_ne!(account(&|row| row.organization = Some("org-1".into())), one);
        assert_ne!(account(&|row| row.api_base = Some("https://eu.api.openai.com/v1".into())), one);
    }
}
