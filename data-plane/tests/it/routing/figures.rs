//! How little a failing or slow provider gets, and how soon the others serve.

use std::time::SystemTime;

use bulkhead_testkit::client::Client;

use super::*;

const FIVE: [Place; 5] = [("gpt", "t0"), ("gpt", "t1"), ("gpt", "t2"), ("gpt", "t3"), ("gpt", "t4")];

/// Requests one after the other on so many connections for a while; how many came to each of the five.
async fn load(farm: &Farm, connections: usize, time: Duration) -> [usize; 5] {
    let before = farm.came().len();
    let addr = farm.gateway.addr;
    let clients = (0..connections).map(|_| {
        tokio::spawn(async move {
            let mut client = Client::connect(addr).await.unwrap();
            let began = SystemTime::now();
            while began.elapsed().unwrap() < time {
                let request =
                    Request::post("/v1/chat/completions").bearer(MASTER).json(body::chat("gpt", "Hi"));
                assert_eq!(client.exchange(&request).await.status, 200);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let came = farm.came();
    FIVE.map(|(_, model)| came[before..].iter().filter(|came| *came == model).count())
}

fn after(millis: u64, play: Vec<Step>) -> Vec<Step> {
    [vec![Step::Pause(Duration::from_millis(millis))], play].concat()
}

fn good_after(millis: u64) -> Vec<Step> {
    after(millis, good(&chat("t", json!({})).to_string()))
}

#[tokio::test]
async fn a_target_that_fails_fast_draws_nothing() {
    for strategy in ["simple-shuffle", "latency-based-routing", "least-busy"] {
        let farm = Farm::start(&FIVE, |yaml| yaml.router("routing_strategy", strategy)).await;
        farm.play("t0", [after(1, failing())]);
        for (_, model) in &FIVE[1..] {
            farm.play(model, [good_after(20)]);
        }
        load(&farm, 20, Duration::from_secs(1)).await;
        let came = load(&farm, 20, Duration::from_secs(2)).await;
        let all: usize = came.iter().sum();
        assert!(came[0] * 100 < all, "{strategy}: {came:?}");
    }
}

#[tokio::test]
async fn a_slow_target_gets_little() {
    let farm = Farm::start(&FIVE, |yaml| yaml.router("routing_strategy", "latency-based-routing")).await;
    for (_, model) in FIVE {
        farm.play(model, [good_after(if model == "t0" { 200 } else { 20 })]);
    }
    load(&farm, 10, Duration::from_secs(1)).await;
    let came = load(&farm, 10, Duration::from_secs(3)).await;
    let all: usize = came.iter().sum();
    assert!(came[0] * 20 < all, "{came:?}");
    assert!(came[1..].iter().all(|count| count * 10 > all), "the others share: {came:?}");
}

/// An account whose every answer is 503: it gets what clients send and hardly more, every request is answered by the
/// fallback at once, and its recovery is found.
#[tokio::test]
async fn an_account_that_fails_is_not_made_worse_and_is_found_again() {
    let elsewhere = Upstream::start(|asked| good(&asked.body)).await;
    let farm = Farm::start(&[("gpt", "bad1"), ("gpt", "bad2")], |yaml| {
        let other =
            yaml.deployment("other").provider("openai").model("good").base(elsewhere.base_url()).key("k");
        other.router("fallbacks", json!([{"gpt": ["other"]}]))
    })
    .await;
    for model in ["bad1", "bad2"] {
        farm.play(model, [failing()]);
    }
    let requests = 600;
    let mut client = farm.gateway.client().await;
    let mut slowest = Duration::ZERO;
    for _ in 0..requests {
        let began = SystemTime::now();
        let answer = client
            .exchange(&Request::post("/v1/chat/completions").bearer(MASTER).json(body::chat("gpt", "Hi")))
            .await;
        assert_eq!((answer.status, header(&answer, "x-litellm-model-group")), (200, "other"));
        slowest = slowest.max(began.elapsed().unwrap());
    }
    let bad = farm.came().iter().filter(|came| came.starts_with("bad")).count();
    assert!(bad * 10 <= requests * 12, "{bad} for {requests}");
    assert!(slowest < Duration::from_millis(500), "no pause before the fallback: {slowest:?}");
    farm.mend("bad1");
    farm.mend("bad2");
    let began = SystemTime::now();
    loop {
        let answer = farm.plain("gpt").await;
        assert_eq!(answer.status, 200);
        if header(&answer, "x-litellm-model-group") == "gpt" {
            break;
        }
        assert!(began.elapsed().unwrap() < Duration::from_secs(10), "its recovery is found within 10 s");
        tokio::time::sleep(A_MOMENT).await;
    }
}

#[tokio::test]
async fn the_cheapest_and_the_least_used_are_chosen_where_that_is_the_strategy() {
    let farm = Farm::start(&[], |yaml| yaml).await;
    let file = |strategy: &str| {
        let mut yaml = GatewayYaml::new().master_key(MASTER).router("routing_strategy", strategy);
        for (model, price) in [("dear", 0.001), ("cheap", 0.000_1), ("middle", 0.000_5)] {
            yaml = yaml
                .deployment("gpt")
                .provider("openai")
                .model(model)
                .base(farm.provider.base_url())
                .key("k");
            yaml = yaml.param("input_cost_per_token", price).param("output_cost_per_token", price);
        }
        yaml.text()
    };
    let gateway = Gateway::with(file("cost-based-routing")).start().await;
    for _ in 0..10 {
        gateway.post("/v1/chat/completions", MASTER, body::chat("gpt", "Hi")).await;
    }
    assert!(farm.came().iter().all(|came| came == "cheap"), "{:?}", farm.came());
    let gateway = Gateway::with(file("usage-based-routing-v2")).start().await;
    let before = farm.came().len();
    for number in 0..9 {
        gateway.post("/v1/chat/completions", MASTER, body::chat("gpt", "Hi")).await;
        gateway.usage_of(number + 1).await;
    }
    let came = farm.came();
    for model in ["dear", "cheap", "middle"] {
        let count = came[before..].iter().filter(|came| *came == model).count();
        assert_eq!(count, 3, "{:?}", &came[before..]);
    }
}

#[tokio::test]
async fn requests_of_one_session_stay_together() {
    let farm = Farm::start(&FIVE, |yaml| yaml.setting("bulkhead_settings", "session_affinity", true)).await;
    let mut places = std::collections::HashSet::new();
    for session in 0..20 {
        let mut own = std::collections::HashSet::new();
        for _ in 0..4 {
            let request = Request::post("/v1/chat/completions")
                .bearer(MASTER)
                .header("x-litellm-session-id", &format!("session-{session}"))
                .json(body::chat("gpt", "Hi"));
            let answer = farm.gateway.call(&request).await;
            own.insert(header(&answer, "x-litellm-model-id").to_owned());
        }
        assert_eq!(own.len(), 1, "{own:?}");
        places.extend(own);
    }
    assert!(places.len() > 2, "not all of them at one place: {places:?}");
}

#[tokio::test]
async fn prompts_that_begin_alike_stay_together() {
    let farm =
        Farm::start(&FIVE, |yaml| yaml.setting("bulkhead_settings", "prompt_affinity_bytes", 120)).await;
    let mut places = std::collections::HashSet::new();
    for prefix in 0..20 {
        let mut own = std::collections::HashSet::new();
        for rest in 0..4 {
            let text = format!("{prefix:<100} and then {rest}");
            let body = json!({"model": "gpt", "messages": [{"role": "user", "content": text}]});
            own.insert(header(&farm.ask(body).await, "x-litellm-model-id").to_owned());
        }
        assert_eq!(own.len(), 1, "{own:?}");
        places.extend(own);
    }
    assert!(places.len() > 2, "{places:?}");
}
