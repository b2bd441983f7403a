//! Keeps secrets out of messages.
//!
//! Messages are made so that they never quote a secret's value. This is the second wall: an alias can put a key where
//! a number belongs, a wrong indentation can make a key the name of a field.

use bulkhead_model::redact;

use crate::yaml::{Map, Node, Value};

const MASK: &str = redact::MASK;

/// Shorter values are masked only by their shape: hiding every `none` would make messages unreadable.
const SHORTEST: usize = 8;

/// True for names of fields whose values are credentials.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let holds = |part: &str| name.contains(part);
    let ends = |part: &str| name.ends_with(part);
    let fixed = matches!(name.as_str(), "key" | "token" | "authorization" | "license" | "litellm_license");
    // Names of credentials are none, as little as lists of them and what people say of them.
    if matches!(
        name.as_str(),
        "litellm_credential_name" | "credential_name" | "credential_list" | "credential_info"
    ) {
        return false;
    }
    let named = holds("secret") || holds("password") || holds("credential") || holds("access_key");
    let suffixed = ends("_key") || ends("-key") || ends("apikey") || (ends("_token") && !holds("cost_per"));
    fixed || named || suffixed
}

/// True for fields that hold a mapping of names to secrets.
fn holds_secrets(name: &str) -> bool {
    matches!(name, "extra_headers" | "headers" | "environment_variables" | "default_query_params")
}

/// Every value in the tree that no message may quote.
pub(crate) fn secrets(root: &Node) -> Vec<String> {
    let mut found = Vec::new();
    gather(root, false, &mut found);
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    found.dedup();
    found
}

fn gather(node: &Node, secret: bool, found: &mut Vec<String>) {
    match &node.value {
        Value::Scalar(scalar) => {
            let value = scalar.text.trim();
            if secret && value.len() >= SHORTEST && !value.starts_with("os.environ/") {
                found.push(value.to_owned());
            }
        }
        Value::List(items) => items.iter().for_each(|item| gather(item, secret, found)),
        Value::Map(Map { entries }) => {
            for entry in entries {
                let secret = secret || is_secret_name(&entry.key) || holds_secrets(&entry.key);
                gather(&entry.value, secret, found);
            }
        }
    }
}

/// The text without known secrets, keys (`sk-…`) and the credentials of URLs, and on one line.
pub(crate) fn text(text: &str, secrets: &[String]) -> String {
    let mut out = text.to_owned();
    for secret in secrets.iter().filter(|secret| text.contains(secret.as_str())) {
        out = out.replace(secret.as_str(), MASK);
    }
    mask_userinfo(&redact::mask(&out)).replace(char::is_control, "\u{fffd}")
}

/// `scheme://user:password@host` becomes `scheme://***@host`.
fn mask_userinfo(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let authority = after.split(['/', '?', '#', ' ', '`', '"', '\'']).next().unwrap_or_default();
        match authority.rsplit_once('@').and_then(|(userinfo, _)| after.get(userinfo.len()..)) {
            Some(behind) => {
                out.push_str(MASK);
                rest = behind;
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_by_value_and_by_shape() {
        let secrets = vec!["hunter2-hunter2".to_owned()];
        for (plain, masked) in [
            ("found `hunter2-hunter2`", "found `[redacted]`"),
            ("keys[0].sk-abcdefgh1234: x", "keys[0].[redacted]: x"),
            ("sk-1234 is a default", "sk-1234 is a default"),
            ("echo \"sk-$(openssl rand -hex 24)\"", "echo \"sk-$(openssl rand -hex 24)\""),
            ("postgres://me:pw@db/x and http://h/a@b", "postgres://[redacted]@db/x and http://h/a@b"),
            ("task-abcdefghij", "task-abcdefghij"),
            ("é sk-é", "é sk-é"),
            ("a\nb\u{1b}[31m", "a\u{fffd}b\u{fffd}[31m"),
        ] {
            assert_eq!(text(plain, &secrets), masked);
        }
    }

    #[test]
    fn credentials_are_told_by_name() {
        for name in
            ["api_key", "master_key", "key", "aws_secret_access_key", "redis_password", "azure_ad_token"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in
            ["max_tokens", "input_cost_per_token", "credential_name", "key_alias", "key_hash", "model"]
        {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn masking_never_panics(plain in ".{0,60}", secret in ".{8,12}") {
            let _ = text(&plain, &[secret]);
        }
    }
}
