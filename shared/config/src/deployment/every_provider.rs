//! `model: "*"`: one deployment for whatever provider the client names.
//!
//! A deployment has one provider, so this becomes one per provider whose key is in the environment: `openai/*`,
//! `anthropic/*` and so on, and bare names such as `gpt-*` for the providers that everybody knows by them.

use bulkhead_dialect::cloud::{PARAMETERS, REGION};

use super::provider::bare_patterns;
use super::target;
use crate::field::{Cx, Field, Fields};
use crate::provider as table;

/// One of the deployments.
pub(super) struct Each {
    pub(super) group: String,
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) target: target::Target,
    /// Tells its id from the others'.
    pub(super) suffix: String,
}

/// The deployments that `model: "*"` under the name `group` stands for.
pub(super) fn expand(params: &Fields<'_>, model: &Field<'_>, group: &str, cx: &mut Cx<'_>) -> Vec<Each> {
    let of_clouds = PARAMETERS.iter().map(|(_, name)| *name).filter(|name| *name != REGION);
    let fixed = ["api_key", "api_base", "base_url", "api_version"]
        .into_iter()
        .chain(of_clouds)
        .find_map(|name| params.get(name));
    if let Some(field) = fixed {
        // One provider's key must not reach all the others.
        let what = format!("`{}` belongs to one provider, and `model: \"*\"` means them all", field.name());
        field.error(cx, what, "model: \"openai/*\" (and so on), a deployment for each provider");
        return Vec::new();
    }
    let mut out = Vec::new();
    for name in table::names() {
        let Some(provider) = table::named(name) else { continue };
        let Some(target) = target::from_environment(provider, params, cx) else { continue };
        let prefixed = (format!("{name}/*"), "*".to_owned());
        let bare = bare_patterns(name).iter().map(|pattern| ((*pattern).to_owned(), (*pattern).to_owned()));
        for (index, (asked, served)) in std::iter::once(prefixed).chain(bare).enumerate() {
            out.push(Each {
                group: group.replacen('*', &asked, 1),
                provider: name.to_owned(),
                model: served,
                target: target.clone(),
                suffix: if index == 0 { name.to_owned() } else { format!("{name}-{index}") },
            });
        }
    }
    if out.is_empty() {
        let what = "`*` reaches every provider whose key is in the environment, and there is none";
        model.error(
            cx,
            what,
            "`export OPENAI_API_KEY=…` before starting the gateway, or model: \"openai/*\" with an api_key",
        );
    }
    out
}
