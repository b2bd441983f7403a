//! What must hold of the manifests, whatever else changes in them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::manifests::{Workload, items, longest_stop, name, of_kind, texts};

const FOLDERS: [&str; 3] = ["base", "ephemeral", "migrate"];

fn workloads() -> impl Iterator<Item = Workload> {
    FOLDERS.into_iter().flat_map(Workload::of)
}

fn servers() -> impl Iterator<Item = (&'static str, Workload)> {
    ["base", "ephemeral"]
        .into_iter()
        .flat_map(|folder| Workload::of(folder).into_iter().map(move |it| (folder, it)))
}

#[test]
fn both_tiers_are_as_many_as_they_should_be_and_change_one_at_a_time() {
    let data_plane = Workload::named("base", "bulkhead-data-plane").0;
    let spec = &data_plane["spec"];
    assert_eq!((&data_plane["kind"], &spec["replicas"]), (&json!("StatefulSet"), &json!(3)));
    assert_eq!(spec["podManagementPolicy"], "Parallel");
    assert_eq!(spec["updateStrategy"]["rollingUpdate"]["maxUnavailable"], 1);
    assert_eq!(spec["volumeClaimTemplates"][0]["metadata"]["name"], "state");
    let control_plane = Workload::named("base", "bulkhead-control-plane").0;
    let spec = &control_plane["spec"];
    assert_eq!((&control_plane["kind"], &spec["replicas"]), (&json!("Deployment"), &json!(2)));
    assert_eq!(spec["strategy"]["rollingUpdate"]["maxUnavailable"], 0);

    let ephemeral = Workload::named("ephemeral", "bulkhead-data-plane").0;
    assert_eq!(ephemeral["kind"], "Deployment");
    assert!(of_kind("ephemeral", "StatefulSet").is_empty());
    let volumes = &ephemeral["spec"]["template"]["spec"]["volumes"];
    assert!(items(volumes).any(|it| it["name"] == "state" && it["emptyDir"].is_object()), "{volumes}");
}

/// In a Secret as in the environment: nothing of a data plane's pod leads to the database.
#[test]
fn no_pod_of_a_data_plane_holds_a_secret_of_the_database_or_of_the_control_plane() {
    let mut seen = 0;
    for data_plane in workloads().filter(Workload::is_data_plane) {
        let allowed = ["join-token", "state-key", "ca.crt"];
        let held: BTreeSet<_> = data_plane.secrets().into_iter().flat_map(keys_of).collect();
        assert_eq!(held, BTreeSet::from(allowed.map(str::to_owned)), "{}", data_plane.name());
        seen += 1;
    }
    assert_eq!(seen, 2);
}

/// Secrets are files, so that a new one needs no new pod, and no dump of an environment shows one.
#[test]
fn no_secret_is_in_an_environment() {
    for workload in workloads() {
        for container in workload.containers() {
            assert!(container["envFrom"].is_null(), "{}", workload.name());
            assert!(items(&container["env"]).all(|it| it["valueFrom"].is_null()), "{}", workload.name());
            for mount in items(&container["volumeMounts"]).filter(|it| it["name"] != "state") {
                let path = mount["mountPath"].as_str().unwrap();
                // A file that is mounted by itself never changes.
                assert!(mount["subPath"].is_null() && path.starts_with("/run/secrets/bulkhead/"), "{mount}");
                assert_eq!(mount["readOnly"], true, "{mount}");
            }
        }
    }
}

/// The keys that a reference to a Secret means.
fn keys_of((secret, key): (&str, &str)) -> Vec<String> {
    let declared = of_kind("secrets", "Secret");
    let declared =
        declared.iter().find(|it| name(it) == secret).unwrap_or_else(|| panic!("no Secret {secret}"));
    let keys = declared["data"].as_object().unwrap();
    if key.is_empty() {
        return keys.keys().cloned().collect();
    }
    assert!(keys.contains_key(key), "no {key} in the Secret {secret}");
    vec![key.to_owned()]
}

#[test]
fn every_secret_that_is_referred_to_is_made_and_every_file_of_a_flag_is_in_one() {
    for workload in workloads() {
        assert!(
            workload.secrets().into_iter().map(keys_of).all(|keys| !keys.is_empty()),
            "{}",
            workload.name()
        );
        for container in workload.containers() {
            for path in texts(&container["args"]).iter().filter_map(|arg| arg.split_once("=/run/secrets/")) {
                let path = format!("/run/secrets/{}", path.1);
                let (dir, file) = path.rsplit_once('/').unwrap();
                let mount = items(&container["volumeMounts"]).find(|it| it["mountPath"] == dir);
                let volume = &mount.unwrap_or_else(|| panic!("nothing is mounted at {dir}"))["name"];
                let volume = items(&workload.pod()["volumes"]).find(|it| it["name"] == *volume).unwrap();
                let secret = &volume["secret"];
                let there = match secret["items"].as_array() {
                    Some(items) => items.iter().any(|it| it["path"] == file),
                    None => keys_of((secret["secretName"].as_str().unwrap(), "")).contains(&file.to_owned()),
                };
                assert!(there, "{path} of {}", workload.name());
            }
        }
    }
}

#[test]
fn every_pod_is_confined() {
    for workload in workloads() {
        let (pod, who) = (workload.pod(), workload.name());
        assert_eq!(pod["automountServiceAccountToken"], false, "{who}");
        let user = &pod["securityContext"];
        assert_eq!((&user["runAsNonRoot"], &user["runAsUser"]), (&json!(true), &json!(65532)), "{who}");
        assert_eq!(user["seccompProfile"]["type"], "RuntimeDefault", "{who}");
        for container in workload.containers() {
            let confined = &container["securityContext"];
            assert_eq!(confined["readOnlyRootFilesystem"], true, "{who}");
            assert_eq!(confined["allowPrivilegeEscalation"], false, "{who}");
            assert_eq!(confined["capabilities"], json!({"drop": ["ALL"]}), "{who}");
            for resource in ["cpu", "memory"] {
                assert!(container["resources"]["requests"][resource].is_string(), "{who}: {resource}");
            }
            assert!(container["resources"]["limits"]["memory"].is_string(), "{who}");
            assert!(container["image"].as_str().unwrap().contains(':'), "{who}: an image without a version");
        }
    }
}

#[test]
fn a_pod_that_is_told_to_stop_has_time_to() {
    for (_, workload) in servers() {
        let container = workload.container();
        let value = |name: &str| {
            let variable = items(&container["env"]).find(|it| it["name"] == name)?;
            Some(variable["value"].as_str().unwrap().to_owned())
        };
        let pre_stop = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap_or(0);
        let args = texts(&container["args"]);
        let stop = pre_stop + longest_stop(workload.is_data_plane(), &args, value);
        let grace = workload.pod()["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(grace > stop, "{}: {grace} s are not more than {stop} s", workload.name());
        assert!(stop > 10 + 20, "{}: load balancers get no time to notice", workload.name());
    }
}

#[test]
fn every_tier_has_a_budget_of_disruptions_a_scaler_and_is_spread() {
    for (folder, workload) in servers() {
        let who = format!("{} in {folder}", workload.name());
        let budgets = of_kind(folder, "PodDisruptionBudget");
        let budgets =
            budgets.iter().filter(|it| workload.is_selected_by(&it["spec"]["selector"]["matchLabels"]));
        let budgets: Vec<_> = budgets.map(|it| &it["spec"]["maxUnavailable"]).collect();
        assert_eq!(budgets, [&json!(1)], "{who}");
        let scaled = |it: &&Value| {
            let target = &it["spec"]["scaleTargetRef"];
            target["name"] == workload.name() && target["kind"] == workload.0["kind"]
        };
        let scalers = of_kind(folder, "HorizontalPodAutoscaler");
        let scaler = scalers.into_iter().find(scaled).unwrap_or_else(|| panic!("nothing scales {who}"));
        assert_eq!(scaler["spec"]["minReplicas"], workload.0["spec"]["replicas"], "{who}");
        let spread: Vec<_> = items(&workload.pod()["topologySpreadConstraints"]).collect();
        assert_eq!(spread.len(), 2, "{who}");
        for constraint in spread {
            assert!(workload.is_selected_by(&constraint["labelSelector"]["matchLabels"]), "{who}");
        }
        let selector = &workload.0["spec"]["selector"]["matchLabels"];
        assert!(workload.is_selected_by(selector) && !selector.as_object().unwrap().is_empty(), "{who}");
    }
}

/// The name of a container's port, or its number.
fn has_port(workload: &Workload, port: &Value) -> bool {
    items(&workload.container()["ports"]).any(|it| it["name"] == *port || it["containerPort"] == *port)
}

#[test]
fn services_lead_to_ports_that_are_open_and_the_ingress_to_services_that_are_there() {
    for folder in ["base", "ephemeral"] {
        let services = of_kind(folder, "Service");
        for service in &services {
            let spec = &service["spec"];
            let workloads = Workload::of(folder);
            let mut behind = workloads.iter().filter(|it| it.is_selected_by(&spec["selector"]));
            let (workload, others) = (behind.next().unwrap(), behind.next());
            assert!(others.is_none(), "{}", name(service));
            assert!(
                items(&spec["ports"]).all(|it| has_port(workload, &it["targetPort"])),
                "{}",
                name(service)
            );
        }
        for ingress in of_kind(folder, "Ingress") {
            for path in items(&ingress["spec"]["rules"]).flat_map(|rule| items(&rule["http"]["paths"])) {
                let to = &path["backend"]["service"];
                let service = services.iter().find(|it| to["name"] == name(it)).expect("a Service");
                assert!(items(&service["spec"]["ports"]).any(|it| it["name"] == to["port"]["name"]), "{to}");
            }
        }
    }
}
