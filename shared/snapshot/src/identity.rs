//! Who a deployment is to a cloud, where a signature or a token stands in for a key.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use bulkhead_dialect::cloud::{Cloud, PARAMETERS, REGION};
use bulkhead_dialect::providers::Provider;
use bulkhead_model::Secret;
use bulkhead_model::rows::{CloudValue, DeploymentRow};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::address::Target;

/// Who a deployment is to a cloud: what is declared of it.
pub struct Identity {
    cloud: Cloud,
    /// Where AWS is asked; empty for other clouds.
    region: Box<str>,
    said: Box<[CloudValue]>,
    kept: OnceLock<Kept>,
}

type Kept = Arc<dyn Any + Send + Sync>;

impl Identity {
    /// Whose proof its provider wants.
    pub fn cloud(&self) -> Cloud {
        self.cloud
    }

    /// Where AWS is asked.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What is declared by this name.
    pub fn said(&self, name: &str) -> Option<&Secret> {
        self.said.iter().find(|said| said.name == name).map(|said| &said.value)
    }

    /// What those keep who prove it, made by the first who asks, for as long as there is this deployment. A snapshot
    /// does not look inside: how a proof comes about is not declared. None where others keep something else.
    pub fn keep<T: Any + Send + Sync>(&self, make: impl FnOnce() -> Arc<T>) -> Option<Arc<T>> {
        Arc::clone(self.kept.get_or_init(|| make())).downcast().ok()
    }

    /// The same, where somebody has asked.
    pub fn kept<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(self.kept.get()?).downcast().ok()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.said.iter().map(|said| &said.name).collect::<Vec<_>>();
        f.debug_struct("Identity").field("region", &self.region).field("said", &names).finish()
    }
}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for CloudValue { name, value } in &self.said {
            (name, value.expose()).hash(state);
        }
    }
}

/// None where a key or a header of the operator's own says who asks.
pub(crate) fn identity(
    row: &DeploymentRow,
    provider: &Provider,
    target: &Target,
    headers: &[(HeaderName, HeaderValue)],
) -> Result<Option<Box<Identity>>, String> {
    let Some(cloud) = provider.cloud else { return Ok(None) };
    let has_key = row.api_key.as_ref().is_some_and(|key| !key.is_empty());
    if has_key || headers.iter().any(|(name, _)| says_who(cloud, name)) {
        return Ok(None);
    }
    let of_cloud = |said: &&CloudValue| PARAMETERS.contains(&(cloud, said.name.as_str()));
    let mut said: Vec<_> = row.cloud.iter().filter(of_cloud).cloned().collect();
    said.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let declared = said.iter().find(|said| said.name == REGION).map(|said| said.value.expose());
    let region = match cloud {
        Cloud::Aws => region_of(&target.host)
            .or(declared)
            .ok_or("requests are signed for a region, and aws_region_name says none")?,
        Cloud::Google | Cloud::Azure => "",
    };
    let region = region.into();
    Ok(Some(Box::new(Identity { cloud, region, said: said.into(), kept: OnceLock::new() })))
}

/// True for a header that stands in for a cloud's proof.
fn says_who(cloud: Cloud, name: &HeaderName) -> bool {
    let keys: &[&str] = match cloud {
        Cloud::Aws => &[],
        Cloud::Google => &["x-goog-api-key"],
        Cloud::Azure => &["api-key", "x-api-key"],
    };
    *name == AUTHORIZATION || keys.contains(&name.as_str())
}

/// The region in an address of Bedrock's: what AWS holds signatures against.
fn region_of(host: &str) -> Option<&str> {
    let mut labels = host.split('.').skip_while(|label| !label.starts_with("bedrock-runtime"));
    labels.nth(1)
}

#[cfg(test)]
mod tests {
    use bulkhead_model::Endpoint;
    use bulkhead_model::rows::{ExtraHeader, SettingsRow};
    use bulkhead_pricing::PriceBook;

    use super::*;
    use crate::compile::tests::deployment;
    use crate::deployment::Deployment;

    fn bedrock(cloud: &[(&str, &str)]) -> DeploymentRow {
        let value = |(name, value): &(&str, &str)| CloudValue {
            name: (*name).to_owned(),
            value: Secret::new(*value),
        };
        DeploymentRow {
            api_base: Some("https://bedrock-runtime.eu-west-1.amazonaws.com".into()),
            cloud: cloud.iter().map(value).collect(),
            ..deployment("g", "anthropic.claude", "bedrock")
        }
    }

    fn compiled(row: &DeploymentRow) -> Result<Deployment, String> {
        Deployment::compile(row, &SettingsRow::default(), &PriceBook::embedded()).map_err(|error| error.what)
    }

    #[test]
    fn a_key_or_a_header_of_the_operators_own_goes_before() {
        let keys = [("aws_access_key_id", "AKIA"), ("aws_secret_access_key", "s3cret-canary")];
        let mut row = bedrock(&keys);
        let identity = compiled(&row).unwrap().identity.unwrap();
        assert_eq!(identity.region(), "eu-west-1");
        assert_eq!(identity.said("aws_access_key_id").map(Secret::expose), Some("AKIA"));
        assert!(!format!("{identity:?}").contains("canary"));
        row.extra_headers = vec![ExtraHeader { name: "authorization".into(), value: Secret::new("mine") }];
        assert!(compiled(&row).unwrap().identity.is_none());
        row.extra_headers.clear();
        row.api_key = Some(Secret::new("bedrock-key"));
        assert!(compiled(&row).unwrap().identity.is_none());
        assert!(compiled(&deployment("g", "gpt-4o", "openai")).unwrap().identity.is_none());
    }

    #[test]
    fn a_key_in_a_header_of_the_operators_own_is_one_of_that_cloud() {
        for (provider, model, header, is_key) in [
            ("azure_ai", "claude-opus-4-1", "x-api-key", true),
            ("azure_ai", "grok-3", "api-key", true),
            ("azure", "gpt-4o", "api-key", true),
            ("azure", "gpt-4o", "ocp-apim-subscription-key", false),
            ("vertex_ai", "gemini-2.5-pro", "x-goog-api-key", true),
            ("vertex_ai", "gemini-2.5-pro", "x-api-key", false),
            ("bedrock", "anthropic.claude", "x-api-key", false),
        ] {
            let mut row = deployment("g", model, provider);
            row.api_base = Some("https://bedrock-runtime.eu-west-1.amazonaws.com".into());
            row.extra_headers = vec![ExtraHeader { name: header.into(), value: Secret::new("mine") }];
            assert_eq!(compiled(&row).unwrap().identity.is_none(), is_key, "{provider}: {header}");
        }
    }

    #[test]
    fn a_project_that_nobody_names_is_that_of_the_credentials() {
        let mut row = deployment("g", "gemini-2.5-pro", "vertex_ai");
        row.api_base = Some("https://h/v1/projects/{project}/locations/us-east5".into());
        let vertex = compiled(&row).unwrap();
        let path = vertex.path(Endpoint::GenerateContent, "gemini-2.5-pro", false).unwrap();
        assert!(vertex.lacks_project());
        assert_eq!(
            vertex.path_in(&path, "example.com:p/../q").unwrap().as_str(),
            "/v1/projects/example.com%3Ap%2F..%2Fq/locations/us-east5/publishers/google/models/gemini-2.5-pro:generateContent"
        );
        row.api_key = Some(Secret::new("ya29.token"));
        assert!(compiled(&row).unwrap_err().contains("vertex_project"));
    }

    #[test]
    fn requests_are_signed_for_the_region_of_the_address_else_the_declared_one() {
        for (host, region) in [
            ("bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"),
            ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("vpce-1.bedrock-runtime.eu-west-3.vpce.amazonaws.com", "eu-west-3"),
            ("127.0.0.1:9", "ap-south-1"),
        ] {
            let mut row = bedrock(&[(REGION, "ap-south-1")]);
            row.api_base = Some(format!("https://{host}"));
            assert_eq!(compiled(&row).unwrap().identity.unwrap().region(), region, "{host}");
        }
        let mut row = bedrock(&[]);
        row.api_base = Some("http://127.0.0.1:9".into());
        assert!(compiled(&row).unwrap_err().contains("aws_region_name"));
    }

    #[test]
    fn what_is_kept_is_made_once_and_is_what_it_was_made_as() {
        let identity = compiled(&bedrock(&[])).unwrap().identity.unwrap();
        assert_eq!(identity.kept::<u8>(), None);
        assert_eq!(identity.keep(|| Arc::new(1_u8)).as_deref(), Some(&1));
        assert_eq!(identity.keep(|| Arc::new(2_u8)).as_deref(), Some(&1));
        assert_eq!(identity.kept::<u16>(), None);
    }

    #[test]
    fn an_account_is_told_by_what_is_declared_of_it() {
        let account = |cloud: &[(&str, &str)]| compiled(&bedrock(cloud)).unwrap().account;
        let one = [("aws_access_key_id", "AKIA1"), ("aws_secret_access_key", "s")];
        let two = [("aws_access_key_id", "AKIA2"), ("aws_secret_access_key", "s")];
        assert_eq!(account(&one), account(&one));
        assert_ne!(account(&one), account(&two));
        assert_ne!(account(&one), account(&[]));
    }
}
