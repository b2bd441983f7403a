//! Who may reach whom.

use serde_json::Value;

use crate::manifests::{Workload, items, of_kind};

/// The rules of a direction, `ingress` or `egress`, that hold for a workload's pods. Nothing else is let through, where
/// a policy of that direction selects them.
fn rules(folder: &str, workload: &Workload, direction: &str, kind: &str) -> Vec<&'static Value> {
    let policies = of_kind(folder, "NetworkPolicy");
    let mine: Vec<_> = policies
        .into_iter()
        .filter(|it| {
            let labels = &it["spec"]["podSelector"]["matchLabels"];
            labels.is_null() || workload.is_selected_by(labels)
        })
        .filter(|it| items(&it["spec"]["policyTypes"]).any(|of| of == kind))
        .collect();
    assert!(!mine.is_empty(), "{kind} of {} is not limited", workload.name());
    mine.into_iter().flat_map(|it| items(&it["spec"][direction])).collect()
}

fn lets(rule: &Value, port: u64) -> bool {
    let ports = rule["ports"].as_array();
    ports.is_none_or(|ports| {
        ports.iter().any(|it| {
            let first = it["port"].as_u64().unwrap_or_else(|| panic!("a port without a number: {it}"));
            it["protocol"] == "TCP" && (first..=it["endPort"].as_u64().unwrap_or(first)).contains(&port)
        })
    })
}

/// Where a workload's pods may go by TCP to a port.
fn ways<'a>(rules: &[&'a Value], port: u64) -> Vec<&'a Value> {
    rules.iter().copied().filter(|rule| lets(rule, port)).collect()
}

#[test]
fn a_data_plane_reaches_its_control_plane_and_providers_and_never_the_database() {
    for folder in ["base", "ephemeral"] {
        let data_plane = Workload::named(folder, "bulkhead-data-plane");
        let out = rules(folder, &data_plane, "egress", "Egress");
        assert!(ways(&out, 5432).is_empty() && ways(&out, 6432).is_empty(), "{out:?}");
        assert!(out.iter().all(|rule| rule["ports"].is_array()), "every way names its ports");
        let control_plane = Workload::named(folder, "bulkhead-control-plane");
        let to_grpc = ways(&out, 4002);
        let targets: Vec<_> = to_grpc.iter().flat_map(|rule| items(&rule["to"])).collect();
        let selected = |it: &&&Value| control_plane.is_selected_by(&it["podSelector"]["matchLabels"]);
        assert!(
            !targets.is_empty() && targets.iter().filter(selected).count() == targets.len(),
            "{targets:?}"
        );
        let providers = ways(&out, 443);
        let blocks: Vec<_> = providers.iter().flat_map(|rule| items(&rule["to"])).collect();
        assert!(blocks.iter().all(|it| it["ipBlock"].is_object()), "{blocks:?}");
        let metadata = |it: &&&Value| items(&it["ipBlock"]["except"]).any(|it| it == "169.254.169.254/32");
        assert!(blocks.iter().any(|it| metadata(&it)), "{blocks:?}");
        assert_eq!(ways(&out, 53).len(), 1);
    }
}

#[test]
fn the_control_plane_and_the_migration_reach_the_database() {
    for (folder, name) in [("base", "bulkhead-control-plane"), ("migrate", "bulkhead-migrate")] {
        let out = rules(folder, &Workload::named(folder, name), "egress", "Egress");
        assert_eq!((ways(&out, 5432).len(), ways(&out, 443).len()), (1, 0), "{name}");
    }
}

/// The operations ports have no authentication, and the gRPC port is for nodes.
#[test]
fn what_is_not_for_everybody_is_reached_by_those_it_is_for() {
    for name in ["bulkhead-data-plane", "bulkhead-control-plane"] {
        let workload = Workload::named("base", name);
        let rules = rules("base", &workload, "ingress", "Ingress");
        for port in items(&workload.container()["ports"]) {
            let found = ways(&rules, port["containerPort"].as_u64().unwrap());
            assert_eq!(found.len(), 1, "{name}: {port}");
            let anybody = matches!(port["name"].as_str(), Some("inference" | "management"));
            assert_eq!(found[0]["from"].is_null(), anybody, "{name}: {port}");
        }
    }
}
