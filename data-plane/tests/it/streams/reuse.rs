//! Connections to the provider that have gone stale while nobody used them.

use std::time::Duration;

use bulkhead_testkit::client::Request;
use bulkhead_testkit::proxy::Mode;
use bulkhead_testkit::{FaultProxy, MockProvider, body, eventually};

use super::{CHAT, Scene, TALKS, Talk, groups, head, last};
use crate::support::{Gateway, MASTER, PATIENCE, faulty, yaml};
use crate::upstream::{Step, Upstream};

fn well(talk: &Talk) -> Vec<Step> {
    [vec![head()], talk.events(&talk.whole()), vec![last()]].concat()
}

#[tokio::test]
async fn a_connection_that_the_provider_closed_meanwhile_is_not_used_again() {
    let scene = Scene::start().await;
    let mut client = scene.gateway.client().await;
    for talk in &TALKS {
        for _ in 0..3 {
            scene.script([well(talk), vec![Step::Close]].concat());
            assert_eq!(client.exchange(&talk.request()).await.text(), talk.shown(&talk.whole()));
            assert!(eventually(PATIENCE, || scene.upstream.open() == 0).await);
        }
    }
    assert_eq!(scene.upstream.asked().len(), 12);
    assert_eq!(resends(&scene.gateway).await, 0);
}

async fn resends(gateway: &Gateway) -> u64 {
    gateway.metric("bulkhead_ambiguous_resends_total", &[]).await as u64
}

/// A provider that answers the first request of a connection and does `then` to the second.
async fn reluctant(then: Vec<Step>) -> (Upstream, Gateway) {
    let upstream = Upstream::start(move |asked| match asked.before {
        0 => well(&CHAT),
        _ => then.clone(),
    })
    .await;
    let gateway = Gateway::with(groups(&upstream, &[]).text()).start().await;
    (upstream, gateway)
}

#[tokio::test]
async fn a_request_that_a_stale_connection_swallowed_is_sent_again_once_and_counted() {
    for then in [Step::Close, Step::Reset] {
        let (upstream, gateway) = reluctant(vec![then]).await;
        let mut client = gateway.client().await;
        for count in 0..4 {
            let answer = client.exchange(&CHAT.request()).await;
            assert_eq!(answer.text(), CHAT.shown(&CHAT.whole()), "{count}");
        }
        // The first of each connection is answered, the second is swallowed and takes a new connection.
        assert_eq!(upstream.asked().len(), 7);
        assert_eq!(resends(&gateway).await, 3);
        for record in gateway.usage_of(4).await {
            assert_eq!(record["status"], "success", "{record}");
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_again_once_a_byte_of_an_answer_has_come() {
    let half = Step::Send(b"HTTP/1.1 200 O".to_vec());
    let (upstream, gateway) = reluctant(vec![half, Step::Close]).await;
    let mut client = gateway.client().await;
    assert_eq!(client.exchange(&CHAT.request()).await.status, 200);
    assert_eq!(client.exchange(&CHAT.request()).await.status, 500);
    assert_eq!(upstream.asked().len(), 2);
    assert_eq!(resends(&gateway).await, 0);
}

#[tokio::test]
async fn a_fresh_connection_that_breaks_is_an_error_and_not_another_attempt() {
    let upstream = Upstream::start(|_| vec![Step::Close]).await;
    let gateway = Gateway::with(groups(&upstream, &[]).text()).start().await;
    assert_eq!(gateway.call(&CHAT.request()).await.status, 500);
    assert_eq!(upstream.asked().len(), 1);
    let [record] = &gateway.usage_of(1).await[..] else { panic!() };
    assert_eq!(record["usage"], "unknown", "nobody can say what the provider did: {record}");
}

#[tokio::test]
async fn a_provider_that_closes_after_each_answer_is_served_well_under_load() {
    let mock = MockProvider::start();
    let yaml = faulty(yaml(&mock), &mock, "gpt-rude", "refuse-reuse");
    let yaml = faulty(yaml, &mock, "claude-rude", "refuse-reuse");
    let gateway = Gateway::with(yaml.text()).start().await;
    for _ in 0..5 {
        let requests = (0..40).map(|index| match index % 4 {
            0 => Request::post("/v1/messages").bearer(MASTER).json(body::messages("claude-rude", "Hi")),
            1 => Request::post("/v1/messages")
                .bearer(MASTER)
                .json(body::messages("claude-rude", "Hi").stream()),
            2 => Request::post(CHAT.path).bearer(MASTER).json(body::chat("gpt-rude", "Hi")),
            _ => Request::post(CHAT.path).bearer(MASTER).json(body::chat("gpt-rude", "Hi").stream()),
        });
        for answer in gateway.at_once(requests.collect()).await {
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
}

/// A middlebox that has forgotten a connection says nothing: all that helps is to stop waiting.
#[tokio::test]
async fn a_forgotten_connection_costs_one_timeout_and_not_two() {
    let mock = MockProvider::start();
    let proxy = FaultProxy::start(mock.addr());
    let yaml = yaml(&mock).deployment("far").provider("openai").model("ok").base(proxy.base_url());
    let gateway = Gateway::with(yaml.key("sk-far-0123456789").param("timeout", 0.4).text()).start().await;
    // One client connection stays with one worker and so with its connections.
    let mut client = gateway.client().await;
    let request = Request::post(CHAT.path).bearer(MASTER).json(body::chat("far", "Hi").stream());
    assert_eq!(client.exchange(&request).await.status, 200);
    proxy.set(Mode::IdleForget(Duration::from_millis(50)));
    assert!(eventually(PATIENCE, || proxy.stats().forgotten == 1).await);
    let answer = client.exchange(&request).await;
    assert_eq!(answer.status, 408, "{}", answer.text());
    proxy.set(Mode::Pass);
    assert_eq!(client.exchange(&request).await.status, 200);
}
