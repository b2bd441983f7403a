use bulkhead_credentials::aws::{Keys, Source};
use bulkhead_credentials::{Hidden, Lease, Proof, Source as Any};

use crate::server::{Asked, Server};
use crate::support::{get, lease, wrong};

const ROLE: &str = "arn:aws:iam::123456789012:role/Gateway";

async fn keys(lease: &Lease) -> Keys {
    match get(lease).await.as_deref() {
        Ok(Proof::Aws(keys)) => keys.clone(),
        other => panic!("{other:?}"),
    }
}

/// What the STS answers when it gives keys.
pub(crate) fn given(action: &str, key: &str) -> String {
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
         <AccessKeyId>{key}</AccessKeyId><SecretAccessKey>its secret</SecretAccessKey><SessionToken>its \
         token</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></{action}Result>\
         <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"
    )
}

fn refused(code: &str, message: &str) -> (u16, String) {
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
    let response = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">";
    (403, format!("{response}{error}<RequestId>1</RequestId></ErrorResponse>"))
}

/// A role by static keys.
fn role(sts: &Server) -> Source {
    Source {
        access_key_id: Some("AKIDEXAMPLE".to_owned()),
        secret_access_key: Some(Hidden::from("CANARY-secret")),
        session_token: Some(Hidden::from("CANARY-session")),
        role_name: Some(ROLE.to_owned()),
        sts_endpoint: Some(sts.url("")),
        region_name: Some("eu-central-1".to_owned()),
        ..Source::default()
    }
}

/// Who signed this, for where.
fn signer(asked: &Asked) -> &str {
    asked
        .header("authorization")
        .strip_prefix("AWS4-HMAC-SHA256 Credential=")
        .unwrap()
        .split(',')
        .next()
        .unwrap()
}

#[tokio::test]
async fn a_role_is_assumed_by_declared_keys() {
    let sts = Server::start(|_| (200, given("AssumeRole", "ASIA"))).await;
    let source = Source {
        session_name: Some("the session".to_owned()),
        external_id: Some("the external id".to_owned()),
        ..role(&sts)
    };
    let lease = lease(Any::Aws(source), &[]);
    assert!(lease.now().is_none(), "the keys that are declared are not the role's");
    let keys = keys(&lease).await;
    assert_eq!((&*keys.access_key_id, keys.secret_access_key.expose()), ("ASIA", "its secret"));
    assert_eq!(keys.session_token.unwrap().expose(), "its token");
    assert_eq!(lease.counters().ends.load(std::sync::atomic::Ordering::Relaxed), 4_102_444_800);

    let [asked] = &*sts.asked().await else { panic!("more than one fetch") };
    let form = asked.form();
    assert_eq!((&*form["Action"], &*form["Version"]), ("AssumeRole", "2011-06-15"));
    assert_eq!((&*form["RoleArn"], &*form["RoleSessionName"]), (ROLE, "the session"));
    assert_eq!(form["ExternalId"], "the external id");
    let day = asked.header("x-amz-date").split('T').next().unwrap();
    assert_eq!(signer(asked), format!("AKIDEXAMPLE/{day}/eu-central-1/sts/aws4_request"));
    assert_eq!(asked.header("x-amz-security-token"), "CANARY-session");
}

#[tokio::test]
async fn a_role_is_assumed_by_a_token_of_somebody_elses() {
    let sts = Server::start(|_| (200, given("AssumeRoleWithWebIdentity", "ASIA"))).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "in a file\n").unwrap();
    let path = path.to_str().unwrap();
    let variables = [
        ("LITELLM_OIDC_ALLOWED_CREDENTIAL_DIRS", folder.path().to_str().unwrap()),
        ("TOKEN", "in a variable"),
        ("TOKEN_FILE", path),
    ];
    let file = format!("oidc/file/{path}");
    for (declared, token) in [
        ("declared", "declared"),
        ("oidc/env/TOKEN", "in a variable"),
        ("oidc/env_path/TOKEN_FILE", "in a file"),
        (&*file, "in a file"),
        (path, "in a file"),
    ] {
        let source = Source {
            role_name: Some(ROLE.to_owned()),
            web_identity_token: Some(Hidden::from(declared)),
            sts_endpoint: Some(sts.url("")),
            ..Source::default()
        };
        assert_eq!(keys(&lease(Any::Aws(source), &variables)).await.access_key_id, "ASIA");
        let asked = sts.asked().await.pop().unwrap();
        let form = asked.form();
        assert_eq!((&*form["Action"], &*form["WebIdentityToken"]), ("AssumeRoleWithWebIdentity", token));
        assert_eq!((&*form["RoleArn"], &*form["RoleSessionName"]), (ROLE, "bulkhead"));
        assert!(asked.headers.get("authorization").is_none());
    }
}

#[tokio::test]
async fn litellms_variables_stand_in() {
    let sts = Server::start(|_| (200, given("AssumeRoleWithWebIdentity", "ASIA"))).await;
    let url = sts.url("");
    let variables = [
        ("AWS_ROLE_NAME", ROLE),
        ("AWS_SESSION_NAME", "a name"),
        ("AWS_WEB_IDENTITY_TOKEN", "a token"),
        ("AWS_STS_ENDPOINT", &*url),
    ];
    let lease = lease(Any::Aws(Source::default()), &variables);
    assert_eq!(keys(&lease).await.access_key_id, "ASIA");
    assert_eq!(sts.asked().await[0].form()["RoleSessionName"], "a name");
}

#[tokio::test]
async fn whoever_is_the_role_already_needs_not_assume_it() {
    let sts = Server::start(|asked| match &*asked.form()["Action"] {
        "AssumeRole" => refused("AccessDenied", "it may not assume itself"),
        action => {
            let arn = "arn:aws:sts::123456789012:assumed-role/Gateway/i-1";
            let result = format!("<{action}Result><Arn>{arn}</Arn></{action}Result>");
            (
                200,
                format!(
                    "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">{result}</{action}Response>"
                ),
            )
        }
    });
    let sts = sts.await;
    assert_eq!(keys(&lease(Any::Aws(role(&sts)), &[])).await.access_key_id, "AKIDEXAMPLE");
    let other = Source { role_name: Some(format!("{ROLE}2")), ..role(&sts) };
    let reason = wrong(&lease(Any::Aws(other), &[])).await;
    assert_eq!(reason, format!("the role {ROLE}2: the STS answered AccessDenied: it may not assume itself"));
}

#[tokio::test]
async fn refusals_are_told_without_secrets() {
    let sts = Server::start(|asked| {
        refused("InvalidIdentityToken", &format!("no: {}", asked.form()["WebIdentityToken"]))
    });
    let sts = sts.await;
    let source = Source { web_identity_token: Some(Hidden::from("CANARY-token")), ..role(&sts) };
    let lease = lease(Any::Aws(source.clone()), &[]);
    let reason = wrong(&lease).await;
    assert_eq!(reason, format!("the role {ROLE}: the STS answered InvalidIdentityToken: no: …"));
    assert!(!format!("{source:?}").contains("CANARY"));
}

#[tokio::test]
async fn an_sts_that_is_away_is_waited_for() {
    let sts = Server::start(|_| (200, given("AssumeRole", "ASIA"))).await;
    let address = sts.address;
    let source = role(&sts);
    drop(sts);
    let lease = lease(Any::Aws(source), &[]);
    let soon = tokio::time::Instant::now() + std::time::Duration::from_secs(8);
    let trouble = lease.get(soon).await.unwrap_err();
    assert!(trouble.waiting_may_help(), "{trouble}");
    assert!(trouble.to_string().contains(&address.to_string()), "{trouble}");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let half = Source { access_key_id: Some("AKIDEXAMPLE".to_owned()), ..Source::default() };
    let token = Source { web_identity_token: Some(Hidden::from("CANARY")), ..Source::default() };
    let both =
        Source { role_name: Some(ROLE.to_owned()), external_id: Some("x".to_owned()), ..token.clone() };
    for (source, reason) in [
        (half, "aws_access_key_id and aws_secret_access_key go together; one of them is missing"),
        (token, "aws_web_identity_token needs the role it is for: aws_role_name"),
        (both, "aws_external_id does not go with aws_web_identity_token; leave it out"),
    ] {
        assert_eq!(wrong(&lease(Any::Aws(source), &[])).await, reason);
    }
}
