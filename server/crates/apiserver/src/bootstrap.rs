//! What exists on a fresh cluster, and what has to be swept from an old one.

pub(crate) mod policy;

use std::net::{Ipv4Addr, SocketAddr};

use client::{Body, Request};
use serde_json::{Value, json};
use shared::{KindRef, Millis};
use store::{Snapshot, Txn};

use crate::item::parse;
use crate::server::ApiServer;
use crate::value::text;

/// How long events are kept, in milliseconds (`--event-ttl`).
pub const EVENT_TTL_MS: u64 = 60 * 60 * 1000;
/// The most events swept in one transaction.
const SWEEP_MAX: usize = 100;
/// Namespaces of a fresh cluster.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// What the original writes beside a CA bundle.
pub const CA_DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using \
     internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed \
     across distributions of Kubernetes clusters.";

impl ApiServer {
    /// Creates for everything a fresh cluster has, in an order that works. To be sent as `system:apiserver` at every
    /// start, namespaces first; 409 `AlreadyExists` means that the object is there.
    #[must_use]
    pub fn bootstrap(&self) -> Vec<Request> {
        let mut all: Vec<Request> = NAMESPACES
            .iter()
            .map(|name| create("", "v1", "namespaces", json!({"metadata": {"name": name}})))
            .collect();
        all.extend(priority_classes());
        for namespace in NAMESPACES {
            all.push(create("", "v1", "configmaps", json!({
                "metadata": {"name": "kube-root-ca.crt", "namespace": namespace, "annotations": {"kubernetes.io/description": CA_DESCRIPTION}},
                "data": {"ca.crt": self.config.ca_pem},
            })));
            all.push(create(
                "",
                "v1",
                "serviceaccounts",
                json!({"metadata": {"name": "default", "namespace": namespace}}),
            ));
        }
        all.extend(self.kubernetes_service());
        all.extend(crate::initial::objects(&self.registry));
        all.extend(
            policy::objects()
                .into_iter()
                .map(|(plural, object)| create("rbac.authorization.k8s.io", "v1", plural, object)),
        );
        all
    }

    /// Those of [`Self::bootstrap`] whose objects a store does not have.
    #[must_use]
    pub fn missing(&self, snapshot: &Snapshot) -> Vec<Request> {
        let is_missing = |request: &Request| {
            let (Some(kind), Body::Object(object)) =
                (self.registry.find(&request.kind), &request.body)
            else {
                return true;
            };
            let namespace = text(object, "/metadata/namespace");
            let slash = if namespace.is_empty() { "" } else { "/" };
            let name = text(object, "/metadata/name");
            let key = format!("{}{namespace}{slash}{name}", kind.storage_prefix());
            snapshot.get(&key).is_none()
        };
        self.bootstrap().into_iter().filter(is_missing).collect()
    }

    /// The Service by which pods reach the apiserver, with its endpoints.
    fn kubernetes_service(&self) -> Vec<Request> {
        let (base, bits) = self.config.service_cidr;
        let first = Ipv4Addr::from(u32::from(base).saturating_add(1)).to_string();
        let server = self.config.server_address.parse::<SocketAddr>();
        let server = server.unwrap_or_else(|_| (Ipv4Addr::LOCALHOST, 6443).into());
        let (address, port) = (server.ip().to_string(), server.port());
        let family = if server.is_ipv4() { "IPv4" } else { "IPv6" };
        let cidr = json!({"metadata": {"name": "kubernetes"}, "spec": {"cidrs": [format!("{base}/{bits}")]}});
        let service = json!({
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
            "spec": {"type": "ClusterIP", "clusterIP": first, "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}]},
        });
        let mirrored = json!({"endpointslice.kubernetes.io/skip-mirror": "true"});
        let endpoints = json!({
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": mirrored},
            "subsets": [{"addresses": [{"ip": address}], "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}],
        });
        let slice = json!({
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "addressType": family,
            "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        });
        vec![
            create("networking.k8s.io", "v1", "servicecidrs", cidr),
            create("", "v1", "services", service),
            create("", "v1", "endpoints", endpoints),
            create("discovery.k8s.io", "v1", "endpointslices", slice),
        ]
    }

    /// Transactions that delete events older than [`EVENT_TTL_MS`]; empty when there is nothing to do. Conditional,
    /// so that an event that was counted up meanwhile stays.
    #[must_use]
    pub fn sweep(&self, snapshot: &Snapshot, now: Millis) -> Vec<Txn> {
        let is_old = |value: &Value| {
            let times = [
                "/series/lastObservedTime",
                "/lastTimestamp",
                "/eventTime",
                "/metadata/creationTimestamp",
            ];
            let newest = times
                .iter()
                .filter_map(|at| Millis::parse_rfc3339(text(value, at)))
                .max();
            newest.is_none_or(|then| now.since(then) >= EVENT_TTL_MS)
        };
        let old: Vec<Txn> = snapshot
            .iter("/registry/events/")
            .filter(|kv| parse(&kv.value).as_ref().map_or(true, is_old))
            .map(|kv| Txn::delete(kv.key.clone(), kv.mod_revision))
            .collect();
        old.chunks(SWEEP_MAX)
            .map(|chunk| chunk.iter().cloned().fold(Txn::default(), Txn::and))
            .collect()
    }
}

fn priority_classes() -> [Request; 2] {
    [
        (
            "system-cluster-critical",
            2_000_000_000_i64,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
        (
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
    ]
    .map(|(name, value, description)| {
        let class = json!({"metadata": {"name": name}, "value": value, "description": description});
        create("scheduling.k8s.io", "v1", "priorityclasses", class)
    })
}

fn create(group: &str, version: &str, plural: &str, object: Value) -> Request {
    Request::create(KindRef::new(group, version, plural), object)
}
