//! The management API through a data plane: one base URL for everything, by `curl` as in LiteLLM's documentation.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{ControlPlane, MASTER, Node, Rig, alone};

/// Runs `curl` with a key and a body; the status and the answer.
fn curl(base: SocketAddr, path: &str, key: &str, body: Option<Value>) -> (u16, Value) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_code}"]);
    command.args(["--location", &format!("http://{base}{path}")]);
    command.args(["--header", &format!("Authorization: Bearer {key}")]);
    if let Some(body) = body {
        command.args(["--header", "Content-Type: application/json", "--data-raw", &body.to_string()]);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (answer, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(answer).unwrap_or_else(|_| json!(answer)))
}

fn good(said: (u16, Value)) -> Value {
    assert_eq!(said.0, 200, "{}", said.1);
    said.1
}

fn chat(base: SocketAddr, model: &str, key: &str) -> (u16, Value) {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]});
    curl(base, "/v1/chat/completions", key, Some(body))
}

pub(crate) async fn both() -> (Rig, ControlPlane, Node) {
    let rig = Rig::shared();
    let control_plane = rig.control_plane().await;
    let management = format!("http://{}", control_plane.http);
    let node = Node::launch_with("node", control_plane.grpc, &rig.token, &["--management-url", &management]);
    node.until_ready().await;
    (rig, control_plane, node)
}

#[tokio::test]
async fn a_key_that_was_made_at_the_base_url_works_there_at_once_and_not_when_it_is_gone() {
    let _alone = alone().await;
    let (rig, _control_plane, node) = both().await;
    let base = node.addr;
    let post = |path: &str, body: Value| good(curl(base, path, MASTER, Some(body)));
    let made = post("/model/new?wait=applied", rig.model("gpt"));
    assert_eq!(made["applied"], json!(["node"]), "{made}");
    let made = post(
        "/key/generate?wait=applied",
        json!({"models": ["gpt"], "metadata": {"user": "ishaan@berri.ai"}}),
    );
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("sk-bh-"), "{key}");
    let answer = good(chat(base, "gpt", key));
    assert_eq!(answer["object"], "chat.completion", "{answer}");
    let models = good(curl(base, "/v1/models", key, None));
    assert_eq!(models["data"][0]["id"], "gpt", "{models}");
    let info = good(curl(base, &format!("/key/info?key={key}"), MASTER, None));
    assert_eq!(info["info"]["models"], json!(["gpt"]), "{info}");
    let info = good(curl(base, "/v1/model/info", MASTER, None));
    assert_eq!(info["data"][0]["model_name"], "gpt", "{info}");

    post("/key/block?wait=applied", json!({"key": key}));
    assert_eq!(chat(base, "gpt", key).0, 401);
    post("/key/unblock?wait=applied", json!({"key": key}));
    assert_eq!(chat(base, "gpt", key).0, 200);
    let again = post(&format!("/key/{key}/regenerate?wait=applied"), json!({}));
    let newer = again["key"].as_str().unwrap();
    assert_eq!((chat(base, "gpt", key).0, chat(base, "gpt", newer).0), (401, 200));
    post("/key/delete?wait=applied", json!({"keys": [newer]}));
    assert_eq!(chat(base, "gpt", newer).0, 401);
}

#[tokio::test]
async fn who_may_not_manage_is_told_so_through_a_node_too() {
    let _alone = alone().await;
    let (rig, control_plane, node) = both().await;
    let mut api = control_plane.api();
    let key = rig.declare(&mut api).await;
    node.until_status("gpt", &key, 200).await;
    let (status, said) = curl(node.addr, "/key/generate", &key, Some(json!({})));
    assert!(matches!(status, 401 | 403), "{status} {said}");
    assert!(said["error"]["message"].is_string(), "{said}");
    assert_eq!(curl(node.addr, "/key/generate", "sk-nobody-knows-this-one", Some(json!({}))).0, 401);
    // A node without the flag names it.
    let alone = rig.node("other", control_plane.grpc);
    let (status, said) = curl(alone.addr, "/key/generate", MASTER, Some(json!({})));
    assert!(status == 404 && said.to_string().contains("--management-url"), "{status} {said}");
}

#[tokio::test]
async fn a_roll_out_that_does_not_reach_every_node_is_no_success() {
    let _alone = alone().await;
    let (_rig, control_plane, node) = both().await;
    let mut api = control_plane.api();
    let all = api.post("/key/generate?wait=applied", json!({})).await;
    assert_eq!((all.status, &all.json()["applied"]), (200, &json!(["node"])), "{}", all.text());
    node.process.signal("STOP");
    let part = api.post("/key/generate?wait=applied", json!({})).await;
    assert_eq!(part.status, 202, "{}", part.text());
    let part = part.json();
    assert_eq!((&part["applied"], &part["pending"]), (&json!([]), &json!(["node"])), "{part}");
    let told = api.get("/nodes").await;
    assert_eq!(told["nodes"][0]["current"], false, "{told:#}");
    node.process.signal("CONT");
    // It was committed regardless.
    node.until_ready().await;
    let all = api.post("/key/generate?wait=applied", json!({})).await;
    assert_eq!(all.status, 200, "{}", all.text());
    let told = api.get("/nodes").await;
    assert_eq!(told["nodes"][0]["current"], true, "{told:#}");
}
