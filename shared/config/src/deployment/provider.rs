//! Which provider serves a deployment.

use crate::field::{Cx, Field, Fields};
use crate::provider::{self, Provider};
use crate::suggest;

/// Who serves the model.
pub(super) enum Served {
    /// One provider, under its own name of the model.
    By(&'static Provider, String),
    /// `model: "*"`: whichever provider the client names.
    ByAll,
}

/// Finds the provider: `custom_llm_provider`, the model's prefix, or a well-known name.
pub(super) fn served(
    params: &Fields<'_>,
    model: &Field<'_>,
    group: Option<&str>,
    cx: &mut Cx<'_>,
) -> Option<Served> {
    let named = params.get("custom_llm_provider");
    let name = model.text(cx, "openai/gpt-4o")?;
    check_stars(model, &name, group, cx);
    if let Some(named) = named {
        let wanted = named.text(cx, "openai")?;
        let Some(facts) = provider::named(&wanted) else {
            unknown_provider(&named, &wanted, cx);
            return None;
        };
        let own = name.strip_prefix(&format!("{wanted}/")).unwrap_or(&name).to_owned();
        return Some(Served::By(facts, own));
    }
    if name == "*" {
        return Some(Served::ByAll);
    }
    let prefixed = name.split_once('/').and_then(|(prefix, own)| Some((provider::named(prefix)?, own)));
    if let Some((facts, own)) = prefixed {
        if own.is_empty() {
            model.error(
                cx,
                format!("`{name}` names a provider and no model"),
                format!("model: {name}gpt-4o"),
            );
            return None;
        }
        return Some(Served::By(facts, own.to_owned()));
    }
    let inferred = inferred(&name).and_then(provider::named);
    if inferred.is_none() {
        no_provider(model, &name, params, cx);
    }
    inferred.map(|facts| Served::By(facts, name))
}

/// The provider of a bare name that everybody knows.
fn inferred(model: &str) -> Option<&'static str> {
    const OPENAI: &[&str] = &["gpt-", "chatgpt-", "text-embedding-", "o1", "o3", "o4", "ft:gpt-"];
    if model.contains('/') {
        return None;
    }
    if OPENAI.iter().any(|prefix| model.starts_with(prefix)) {
        return Some("openai");
    }
    model.starts_with("claude-").then_some("anthropic")
}

/// Bare names for a deployment that serves every provider: those of [`inferred`].
pub(super) fn bare_patterns(provider: &str) -> &'static [&'static str] {
    match provider {
        "openai" => &["gpt-*", "chatgpt-*", "text-embedding-*", "o1*", "o3*", "o4*", "ft:gpt-*"],
        "anthropic" => &["claude-*"],
        _ => &[],
    }
}

/// What a star of the model stands for comes from the star of the name that the client asked for.
fn check_stars(model: &Field<'_>, name: &str, group: Option<&str>, cx: &mut Cx<'_>) {
    let stars = |text: &str| text.matches('*').count();
    let Some(group) = group else { return };
    if stars(name) > stars(group) {
        let what = match stars(group) {
            0 => format!("`{name}` holds a `*` and the model_name `{group}` none, so nothing fills it"),
            _ => format!("`{name}` holds more `*` than the model_name `{group}`, so nothing fills the last"),
        };
        model.error(cx, what, format!("model_name: \"{name}\", or a model without `*`"));
    }
}

fn unknown_provider(field: &Field<'_>, wanted: &str, cx: &mut Cx<'_>) {
    let near = suggest::question(suggest::nearest(wanted, provider::names()));
    let what = format!("`{wanted}` is no provider of this version{near}");
    field.error(cx, what, format!("custom_llm_provider: one of {}", suggest::listed(provider::names())));
}

fn no_provider(model: &Field<'_>, name: &str, params: &Fields<'_>, cx: &mut Cx<'_>) {
    let (prefix, own) = name.split_once('/').unwrap_or(("", name));
    let near = if prefix.is_empty() { None } else { suggest::nearest(prefix, provider::names()) };
    let what = match prefix {
        "" => format!("`{name}` does not say which provider serves it"),
        prefix => format!("`{prefix}` is no provider of this version{}", suggest::question(near)),
    };
    let remedy = match near {
        Some(near) => format!("model: {near}/{own}"),
        None if params.get("api_base").or_else(|| params.get("base_url")).is_some() => {
            format!("model: openai/{name}, if the server at api_base speaks OpenAI's API")
        }
        None => {
            format!("model: PROVIDER/{own}, where PROVIDER is one of {}", suggest::listed(provider::names()))
        }
    };
    model.error(cx, what, remedy);
}
