//! Members of a chat request that providers have by another name, do not have, or refuse for some of their models.

use crate::providers::Provider;

/// What becomes of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes as it is.
    Keep,
    /// The provider would refuse it, and the answer is the same without it.
    Aside,
    /// The provider would refuse it, and it asks for nothing but what happens anyhow.
    Idle,
    /// The provider would refuse it: an error, or dropped, as the configuration says.
    Refuse,
}

/// OpenAI's models that reason, which take less than the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// o1, o3, o4-mini and what comes after them.
    O,
    /// GPT-5 and later.
    Gpt {
        /// It samples when it is told not to reason.
        can_sample: bool,
        /// It does not reason where nobody tells it to.
        samples: bool,
    },
}

/// Never taken by GPT-5 and later.
const NOT_GPT: [&str; 8] = [
    "presence_penalty",
    "frequency_penalty",
    "stop",
    "logit_bias",
    "modalities",
    "prediction",
    "audio",
    "web_search_options",
];

/// Never taken by the o-series.
const NOT_O: [&str; 5] = ["logprobs", "top_logprobs", "top_p", "presence_penalty", "frequency_penalty"];

/// Taken by a model only while it does not reason.
const SAMPLING: [&str; 3] = ["logprobs", "top_logprobs", "top_p"];

/// What a provider makes of the members of a chat request for one of its models.
#[derive(Debug, Clone, Copy)]
pub struct Members {
    provider: Option<&'static Provider>,
    family: Option<Family>,
}

impl Default for Members {
    /// Of a provider that takes everything.
    fn default() -> Self {
        Self { provider: None, family: None }
    }
}

impl Members {
    /// By the name that the model is known by.
    pub fn of(provider: &'static Provider, model: &str) -> Self {
        let family = provider.openai_models.then(|| family(model)).flatten();
        Self { provider: Some(provider), family }
    }

    /// True where every member goes as it is.
    pub fn takes_all(&self) -> bool {
        let is_plain = |of: &Provider| of.renamed.is_empty() && of.left_out.is_empty() && !of.strict_messages;
        self.family.is_none() && self.provider.is_none_or(is_plain)
    }

    /// What the provider calls a member.
    pub fn name<'n>(&self, name: &'n str) -> &'n str
    where
        Self: 'n,
    {
        if self.family.is_some() && name == "max_tokens" {
            return "max_completion_tokens";
        }
        let renamed = self.provider.and_then(|provider| provider.renamed.get(name));
        renamed.map_or(name, |other| other.as_str())
    }

    /// Another value for a member: Mistral's word for a tool that has to be called.
    pub fn value(&self, name: &str, value: &[u8]) -> Option<&'static [u8]> {
        (self.is_strict() && name == "tool_choice" && value == b"\"required\"").then_some(b"\"any\"")
    }

    /// True where messages may hold nothing but what Mistral knows.
    pub(crate) fn is_strict(&self) -> bool {
        self.provider.is_some_and(|provider| provider.strict_messages)
    }

    /// What becomes of a member, given how much the model is told to reason.
    pub fn verdict(&self, name: &str, value: &[u8], effort: Option<&str>) -> Verdict {
        if self.provider.is_some_and(|provider| provider.left_out.iter().any(|listed| listed == name)) {
            return Verdict::Aside;
        }
        let Some(family) = self.family else { return Verdict::Keep };
        let samples = match (family, effort) {
            (Family::O, _) => false,
            (Family::Gpt { can_sample, .. }, Some(effort)) => can_sample && effort == "none",
            (Family::Gpt { samples, .. }, None) => samples,
        };
        let is_refused = match family {
            Family::O => NOT_O.contains(&name),
            Family::Gpt { .. } => NOT_GPT.contains(&name) || (!samples && SAMPLING.contains(&name)),
        };
        match name {
            "temperature" if !samples && !is_one(value) => Verdict::Refuse,
            _ if !is_refused => Verdict::Keep,
            _ if asks_for_nothing(name, value) => Verdict::Idle,
            _ => Verdict::Refuse,
        }
    }
}

fn is_one(value: &[u8]) -> bool {
    matches!(value, b"1" | b"1.0" | b"null")
}

/// True for a value that says what happens anyhow.
fn asks_for_nothing(name: &str, value: &[u8]) -> bool {
    match name {
        "presence_penalty" | "frequency_penalty" => matches!(value, b"0" | b"0.0"),
        "top_p" => is_one(value),
        "top_logprobs" => value == b"0",
        "logprobs" => value == b"false",
        "stop" => value == b"[]",
        "logit_bias" => value == b"{}",
        "modalities" => value == b"[\"text\"]",
        _ => false,
    }
}

/// By the name alone, as LiteLLM does: the price book does not know the names of Azure's deployments.
fn family(model: &str) -> Option<Family> {
    let name = model.rsplit('/').next().unwrap_or(model);
    let mut letters = name.bytes();
    if letters.next() == Some(b'o') && letters.next().is_some_and(|byte| byte.is_ascii_digit()) {
        return Some(Family::O);
    }
    let version = name.split_once("gpt-").map(|(_, rest)| rest)?;
    let digits = |text: &str| text.split(|letter: char| !letter.is_ascii_digit()).next()?.parse::<u32>().ok();
    let major = digits(version)?;
    // Azure has a gpt-35.
    if !(5..10).contains(&major) || version.starts_with("5-chat") {
        return None;
    }
    let minor = version.split_once('.').and_then(|(_, rest)| digits(rest)).unwrap_or(0);
    let is_special = version.split('-').any(|word| matches!(word, "codex" | "pro" | "chat" | "astra"));
    let can_sample = (major, minor) >= (5, 1) && !is_special;
    // OpenAI's default effort is `none` from 5.1 to 5.4.
    Some(Family::Gpt { can_sample, samples: can_sample && (major, minor) <= (5, 4) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::provider;

    fn verdict(model: &str, name: &str, value: &str, effort: Option<&str>) -> Verdict {
        Members::of(provider("openai").unwrap(), model).verdict(name, value.as_bytes(), effort)
    }

    #[test]
    fn models_that_reason_take_less() {
        use Verdict::{Idle, Keep, Refuse};
        for (model, name, value, effort, expected) in [
            ("gpt-4o", "temperature", "0", None, Keep),
            ("gpt-35-turbo", "stop", "\"x\"", None, Keep),
            ("gpt-oss-120b", "stop", "\"x\"", None, Keep),
            ("gpt-5-chat-latest", "temperature", "0", None, Keep),
            ("o3-mini", "temperature", "0", None, Refuse),
            ("o3-mini", "temperature", "1.0", None, Keep),
            ("o1", "top_p", "0.5", None, Refuse),
            ("o1", "top_p", "1", None, Idle),
            ("o4-mini", "presence_penalty", "0", None, Idle),
            ("o4-mini", "stop", "\"x\"", None, Keep),
            ("gpt-5", "temperature", "0.2", None, Refuse),
            ("gpt-5", "temperature", "0.2", Some("none"), Refuse),
            ("azure/eu/gpt-5-mini-2025-08-07", "stop", "\"x\"", None, Refuse),
            ("gpt-5-mini", "n", "2", None, Keep),
            ("gpt-5.1", "temperature", "0.2", None, Keep),
            ("gpt-5.1", "temperature", "0.2", Some("low"), Refuse),
            ("gpt-5.2", "logprobs", "true", Some("none"), Keep),
            ("gpt-5.2", "logit_bias", "{\"1\":2}", Some("none"), Refuse),
            ("gpt-5.2-pro", "top_p", "0.1", Some("none"), Refuse),
            ("gpt-5.5", "top_p", "0.1", None, Refuse),
            ("gpt-5.5", "top_p", "0.1", Some("none"), Keep),
            ("gpt-6-sol", "temperature", "0", None, Refuse),
            ("gpt-6-sol", "messages", "[]", None, Keep),
        ] {
            assert_eq!(verdict(model, name, value, effort), expected, "{model} {name} {value} {effort:?}");
        }
        let elsewhere = Members::of(provider("groq").unwrap(), "openai/gpt-5");
        assert_eq!(elsewhere.verdict("temperature", b"0", None), Keep);
    }

    #[test]
    fn members_have_other_names_elsewhere() {
        let openai = provider("openai").unwrap();
        assert_eq!(Members::of(openai, "gpt-5").name("max_tokens"), "max_completion_tokens");
        assert_eq!(Members::of(openai, "gpt-4o").name("max_tokens"), "max_tokens");
        let mistral = Members::of(provider("mistral").unwrap(), "mistral-large");
        assert_eq!(mistral.name("seed"), "random_seed");
        assert_eq!(mistral.name("max_completion_tokens"), "max_tokens");
        assert_eq!(mistral.value("tool_choice", b"\"required\""), Some(&b"\"any\""[..]));
        assert_eq!(mistral.value("tool_choice", b"\"auto\""), None);
        assert_eq!(mistral.verdict("user", b"\"u\"", None), Verdict::Aside);
    }
}
