//! `usage` in Anthropic's terms: input without what the cache gave and took.

use bulkhead_model::Usage;
use bulkhead_model::usage::ServiceTier;

use super::super::write::Fields;

/// Writes the member. Clients cannot do without: unknown counts are zero in it.
pub(super) fn write_usage(body: &mut Fields<'_>, usage: Option<&Usage>) {
    let usage = usage.copied().unwrap_or_default();
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    body.object("usage", |fields| {
        let cached = usage.cache_read.saturating_add(written);
        fields.number("input_tokens", usage.input.saturating_sub(cached));
        if written > 0 {
            fields.number("cache_creation_input_tokens", written);
            fields.object("cache_creation", |kinds| {
                kinds.number("ephemeral_5m_input_tokens", usage.cache_write);
                kinds.number("ephemeral_1h_input_tokens", usage.cache_write_1h);
            });
        }
        if usage.cache_read > 0 {
            fields.number("cache_read_input_tokens", usage.cache_read);
        }
        fields.number("output_tokens", usage.output);
        if usage.reasoning > 0 {
            fields.object("output_tokens_details", |details| {
                details.number("thinking_tokens", usage.reasoning);
            });
        }
        match usage.tier {
            ServiceTier::Standard | ServiceTier::Flex => {}
            tier @ (ServiceTier::Priority | ServiceTier::Batch) => fields.text("service_tier", tier.label()),
        }
    });
}
