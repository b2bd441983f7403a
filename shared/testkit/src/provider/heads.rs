//! The headers of real providers, built once.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::errors::Flavour;
use super::text::{id, mix};

/// What every OpenAI answer carries, cookies included: a gateway must not pass them on.
const OPENAI: [(&str, &str); 14] = [
    ("server", "cloudflare"),
    ("openai-organization", "mock-organization"),
    ("openai-processing-ms", "12"),
    ("openai-version", "2020-10-01"),
    ("x-ratelimit-limit-requests", "500"),
    ("x-ratelimit-limit-tokens", "200000"),
    ("x-ratelimit-remaining-requests", "499"),
    ("x-ratelimit-remaining-tokens", "199996"),
    ("x-ratelimit-reset-requests", "120ms"),
    ("x-ratelimit-reset-tokens", "1ms"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
    ("x-content-type-options", "nosniff"),
    ("cf-ray", "8a0000000000000-FRA"),
    ("set-cookie", "__cf_bm=mock-cookie-of-the-provider; path=/; HttpOnly; Secure; SameSite=None"),
];

const AZURE: [(&str, &str); 6] = [
    ("apim-request-id", "00000000-0000-4000-8000-000000000000"),
    ("azureml-model-session", "mock"),
    ("x-ms-region", "Sweden Central"),
    ("x-ratelimit-remaining-requests", "118"),
    ("x-ratelimit-remaining-tokens", "119968"),
    ("set-cookie", "ARRAffinity=mock-cookie-of-the-provider; path=/; HttpOnly"),
];

const ANTHROPIC: [(&str, &str); 12] = [
    ("server", "cloudflare"),
    ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000"),
    ("anthropic-ratelimit-requests-limit", "4000"),
    ("anthropic-ratelimit-requests-remaining", "3999"),
    ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:00Z"),
    ("anthropic-ratelimit-tokens-limit", "480000"),
    ("anthropic-ratelimit-tokens-remaining", "480000"),
    ("anthropic-ratelimit-tokens-reset", "2026-01-01T00:00:00Z"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
    ("via", "1.1 google"),
    ("cf-ray", "8a0000000000000-FRA"),
    ("set-cookie", "_cfuvid=mock-cookie-of-the-provider; path=/; HttpOnly; Secure; SameSite=None"),
];

const COHERE: [(&str, &str); 5] = [
    ("server", "envoy"),
    ("num_chars", "20"),
    ("num_tokens", "9"),
    ("x-envoy-upstream-service-time", "12"),
    ("via", "1.1 google"),
];

const GOOGLE: [(&str, &str); 6] = [
    ("server", "scaffolding on HTTPServer2"),
    ("vary", "Origin"),
    ("x-xss-protection", "0"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-content-type-options", "nosniff"),
    ("server-timing", "gfet4t7; dur=12"),
];

/// The headers of each flavour, without the request id.
pub(crate) struct Heads {
    openai: HeaderMap,
    azure: HeaderMap,
    anthropic: HeaderMap,
    cohere: HeaderMap,
    ollama: HeaderMap,
    google: HeaderMap,
    amazon: HeaderMap,
}

impl Heads {
    pub(crate) fn new() -> Self {
        Self {
            openai: map(&OPENAI),
            azure: map(&AZURE),
            anthropic: map(&ANTHROPIC),
            google: map(&GOOGLE),
            cohere: map(&COHERE),
            ollama: HeaderMap::new(),
            amazon: HeaderMap::new(),
        }
    }

    /// The headers of one answer.
    pub(crate) fn of(&self, flavour: Flavour, seq: u64) -> HeaderMap {
        let (all, name) = match flavour {
            Flavour::OpenAi => (&self.openai, "x-request-id"),
            Flavour::Azure => (&self.azure, "x-request-id"),
            Flavour::Anthropic => (&self.anthropic, "request-id"),
            Flavour::Cohere => (&self.cohere, "x-request-id"),
            Flavour::Ollama => (&self.ollama, "x-request-id"),
            Flavour::Google => (&self.google, "x-request-id"),
            Flavour::Amazon => (&self.amazon, "x-amzn-requestid"),
        };
        let mut headers = all.clone();
        if let Ok(value) = HeaderValue::try_from(request_id(flavour, seq)) {
            headers.insert(HeaderName::from_static(name), value);
        }
        headers
    }
}

/// The request id that headers and error bodies agree on.
pub(crate) fn request_id(flavour: Flavour, seq: u64) -> String {
    match flavour {
        Flavour::Anthropic => id("req_011C", seq, 20),
        _ => format!("req_{:016x}{:016x}", mix(seq), mix(!seq)),
    }
}

fn map(list: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    list.iter().map(pair).collect()
}
