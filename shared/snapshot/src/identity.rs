//! Who a deployment is to a cloud, where a signature or a token stands in for a key.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bulkhead_credentials::{Hidden, Keeper, Lease, Source, aws, entra, google};
use bulkhead_dialect::cloud::{Cloud, REGION};
use bulkhead_dialect::providers::Provider;
use bulkhead_model::Secret;
use bulkhead_model::rows::DeploymentRow;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::address::Target;

/// Who a deployment is to a cloud.
pub struct Identity {
    source: Source,
    /// Where AWS is asked; empty for other clouds.
    region: Box<str>,
    lease: OnceLock<Arc<Lease>>,
}

impl Identity {
    /// What is declared.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Where AWS is asked.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What keeps its proof fresh, for as long as there is this deployment.
    pub fn lease(&self, keeper: &Arc<Keeper>) -> &Arc<Lease> {
        self.lease.get_or_init(|| keeper.lease(&self.source))
    }

    /// The same, where somebody has asked for it.
    pub fn begun(&self) -> Option<&Lease> {
        self.lease.get().map(Arc::as_ref)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("source", &self.source).field("region", &self.region).finish()
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
    if has_key || headers.iter().any(|(name, _)| *name == AUTHORIZATION || name.as_str() == "api-key") {
        return Ok(None);
    }
    let said = Said(row);
    let (source, region) = match cloud {
        Cloud::Aws => {
            let region = region_of(&target.host).map(str::to_owned).or_else(|| said.text(REGION));
            let region = region.ok_or("requests are signed for a region, and aws_region_name says none")?;
            (Source::Aws(said.aws(&region)), region)
        }
        Cloud::Google => {
            (Source::Google(google::Source { credentials: said.hidden("vertex_credentials") }), String::new())
        }
        Cloud::Azure => (Source::Entra(said.entra()), String::new()),
    };
    Ok(Some(Box::new(Identity { source, region: region.into(), lease: OnceLock::new() })))
}

/// The region in an address of Bedrock's: what AWS holds signatures against.
fn region_of(host: &str) -> Option<&str> {
    let mut labels = host.split('.').skip_while(|label| !label.starts_with("bedrock-runtime"));
    labels.nth(1)
}

struct Said<'r>(&'r DeploymentRow);

impl Said<'_> {
    fn secret(&self, name: &str) -> Option<Secret> {
        self.0.cloud.iter().find(|said| said.name == name).map(|said| said.value.clone())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.secret(name).map(|value| value.expose().to_owned())
    }

    fn hidden(&self, name: &str) -> Option<Hidden> {
        self.secret(name).map(Hidden::from)
    }

    fn aws(&self, region: &str) -> aws::Source {
        aws::Source {
            access_key_id: self.text("aws_access_key_id"),
            secret_access_key: self.hidden("aws_secret_access_key"),
            session_token: self.hidden("aws_session_token"),
            profile_name: self.text("aws_profile_name"),
            role_name: self.text("aws_role_name"),
            session_name: self.text("aws_session_name"),
            external_id: self.text("aws_external_id"),
            web_identity_token: self.hidden("aws_web_identity_token"),
            sts_endpoint: self.text("aws_sts_endpoint"),
            region_name: Some(region.to_owned()),
        }
    }

    fn entra(&self) -> entra::Source {
        entra::Source {
            tenant_id: self.text("tenant_id"),
            client_id: self.text("client_id"),
            client_secret: self.hidden("client_secret"),
            ad_token: self.hidden("azure_ad_token"),
            scope: self.text("azure_scope"),
        }
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::rows::{CloudValue, ExtraHeader, SettingsRow};
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
        let Source::Aws(source) = identity.source() else { panic!("not of AWS") };
        assert_eq!(source.access_key_id.as_deref(), Some("AKIA"));
        assert!(!format!("{identity:?}").contains("canary"));
        row.extra_headers = vec![ExtraHeader { name: "authorization".into(), value: Secret::new("mine") }];
        assert!(compiled(&row).unwrap().identity.is_none());
        row.extra_headers.clear();
        row.api_key = Some(Secret::new("bedrock-key"));
        assert!(compiled(&row).unwrap().identity.is_none());
        assert!(compiled(&deployment("g", "gpt-4o", "openai")).unwrap().identity.is_none());
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
    fn an_account_is_told_by_what_is_declared_of_it() {
        let account = |cloud: &[(&str, &str)]| compiled(&bedrock(cloud)).unwrap().account;
        let one = [("aws_access_key_id", "AKIA1"), ("aws_secret_access_key", "s")];
        let two = [("aws_access_key_id", "AKIA2"), ("aws_secret_access_key", "s")];
        assert_eq!(account(&one), account(&one));
        assert_ne!(account(&one), account(&two));
        assert_ne!(account(&one), account(&[]));
    }
}
