//! A pod as the scheduler reads it: parsed once per change, then only compared.

use serde_json::Value;
use shared::selector::Selector;
use shared::{Millis, Object};

use crate::node::Taint;
use crate::resources::{Resources, pod_requests, pod_requests_assumed};

/// The scheduler that pods name when they name none (`corev1.DefaultSchedulerName`).
pub const DEFAULT_SCHEDULER_NAME: &str = "default-scheduler";

/// A parsed pod.
#[derive(Debug)]
pub struct PodInfo {
    /// The object it was parsed from.
    pub object: Object,
    /// What it requests.
    pub requests: Resources,
    /// Requested CPU in millicores and memory in bytes, with assumed amounts where none are requested.
    pub assumed: (i64, i64),
    /// `spec.priority`.
    pub priority: i64,
    /// True when `preemptionPolicy` is `Never`.
    pub never_preempts: bool,
    pub(crate) created: Millis,
    pub(crate) host_ports: Vec<HostPort>,
    pub(crate) tolerations: Vec<Toleration>,
    pub(crate) node_selector: Vec<(String, String)>,
    pub(crate) affinity: Option<Box<Affinity>>,
    pub(crate) spread: Vec<SpreadConstraint>,
}

/// A port on the node's own address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostPort {
    pub(crate) ip: String,
    pub(crate) protocol: String,
    pub(crate) port: i64,
}

impl HostPort {
    /// True when both cannot be open on one node: `0.0.0.0` stands for every address.
    pub(crate) fn conflicts(&self, other: &Self) -> bool {
        let any = |ip: &str| ip == "0.0.0.0";
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || any(&self.ip) || any(&other.ip))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Toleration {
    key: String,
    exists: bool,
    value: String,
    effect: String,
}

impl Toleration {
    /// `corev1.Toleration.ToleratesTaint`: an empty effect means all, an empty key with Exists all keys.
    pub(crate) fn tolerates(&self, taint: &Taint) -> bool {
        (self.effect.is_empty() || self.effect == taint.effect)
            && (self.key == taint.key || (self.key.is_empty() && self.exists))
            && (self.exists || self.value == taint.value)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Affinity {
    pub(crate) node_required: Option<Vec<NodeTerm>>,
    pub(crate) node_preferred: Vec<(i64, NodeTerm)>,
    pub(crate) pods: Vec<PodTerm>,
    pub(crate) anti_pods: Vec<PodTerm>,
    pub(crate) pods_preferred: Vec<(i64, PodTerm)>,
    pub(crate) anti_pods_preferred: Vec<(i64, PodTerm)>,
}

/// A `NodeSelectorTerm`: every requirement must hold; one without any matches no node.
#[derive(Debug, Default)]
pub(crate) struct NodeTerm {
    pub(crate) labels: Vec<NodeRequirement>,
    pub(crate) names: Vec<NodeRequirement>,
}

#[derive(Debug)]
pub(crate) struct NodeRequirement {
    pub(crate) key: String,
    pub(crate) operator: String,
    pub(crate) values: Vec<String>,
}

impl NodeRequirement {
    pub(crate) fn matches(&self, value: Option<&str>) -> bool {
        let listed = |v: &str| self.values.iter().any(|w| w == v);
        let number = |v: &str| v.parse::<i64>().ok();
        let bound = || self.values.first().and_then(|v| number(v));
        match (self.operator.as_str(), value) {
            ("In", Some(v)) => listed(v),
            ("NotIn", Some(v)) => !listed(v),
            ("NotIn" | "DoesNotExist", None) | ("Exists", Some(_)) => true,
            ("Gt", Some(v)) => matches!((number(v), bound()), (Some(a), Some(b)) if a > b),
            ("Lt", Some(v)) => matches!((number(v), bound()), (Some(a), Some(b)) if a < b),
            _ => false,
        }
    }
}

/// A `PodAffinityTerm`.
#[derive(Debug)]
pub(crate) struct PodTerm {
    pub(crate) topology_key: String,
    pub(crate) selector: Option<Selector>,
    pub(crate) namespaces: Vec<String>,
    pub(crate) namespace_selector: Option<Selector>,
}

/// A `TopologySpreadConstraint`.
#[derive(Clone, Debug)]
pub(crate) struct SpreadConstraint {
    pub(crate) max_skew: i64,
    pub(crate) topology_key: String,
    pub(crate) hard: bool,
    pub(crate) min_domains: Option<i64>,
    pub(crate) honor_affinity: bool,
    pub(crate) honor_taints: bool,
    /// The selector in its object form with `matchLabelKeys` merged in: also the name of its count group.
    pub(crate) selector: Value,
}

impl PodInfo {
    /// Parses a pod.
    #[must_use]
    pub fn parse(object: &Object) -> Self {
        let none = Value::Null;
        let spec = object.at("/spec").unwrap_or(&none);
        let labels = object.at("/metadata/labels");
        let node_selector = spec.get("nodeSelector").and_then(Value::as_object);
        Self {
            requests: pod_requests(spec),
            assumed: pod_requests_assumed(spec),
            priority: object.int("/spec/priority").unwrap_or(0),
            never_preempts: object.text("/spec/preemptionPolicy") == "Never",
            created: object.created().unwrap_or_default(),
            host_ports: host_ports(object),
            tolerations: object
                .items("/spec/tolerations")
                .iter()
                .map(toleration)
                .collect(),
            node_selector: node_selector
                .into_iter()
                .flatten()
                .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().into()))
                .collect(),
            affinity: spec
                .get("affinity")
                .filter(|a| a.as_object().is_some_and(|a| !a.is_empty()))
                .map(|a| Box::new(affinity(a, object, labels))),
            spread: object
                .items("/spec/topologySpreadConstraints")
                .iter()
                .map(|c| spread_constraint(c, labels))
                .collect(),
            object: object.clone(),
        }
    }

    /// `metadata.uid`.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.object.uid()
    }

    /// `spec.nodeName`, `""` while unbound.
    #[must_use]
    pub fn node(&self) -> &str {
        self.object.text("/spec/nodeName")
    }

    /// True when it has ended and holds no resources.
    #[must_use]
    pub fn ended(&self) -> bool {
        matches!(self.object.text("/status/phase"), "Succeeded" | "Failed")
    }

    /// True when the scheduler of this name is to place it.
    pub(crate) fn wants_node_of(&self, scheduler: &str) -> bool {
        let named = match self.object.text("/spec/schedulerName") {
            "" => DEFAULT_SCHEDULER_NAME,
            named => named,
        };
        self.node().is_empty()
            && !self.ended()
            && self.object.deletion().is_none()
            && named == scheduler
    }

    /// True while scheduling gates hold it back (KEP-3521).
    pub(crate) fn gated(&self) -> bool {
        !self.object.items("/spec/schedulingGates").is_empty()
    }

    pub(crate) fn tolerates(&self, taint: &Taint) -> bool {
        self.tolerations.iter().any(|t| t.tolerates(taint))
    }

    pub(crate) fn labels(&self) -> Option<&Value> {
        self.object.at("/metadata/labels")
    }

    /// Names of the claims that its volumes use.
    pub(crate) fn claims(&self) -> impl Iterator<Item = &str> {
        self.object
            .items("/spec/volumes")
            .iter()
            .filter_map(|v| v.pointer("/persistentVolumeClaim/claimName")?.as_str())
    }

    pub(crate) fn has_affinity_terms(&self) -> bool {
        self.affinity.as_ref().is_some_and(|a| {
            !(a.pods.is_empty()
                && a.anti_pods.is_empty()
                && a.pods_preferred.is_empty()
                && a.anti_pods_preferred.is_empty())
        })
    }
}

fn text(value: &Value, field: &str) -> String {
    let text = value.get(field).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

fn strings(value: &Value, field: &str) -> Vec<String> {
    let items = value.get(field).and_then(Value::as_array);
    items
        .into_iter()
        .flatten()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect()
}

fn host_ports(pod: &Object) -> Vec<HostPort> {
    let containers = pod.items("/spec/containers").iter();
    let ports = containers.flat_map(|c| list(c, "/ports"));
    ports
        .filter_map(|p| {
            let port = p.get("hostPort")?.as_i64().filter(|p| *p > 0)?;
            let or = |text: String, default: &str| {
                if text.is_empty() {
                    default.to_owned()
                } else {
                    text
                }
            };
            Some(HostPort {
                ip: or(text(p, "hostIP"), "0.0.0.0"),
                protocol: or(text(p, "protocol"), "TCP"),
                port,
            })
        })
        .collect()
}

fn toleration(value: &Value) -> Toleration {
    Toleration {
        key: text(value, "key"),
        exists: text(value, "operator") == "Exists",
        value: text(value, "value"),
        effect: text(value, "effect"),
    }
}

fn node_term(term: &Value) -> NodeTerm {
    let requirements = |pointer| {
        let each = list(term, pointer).iter();
        each.map(|r| NodeRequirement {
            key: text(r, "key"),
            operator: text(r, "operator"),
            values: strings(r, "values"),
        })
        .collect()
    };
    NodeTerm {
        labels: requirements("/matchExpressions"),
        names: requirements("/matchFields"),
    }
}

fn affinity(affinity: &Value, pod: &Object, labels: Option<&Value>) -> Affinity {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let term = |t: &Value| pod_term(t, pod.namespace(), labels);
    let weight = |t: &Value| t.get("weight").and_then(Value::as_i64).unwrap_or(0);
    let none = Value::Null;
    let part = |t: &Value, field: &str| t.get(field).unwrap_or(&none).clone();
    let required = |kind: &str| {
        let terms = list(affinity, &format!("/{kind}/{REQUIRED}"));
        terms.iter().map(term).collect::<Vec<_>>()
    };
    let preferred = |kind: &str| {
        let terms = list(affinity, &format!("/{kind}/{PREFERRED}")).iter();
        terms
            .map(|t| (weight(t), term(&part(t, "podAffinityTerm"))))
            .collect::<Vec<_>>()
    };
    let node_required = affinity.pointer(&format!("/nodeAffinity/{REQUIRED}"));
    let node_preferred = list(affinity, &format!("/nodeAffinity/{PREFERRED}")).iter();
    Affinity {
        node_required: node_required.map(|r| {
            list(r, "/nodeSelectorTerms")
                .iter()
                .map(node_term)
                .collect()
        }),
        node_preferred: node_preferred
            .map(|t| (weight(t), node_term(&part(t, "preference"))))
            .collect(),
        pods: required("podAffinity"),
        anti_pods: required("podAntiAffinity"),
        pods_preferred: preferred("podAffinity"),
        anti_pods_preferred: preferred("podAntiAffinity"),
    }
}

fn pod_term(term: &Value, namespace: &str, labels: Option<&Value>) -> PodTerm {
    let merged = term.get("labelSelector").map(|selector| {
        let with = merge_keys(selector, strings(term, "matchLabelKeys"), labels, "In");
        merge_keys(&with, strings(term, "mismatchLabelKeys"), labels, "NotIn")
    });
    let mut namespaces = strings(term, "namespaces");
    let namespace_selector = Selector::from_object(term.get("namespaceSelector"));
    if namespaces.is_empty() && namespace_selector.is_none() {
        namespaces.push(namespace.to_owned());
    }
    PodTerm {
        topology_key: text(term, "topologyKey"),
        selector: Selector::from_object(merged.as_ref()),
        namespaces,
        namespace_selector,
    }
}

fn spread_constraint(constraint: &Value, labels: Option<&Value>) -> SpreadConstraint {
    let int = |field: &str| constraint.get(field).and_then(Value::as_i64);
    let selector = constraint.get("labelSelector").unwrap_or(&Value::Null);
    SpreadConstraint {
        max_skew: int("maxSkew").unwrap_or(1),
        topology_key: text(constraint, "topologyKey"),
        hard: text(constraint, "whenUnsatisfiable") != "ScheduleAnyway",
        min_domains: int("minDomains"),
        honor_affinity: text(constraint, "nodeAffinityPolicy") != "Ignore",
        honor_taints: text(constraint, "nodeTaintsPolicy") == "Honor",
        selector: merge_keys(
            selector,
            strings(constraint, "matchLabelKeys"),
            labels,
            "In",
        ),
    }
}

/// Adds the pod's own values of `keys` to a label selector (KEP-3243, KEP-3633).
fn merge_keys(
    selector: &Value,
    keys: Vec<String>,
    labels: Option<&Value>,
    operator: &str,
) -> Value {
    let mut selector = selector.clone();
    for key in keys {
        let Some(value) = labels.and_then(|l| l.get(&key)).and_then(Value::as_str) else {
            continue;
        };
        let requirement = serde_json::json!({"key": key, "operator": operator, "values": [value]});
        if let Some(map) = selector.as_object_mut() {
            let slot = map
                .entry("matchExpressions")
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Some(list) = slot.as_array_mut() {
                list.push(requirement);
            }
        }
    }
    selector
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tolerations_match_taints_as_documented() {
        let taint = Taint {
            key: "k".into(),
            value: "v".into(),
            effect: "NoSchedule".into(),
        };
        for (given, want) in [
            (
                json!({"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}),
                true,
            ),
            (json!({"key": "k", "value": "v"}), true),
            (json!({"key": "k", "value": "w"}), false),
            (json!({"key": "k", "operator": "Exists"}), true),
            (json!({"operator": "Exists"}), true),
            (json!({"operator": "Exists", "effect": "NoExecute"}), false),
            (json!({"key": "other", "operator": "Exists"}), false),
        ] {
            assert_eq!(toleration(&given).tolerates(&taint), want, "{given}");
        }
    }

    #[test]
    fn node_requirements_know_every_operator() {
        for (operator, values, value, want) in [
            ("In", vec!["a", "b"], Some("a"), true),
            ("In", vec!["a"], None, false),
            ("NotIn", vec!["a"], None, true),
            ("NotIn", vec!["a"], Some("a"), false),
            ("Exists", vec![], Some(""), true),
            ("DoesNotExist", vec![], Some(""), false),
            ("Gt", vec!["3"], Some("4"), true),
            ("Gt", vec!["3"], Some("3"), false),
            ("Lt", vec!["3"], Some("2"), true),
            ("Lt", vec!["3"], Some("x"), false),
            ("Near", vec![], Some("x"), false),
        ] {
            let requirement = NodeRequirement {
                key: "k".into(),
                operator: operator.into(),
                values: values.into_iter().map(str::to_owned).collect(),
            };
            assert_eq!(
                requirement.matches(value),
                want,
                "{requirement:?} {value:?}"
            );
        }
    }

    #[test]
    fn host_ports_clash_only_on_a_shared_address() {
        let port = |ip: &str, port| HostPort {
            ip: ip.into(),
            protocol: "TCP".into(),
            port,
        };
        assert!(port("0.0.0.0", 80).conflicts(&port("10.0.0.1", 80)));
        assert!(!port("10.0.0.2", 80).conflicts(&port("10.0.0.1", 80)));
        assert!(!port("0.0.0.0", 81).conflicts(&port("0.0.0.0", 80)));
    }

    #[test]
    fn match_label_keys_join_the_selector() {
        let labels = json!({"hash": "1"});
        let merged = merge_keys(
            &json!({}),
            vec!["hash".into(), "none".into()],
            Some(&labels),
            "In",
        );
        assert_eq!(
            merged,
            json!({"matchExpressions": [{"key": "hash", "operator": "In", "values": ["1"]}]})
        );
    }
}
