//! Under which names a model may be listed, and whose prices fit which provider.
//!
//! LiteLLM's rules: the name with its provider, the name, the name without its provider, then the same without the
//! part that tells one snapshot or fine-tune of a model from another.

use std::cmp::Ordering;

/// The names under which a provider's model may be listed, best first.
pub(crate) fn candidates(provider: &str, model: &str) -> impl Iterator<Item = String> {
    let bare = bare(provider, model);
    let general = without_snapshot(provider, bare);
    let with_provider = |name: &str| format!("{provider}/{name}");
    let general_names = general.map(|name| [with_provider(name), name.to_owned()]);
    [with_provider(bare), model.to_owned(), bare.to_owned()]
        .into_iter()
        .chain(general_names.into_iter().flatten())
        .chain(
            placeless(provider, model)
                .into_iter()
                .flat_map(move |name| [format!("{provider}/{name}"), name.to_owned()]),
        )
        // A provider whose own names begin with its name: `perplexity/perplexity/sonar`.
        .chain([with_provider(model)])
}

/// The model's name without the provider's before a slash.
pub(crate) fn bare<'a>(provider: &str, model: &'a str) -> &'a str {
    model.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/')).unwrap_or(model)
}

/// Beginnings of Bedrock's names that say among which regions a request may go.
const PROFILES: [&str; 7] = ["us.", "eu.", "apac.", "jp.", "au.", "us-gov.", "global."];

/// A name of Bedrock's without LiteLLM's word for how it is asked, then without the region, then without regions.
fn placeless<'a>(provider: &str, model: &'a str) -> Vec<&'a str> {
    if provider != "bedrock" {
        return Vec::new();
    }
    let routed = ["invoke/", "converse/"].iter().find_map(|route| model.strip_prefix(route)).unwrap_or(model);
    let is_region = |text: &str| text.contains('-') && text.ends_with(|last: char| last.is_ascii_digit());
    let placed =
        routed.split_once('/').filter(|(first, _)| is_region(first)).map_or(routed, |(_, rest)| rest);
    let plain = PROFILES.iter().find_map(|profile| placed.strip_prefix(profile)).unwrap_or(placed);
    vec![routed, placed, plain]
}

/// The name without a snapshot's date or number or a fine-tune's owner.
fn without_snapshot<'a>(provider: &str, model: &'a str) -> Option<&'a str> {
    if matches!(provider, "vertex_ai" | "gemini" | "databricks") {
        return strip_digits(model, None)?.strip_suffix('-');
    }
    if model.contains("ft:") {
        // `ft:<model>:<organisation>:<suffix>:<id>`
        return model.rsplitn(4, ':').nth(3);
    }
    let month = strip_digits(model, Some(2))?.strip_suffix('-')?;
    let year = strip_digits(month, Some(2))?.strip_suffix('-')?;
    strip_digits(year, Some(4))?.strip_suffix('-')
}

/// The text before its last `count` characters, or all last ones, if these are digits and there are any.
fn strip_digits(text: &str, count: Option<usize>) -> Option<&str> {
    let rest = match count {
        Some(count) => text.get(..text.len().checked_sub(count)?)?,
        None => text.trim_end_matches(|last: char| last.is_ascii_digit()),
    };
    let digits = text.strip_prefix(rest)?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(rest)
}

/// True if a price listed for one provider holds for another.
pub(crate) fn fits(provider: &str, listed: &str) -> bool {
    is_of(provider, listed)
        || match provider {
            "azure_ai" => matches!(listed, "azure" | "openai"),
            // These pass requests on to any provider.
            "github" | "litellm_proxy" | "nadir" => true,
            _ => false,
        }
}

/// True if a listed provider is the provider itself: LiteLLM lists some under several names.
pub(crate) fn is_of(provider: &str, listed: &str) -> bool {
    listed == provider
        || match provider {
            "vertex_ai" | "fireworks_ai" => listed.starts_with(provider),
            "bedrock" | "bedrock_converse" => listed.starts_with("bedrock"),
            "openai" => listed == "text-completion-openai",
            "azure" => listed == "azure_text",
            "codestral" => listed == "text-completion-codestral",
            "cohere" => listed == "cohere_chat",
            _ => false,
        }
}

/// Alphabetical, without regard to ASCII case.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    one.bytes().map(|byte| byte.to_ascii_lowercase()).cmp(other.bytes().map(|byte| byte.to_ascii_lowercase()))
}
