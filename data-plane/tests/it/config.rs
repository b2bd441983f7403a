//! The configuration file: refused with everything that is wrong, taken anew while requests run.

use std::collections::HashMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bulkhead_testkit::client::{Answer, Client, End, Request};
use bulkhead_testkit::{GatewayYaml, MockProvider, body, eventually};

use crate::support::{Gateway, PATIENCE, faulty, yaml};

const KEY: &str = "sk-config-0123456789abcdef";
const OTHER: &str = "sk-config-other-0123456789abcdef";
/// A change is in force within this time.
const SOON: Duration = Duration::from_secs(2);

fn chat(model: &str) -> Request {
    chat_with(KEY, model)
}

fn chat_with(key: &str, model: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(key).json(body::chat(model, "Hi"))
}

fn write(gateway: &Gateway, yaml: impl Into<String>) {
    std::fs::write(gateway.config(), yaml.into()).unwrap();
}

/// Sends a request until its status is `wanted`; how long that took.
async fn until_status(gateway: &Gateway, request: &Request, wanted: u16) -> (Duration, Answer) {
    let started = SystemTime::now();
    loop {
        let answer = gateway.call(request).await;
        let took = started.elapsed().unwrap();
        if answer.status == wanted {
            return (took, answer);
        }
        assert!(took < PATIENCE, "{} for {took:?}: {}", answer.status, answer.text());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn until_soon(gateway: &Gateway, request: &Request, wanted: u16) {
    let (took, _) = until_status(gateway, request, wanted).await;
    assert!(took < SOON, "{wanted} after {took:?}");
}

/// A file with a mistake in nearly every line: line, field, and a part of the remedy.
const MISTAKES: &str = r#"model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/NOT_SET_ANYWHERE
      rpm: many
      timeout: -1
      weight: heavy
      input_cost_per_token: cheap
      additional_drop_params: ["tools[*].strict"]
  - model_name: slip
    litellm_params: {model: opnai/gpt-4o}
  - litellm_params: {model: openai/gpt-4o}
  - model_name: no-params
modle_list: []
router_settings:
  routing_stratgy: simple-shuffle
  model_group_alias: {gpt-4: gpt-4oo}
litellm_settings:
  request_timeout: 0
  budget_exceeded_status_code: 200
  max_budget: 100
general_settings:
  master_key: sk-1234
  max_request_size_mb: lots
  allowed_ips: [10.0.0/8]
bulkhead_settings:
  keepalive_seconds: -1
  accept_unenforced: [json_logs]
virtual_keys:
  - key: sk-alice-0123456789
    key_alias: alice
    rpm_limit: ten
    budget_duration: monthly
    allowed_routes: [llm_api_route]
  - key: sk-alice-0123456789
    key_alias: alice
    expires: tomorrow
"#;

const TOLD: &[(u32, &str, &str)] = &[
    (5, "model_list[0].litellm_params.api_key", "export NOT_SET_ANYWHERE="),
    (6, "model_list[0].litellm_params.rpm", "rpm: 60"),
    (7, "model_list[0].litellm_params.timeout", "timeout: 60"),
    (8, "model_list[0].litellm_params.weight", "weight: 1"),
    (9, "model_list[0].litellm_params.input_cost_per_token", "2.5e-06"),
    (10, "model_list[0].litellm_params.additional_drop_params[0]", "tools"),
    (12, "model_list[1].litellm_params.model", "openai/gpt-4o"),
    (13, "model_list[2].model_name", "model_name: gpt-4o"),
    (14, "model_list[3].litellm_params", "model: openai/gpt-4o"),
    (15, "modle_list", "model_list"),
    (17, "router_settings.routing_stratgy", "routing_strategy"),
    (18, "router_settings.model_group_alias.gpt-4", "`gpt-4o`"),
    (20, "litellm_settings.request_timeout", "request_timeout: 600"),
    (21, "litellm_settings.budget_exceeded_status_code", "429"),
    (22, "litellm_settings.max_budget", "accept_unenforced: [max_budget]"),
    (24, "general_settings.master_key", "openssl rand -hex 24"),
    (25, "general_settings.max_request_size_mb", "max_request_size_mb: 100"),
    (26, "general_settings.allowed_ips[0]", "10.0.0.0/8"),
    (28, "bulkhead_settings.keepalive_seconds", "keepalive_seconds: 15"),
    (29, "bulkhead_settings.accept_unenforced[0]", "without this name"),
    (33, "virtual_keys[0].rpm_limit", "rpm_limit: 60"),
    (34, "virtual_keys[0].budget_duration", "budget_duration: 30d"),
    (35, "virtual_keys[0].allowed_routes[0]", "llm_api_routes"),
    (36, "virtual_keys[1].key", "another key"),
    (37, "virtual_keys[1].key_alias", "alice-2"),
    (38, "virtual_keys[1].expires", "expires: 2027"),
];

/// Each mistake is there with its line, its field and its remedy.
fn assert_told(said: &str) {
    for (line, field, remedy) in TOLD {
        let begin = format!("gateway.yaml:{line}:");
        let told = said.match_indices(&begin).any(|(at, _)| {
            let mut lines = said[at..].lines();
            let (first, second) = (lines.next().unwrap(), lines.next().unwrap_or_default());
            first.contains(&format!(": {field}: ")) && second.contains("write: ") && second.contains(remedy)
        });
        assert!(told, "line {line}, {field}, {remedy} in:\n{said}");
    }
    let told = said.lines().filter(|line| line.trim_start().starts_with("write: ")).count();
    assert_eq!(told, TOLD.len(), "{said}");
}

#[tokio::test]
async fn every_mistake_of_a_file_is_told_at_once_before_anything_is_begun() {
    assert!(TOLD.len() >= 20);
    let state = tempfile::tempdir().unwrap();
    let (code, said) = Gateway::with(MISTAKES).state_dir(state.path().join("state")).refused();
    assert_eq!(code, Some(64), "{said}");
    assert_told(&said);
    assert!(!said.contains("listening"), "{said}");
    assert!(!state.path().join("state").exists(), "the state directory comes before the ports");
    assert!(!said.contains("sk-alice-0123456789") && !said.contains("sk-1234"), "{said}");
}

#[tokio::test]
async fn a_file_that_is_missing_or_no_yaml_is_refused_with_its_name() {
    for (text, what) in [
        ("model_list: [", "gateway.yaml:"),
        ("\u{1}", "gateway.yaml:"),
        ("just a text", "must hold a mapping of sections"),
        ("include: [nowhere.yaml]\n", "there is no file"),
    ] {
        let (code, said) = Gateway::with(text).refused();
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(what) && said.contains("write: "), "{text:?}: {said}");
    }
}

#[tokio::test]
async fn a_restriction_that_is_not_enforced_ends_the_start_unless_it_is_accepted() {
    let mock = MockProvider::start();
    let restricted = yaml(&mock).litellm("max_budget", 5).virtual_key(KEY);
    let (code, said) = Gateway::with(restricted.clone().text()).refused();
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("litellm_settings.max_budget") && said.contains("accept_unenforced"), "{said}");
    let accepted = restricted.setting("bulkhead_settings", "accept_unenforced", vec!["max_budget"]);
    let gateway = Gateway::with(accepted.text()).start().await;
    assert_eq!(gateway.call(&chat("gpt")).await.status, 200);
}

#[tokio::test]
async fn every_flag_is_an_environment_variable_too() {
    let mock = MockProvider::start();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("from-the-environment.yaml");
    std::fs::write(&config, yaml(&mock).virtual_key(KEY).text()).unwrap();
    let output = |name: &str, value: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_data-plane"));
        command
            .env_clear()
            .env("BULKHEAD_CONFIG", &config)
            .env("BULKHEAD_LISTEN", "127.0.0.1:0")
            .env("BULKHEAD_OPS_LISTEN", "127.0.0.1:0")
            .env("BULKHEAD_STATE_DIR", dir.path().join("state"))
            .env("BULKHEAD_NODE_NAME", "from-the-environment")
            .env(name, value)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // Each variable is shown to be read by a value that cannot be.
    for (name, value, code, what) in [
        ("BULKHEAD_CONFIG", "/nowhere/gateway.yaml", 64, "/nowhere/gateway.yaml"),
        ("BULKHEAD_LISTEN", "127.0.0.1:none", 1, "--listen 127.0.0.1:none"),
        ("BULKHEAD_OPS_LISTEN", "127.0.0.1:none", 1, "--ops-listen 127.0.0.1:none"),
        ("BULKHEAD_STATE_DIR", "/dev/null/state", 1, "--state-dir /dev/null/state"),
        ("BULKHEAD_TLS_CERT", "/nowhere/cert.pem", 64, "--tls-key"),
        ("BULKHEAD_TLS_KEY", "/nowhere/key.pem", 64, "--tls-cert"),
    ] {
        let (status, said) = output(name, value);
        assert_eq!(status, Some(code), "{name}: {said}");
        assert!(said.contains(what), "{name}: {said}");
    }
}

#[tokio::test]
async fn models_and_keys_come_and_go_while_requests_run() {
    let mock = MockProvider::start();
    let slow = faulty(yaml(&mock), &mock, "gpt-slow", "slow-chunk-100+chunks-30");
    let base = slow.clone().virtual_key(KEY);
    let gateway = Gateway::with(base.clone().text()).start().await;
    assert_eq!(gateway.call(&chat("new")).await.status, 400);
    assert_eq!(gateway.call(&chat_with(OTHER, "gpt")).await.status, 401);
    let mut streaming = gateway.client().await;
    let body = body::chat("gpt-slow", "Hi").stream();
    let request = Request::post("/v1/chat/completions").bearer(KEY).json(body);
    streaming.send(&request.bytes()).await.unwrap();
    assert!(streaming.read_until(|so_far| !so_far.events().is_empty()).await.status == 200);

    // A new model, a new key.
    write(&gateway, faulty(base, &mock, "new", "ok").virtual_key(OTHER).text());
    until_soon(&gateway, &chat("new"), 200).await;
    assert_eq!(gateway.call(&chat_with(OTHER, "new")).await.status, 200);
    // A changed limit.
    write(&gateway, slow.virtual_key(OTHER).limit("rpm_limit", 1).text());
    let (took, answer) = until_status(&gateway, &chat_with(OTHER, "gpt"), 429).await;
    assert!(took < SOON, "{took:?}");
    assert!(answer.text().contains("Current limit: 1"), "{}", answer.text());
    // The same file had neither the new model nor the first key any more.
    assert_eq!(gateway.call(&chat("gpt")).await.status, 401);
    assert_eq!(gateway.get("/v1/models", OTHER).await.json()["data"].as_array().unwrap().len(), 4);
    assert!(gateway.get("/v1/models/new", OTHER).await.status == 404);
    // And no model at all for those that ask from now on.
    write(&gateway, yaml(&mock).virtual_key(OTHER).text());
    until_soon(&gateway, &chat_with(OTHER, "gpt-slow"), 400).await;
    // The stream that began before all this goes on to its end, with a key and a model that are gone.
    let answer = streaming.answer().await;
    assert_eq!((answer.status, answer.end), (200, End::Complete));
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    assert_eq!(gateway.metric("bulkhead_config_reloads_total", &[]).await as u64, 3);
}

#[tokio::test]
async fn sighup_reads_the_file_at_once() {
    let mock = MockProvider::start();
    let base = yaml(&mock).virtual_key(KEY);
    let gateway = Gateway::with(base.clone().text()).start().await;
    let mut slowest = Duration::ZERO;
    for round in 0..10 {
        let name = format!("new-{round}");
        write(&gateway, faulty(base.clone(), &mock, &name, "ok").text());
        gateway.signal("HUP");
        let (took, _) = until_status(&gateway, &chat(&name), 200).await;
        slowest = slowest.max(took);
    }
    // The watch takes a change no sooner than half a second after it was seen first.
    assert!(slowest < Duration::from_millis(450), "{slowest:?}");
    gateway.until_log("SIGHUP").await;
    println!("SIGHUP to the first request served by the new file: at most {slowest:?}");
}

#[tokio::test]
async fn a_bad_file_is_refused_whole_and_the_old_one_serves_on() {
    let mock = MockProvider::start();
    let base = yaml(&mock).virtual_key(KEY);
    let gateway = Gateway::with(base.clone().text()).start().await;
    let bad = faulty(base.clone(), &mock, "new", "ok")
        .router("routing_strategy", "simple-shuffel")
        .virtual_key(OTHER)
        .limit("rpm_limit", "ten")
        .text();
    write(&gateway, bad);
    gateway.until_metric("bulkhead_config_refused_total", &[], 1.0).await;
    gateway.until_log("the configuration was refused").await;
    let log = gateway.log();
    let line = log.lines().find(|line| line.contains("the configuration was refused")).unwrap();
    for part in ["router_settings.routing_strategy", "virtual_keys[1].rpm_limit", "write: rpm_limit: 60"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    // What is good in it is not taken either.
    assert_eq!(gateway.call(&chat("new")).await.status, 400);
    assert_eq!(gateway.call(&chat_with(OTHER, "gpt")).await.status, 401);
    assert_eq!(gateway.call(&chat("gpt")).await.status, 200);
    // Torn in the middle, empty, gone: as bad.
    let half = base.clone().text();
    for (refused, text) in [(2.0, &half[..half.len() / 2]), (3.0, "model_list: {")] {
        write(&gateway, text);
        gateway.until_metric("bulkhead_config_refused_total", &[], refused).await;
        assert_eq!(gateway.call(&chat("gpt")).await.status, 200);
    }
    std::fs::remove_file(gateway.config()).unwrap();
    gateway.until_metric("bulkhead_config_refused_total", &[], 4.0).await;
    assert_eq!(gateway.call(&chat("gpt")).await.status, 200);
    // A refused file is refused once and not at every look.
    let refused = || gateway.log().matches("the configuration was refused").count();
    assert!(!eventually(Duration::from_millis(1600), || refused() > 4).await);
    assert_eq!(gateway.metric("bulkhead_snapshot_revision", &[]).await as u64, 1);
    write(&gateway, faulty(base, &mock, "new", "ok").text());
    until_soon(&gateway, &chat("new"), 200).await;
    assert_eq!(gateway.metric("bulkhead_snapshot_revision", &[]).await as u64, 2);
    assert_eq!(gateway.metric("bulkhead_config_refused_total", &[]).await as u64, 4);
}

#[tokio::test]
async fn included_files_are_watched_also_those_that_were_refused() {
    let mock = MockProvider::start();
    let base = yaml(&mock).virtual_key(KEY).text();
    let gateway = Gateway::with(base.clone()).start().await;
    let models = gateway.dir().join("models.yaml");
    let part = |name: &str, provider: &str| {
        format!(
            "model_list:\n  - model_name: {name}\n    litellm_params: {{model: {provider}/ok, api_key: k, api_base: \"{}\"}}\n",
            mock.base_url()
        )
    };
    // An include that is not there yet, then one with a mistake, then one without: the main file stays as it is.
    write(&gateway, format!("include: [models.yaml]\n{base}"));
    gateway.until_metric("bulkhead_config_refused_total", &[], 1.0).await;
    std::fs::write(&models, part("one", "opnai")).unwrap();
    gateway.until_metric("bulkhead_config_refused_total", &[], 2.0).await;
    gateway.until_log("models.yaml:3:").await;
    std::fs::write(&models, part("one", "openai")).unwrap();
    until_soon(&gateway, &chat("one"), 200).await;
    // From then on as well.
    std::fs::write(&models, part("two", "openai")).unwrap();
    until_soon(&gateway, &chat("two"), 200).await;
    assert_eq!(gateway.call(&chat("one")).await.status, 400);
    assert_eq!(gateway.call(&chat("gpt")).await.status, 200);
}

#[tokio::test]
async fn files_that_are_replaced_are_noticed_however_that_is_done() {
    let mock = MockProvider::start();
    let text = |name: &str| faulty(yaml(&mock), &mock, name, "ok").virtual_key(KEY).text();
    let gateway = Gateway::with(text("first")).start().await;
    let dir = gateway.dir();
    // Renamed over the old one.
    std::fs::write(dir.join("new.yaml"), text("second")).unwrap();
    std::fs::rename(dir.join("new.yaml"), gateway.config()).unwrap();
    until_soon(&gateway, &chat("second"), 200).await;
    // Of the same length and with the same time, as tools do that restore files.
    let modified = std::fs::metadata(gateway.config()).unwrap().modified().unwrap();
    let other = dir.join("other.yaml");
    std::fs::write(&other, text("thirds")).unwrap();
    std::fs::File::options().write(true).open(&other).unwrap().set_modified(modified).unwrap();
    std::fs::rename(&other, gateway.config()).unwrap();
    until_soon(&gateway, &chat("thirds"), 200).await;
    // Written in place, again with the old time.
    write(&gateway, text("fourth"));
    std::fs::File::options().write(true).open(gateway.config()).unwrap().set_modified(modified).unwrap();
    until_soon(&gateway, &chat("fourth"), 200).await;
    // As Kubernetes mounts a ConfigMap: gateway.yaml -> ..data/gateway.yaml, ..data -> a folder that is swapped.
    let version = |number: u32, name: &str| {
        let folder = dir.join(format!("..2026_{number}"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("gateway.yaml"), text(name)).unwrap();
        folder
    };
    let swap = |target: &Path, link: &Path| {
        let fresh = dir.join("fresh-link");
        symlink(target, &fresh).unwrap();
        std::fs::rename(fresh, link).unwrap();
    };
    swap(&version(1, "mounted"), &dir.join("..data"));
    swap(Path::new("..data/gateway.yaml"), &gateway.config());
    until_soon(&gateway, &chat("mounted"), 200).await;
    for (number, name) in [(2, "swapped"), (3, "swapper")] {
        swap(&version(number, name), &dir.join("..data"));
        until_soon(&gateway, &chat(name), 200).await;
    }
    assert_eq!(gateway.metric("bulkhead_config_refused_total", &[]).await as u64, 0);
    std::fs::remove_file(gateway.config()).unwrap();
}

/// Revision `letter`: a model, a provider key, a deployment and a virtual key that all bear its mark.
fn marked(mock: &MockProvider, letter: &str) -> String {
    GatewayYaml::new()
        .master_key(crate::support::MASTER)
        .deployment("gpt")
        .provider("openai")
        .model(&format!("ok+rev-{letter}"))
        .base(mock.base_url())
        .key(&format!("sk-upstream-of-{}", letter.repeat(4)))
        .info("id", format!("deployment-{letter}"))
        .virtual_key(KEY)
        .limit("key_alias", "constant")
        .limit("metadata", serde_json::json!({ "revision": letter }))
        .text()
}

#[tokio::test]
async fn a_hundred_reloads_under_load_mix_no_revisions_and_fail_no_request() {
    const RATE: u64 = 200;
    const CLIENTS: u64 = 10;
    let mock = MockProvider::start();
    let revisions = ["a", "b"].map(|letter| marked(&mock, letter));
    let gateway = Gateway::with(revisions[0].clone()).start().await;
    let stop = Arc::<AtomicBool>::default();
    let client = |_| {
        let (addr, stop) = (gateway.addr, stop.clone());
        tokio::spawn(async move {
            let mut client = Client::connect(addr).await.unwrap();
            let mut ticks = tokio::time::interval(Duration::from_millis(1000 * CLIENTS / RATE));
            let mut served = 0;
            while !stop.load(Ordering::Relaxed) {
                ticks.tick().await;
                let stream = served % 2 == 0;
                let body = body::chat("gpt", "Hi").with("stream", stream);
                let answer =
                    client.exchange(&Request::post("/v1/chat/completions").bearer(KEY).json(body)).await;
                assert_eq!((answer.status, answer.end), (200, End::Complete), "{}", answer.text());
                served += 1;
            }
            served
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    let started = SystemTime::now();
    let mut slowest = Duration::ZERO;
    for reload in 1..=100 {
        let fresh = gateway.dir().join("fresh.yaml");
        std::fs::write(&fresh, &revisions[reload % 2]).unwrap();
        std::fs::rename(&fresh, gateway.config()).unwrap();
        let before = SystemTime::now();
        gateway.signal("HUP");
        gateway.until_metric("bulkhead_config_reloads_total", &[], reload as f64).await;
        slowest = slowest.max(before.elapsed().unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = started.elapsed().unwrap();
    stop.store(true, Ordering::Relaxed);
    let mut served = 0;
    for client in clients {
        served += client.await.unwrap();
    }
    assert!(u128::from(served) > took.as_millis() * u128::from(RATE) / 1000 / 2, "{served} in {took:?}");
    let mut of = HashMap::<String, u64>::new();
    for record in mock.ledger().records() {
        let letter = record.model.strip_prefix("ok+rev-").unwrap();
        assert_eq!(record.key, letter.repeat(4), "{record:?}");
        *of.entry(letter.to_owned()).or_default() += 1;
    }
    assert_eq!(of.values().sum::<u64>(), served);
    assert!(of.len() == 2 && of.values().all(|count| *count > served / 10), "{of:?}");
    for event in gateway.usage_of(usize::try_from(served).unwrap()).await {
        let revision = event["metadata"]["revision"].as_str().unwrap();
        assert_eq!(event["provider_model"], format!("ok+rev-{revision}"), "{event}");
        assert_eq!(event["deployment"], format!("deployment-{revision}"), "{event}");
    }
    println!("100 reloads in {took:?}, {served} requests, a reload seen after at most {slowest:?}");
}

#[tokio::test]
async fn a_provider_key_is_rotated_in_the_file_and_requests_in_flight_finish_with_the_old_one() {
    let mock = MockProvider::start();
    let with = |key: &str| {
        GatewayYaml::new()
            .master_key(crate::support::MASTER)
            .deployment("gpt")
            .provider("openai")
            .model("slow-chunk-100+chunks-20")
            .base(mock.base_url())
            .key(key)
            .virtual_key(KEY)
            .text()
    };
    let gateway = Gateway::with(with("sk-upstream-0000-old1")).start().await;
    let request = Request::post("/v1/chat/completions").bearer(KEY).json(body::chat("gpt", "Hi").stream());
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = gateway.client().await;
        client.send(&request.bytes()).await.unwrap();
        clients.push(client);
    }
    assert!(eventually(PATIENCE, || mock.ledger().count() == 20).await);
    write(&gateway, with("sk-upstream-0000-new2"));
    gateway.signal("HUP");
    gateway.until_metric("bulkhead_config_reloads_total", &[], 1.0).await;
    for _ in 0..20 {
        let mut client = gateway.client().await;
        client.send(&request.bytes()).await.unwrap();
        clients.push(client);
    }
    for client in &mut clients {
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.end), (200, End::Complete));
        assert!(answer.text().ends_with("data: [DONE]\n\n"));
    }
    let keys: Vec<_> = mock.ledger().records().into_iter().map(|record| record.key).collect();
    assert!(
        keys[..20].iter().all(|key| key == "old1") && keys[20..].iter().all(|key| key == "new2"),
        "{keys:?}"
    );
}
