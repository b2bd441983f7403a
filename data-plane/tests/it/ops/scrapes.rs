//! What a scrape costs, and that nobody waits for it.

use bulkhead_testkit::client::{Client, Request, call};
use bulkhead_testkit::{GatewayYaml, MockProvider, canary};
use tokio::task::JoinSet;

use super::*;

const DEPLOYMENTS: usize = 1000;

/// A thousand deployments, all of which are used.
async fn a_thousand(mock: &MockProvider) -> Gateway {
    let mut yaml = GatewayYaml::new().master_key(MASTER);
    for index in 0..DEPLOYMENTS {
        let deployment = yaml.deployment(&format!("model-{index}")).provider("openai").model("ok");
        yaml = deployment.base(mock.base_url()).key(canary::OPENAI_KEY);
    }
    let gateway = Gateway::with(yaml.text()).start().await;
    let mut clients = JoinSet::new();
    for client in 0..8 {
        let addr = gateway.addr;
        clients.spawn(async move {
            let mut connection = Client::connect(addr).await.unwrap();
            for index in (client..DEPLOYMENTS).step_by(8) {
                assert_eq!(connection.exchange(&chat(&format!("model-{index}"))).await.status, 200);
            }
        });
    }
    clients.join_all().await;
    gateway
}

#[tokio::test]
async fn a_scrape_of_a_thousand_deployments_is_quick() {
    let mock = MockProvider::start();
    let gateway = a_thousand(&mock).await;
    gateway.until_metric("bulkhead_in_flight", &[], 0.0).await;
    gateway.until_metric("bulkhead_requests_total", &[], DEPLOYMENTS as f64).await;
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..20 {
        let asked = Instant::now();
        let page = call(gateway.ops, &Request::get("/metrics")).await.unwrap();
        times.push(asked.elapsed());
        bytes = page.body.len();
    }
    times.sort_unstable();
    let half = times[times.len() / 2];
    println!("a scrape of {DEPLOYMENTS} deployments: {half:?}, {bytes} bytes");
    assert!(half < Duration::from_secs(1), "{half:?}");
}

/// Small requests, one after the other; how long each took.
async fn measure(gateway: &Gateway, count: usize) -> Vec<Duration> {
    let mut client = gateway.client().await;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let asked = Instant::now();
        assert_eq!(client.exchange(&chat("model-0")).await.status, 200);
        times.push(asked.elapsed());
    }
    times.sort_unstable();
    times
}

#[tokio::test]
async fn ten_scrapes_a_second_are_not_felt_by_requests() {
    let mock = MockProvider::start();
    let gateway = a_thousand(&mock).await;
    let quiet = measure(&gateway, 2000).await;
    let (addr, stop) = (gateway.ops, Arc::<AtomicBool>::default());
    let stopped = stop.clone();
    let scrapes = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(100));
            let mut scrapes = 0;
            while !stopped.load(Ordering::Relaxed) {
                ticks.tick().await;
                assert_eq!(call(addr, &Request::get("/metrics/")).await.unwrap().status, 200);
                scrapes += 1;
            }
            scrapes
        })
    });
    let busy = measure(&gateway, 2000).await;
    stop.store(true, Ordering::Relaxed);
    let scrapes = scrapes.join().unwrap();
    let at = |times: &[Duration], percent: usize| times[times.len() * percent / 100];
    let said = |times: &[Duration]| format!("p50 {:?}, p99 {:?}", at(times, 50), at(times, 99));
    println!("without scrapes {}; with {scrapes} of them {}", said(&quiet), said(&busy));
    // Both cores work for whoever scrapes; what must not be is that a request waits for a page to be made.
    assert!(at(&busy, 99) < 5 * at(&quiet, 99) + Duration::from_millis(20), "{}", said(&busy));
}
