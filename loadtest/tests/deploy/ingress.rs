//! The Ingress, by the route tables of both planes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::SocketAddr;

use bulkhead_testkit::client::{Request, call};
use serde_json::Value;

use crate::manifests::{items, of_kind, root, texts};

const HEAD: &str = "\
# Every route of both planes on one host. Written by a test, out of the planes' own tables:
# BULKHEAD_WRITE_INGRESS=1 scripts/with-postgres cargo nextest run -p loadtest --test deploy
# What is beside the routes (host, class, certificate, annotations) is for a patch: docs/kubernetes.md.
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: bulkhead
spec:
  tls:
    - hosts: [gateway.example.com]
      secretName: bulkhead-tls
  rules:
    - host: gateway.example.com
      http:
        paths:
";
/// Of the control plane, beside its routes.
const PAGES: [&str; 3] = ["/docs", "/openapi.json", "/routes"];

const DATA_PLANE: &str = "bulkhead-data-plane";
const CONTROL_PLANE: &str = "bulkhead-control-plane";

async fn json(addr: SocketAddr, path: &str) -> Value {
    let answer = call(addr, &Request::get(path)).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// The Ingress is the one that the running planes call for, and sends each of their routes to the plane that has it.
pub(crate) async fn check(operations: SocketAddr, management: SocketAddr) {
    let served = json(operations, "/routes").await;
    let served = texts(&served["paths"]);
    let routes = json(management, "/routes").await;
    let managed: Vec<_> = items(&routes["routes"]).map(|route| route["path"].as_str().unwrap()).collect();
    for page in PAGES {
        assert_eq!(call(management, &Request::get(page)).await.unwrap().status, 200, "{page}");
    }
    // Both answer probes; the one who asks here means inference.
    let managed: Vec<_> = managed.into_iter().chain(PAGES).filter(|path| !served.contains(path)).collect();
    assert!(served.len() > 20 && managed.len() > 20, "{served:?} {managed:?}");

    let file = root().join("k8s/base/ingress.yaml");
    let text = text(&served, &managed);
    if std::env::var_os("BULKHEAD_WRITE_INGRESS").is_some() {
        return std::fs::write(&file, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&file).unwrap() == text,
        "routes have changed; run: BULKHEAD_WRITE_INGRESS=1 scripts/with-postgres cargo nextest run -p loadtest --test deploy"
    );
    let goes = |path: &str| sent_to(path).unwrap_or_else(|| panic!("{path} goes nowhere"));
    for path in served {
        assert_eq!(goes(&path.replace('*', "some/thing")), DATA_PLANE, "{path}");
    }
    for path in managed {
        assert_eq!(goes(&path.replace(['{', '}'], "")), CONTROL_PLANE, "{path}");
    }
}

fn text(served: &[&str], managed: &[&str]) -> String {
    let mut text = HEAD.to_owned();
    let mut add = |service: &str, port: &str, paths: BTreeSet<(&str, &str)>| {
        for (kind, path) in paths {
            let backend = format!("{{service: {{name: {service}, port: {{name: {port}}}}}}}");
            writeln!(text, "          - {{pathType: {kind}, path: {path}, backend: {backend}}}").unwrap();
        }
    };
    let inference = served.iter().map(|path| match path.strip_suffix("/*") {
        Some(above) => ("Prefix", above),
        None => ("Exact", *path),
    });
    add(DATA_PLANE, "inference", inference.collect());
    add(CONTROL_PLANE, "management", resources(managed));
    text
}

/// What resources the paths are about: `/key/generate` is about `/key`, `/v1/model/info` about `/v1/model`.
fn resources<'a>(paths: &[&'a str]) -> BTreeSet<(&'static str, &'a str)> {
    let mut about: BTreeMap<&str, bool> = BTreeMap::new();
    for path in paths {
        let first = path.split('/').nth(1).unwrap();
        let depth = if matches!(first, "v1" | "v2" | "v3") { 2 } else { 1 };
        let end = path.match_indices('/').nth(depth).map_or(path.len(), |(end, _)| end);
        *about.entry(path.get(..end).unwrap()).or_default() |= end < path.len();
    }
    about.into_iter().map(|(path, has_more)| (if has_more { "Prefix" } else { "Exact" }, path)).collect()
}

/// The Service that a path is sent to: by the whole path, else by the longest beginning, segment by segment.
fn sent_to(path: &str) -> Option<&'static str> {
    let [ingress] = of_kind("base", "Ingress")[..] else { panic!("one Ingress") };
    let rules = items(&ingress["spec"]["rules"]).flat_map(|rule| items(&rule["http"]["paths"]));
    let matching = rules.filter_map(|rule| {
        let of = rule["path"].as_str().unwrap();
        let rest = path.strip_prefix(of)?;
        let exact = rest.is_empty() && rule["pathType"] == "Exact";
        let prefix = rule["pathType"] == "Prefix" && (rest.is_empty() || rest.starts_with('/'));
        (exact || prefix).then(|| ((exact, of.len()), rule["backend"]["service"]["name"].as_str().unwrap()))
    });
    matching.max().map(|(_, service)| service)
}
