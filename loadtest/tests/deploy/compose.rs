//! compose.yaml.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::manifests::{all, items, longest_stop, root, seconds, texts};

fn service(name: &str) -> &'static Value {
    let service = &all()["compose"]["services"][name];
    assert!(service.is_object(), "no service {name}");
    service
}

fn set(value: &'static Value) -> BTreeSet<&'static str> {
    texts(value).into_iter().collect()
}

#[test]
fn one_port_is_published_and_the_data_plane_is_away_from_the_database() {
    let services = all()["compose"]["services"].as_object().unwrap();
    let published: Vec<_> = services.values().flat_map(|it| texts(&it["ports"])).collect();
    assert_eq!(published, ["4000:4000"]);
    let data_plane = service("data-plane");
    assert_eq!(set(&data_plane["secrets"]), BTreeSet::from(["ca.crt", "join-token", "state-key"]));
    assert!(set(&data_plane["networks"]).is_disjoint(&set(&service("postgres")["networks"])));
    let planes = set(&data_plane["networks"]);
    assert!(!planes.is_disjoint(&set(&service("control-plane")["networks"])));
    assert!(texts(&data_plane["command"]).contains(&"--management-url=http://control-plane:4001"));
}

#[test]
fn everything_that_is_built_here_is_confined_and_has_time_to_stop() {
    for (name, service) in all()["compose"]["services"].as_object().unwrap() {
        if service["build"].is_null() {
            continue;
        }
        assert_eq!((&service["read_only"], &service["cap_drop"][0]), (&true.into(), &"ALL".into()), "{name}");
        // No variable holds a secret: only the time to drain is said by one.
        let variables = service["environment"].as_object();
        assert!(
            variables.is_none_or(|it| it.keys().all(|name| name == "GRACEFUL_SHUTDOWN_TIMEOUT")),
            "{name}"
        );
        let Some(grace) = service["stop_grace_period"].as_str() else { continue };
        let value = |name: &str| Some(service["environment"][name].as_str()?.to_owned());
        let stop = longest_stop(name == "data-plane", &texts(&service["command"]), value);
        assert!(seconds(grace) > stop, "{name}: {grace} are not more than {stop} s");
    }
}

/// `scripts/secrets` makes every file that a secret is of, and every secret that a service names is declared.
#[test]
fn every_secret_is_made() {
    let made = crate::running::secrets(None);
    let declared = all()["compose"]["secrets"].as_object().unwrap();
    for (name, secret) in declared {
        let file = secret["file"].as_str().unwrap();
        assert_eq!(file, format!(".local/compose/{name}"));
        assert!(made.path().join(name).is_file(), "scripts/secrets makes no {name}");
    }
    for service in all()["compose"]["services"].as_object().unwrap().values() {
        assert!(
            items(&service["secrets"]).all(|it| declared.contains_key(it.as_str().unwrap())),
            "{service}"
        );
    }
    let url = std::fs::read_to_string(made.path().join("database-url")).unwrap();
    let password = std::fs::read_to_string(made.path().join("database-password")).unwrap();
    assert_eq!(url.trim(), format!("postgres://bulkhead:{}@postgres:5432/bulkhead", password.trim()));
    // Made once: what is there stays.
    let before = std::fs::read(made.path().join("join-token")).unwrap();
    crate::running::make_secrets(made.path(), None);
    assert_eq!(std::fs::read(made.path().join("join-token")).unwrap(), before);
}

/// The image is built by a compiler that the workspace allows, and the same versions are named everywhere.
#[test]
fn versions_agree() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let line = |key: &str| {
        let line = manifest.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")));
        line.unwrap_or_else(|| panic!("no {key}")).trim_end_matches('"').to_owned()
    };
    let minor = |version: &str| version.split('.').nth(1).unwrap().parse::<u32>().unwrap();
    let dockerfile = std::fs::read_to_string(root().join("Dockerfile")).unwrap();
    let tag = dockerfile
        .lines()
        .find_map(|line| line.strip_prefix("FROM rust:")?.strip_suffix("-bookworm AS build"));
    assert!(minor(tag.unwrap()) >= minor(&line("rust-version")), "{tag:?}");
    let version = line("version");
    for name in ["data-plane", "control-plane"] {
        let image = format!("bulkhead/{name}:{version}");
        assert_eq!(service(name)["image"], *image);
        let workload = crate::manifests::Workload::named("base", &format!("bulkhead-{name}"));
        assert_eq!(workload.container()["image"], *image);
        assert!(dockerfile.contains(&format!(" AS {name}\n")));
    }
}
