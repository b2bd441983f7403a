//! `usage` as LiteLLM writes it: OpenAI's totals and details, and what of the input was written to a cache.

use bulkhead_model::Usage;
use bulkhead_model::usage::ServiceTier;

use super::super::write::Fields;

/// Writes the member.
pub(crate) fn write_usage(body: &mut Fields<'_>, usage: &Usage) {
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    body.object("usage", |fields| {
        fields.number("prompt_tokens", usage.input);
        fields.number("completion_tokens", usage.output);
        fields.number("total_tokens", usage.input.saturating_add(usage.output));
        if usage.cache_read > 0 || usage.input_audio > 0 || written > 0 {
            fields.object("prompt_tokens_details", |details| {
                details.number("cached_tokens", usage.cache_read);
                some(details, "audio_tokens", usage.input_audio);
                if written > 0 {
                    details.number("cache_creation_tokens", written);
                    details.object("cache_creation_token_details", |kinds| {
                        kinds.number("ephemeral_5m_input_tokens", usage.cache_write);
                        kinds.number("ephemeral_1h_input_tokens", usage.cache_write_1h);
                    });
                }
            });
        }
        if usage.reasoning > 0 || usage.output_audio > 0 {
            fields.object("completion_tokens_details", |details| {
                some(details, "reasoning_tokens", usage.reasoning);
                some(details, "audio_tokens", usage.output_audio);
            });
        }
        some(fields, "cache_creation_input_tokens", written);
        some(fields, "cache_read_input_tokens", usage.cache_read);
    });
    match usage.tier {
        ServiceTier::Standard | ServiceTier::Batch => {}
        tier @ (ServiceTier::Priority | ServiceTier::Flex) => body.text("service_tier", tier.label()),
    }
}

fn some(fields: &mut Fields<'_>, name: &str, count: u64) {
    if count > 0 {
        fields.number(name, count);
    }
}
