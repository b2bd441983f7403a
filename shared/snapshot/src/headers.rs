//! The headers that every request of a deployment has: its key, and the operator's own.

use bulkhead_dialect::providers::{Auth, Provider, is_google_key};
use bulkhead_model::Secret;
use bulkhead_model::rows::DeploymentRow;
use http::header::{HeaderName, HeaderValue};

use crate::address::{Target, is_foundry};
use crate::site::Site;

/// They are marked sensitive.
pub(crate) fn headers(
    row: &DeploymentRow,
    provider: &Provider,
    target: &Target,
    site: Option<Site>,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut out = Vec::new();
    if let Some(key) = row.api_key.as_ref().filter(|key| !key.is_empty()) {
        let (names, before) = key_headers(key, provider, target, site);
        for name in names {
            let value = secret_header(&format!("{before}{}", key.expose()));
            out.push((
                HeaderName::from_static(name),
                value.ok_or("api_key holds characters that a header cannot")?,
            ));
        }
    }
    if let Some(organization) = &row.organization {
        out.push((HeaderName::from_static("openai-organization"), header(organization)?));
    }
    for extra in &row.extra_headers {
        let name = HeaderName::from_bytes(extra.name.as_bytes())
            .map_err(|_| format!("extra_headers: `{}` is not a header name", extra.name))?;
        let value = secret_header(extra.value.expose()).ok_or_else(|| {
            format!("extra_headers: the value of `{}` holds characters that a header cannot", name)
        })?;
        out.retain(|(existing, _)| *existing != name);
        out.push((name, value));
    }
    Ok(out)
}

/// The headers that a key goes into, and what stands before it there.
fn key_headers(
    key: &Secret,
    provider: &Provider,
    target: &Target,
    site: Option<Site>,
) -> (&'static [&'static str], &'static str) {
    const BEARER: (&[&str], &str) = (&["authorization"], "Bearer ");
    match provider.auth {
        Auth::Bearer => BEARER,
        Auth::Google if is_google_key(key.expose()) => (&["x-goog-api-key"], ""),
        Auth::Google => BEARER,
        Auth::XApiKey => (&["x-api-key"], ""),
        Auth::AzureApiKey => (&["api-key"], ""),
        Auth::XGoogApiKey => (&["x-goog-api-key"], ""),
        Auth::Foundry if site == Some(Site::FoundryClaude) => (&["x-api-key"], ""),
        Auth::Foundry if !is_foundry(&target.host) => BEARER,
        // Whether it is Claude that is asked is known with the request.
        Auth::Foundry if site.is_none() => (&["api-key", "x-api-key"], ""),
        Auth::Foundry => (&["api-key"], ""),
    }
}

fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

pub(crate) fn header(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("`{text}` holds characters that a header cannot"))
}

#[cfg(test)]
mod tests {
    use bulkhead_model::rows::SettingsRow;
    use bulkhead_pricing::PriceBook;

    use crate::compile::tests::deployment;
    use crate::deployment::Deployment;

    #[test]
    fn credentials_are_sensitive_and_extra_headers_win() {
        let mut row = deployment("g", "gpt-4o", "openai");
        row.api_key = Some(bulkhead_model::Secret::new("sk-one"));
        row.extra_headers = vec![bulkhead_model::rows::ExtraHeader {
            name: "authorization".into(),
            value: bulkhead_model::Secret::new("Bearer two"),
        }];
        let compiled = Deployment::compile(&row, &SettingsRow::default(), &PriceBook::embedded()).unwrap();
        let values: Vec<_> =
            compiled.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(values, [("authorization", &b"Bearer two"[..])]);
        assert!(compiled.headers.iter().all(|(_, value)| value.is_sensitive()));
        assert!(!format!("{compiled:?}").contains("two"));
    }

    #[test]
    fn a_key_goes_where_the_address_wants_it() {
        let names = |provider: &str, base: &str, model: &str, key: &str| {
            let mut row = deployment("g", model, provider);
            row.api_base = Some(base.into());
            row.api_key = Some(bulkhead_model::Secret::new(key));
            let compiled =
                Deployment::compile(&row, &SettingsRow::default(), &PriceBook::embedded()).unwrap();
            let headers = compiled.headers.iter();
            headers
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let vertex = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5";
        let (foundry, own) = ("https://x.services.ai.azure.com", "https://m.models.ai.azure.com");
        for (provider, base, model, key, headers) in [
            ("vertex_ai", vertex, "gemini-2.5-pro", "ya29.t", "authorization: Bearer ya29.t"),
            ("vertex_ai", vertex, "gemini-2.5-pro", "AQ.k", "x-goog-api-key: AQ.k"),
            ("azure_ai", foundry, "grok-3", "k", "api-key: k"),
            ("azure_ai", foundry, "claude-opus-4-1", "k", "x-api-key: k"),
            ("azure_ai", foundry, "*", "k", "api-key: k, x-api-key: k"),
            ("azure_ai", own, "mistral-large", "k", "authorization: Bearer k"),
            ("bedrock", "https://h", "anthropic.claude-x", "k", "authorization: Bearer k"),
        ] {
            assert_eq!(names(provider, base, model, key), headers, "{provider}/{model}");
        }
    }
}
