//! Kinds of refusal that their status does not tell, told by code and by the words of the big providers.

use super::ProviderError;

const CONTEXT_CODES: [&str; 3] =
    ["context_length_exceeded", "exceed_context_size_error", "context_window_exceeded"];

/// In lower case, as all patterns here.
const CONTEXT_WORDS: [&str; 28] = [
    // OpenAI, Azure, vLLM, Mistral, DeepSeek, OpenRouter, Together
    "maximum context length",
    "context_length_exceeded",
    "context length exceeded",
    "exceeds the context window",
    "exceed the context window",
    "exceeds the model's context",
    "longer than the model's context length",
    "context window exceed",
    // Anthropic
    "prompt is too long",
    "exceed context limit",
    "exceeds context limit",
    // Bedrock
    "input is too long",
    "too many input tokens",
    "malformed input request: expected maxlength",
    // Gemini
    "exceeds the maximum number of tokens allowed",
    // Groq
    "reduce the length of the messages",
    // xAI
    "maximum prompt length",
    // llama.cpp, Ollama, LM Studio
    "exceeds the available context size",
    "exceeds context length",
    "exceeds context size",
    "exceeds the context length",
    // Cohere; with the colon: others speak of too many tokens in a minute.
    "too many tokens: ",
    // Fireworks, DashScope
    "maximum model length",
    "range of input length should be",
    // Together, and others that serve with text-generation-inference
    "`inputs` tokens + `max_new_tokens` must be",
    // Cohere
    "too many tokens: total number of tokens",
    "total number of tokens in the prompt cannot exceed",
    // Ollama
    "exceeds the context length",
];

const POLICY_CODES: [&str; 7] = [
    "content_policy_violation",
    "content_filter",
    "content_filter_error",
    "responsibleaipolicyviolation",
    "data_inspection_failed",
    "datainspectionfailed",
    "moderation_blocked",
];

const POLICY_WORDS: [&str; 18] = [
    "content management policy",
    "content policy",
    "content_policy_violation",
    "content filtering policy",
    "blocked by our content filters",
    "content filter being triggered",
    "responsibleaipolicyviolation",
    "violating our usage policy",
    "violates our usage policy",
    "violation of our usage policies",
    "rejected as a result of our safety system",
    "rejected by the safety system",
    "flagged for containing",
    "inappropriate content",
    // Vertex
    "responsible ai practices",
    // DeepSeek
    "content exists risk",
    // xAI
    "content violates usage guidelines",
    // OpenRouter
    "your input was flagged",
];

/// Google and xAI refuse keys with status 400.
const KEY_CODES: [&str; 1] = ["api_key_invalid"];

const KEY_WORDS: [&str; 3] = ["api key not valid", "api key expired", "incorrect api key provided"];

/// What stands against an account is no matter of one request's content, even where a policy is the reason.
const ACCOUNT_WORDS: [&str; 6] =
    ["account", "organization", "access was terminated", "access has been", "suspended", "api key"];

/// True when the provider says that the request does not fit the model's context.
pub fn is_context_window(error: &ProviderError) -> bool {
    matches(error, &CONTEXT_CODES, &CONTEXT_WORDS)
}

/// True when the provider's content policy stands against the request.
pub fn is_content_policy(error: &ProviderError) -> bool {
    matches(error, &POLICY_CODES, &POLICY_WORDS)
}

/// True when a provider that forbids a request (403) does so because of its content: moderation, and not the key or
/// what its account may do.
pub fn is_forbidden_content(error: &ProviderError) -> bool {
    is_content_policy(error) && !matches(error, &[], &ACCOUNT_WORDS)
}

/// True when the provider refuses the key, whatever its status.
pub fn is_bad_key(error: &ProviderError) -> bool {
    matches(error, &KEY_CODES, &KEY_WORDS)
}

fn matches(error: &ProviderError, codes: &[&str], words: &[&str]) -> bool {
    let names = [&error.code, &error.kind];
    let by_code = names.into_iter().flatten().any(|name| {
        let name = name.to_ascii_lowercase();
        codes.contains(&name.as_str())
    });
    by_code || {
        let message = error.message.to_ascii_lowercase();
        words.iter().any(|word| message.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: &str) -> ProviderError {
        ProviderError { message: message.to_owned(), ..ProviderError::default() }
    }

    #[test]
    fn context_windows_are_recognised() {
        for message in [
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
            "prompt is too long: 208310 tokens > 200000 maximum",
            "input length and `max_tokens` exceed context limit: 199000 + 4096 > 200000",
            "Input is too long for requested model.",
            "Malformed input request: expected maxLength: 50000, actual: 60000, please reformat your input and try again.",
            "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
            "Please reduce the length of the messages or completion.",
            "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
            "the request exceeds the available context size, try increasing it",
            "the input length exceeds the context length",
            "too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs.",
        ] {
            assert!(is_context_window(&said(message)), "{message}");
            assert!(!is_content_policy(&said(message)), "{message}");
        }
        let coded = ProviderError { code: Some("context_length_exceeded".to_owned()), ..said("too much") };
        assert!(is_context_window(&coded));
    }

    #[test]
    fn content_policies_are_recognised() {
        for message in [
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            "Your request was rejected as a result of our safety system.",
            "Output blocked by content filtering policy",
            "This request has been blocked by our content filters.",
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
        ] {
            assert!(is_content_policy(&said(message)), "{message}");
            assert!(!is_context_window(&said(message)), "{message}");
        }
        let coded = ProviderError { code: Some("ResponsibleAIPolicyViolation".to_owned()), ..said("no") };
        assert!(is_content_policy(&coded));
    }

    #[test]
    fn content_is_told_from_the_account() {
        for (message, of_content) in [
            (
                "m requires moderation on P. Your input was flagged for \"violence\". No credits were charged.",
                true,
            ),
            ("Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO", true),
            ("Your account has been suspended for violating our usage policy.", false),
            ("This organization was disabled because of a violation of our usage policies.", false),
            ("Permission 'aiplatform.endpoints.predict' denied on resource", false),
        ] {
            assert_eq!(is_forbidden_content(&said(message)), of_content, "{message}");
        }
    }

    #[test]
    fn bad_keys_are_recognised() {
        let body = br#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.",
            "status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#;
        assert!(is_bad_key(&super::super::read_provider_error(body)));
        assert!(!is_bad_key(&said("Invalid value at 'contents'")));
    }

    #[test]
    fn other_refusals_are_neither() {
        for message in [
            "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000.",
            "This request would exceed your organization's rate limit of 20,000,000 prompt bytes per hour. \
             Please reduce the prompt length or the maximum tokens requested.",
            "max_tokens: 999999 > 8192, which is the maximum allowed number of output tokens",
            "Invalid 'messages[3]'. Content blocks are expected to be either text or image_url type.",
            "Overloaded",
            "Too many tokens, please wait before trying again.",
        ] {
            assert!(!is_context_window(&said(message)) && !is_content_policy(&said(message)), "{message}");
        }
    }
}
