//! DaemonSets and StatefulSets, case by case.

use expect_test::expect;
use serde_json::{Value, json};

use super::{World, check, node};

fn template(image: &str, app: &str) -> Value {
    json!({"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "c", "image": image}]}})
}

fn daemon_set(strategy: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d", "namespace": "d",
            "annotations": {"deprecated.daemonset.template.generation": "1"}},
        "spec": {"selector": {"matchLabels": {"app": "d"}}, "template": template("i", "d"),
            "revisionHistoryLimit": 10, "updateStrategy": strategy},
    })
}

fn rolling(unavailable: Value, surge: Value) -> Value {
    json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}})
}

/// Every pod runs on the node that it was made for; terminating ones are gone.
fn bind(w: &mut World) {
    for pod in w.api.list("pods") {
        if pod.deletion().is_some() {
            w.api.delete_as("pods", &pod.key(), "", Some(0), w.now);
        } else if pod.text("/status/phase").is_empty() {
            let at = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
            let (node, now) = (pod.text(at).to_owned(), w.now.rfc3339());
            w.change_quietly("pods", pod.name(), |p| {
                p["spec"]["nodeName"] = node.into();
                p["status"] = json!({"phase": "Running",
                    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}]});
            });
        }
    }
    w.settle();
}

#[test]
fn every_node_that_suits_gets_a_pod() {
    check(
        |w| {
            w.put(node("a"));
            w.put(node("b"));
            w.log.clear();
            w.put(daemon_set(rolling(1.into(), 0.into())));
            bind(w);
            let status = w.status("daemonsets", "d");
            w.note(&status);
            w.note("a third node");
            w.put(node("c"));
            bind(w);
            w.note("a taint, a label");
            w.change("nodes", "a", |n| {
                n["spec"]["taints"] = json!([{"key": "x", "effect": "NoExecute"}]);
            });
            bind(w);
            let status = w.status("daemonsets", "d");
            w.note(&status);
        },
        expect![[r#"
            create controllerrevisions d-6644bc469d
            create pods d-1
            create pods d-2
            update daemonsets/status d
              SuccessfulCreate DaemonSet/d: Created pod: d-1
              SuccessfulCreate DaemonSet/d: Created pod: d-2
            update daemonsets/status d
            update daemonsets/status d
            -- {"currentNumberScheduled":2,"desiredNumberScheduled":2,"numberAvailable":2,"numberMisscheduled":0,"numberReady":2,"observedGeneration":1,"updatedNumberScheduled":2}
            -- a third node
            create pods d-3
            update daemonsets/status d
            patch nodes c
              SuccessfulCreate DaemonSet/d: Created pod: d-3
            update daemonsets/status d
            update daemonsets/status d
            -- a taint, a label
            patch nodes a
            delete pods d-1
            update daemonsets/status d
            patch pods/status d-1
              SuccessfulDelete DaemonSet/d: Deleted pod: d-1
            delete pods d-1
              TaintManagerEviction Pod/d-1: Marking for deletion Pod d/d-1
            update daemonsets/status d
            -- {"currentNumberScheduled":2,"desiredNumberScheduled":2,"numberAvailable":2,"numberMisscheduled":0,"numberReady":2,"observedGeneration":1,"updatedNumberScheduled":2}
        "#]],
    );
}

#[test]
fn a_daemons_pod_has_the_recorded_shape() {
    let mut w = World::new();
    w.put(node("a"));
    w.put(daemon_set(rolling(1.into(), 0.into())));
    let pod = w.object("pods", &w.names("pods")[0]);
    let revision = w.object("controllerrevisions", &w.names("controllerrevisions")[0]);
    let hash = revision
        .label("controller-revision-hash")
        .expect("a hash")
        .to_owned();
    let shown: Vec<String> = [
        pod.at("/metadata/labels"),
        pod.at("/spec/affinity"),
        pod.at("/spec/tolerations"),
        revision.at("/metadata/labels"),
        revision.at("/data"),
        revision.at("/revision"),
    ]
    .into_iter()
    .map(|v| {
        v.cloned()
            .unwrap_or_default()
            .to_string()
            .replace(&hash, "HASH")
    })
    .collect();
    expect![[r#"
        {"app":"d","controller-revision-hash":"HASH","pod-template-generation":"1"}
        {"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In","values":["a"]}]}]}}}
        [{"effect":"NoExecute","key":"node.kubernetes.io/not-ready","operator":"Exists"},{"effect":"NoExecute","key":"node.kubernetes.io/unreachable","operator":"Exists"},{"effect":"NoSchedule","key":"node.kubernetes.io/disk-pressure","operator":"Exists"},{"effect":"NoSchedule","key":"node.kubernetes.io/memory-pressure","operator":"Exists"},{"effect":"NoSchedule","key":"node.kubernetes.io/pid-pressure","operator":"Exists"},{"effect":"NoSchedule","key":"node.kubernetes.io/unschedulable","operator":"Exists"}]
        {"app":"d","controller-revision-hash":"HASH"}
        {"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"d"}},"spec":{"containers":[{"image":"i","name":"c"}]}}}}
        1
    "#]].assert_eq(&(shown.join("\n") + "\n"));
}

#[test]
fn a_rolling_update_of_daemons_keeps_its_limits() {
    for (unavailable, surge, least, most) in [
        (json!(1), json!(0), 2, 3),
        (json!("50%"), json!(0), 1, 3),
        (json!(0), json!(1), 3, 4),
    ] {
        let mut w = World::new();
        for name in ["a", "b", "c"] {
            w.put(node(name));
        }
        w.put(daemon_set(rolling(unavailable.clone(), surge)));
        bind(&mut w);
        w.change("daemonsets", "d", |d| {
            d["spec"]["template"] = template("i:2", "d")
        });
        for _ in 0..12 {
            let pods = w.api.list("pods");
            let alive = pods.iter().filter(|p| p.deletion().is_none());
            let ready = alive.clone().filter(|p| crate::meta::is_ready(p)).count();
            assert!(
                ready >= least && alive.clone().count() <= most,
                "{unavailable}: {ready} of {}",
                pods.len()
            );
            bind(&mut w);
        }
        let new = |p: &shared::Object| p.text("/spec/containers/0/image") == "i:2";
        let pods = w.api.list("pods");
        assert!(
            pods.len() == 3 && pods.iter().all(new),
            "{unavailable}: {}",
            w.log.join("\n")
        );
    }
}

#[test]
fn on_delete_waits_for_the_user_and_a_failed_daemon_is_replaced() {
    let mut w = World::new();
    w.put(node("a"));
    w.put(daemon_set(json!({"type": "OnDelete"})));
    bind(&mut w);
    w.change("daemonsets", "d", |d| {
        d["spec"]["template"] = template("i:2", "d")
    });
    bind(&mut w);
    let image = |w: &World| {
        w.object("pods", &w.names("pods")[0])
            .text("/spec/containers/0/image")
            .to_owned()
    };
    assert_eq!(image(&w), "i");
    let name = w.pod_of("d-");
    w.delete("pods", &name, "");
    bind(&mut w);
    bind(&mut w);
    assert_eq!(image(&w), "i:2");
    let name = w.pod_of("d-");
    w.end_pod(&name, 1);
    w.after_secs(15);
    bind(&mut w);
    assert_ne!(w.pod_of("d-"), name);
}

fn stateful_set(replicas: i64, more: Value) -> Value {
    let mut value = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "t", "namespace": "d"},
        "spec": {"replicas": replicas, "serviceName": "t", "podManagementPolicy": "OrderedReady",
            "selector": {"matchLabels": {"app": "t"}}, "template": template("i", "t"),
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "revisionHistoryLimit": 10},
    });
    for (field, to) in more.as_object().expect("fields") {
        value["spec"][field] = to.clone();
    }
    value
}

fn with_claims() -> Value {
    json!({"volumeClaimTemplates": [{"metadata": {"name": "v"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}}}]})
}

#[test]
fn an_ordered_set_starts_and_stops_pod_by_pod() {
    check(
        |w| {
            w.put(stateful_set(2, with_claims()));
            let status = w.status("statefulsets", "t");
            w.note(&status);
            w.note("t-0 runs");
            w.run_pods("n1");
            w.note("t-1 runs");
            w.run_pods("n1");
            let status = w.status("statefulsets", "t");
            w.note(&status);
            w.note("scaled to 0");
            w.change("statefulsets", "t", |s| s["spec"]["replicas"] = 0.into());
            w.run_pods("n1");
            w.run_pods("n1");
            let left = (w.names("pods"), w.names("persistentvolumeclaims"));
            w.note(&format!("{left:?}"));
        },
        expect![[r#"
            create controllerrevisions t-7b49b974f4
            create persistentvolumeclaims v-t-0
              SuccessfulCreate StatefulSet/t: Create Claim v-t-0 Pod t-0 in StatefulSet t success
            create pods t-0
            update statefulsets/status t
              SuccessfulCreate StatefulSet/t: Create Pod t-0 in StatefulSet t successful
            update statefulsets/status t
            -- {"availableReplicas":0,"collisionCount":0,"currentReplicas":1,"currentRevision":"t-7b49b974f4","observedGeneration":1,"replicas":1,"updateRevision":"t-7b49b974f4","updatedReplicas":1}
            -- t-0 runs
            create persistentvolumeclaims v-t-1
              SuccessfulCreate StatefulSet/t: Create Claim v-t-1 Pod t-1 in StatefulSet t success
            create pods t-1
            update statefulsets/status t
              SuccessfulCreate StatefulSet/t: Create Pod t-1 in StatefulSet t successful
            update statefulsets/status t
            -- t-1 runs
            update statefulsets/status t
            -- {"availableReplicas":2,"collisionCount":0,"currentReplicas":2,"currentRevision":"t-7b49b974f4","observedGeneration":1,"readyReplicas":2,"replicas":2,"updateRevision":"t-7b49b974f4","updatedReplicas":2}
            -- scaled to 0
            delete pods t-1
            update statefulsets/status t
              SuccessfulDelete StatefulSet/t: Delete Pod t-1 in StatefulSet t successful
            update statefulsets/status t
            delete pods t-0
            update statefulsets/status t
              SuccessfulDelete StatefulSet/t: Delete Pod t-0 in StatefulSet t successful
            update statefulsets/status t
            update statefulsets/status t
            -- ([], ["v-t-0", "v-t-1"])
        "#]],
    );
}

#[test]
fn pods_of_a_set_have_the_recorded_shape() {
    let mut w = World::new();
    w.put(stateful_set(1, with_claims()));
    let (pod, revision) = (
        w.object("pods", "t-0"),
        w.object("controllerrevisions", &w.names("controllerrevisions")[0]),
    );
    let hash = revision
        .label("controller.kubernetes.io/hash")
        .expect("a hash")
        .to_owned();
    let shown: Vec<String> = [
        pod.at("/metadata/labels"),
        pod.at("/metadata/generateName"),
        pod.at("/spec"),
        w.object("persistentvolumeclaims", "v-t-0")
            .at("/metadata/labels"),
        revision.at("/metadata/labels"),
        w.object("statefulsets", "t").at("/status"),
    ]
    .into_iter()
    .map(|v| {
        v.cloned()
            .unwrap_or_default()
            .to_string()
            .replace(&hash, "HASH")
    })
    .collect();
    expect![[r#"
        {"app":"t","apps.kubernetes.io/pod-index":"0","controller-revision-hash":"t-HASH","statefulset.kubernetes.io/pod-name":"t-0"}
        "t-"
        {"containers":[{"image":"i","name":"c"}],"hostname":"t-0","subdomain":"t","volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"v-t-0"}}]}
        {"app":"t"}
        {"app":"t","controller.kubernetes.io/hash":"HASH"}
        {"availableReplicas":0,"collisionCount":0,"currentReplicas":1,"currentRevision":"t-HASH","observedGeneration":1,"replicas":1,"updateRevision":"t-HASH","updatedReplicas":1}
    "#]].assert_eq(&(shown.join("\n") + "\n"));
}

fn images(w: &World) -> String {
    let pods = w.api.list("pods").into_iter();
    let shown = pods.map(|p| {
        let going = if p.deletion().is_some() { "-" } else { "" };
        format!("{going}{}={}", p.name(), p.text("/spec/containers/0/image"))
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn an_update_goes_down_from_the_highest_to_the_partition() {
    let mut w = World::new();
    w.put(stateful_set(3, json!({})));
    for _ in 0..3 {
        w.run_pods("n1");
    }
    w.change("statefulsets", "t", |s| {
        s["spec"]["template"] = template("i:2", "t");
        s["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 1.into();
    });
    let mut seen = vec![images(&w)];
    for _ in 0..6 {
        w.run_pods("n1");
        seen.push(images(&w));
    }
    let status = w.object("statefulsets", "t");
    let same = status.text("/status/currentRevision") == status.text("/status/updateRevision");
    seen.push(format!("the current revision is the new one: {same}"));
    w.change("statefulsets", "t", |s| {
        s["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 0.into();
    });
    for _ in 0..4 {
        w.run_pods("n1");
    }
    let status = w.object("statefulsets", "t");
    let same = status.text("/status/currentRevision") == status.text("/status/updateRevision");
    seen.push(format!(
        "{} the current revision is the new one: {same}",
        images(&w)
    ));
    seen.dedup();
    expect![[r#"
        t-0=i t-1=i -t-2=i
        t-0=i t-1=i t-2=i:2
        t-0=i -t-1=i t-2=i:2
        t-0=i t-1=i:2 t-2=i:2
        the current revision is the new one: false
        t-0=i:2 t-1=i:2 t-2=i:2 the current revision is the new one: true
    "#]]
    .assert_eq(&(seen.join("\n") + "\n"));
}

#[test]
fn a_parallel_set_does_not_wait() {
    let mut w = World::new();
    w.put(stateful_set(
        3,
        json!({"podManagementPolicy": "Parallel", "ordinals": {"start": 5}}),
    ));
    assert_eq!(w.names("pods"), ["t-5", "t-6", "t-7"]);
    w.run_pods("n1");
    w.change("statefulsets", "t", |s| s["spec"]["replicas"] = 1.into());
    w.run_pods("n1");
    assert_eq!(w.names("pods"), ["t-5"]);
}

#[test]
fn a_failed_pod_of_a_set_comes_back_under_its_name() {
    let mut w = World::new();
    w.put(stateful_set(1, json!({})));
    w.run_pods("n1");
    let before = w.object("pods", "t-0").uid().to_owned();
    w.end_pod("t-0", 1);
    w.run_pods("n1");
    w.run_pods("n1");
    let after = w.object("pods", "t-0");
    assert!(after.uid() != before && after.text("/status/phase") == "Running");
}

#[test]
fn claims_go_with_the_pod_when_the_set_says_so() {
    let mut w = World::new();
    let mut more = with_claims();
    more["persistentVolumeClaimRetentionPolicy"] =
        json!({"whenScaled": "Delete", "whenDeleted": "Delete"});
    w.put(stateful_set(2, more));
    w.run_pods("n1");
    w.run_pods("n1");
    w.change("statefulsets", "t", |s| s["spec"]["replicas"] = 1.into());
    w.run_pods("n1");
    assert_eq!(w.names("persistentvolumeclaims"), ["v-t-0"]);
    w.delete("statefulsets", "t", "Background");
    w.run_pods("n1");
    assert!(w.names("persistentvolumeclaims").is_empty() && w.names("pods").is_empty());
}
