//! What a key says of fallbacks: `router_settings.fallbacks`, and `metadata.disable_fallbacks`.

use bulkhead_model::rows::FallbackPolicy;

use crate::field::{Cx, Fields};
use crate::settings::{Mentions, chains};

pub(super) fn read(fields: &Fields<'_>, mentions: &mut Mentions, cx: &mut Cx<'_>) -> FallbackPolicy {
    let mut policy = FallbackPolicy::default();
    let own = fields.get("router_settings").and_then(|field| field.fields(cx, "{fallbacks: []}"));
    for field in own.iter().flat_map(Fields::each).filter(|field| !field.node.is_unset()) {
        if field.name() == "fallbacks" {
            policy.chains = chains(&field, mentions, cx);
        } else {
            let topic = format!("virtual_keys.router_settings.{}", field.name());
            let what = "not available in this version; of a key's router_settings `fallbacks` are read";
            cx.report.warn_once(
                topic,
                field.place,
                &field.path,
                what,
                "nothing; the key may stay for LiteLLM",
            );
        }
    }
    let metadata = fields.get("metadata").and_then(|field| field.fields(cx, "{}"));
    if let Some(field) = metadata.and_then(|metadata| metadata.get("disable_fallbacks")) {
        policy.disabled = field.boolean(cx).unwrap_or(false);
    }
    policy
}
