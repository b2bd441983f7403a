//! Secrets in mounted files, renewed under load while nothing is started again and nothing fails.

use std::time::Duration;

use bulkhead_testkit::client::Request;
use bulkhead_testkit::{GatewayYaml, Mounted};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::{BUSY, ControlPlane, Database, MASTER, Node, Rig, Server, Traffic, alone, until};

const KEY: &str = "sk-secrets-0123456789abcdef";
const OLD: &str = "sk-provider-of-yesterday-old1";
const NEW: &str = "sk-provider-of-today-new1";
const NEXT_MASTER: &str = "sk-81c6f7da90e3b2143f9c1a7be05d4288";
const RATE: u32 = 100;
/// Two looks at the files, half a second apart, and the way to the nodes.
const SOON: Duration = Duration::from_millis(1500);

/// What is in the files of a replica.
#[derive(Clone)]
struct Secrets {
    provider: &'static str,
    master: &'static str,
    url: String,
}

/// A control plane and the files that are mounted for it.
struct Replica {
    control_plane: ControlPlane,
    files: Mounted,
    yaml: String,
    _dir: TempDir,
}

fn files<'f>(yaml: &'f str, secrets: &'f Secrets) -> [(&'f str, &'f str); 4] {
    let Secrets { provider, master, url } = secrets;
    [("gateway.yaml", yaml), ("provider", provider), ("master", master), ("url", url)]
}

impl Replica {
    async fn start(rig: &Rig, secrets: &Secrets) -> Self {
        let yaml = GatewayYaml::new()
            .deployment("gpt")
            .provider("openai")
            .model("ok")
            .base(rig.mock.base_url())
            .key("os.environ/PROVIDER_KEY")
            .virtual_key(KEY)
            .text();
        let dir = tempfile::tempdir().unwrap();
        let files = Mounted::at(dir.path(), &files(&yaml, secrets));
        let control_plane = ControlPlane::launch_with(&rig.database.url(), |command| {
            let flags = [
                ("--config", "gateway.yaml"),
                ("--master-key-file", "master"),
                ("--database-url-file", "url"),
            ];
            for (flag, name) in flags {
                command.arg(flag).arg(files.path(name));
            }
            command
                .env("PROVIDER_KEY_FILE", files.path("provider"))
                .env("LITELLM_SALT_KEY", "sk-salt-of-the-test");
        });
        control_plane.until_ready().await;
        Self { control_plane, files, yaml, _dir: dir }
    }

    fn gets(&mut self, secrets: &Secrets) {
        self.files.swap(&files(&self.yaml, secrets));
    }

    async fn knows(&self, key: &str) -> bool {
        let asked = Request::get("/key/list").bearer(key);
        bulkhead_testkit::client::call(self.control_plane.http, &asked).await.unwrap().status == 200
    }
}

/// Requests that came with a key.
fn uses_of(rig: &Rig, key: &str) -> usize {
    rig.mock.ledger().records().iter().filter(|record| key.ends_with(&record.key)).count()
}

/// The time after which nobody uses the old key of a provider any more.
async fn until_renewed(rig: &Rig) -> Duration {
    let (began, mut old, mut last_use) = (Instant::now(), uses_of(rig, OLD), Duration::ZERO);
    until("the new key is in use on both nodes", || {
        let now = uses_of(rig, OLD);
        if now > old {
            (old, last_use) = (now, began.elapsed());
        }
        let is_used = uses_of(rig, NEW) >= 20;
        async move { is_used }
    })
    .await;
    last_use
}

#[tokio::test]
async fn keys_and_passwords_are_renewed_under_load_without_a_restart_or_a_failed_request() {
    let _alone = alone().await;
    let server = Server::start();
    let rig = Rig::on(Database::on(&server.url()));
    rig.database.execute("create role app login superuser password 'one'");
    server.ask_for_password("app");
    let url = |password: &str| rig.database.url().replacen("bulkhead@", &format!("app:{password}@"), 1);
    let mut secrets = Secrets { provider: OLD, master: MASTER, url: url("one") };
    let (mut first, mut second) =
        (Replica::start(&rig, &secrets).await, Replica::start(&rig, &secrets).await);
    let nodes = [rig.node("one", first.control_plane.grpc), rig.node("two", second.control_plane.grpc)];
    for node in &nodes {
        node.until_status("gpt", KEY, 200).await;
    }
    let traffic = Traffic::start(&[&nodes[0], &nodes[1]], KEY, RATE);
    until("the old key is in use", || async { uses_of(&rig, OLD) > 50 }).await;

    // The replicas' machines get the file at different times.
    secrets.provider = NEW;
    first.gets(&secrets);
    let last_use = until_renewed(&rig).await;
    rig.mock.revoke(OLD);
    let old = uses_of(&rig, OLD);
    second.gets(&secrets);
    traffic.run(Duration::from_secs(3)).await;
    assert_eq!(uses_of(&rig, OLD), old, "the old key came back");
    eprintln!("a provider's key file: the old key was used until {last_use:?} after the change");
    assert!(last_use < SOON * BUSY, "{last_use:?}");

    secrets.master = NEXT_MASTER;
    let began = Instant::now();
    first.gets(&secrets);
    second.gets(&secrets);
    for node in &nodes {
        node.until_status("gpt", NEXT_MASTER, 200).await;
        node.until_status("gpt", MASTER, 401).await;
    }
    eprintln!("the master key's file: in force on both nodes {:?} after the change", began.elapsed());
    for replica in [&first, &second] {
        until("the API knows the new master key", || replica.knows(NEXT_MASTER)).await;
        until("the API knows the old master key no more", || async { !replica.knows(MASTER).await }).await;
    }

    secrets.url = url("two");
    first.gets(&secrets);
    second.gets(&secrets);
    let said = |what: &'static str| {
        let planes = [&first.control_plane, &second.control_plane];
        until(what, move || async move { planes.iter().all(|plane| plane.process.log().contains(what)) })
    };
    said("does not take its new URL yet").await;
    let began = Instant::now();
    rig.database.execute("alter role app password 'two'");
    said("new connections to the database go by the file").await;
    eprintln!("the password of the database: used {:?} after the database knew it", began.elapsed());
    rig.database.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'");
    for replica in [&first, &second] {
        until("connections are made anew", || replica.knows(NEXT_MASTER)).await;
        replica.control_plane.until_ready().await;
    }

    eprintln!("{} requests, none of which failed", traffic.finish());
    for process in [&mut first.control_plane.process, &mut second.control_plane.process] {
        assert!(process.is_running());
    }
    let [mut one, mut two]: [Node; 2] = nodes;
    assert!(one.process.is_running() && two.process.is_running());
}
