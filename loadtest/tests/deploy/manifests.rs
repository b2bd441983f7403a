//! The objects of k8s/, as they would be applied.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The environment that `make test` makes from `requirements.lock`.
fn python() -> PathBuf {
    let python = std::env::var_os("BULKHEAD_DEPLOY_PYTHON").map(PathBuf::from);
    python
        .filter(|path| path.exists())
        .expect("BULKHEAD_DEPLOY_PYTHON is not set: run the tests with `make test`")
}

/// Every folder of k8s/, rendered and found valid, and `compose`.
pub(crate) fn all() -> &'static Value {
    static ALL: OnceLock<Value> = OnceLock::new();
    ALL.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/manifests.py");
        let output = Command::new(python()).arg(script).arg(root()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    })
}

/// The objects of a kind in a folder.
pub(crate) fn of_kind(folder: &str, kind: &str) -> Vec<&'static Value> {
    let objects = all()[folder].as_array().unwrap_or_else(|| panic!("no folder {folder}"));
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

/// The items of a list, which need not be there.
pub(crate) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(crate) fn texts(value: &Value) -> Vec<&str> {
    items(value).map(|item| item.as_str().unwrap()).collect()
}

/// Something that makes pods.
#[derive(Clone, Copy)]
pub(crate) struct Workload(pub(crate) &'static Value);

impl Workload {
    /// Those of a folder.
    pub(crate) fn of(folder: &str) -> Vec<Self> {
        let kinds = ["StatefulSet", "Deployment", "Job"];
        kinds.iter().flat_map(|kind| of_kind(folder, kind)).map(Self).collect()
    }

    pub(crate) fn named(folder: &str, name: &str) -> Self {
        Self::of(folder)
            .into_iter()
            .find(|it| it.name() == name)
            .unwrap_or_else(|| panic!("no {name} in {folder}"))
    }

    pub(crate) fn name(&self) -> &'static str {
        name(self.0)
    }

    pub(crate) fn is_data_plane(&self) -> bool {
        self.labels()["app.kubernetes.io/component"] == "data-plane"
    }

    pub(crate) fn labels(&self) -> &'static Value {
        &self.0["spec"]["template"]["metadata"]["labels"]
    }

    pub(crate) fn pod(&self) -> &'static Value {
        &self.0["spec"]["template"]["spec"]
    }

    /// In the order in which they run.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &'static Value> {
        items(&self.pod()["initContainers"]).chain(items(&self.pod()["containers"]))
    }

    /// The one container of a server.
    pub(crate) fn container(&self) -> &'static Value {
        let mut containers = self.containers();
        let only = containers.next().unwrap();
        assert!(containers.next().is_none(), "{} has more than one container", self.name());
        only
    }

    /// What its pods see of Secrets: names and keys; an empty key stands for all.
    pub(crate) fn secrets(&self) -> Vec<(&'static str, &'static str)> {
        let mut found = Vec::new();
        for volume in items(&self.pod()["volumes"]) {
            let Some(secret) = volume["secret"]["secretName"].as_str() else { continue };
            let keys: Vec<_> =
                items(&volume["secret"]["items"]).map(|it| it["key"].as_str().unwrap()).collect();
            found.extend(if keys.is_empty() { vec![""] } else { keys }.into_iter().map(|key| (secret, key)));
        }
        found
    }

    /// True for labels that select its pods.
    pub(crate) fn is_selected_by(&self, labels: &Value) -> bool {
        labels.as_object().unwrap().iter().all(|(name, value)| self.labels()[name] == *value)
    }
}

/// The value of a flag among arguments.
pub(crate) fn flag<'a>(args: &[&'a str], flag: &str) -> Option<&'a str> {
    args.iter().find_map(|arg| arg.strip_prefix(flag)?.strip_prefix('='))
}

/// Seconds such as `5s`.
pub(crate) fn seconds(text: &str) -> u64 {
    text.strip_suffix('s').and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

/// How long a container that is told to stop may take: before it drains, and to drain.
pub(crate) fn longest_stop(
    is_data_plane: bool,
    args: &[&str],
    environment: impl Fn(&str) -> Option<String>,
) -> u64 {
    let wait = flag(args, "--drain-wait").map_or(0, seconds);
    let drain = match is_data_plane {
        true => environment("GRACEFUL_SHUTDOWN_TIMEOUT").expect("the longest drain is said").parse().unwrap(),
        // Ten seconds for requests, ten for nodes.
        false => 20,
    };
    // Last words to clients, and what is left to write and report.
    wait + drain + 10
}
