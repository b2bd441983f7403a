//! The `strict` model: refuses what a provider does not know, as vLLM and Anthropic do.

use bulkhead_model::Endpoint;
use http::HeaderMap;

use super::errors::{Flavour, Problem};
use super::json::Members;

const CHAT: &[&str] = &[
    "messages",
    "model",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "n",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "user",
    "seed",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "reasoning_effort",
    "service_tier",
    "store",
    "metadata",
    "modalities",
    "audio",
    "prediction",
    "prompt_cache_key",
    "safety_identifier",
    "verbosity",
];
const COMPLETIONS: &[&str] = &[
    "model",
    "prompt",
    "suffix",
    "max_tokens",
    "temperature",
    "top_p",
    "n",
    "stream",
    "stream_options",
    "logprobs",
    "echo",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "best_of",
    "logit_bias",
    "user",
    "seed",
];
const EMBEDDINGS: &[&str] = &["model", "input", "encoding_format", "dimensions", "user"];
const EMBED_CONTENT: &[&str] =
    &["model", "content", "taskType", "title", "outputDimensionality", "embedContentConfig"];
const COHERE_EMBED: &[&str] = &[
    "model",
    "texts",
    "images",
    "inputs",
    "input_type",
    "embedding_types",
    "output_dimension",
    "truncate",
    "max_tokens",
];
const INVOKE: &[&str] = &[
    "inputText",
    "inputImage",
    "dimensions",
    "normalize",
    "embeddingTypes",
    "embeddingConfig",
    "texts",
    "images",
    "inputs",
    "input_type",
    "embedding_types",
    "output_dimension",
    "truncate",
    "schemaVersion",
    "taskType",
    "singleEmbeddingParams",
];
const RESPONSES: &[&str] = &[
    "model",
    "input",
    "instructions",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "max_output_tokens",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "reasoning",
    "metadata",
    "store",
    "user",
    "include",
    "service_tier",
    "previous_response_id",
    "truncation",
    "background",
    "top_logprobs",
    "max_tool_calls",
    "prompt_cache_key",
    "safety_identifier",
    "conversation",
    "prompt",
];
const MESSAGES: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "system",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "tools",
    "tool_choice",
    "metadata",
    "thinking",
    "service_tier",
    "output_config",
    "output_format",
    "container",
    "context_management",
    "mcp_servers",
    "cache_control",
];
const COHERE: &[&str] = &[
    "model",
    "messages",
    "stream",
    "tools",
    "strict_tools",
    "tool_choice",
    "documents",
    "citation_options",
    "response_format",
    "safety_mode",
    "max_tokens",
    "stop_sequences",
    "temperature",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "k",
    "p",
    "logprobs",
    "thinking",
    "priority",
];
const OLLAMA: &[&str] = &[
    "model",
    "messages",
    "stream",
    "tools",
    "format",
    "options",
    "think",
    "keep_alive",
    "logprobs",
    "top_logprobs",
];
const GENERATE_CONTENT: &[&str] = &[
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "cachedContent",
    "labels",
    "serviceTier",
];
const BETAS: &[&str] = &[
    "prompt-caching-2024-07-31",
    "extended-cache-ttl-2025-04-11",
    "interleaved-thinking-2025-05-14",
    "context-1m-2025-08-07",
    "fine-grained-tool-streaming-2025-05-14",
    "structured-outputs-2025-11-13",
    "token-counting-2024-11-01",
    "output-128k-2025-02-19",
];

/// Refuses unknown and null members and unknown beta features.
pub(crate) fn check(
    endpoint: Endpoint,
    flavour: Flavour,
    members: &Members<'_>,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let known = match endpoint {
        Endpoint::ChatCompletions => CHAT,
        Endpoint::Completions => COMPLETIONS,
        Endpoint::Embeddings => EMBEDDINGS,
        Endpoint::Responses => RESPONSES,
        Endpoint::Messages | Endpoint::CountTokens => MESSAGES,
        Endpoint::CohereChat => COHERE,
        Endpoint::OllamaChat => OLLAMA,
        Endpoint::GenerateContent => GENERATE_CONTENT,
        Endpoint::Converse => &[],
        Endpoint::EmbedContent => EMBED_CONTENT,
        Endpoint::BatchEmbedContents => &["requests"],
        Endpoint::GeminiCountTokens => {
            &["contents", "generateContentRequest", "systemInstruction", "tools", "generationConfig"]
        }
        Endpoint::CohereEmbed => COHERE_EMBED,
        Endpoint::InvokeEmbeddings => INVOKE,
        Endpoint::PredictEmbeddings => &["instances", "parameters"],
        Endpoint::BedrockCountTokens => &["input"],
    };
    for (name, value) in members.iter() {
        let (code, message) = match flavour {
            Flavour::Anthropic if !known.contains(&name) => {
                ("unknown_parameter", format!("{name}: Extra inputs are not permitted"))
            }
            _ if !known.contains(&name) => ("unknown_parameter", format!("Unknown parameter: '{name}'.")),
            _ if value == "null" => {
                ("invalid_type", format!("Invalid type for '{name}': null is not allowed."))
            }
            _ => continue,
        };
        return Err(Problem::invalid(name, code, message));
    }
    let betas = headers.get_all("anthropic-beta").into_iter().filter_map(|value| value.to_str().ok());
    for beta in betas.flat_map(|value| value.split(',')).map(str::trim).filter(|beta| !beta.is_empty()) {
        if !BETAS.contains(&beta) {
            let message = format!("Unexpected value(s) `{beta}` for the `anthropic-beta` header.");
            return Err(Problem::invalid("anthropic-beta", "invalid_value", message));
        }
    }
    Ok(())
}
