use bulkhead_credentials::entra::Source;
use bulkhead_credentials::{Hidden, Source as Any};

use crate::server::Server;
use crate::support::{lease, token, wrong};

const TOKEN: &str =
    r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"entra token"}"#;
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";

fn secret() -> Source {
    Source {
        tenant_id: Some("tenant".to_owned()),
        client_id: Some("client".to_owned()),
        client_secret: Some(Hidden::from("CANARY-secret")),
        ..Source::default()
    }
}

#[tokio::test]
async fn a_clients_secret() {
    let entra = Server::start(|_| (200, TOKEN.to_owned())).await;
    let lease = lease(Any::Entra(secret()), &[("AZURE_AUTHORITY_HOST", &entra.url("/"))]);
    assert_eq!(token(&lease).await, "entra token");
    let [asked] = &*entra.asked().await else { panic!("more than one fetch") };
    assert_eq!((asked.method.as_str(), &*asked.path), ("POST", "/tenant/oauth2/v2.0/token"));
    let form = asked.form();
    assert_eq!(form.len(), 4);
    assert_eq!(form["grant_type"], "client_credentials");
    assert_eq!(form["client_id"], "client");
    assert_eq!(form["client_secret"], "CANARY-secret");
    assert_eq!(form["scope"], SCOPE);
}

#[tokio::test]
async fn variables_stand_in_and_a_declared_scope_is_asked_for() {
    let entra = Server::start(|_| (200, TOKEN.to_owned())).await;
    let url = entra.url("");
    let variables = [
        ("AZURE_AUTHORITY_HOST", &*url),
        ("AZURE_TENANT_ID", "its tenant"),
        ("AZURE_CLIENT_ID", "its client"),
        ("AZURE_CLIENT_SECRET", "its secret"),
        ("AZURE_SCOPE", "of the variable"),
    ];
    let declared = Source { scope: Some("https://ai.azure.com/.default".to_owned()), ..Source::default() };
    token(&lease(Any::Entra(declared), &variables)).await;
    token(&lease(Any::Entra(Source::default()), &variables)).await;
    let asked = entra.asked().await;
    assert_eq!(asked[0].path, "/its%20tenant/oauth2/v2.0/token");
    assert_eq!(asked[0].form()["client_secret"], "its secret");
    assert_eq!(asked[0].form()["scope"], "https://ai.azure.com/.default");
    assert_eq!(asked[1].form()["scope"], "of the variable");
}

#[tokio::test]
async fn tokens_of_others_are_exchanged_and_read_anew() {
    let entra = Server::start(|_| (200, TOKEN.to_owned())).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "a pod's token\n").unwrap();
    let (url, path) = (entra.url(""), file.to_str().unwrap());
    let variables = [
        ("AZURE_AUTHORITY_HOST", &*url),
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_FEDERATED_TOKEN_FILE", path),
        ("ELSEWHERE", "another token"),
    ];
    let by = |reference: &str| Source { ad_token: Some(Hidden::from(reference)), ..Source::default() };
    token(&lease(Any::Entra(Source::default()), &variables)).await;
    token(&lease(Any::Entra(by("oidc/env/ELSEWHERE")), &variables)).await;
    token(&lease(Any::Entra(by("oidc/azure/")), &variables)).await;
    let asked = entra.asked().await;
    let assertions: Vec<_> = asked.iter().map(|asked| asked.form()["client_assertion"].clone()).collect();
    assert_eq!(assertions, ["a pod's token", "another token", "a pod's token"]);
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    assert!(asked.iter().all(|asked| asked.form()["client_assertion_type"] == kind));
}

#[tokio::test]
async fn only_the_folders_for_secrets_are_read_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "t").unwrap();
    let reference = format!("oidc/file/{}", file.display());
    let source = Any::Entra(Source { ad_token: Some(Hidden::from(&*reference)), ..Source::default() });
    let reason = wrong(&lease(source.clone(), &[])).await;
    assert!(reason.contains("LITELLM_OIDC_ALLOWED_CREDENTIAL_DIRS"), "{reason}");
    let allowed = ("LITELLM_OIDC_ALLOWED_CREDENTIAL_DIRS", folder.path().to_str().unwrap());
    let reason = wrong(&lease(source, &[allowed])).await;
    assert!(reason.starts_with("tenant_id (or the variable AZURE_TENANT_ID) is missing"), "{reason}");
    let unknown = Source { ad_token: Some(Hidden::from("oidc/bamboo/")), ..Source::default() };
    let reason = wrong(&lease(Any::Entra(unknown), &[])).await;
    assert!(reason.starts_with("oidc/… is one of env/NAME"), "{reason}");
}

#[tokio::test]
async fn a_declared_token_is_there_at_once() {
    let source = Source { ad_token: Some(Hidden::from("declared")), ..Source::default() };
    let lease = lease(Any::Entra(source), &[]);
    assert!(lease.now().is_some());
    assert_eq!(token(&lease).await, "declared");
}

#[tokio::test]
async fn the_identity_of_a_virtual_machine() {
    let answer = r#"{"access_token":"its token","expires_in":"86399","expires_on":"1","resource":"r"}"#;
    let azure = Server::start(|_| (200, answer.to_owned())).await;
    let source = Source { client_id: Some("its id".to_owned()), ..Source::default() };
    let lease = lease(Any::Entra(source), &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &azure.url("/"))]);
    assert_eq!(token(&lease).await, "its token");
    let [asked] = &*azure.asked().await else { panic!("more than one fetch") };
    assert_eq!((asked.method.as_str(), &*asked.path), ("GET", "/metadata/identity/oauth2/token"));
    assert_eq!(asked.header("metadata"), "true");
    assert_eq!(asked.query["resource"], "https://cognitiveservices.azure.com");
    assert_eq!((&*asked.query["api-version"], &*asked.query["client_id"]), ("2018-02-01", "its id"));
}

#[tokio::test]
async fn the_identity_of_an_app_service() {
    let azure =
        Server::start(|_| (200, r#"{"access_token":"its token","expires_on":"4102444800"}"#.to_owned()))
            .await;
    let url = azure.url("/msi/token");
    let variables = [
        ("IDENTITY_ENDPOINT", &*url),
        ("IDENTITY_HEADER", "CANARY"),
        ("AZURE_CREDENTIAL", "ManagedIdentityCredential"),
    ];
    let lease = lease(Any::Entra(Source::default()), &variables);
    assert_eq!(token(&lease).await, "its token");
    let ends = lease.counters().ends.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(ends, 4_102_444_800);
    let [asked] = &*azure.asked().await else { panic!("more than one fetch") };
    assert_eq!((&*asked.path, asked.header("x-identity-header")), ("/msi/token", "CANARY"));
    assert_eq!(asked.query["api-version"], "2019-08-01");
    assert!(!asked.query.contains_key("client_id"));
}

#[tokio::test]
async fn refusals_are_told_without_secrets() {
    let said = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret CANARY-secret.\r\nTrace ID: 1"}"#;
    let entra = Server::start(|_| (401, said.to_owned())).await;
    let reason = wrong(&lease(Any::Entra(secret()), &[("AZURE_AUTHORITY_HOST", &entra.url(""))])).await;
    let place = entra.url("/tenant/oauth2/v2.0/token");
    let told = "answered 401: invalid_client: AADSTS7000215: Invalid client secret ….";
    assert_eq!(reason, format!("Microsoft Entra: {place} {told}"));
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_with_a_secret() {
    let entra = Server::start(|_| (307, String::new())).await;
    let reason = wrong(&lease(Any::Entra(secret()), &[("AZURE_AUTHORITY_HOST", &entra.url(""))])).await;
    assert!(reason.ends_with("answered 307"), "{reason}");
}

#[tokio::test]
async fn what_is_no_token_is_not_repeated() {
    let entra = Server::start(|_| (200, r#"{"accessToken":"CANARY"}"#.to_owned())).await;
    let lease = lease(Any::Entra(secret()), &[("AZURE_AUTHORITY_HOST", &entra.url(""))]);
    let soon = tokio::time::Instant::now() + std::time::Duration::from_secs(2);
    let trouble = lease.get(soon).await.unwrap_err();
    assert!(trouble.waiting_may_help() && trouble.to_string().contains("something else"), "{trouble}");
    assert!(!trouble.to_string().contains("CANARY"), "{trouble}");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let source = Source { client_secret: Some(Hidden::from("CANARY")), ..Source::default() };
    let reason = wrong(&lease(Any::Entra(source), &[])).await;
    assert_eq!(reason, "tenant_id (or the variable AZURE_TENANT_ID) is missing for Microsoft Entra");
}
