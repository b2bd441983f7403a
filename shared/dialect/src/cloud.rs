//! Clouds: where no key in a header says who asks, but a signature or a token that does not last.

use serde::Deserialize;

/// Whose proof of identity a provider wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cloud {
    /// AWS signs each request.
    Aws,
    /// Google's access tokens.
    Google,
    /// Microsoft Entra's access tokens.
    Azure,
}

impl Cloud {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Google => "Google Cloud",
            Self::Azure => "Azure",
        }
    }
}

/// Where AWS is asked.
pub const REGION: &str = "aws_region_name";

/// Stands in an address of Vertex AI for the project that the credentials name, where the deployment names none.
pub const PROJECT_GAP: &str = "{project}";

/// What a deployment can say of its account with a cloud: LiteLLM's parameters.
pub const PARAMETERS: [(Cloud, &str); 16] = [
    (Cloud::Aws, "aws_access_key_id"),
    (Cloud::Aws, "aws_secret_access_key"),
    (Cloud::Aws, "aws_session_token"),
    (Cloud::Aws, "aws_profile_name"),
    (Cloud::Aws, "aws_role_name"),
    (Cloud::Aws, "aws_session_name"),
    (Cloud::Aws, "aws_external_id"),
    (Cloud::Aws, "aws_web_identity_token"),
    (Cloud::Aws, "aws_sts_endpoint"),
    (Cloud::Aws, REGION),
    (Cloud::Google, "vertex_credentials"),
    (Cloud::Azure, "tenant_id"),
    (Cloud::Azure, "client_id"),
    (Cloud::Azure, "client_secret"),
    (Cloud::Azure, "azure_ad_token"),
    (Cloud::Azure, "azure_scope"),
];
