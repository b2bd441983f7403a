use std::sync::atomic::Ordering::Relaxed;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bulkhead_credentials::google::Source;
use bulkhead_credentials::{Hidden, Source as Any};
use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{lease, token, wrong};

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const TOKEN: &str = r#"{"access_token":"google token","expires_in":3599,"token_type":"Bearer"}"#;

fn declared(credentials: &str) -> Any {
    Any::Google(Source { credentials: Some(Hidden::from(credentials)) })
}

/// A service account's file and the public half of its key.
fn account(token_uri: &str) -> (Value, Vec<u8>) {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    let file = json!({
        "type": "service_account", "project_id": "its-project", "private_key_id": "kid", "private_key": pem,
        "client_email": "gateway@its-project.iam.gserviceaccount.com", "client_id": "1", "token_uri": token_uri,
    });
    (file, key.public_key().as_ref().to_vec())
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

#[tokio::test]
async fn a_service_account_signs_for_itself_and_a_thousand_share_its_token() {
    let google = Server::start(|_| (200, TOKEN.to_owned())).await;
    let (file, public) = account(&google.url("/token"));
    let lease = lease(declared(&file.to_string()), &[]);
    let all: Vec<_> = (0..1000)
        .map(|_| {
            let lease = lease.clone();
            tokio::spawn(async move { token(&lease).await })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap(), "google token");
    }
    assert_eq!(lease.project().as_deref(), Some("its-project"));
    assert_eq!((lease.counters().fetched.load(Relaxed), lease.counters().failed.load(Relaxed)), (1, 0));

    let [asked] = &*google.asked().await else { panic!("more than one fetch") };
    let form = asked.form();
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (signed, signature) = form["assertion"].rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
        .verify(signed.as_bytes(), &signature)
        .unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    assert_eq!(part(header), json!({"alg": "RS256", "typ": "JWT", "kid": "kid"}));
    let claims = part(claims);
    assert_eq!(claims["iss"], "gateway@its-project.iam.gserviceaccount.com");
    assert_eq!((&claims["scope"], &claims["aud"]), (&json!(SCOPE), &json!(google.url("/token"))));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(claims["iat"].as_u64().unwrap()) < 60);
}

#[tokio::test]
async fn files_are_found_by_their_path_the_variable_and_gclouds_place() {
    let google = Server::start(|asked| {
        let user = asked.form();
        assert_eq!((&*user["grant_type"], &*user["client_id"]), ("refresh_token", "a client"));
        assert_eq!((&*user["client_secret"], &*user["refresh_token"]), ("CANARY-1", "CANARY-2"));
        (200, TOKEN.to_owned())
    });
    let google = google.await;
    let file = json!({"type": "authorized_user", "client_id": "a client", "client_secret": "CANARY-1",
        "refresh_token": "CANARY-2", "quota_project_id": "quota", "token_uri": google.url("/token")});
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/gcloud");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("application_default_credentials.json");
    std::fs::write(&path, file.to_string()).unwrap();
    let (path, home) = (path.to_str().unwrap(), home.path().to_str().unwrap());

    let nothing = || Any::Google(Source::default());
    for lease in [
        lease(declared(path), &[]),
        lease(nothing(), &[("VERTEXAI_CREDENTIALS", &file.to_string())]),
        lease(nothing(), &[("GOOGLE_APPLICATION_CREDENTIALS", path)]),
        lease(nothing(), &[("HOME", home)]),
        lease(nothing(), &[("CLOUDSDK_CONFIG", folder.to_str().unwrap())]),
    ] {
        assert_eq!(token(&lease).await, "google token");
        assert_eq!(lease.project().as_deref(), Some("quota"));
    }
}

#[tokio::test]
async fn the_metadata_server_gives_a_token_and_its_project() {
    let google = Server::start(|asked| {
        assert_eq!(asked.header("metadata-flavor"), "Google");
        if asked.path.ends_with("/default/token") {
            assert_eq!(asked.query["scopes"], SCOPE);
            return (200, TOKEN.to_owned());
        }
        assert_eq!(asked.path, "/computeMetadata/v1/project/project-id");
        (200, "the-machines".to_owned())
    });
    let google = google.await;
    let host = google.address.to_string();
    let lease_of = |variables: &[(&str, &str)]| lease(Any::Google(Source::default()), variables);
    let lease = lease_of(&[("GCE_METADATA_HOST", &host)]);
    assert_eq!(token(&lease).await, "google token");
    assert_eq!(lease.project().as_deref(), Some("the-machines"));
    let lease = lease_of(&[("GCE_METADATA_HOST", &host), ("GOOGLE_CLOUD_PROJECT", "another")]);
    assert_eq!(token(&lease).await, "google token");
    assert_eq!(lease.project().as_deref(), Some("another"));
}

fn external(google: &Server, subject: Value) -> Value {
    json!({"type": "external_account", "audience": "//iam.googleapis.com/pool", "token_url": google.url("/v1/token"),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "credential_source": subject})
}

#[tokio::test]
async fn tokens_of_others_are_exchanged_and_act_for_an_account() {
    let google = Server::start(|asked| match &*asked.path {
        "/v1/token" => {
            let form = asked.form();
            assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
            assert_eq!((&*form["audience"], &*form["scope"]), ("//iam.googleapis.com/pool", SCOPE));
            assert_eq!(form["subject_token_type"], "urn:ietf:params:oauth:token-type:jwt");
            assert_eq!(form["requested_token_type"], "urn:ietf:params:oauth:token-type:access_token");
            (
                200,
                json!({"access_token": format!("for {}", form["subject_token"]), "expires_in": 3600})
                    .to_string(),
            )
        }
        "/account:generateAccessToken" => {
            assert_eq!(asked.header("authorization"), "Bearer for a file's token");
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            assert_eq!(body, json!({"scope": [SCOPE], "lifetime": "3600s"}));
            (200, r#"{"accessToken":"the account's","expireTime":"2100-01-01T00:00:00Z"}"#.to_owned())
        }
        _ => {
            assert_eq!((&*asked.path, asked.header("x-its")), ("/subject", "header"));
            (200, "an address' token".to_owned())
        }
    });
    let google = google.await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, r#"{"id_token":"a file's token"}"#).unwrap();
    let format = json!({"type": "json", "subject_token_field_name": "id_token"});
    let mut file = external(&google, json!({"file": path, "format": format}));
    file["service_account_impersonation_url"] = json!(google.url("/account:generateAccessToken"));

    let allowed = ("LITELLM_OIDC_ALLOWED_CREDENTIAL_DIRS", folder.path().to_str().unwrap());
    let by_file = lease(declared(&file.to_string()), &[allowed]);
    assert_eq!(token(&by_file).await, "the account's");
    assert_eq!(by_file.counters().ends.load(Relaxed), 4_102_444_800);
    // Who declares a deployment is not to read this machine's files by it; who may write its files is.
    let reason = wrong(&lease(declared(&file.to_string()), &[])).await;
    assert!(reason.contains("LITELLM_OIDC_ALLOWED_CREDENTIAL_DIRS"), "{reason}");
    let own = folder.path().join("credentials.json");
    std::fs::write(&own, file.to_string()).unwrap();
    let by_path =
        lease(Any::Google(Source::default()), &[("GOOGLE_APPLICATION_CREDENTIALS", own.to_str().unwrap())]);
    assert_eq!(token(&by_path).await, "the account's");

    let file = external(&google, json!({"url": google.url("/subject"), "headers": {"x-its": "header"}}));
    assert_eq!(token(&lease(declared(&file.to_string()), &[])).await, "for an address' token");
}

#[tokio::test]
async fn an_account_acts_for_another() {
    let google = Server::start(|asked| {
        if asked.path == "/token" {
            return (200, TOKEN.to_owned());
        }
        assert_eq!(asked.header("authorization"), "Bearer google token");
        (200, r#"{"accessToken":"the other's","expireTime":"2100-01-01T00:00:00Z"}"#.to_owned())
    });
    let google = google.await;
    let (source, _) = account(&google.url("/token"));
    let file = json!({"type": "impersonated_service_account", "source_credentials": source,
        "service_account_impersonation_url": google.url("/other:generateAccessToken")});
    let lease = lease(declared(&file.to_string()), &[]);
    assert_eq!(token(&lease).await, "the other's");
    assert_eq!(lease.project().as_deref(), Some("its-project"));
}

#[tokio::test]
async fn refusals_are_told_without_secrets() {
    let google = Server::start(|asked| {
        let said = json!({"error": "invalid_grant", "error_description": format!("Bad: {}", asked.form()["assertion"])});
        (400, said.to_string())
    });
    let google = google.await;
    let (file, _) = account(&google.url("/token"));
    let reason = wrong(&lease(declared(&file.to_string()), &[])).await;
    let place = google.url("/token");
    assert_eq!(reason, format!("Google's token service: {place} answered 400: invalid_grant: Bad: …"));
}

#[tokio::test]
async fn what_is_no_credentials_file_is_told_without_its_text() {
    for (text, why) in [
        (r#"{"type":"CANARY"}"#, "its type is none of service_account, "),
        (r#"{"type":"authorized_user","client_id":["CANARY"]}"#, "its type is none of service_account, "),
        (r#"{"type":"service_account","private_key":"CANARY"}"#, "missing field `client_email`"),
        (r#"{"private_key":"CANARY"}"#, "missing field `type`"),
        ("{CANARY", "it is no JSON from line 1, column 2 on"),
    ] {
        let reason = wrong(&lease(declared(text), &[])).await;
        let told = reason.strip_prefix("vertex_credentials: no credentials of Google's: ");
        assert!(told.is_some_and(|told| told.starts_with(why)), "{reason}");
    }
    let (mut file, _) = account("http://127.0.0.1:1/token");
    file["private_key"] = json!("CANARY");
    let reason = wrong(&lease(declared(&file.to_string()), &[])).await;
    assert_eq!(reason, "the private_key of gateway@its-project.iam.gserviceaccount.com is no RSA key in PEM");
    let reason = wrong(&lease(declared("/nowhere/at/all.json"), &[])).await;
    assert!(reason.starts_with("vertex_credentials: /nowhere/at/all.json cannot be read: "), "{reason}");
}
