//! Tables: the columns and cells that `kubectl get` prints, computed here (`pkg/printers/internalversion`).

mod core;
mod extension;
mod others;
mod workload;

use serde_json::{Value, json};
use shared::{Kind, Millis, Object};

use crate::value::{field, items};

/// One kind's table: its columns as `name:type:format:priority`, and what fills them.
struct Layout {
    group: &'static str,
    plural: &'static str,
    columns: &'static str,
    cells: fn(&Object, Millis) -> Vec<Value>,
}

const fn layout(
    group: &'static str,
    plural: &'static str,
    columns: &'static str,
    cells: fn(&Object, Millis) -> Vec<Value>,
) -> Layout {
    Layout {
        group,
        plural,
        columns,
        cells,
    }
}

const EVENT: &str = "Last Seen:string::0|Type:string::0|Reason:string::0|Object:string::0|Subobject:string::1|Source:string::1|Message:string::0|First Seen:string::1|Count:string::1|Name:string:name:1";
const BINDING: &str = "Name:string:name:0|Role:string::0|Age:string::0|Users:string::1|Groups:string::1|ServiceAccounts:string::1";
const REPLICAS: &str = "Name:string:name:0|Desired:integer::0|Current:integer::0|Ready:integer::0|Age:string::0|Containers:string::1|Images:string::1|Selector:string::1";

const POLICY_BINDING: &str =
    "Name:string:name:0|PolicyName:string::0|ParamRef:string::0|Age:string::0";
const WEBHOOKS: &str = "Name:string:name:0|Webhooks:integer::0|Age:string::0";

#[rustfmt::skip]
static LAYOUTS: &[Layout] = &[
    layout("", "configmaps", "Name:string:name:0|Data:string::0|Age:string::0", core::config_map),
    layout("", "endpoints", "Name:string:name:0|Endpoints:string::0|Age:string::0", core::endpoints),
    layout("", "events", EVENT, core::event),
    layout("events.k8s.io", "events", EVENT, core::new_event),
    layout("", "namespaces", "Name:string:name:0|Status:string::0|Age:string::0", core::namespace),
    layout("", "nodes", "Name:string:name:0|Status:string::0|Roles:string::0|Age:string::0|Version:string::0|Internal-IP:string::1|External-IP:string::1|OS-Image:string::1|Kernel-Version:string::1|Container-Runtime:string::1", core::node),
    layout("", "persistentvolumeclaims", "Name:string:name:0|Status:string::0|Volume:string::0|Capacity:string::0|Access Modes:string::0|StorageClass:string::0|VolumeAttributesClass:string::0|Age:string::0|VolumeMode:string::1", others::claim),
    layout("", "persistentvolumes", "Name:string:name:0|Capacity:string::0|Access Modes:string::0|Reclaim Policy:string::0|Status:string::0|Claim:string::0|StorageClass:string::0|VolumeAttributesClass:string::0|Reason:string::0|Age:string::0|VolumeMode:string::1", others::volume),
    layout("", "pods", "Name:string:name:0|Ready:string::0|Status:string::0|Restarts:string::0|Age:string::0|IP:string::1|Node:string::1|Nominated Node:string::1|Readiness Gates:string::1", core::pod),
    layout("", "podtemplates", "Name:string:name:0|Containers:string::0|Images:string::0|Pod Labels:string::0", workload::pod_template),
    layout("", "replicationcontrollers", REPLICAS, workload::replicas),
    layout("", "resourcequotas", "Name:string:name:0|Request:string::0|Limit:string::0|Age:string::0", others::quota),
    layout("", "secrets", "Name:string:name:0|Type:string::0|Data:string::0|Age:string::0", core::secret),
    layout("", "serviceaccounts", "Name:string:name:0|Age:string::0", |o, now| vec![age(o, now)]),
    layout("", "services", "Name:string:name:0|Type:string::0|Cluster-IP:string::0|External-IP:string::0|Port(s):string::0|Age:string::0|Selector:string::1", core::service),
    layout("apps", "controllerrevisions", "Name:string:name:0|Controller:string::0|Revision:string::0|Age:string::0", workload::controller_revision),
    layout("apps", "daemonsets", "Name:string:name:0|Desired:integer::0|Current:integer::0|Ready:integer::0|Up-to-date:integer::0|Available:integer::0|Node Selector:string::0|Age:string::0|Containers:string::1|Images:string::1|Selector:string::1", workload::daemon_set),
    layout("apps", "deployments", "Name:string:name:0|Ready:string::0|Up-to-date:string::0|Available:string::0|Age:string::0|Containers:string::1|Images:string::1|Selector:string::1", workload::deployment),
    layout("apps", "replicasets", REPLICAS, workload::replicas),
    layout("apps", "statefulsets", "Name:string:name:0|Ready:string::0|Age:string::0|Containers:string::1|Images:string::1", workload::stateful_set),
    layout("autoscaling", "scales", "Name:string:name:0|Desired:integer::0|Available:integer::0|Age:string::0", workload::scale),
    layout("autoscaling", "horizontalpodautoscalers", "Name:string:name:0|Reference:string::0|Targets:string::0|MinPods:string::0|MaxPods:string::0|Replicas:string::0|Age:string::0", workload::autoscaler),
    layout("batch", "cronjobs", "Name:string:name:0|Schedule:string::0|Timezone:string::0|Suspend:boolean::0|Active:integer::0|Last Schedule:string::0|Age:string::0|Containers:string::1|Images:string::1|Selector:string::1", workload::cron_job),
    layout("batch", "jobs", "Name:string:name:0|Status:string::0|Completions:string::0|Duration:string::0|Age:string::0|Containers:string::1|Images:string::1|Selector:string::1", workload::job),
    layout("networking.k8s.io", "ingressclasses", "Name:string:name:0|Controller:string::0|Parameters:string::0|Age:string::0", others::ingress_class),
    layout("networking.k8s.io", "ingresses", "Name:string:name:0|Class:string::0|Hosts:string::0|Address:string::0|Ports:string::0|Age:string::0", others::ingress),
    layout("networking.k8s.io", "ipaddresses", "Name:string:name:0|ParentRef:string::0", others::ip_address),
    layout("networking.k8s.io", "networkpolicies", "Name:string:name:0|Pod-Selector:string::0|Age:string::0", others::network_policy),
    layout("networking.k8s.io", "servicecidrs", "Name:string:name:0|CIDRs:string::0|Age:string::0", others::service_cidr),
    layout("policy", "poddisruptionbudgets", "Name:string:name:0|Min Available:string::0|Max Unavailable:string::0|Allowed Disruptions:integer::0|Age:string::0", workload::disruption_budget),
    layout("rbac.authorization.k8s.io", "clusterrolebindings", BINDING, others::role_binding),
    layout("rbac.authorization.k8s.io", "rolebindings", BINDING, others::role_binding),
    layout("storage.k8s.io", "csinodes", "Name:string:name:0|Drivers:integer::0|Age:string::0", others::csi_node),
    layout("storage.k8s.io", "csidrivers", "Name:string:name:0|AttachRequired:boolean::0|PodInfoOnMount:boolean::0|StorageCapacity:boolean::0|TokenRequests:string::0|RequiresRepublish:boolean::0|Modes:string::0|Age:string::0", others::csi_driver),
    layout("storage.k8s.io", "storageclasses", "Name:string:name:0|Provisioner:string::0|ReclaimPolicy:string::0|VolumeBindingMode:string::0|AllowVolumeExpansion:string::0|Age:string::0", others::storage_class),
    layout("storage.k8s.io", "volumeattachments", "Name:string:name:0|Attacher:string:name:0|PV:string::0|Node:string::0|Attached:boolean::0|Age:string::0", others::volume_attachment),
    layout("scheduling.k8s.io", "priorityclasses", "Name:string:name:0|Value:integer::0|Global-Default:boolean::0|Age:string::0|PreemptionPolicy:string::0", others::priority_class),
    layout("coordination.k8s.io", "leases", "Name:string:name:0|Holder:string::0|Age:string::0", others::lease),
    layout("node.k8s.io", "runtimeclasses", "Name:string:name:0|Handler:string::0|Age:string::0", others::runtime_class),
    layout("", "componentstatuses", "Name:string:name:0|Status:string::0|Message:string::0|Error:string::0", extension::component_status),
    layout("apiregistration.k8s.io", "apiservices", "Name:string:name:0|Service:string::0|Available:string::0|Age:string::0", extension::api_service),
    layout("certificates.k8s.io", "certificatesigningrequests", "Name:string:name:0|Age:string::0|SignerName:string::0|Requestor:string::0|RequestedDuration:string::0|Condition:string::0", extension::signing_request),
    layout("storage.k8s.io", "volumeattributesclasses", "Name:string:name:0|DriverName:string::0|Age:string::0", extension::attributes_class),
    layout("admissionregistration.k8s.io", "mutatingadmissionpolicies", "Name:string:name:0|Mutations:integer::0|ParamKind:string::0|Age:string::0", extension::mutating_policy),
    layout("admissionregistration.k8s.io", "mutatingadmissionpolicybindings", POLICY_BINDING, extension::policy_binding),
    layout("admissionregistration.k8s.io", "mutatingwebhookconfigurations", WEBHOOKS, extension::webhooks),
    layout("admissionregistration.k8s.io", "validatingadmissionpolicies", "Name:string:name:0|Validations:integer::0|ParamKind:string::0|Age:string::0", extension::validating_policy),
    layout("admissionregistration.k8s.io", "validatingadmissionpolicybindings", POLICY_BINDING, extension::policy_binding),
    layout("admissionregistration.k8s.io", "validatingwebhookconfigurations", WEBHOOKS, extension::webhooks),
    layout("resource.k8s.io", "deviceclasses", "Name:string:name:0|Age:string::0", |o, now| vec![age(o, now)]),
    layout("resource.k8s.io", "resourceclaims", "Name:string:name:0|State:string::0|Age:string::0", extension::resource_claim),
    layout("resource.k8s.io", "resourceclaimtemplates", "Name:string:name:0|Age:string::0", |o, now| vec![age(o, now)]),
    layout("resource.k8s.io", "resourceslices", "Name:string:name:0|Node:string::0|Driver:string::0|Pool:string::0|Age:string::0", extension::resource_slice),
    layout("flowcontrol.apiserver.k8s.io", "flowschemas", "Name:string:name:0|PriorityLevel:string::0|MatchingPrecedence:string::0|DistinguisherMethod:string::0|Age:string::0|MissingPL:string::0", extension::flow_schema),
    layout("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", "Name:string:name:0|Type:string::0|NominalConcurrencyShares:string::0|Queues:string::0|HandSize:string::0|QueueLengthLimit:string::0|Age:string::0", extension::priority_level),
    layout("discovery.k8s.io", "endpointslices", "Name:string:name:0|AddressType:string::0|Ports:string::0|Endpoints:string::0|Age:string::0", others::endpoint_slice),
];

/// What kinds without a table of their own show.
static PLAIN: Layout = layout("", "", "Name:string:name:0|Created At:date::0", |o, _| {
    vec![o.text("/metadata/creationTimestamp").into()]
});

fn of(kind: &Kind) -> &'static Layout {
    LAYOUTS
        .iter()
        .find(|l| l.group == kind.group && l.plural == kind.plural)
        .unwrap_or(&PLAIN)
}

/// The `columnDefinitions` of a kind's table.
pub(crate) fn columns(kind: &Kind) -> Vec<Value> {
    of(kind)
        .columns
        .split('|')
        .map(|column| {
            let parts: Vec<&str> = column.split(':').collect();
            let part = |i: usize| parts.get(i).copied().unwrap_or_default();
            let description = if part(2) == "name" {
                "Name must be unique within a namespace."
            } else {
                part(0)
            };
            json!({
                "name": part(0),
                "type": part(1),
                "format": part(2),
                "description": description,
                "priority": part(3).parse::<i32>().unwrap_or(0),
            })
        })
        .collect()
}

/// The cells of one object, in the order of the columns.
pub(crate) fn cells(kind: &Kind, object: &Object, now: Millis) -> Vec<Value> {
    let layout = of(kind);
    let mut cells = (layout.cells)(object, now);
    // Every table but that of events begins with the name.
    let at = if layout.columns == EVENT {
        cells.len()
    } else {
        0
    };
    cells.insert(at, object.name().into());
    cells
}

fn age(object: &Object, now: Millis) -> Value {
    shared::view::age(object, now).into()
}

fn or_none(text: &str) -> Value {
    if text.is_empty() {
        "<none>".into()
    } else {
        text.into()
    }
}

/// The integer at a pointer, 0 when absent.
fn count(object: &Object, pointer: &str) -> Value {
    object.int(pointer).unwrap_or(0).into()
}

/// Names and images of a list of containers, each joined by commas.
fn containers(object: &Object, pointer: &str) -> (Value, Value) {
    let join = |name: &str| {
        object
            .items(pointer)
            .iter()
            .map(|c| field(c, name))
            .collect::<Vec<_>>()
            .join(",")
    };
    (join("name").into(), join("image").into())
}

/// A number or a percentage as text.
fn int_or_text(value: Option<&Value>, absent: &str) -> Value {
    match value {
        Some(Value::String(text)) => text.as_str().into(),
        Some(Value::Number(number)) => number.to_string().into(),
        _ => absent.into(),
    }
}

/// A `LabelSelector` or a plain map of labels, as kubectl prints it.
pub(crate) fn selector_text(selector: Option<&Value>) -> String {
    let Some(fields) = selector.and_then(Value::as_object) else {
        return "<none>".into();
    };
    let is_object = fields.get("matchLabels").is_some_and(Value::is_object)
        || fields.get("matchExpressions").is_some_and(Value::is_array);
    let labels = if is_object {
        fields.get("matchLabels").and_then(Value::as_object)
    } else {
        Some(fields)
    };
    let pairs = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    let expressions = fields
        .get("matchExpressions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|e| {
            let values = items(e, "/values")
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(",");
            match field(e, "operator") {
                "In" => format!("{} in ({values})", field(e, "key")),
                "NotIn" => format!("{} notin ({values})", field(e, "key")),
                "Exists" => field(e, "key").to_owned(),
                _ => format!("!{}", field(e, "key")),
            }
        });
    let all: Vec<String> = pairs.chain(expressions).collect();
    if all.is_empty() {
        "<none>".into()
    } else {
        all.join(",")
    }
}

/// The first three of a list and how many follow.
fn first_three(all: &[String], empty: &str) -> Value {
    match all {
        [] => empty.into(),
        [a, b, c, rest @ ..] if !rest.is_empty() => {
            format!("{a},{b},{c} + {} more...", rest.len()).into()
        }
        few => few.join(",").into(),
    }
}
