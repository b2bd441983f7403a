//! `usageMetadata`: output without what was thought, which stands beside it.

use bulkhead_model::Usage;
use bulkhead_model::usage::ServiceTier;

use super::super::write::Fields;

/// Writes the member.
pub(super) fn write_usage(body: &mut Fields<'_>, usage: &Usage) {
    let said = usage.output.saturating_sub(usage.reasoning);
    body.object("usageMetadata", |fields| {
        fields.number("promptTokenCount", usage.input);
        fields.number("candidatesTokenCount", said);
        fields.number("totalTokenCount", usage.input.saturating_add(usage.output));
        if usage.cache_read > 0 {
            fields.number("cachedContentTokenCount", usage.cache_read);
        }
        if usage.reasoning > 0 {
            fields.number("thoughtsTokenCount", usage.reasoning);
        }
        for (name, all, audio) in [
            ("promptTokensDetails", usage.input, usage.input_audio),
            ("candidatesTokensDetails", said, usage.output_audio),
        ] {
            if audio > 0 {
                fields.array(name, |kinds| {
                    for (kind, count) in [("TEXT", all.saturating_sub(audio)), ("AUDIO", audio)] {
                        kinds.object(|fields| {
                            fields.text("modality", kind);
                            fields.number("tokenCount", count);
                        });
                    }
                });
            }
        }
        if usage.tier != ServiceTier::Standard {
            fields.text("serviceTier", usage.tier.label());
        }
    });
}
