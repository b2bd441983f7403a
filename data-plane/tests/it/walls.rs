//! The walls of the house (design §3): which crate stands on which, and what none of them may bring in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The data plane is to be built, audited and shipped as something small.
const MOST_CRATES: usize = 250;

/// What cargo itself says, without the network.
fn cargo(args: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output =
        Command::new(cargo).current_dir(root()).args(args).args(["--locked", "--offline"]).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A member of the workspace.
struct Member {
    name: String,
    /// Its folder, from the workspace's.
    folder: String,
    manifest: Value,
}

fn members() -> Vec<Member> {
    // Crates of other platforms are not downloaded, so that cargo knows nothing of them.
    let text = cargo(&["metadata", "--format-version", "1", "--filter-platform", "host-tuple"]);
    let metadata: Value = serde_json::from_str(&text).unwrap();
    let ours = metadata["workspace_members"].as_array().unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let members = packages.iter().filter(|package| ours.contains(&package["id"])).map(|package| {
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned();
        let folder =
            folder.strip_prefix(root().canonicalize().unwrap()).unwrap().to_str().unwrap().to_owned();
        Member { name: package["name"].as_str().unwrap().to_owned(), folder, manifest: package.clone() }
    });
    let members: Vec<_> = members.collect();
    assert!(members.iter().any(|member| member.name == "data-plane"), "{text}");
    members
}

/// The names of the crates that a build of `package` takes in through dependencies of these kinds.
fn tree(package: &str, kinds: &str) -> BTreeSet<String> {
    let text =
        cargo(&["tree", "--package", package, "--edges", kinds, "--prefix", "none", "--format", "{p}"]);
    let names = text.lines().filter_map(|line| line.split(' ').next());
    let names: BTreeSet<_> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    assert!(names.contains(package), "{text}");
    names
}

fn assert_none(package: &str, kinds: &str, banned: &[&str]) {
    let found: Vec<_> = tree(package, kinds).into_iter().filter(|name| banned.contains(&&**name)).collect();
    assert!(found.is_empty(), "{package} stands on {found:?}");
}

#[test]
fn the_data_plane_is_small() {
    let crates = cargo(&["tree", "-p", "data-plane", "-e", "normal", "--prefix", "none", "--format", "{p}"]);
    // Versions of one crate count apart; one that was shown before is marked.
    let crates: BTreeSet<_> =
        crates.lines().filter(|line| !line.is_empty()).map(|line| line.trim_end_matches(" (*)")).collect();
    assert!(crates.len() > 20 && crates.len() < MOST_CRATES, "{} crates", crates.len());
    println!("the data plane's tree: {} crates", crates.len());
}

#[test]
fn the_data_plane_stands_on_nothing_of_the_control_plane_or_of_the_tests() {
    assert_none("data-plane", "normal,build", &["control-plane", "bulkhead-testkit", "loadtest"]);
}

#[test]
fn databases_are_the_control_planes_alone() {
    let databases =
        ["sqlx", "sqlx-core", "diesel", "tokio-postgres", "postgres", "rusqlite", "libsqlite3-sys"];
    for member in members().iter().filter(|member| member.name != "control-plane") {
        assert_none(&member.name, "normal,build,dev", &databases);
    }
}

#[test]
fn there_is_one_tls_stack() {
    let others = ["openssl", "openssl-sys", "native-tls", "ring", "boring", "mbedtls", "schannel"];
    for member in members() {
        assert_none(&member.name, "normal,build,dev", &others);
    }
    let data_plane = tree("data-plane", "normal");
    assert!(data_plane.contains("rustls") && data_plane.contains("aws-lc-rs"), "{data_plane:?}");
}

#[test]
fn shared_crates_serve_no_http_and_stand_on_neither_plane() {
    // tonic is no server without one of these below it; its types and codecs may be there.
    let banned = ["axum", "hyper", "hyper-util", "h2", "tower-http", "data-plane", "control-plane"];
    let doubles = "shared/testkit";
    let members = members();
    let shared: Vec<_> = members.iter().filter(|member| member.folder.starts_with("shared/")).collect();
    assert!(shared.len() > 5);
    // Credentials are asked for by an HTTP client, which stands on these.
    let client = ["hyper", "hyper-util", "tower-http"];
    for member in shared.iter().filter(|member| member.folder != doubles) {
        let asks = member.folder == "shared/credentials";
        let banned: Vec<_> = banned.into_iter().filter(|name| !asks || !client.contains(name)).collect();
        assert_none(&member.name, "normal,build", &banned);
        assert_none(&member.name, "normal,build", &["bulkhead-testkit"]);
    }
}

#[test]
fn every_member_obeys_the_lints_of_the_workspace_and_is_not_published() {
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"), "{workspace}");
    for Member { name, folder, manifest } in members() {
        let text = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let (_, lints) = text.split_once("\n[lints]\n").unwrap_or_else(|| panic!("{name} has no [lints]"));
        assert!(lints.starts_with("workspace = true\n"), "{name}: {lints}");
        assert_eq!(manifest["publish"], Value::Array(Vec::new()), "{name}");
        assert_eq!(manifest["license"], "Apache-2.0", "{name}");
    }
}

#[test]
fn a_crate_that_the_design_does_not_know_has_no_folder() {
    let folders = ["data-plane", "control-plane", "loadtest", "proto"];
    let shared = [
        "config",
        "credentials",
        "dialect",
        "files",
        "front",
        "model",
        "pricing",
        "sealed",
        "snapshot",
        "telemetry",
        "testkit",
    ];
    for Member { name, folder, .. } in members() {
        let known = match folder.strip_prefix("shared/") {
            Some(folder) => shared.contains(&folder),
            None => folders.contains(&&*folder),
        };
        assert!(known, "{name} in {folder}");
    }
}

#[test]
fn every_folder_has_its_place_in_the_design() {
    // The design's, then what runs, describes and checks the house.
    let known = [
        "proto",
        "shared",
        "data-plane",
        "control-plane",
        "migrations",
        "k8s",
        "loadtest", //
        "docs",
        "scripts",
        ".ci",
        ".cargo",
        ".config",
        ".github",
    ];
    let files = Command::new("git").current_dir(root()).args(["ls-files"]).output().unwrap();
    assert!(files.status.success(), "{}", String::from_utf8_lossy(&files.stderr));
    let files = String::from_utf8(files.stdout).unwrap();
    let folders: BTreeSet<_> = files.lines().filter_map(|file| Some(file.split_once('/')?.0)).collect();
    assert!(folders.contains("data-plane"), "{folders:?}");
    let strange: Vec<_> = folders.iter().filter(|folder| !known.contains(folder)).collect();
    assert!(strange.is_empty(), "{strange:?}");
}
