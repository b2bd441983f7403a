//! Hides what looks like a credential. A provider may quote the key it refused, and its message goes to callers.

const REDACTED: &str = "[redacted]";

/// What keys begin with: OpenAI and Anthropic, Google, Groq, xAI, Hugging Face, Perplexity, NVIDIA, AWS, JSON web
/// tokens, GitHub.
const PREFIXES: [&str; 15] = [
    "sk-",
    "sk_",
    "AIza",
    "gsk_",
    "xai-",
    "hf_",
    "pplx-",
    "nvapi-",
    "AKIA",
    "ASIA",
    "eyJ",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
];

/// What the ids of a provider's own objects begin with. Callers need them, and they open nothing.
const IDS: [&str; 14] = [
    "resp_",
    "msg_",
    "req_",
    "call_",
    "toolu_",
    "srvtoolu_",
    "chatcmpl-",
    "cmpl-",
    "fc_",
    "rs_",
    "file-",
    "run_",
    "thread_",
    "conv_",
];

/// Words that follow "Bearer" in prose.
const PROSE: [&str; 9] =
    ["token", "tokens", "auth", "authentication", "authorization", "scheme", "prefix", "key", "keys"];

/// A run of base64 or hex of this length is taken for a secret.
const LONG_RUN: usize = 32;
/// As is a shorter one without separators, in a long run, that mixes letters and digits.
const MIXED_RUN: usize = 20;

/// The text with everything that looks like a credential replaced.
pub(super) fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut hide_next = false;
    while !rest.is_empty() {
        let (word, tail) = split(rest, is_word);
        let (gap, after) = split(tail, |character| !is_word(character));
        push_word(&mut out, word, hide_next);
        out.push_str(gap);
        hide_next = hides_next(word, gap);
        rest = after;
    }
    out
}

/// What may stand within a credential, a star for one that is masked already.
fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_-+/.*~".contains(character)
}

fn split(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    let at = text.find(|character| !keep(character)).unwrap_or(text.len());
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// `Bearer x`, `key=x`, `api_key: "x"`.
fn hides_next(word: &str, gap: &str) -> bool {
    let bare = gap.trim_matches(|character| " \"'`".contains(character));
    if word.eq_ignore_ascii_case("bearer") {
        return bare.is_empty() || bare == ":";
    }
    let name = word.to_ascii_lowercase();
    let names_a_key = name.ends_with("key") || name.ends_with("token") || name.ends_with("secret");
    match bare {
        "=" => names_a_key,
        ":" => names_a_key && name.contains(['_', '-']),
        _ => false,
    }
}

fn push_word(out: &mut String, word: &str, hidden: bool) {
    // A full stop ends the sentence, not the word.
    let kept = word.trim_end_matches('.');
    let stops = word.strip_prefix(kept).unwrap_or_default();
    let prose = PROSE.iter().any(|prose| kept.eq_ignore_ascii_case(prose));
    let hidden = (hidden && !prose && !kept.is_empty()) || looks_secret(kept);
    out.push_str(if hidden { REDACTED } else { kept });
    out.push_str(stops);
}

fn looks_secret(word: &str) -> bool {
    if IDS.iter().any(|prefix| word.starts_with(prefix)) {
        return false;
    }
    if PREFIXES.iter().any(|prefix| word.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty())) {
        return true;
    }
    word.split(['.', '*', '~']).any(is_long_run)
}

/// Base64, its URL form or hex. The names of models and the paths of pages are long too, but made of short words.
fn is_long_run(run: &str) -> bool {
    let mixed = |part: &str| {
        part.bytes().any(|byte| byte.is_ascii_digit()) && part.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    run.len() >= LONG_RUN
        && run
            .split(['-', '_', '/'])
            .any(|part| part.len() >= LONG_RUN || (part.len() >= MIXED_RUN && mixed(part)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn credentials_are_hidden() {
        for (text, masked) in [
            (
                "Incorrect API key provided: sk-proj-abc_123. See",
                "Incorrect API key provided: [redacted]. See",
            ),
            ("key sk-ant-api03-x", "key [redacted]"),
            ("(sk-****************abcd)", "([redacted])"),
            ("Authorization: Bearer abc.def-1", "Authorization: Bearer [redacted]"),
            ("bearer 'x'", "bearer '[redacted]'"),
            ("AIzaSyA-1234567", "[redacted]"),
            ("https://h/v1?key=abc&x=1", "https://h/v1?key=[redacted]&x=1"),
            ("api_key: \"hunter2\"", "api_key: \"[redacted]\""),
            ("api-key=hunter2,", "api-key=[redacted],"),
            (
                "0123456789abcdef0123456789abcdef and deadbeefdeadbeefdeadbeefdeadbeef",
                "[redacted] and [redacted]",
            ),
            ("Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MGFi+/Zm9v==", "[redacted]=="),
            ("token abcdefghij0123456789-ABCDEFGHIJ_9", "token [redacted]"),
        ] {
            assert_eq!(mask(text), masked, "{text}");
        }
    }

    #[test]
    fn what_a_caller_needs_stays() {
        for text in [
            "The model `meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8` does not exist",
            "Ensure Key has `Bearer ` prefix. Use a Bearer token.",
            "See https://platform.openai.com/docs/guides/error-codes/api-errors for api_key problems: none",
            "Previous response with id 'resp_67cb61fa3a448190bcf2c42d96f0d1a8' not found.",
            "org: 5576611f-a1ee-427c-9800-298d9579899c, model: claude-sonnet-4-5-20250929",
            "task-force, risk-free, ask-me; the key: none. Grüße 🌍",
            "",
        ] {
            assert_eq!(mask(text), text);
        }
    }

    proptest! {
        #[test]
        fn no_key_survives(before in "[ -~]{0,20}[ :\"'(]", key in "sk-[A-Za-z0-9_-]{1,60}", after in "([ \"'),][ -~]{0,20})?") {
            let masked = mask(&format!("{before}{key}{after}"));
            prop_assert!(!masked.contains(&key), "{}", masked);
        }
    }
}
