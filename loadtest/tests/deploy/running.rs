//! The containers of k8s/, run in the order of docs/kubernetes.md: with their own arguments and variables, secrets made
//! by `scripts/secrets` where they are mounted, and images of what the Dockerfile gathers. Only ports differ.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bulkhead_testkit::client::{Answer, Request, call};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::container::{Container, Image};
use crate::database::Database;
use crate::ingress;
use crate::manifests::{Workload, items, longest_stop, of_kind, root, texts};

const PATIENCE: Duration = Duration::from_secs(30);

/// What `scripts/secrets` makes.
pub(crate) fn secrets(database: Option<&str>) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    make_secrets(dir.path(), database);
    dir
}

pub(crate) fn make_secrets(dir: &Path, database: Option<&str>) {
    let mut script = Command::new(root().join("scripts/secrets"));
    script.arg(dir).env_remove("DATABASE_URL").env_remove("DATABASE_DIRECT_URL");
    script.envs(database.map(|url| ("DATABASE_URL", url)));
    let output = script.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The volumes of a pod as directories: its Secrets, and a place for its state.
struct Volumes(Vec<(String, TempDir)>);

impl Volumes {
    fn of(workload: &Workload, secrets: &Path) -> Self {
        let of_secret = |volume: &Value| {
            let dir = tempfile::tempdir().unwrap();
            let secret = volume["secret"]["secretName"].as_str()?;
            let mine: Vec<_> =
                items(&volume["secret"]["items"]).map(|it| it["key"].as_str().unwrap()).collect();
            for (key, file) in
                files(secret).into_iter().filter(|(key, _)| mine.is_empty() || mine.contains(key))
            {
                std::fs::copy(secrets.join(file), dir.path().join(key)).unwrap();
                let mode = PermissionsExt::from_mode(0o440);
                std::fs::set_permissions(dir.path().join(key), mode).unwrap();
            }
            Some((volume["name"].as_str().unwrap().to_owned(), dir))
        };
        let mut volumes: Vec<_> = items(&workload.pod()["volumes"]).filter_map(of_secret).collect();
        volumes.push(("state".to_owned(), tempfile::tempdir().unwrap()));
        Self(volumes)
    }

    fn mounted<'a>(&'a self, container: &'a Value) -> Vec<(&'a str, &'a Path, &'a str)> {
        let mounted = |mount: &'a Value| {
            let (_, dir) = self.0.iter().find(|(name, _)| mount["name"] == **name).expect("a volume");
            let mode = if mount["readOnly"] == true { "ro" } else { "rw" };
            (mode, dir.path(), mount["mountPath"].as_str().unwrap())
        };
        items(&container["volumeMounts"]).map(mounted).collect()
    }
}

/// The keys of a Secret and the files that k8s/secrets makes them of.
fn files(secret: &str) -> Vec<(&'static str, &'static str)> {
    match secret {
        "bulkhead-database" => vec![("url", "database-url"), ("direct-url", "database-direct-url")],
        "bulkhead-keys" => vec![("master-key", "master-key"), ("salt-key", "salt-key")],
        "bulkhead-node" => vec![("join-token", "join-token"), ("state-key", "state-key")],
        "bulkhead-grpc-tls" => vec![("tls.crt", "tls.crt"), ("tls.key", "tls.key"), ("ca.crt", "ca.crt")],
        other => panic!("{other}"),
    }
}

/// Its arguments, with any free port where it listens, and the port of the control plane where it looks for one.
fn args(container: &Value, grpc: Option<SocketAddr>) -> Vec<String> {
    let with_port = |arg: &str| match (arg.split_once("=0.0.0.0:"), arg.rsplit_once(':'), grpc) {
        (Some((flag, _)), _, _) => format!("{flag}=127.0.0.1:0"),
        (_, Some((url, _)), Some(grpc)) if arg.starts_with("--control-plane=") => {
            format!("{url}:{}", grpc.port())
        }
        _ => arg.to_owned(),
    };
    texts(&container["args"]).into_iter().map(with_port).collect()
}

fn env(container: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    items(&container["env"]).map(|it| (text(&it["name"]), text(&it["value"]))).collect()
}

async fn get(addr: SocketAddr, path: &str) -> Answer {
    call(addr, &Request::get(path)).await.unwrap()
}

/// The answer to a path, once it is 200.
async fn good(addr: SocketAddr, path: &str) -> Answer {
    let began = Instant::now();
    loop {
        let answer = get(addr, path).await;
        if answer.status == 200 {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{path}: {} {}", answer.status, answer.text());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every probe asks the operations port for something that is there.
async fn probe(workload: &Workload, operations: SocketAddr) {
    let container = workload.container();
    let mut probed = BTreeSet::new();
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let get = &container[probe]["httpGet"];
        assert_eq!(get["port"], "operations", "{probe}");
        good(operations, get["path"].as_str().unwrap()).await;
        probed.insert(get["path"].as_str().unwrap());
    }
    assert_eq!(probed, BTreeSet::from(["/livez", "/readyz"]));
    let port = items(&container["ports"]).find(|it| it["name"] == "operations").unwrap();
    let declared = texts(&container["args"])
        .contains(&format!("--ops-listen=0.0.0.0:{}", port["containerPort"]).as_str());
    assert!(declared, "the operations port is not the one that is listened on");
    let annotations = &workload.0["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/port"], port["containerPort"].to_string());
}

/// Every metric by which pods of this tier are counted is one that they serve.
async fn scaled_by(workload: &Workload, operations: SocketAddr) -> usize {
    let page = get(operations, "/metrics").await.text();
    let scalers = of_kind("base", "HorizontalPodAutoscaler").into_iter();
    let scalers = scalers.filter(|it| it["spec"]["scaleTargetRef"]["name"] == workload.name());
    let metrics: Vec<_> = scalers.flat_map(|it| items(&it["spec"]["metrics"])).collect();
    for metric in metrics.iter().filter(|it| it["type"] == "Pods") {
        let name = metric["pods"]["metric"]["name"].as_str().unwrap();
        let served =
            page.lines().any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
        assert!(served, "no {name} in:\n{page}");
    }
    metrics.iter().filter(|it| it["type"] == "Pods").count()
}

/// Runs the Job's containers to their end, one after the other.
async fn migrate(image: &Image, secrets: &Path) {
    let job = Workload::named("migrate", "bulkhead-migrate");
    let volumes = Volumes::of(&job, secrets);
    for container in job.containers() {
        let mut running = image.run(&args(container, None), &volumes.mounted(container), &env(container));
        assert_eq!(running.ended(PATIENCE).await.code(), Some(0), "{}", running.log());
    }
}

struct Server {
    workload: Workload,
    container: Container,
    /// What its volumes hold goes with it.
    _volumes: Volumes,
}

impl Server {
    fn start(image: &Image, name: &str, secrets: &Path, grpc: Option<SocketAddr>) -> Self {
        let workload = Workload::named("base", name);
        let (container, volumes) = (workload.container(), Volumes::of(&workload, secrets));
        let container = image.run(&args(container, grpc), &volumes.mounted(container), &env(container));
        Self { workload, container, _volumes: volumes }
    }

    /// It ends by itself well within what its pod has.
    async fn end(mut self) {
        let container = self.workload.container();
        let value = |name: &str| env(container).into_iter().find(|it| it.0 == name).map(|it| it.1);
        let longest = longest_stop(self.workload.is_data_plane(), &texts(&container["args"]), value);
        let status = self.container.ended(Duration::from_secs(longest)).await;
        assert_eq!(status.code(), Some(0), "{}", self.container.log());
    }
}

#[tokio::test]
async fn the_containers_of_the_manifests_run_and_serve_what_the_manifests_count_on() {
    let database = Database::create();
    let secrets = secrets(Some(&database.url()));
    let [control_image, data_image] = ["control-plane", "data-plane"].map(Image::assemble);
    migrate(&control_image, secrets.path()).await;
    // Again, as after a new version that changes nothing.
    migrate(&control_image, secrets.path()).await;

    let control_plane = Server::start(&control_image, "bulkhead-control-plane", secrets.path(), None);
    let said = ["management listening on ", "nodes listening on ", "operations listening on "];
    let [management, grpc, operations] = said.map(|before| control_plane.container.address(before));
    probe(&control_plane.workload, operations).await;

    let data_plane = Server::start(&data_image, "bulkhead-data-plane", secrets.path(), Some(grpc));
    let [inference, data_operations] = ["inference listening on ", "operations listening on "]
        .map(|before| data_plane.container.address(before));
    probe(&data_plane.workload, data_operations).await;
    assert_eq!(get(inference, "/health/readiness").await.status, 200);
    for server in [&control_plane, &data_plane] {
        let same = ["65532"; 4].join(" ");
        assert_eq!(server.container.identity(), [same.clone(), same], "{}", server.workload.name());
    }
    assert_eq!(scaled_by(&data_plane.workload, data_operations).await, 1);
    assert_eq!(scaled_by(&control_plane.workload, operations).await, 0);
    ingress::check(data_operations, management).await;

    data_plane.container.stop();
    control_plane.container.stop();
    data_plane.end().await;
    control_plane.end().await;
}

/// The image is read-only, and has nothing but what the program needs.
#[tokio::test]
async fn an_image_holds_nothing_but_its_program_and_cannot_be_written() {
    let image = Image::assemble("data-plane");
    let mut programs = Vec::new();
    let mut dirs = vec![image.path().to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            assert!(kind.is_dir() || kind.is_file(), "{}", path.display());
            let is_executable = kind.is_file() && entry.metadata().unwrap().permissions().mode() & 0o111 != 0;
            match path.file_name().unwrap().to_str().unwrap() {
                name if is_executable && !name.contains(".so") => programs.push(name.to_owned()),
                _ if kind.is_dir() => dirs.push(path),
                _ => {}
            }
        }
    }
    assert_eq!(programs, ["data-plane"]);

    let config = tempfile::tempdir().unwrap();
    let yaml = "model_list: []\ngeneral_settings: {master_key: sk-0f3c5a7e9b1d2468ace013579bdf0246}\n";
    std::fs::write(config.path().join("gateway.yaml"), yaml).unwrap();
    let args = ["--config=/run/config/gateway.yaml", "--state-dir=/usr/state", "--listen=127.0.0.1:0"];
    let args = [&args[..], &["--ops-listen=127.0.0.1:0"]].concat().into_iter().map(str::to_owned);
    let args: Vec<_> = args.collect();
    let mut container = image.run(&args, &[("ro", config.path(), "/run/config")], &[]);
    let status = container.ended(PATIENCE).await;
    assert_eq!(status.code(), Some(1), "{}", container.log());
    assert!(container.log().contains("--state-dir /usr/state: Read-only file system"), "{}", container.log());
}
