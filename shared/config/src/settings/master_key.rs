//! `general_settings.master_key`: a gateway whose master key can be guessed is an open one, so it does not start.

use std::collections::HashSet;

use bulkhead_model::Secret;

use crate::field::{Cx, Fields};

const PATH: &str = "general_settings.master_key";
const VARIABLE: &str = "LITELLM_MASTER_KEY";

/// Fewer characters after `sk-` can be tried.
const SHORTEST: usize = 16;

/// Fewer different characters are a pattern. 16 random hexadecimal digits have fewer once in 30,000 times.
const DIFFERENT: usize = 6;

/// Parts of keys that people put where the key goes later.
const PLACEHOLDERS: &[&str] = &[
    "changeme",
    "replaceme",
    "yourkey",
    "yourmaster",
    "masterkey",
    "mykey",
    "mysecret",
    "yoursecret",
    "secretkey",
    "supersecret",
    "example",
    "placeholder",
    "password",
    "litellm",
    "bulkhead",
    "12345678",
];

/// Reads the master key from the file, else from `LITELLM_MASTER_KEY`.
pub(super) fn read(root: &Fields<'_>, general: Option<&Fields<'_>>, cx: &mut Cx<'_>) -> Option<Secret> {
    let declared = general.and_then(|general| general.declared("master_key"));
    let (key, place) = match declared {
        Some(field) if field.node.is_null() => (None, field.place),
        Some(field) => {
            let errors_before = cx.report.errors();
            let key = field.secret(cx);
            if cx.report.errors() > errors_before {
                return None;
            }
            (key, field.place)
        }
        None => {
            let place = general.map_or(root.place, |general| general.place);
            let errors_before = cx.report.errors();
            let key = cx.default(VARIABLE, place, PATH);
            if cx.report.errors() > errors_before {
                return None;
            }
            (key.map(|key| Secret::new(key.trim())), place)
        }
    };
    let weakness = match &key {
        None => Some("there is no master key, so everybody could use and change everything"),
        Some(key) => weakness(key.expose()),
    };
    match weakness {
        None => key,
        Some(what) => {
            cx.report.error(place, PATH, what, remedy());
            None
        }
    }
}

fn remedy() -> String {
    format!("master_key: os.environ/{VARIABLE}, with a key made by: echo \"sk-$(openssl rand -hex 24)\"")
}

/// Why the key is none to rely on.
pub fn weakness(key: &str) -> Option<&'static str> {
    let Some(rest) = key.strip_prefix("sk-") else {
        return Some("a master key begins with `sk-`");
    };
    if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some("a master key holds no blanks and no letters but those of ASCII");
    }
    let plain: String = rest.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    if PLACEHOLDERS.iter().any(|placeholder| plain.contains(placeholder))
        || plain == "1234"
        || plain == "12345"
    {
        return Some("this is a default or example master key, which anybody would try");
    }
    if rest.len() < SHORTEST {
        return Some("this master key is too short: at least 16 characters must follow `sk-`");
    }
    let different: HashSet<u8> = rest.bytes().collect();
    if different.len() < DIFFERENT || mostly_a_run(rest.as_bytes()) {
        return Some("this master key is a pattern that can be guessed");
    }
    None
}

/// True for texts such as `abcdefghijklmnop`: three of four characters follow, repeat or precede the one before.
fn mostly_a_run(text: &[u8]) -> bool {
    let steps = text.iter().zip(text.iter().skip(1)).filter(|(a, b)| a.abs_diff(**b) <= 1).count();
    steps * 4 >= text.len() * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_can_be_guessed_are_told_why() {
        for (key, part) in [
            ("sk-1234", "default"),
            ("sk-12345", "default"),
            ("sk-1234567890abcdef1234", "default"),
            ("sk-changeme-changeme-changeme", "default"),
            ("sk-your-master-key-goes-here", "default"),
            ("sk-LiteLLM-prod-key-2026", "default"),
            ("0123456789abcdef0123456789", "begins with"),
            ("sk-", "too short"),
            ("sk-9f8a7b6c5d4e", "too short"),
            ("sk-aaaaaaaaaaaaaaaaaaaaaaaa", "pattern"),
            ("sk-abcabcabcabcabcabcabc", "pattern"),
            ("sk-abcdefghijklmnopqrstuvwxyz", "pattern"),
            ("sk-9f8a 7b6c5d4e3f2a1b0c", "blanks"),
            ("sk-äöüäöüäöüäöüäöü", "ASCII"),
        ] {
            let weakness = weakness(key).unwrap_or("none");
            assert!(weakness.contains(part), "{key}: {weakness}");
        }
    }

    #[test]
    fn random_keys_pass() {
        let random = [
            "sk-3f9c1a7be05d42886cb17af3d9e0254b81c6f7da90e3b214",
            "sk-Zk3v9QpLw2XcT7uR",
            "sk-tH_9-x2Qm4LrV8aW1sD0zg",
        ];
        for key in random {
            assert_eq!(weakness(key), None, "{key}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_openssl_makes_passes(bytes in proptest::array::uniform24(0u8..)) {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let placeholder = PLACEHOLDERS.iter().any(|placeholder| hex.contains(placeholder));
            let pattern = hex.bytes().collect::<HashSet<u8>>().len() < DIFFERENT || mostly_a_run(hex.as_bytes());
            let weak = weakness(&format!("sk-{}", hex)).is_some();
            proptest::prop_assert_eq!(weak, placeholder || pattern);
        }
    }
}
