//! Endpoints, ownership, namespaces and nodes, case by case.

use expect_test::expect;
use serde_json::{Value, json};

use super::{World, check, deployment, node};

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "w", "namespace": "d"},
        "spec": {"clusterIP": "10.96.0.9", "selector": {"app": "w"},
            "ports": [{"port": 80, "targetPort": "http", "protocol": "TCP"}]},
    })
}

#[test]
fn endpoints_follow_pods() {
    let mut world = World::new();
    world.put(service());
    let shown = |w: &World| {
        let slice = w.object("endpointslices", &w.names("endpointslices")[0]);
        let legacy = w.object("endpoints", "w");
        let each = slice.items("/endpoints").iter().map(|e| {
            let c = &e["conditions"];
            format!(
                "{} ready={} serving={} terminating={}",
                e["addresses"][0], c["ready"], c["serving"], c["terminating"]
            )
        });
        let each: Vec<String> = each.collect();
        let ports = slice.at("/ports").cloned().unwrap_or_default();
        format!(
            "{} {ports} | {}",
            each.join("; "),
            json!(legacy.items("/subsets"))
        )
    };
    let mut lines = vec![shown(&world)];
    world.put(deployment(2, "i"));
    world.run_pods("n1");
    lines.push(shown(&world));
    let name = world.names("pods")[0].clone();
    world.change("pods", &name, |pod| {
        pod["status"]["conditions"][0]["status"] = "False".into()
    });
    lines.push(shown(&world));
    world.delete("pods", &name, "");
    lines.push(shown(&world));
    expect![[r#"
         null | []
        "10.244.0.1" ready=true serving=true terminating=false; "10.244.0.2" ready=true serving=true terminating=false [{"name":"","port":8080,"protocol":"TCP"}] | [{"addresses":[{"ip":"10.244.0.1","nodeName":"n1","targetRef":{"kind":"Pod","name":"w-775465dd89-2","namespace":"d","uid":"uid-11"}},{"ip":"10.244.0.2","nodeName":"n1","targetRef":{"kind":"Pod","name":"w-775465dd89-3","namespace":"d","uid":"uid-12"}}],"ports":[{"port":8080,"protocol":"TCP"}]}]
        "10.244.0.1" ready=false serving=false terminating=false; "10.244.0.2" ready=true serving=true terminating=false [{"name":"","port":8080,"protocol":"TCP"}] | [{"addresses":[{"ip":"10.244.0.2","nodeName":"n1","targetRef":{"kind":"Pod","name":"w-775465dd89-3","namespace":"d","uid":"uid-12"}}],"notReadyAddresses":[{"ip":"10.244.0.1","nodeName":"n1","targetRef":{"kind":"Pod","name":"w-775465dd89-2","namespace":"d","uid":"uid-11"}}],"ports":[{"port":8080,"protocol":"TCP"}]}]
        "10.244.0.1" ready=false serving=false terminating=true; "10.244.0.2" ready=true serving=true terminating=false [{"name":"","port":8080,"protocol":"TCP"}] | [{"addresses":[{"ip":"10.244.0.2","nodeName":"n1","targetRef":{"kind":"Pod","name":"w-775465dd89-3","namespace":"d","uid":"uid-12"}}],"ports":[{"port":8080,"protocol":"TCP"}]}]
    "#]].assert_eq(&(lines.join("\n") + "\n"));
    let slice = world.object("endpointslices", &world.names("endpointslices")[0]);
    let meta = |at: &str| slice.at(at).cloned().unwrap_or_default().to_string();
    expect![[r#"
        {"endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io","kubernetes.io/service-name":"w"}
        [{"apiVersion":"v1","blockOwnerDeletion":true,"controller":true,"kind":"Service","name":"w","uid":"uid-4"}]
    "#]].assert_eq(&format!(
        "{}\n{}\n",
        meta("/metadata/labels"),
        meta("/metadata/ownerReferences")
    ));
    world.delete("services", "w", "Background");
    assert!(world.names("endpointslices").is_empty() && world.names("endpoints").is_empty());
}

#[test]
fn slices_hold_at_most_a_hundred_and_change_little() {
    let mut world = World::new();
    world.put(service());
    world.put(deployment(250, "i"));
    world.run_pods("n1");
    let lengths = |w: &World| {
        let slices = w.names("endpointslices").into_iter();
        let mut all: Vec<usize> = slices
            .map(|n| w.object("endpointslices", &n).items("/endpoints").len())
            .collect();
        all.sort_unstable();
        all
    };
    assert_eq!(lengths(&world), [50, 100, 100]);
    world.log.clear();
    let name = world.names("pods")[7].clone();
    world.change("pods", &name, |pod| {
        pod["status"]["conditions"][0]["status"] = "False".into()
    });
    let slices = world
        .log
        .iter()
        .filter(|l| l.contains("endpointslices"))
        .count();
    assert_eq!(slices, 1, "{:?}", world.log);
    world.change("deployments", "w", |d| d["spec"]["replicas"] = 0.into());
    world.run_pods("n1");
    assert_eq!(lengths(&world), [0]);
}

#[test]
fn a_deleted_deployment_takes_its_own_along() {
    for (policy, left) in [("Background", 0), ("Foreground", 0), ("Orphan", 1)] {
        let mut world = World::new();
        world.put(deployment(2, "i"));
        world.delete("deployments", "w", policy);
        world.run_pods("n1");
        assert!(world.names("deployments").is_empty(), "{policy}");
        assert_eq!(world.names("replicasets").len(), left, "{policy}");
        assert_eq!(world.names("pods").len(), left * 2, "{policy}");
    }
}

#[test]
fn foreground_deletion_waits_for_the_last_pod() {
    let mut world = World::new();
    world.put(deployment(1, "i"));
    world.run_pods("n1");
    world.delete("deployments", "w", "Foreground");
    assert_eq!(world.names("deployments"), ["w"]);
    assert_eq!(world.names("replicasets").len(), 1);
    world.run_pods("n1");
    assert!(world.names("deployments").is_empty());
}

#[test]
fn an_object_with_one_owner_left_stays() {
    let mut world = World::new();
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "d"}});
    world.put(map("a"));
    world.put(map("b"));
    let owner = |w: &World, n: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": n, "uid": w.object("configmaps", n).uid()});
    let mut child = map("c");
    child["metadata"]["ownerReferences"] = json!([owner(&world, "a"), owner(&world, "b"),
        {"apiVersion": "x.io/v1", "kind": "Unknown", "name": "z", "uid": "z"}]);
    world.put(child);
    world.delete("configmaps", "a", "");
    assert_eq!(
        world
            .object("configmaps", "c")
            .items("/metadata/ownerReferences")
            .len(),
        2
    );
    world.delete("configmaps", "b", "");
    assert_eq!(
        world
            .object("configmaps", "c")
            .items("/metadata/ownerReferences")
            .len(),
        1
    );
}

#[test]
fn a_namespace_is_emptied_and_goes() {
    check(
        |w| {
            w.put(deployment(1, "i"));
            w.run_pods("n1");
            w.log.clear();
            w.delete("namespaces", "d", "");
            let conditions = w.object("namespaces", "d");
            for c in conditions
                .items("/status/conditions")
                .iter()
                .filter(|c| c["status"] == "True")
            {
                w.note(&format!("{}: {}", c["type"], c["message"]));
            }
            w.run_pods("n1");
            assert!(w.api.find("namespaces", "d").is_none());
        },
        expect![[r#"
            deletecollection configmaps 
            deletecollection pods 
            deletecollection serviceaccounts 
            deletecollection deployments 
            deletecollection replicasets 
            update namespaces/status d
            update namespaces/status d
            -- "NamespaceContentRemaining": "Some resources are remaining: pods. has 1 resource instances"
            deletecollection events 
            update namespaces/finalize d
        "#]],
    );
}

#[test]
fn every_namespace_has_an_account_and_the_root_certificate() {
    let mut world = World::new();
    assert_eq!(world.names("serviceaccounts"), ["default"]);
    assert_eq!(
        world
            .object("configmaps", "kube-root-ca.crt")
            .text("/data/ca.crt"),
        "PEM"
    );
    world.delete("serviceaccounts", "default", "");
    world.change("configmaps", "kube-root-ca.crt", |c| {
        c["data"]["ca.crt"] = "forged".into()
    });
    assert_eq!(world.names("serviceaccounts"), ["default"]);
    assert_eq!(
        world
            .object("configmaps", "kube-root-ca.crt")
            .text("/data/ca.crt"),
        "PEM"
    );
}

/// A heartbeat of a node's kubelet.
fn lease(world: &mut World, name: &str) {
    let renewed = world.now.rfc3339_micro();
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-node-lease"}, "spec": {"renewTime": renewed}});
    world.api.put(lease, world.now);
}

#[test]
fn a_silent_node_is_given_up_and_its_pods_are_replaced() {
    check(
        |w| {
            for name in ["n1", "n2", "n3"] {
                w.put(node(name));
                lease(w, name);
            }
            let mut d = deployment(1, "i");
            d["spec"]["template"]["spec"]["tolerations"] = json!([{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]);
            w.put(d);
            w.run_pods("n1");
            w.log.clear();
            for seconds in [45, 5, 299, 1] {
                w.note(&format!("{seconds} s later"));
                w.now = w.now.plus_secs(seconds);
                lease(w, "n2");
                lease(w, "n3");
                w.settle();
            }
            let node = w.object("nodes", "n1");
            w.note(&format!("{}", json!(node.items("/spec/taints"))));
            w.note("it comes back");
            lease(w, "n1");
            lease(w, "n2");
            lease(w, "n3");
            w.change("nodes", "n1", |n| {
                n["status"]["conditions"][0]["status"] = "True".into()
            });
            assert!(w.object("nodes", "n1").items("/spec/taints").is_empty());
        },
        expect![[r#"
            -- 45 s later
            -- 5 s later
            update nodes/status n1
              NodeNotReady Node/n1: Node n1 status is now: NodeNotReady
            patch nodes n1
            patch pods/status w-79f9c8b5fc-1
              NodeNotReady Pod/w-79f9c8b5fc-1: Node is not ready
            update replicasets/status w-79f9c8b5fc
            update deployments/status w
            -- 299 s later
            -- 1 s later
            patch pods/status w-79f9c8b5fc-1
            delete pods w-79f9c8b5fc-1
              TaintManagerEviction Pod/w-79f9c8b5fc-1: Marking for deletion Pod d/w-79f9c8b5fc-1
            create pods w-79f9c8b5fc-2
            update replicasets/status w-79f9c8b5fc
              SuccessfulCreate ReplicaSet/w-79f9c8b5fc: Created pod: w-79f9c8b5fc-2
            update replicasets/status w-79f9c8b5fc
            update deployments/status w
            update deployments/status w
            -- [{"effect":"NoSchedule","key":"node.kubernetes.io/unreachable","timeAdded":"2026-11-23T06:26:28Z"},{"effect":"NoExecute","key":"node.kubernetes.io/unreachable","timeAdded":"2026-11-23T06:26:28Z"}]
            -- it comes back
            patch nodes n1
        "#]],
    );
}

#[test]
fn evictions_keep_a_rate_and_stop_when_everything_is_down() {
    let tainted = |w: &World| {
        let nodes = w.api.list("nodes").into_iter();
        nodes
            .filter(|n| {
                n.items("/spec/taints")
                    .iter()
                    .any(|t| t["effect"] == "NoExecute")
            })
            .count()
    };
    let mut world = World::new();
    for i in 0..6 {
        world.put(node(&format!("n{i}")));
        lease(&mut world, &format!("n{i}"));
    }
    world.now = world.now.plus_secs(50);
    for i in 2..6 {
        lease(&mut world, &format!("n{i}"));
    }
    world.settle();
    assert_eq!(tainted(&world), 1);
    for i in 2..6 {
        lease(&mut world, &format!("n{i}"));
    }
    world.after_secs(10);
    assert_eq!(tainted(&world), 2);
    let mut dark = World::new();
    for i in 0..3 {
        dark.put(node(&format!("n{i}")));
        lease(&mut dark, &format!("n{i}"));
    }
    dark.after_secs(1000);
    assert_eq!(tainted(&dark), 0);
}

#[test]
fn taints_follow_conditions_and_cordons() {
    let mut world = World::new();
    world.put(node("n1"));
    lease(&mut world, "n1");
    let taints = |w: &World| {
        let node = w.object("nodes", "n1");
        let each = node.items("/spec/taints").iter();
        each.map(|t| format!("{}:{}", t["key"], t["effect"]).replace('"', ""))
            .collect::<Vec<_>>()
            .join(" ")
    };
    world.change("nodes", "n1", |n| {
        n["spec"] =
            json!({"unschedulable": true, "taints": [{"key": "mine", "effect": "NoExecute"}]});
        n["status"]["conditions"]
            .as_array_mut()
            .expect("conditions")
            .push(json!({"type": "DiskPressure", "status": "True"}));
    });
    assert_eq!(
        taints(&world),
        "mine:NoExecute node.kubernetes.io/disk-pressure:NoSchedule node.kubernetes.io/unschedulable:NoSchedule"
    );
    assert!(world.object("nodes", "n1").items("/spec/taints")[0]["timeAdded"].is_string());
    world.change("nodes", "n1", |n| {
        n["spec"]["unschedulable"] = false.into();
        n["status"]["conditions"][1]["status"] = "False".into();
    });
    assert_eq!(taints(&world), "mine:NoExecute");
}

#[test]
fn pods_of_nodes_that_are_gone_are_removed() {
    let mut world = World::new();
    world.put(node("n1"));
    lease(&mut world, "n1");
    world.put(deployment(1, "i"));
    world.run_pods("n1");
    let name = world.names("pods")[0].clone();
    world.delete("nodes", "n1", "");
    assert_eq!(world.names("pods"), std::slice::from_ref(&name));
    world.after_secs(40);
    assert!(world.names("pods").len() == 1 && world.names("pods") != [name]);
}
