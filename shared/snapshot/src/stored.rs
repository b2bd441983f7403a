//! Where a provider has the answers that it keeps.

use bulkhead_model::Endpoint;
use http::uri::PathAndQuery;

use crate::address::encode;
use crate::deployment::Deployment;

impl Deployment {
    /// The path of a stored response, of what is `below` it (`/cancel`), with these parameters after the deployment's own.
    pub fn stored_path(&self, id: &str, below: &str, query: &str) -> Result<PathAndQuery, String> {
        let of_all = self.path(Endpoint::Responses, self.model.text(), false)?;
        let (path, id) = (of_all.path(), encode(id));
        let queries = [of_all.query().unwrap_or_default(), query];
        let queries = queries.into_iter().filter(|query| !query.is_empty()).collect::<Vec<_>>().join("&");
        let mark = if queries.is_empty() { "" } else { "?" };
        let whole = format!("{path}/{id}{below}{mark}{queries}");
        whole.parse().map_err(|_| format!("`{whole}` is not a URL path"))
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::rows::SettingsRow;
    use bulkhead_pricing::PriceBook;

    use crate::compile::tests::deployment;
    use crate::deployment::Deployment;

    #[test]
    fn a_stored_response_is_below_the_endpoint() {
        let path = |provider: &str, version: Option<&str>, id: &str, below: &str, query: &str| {
            let mut row = deployment("g", "gpt-4o", provider);
            row.api_base = Some("http://127.0.0.1:9/base/v1".into());
            row.api_version = version.map(Into::into);
            let deployment =
                Deployment::compile(&row, &SettingsRow::default(), &PriceBook::embedded()).unwrap();
            deployment.stored_path(id, below, query).unwrap().to_string()
        };
        assert_eq!(path("openai", None, "resp_1", "", ""), "/base/v1/responses/resp_1");
        assert_eq!(
            path("openai", None, "a/../b", "/cancel", "limit=1"),
            "/base/v1/responses/a%2F..%2Fb/cancel?limit=1"
        );
        assert_eq!(
            path("azure", Some("2025-04-01-preview"), "resp_1", "/input_items", "limit=1"),
            "/base/openai/responses/resp_1/input_items?api-version=2025-04-01-preview&limit=1"
        );
    }
}
