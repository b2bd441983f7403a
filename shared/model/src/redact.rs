//! Hides what looks like a credential in a text. The second wall: the first is that secrets are in a type that cannot
//! be printed.

use std::borrow::Cow;

/// What stands in for a credential.
pub const MASK: &str = "[redacted]";

/// Prefixes of keys, and how many more key characters make one.
const PREFIXES: [(&str, usize); 7] =
    [("sk-", 8), ("AIza", 16), ("xai-", 16), ("gsk_", 16), ("hf_", 16), ("pk-", 16), ("AKIA", 12)];

/// Words that a credential follows.
const BEFORE: [&str; 6] = ["bearer ", "basic ", "api_key=", "api-key=", "key=", "token="];

/// Replaces credentials by [`MASK`]. Masked forms of keys (`sk-...abcd`) and hashes stay readable.
pub fn mask(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(first) = rest.chars().next() else { break };
        match credential(text, at, rest) {
            None => at += first.len_utf8(),
            Some((skip, len)) => {
                out.push_str(text.get(kept..at + skip).unwrap_or_default());
                out.push_str(MASK);
                at += skip + len;
                kept = at;
            }
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(kept..).unwrap_or_default());
    Cow::Owned(out)
}

/// How many bytes to keep and how many to hide, where a credential starts here.
fn credential(text: &str, at: usize, rest: &str) -> Option<(usize, usize)> {
    let starts_word =
        !text.get(..at).is_some_and(|before| before.ends_with(|c: char| c.is_ascii_alphanumeric()));
    if !starts_word {
        return None;
    }
    for (prefix, least) in PREFIXES {
        if let Some(tail) = rest.strip_prefix(prefix) {
            let len = run(tail);
            if len >= least {
                return Some((0, prefix.len() + len));
            }
        }
    }
    for word in BEFORE {
        let Some((head, tail)) = rest.split_at_checked(word.len()) else { continue };
        let len = run(tail);
        if head.eq_ignore_ascii_case(word) && len >= 8 {
            return Some((word.len(), len));
        }
    }
    None
}

/// The length of a run of characters that keys are made of.
fn run(text: &str) -> usize {
    text.bytes()
        .take_while(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'/' | b'=')
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_hidden_wherever_they_stand() {
        for (text, masked) in [
            ("Incorrect API key provided: sk-abcdefgh12345.", "Incorrect API key provided: [redacted]"),
            ("sk-ant-api03-abc_def-ghi", "[redacted]"),
            ("Authorization: Bearer abcdefghijk!", "Authorization: Bearer [redacted]!"),
            ("https://x/?key=AIzaSyA1234567890abcdef&alt=sse", "https://x/?key=[redacted]&alt=sse"),
            ("a sk-aaaaaaaaaa b sk-bbbbbbbbbb c", "a [redacted] b [redacted] c"),
        ] {
            assert_eq!(mask(text), masked);
        }
    }

    #[test]
    fn ordinary_text_stays() {
        for text in [
            "Received API Key = sk-...abcd",
            "risk-averse task-oriented",
            "Key Hash (Token) =88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
            "the bearer of news",
            "",
            "é sk-é",
        ] {
            assert!(matches!(mask(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_planted_key_never_survives(before in ".{0,20}[ :\"(]", key in "[A-Za-z0-9]{12,40}", after in "[ \"),].{0,20}") {
            let text = format!("{before}sk-{key}{after}");
            proptest::prop_assert!(!mask(&text).contains(&key));
        }
    }
}
