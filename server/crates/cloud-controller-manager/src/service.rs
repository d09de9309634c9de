//! service-lb: addresses for Services of type LoadBalancer (`k8s.io/cloud-provider/controllers/service`).

use client::{PatchKind, Request};
use serde_json::{Value, json};
use shared::{KindRef, Object};

use crate::cloud::{CloudProvider, Ingress};
use crate::manager::{Said, Step};
use crate::node::UNINITIALIZED;

/// Keeps a Service until its load balancer is gone (KEP-980).
const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";
const EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

pub(crate) fn kind() -> KindRef {
    KindRef::new("", "v1", "services")
}

/// True when this manager is to give the Service a load balancer: other classes belong to others.
pub(crate) fn wants(service: &Object) -> bool {
    service.text("/spec/type") == "LoadBalancer"
        && service.text("/spec/loadBalancerClass").is_empty()
        && service.deletion().is_none()
}

/// True while the Service holds an address of the cloud.
pub(crate) fn has_address(service: &Object) -> bool {
    !service.items("/status/loadBalancer/ingress").is_empty()
}

fn has_finalizer(service: &Object) -> bool {
    service
        .items("/metadata/finalizers")
        .iter()
        .any(|f| f == FINALIZER)
}

fn finalizers(service: &Object, with_ours: bool) -> Request {
    let mut all = service.items("/metadata/finalizers").to_vec();
    all.retain(|f| f != FINALIZER);
    if with_ours {
        all.push(FINALIZER.into());
    }
    let list = if all.is_empty() {
        Value::Null
    } else {
        all.into()
    };
    let patch = json!({"metadata": {
        "uid": service.uid(),
        "resourceVersion": service.text("/metadata/resourceVersion"),
        "finalizers": list,
    }});
    Request::patch(kind(), &service.key(), PatchKind::Merge, patch)
}

fn with_ingress(service: &Object, ingress: &[Ingress]) -> Request {
    let mut value = service.to_value();
    let list: Vec<Value> = ingress
        .iter()
        .map(|i| json!({"ip": i.ip, "ipMode": "VIP"}))
        .collect();
    let balancer = if list.is_empty() {
        json!({})
    } else {
        json!({"ingress": list})
    };
    if let Some(map) = value.as_object_mut() {
        let status = map.entry("status").or_insert_with(|| json!({}));
        match status.as_object_mut() {
            Some(status) => {
                status.insert("loadBalancer".into(), balancer);
            }
            None => *status = json!({"loadBalancer": balancer}),
        }
    }
    Request::update_status(kind(), value)
}

/// Nodes that can take a load balancer's traffic.
pub(crate) fn is_target(node: &Object) -> bool {
    let taints = node.items("/spec/taints").iter();
    let mut keys = taints.filter_map(|t| t.get("key")?.as_str());
    node.deletion().is_none() && node.label(EXCLUDE).is_none() && keys.all(|k| k != UNINITIALIZED)
}

/// One look at a Service.
pub(crate) fn step(
    service: &Object,
    nodes: &[&Object],
    others: &[&Object],
    cloud: &dyn CloudProvider,
) -> Option<Step> {
    let key = service.key();
    if !wants(service) {
        if !has_finalizer(service) {
            return None;
        }
        if !service.items("/status/loadBalancer/ingress").is_empty() {
            let said = Said::normal("DeletedLoadBalancer", "Deleted load balancer".into());
            let request = with_ingress(service, &[]);
            return Some(Step::new(format!("{key}: release its address"), request).saying(said));
        }
        return Some(Step::new(
            format!("{key}: let it go"),
            finalizers(service, false),
        ));
    }
    if !has_finalizer(service) {
        let said = Said::normal("EnsuringLoadBalancer", "Ensuring load balancer".into());
        let request = finalizers(service, true);
        return Some(Step::new(format!("{key}: ensure a load balancer"), request).saying(said));
    }
    if nodes.is_empty() {
        let message = "There are no available nodes for LoadBalancer".to_owned();
        return Some(Step::failure(Said::warning(
            "UnAvailableLoadBalancer",
            message,
        )));
    }
    match cloud.ensure_load_balancer(service, nodes, others) {
        Ok(ingress) => {
            let has = service.items("/status/loadBalancer/ingress").iter();
            let has: Vec<&str> = has.filter_map(|i| i.get("ip")?.as_str()).collect();
            let wanted: Vec<&str> = ingress.iter().map(|i| i.ip.as_str()).collect();
            if has == wanted {
                return None;
            }
            let text = format!(
                "{key}: {} from the {} cloud",
                wanted.join(", "),
                cloud.name()
            );
            let said = Said::normal("EnsuredLoadBalancer", "Ensured load balancer".into());
            Some(Step::new(text, with_ingress(service, &ingress)).saying(said))
        }
        Err(why) => {
            let message =
                format!("Error syncing load balancer: failed to ensure load balancer: {why}");
            Some(Step::failure(Said::warning(
                "SyncLoadBalancerFailed",
                message,
            )))
        }
    }
}
