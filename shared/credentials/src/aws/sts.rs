//! Roles: AWS's Security Token Service.

use std::time::SystemTime;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::{Client, Config, types};

use super::sdk;
use super::source::words;
use crate::network::Network;
use crate::unavailable::Unavailable;

/// Where the STS is.
pub(super) struct Sts {
    pub(super) region: Region,
    pub(super) endpoint: Option<String>,
    pub(super) network: Network,
}

impl Sts {
    /// A role by a token of somebody else's.
    pub(super) async fn assume_by_token(
        &self,
        role: &str,
        session: &str,
        token: &str,
    ) -> Result<Credentials, Unavailable> {
        let asked = self.client(None).assume_role_with_web_identity();
        let answer = asked.role_arn(role).role_session_name(session).web_identity_token(token).send().await;
        let answer = answer.map_err(|error| refused(role, &error).without(&[token]))?;
        credentials(role, answer.credentials)
    }

    /// A role by other credentials.
    pub(super) async fn assume(
        &self,
        role: &str,
        session: &str,
        external_id: Option<&str>,
        base: Credentials,
    ) -> Result<Credentials, Unavailable> {
        let client = self.client(Some(SharedCredentialsProvider::new(base.clone())));
        let asked = client.assume_role().role_arn(role).role_session_name(session);
        match asked.set_external_id(external_id.map(str::to_owned)).send().await {
            Ok(answer) => credentials(role, answer.credentials),
            Err(error) if error.code() == Some("AccessDenied") && is_already(&client, role).await => Ok(base),
            Err(error) => Err(refused(role, &error)),
        }
    }

    fn client(&self, base: Option<SharedCredentialsProvider>) -> Client {
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .http_client(sdk::http_client(&self.network));
        config.set_endpoint_url(self.endpoint.clone());
        config.set_credentials_provider(base);
        Client::from_conf(config.build())
    }
}

/// True where these credentials are this role's already, as on ECS and EC2: a role seldom may assume itself.
async fn is_already(client: &Client, role: &str) -> bool {
    let Ok(caller) = client.get_caller_identity().send().await else { return false };
    let caller = caller.arn().and_then(account_and_role);
    caller.is_some() && caller == account_and_role(role)
}

/// `arn:aws:iam::1:role/path/Name` and `arn:aws:sts::1:assumed-role/Name/session` are one: `(aws, 1, Name)`.
fn account_and_role(arn: &str) -> Option<(&str, &str, &str)> {
    let mut parts = arn.splitn(6, ':').skip(1);
    let (partition, _, _) = (parts.next()?, parts.next()?, parts.next()?);
    let (account, resource) = (parts.next()?, parts.next()?);
    let name = match resource.split_once('/')? {
        ("role", path) => path.rsplit('/').next()?,
        ("assumed-role", session) => session.split('/').next()?,
        _ => return None,
    };
    Some((partition, account, name))
}

fn credentials(role: &str, given: Option<types::Credentials>) -> Result<Credentials, Unavailable> {
    let nothing = || Unavailable::for_now(format!("the role {role}: the STS gave no credentials"));
    let given = given.ok_or_else(nothing)?;
    let ends = SystemTime::try_from(given.expiration).map_err(|_| nothing())?;
    let (key, secret, token) = (given.access_key_id, given.secret_access_key, given.session_token);
    Ok(Credentials::new(key, secret, Some(token), Some(ends), "bulkhead"))
}

/// What the STS says of a role: with its code, and whether that may pass.
fn refused<E, R>(role: &str, error: &SdkError<E, R>) -> Unavailable
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match error {
        SdkError::ServiceError(said) if !may_pass(said.err().code()) => Unavailable::until_changed(format!(
            "the role {role}: the STS answered {}: {}",
            said.err().code().unwrap_or("with an error"),
            said.err().message().unwrap_or_default()
        )),
        error => Unavailable::for_now(format!("the role {role}: the STS: {}", words(error))),
    }
}

fn may_pass(code: Option<&str>) -> bool {
    matches!(
        code,
        None | Some(
            "Throttling"
                | "ThrottlingException"
                | "RequestLimitExceeded"
                | "IDPCommunicationError"
                | "InternalFailure"
                | "ServiceUnavailable"
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_a_role_is_the_role() {
        let role = account_and_role("arn:aws:iam::123456789012:role/path/to/Gateway");
        assert_eq!(role, Some(("aws", "123456789012", "Gateway")));
        assert_eq!(role, account_and_role("arn:aws:sts::123456789012:assumed-role/Gateway/i-1"));
        assert_ne!(role, account_and_role("arn:aws:sts::210987654321:assumed-role/Gateway/i-1"));
        assert_eq!(account_and_role("arn:aws:iam::123456789012:user/Gateway"), None);
        assert_eq!(account_and_role("Gateway"), None);
    }
}
