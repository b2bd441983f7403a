//! What LiteLLM's names of Bedrock's models say besides the model.

use crate::field::{Cx, Fields};

/// A name, taken apart.
pub(super) struct Named {
    /// What Bedrock is asked for, behind LiteLLM's word for how: `invoke/…`.
    pub(super) model: String,
    /// The price book's name, where the model is not.
    pub(super) base: Option<String>,
}

/// Words of LiteLLM's for how a model is asked, and what they come to.
const ROUTES: [(&str, &str); 5] = [
    ("invoke/", "invoke/"),
    ("converse/", "converse/"),
    ("converse_like/", "converse/"),
    ("nova/", "converse/"),
    ("nova-2/", "converse/"),
];
/// Those for services that are not here.
const OTHER_ROUTES: [&str; 6] =
    ["agent/", "agentcore/", "async_invoke/", "claude_platform/", "mantle/", "openai/"];

/// What is asked for instead of the model, which then only has a price.
pub(super) fn model_id(params: &Fields<'_>, cx: &mut Cx<'_>) -> Option<String> {
    let field = params.get("model_id")?;
    super::printable(&field, "arn:aws:bedrock:us-east-1:…:application-inference-profile/…", cx)
}

/// Reads a name; an id goes into its place. `None` is reported.
pub(super) fn named(name: &str, id: Option<&str>, params: &Fields<'_>, cx: &mut Cx<'_>) -> Option<Named> {
    let (route, own) = split_route(name);
    if let Some(other) = OTHER_ROUTES.iter().find(|other| own.starts_with(*other)) {
        let what = format!(
            "`bedrock/{other}…` is another service of Bedrock's, which is not available in this version"
        );
        cx.report.error(
            params.place,
            &format!("{}.model", params.path),
            what,
            "model: bedrock/us.anthropic.claude-…",
        );
        return None;
    }
    let plain = own.split_once('/').filter(|(first, _)| is_region(first)).map_or(own, |(_, rest)| rest);
    let base = (id.is_some() || plain != own).then(|| own.to_owned());
    Some(Named { model: format!("{route}{}", id.unwrap_or(plain)), base })
}

/// The region that a name or an id says, before the model or within an ARN.
pub(super) fn region_of(name: &str, id: Option<&str>) -> Option<String> {
    let (_, own) = split_route(name.strip_prefix("bedrock/").unwrap_or(name));
    let before = own.split_once('/').map(|(first, _)| first).filter(|first| is_region(first));
    let in_arn =
        |name: &str| name.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)).map(str::to_owned);
    let in_arn = id.and_then(in_arn).or_else(|| in_arn(own)).filter(|region| is_region(region));
    before.map(str::to_owned).or(in_arn)
}

fn split_route(name: &str) -> (&'static str, &str) {
    let route = ROUTES.iter().find_map(|(word, route)| name.strip_prefix(word).map(|own| (*route, own)));
    route.unwrap_or(("", name))
}

/// `eu-central-1`, `us-gov-west-1`: letters, and a number at the end.
fn is_region(text: &str) -> bool {
    let Some((place, number)) = text.rsplit_once('-') else { return false };
    let words = place.split('-');
    !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && words.clone().count() >= 2
        && words.clone().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_told_from_names() {
        for (text, is) in [
            ("us-east-1", true),
            ("ap-southeast-2", true),
            ("us-gov-west-1", true),
            ("us.anthropic", false),
            ("anthropic.claude-3-5", false),
            ("invoke", false),
            ("east-1", false),
            ("us-east-", false),
        ] {
            assert_eq!(is_region(text), is, "{text}");
        }
    }
}
