//! Disruption budgets and quotas: what their status says.

use expect_test::expect;
use serde_json::{Value, json};

use super::{World, deployment};

fn budget(spec: Value) -> Value {
    let mut value = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "b", "namespace": "d"}, "spec": {"selector": {"matchLabels": {"app": "w"}}}});
    for (field, to) in spec.as_object().expect("fields") {
        value["spec"][field] = to.clone();
    }
    value
}

#[test]
fn budgets_allow_what_is_healthy_beyond_what_is_needed() {
    let mut w = World::new();
    w.put(deployment(4, "i"));
    w.run_pods("n1");
    let mut seen = Vec::new();
    for spec in [
        json!({"minAvailable": 3}),
        json!({"minAvailable": "50%"}),
        json!({"maxUnavailable": 1}),
        json!({"maxUnavailable": "30%"}),
        json!({"minAvailable": 5}),
    ] {
        w.put(budget(spec.clone()));
        let status = w.object("poddisruptionbudgets", "b");
        let at = |field: &str| status.int(&format!("/status/{field}")).unwrap_or(-1);
        seen.push(format!(
            "{spec}: {} allowed, {} of {} healthy, {} needed, {}",
            at("disruptionsAllowed"),
            at("currentHealthy"),
            at("expectedPods"),
            at("desiredHealthy"),
            status.text("/status/conditions/0/reason"),
        ));
    }
    expect![[r#"
        {"minAvailable":3}: 1 allowed, 4 of 4 healthy, 3 needed, SufficientPods
        {"minAvailable":"50%"}: 2 allowed, 4 of 4 healthy, 2 needed, SufficientPods
        {"maxUnavailable":1}: 1 allowed, 4 of 4 healthy, 3 needed, SufficientPods
        {"maxUnavailable":"30%"}: 2 allowed, 4 of 4 healthy, 2 needed, SufficientPods
        {"minAvailable":5}: 0 allowed, 4 of 4 healthy, 5 needed, InsufficientPods
    "#]]
    .assert_eq(&(seen.join("\n") + "\n"));
}

#[test]
fn an_admitted_eviction_is_remembered_for_two_minutes() {
    let mut w = World::new();
    w.put(deployment(2, "i"));
    let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    for name in w.names("pods") {
        w.change("pods", &name, |p| p["status"] = ready.clone());
    }
    w.put(budget(json!({"minAvailable": 1})));
    let allowed = |w: &World| {
        w.object("poddisruptionbudgets", "b")
            .int("/status/disruptionsAllowed")
    };
    assert_eq!(allowed(&w), Some(1));
    let (name, now) = (w.names("pods")[0].clone(), w.now.rfc3339());
    w.change("poddisruptionbudgets", "b", |b| {
        b["status"]["disruptedPods"] = json!({name.as_str(): now});
        b["status"]["disruptionsAllowed"] = 0.into();
    });
    assert_eq!(allowed(&w), Some(0));
    w.after_secs(121);
    assert_eq!(allowed(&w), Some(1));
}

#[test]
fn a_budget_of_pods_without_controller_says_what_is_wrong() {
    let mut w = World::new();
    w.put(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "d", "labels": {"app": "w"}},
        "spec": {"containers": []}, "status": {"phase": "Running"}}));
    w.put(budget(json!({"maxUnavailable": 1})));
    let status = w.object("poddisruptionbudgets", "b");
    assert_eq!(status.text("/status/conditions/0/reason"), "SyncFailed");
    assert_eq!(
        status.text("/status/conditions/0/message"),
        "found no controllers for pod \"p\""
    );
}

#[test]
fn a_quota_counts_what_is_there() {
    let mut w = World::new();
    let hard = json!({"pods": "3", "requests.cpu": "2", "limits.memory": "1Gi", "services": "4",
        "count/deployments.apps": "5", "configmaps": "9", "unknown": "1"});
    w.put(json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "d"},
        "spec": {"hard": hard}}));
    let mut seen = vec![w.status("resourcequotas", "q")];
    w.put(deployment(2, "i"));
    w.put(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "d"}, "spec": {
        "containers": [{"name": "c", "resources": {"requests": {"cpu": "300m"}, "limits": {"memory": "64Mi"}}}],
        "initContainers": [{"name": "i", "resources": {"requests": {"cpu": "1"}}}]}}));
    seen.push(w.status("resourcequotas", "q"));
    w.end_pod("p", 0);
    seen.push(w.status("resourcequotas", "q"));
    expect![[r#"
        {"hard":{"configmaps":"9","count/deployments.apps":"5","limits.memory":"1Gi","pods":"3","requests.cpu":"2","services":"4","unknown":"1"},"used":{"configmaps":"1","count/deployments.apps":"0","limits.memory":"0","pods":"0","requests.cpu":"0","services":"0"}}
        {"hard":{"configmaps":"9","count/deployments.apps":"5","limits.memory":"1Gi","pods":"3","requests.cpu":"2","services":"4","unknown":"1"},"used":{"configmaps":"1","count/deployments.apps":"1","limits.memory":"64Mi","pods":"3","requests.cpu":"1","services":"0"}}
        {"hard":{"configmaps":"9","count/deployments.apps":"5","limits.memory":"1Gi","pods":"3","requests.cpu":"2","services":"4","unknown":"1"},"used":{"configmaps":"1","count/deployments.apps":"1","limits.memory":"0","pods":"2","requests.cpu":"0","services":"0"}}
    "#]].assert_eq(&(seen.join("\n") + "\n"));
}
