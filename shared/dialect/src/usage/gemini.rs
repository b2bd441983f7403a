//! `usageMetadata` in Google's dialect.

use bulkhead_model::Usage;
use bulkhead_model::usage::ServiceTier;

use crate::json::view::{elements, members, part, text, whole_number};

#[derive(Debug, Default)]
struct Counts {
    input: Option<u64>,
    said: Option<u64>,
    thought: u64,
    cache_read: u64,
    input_audio: u64,
    output_audio: u64,
    tier: ServiceTier,
}

/// Reads a `usageMetadata`. `None` when it has no count. What the model said and what it thought are both output;
/// where nothing was said, there is no count of it. What a tool of the provider's put into the prompt
/// (`toolUsePromptTokenCount`) is not in the prompt's count, and LiteLLM leaves it out as well.
pub(super) fn read(metadata: &[u8]) -> Option<Usage> {
    let mut counts = Counts::default();
    for (name, range) in members(metadata) {
        let value = part(metadata, range);
        match name {
            b"promptTokenCount" => counts.input = whole_number(value),
            b"candidatesTokenCount" => counts.said = whole_number(value),
            b"thoughtsTokenCount" => counts.thought = whole_number(value).unwrap_or_default(),
            b"cachedContentTokenCount" => counts.cache_read = whole_number(value).unwrap_or_default(),
            b"promptTokensDetails" => counts.input_audio = audio(value),
            b"candidatesTokensDetails" => counts.output_audio = audio(value),
            b"serviceTier" | b"trafficType" => counts.tier = tier(value).unwrap_or(counts.tier),
            _ => {}
        }
    }
    if counts.input.is_none() && counts.said.is_none() {
        return None;
    }
    Some(Usage {
        input: counts.input.unwrap_or_default(),
        output: counts.said.unwrap_or_default().saturating_add(counts.thought),
        cache_read: counts.cache_read,
        reasoning: counts.thought,
        input_audio: counts.input_audio,
        output_audio: counts.output_audio,
        tier: counts.tier,
        ..Usage::default()
    })
}

/// The tier: by its name in the Gemini API, by the kind of traffic in Vertex.
fn tier(value: &[u8]) -> Option<ServiceTier> {
    let name = text(value)?;
    let name = name.strip_prefix("ON_DEMAND_").unwrap_or(&name).to_ascii_lowercase();
    Some(ServiceTier::from_answer(&name)).filter(|tier| *tier != ServiceTier::Standard)
}

fn audio(details: &[u8]) -> u64 {
    let counts = elements(details).map(|range| {
        let (mut count, mut is_audio) = (0, false);
        let detail = part(details, range);
        for (name, range) in members(detail) {
            let value = part(detail, range);
            match name {
                b"modality" => is_audio = value == b"\"AUDIO\"",
                b"tokenCount" => count = whole_number(value).unwrap_or_default(),
                _ => {}
            }
        }
        if is_audio { count } else { 0 }
    });
    counts.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_are_output() {
        let read = read(
            br#"{"promptTokenCount":30,"cachedContentTokenCount":10,"candidatesTokenCount":5,"thoughtsTokenCount":7,
            "toolUsePromptTokenCount":90,"totalTokenCount":132,"trafficType":"ON_DEMAND_FLEX",
            "promptTokensDetails":[{"modality":"TEXT","tokenCount":21},{"modality":"AUDIO","tokenCount":9}]}"#,
        );
        let expected = Usage {
            input: 30,
            output: 12,
            cache_read: 10,
            reasoning: 7,
            input_audio: 9,
            tier: ServiceTier::Flex,
            ..Usage::default()
        };
        assert_eq!(read, Some(expected));
    }

    #[test]
    fn what_was_not_said_is_not_counted() {
        let blocked = read(br#"{"promptTokenCount":14,"totalTokenCount":14,"serviceTier":"standard"}"#);
        assert_eq!(blocked, Some(Usage { input: 14, ..Usage::default() }));
        assert_eq!(read(br#"{"trafficType":"ON_DEMAND"}"#), None);
    }
}
