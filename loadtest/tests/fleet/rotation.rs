//! A provider's key is changed while requests are under way.

use bulkhead_testkit::body;
use bulkhead_testkit::client::{Client, End, Request};
use serde_json::json;

use crate::support::{Rig, alone, chat};

#[tokio::test]
async fn new_requests_use_the_new_key_and_a_stream_under_way_ends_on_the_old() {
    let _alone = alone().await;
    let rig = Rig::shared();
    let control_plane = rig.control_plane().await;
    let mut api = control_plane.api();
    let values = json!({"api_key": "sk-provider-old", "api_base": rig.mock.base_url()});
    api.change("/credentials", json!({"credential_name": "shared", "credential_values": values})).await;
    let params = json!({"model": "openai/chunks-30+slow-chunk-50", "litellm_credential_name": "shared"});
    api.change("/model/new", json!({"model_name": "slow", "litellm_params": params})).await;
    let params = json!({"model": "openai/ok", "litellm_credential_name": "shared"});
    api.change("/model/new", json!({"model_name": "fast", "litellm_params": params})).await;
    let key = api.key().await;
    let node = rig.node("node", control_plane.grpc);
    node.until_status("fast", &key, 200).await;

    let mut client = Client::connect(node.addr).await.unwrap();
    let request = Request::post("/v1/chat/completions").bearer(&key).json(body::chat("slow", "Hi").stream());
    client.send(&request.bytes()).await.unwrap();
    client.read_until(|so_far| !so_far.events().is_empty()).await;
    let values = json!({"credential_values": {"api_key": "sk-provider-new"}});
    let answer = api.patch("/credentials/shared?wait=applied", values).await;
    assert_eq!(answer["applied"], json!(["node"]), "{answer}");
    let before = rig.mock.ledger().count();
    for _ in 0..10 {
        assert_eq!(node.call(&chat("fast", &key)).await.status, 200);
    }
    let stream = client.answer().await;
    assert_eq!((stream.status, stream.end), (200, End::Complete));
    assert!(stream.text().ends_with("data: [DONE]\n\n"), "{}", stream.text());
    let served = rig.mock.requests();
    let newer = served.iter().filter(|request| request.seq > before);
    let keys: Vec<_> = newer.map(|request| request.header("authorization").unwrap()).collect();
    assert_eq!(keys, vec!["Bearer sk-provider-new"; 10]);
    let streams = served.iter().filter(|request| request.json_body()["stream"] == true);
    let keys: Vec<_> = streams.map(|request| request.header("authorization").unwrap()).collect();
    assert_eq!(keys, ["Bearer sk-provider-old"], "the stream was not repeated");
}
