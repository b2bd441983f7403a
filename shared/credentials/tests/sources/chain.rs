//! AWS's own chain reads the variables of its process, so that each of these is a process of its own: this program
//! again, with nothing but the variables of the case.

use std::process::Stdio;
use std::time::Duration;

use bulkhead_credentials::{Hidden, Keeper, Proof, Source, aws, google};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::aws::given;
use crate::server::{Asked, Server, fields};
use crate::support::get;

const ROLE: &str = "arn:aws:iam::123456789012:role/Gateway";

/// What the other process says: `ID SECRET TOKEN`, a token, or why there is none.
async fn said(variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "chain::in_a_process_of_its_own", "--ignored", "--nocapture"]);
    command.env_clear().envs(variables.iter().copied()).stdout(Stdio::piped()).kill_on_drop(true);
    // What is looked for at last: nobody is there.
    if !variables.iter().any(|(name, _)| *name == "AWS_EC2_METADATA_SERVICE_ENDPOINT") {
        command.env("AWS_EC2_METADATA_DISABLED", "true");
    }
    let output = timeout(Duration::from_secs(60), command.output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.split_once("SAID "));
    line.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr))).1.to_owned()
}

#[tokio::test]
#[ignore = "the others start it"]
async fn in_a_process_of_its_own() {
    let source = match std::env::var("CASE_GOOGLE") {
        Ok(text) => Source::Google(google::Source { credentials: Some(Hidden::from(&*text)) }),
        Err(_) => Source::Aws(aws::Source {
            profile_name: std::env::var("CASE_PROFILE").ok(),
            role_name: std::env::var("CASE_ROLE").ok(),
            region_name: Some("eu-central-1".to_owned()),
            ..aws::Source::default()
        }),
    };
    let lease = Keeper::new(Handle::current()).lease(&source);
    println!(
        "SAID {}",
        match get(&lease).await.as_deref() {
            Ok(Proof::Aws(keys)) => {
                let token = keys.session_token.as_ref().map_or("-", |token| token.expose());
                format!("{} {} {token}", keys.access_key_id, keys.secret_access_key.expose())
            }
            Ok(Proof::Bearer(token)) => token.expose().to_owned(),
            Err(trouble) => trouble.to_string(),
        }
    );
}

#[tokio::test]
async fn the_environment() {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "session"),
    ];
    assert_eq!(said(&keys).await, "AKID secret session");
}

#[tokio::test]
async fn profiles() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let text = "[default]\naws_access_key_id = AKID\naws_secret_access_key = secret\n\
                [other]\naws_access_key_id = OTHER\naws_secret_access_key = secret\n\
                [helped]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"HELPED\",\"SecretAccessKey\":\"s\"}'\n";
    std::fs::write(&file, text).unwrap();
    let file = ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap());
    let nothing = ("AWS_CONFIG_FILE", "/nowhere");
    assert_eq!(said(&[file, nothing]).await, "AKID secret -");
    assert_eq!(said(&[file, nothing, ("CASE_PROFILE", "other")]).await, "OTHER secret -");
    assert_eq!(
        said(&[file, nothing, ("PATH", "/bin:/usr/bin"), ("CASE_PROFILE", "helped")]).await,
        "HELPED s -"
    );
    let said = said(&[file, nothing, ("CASE_PROFILE", "none")]).await;
    assert!(said.starts_with("AWS credentials: ") && said.contains("none"), "{said}");
}

#[tokio::test]
async fn the_web_identity_of_a_pod_which_is_the_role_already() {
    let sts = Server::start(|_| (200, given("AssumeRoleWithWebIdentity", "ASIA"))).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "a pod's token").unwrap();
    let url = sts.url("");
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_ROLE_SESSION_NAME", "a pod"),
        ("AWS_ENDPOINT_URL_STS", &url),
        ("CASE_ROLE", ROLE),
    ];
    assert_eq!(said(&variables).await, "ASIA its secret its token");
    let [asked] = &*sts.asked().await else { panic!("more than one request") };
    let form = asked.form();
    assert_eq!(
        (&*form["Action"], &*form["WebIdentityToken"]),
        ("AssumeRoleWithWebIdentity", "a pod's token")
    );
    assert_eq!((&*form["RoleArn"], &*form["RoleSessionName"]), (ROLE, "a pod"));
}

const GIVEN: &str = r#"{"Code":"Success","Type":"AWS-HMAC","LastUpdated":"2026-01-01T00:00:00Z","AccessKeyId":"ASIA",
    "SecretAccessKey":"secret","Token":"session","Expiration":"2100-01-01T00:00:00Z"}"#;

#[tokio::test]
async fn the_containers_endpoint() {
    let ecs = Server::start(|asked| {
        assert_eq!((&*asked.path, asked.header("authorization")), ("/v2/credentials", "its token"));
        (200, GIVEN.to_owned())
    });
    let url = ecs.await;
    let uri = url.url("/v2/credentials");
    let variables =
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*uri), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "its token")];
    assert_eq!(said(&variables).await, "ASIA secret session");
}

fn imds(asked: &Asked) -> (u16, String) {
    if asked.path == "/latest/api/token" {
        assert_eq!(asked.method, "PUT");
        assert_eq!(asked.header("x-aws-ec2-metadata-token-ttl-seconds"), "21600");
        return (200, "the token of version 2".to_owned());
    }
    if asked.header("x-aws-ec2-metadata-token") != "the token of version 2" {
        return (401, String::new());
    }
    match asked.path.trim_end_matches('/').rsplit('/').next() {
        Some("security-credentials" | "security-credentials-extended") => (200, "its-role".to_owned()),
        Some("its-role") => (200, GIVEN.to_owned()),
        _ => (404, String::new()),
    }
}

#[tokio::test]
async fn the_machines_metadata_service() {
    let server = Server::start(imds).await;
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*server.url(""))];
    assert_eq!(said(&variables).await, "ASIA secret session");
}

#[tokio::test]
async fn nothing_at_all() {
    let said = said(&[]).await;
    assert!(said.starts_with("AWS credentials: "), "{said}");
}

#[tokio::test]
async fn google_knows_aws_by_a_signed_request() {
    let google = Server::start(|asked| {
        let form = asked.form();
        assert_eq!(form["subject_token_type"], "urn:ietf:params:aws:token-type:aws4_request");
        // Encoded once more than the form.
        let subject = fields(&format!("it={}", form["subject_token"])).remove("it").unwrap();
        let subject: Value = serde_json::from_str(&subject).unwrap();
        let url = "https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";
        assert_eq!((&subject["url"], &subject["method"]), (&json!(url), &json!("POST")));
        let header = |name: &str| {
            let headers = subject["headers"].as_array().unwrap();
            let found = headers.iter().find(|header| header["key"] == name);
            found.map_or("", |header| header["value"].as_str().unwrap()).to_owned()
        };
        assert_eq!(header("x-goog-cloud-target-resource"), "//iam.googleapis.com/pool");
        assert_eq!(header("host"), "sts.eu-west-1.amazonaws.com");
        assert_eq!(header("x-amz-security-token"), "session");
        let authorization = header("authorization");
        assert!(authorization.contains("/eu-west-1/sts/aws4_request"), "{authorization}");
        assert!(authorization.contains("host;x-amz-date;x-amz-security-token;x-goog-cloud-target-resource"));
        (200, r#"{"access_token":"google token","expires_in":3600}"#.to_owned())
    });
    let google = google.await;
    let verification = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";
    let source = json!({"environment_id": "aws1", "regional_cred_verification_url": verification});
    let file = json!({"type": "external_account", "audience": "//iam.googleapis.com/pool",
        "token_url": google.url("/v1/token"), "credential_source": source,
        "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request"});
    let file = file.to_string();
    let variables = [
        ("CASE_GOOGLE", &*file),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "session"),
    ];
    assert_eq!(said(&variables).await, "google token");
}
