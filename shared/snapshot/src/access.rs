//! What a holder may use: models and routes.

use bulkhead_model::Endpoint;

use crate::models::Group;
use crate::pattern::Pattern;

/// Which models a key, team or user may use (LiteLLM's `models` list).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelAccess {
    /// Every model: an empty list, `*` or `all-proxy-models`.
    All,
    /// What one of the entries names.
    Listed(Box<[Entry]>),
}

/// One entry of a `models` list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A model name or an access group.
    Name(Box<str>),
    /// A name with `*`.
    Wildcard(Pattern),
}

impl ModelAccess {
    /// Compiles a `models` list. `no-default-models` alone allows nothing.
    pub fn compile(models: &[String]) -> Self {
        if models.is_empty() || models.iter().any(|name| name == "*" || name == "all-proxy-models") {
            return Self::All;
        }
        let entries = models.iter().map(|name| match Pattern::is_wildcard(name) {
            true => Entry::Wildcard(Pattern::new(name)),
            false => Entry::Name(name.as_str().into()),
        });
        Self::Listed(entries.collect())
    }

    /// True when the model may be used.
    ///
    /// `asked` is the name in the request, `group` the group that it resolves to. An entry allows the name itself,
    /// the group's name (an alias is as good as its target), an access group of the group, or a wildcard that fits
    /// the name, also with its provider put before it (`openai/*` allows a group `gpt-4o` served by OpenAI).
    pub fn allows(&self, asked: &str, group: &Group) -> bool {
        match self {
            Self::All => true,
            Self::Listed(entries) => entries.iter().any(|entry| entry.allows(asked, group)),
        }
    }
}

impl Entry {
    fn allows(&self, asked: &str, group: &Group) -> bool {
        match self {
            Self::Name(name) => {
                **name == *asked
                    || *name == group.name
                    || group.access_groups.iter().any(|member| member == name)
            }
            Self::Wildcard(pattern) => {
                pattern.matches(asked)
                    || pattern.matches(&group.name)
                    || (!asked.contains('/')
                        && group.providers().any(|provider| pattern.matches(&format!("{provider}/{asked}"))))
            }
        }
    }
}

/// Which routes a key may call (LiteLLM's `allowed_routes`): inference routes only, management has its own rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteAccess {
    /// Every inference route.
    All,
    /// Those of the groups, and paths that fit a pattern.
    Listed {
        /// One bit per [`Endpoint::index`], and the highest bit for `/v1/models`.
        bits: u32,
        /// Paths as clients write them, `*` allowed.
        paths: Box<[Pattern]>,
    },
}

/// The bit of `/v1/models` in [`RouteAccess::Listed`].
const MODELS_BIT: u32 = 1 << 31;

const fn bit(endpoint: Endpoint) -> u32 {
    1 << endpoint.index()
}

const OPENAI: u32 = bit(Endpoint::ChatCompletions)
    | bit(Endpoint::Completions)
    | bit(Endpoint::Embeddings)
    | bit(Endpoint::Responses)
    | MODELS_BIT;
const ANTHROPIC: u32 = bit(Endpoint::Messages) | bit(Endpoint::CountTokens);
const GOOGLE: u32 = bit(Endpoint::GenerateContent)
    | bit(Endpoint::EmbedContent)
    | bit(Endpoint::BatchEmbedContents)
    | bit(Endpoint::GeminiCountTokens);

impl RouteAccess {
    /// Compiles an `allowed_routes` list; an empty one allows every inference route.
    pub fn compile(routes: &[String]) -> Self {
        if routes.is_empty() {
            return Self::All;
        }
        let mut bits = 0;
        let mut paths = Vec::new();
        for route in routes {
            match route.as_str() {
                "llm_api_routes" => bits |= OPENAI | ANTHROPIC | GOOGLE | bit(Endpoint::Converse),
                "openai_routes" => bits |= OPENAI,
                "anthropic_routes" => bits |= ANTHROPIC,
                "google_routes" => bits |= GOOGLE,
                path => paths.push(Pattern::new(path)),
            }
        }
        Self::Listed { bits, paths: paths.into() }
    }

    /// True when the route may be called. `path` is the path as routed; `endpoint` is `None` for `/v1/models`.
    pub fn allows(&self, path: &str, endpoint: Option<Endpoint>) -> bool {
        let Self::Listed { bits, paths } = self else { return true };
        let wanted = endpoint.map_or(MODELS_BIT, bit);
        bits & wanted != 0 || paths.iter().any(|pattern| pattern.matches(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, providers: &[&str], access_groups: &[&str]) -> Group {
        Group::for_access_test(name, providers, access_groups)
    }

    fn access(models: &[&str]) -> ModelAccess {
        ModelAccess::compile(&models.iter().map(|model| (*model).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn models_are_allowed_by_name_group_alias_target_and_wildcard() {
        let gpt = group("gpt-4o", &["openai"], &["beta"]);
        for (models, asked, allowed) in [
            (&[][..], "gpt-4o", true),
            (&["*"], "gpt-4o", true),
            (&["all-proxy-models"], "gpt-4o", true),
            (&["gpt-4o"], "gpt-4o", true),
            (&["gpt-4o"], "alias-of-gpt-4o", true),
            (&["beta"], "gpt-4o", true),
            (&["openai/*"], "gpt-4o", true),
            (&["gpt-*"], "gpt-4o", true),
            (&["anthropic/*"], "gpt-4o", false),
            (&["gpt-4"], "gpt-4o", false),
            (&["no-default-models"], "gpt-4o", false),
            (&["GPT-4o"], "gpt-4o", false),
        ] {
            assert_eq!(access(models).allows(asked, &gpt), allowed, "{models:?} {asked}");
        }
    }

    #[test]
    fn routes_are_allowed_by_group_and_by_path() {
        let chat = Some(Endpoint::ChatCompletions);
        for (routes, path, endpoint, allowed) in [
            (&[][..], "/v1/chat/completions", chat, true),
            (&["llm_api_routes"], "/v1/messages", Some(Endpoint::Messages), true),
            (&["openai_routes"], "/v1/messages", Some(Endpoint::Messages), false),
            (&["openai_routes"], "/v1/models", None, true),
            (&["anthropic_routes"], "/v1/models", None, false),
            (&["/v1/chat/completions"], "/v1/chat/completions", chat, true),
            (&["/v1/chat/completions"], "/chat/completions", chat, false),
            (&["/v1/*"], "/v1/embeddings", Some(Endpoint::Embeddings), true),
            (&["management_routes"], "/v1/chat/completions", chat, false),
        ] {
            let routes: Vec<_> = routes.iter().map(|route| (*route).to_owned()).collect();
            assert_eq!(RouteAccess::compile(&routes).allows(path, endpoint), allowed, "{routes:?} {path}");
        }
    }
}
