//! `usage` in Bedrock's terms: input without what the cache gave and took.

use bulkhead_model::Usage;
use bulkhead_model::usage::ServiceTier;

use super::super::write::{Fields, Items};

/// Writes `usage` and what goes with it. Clients cannot do without: unknown counts, and the unknown latency, are zero.
pub(super) fn write_usage(body: &mut Fields<'_>, usage: Option<&Usage>) {
    let usage = usage.copied().unwrap_or_default();
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    body.object("usage", |fields| {
        fields.number("inputTokens", usage.input.saturating_sub(usage.cache_read.saturating_add(written)));
        fields.number("outputTokens", usage.output);
        fields.number("totalTokens", usage.input.saturating_add(usage.output));
        if usage.cache_read > 0 {
            fields.number("cacheReadInputTokens", usage.cache_read);
        }
        if written > 0 {
            fields.number("cacheWriteInputTokens", written);
            fields.array("cacheDetails", |items| {
                write_detail(items, "5m", usage.cache_write);
                write_detail(items, "1h", usage.cache_write_1h);
            });
        }
    });
    body.object("metrics", |metrics| metrics.number("latencyMs", 0));
    match usage.tier {
        ServiceTier::Standard | ServiceTier::Batch => {}
        tier @ (ServiceTier::Priority | ServiceTier::Flex) => {
            body.object("serviceTier", |fields| fields.text("type", tier.label()));
        }
    }
}

fn write_detail(items: &mut Items<'_>, ttl: &str, tokens: u64) {
    if tokens > 0 {
        items.object(|detail| {
            detail.text("ttl", ttl);
            detail.number("inputTokens", tokens);
        });
    }
}
