//! The document, the pages, and the probes.

use bulkhead_testkit::client::{Request, call};
use serde_json::{Value, json};

use super::Api;

#[tokio::test]
async fn the_openapi_document_is_the_one_that_was_agreed_on() {
    let api = Api::start().await;
    let mut document = call(api.plane.http, &Request::get("/openapi.json")).await.unwrap().json();
    document["info"]["version"] = json!("[version]");
    insta::assert_json_snapshot!("openapi", document);
}

#[tokio::test]
async fn every_route_of_the_document_is_there_and_asks_for_a_key() {
    let api = Api::start().await;
    let document = call(api.plane.http, &Request::get("/openapi.json")).await.unwrap().json();
    let mut count = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let target = path.replace(['{', '}'], "");
            let answer = call(api.plane.http, &Request::new(&method.to_uppercase(), &target)).await.unwrap();
            let wanted = if operation["security"].is_null() { 200 } else { 401 };
            assert_eq!(answer.status, wanted, "{method} {path}");
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
    let routes = call(api.plane.http, &Request::get("/routes")).await.unwrap().json();
    let listed = routes["routes"].as_array().unwrap();
    assert!(listed.contains(&json!({"path": "/key/generate", "methods": ["POST"]})), "{routes}");
}

#[tokio::test]
async fn probes_and_pages_need_no_key() {
    let api = Api::start().await;
    for (path, body) in [
        ("/health/liveliness", json!("I'm alive!")),
        ("/health/liveness", json!("I'm alive!")),
        ("/health/readiness", json!({"status": "healthy", "db": "connected"})),
    ] {
        let answer = call(api.plane.http, &Request::get(path)).await.unwrap();
        assert_eq!((answer.status, answer.json()), (200, body), "{path}");
    }
    for path in ["/", "/docs"] {
        let answer = call(api.plane.http, &Request::get(path)).await.unwrap();
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{path}");
        assert!(
            !answer.text().contains("//cdn") && !answer.text().contains("https://"),
            "nothing from elsewhere"
        );
    }
    let health: Value = api.told("/health").await;
    assert_eq!((&health["db"], &health["version"]["seq"]), (&json!("connected"), &json!(api.seq().await)));
}
