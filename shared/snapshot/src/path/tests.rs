//! What each provider is asked at.

use super::*;
use crate::compile::tests::deployment;
use crate::deployment::Deployment;
use bulkhead_model::rows::SettingsRow;
use bulkhead_pricing::PriceBook;

fn compiled(provider: &str, base: Option<&str>, version: Option<&str>, model: &str) -> Deployment {
    let mut row = deployment("g", model, provider);
    row.api_base = base.map(Into::into);
    row.api_version = version.map(Into::into);
    Deployment::compile(&row, &SettingsRow::default(), &PriceBook::embedded()).unwrap()
}

fn url(provider: &str, base: Option<&str>, version: Option<&str>, endpoint: Endpoint, model: &str) -> String {
    let compiled = compiled(provider, base, version, model);
    let scheme = if compiled.target.https { "https" } else { "http" };
    format!(
        "{scheme}://{}:{}{}",
        compiled.target.host,
        compiled.target.port,
        compiled.path(endpoint, model, false).unwrap()
    )
}

#[test]
fn urls_are_what_each_provider_expects() {
    let chat = Endpoint::ChatCompletions;
    for (provider, base, version, endpoint, expected) in [
        ("openai", None, None, chat, "https://api.openai.com:443/v1/chat/completions"),
        (
            "openai",
            Some("http://127.0.0.1:8000/v1/"),
            None,
            chat,
            "http://127.0.0.1:8000/v1/chat/completions",
        ),
        (
            "openai",
            Some("http://h/v1/chat/completions"),
            None,
            Endpoint::Embeddings,
            "http://h:80/v1/embeddings",
        ),
        ("anthropic", None, None, Endpoint::Messages, "https://api.anthropic.com:443/v1/messages"),
        ("anthropic", Some("http://h:1"), None, Endpoint::CountTokens, "http://h:1/v1/messages/count_tokens"),
        ("anthropic", Some("http://h:1/v1/messages"), None, Endpoint::Messages, "http://h:1/v1/messages"),
        ("cohere", None, None, Endpoint::CohereChat, "https://api.cohere.com:443/v2/chat"),
        ("cohere", Some("http://h:1/v2/chat"), None, Endpoint::CohereChat, "http://h:1/v2/chat"),
        ("cohere_chat", Some("http://h:1/p/v1/chat/"), None, Endpoint::CohereChat, "http://h:1/p/v2/chat"),
        ("cohere", Some("http://h:1/v2/embed"), None, Endpoint::CohereEmbed, "http://h:1/v2/embed"),
        ("cohere", Some("http://h:1/p/v1/embed"), None, Endpoint::CohereChat, "http://h:1/p/v2/chat"),
        (
            "gemini",
            Some("http://h:1/v1beta"),
            None,
            Endpoint::GeminiCountTokens,
            "http://h:1/v1beta/models/a%2Fb:countTokens",
        ),
        (
            "gemini",
            Some("http://h:1/v1beta"),
            None,
            Endpoint::BatchEmbedContents,
            "http://h:1/v1beta/models/a%2Fb:batchEmbedContents",
        ),
        (
            "gemini",
            Some("http://h:1/v1beta"),
            None,
            Endpoint::EmbedContent,
            "http://h:1/v1beta/models/a%2Fb:embedContent",
        ),
        ("cohere_chat", Some("http://h:1/v1"), None, Endpoint::CohereChat, "http://h:1/v2/chat"),
        ("ollama", None, None, Endpoint::OllamaChat, "http://localhost:11434/api/chat"),
        ("ollama", Some("http://h:1"), None, Endpoint::OllamaChat, "http://h:1/api/chat"),
        ("ollama", Some("http://h:1/v1"), None, Endpoint::OllamaChat, "http://h:1/api/chat"),
        ("ollama_chat", Some("http://h:1/api/chat"), None, Endpoint::OllamaChat, "http://h:1/api/chat"),
        ("ollama_chat", Some("http://h:1/"), None, Endpoint::Embeddings, "http://h:1/v1/embeddings"),
        ("ollama", Some("http://h:1/o/v1"), None, Endpoint::Completions, "http://h:1/o/v1/completions"),
        ("openai", Some("http://h/api/chat"), None, chat, "http://h:80/api/chat/chat/completions"),
        (
            "azure",
            Some("https://x.openai.azure.com"),
            Some("2024-10-21"),
            chat,
            "https://x.openai.azure.com:443/openai/deployments/a%2Fb/chat/completions?api-version=2024-10-21",
        ),
        (
            "azure",
            Some("https://x.openai.azure.com/openai/deployments/d/chat/completions"),
            Some("2024-10-21"),
            chat,
            "https://x.openai.azure.com:443/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        (
            "azure",
            Some("https://x.openai.azure.com/openai/v1"),
            Some("preview"),
            Endpoint::Responses,
            "https://x.openai.azure.com:443/openai/v1/responses?api-version=preview",
        ),
        (
            "openai",
            Some("http://[::1]:9/v1"),
            Some("7"),
            chat,
            "http://::1:9/v1/chat/completions?api-version=7",
        ),
    ] {
        assert_eq!(url(provider, base, version, endpoint, "a/b"), expected);
    }
}

const VERTEX: &str = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5";
const PUBLISHERS: &str =
    "https://us-east5-aiplatform.googleapis.com:443/v1/projects/p/locations/us-east5/publishers";

/// The path behind a base URL, without and with a stream.
fn paths(provider: &str, base: &str, version: Option<&str>, endpoint: Endpoint, model: &str) -> [String; 2] {
    let fixed = compiled(provider, Some(base), version, model);
    let any = compiled(provider, Some(base), version, "*");
    let path = |of: &Deployment, stream| of.path(endpoint, model, stream).unwrap().to_string();
    for stream in [false, true] {
        assert_eq!(path(&fixed, stream), path(&any, stream), "{provider}/{model}");
    }
    [path(&fixed, false), path(&fixed, true)]
}

#[test]
fn models_of_vertex_are_asked_by_their_publishers() {
    let base = VERTEX.split_once("googleapis.com").unwrap().1;
    let (google, messages, chat) = (Endpoint::GenerateContent, Endpoint::Messages, Endpoint::ChatCompletions);
    assert_eq!(
        url("vertex_ai", Some(VERTEX), None, google, "gemini-2.5-pro"),
        format!("{PUBLISHERS}/google/models/gemini-2.5-pro:generateContent")
    );
    for (model, endpoint, plain, stream) in [
        (
            "gemini-2.5-pro",
            google,
            "publishers/google/models/gemini-2.5-pro:generateContent",
            "publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
        ),
        (
            "gemini/4965075652664360960",
            google,
            "endpoints/4965075652664360960:generateContent",
            "endpoints/4965075652664360960:streamGenerateContent?alt=sse",
        ),
        (
            "gemini-2.5-pro",
            Endpoint::GeminiCountTokens,
            "publishers/google/models/gemini-2.5-pro:countTokens",
            "publishers/google/models/gemini-2.5-pro:countTokens",
        ),
        (
            "text-embedding-005",
            Endpoint::PredictEmbeddings,
            "publishers/google/models/text-embedding-005:predict",
            "publishers/google/models/text-embedding-005:predict",
        ),
        (
            "claude-sonnet-4-5@20250929",
            messages,
            "publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
            "publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict",
        ),
        (
            "claude-sonnet-4-5@20250929",
            Endpoint::CountTokens,
            "publishers/anthropic/models/count-tokens:rawPredict",
            "publishers/anthropic/models/count-tokens:rawPredict",
        ),
        (
            "mistral-medium-3",
            chat,
            "publishers/mistralai/models/mistral-medium-3:rawPredict",
            "publishers/mistralai/models/mistral-medium-3:streamRawPredict",
        ),
        (
            "meta/llama-4-scout",
            chat,
            "endpoints/openapi/chat/completions",
            "endpoints/openapi/chat/completions",
        ),
    ] {
        let expected = [plain, stream].map(|path| format!("{base}/{path}"));
        assert_eq!(paths("vertex_ai", VERTEX, None, endpoint, model), expected, "{model}");
    }
    let model = "https://proxy/x/publishers/anthropic/models/claude-x";
    let named = "/x/publishers/anthropic/models";
    assert_eq!(
        paths("vertex_ai", model, None, messages, "claude-x"),
        [format!("{named}/claude-x:rawPredict"), format!("{named}/claude-x:streamRawPredict")]
    );
    let counted = paths("vertex_ai", model, None, Endpoint::CountTokens, "claude-x");
    assert_eq!(counted[0], format!("{named}/count-tokens:rawPredict"));
}

#[test]
fn claude_at_bedrock_is_asked_in_both_ways() {
    let model = "invoke/us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let at = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0";
    let base = "https://bedrock-runtime.us-east-1.amazonaws.com";
    assert_eq!(
        paths("bedrock", base, None, Endpoint::Messages, model),
        [format!("{at}/invoke"), format!("{at}/invoke-with-response-stream")]
    );
    let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let foundation = "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens";
    for name in [model, &model.replace("invoke/", "converse/"), &model.replace("invoke/us.", "global."), arn]
    {
        assert_eq!(paths("bedrock", base, None, Endpoint::BedrockCountTokens, name)[0], foundation, "{name}");
    }
    let titan = "invoke/amazon.titan-embed-text-v2:0";
    let path = "/model/amazon.titan-embed-text-v2%3A0/invoke";
    assert_eq!(paths("bedrock", base, None, Endpoint::InvokeEmbeddings, titan)[0], path);
    let model = model.replace("invoke/", "converse/");
    assert_eq!(
        paths("bedrock", base, None, Endpoint::Converse, &model),
        [format!("{at}/converse"), format!("{at}/converse-stream")]
    );
}

#[test]
fn foundry_has_several_apis_at_one_address() {
    let (chat, messages, responses) = (Endpoint::ChatCompletions, Endpoint::Messages, Endpoint::Responses);
    let models = "/models/chat/completions?api-version=2024-05-01-preview";
    for (base, version, endpoint, model, path) in [
        ("https://x.services.ai.azure.com", None, chat, "grok-3", models),
        ("https://x.services.ai.azure.com/models", None, chat, "grok-3", models),
        ("https://x.services.ai.azure.com/models/chat/completions", None, chat, "grok-3", models),
        (
            "https://x.services.ai.azure.com",
            Some("2025-04-01"),
            chat,
            "grok-3",
            "/models/chat/completions?api-version=2025-04-01",
        ),
        ("https://x.services.ai.azure.com/openai/v1", None, chat, "gpt-5", "/openai/v1/chat/completions"),
        ("https://x.services.ai.azure.com", None, responses, "gpt-5.4-pro", "/openai/v1/responses"),
        ("https://x.services.ai.azure.com/models", None, responses, "grok-4", "/openai/v1/responses"),
        ("https://x.openai.azure.com/openai/v1", None, responses, "gpt-5", "/openai/v1/responses"),
        (
            "https://x.services.ai.azure.com/api/projects/p/models",
            None,
            responses,
            "grok-4",
            "/api/projects/p/openai/v1/responses",
        ),
        ("https://m.eastus2.models.ai.azure.com", None, chat, "cohere", "/chat/completions"),
        ("https://x.services.ai.azure.com", None, messages, "claude-opus-4-1", "/anthropic/v1/messages"),
        (
            "https://x.services.ai.azure.com/anthropic/v1/messages",
            None,
            Endpoint::CountTokens,
            "claude-opus-4-1",
            "/anthropic/v1/messages/count_tokens",
        ),
        (
            "https://x.services.ai.azure.com/models",
            None,
            messages,
            "claude-opus-4-1",
            "/anthropic/v1/messages",
        ),
    ] {
        assert_eq!(paths("azure_ai", base, version, endpoint, model)[0], path, "{base} {model}");
    }
}
