//! Objects about the API itself that a fresh cluster has: one APIService per group version served, and the
//! configuration of flow control (`apiserver/pkg/apis/flowcontrol/bootstrap/default.go`).
//!
//! Flow control is stored so that clients find it; requests are limited by their number in flight only.

use client::Request;
use serde_json::{Value, json};
use shared::KindRef;

use crate::registry::Registry;

const FLOW_CONTROL: &str = "flowcontrol.apiserver.k8s.io";
/// Says that the server may bring the object up to date.
const AUTO_UPDATE: (&str, &str) = ("apf.kubernetes.io/autoupdate-spec", "true");

/// The order of groups, and of versions within a group (`pkg/controlplane/apiserver/aggregator.go`): group, version,
/// `groupPriorityMinimum`, `versionPriority`.
const PRIORITIES: &[(&str, &str, i64, i64)] = &[
    ("", "v1", 18_000, 1),
    ("apps", "v1", 17_800, 15),
    ("events.k8s.io", "v1", 17_750, 15),
    ("authentication.k8s.io", "v1", 17_700, 15),
    ("authorization.k8s.io", "v1", 17_600, 15),
    ("autoscaling", "v1", 17_500, 15),
    ("autoscaling", "v2", 17_500, 30),
    ("batch", "v1", 17_400, 15),
    ("certificates.k8s.io", "v1", 17_300, 15),
    ("networking.k8s.io", "v1", 17_200, 15),
    ("policy", "v1", 17_100, 15),
    ("rbac.authorization.k8s.io", "v1", 17_000, 15),
    ("storage.k8s.io", "v1", 16_800, 15),
    ("apiextensions.k8s.io", "v1", 16_700, 15),
    ("admissionregistration.k8s.io", "v1", 16_700, 15),
    ("scheduling.k8s.io", "v1", 16_600, 15),
    ("coordination.k8s.io", "v1", 16_500, 15),
    ("node.k8s.io", "v1", 16_300, 15),
    ("discovery.k8s.io", "v1", 16_200, 15),
    ("resource.k8s.io", "v1", 16_200, 15),
    (FLOW_CONTROL, "v1", 16_100, 21),
];
/// The group of the aggregator itself, which has no APIService.
const AGGREGATOR: &str = "apiregistration.k8s.io";

/// Creates for all of them.
pub(crate) fn objects(registry: &Registry) -> Vec<Request> {
    let mut all = api_services(registry);
    let created = |plural: &str, object: Value| {
        Request::create(KindRef::new(FLOW_CONTROL, "v1", plural), object)
    };
    all.extend(
        priority_levels()
            .into_iter()
            .map(|o| created("prioritylevelconfigurations", o)),
    );
    all.extend(
        flow_schemas()
            .into_iter()
            .map(|o| created("flowschemas", o)),
    );
    all
}

fn api_services(registry: &Registry) -> Vec<Request> {
    let served = registry.group_versions().into_iter();
    served
        .filter(|(group, _)| *group != AGGREGATOR)
        .map(|(group, version)| {
            let known = PRIORITIES
                .iter()
                .find(|(g, v, ..)| *g == group && *v == version);
            // What custom groups get.
            let (minimum, priority) = known.map_or((1000, 100), |(.., minimum, p)| (*minimum, *p));
            let object = json!({
                "metadata": {
                    "name": format!("{version}.{group}"),
                    "labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"},
                },
                "spec": {"group": group, "version": version, "groupPriorityMinimum": minimum, "versionPriority": priority},
            });
            Request::create(KindRef::new(AGGREGATOR, "v1", "apiservices"), object)
        })
        .collect()
}

fn named(name: &str, spec: Value) -> Value {
    let (key, value) = AUTO_UPDATE;
    json!({"metadata": {"name": name, "annotations": {key: value}}, "spec": spec})
}

/// The levels: name, shares, what others may borrow in percent, and queues, hand size and queue length.
fn priority_levels() -> Vec<Value> {
    let limited = [
        ("global-default", 20, 50, (128, 6, 50)),
        ("leader-election", 10, 0, (16, 4, 50)),
        ("node-high", 40, 25, (64, 6, 50)),
        ("system", 30, 33, (64, 6, 50)),
        ("workload-high", 40, 50, (128, 6, 50)),
        ("workload-low", 100, 90, (128, 6, 50)),
    ];
    let reject = json!({"type": "Limited", "limited": {"nominalConcurrencyShares": 5, "lendablePercent": 0,
        "limitResponse": {"type": "Reject"}}});
    let exempt =
        json!({"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}});
    let mut all = vec![named("catch-all", reject), named("exempt", exempt)];
    all.extend(
        limited.map(|(name, shares, lendable, (queues, hand, length))| {
            let queuing = json!({"queues": queues, "handSize": hand, "queueLengthLimit": length});
            named(
                name,
                json!({"type": "Limited", "limited": {"nominalConcurrencyShares": shares, "lendablePercent": lendable,
                    "limitResponse": {"type": "Queue", "queuing": queuing}}}),
            )
        }),
    );
    all
}

fn group(name: &str) -> Value {
    json!({"kind": "Group", "group": {"name": name}})
}

fn user(name: &str) -> Value {
    json!({"kind": "User", "user": {"name": name}})
}

fn accounts_of_the_system() -> Value {
    json!({"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": "*"}})
}

/// Everything that these subjects may ask for.
fn all_of(subjects: &[Value]) -> Value {
    json!([{
        "subjects": subjects,
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": true, "namespaces": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }])
}

fn flow_schema(
    name: &str,
    (level, precedence, distinguish): (&str, i64, &str),
    rules: &Value,
) -> Value {
    let mut spec = json!({"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence, "rules": rules});
    if !distinguish.is_empty() {
        crate::value::as_object(&mut spec)
            .insert("distinguisherMethod".into(), json!({"type": distinguish}));
    }
    named(name, spec)
}

fn flow_schemas() -> Vec<Value> {
    let anybody = [
        group("system:unauthenticated"),
        group("system:authenticated"),
    ];
    let leases = |verbs: &[&str]| json!({"verbs": verbs, "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "namespaces": ["*"]});
    let (manager, scheduler) = (
        user("system:kube-controller-manager"),
        user("system:kube-scheduler"),
    );
    let probes = json!([{"subjects": anybody,
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}]}]);
    let election = json!([{"subjects": [manager, scheduler, accounts_of_the_system()],
        "resourceRules": [leases(&["get", "create", "update"])]}]);
    let nodes = json!([{"subjects": [group("system:nodes")], "resourceRules": [
        {"verbs": ["*"], "apiGroups": [""], "resources": ["nodes", "nodes/status"], "clusterScope": true, "namespaces": ["*"]},
        leases(&["*"]),
    ]}]);
    let only = |subject: Value| all_of(&[subject]);
    let (user, namespace) = ("ByUser", "ByNamespace");
    let (masters, accounts) = (group("system:masters"), group("system:serviceaccounts"));
    let rows = [
        ("exempt", ("exempt", 1, ""), only(masters)),
        ("probes", ("exempt", 2, ""), probes),
        (
            "system-leader-election",
            ("leader-election", 100, user),
            election,
        ),
        ("system-node-high", ("node-high", 400, user), nodes),
        (
            "system-nodes",
            ("system", 500, user),
            only(group("system:nodes")),
        ),
        (
            "kube-controller-manager",
            ("workload-high", 800, namespace),
            only(manager),
        ),
        (
            "kube-scheduler",
            ("workload-high", 800, namespace),
            only(scheduler),
        ),
        (
            "kube-system-service-accounts",
            ("workload-high", 900, namespace),
            only(accounts_of_the_system()),
        ),
        (
            "service-accounts",
            ("workload-low", 9000, user),
            only(accounts),
        ),
        (
            "global-default",
            ("global-default", 9900, user),
            all_of(&anybody),
        ),
        ("catch-all", ("catch-all", 10_000, user), all_of(&anybody)),
    ];
    let schemas = rows.iter();
    schemas
        .map(|(name, how, rules)| flow_schema(name, *how, rules))
        .collect()
}
