//! The provider table, seen from the configuration. The only place that reads it.

pub(crate) use bulkhead_dialect::providers::{Provider, is_google_key, provider as named};

/// Every provider's name.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    bulkhead_dialect::providers::all().iter().map(|provider| provider.name.as_str())
}

/// True for a provider that is a service of somebody else's, which nobody uses without a key. Servers that one runs
/// oneself are at `http://localhost` in the table.
pub(crate) fn is_a_service(provider: &Provider) -> bool {
    provider.base_url.as_ref().is_some_and(|base| base.starts_with("https://"))
}

/// A declared base URL with the path that requests are appended to.
///
/// For servers that one runs oneself people write `http://host:1234`; their API is under a path, as the table says.
pub(crate) fn with_path(provider: &Provider, base: String) -> String {
    let own_path = provider.base_url.as_ref().and_then(|url| url.strip_prefix("http://")?.split_once('/'));
    let bare = base.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
    match own_path {
        Some((_, path)) if bare => format!("{base}/{path}"),
        _ => base,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_ones_own_get_their_path() {
        for (provider, base, expected) in [
            ("lm_studio", "http://gpu:1234", "http://gpu:1234/v1"),
            ("lm_studio", "http://gpu:1234/v1", "http://gpu:1234/v1"),
            ("ollama", "http://gpu:11434", "http://gpu:11434"),
            ("openai", "http://gpu:8000", "http://gpu:8000"),
            ("hosted_vllm", "http://gpu:8000", "http://gpu:8000"),
        ] {
            assert_eq!(with_path(named(provider).unwrap(), base.to_owned()), expected, "{provider}");
        }
        assert!(is_a_service(named("openai").unwrap()) && !is_a_service(named("ollama").unwrap()));
        assert!(names().any(|name| name == "anthropic"));
    }
}
