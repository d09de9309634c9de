//! Who may do what: roles and bindings, nodes, impersonation, access reviews.

use apiserver::{Impersonation, User};
use serde_json::{Value, json};

use crate::harness::{Cluster, Reply};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1";
const PODS: &str = "/api/v1/namespaces/rec/pods";

/// A cluster where pod-reader alice may read pods of `rec`, bob views everything, group `ops` edits `rec`, and the
/// account rec:robot owns leases there.
fn cluster() -> Cluster {
    let mut cluster = Cluster::new();
    let role = |name: &str, rules: Value| json!({"metadata": {"name": name}, "rules": rules});
    let reader = json!([{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list", "watch"]}]);
    let owner =
        json!([{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]}]);
    let binding = |name: &str, kind: &str, role: &str, subject: Value| json!({"metadata": {"name": name}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}, "subjects": [subject]});
    let user = |name: &str| json!({"kind": "User", "name": name});
    for (path, object) in [
        ("/namespaces/rec/roles", role("pod-reader", reader)),
        ("/namespaces/rec/roles", role("lease-owner", owner)),
        (
            "/namespaces/rec/rolebindings",
            binding("alice", "Role", "pod-reader", user("alice")),
        ),
        (
            "/clusterrolebindings",
            binding("bob", "ClusterRole", "view", user("bob")),
        ),
        (
            "/namespaces/rec/rolebindings",
            binding(
                "ops",
                "ClusterRole",
                "edit",
                json!({"kind": "Group", "name": "ops"}),
            ),
        ),
        (
            "/namespaces/rec/rolebindings",
            binding(
                "robot",
                "Role",
                "lease-owner",
                json!({"kind": "ServiceAccount", "name": "robot"}),
            ),
        ),
        (
            "/namespaces/rec/rolebindings",
            binding("carol", "Role", "gone", user("carol")),
        ),
    ] {
        let reply = cluster.send("POST", &format!("{RBAC}{path}"), &object.to_string());
        assert_eq!(reply.code, 201, "{path} {}", reply.text);
    }
    cluster
}

/// `alice`, or `NAME GROUP GROUP`.
fn user(words: &str) -> User {
    let mut words = words.split(' ');
    let name = words.next().unwrap_or_default();
    if name == "anonymous" {
        return User::anonymous();
    }
    User::new(name, &words.collect::<Vec<_>>())
}

fn check(cluster: &mut Cluster, who: &str, method: &str, url: &str, want: &str) {
    cluster.user = user(who);
    let body = if method == "POST" { "{}" } else { "" };
    let got = cluster.send(method, url, body).summary();
    assert!(
        got.starts_with(want),
        "{who} {method} {url}\n want {want}\n  got {got}"
    );
}

#[test]
fn roles_allow_what_they_say_where_they_are_bound() {
    let mut cluster = cluster();
    let all = "/api/v1/pods";
    let robot = "system:serviceaccount:rec:robot system:serviceaccounts";
    let leases = "/apis/coordination.k8s.io/v1/namespaces/rec/leases";
    for (who, method, url, want) in [
        ("alice", "GET", PODS, "200"),
        ("alice", "GET", "/api/v1/namespaces/rec/pods/x", "404"),
        (
            "alice",
            "GET",
            "/api/v1/namespaces/default/pods",
            "403 pods is forbidden: User \"alice\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"",
        ),
        (
            "alice",
            "GET",
            all,
            "403 pods is forbidden: User \"alice\" cannot list resource \"pods\" in API group \"\" at the cluster scope",
        ),
        (
            "alice",
            "DELETE",
            "/api/v1/namespaces/rec/pods/x",
            "403 pods \"x\" is forbidden: User \"alice\" cannot delete resource \"pods\"",
        ),
        (
            "alice",
            "GET",
            "/api/v1/namespaces/rec/pods/x/status",
            "403 pods \"x\" is forbidden: User \"alice\" cannot get resource \"pods/status\"",
        ),
        (
            "alice",
            "GET",
            "/api/v1/nodes/n1",
            "403 nodes \"n1\" is forbidden: User \"alice\" cannot get resource \"nodes\" in API group \"\" at the cluster scope",
        ),
        ("bob", "GET", all, "200"),
        (
            "bob",
            "GET",
            "/api/v1/namespaces/rec/secrets",
            "403 secrets is forbidden",
        ),
        ("bob", "POST", PODS, "403 pods is forbidden"),
        ("eve ops", "POST", PODS, "422"),
        ("eve ops", "GET", "/api/v1/namespaces/rec/secrets", "200"),
        ("eve ops", "GET", "/api/v1/namespaces/rec", "200"),
        (
            "eve ops",
            "GET",
            "/api/v1/namespaces/default",
            "403 namespaces \"default\" is forbidden: User \"eve\" cannot get resource \"namespaces\" in API group \"\" in the namespace \"default\"",
        ),
        (
            "eve ops",
            "GET",
            &format!("{RBAC}/namespaces/rec/roles"),
            "403",
        ),
        (robot, "GET", leases, "200"),
        (robot, "GET", PODS, "403"),
        (
            "carol",
            "GET",
            PODS,
            "403 pods is forbidden: User \"carol\" cannot list resource \"pods\" in API group \"\" in the namespace \"rec\": RBAC: role.rbac.authorization.k8s.io \"gone\" not found",
        ),
        (
            "root system:masters",
            "DELETE",
            "/api/v1/namespaces/rec/pods/x",
            "404",
        ),
        ("alice", "GET", "/apis", "200"),
        ("alice", "GET", "/openapi/v3", "200"),
        (
            "alice",
            "GET",
            "/metrics",
            "403 forbidden: User \"alice\" cannot get path \"/metrics\"",
        ),
        ("anonymous", "GET", "/readyz", "200"),
        ("anonymous", "GET", "/version", "200"),
        (
            "anonymous",
            "GET",
            "/api",
            "403 forbidden: User \"system:anonymous\" cannot get path \"/api\"",
        ),
        (
            "anonymous",
            "GET",
            PODS,
            "403 pods is forbidden: User \"system:anonymous\" cannot list",
        ),
        (robot, "GET", "/openid/v1/jwks", "200"),
        ("bob", "GET", "/openid/v1/jwks", "403"),
    ] {
        check(&mut cluster, who, method, url, want);
    }
}

#[test]
fn the_components_have_what_they_need_and_no_more() {
    let mut cluster = cluster();
    let pod = "/api/v1/namespaces/rec/pods/p";
    for (who, method, url, want) in [
        ("system:kube-scheduler", "GET", "/api/v1/pods", "200"),
        ("system:kube-scheduler", "GET", "/api/v1/secrets", "403"),
        ("system:kube-scheduler", "DELETE", pod, "404"),
        (
            "system:kube-controller-manager",
            "GET",
            "/api/v1/secrets",
            "200",
        ),
        ("system:kube-controller-manager", "DELETE", pod, "404"),
        ("system:kube-controller-manager", "POST", PODS, "422"),
        ("system:kube-proxy", "GET", "/api/v1/services", "200"),
        ("system:kube-proxy", "GET", "/api/v1/pods", "403"),
        (
            "system:cloud-controller-manager",
            "DELETE",
            "/api/v1/nodes/x",
            "404",
        ),
        ("system:cloud-controller-manager", "DELETE", pod, "403"),
        (
            "system:serviceaccount:kube-system:coredns",
            "GET",
            "/api/v1/services",
            "200",
        ),
        (
            "system:serviceaccount:kube-system:coredns",
            "GET",
            "/api/v1/secrets",
            "403",
        ),
    ] {
        check(&mut cluster, who, method, url, want);
    }
}

#[test]
fn a_node_sees_to_itself_and_its_pods() {
    let mut cluster = cluster();
    let spec = json!({"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "v", "secret": {"secretName": "mine"}}]});
    for (name, node) in [("near", "n1"), ("far", "n2")] {
        let body = json!({"metadata": {"name": name}, "spec": spec});
        assert_eq!(cluster.send("POST", PODS, &body.to_string()).code, 201);
        let to = json!({"metadata": {"name": name}, "target": {"kind": "Node", "name": node}});
        let reply = cluster.send("POST", &format!("{PODS}/{name}/binding"), &to.to_string());
        assert_eq!(reply.code, 201, "{}", reply.text);
    }
    let lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    let node = "system:node:n1 system:nodes";
    for (method, url, want) in [
        (
            "DELETE",
            &format!("{PODS}/far"),
            "403 pods \"far\" is forbidden: User \"system:node:n1\" cannot delete resource \"pods\" in API group \"\" in the namespace \"rec\": node \"n1\" can only change pods with spec.nodeName set to itself",
        ),
        ("GET", &"/api/v1/nodes/n2".into(), "404"),
        (
            "PATCH",
            &"/api/v1/nodes/n2".into(),
            "403 nodes \"n2\" is forbidden: User \"system:node:n1\" cannot patch resource \"nodes\" in API group \"\" at the cluster scope: node \"n1\" is not allowed to modify node \"n2\"",
        ),
        (
            "PATCH",
            &"/api/v1/nodes/n1".into(),
            "400 error decoding patch",
        ),
        ("GET", &"/api/v1/namespaces/rec/secrets/mine".into(), "404"),
        (
            "GET",
            &"/api/v1/namespaces/rec/secrets/yours".into(),
            "403 secrets \"yours\" is forbidden: User \"system:node:n1\" cannot get resource \"secrets\" in API group \"\" in the namespace \"rec\": no relationship found between node 'n1' and this object",
        ),
        ("GET", &"/api/v1/namespaces/rec/configmaps/x".into(), "403"),
        ("GET", &format!("{lease}/n1"), "404"),
        ("GET", &format!("{lease}/n2"), "403"),
        ("GET", &"/apis/apps/v1/deployments".into(), "403"),
        (
            "POST",
            &"/api/v1/namespaces/rec/serviceaccounts/default/token".into(),
            "201",
        ),
        (
            "POST",
            &"/api/v1/namespaces/rec/serviceaccounts/robot/token".into(),
            "403",
        ),
        ("DELETE", &format!("{PODS}/near"), "200"),
    ] {
        check(&mut cluster, node, method, url, want);
    }
}

fn write(cluster: &mut Cluster, who: &str, path: &str, object: &Value) -> Reply {
    cluster.user = user(who);
    cluster.send("POST", &format!("{RBAC}{path}"), &object.to_string())
}

#[test]
fn nobody_grants_what_they_do_not_have() {
    let mut cluster = cluster();
    let admin_of_rec = json!({"metadata": {"name": "dora"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"}, "subjects": [{"kind": "User", "name": "dora"}]});
    let reply = write(
        &mut cluster,
        "root system:masters",
        "/namespaces/rec/rolebindings",
        &admin_of_rec,
    );
    assert_eq!(reply.code, 201, "{}", reply.text);
    let role = |rules: Value| json!({"metadata": {"name": "r"}, "rules": rules});
    let (within, beyond) = (
        json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]),
        json!([{"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list"]}]),
    );
    let to = |kind: &str, name: &str| json!({"metadata": {"name": "b"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}, "subjects": [{"kind": "User", "name": "eve"}]});
    let refused = "403 roles.rbac.authorization.k8s.io \"r\" is forbidden: user \"dora\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\" \"list\"]}";
    for (path, object, want) in [
        ("/namespaces/rec/roles", role(beyond.clone()), refused),
        ("/namespaces/rec/roles", role(within), "201"),
        (
            "/clusterroles",
            role(beyond),
            "403 clusterroles.rbac.authorization.k8s.io is forbidden: User \"dora\" cannot create",
        ),
        (
            "/namespaces/rec/rolebindings",
            to("ClusterRole", "cluster-admin"),
            "403 rolebindings.rbac.authorization.k8s.io \"b\" is forbidden: user \"dora\"",
        ),
        (
            "/namespaces/rec/rolebindings",
            to("ClusterRole", "none"),
            "404 clusterroles.rbac.authorization.k8s.io \"none\" not found",
        ),
        (
            "/namespaces/rec/rolebindings",
            to("ClusterRole", "view"),
            "201",
        ),
    ] {
        let got = write(&mut cluster, "dora", path, &object).summary();
        assert!(
            got.starts_with(want),
            "{path} {object}\n want {want}\n  got {got}"
        );
    }
}

#[test]
fn reviews_say_who_may_what_and_why() {
    let mut cluster = cluster();
    let about = |verb: &str, resource: &str, namespace: &str| json!({"verb": verb, "resource": resource, "namespace": namespace});
    for (who, spec, allowed, reason) in [
        (
            "alice",
            json!({"resourceAttributes": about("get", "pods", "rec")}),
            true,
            "RBAC: allowed by RoleBinding \"alice/rec\" of Role \"pod-reader\" to User \"alice\"",
        ),
        (
            "alice",
            json!({"resourceAttributes": about("delete", "pods", "rec")}),
            false,
            "",
        ),
        (
            "alice",
            json!({"nonResourceAttributes": {"verb": "get", "path": "/api"}}),
            true,
            "RBAC: allowed by ClusterRoleBinding \"system:discovery\" of ClusterRole \"system:discovery\" to Group \"system:authenticated\"",
        ),
        (
            "root system:masters",
            json!({"resourceAttributes": about("delete", "pods", "")}),
            true,
            "",
        ),
    ] {
        cluster.user = user(who);
        let body = json!({"spec": spec}).to_string();
        let reply = cluster.send(
            "POST",
            &format!("{REVIEWS}/selfsubjectaccessreviews"),
            &body,
        );
        assert_eq!(reply.code, 201, "{}", reply.text);
        assert_eq!(reply.at("/status/allowed"), json!(allowed), "{who} {spec}");
        assert_eq!(
            reply.at("/status/reason").as_str().unwrap_or_default(),
            reason
        );
    }
    cluster.user = user("root system:masters");
    let of_other = json!({"spec": {"user": "eve", "groups": ["ops"], "resourceAttributes": about("create", "pods", "rec")}});
    let reply = cluster.send(
        "POST",
        &format!("{REVIEWS}/subjectaccessreviews"),
        &of_other.to_string(),
    );
    assert_eq!(reply.at("/status/allowed"), json!(true), "{}", reply.text);
    let reply = cluster.send(
        "POST",
        &format!("{REVIEWS}/subjectaccessreviews"),
        r#"{"spec":{"user":"eve"}}"#,
    );
    assert_eq!(reply.code, 422, "{}", reply.text);
    let local = json!({"metadata": {"namespace": "rec"}, "spec": {"user": "eve", "resourceAttributes": about("get", "pods", "default")}});
    let reply = cluster.send(
        "POST",
        &format!("{REVIEWS}/namespaces/rec/localsubjectaccessreviews"),
        &local.to_string(),
    );
    assert_eq!(reply.code, 400, "{}", reply.text);
}

#[test]
fn rules_are_listed_for_the_one_who_asks() {
    let mut cluster = cluster();
    cluster.user = user("alice");
    let reply = cluster.send(
        "POST",
        &format!("{REVIEWS}/selfsubjectrulesreviews"),
        r#"{"spec":{"namespace":"rec"}}"#,
    );
    assert_eq!(reply.code, 201, "{}", reply.text);
    assert_eq!(reply.at("/status/incomplete"), json!(false));
    let rules = reply.at("/status/resourceRules").to_string();
    assert!(
        rules.contains("pods/log") && !rules.contains("leases"),
        "{rules}"
    );
    assert!(
        reply
            .at("/status/nonResourceRules")
            .to_string()
            .contains("/openapi/*")
    );
}

#[test]
fn impersonation_needs_the_right_to_each_part() {
    let mut cluster = cluster();
    let role = json!({"metadata": {"name": "as-bob"}, "rules": [
        {"apiGroups": [""], "resources": ["users"], "resourceNames": ["bob"], "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["ops"], "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]},
    ]});
    let binding = json!({"metadata": {"name": "as-bob"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "as-bob"}, "subjects": [{"kind": "User", "name": "alice"}]});
    for (path, object) in [("/clusterroles", role), ("/clusterrolebindings", binding)] {
        assert_eq!(
            write(&mut cluster, "root system:masters", path, &object).code,
            201
        );
    }
    let snapshot = cluster.store.snapshot();
    for (caller, name, groups, want) in [
        (
            "alice",
            "bob",
            &["ops"][..],
            "bob [\"ops\", \"system:authenticated\"]",
        ),
        (
            "alice",
            "eve",
            &[],
            "403 users \"eve\" is forbidden: User \"alice\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope",
        ),
        (
            "alice",
            "bob",
            &["system:masters"],
            "403 groups \"system:masters\" is forbidden: User \"alice\" cannot impersonate resource \"groups\"",
        ),
        (
            "alice",
            "system:serviceaccount:rec:robot",
            &[],
            "system:serviceaccount:rec:robot [\"system:serviceaccounts\", \"system:serviceaccounts:rec\", \"system:authenticated\"]",
        ),
        ("bob", "alice", &[], "403"),
        (
            "root system:masters",
            "system:anonymous",
            &[],
            "system:anonymous [\"system:unauthenticated\"]",
        ),
        ("root system:masters", "", &["ops"], "500"),
    ] {
        let asked = Impersonation {
            user: name.into(),
            groups: groups.iter().map(|g| (*g).to_owned()).collect(),
            ..Impersonation::default()
        };
        let got = match cluster.server.impersonate(&user(caller), &asked, &snapshot) {
            Ok(user) => format!("{} {:?}", user.name, user.groups),
            Err(status) => format!("{} {}", status.code, status.message),
        };
        assert!(
            got.starts_with(want),
            "{caller} as {name} {groups:?}\n want {want}\n  got {got}"
        );
    }
}

#[test]
fn a_role_that_changes_counts_at_once() {
    let mut cluster = cluster();
    check(&mut cluster, "alice", "GET", PODS, "200");
    cluster.user = user("root system:masters");
    let gone = cluster.send(
        "DELETE",
        &format!("{RBAC}/namespaces/rec/rolebindings/alice"),
        "",
    );
    assert_eq!(gone.code, 200);
    check(&mut cluster, "alice", "GET", PODS, "403");
}
