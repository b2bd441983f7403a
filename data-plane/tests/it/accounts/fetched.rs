//! Keys and tokens that are fetched: at first, anew, and not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use bulkhead_testkit::{body, canary};
use serde_json::json;

use super::*;

const ROLE: &str = "arn:aws:iam::123456789012:role/of-the-gateway";

/// Whose keys the STS gives: another pair each time.
fn assumed(number: usize) -> String {
    format!("ASIA{number:012}")
}

/// An STS whose keys live so long.
async fn sts(life: Duration) -> Upstream {
    let given = AtomicUsize::new(0);
    Upstream::start(move |asked| {
        let id = assumed(given.fetch_add(1, Ordering::Relaxed));
        assert!(asked.body.contains("Action=AssumeRole") && asked.body.contains("of-the-gateway"));
        let ends = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + life;
        let ends = jiff::Timestamp::from_second(ends.as_secs().try_into().unwrap()).unwrap();
        let body = format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
             <Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
             <SessionToken>{}</SessionToken><Expiration>{ends}</Expiration></Credentials></AssumeRoleResult>\
             <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleResponse>",
            canary::AWS_SECRET,
            canary::AWS_SESSION,
        );
        vec![Step::Send(answer("200 OK", &[("content-type", "text/xml")], &body))]
    })
    .await
}

/// Keys are renewed before they end: no request fails, and none waits for it.
#[tokio::test]
async fn an_assumed_role_signs_and_is_assumed_again_before_its_keys_end() {
    let (upstream, sts) = (Upstream::start(converse).await, sts(Duration::from_secs(8)).await);
    let yaml = bedrock(&upstream).param("aws_sts_endpoint", sts.origin());
    let yaml = yaml.param("aws_access_key_id", KEY_ID).param("aws_secret_access_key", "of-the-caller-0123");
    let yaml = yaml.param("aws_role_name", ROLE).param("aws_session_name", "gateway");
    let gateway = Gateway::with(yaml.text()).start().await;
    let started = SystemTime::now();
    while sts.asked().len() < 3 {
        let answer = gateway.post("/model/claude/converse", MASTER, prompt("Hi").to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(started.elapsed().unwrap() < Duration::from_secs(60), "{} asked", sts.asked().len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut seen = Vec::new();
    for asked in upstream.asked() {
        let said = header(&asked, "authorization").unwrap();
        let id = said.split(['=', '/']).nth(1).unwrap().to_owned();
        assert_signed(&asked, Signer { access_key_id: &id, ..STATIC });
        if seen.last() != Some(&id) {
            seen.push(id);
        }
    }
    assert!(
        seen.len() >= 2 && seen.iter().enumerate().all(|(number, id)| *id == assumed(number)),
        "{seen:?}"
    );
}

/// Entra, which gives `access_token`s numbered from 0 while it is up.
async fn entra(up: Arc<AtomicBool>) -> Upstream {
    let given = AtomicUsize::new(0);
    Upstream::start(move |asked| {
        if !up.load(Ordering::Relaxed) {
            return vec![Step::Send(answer("503 Service Unavailable", &[], "down"))];
        }
        let secret = format!("client_secret={}", canary::ENTRA_SECRET);
        assert!(asked.head.starts_with("POST /tenant-1/oauth2/v2.0/token") && asked.body.contains(&secret));
        let token = format!("{}-{}", canary::ACCESS_TOKEN, given.fetch_add(1, Ordering::Relaxed));
        let body = json!({"token_type": "Bearer", "expires_in": 3600, "access_token": token});
        vec![Step::Send(answer("200 OK", &[("content-type", "application/json")], &body.to_string()))]
    })
    .await
}

fn azure(upstream: &Upstream) -> GatewayYaml {
    let yaml = GatewayYaml::new().master_key(MASTER).deployment("gpt").provider("azure").model("gpt-4o");
    let yaml = yaml.base(upstream.origin()).param("api_version", "2024-10-21").param("tenant_id", "tenant-1");
    yaml.param("client_id", "client-1").param("client_secret", canary::ENTRA_SECRET)
}

fn token_of(asked: &Asked) -> Option<String> {
    header(asked, "authorization")?.strip_prefix("Bearer ").map(str::to_owned)
}

/// A token that is refused is fetched anew; whoever asks after that has the new one.
#[tokio::test]
async fn an_application_of_entras_has_a_token_and_another_when_it_is_refused() {
    let entra = entra(Arc::new(AtomicBool::new(true))).await;
    let upstream = Upstream::start(|asked| match token_of(asked) {
        Some(token) if token.ends_with("-0") => {
            vec![Step::Send(answer("401 Unauthorized", &[], "{\"error\": {\"message\": \"revoked\"}}"))]
        }
        _ => vec![Step::Send(body_of_a_chat())],
    })
    .await;
    let gateway = Gateway::with(azure(&upstream).text()).env("AZURE_AUTHORITY_HOST", &entra.origin());
    let gateway = gateway.start().await;
    let started = SystemTime::now();
    let refused = gateway.post(CHAT, MASTER, body::chat("gpt", "Hi").text()).await;
    assert_eq!(refused.status, 502, "{}", refused.text());
    while gateway.post(CHAT, MASTER, body::chat("gpt", "Hi").text()).await.status != 200 {
        assert!(started.elapsed().unwrap() < Duration::from_secs(30), "{} tokens", entra.asked().len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(entra.asked().len(), 2, "one token for each that was refused");
    let last = upstream.asked().pop().unwrap();
    assert_eq!(token_of(&last), Some(format!("{}-1", canary::ACCESS_TOKEN)));
    let ends = gateway.metric("bulkhead_credentials_end_seconds", &[]).await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now + 3000.0..now + 3700.0).contains(&ends), "{ends}");
}

/// Moderation is about the request: it is told as content policy, and the token that was sent with it stays in use.
#[tokio::test]
async fn a_403_of_moderation_blames_neither_token_nor_deployment() {
    let entra = entra(Arc::new(AtomicBool::new(true))).await;
    let upstream = Upstream::start(|asked| match asked.body.contains("Something violent") {
        true => {
            let error = json!({"error": {"code": 403, "message": "m requires moderation on P. Your input was flagged \
                for \"violence\".", "metadata": {"reasons": ["violence"]}}});
            vec![Step::Send(answer("403 Forbidden", &[("content-type", "application/json")], &error.to_string()))]
        }
        false => vec![Step::Send(body_of_a_chat())],
    })
    .await;
    let gateway = Gateway::with(azure(&upstream).text()).env("AZURE_AUTHORITY_HOST", &entra.origin());
    let gateway = gateway.start().await;
    for _ in 0..5 {
        let refused = gateway.post(CHAT, MASTER, body::chat("gpt", "Something violent").text()).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        let error = &refused.json()["error"];
        assert_eq!((&error["type"], &error["code"]), (&json!("invalid_request_error"), &json!("400")));
        let said = error["message"].as_str().unwrap();
        assert!(
            said.starts_with("litellm.ContentPolicyViolationError: ") && said.contains("violence"),
            "{said}"
        );
    }
    let answer = gateway.post(CHAT, MASTER, body::chat("gpt", "Hi").text()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(entra.asked().len(), 1, "the token was not refused");
}

/// Down at the start: the request says so, or goes elsewhere; once it is up nobody has to do anything.
#[tokio::test]
async fn without_a_token_the_reason_is_told_and_another_deployment_is_asked() {
    let up = Arc::new(AtomicBool::new(false));
    let (entra, upstream) =
        (entra(up.clone()).await, Upstream::start(|_| vec![Step::Send(body_of_a_chat())]).await);
    let yaml =
        azure(&upstream).param("connect_timeout", 1).deployment("other").provider("openai").model("gpt-4o");
    let yaml = yaml.base(upstream.base_url()).key(canary::OPENAI_KEY);
    let gateway = Gateway::with(yaml.text()).env("AZURE_AUTHORITY_HOST", &entra.origin()).start().await;
    let told = gateway.post(CHAT, MASTER, body::chat("gpt", "Hi").text()).await;
    assert_eq!(told.status, 502, "{}", told.text());
    assert!(told.text().contains("litellm.AuthenticationError: AzureException"), "{}", told.text());
    let falls = body::chat("gpt", "Hi").with("fallbacks", json!(["other"]));
    let answer = gateway.post(CHAT, MASTER, falls.text()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(gateway.metric("bulkhead_credentials_failures_total", &[]).await >= 1.0);
    assert!(
        upstream.asked().iter().all(|asked| asked.head.starts_with("POST /v1/")),
        "nothing went out unproven"
    );

    up.store(true, Ordering::Relaxed);
    let started = SystemTime::now();
    while gateway.post(CHAT, MASTER, body::chat("gpt", "Hi").text()).await.status != 200 {
        assert!(started.elapsed().unwrap() < Duration::from_secs(60), "{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Google, as far as a token goes, for a service account.
async fn google() -> Upstream {
    Upstream::start(|asked| {
        assert!(asked.body.contains("jwt-bearer") && asked.body.contains("assertion="), "{}", asked.body);
        let body = json!({"token_type": "Bearer", "expires_in": 3600, "access_token": canary::ACCESS_TOKEN});
        vec![Step::Send(answer("200 OK", &[("content-type", "application/json")], &body.to_string()))]
    })
    .await
}

fn service_account(google: &Upstream) -> Value {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    json!({
        "type": "service_account", "project_id": "project-1", "private_key_id": "1",
        "private_key": key.serialize_pem(), "client_email": "gateway@project-1.iam.gserviceaccount.com",
        "client_id": "1", "token_uri": format!("{}/token", google.origin()),
    })
}

async fn gemini() -> Upstream {
    Upstream::start(|asked| {
        let body = json!({
            "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
        });
        if asked.head.contains(":streamGenerateContent?alt=sse") {
            let headers = [("content-type", "text/event-stream")];
            return vec![Step::Send(answer("200 OK", &headers, &format!("data: {body}\n\n")))];
        }
        vec![Step::Send(answer("200 OK", &[("content-type", "application/json")], &body.to_string()))]
    })
    .await
}

fn at_vertex(upstream: &Upstream, account: Value) -> GatewayYaml {
    let yaml = GatewayYaml::new().master_key(MASTER).deployment("gemini").provider("vertex_ai");
    let yaml = yaml.model("gemini-2.5-pro").base(upstream.origin()).param("vertex_location", "us-east1");
    yaml.param("vertex_credentials", account)
}

/// A service account: what it signs is the credentials crate's to test, here a token comes of it.
#[tokio::test]
async fn a_service_account_of_googles_has_a_token() {
    let (google, upstream) = (google().await, gemini().await);
    let yaml = at_vertex(&upstream, service_account(&google)).param("vertex_project", "project-2");
    let gateway = Gateway::with(yaml.text()).start().await;
    let answer = gateway.post(CHAT, MASTER, body::chat("gemini", "Hi").text()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let asked = &upstream.asked()[0];
    assert_eq!(token_of(asked).as_deref(), Some(canary::ACCESS_TOKEN));
    assert!(asked.head.contains("/projects/project-2/locations/us-east1/"), "{}", asked.head);
}

#[tokio::test]
async fn the_project_is_that_of_the_credentials_where_nobody_else_names_one() {
    let (google, upstream) = (google().await, gemini().await);
    let named = service_account(&google);
    let gateway = Gateway::with(at_vertex(&upstream, named.clone()).text()).start().await;
    for body in [body::chat("gemini", "Hi"), body::chat("gemini", "Hi").stream()] {
        let answer = gateway.post(CHAT, MASTER, body.text()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let asked = upstream.asked();
    assert_eq!(asked.len(), 2);
    for asked in &asked {
        let path = "POST /v1/projects/project-1/locations/us-east1/publishers/google/models/gemini-2.5-pro:";
        assert!(asked.head.starts_with(path), "{}", asked.head);
    }
    let mut unnamed = named;
    unnamed.as_object_mut().unwrap().remove("project_id");
    let gateway = Gateway::with(at_vertex(&upstream, unnamed).text()).start().await;
    let told = gateway.post(CHAT, MASTER, body::chat("gemini", "Hi").text()).await;
    assert_eq!((told.status, upstream.asked().len()), (502, 2), "{}", told.text());
    assert!(told.text().contains("vertex_project"), "{}", told.text());
}
