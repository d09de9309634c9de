//! Flannel on one node: says on its Node object where its tunnel end is, and learns the others' from theirs.
//!
//! The annotations are the original's (`flannel-io/flannel`, `pkg/subnet/kube`), so a reader of Node objects cannot tell
//! the difference. The backend is `vxlan` with its default VNI 1.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use client::{
    Answer, Cache, Call, CallId, Calls, Component, Done, Exhibit, Interest, Observed, PatchKind,
    Request,
};
use serde_json::{Value, json};
use shared::{KindRef, Millis, Object, ObjectKey, Revision, Status};

use crate::route::{Hop, Mac, Route, Routes};

/// Flannel's default VXLAN network identifier.
pub const VNI: u32 = 1;
/// The UDP port that the Linux kernel took before one was assigned, and flannel's default.
pub const VXLAN_PORT: u16 = 8472;

const DATA: &str = "flannel.alpha.coreos.com/backend-data";
const TYPE: &str = "flannel.alpha.coreos.com/backend-type";
const MANAGER: &str = "flannel.alpha.coreos.com/kube-subnet-manager";
const PUBLIC_IP: &str = "flannel.alpha.coreos.com/public-ip";
/// How long to wait before a refused write is tried again, in milliseconds.
const RETRY_MS: u64 = 1000;

/// The control loop.
#[derive(Debug)]
pub struct Flannel {
    name: String,
    node: String,
    public_ip: Ipv4Addr,
    mac: Mac,
    cache: Cache,
    calls: Calls<()>,
    routes: Vec<Route>,
    fresh: bool,
    /// The routes have changed since they were shown.
    unshown: bool,
    retry_at: Option<Millis>,
    done: Vec<Done>,
}

fn nodes() -> KindRef {
    KindRef::new("", "v1", "nodes")
}

impl Flannel {
    /// Flannel on a node whose tunnel end is at `public_ip` and has the Ethernet address `mac`.
    #[must_use]
    pub fn new(node: &str, public_ip: Ipv4Addr, mac: Mac) -> Self {
        Self {
            name: format!("cni {node}"),
            node: node.into(),
            public_ip,
            mac,
            cache: Cache::default(),
            calls: Calls::default(),
            routes: Vec::new(),
            fresh: false,
            unshown: false,
            retry_at: None,
            done: Vec::new(),
        }
    }

    /// The routes, if they have changed since the last time this was asked.
    pub fn take_changed(&mut self) -> Option<&[Route]> {
        std::mem::take(&mut self.fresh).then_some(&self.routes)
    }

    /// This node's part of the pod network, once it has been assigned.
    #[must_use]
    pub fn pod_cidr(&self) -> Option<crate::Prefix> {
        self.own().and_then(pod_cidr)
    }

    fn own(&self) -> Option<&Object> {
        self.cache.get(&nodes(), &ObjectKey::new("", &self.node))
    }

    fn annotations(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            (
                DATA,
                format!("{{\"VNI\":{VNI},\"VtepMAC\":\"{}\"}}", self.mac),
            ),
            (TYPE, "vxlan".to_owned()),
            (MANAGER, "true".to_owned()),
            (PUBLIC_IP, self.public_ip.to_string()),
        ])
    }

    /// The writes that its own Node object still lacks.
    fn missing(&self, now: Millis) -> Vec<Request> {
        let Some(node) = self.own() else {
            return Vec::new();
        };
        let key = node.key();
        let mut requests = Vec::new();
        let wanted = self.annotations();
        if wanted
            .iter()
            .any(|(name, value)| node.annotation(name) != Some(value))
        {
            let patch = json!({"metadata": {"annotations": wanted}});
            requests.push(Request::patch(nodes(), &key, PatchKind::Merge, patch));
        }
        if pod_cidr(node).is_some() && !is_network_available(node) {
            let patch = json!({"status": {"conditions": [{
                "type": "NetworkUnavailable",
                "status": "False",
                "reason": "FlannelIsUp",
                "message": "Flannel is running on this node",
                "lastTransitionTime": now.rfc3339(),
                "lastHeartbeatTime": now.rfc3339(),
            }]}});
            requests.push(Request::patch(nodes(), &key, PatchKind::Strategic, patch).on("status"));
        }
        requests
    }

    fn route_to(&self, node: &Object) -> Option<Route> {
        let prefix = pod_cidr(node)?;
        if node.name() == self.node {
            return Some(Route {
                prefix,
                hop: Hop::Local,
            });
        }
        let data: Value = serde_json::from_str(node.annotation(DATA)?).ok()?;
        let vni = u32::try_from(data.get("VNI")?.as_u64()?).ok()?;
        let mac = Mac::parse(data.get("VtepMAC")?.as_str()?)?;
        let remote = node.annotation(PUBLIC_IP)?.parse().ok()?;
        Some(Route {
            prefix,
            hop: Hop::Vxlan { vni, remote, mac },
        })
    }

    fn reroute(&mut self, cause: Option<Revision>) {
        let mut routes: Vec<Route> = self
            .cache
            .list(&nodes())
            .filter_map(|n| self.route_to(n))
            .collect();
        routes.sort_unstable();
        if routes == self.routes {
            return;
        }
        let text = format!("{} routes", routes.len());
        self.routes = routes;
        (self.fresh, self.unshown) = (true, true);
        self.done.push(Done {
            phase: "routes",
            text,
            object: None,
            cause,
            refused: None,
        });
    }
}

fn pod_cidr(node: &Object) -> Option<crate::Prefix> {
    node.text("/spec/podCIDR").parse().ok()
}

fn is_network_available(node: &Object) -> bool {
    node.items("/status/conditions").iter().any(|c| {
        c.get("type").and_then(Value::as_str) == Some("NetworkUnavailable")
            && c.get("status").and_then(Value::as_str) == Some("False")
    })
}

impl Component for Flannel {
    fn name(&self) -> &str {
        &self.name
    }

    fn interests(&self) -> Vec<Interest> {
        vec![Interest::all(nodes())]
    }

    fn observe(&mut self, observed: Observed, _now: Millis) {
        let changes = self.cache.apply(observed);
        if let Some(newest) = changes.iter().map(|c| c.revision).max() {
            self.reroute(Some(newest));
        }
    }

    fn poll(&mut self, now: Millis) -> Vec<Call> {
        if self.calls.pending().next().is_some() || self.retry_at.is_some_and(|at| at > now) {
            return Vec::new();
        }
        self.retry_at = None;
        let cause = self.own().map(Object::revision);
        for request in self.missing(now) {
            self.calls.send(request, cause, ());
        }
        self.calls.drain()
    }

    fn answer(&mut self, id: CallId, answer: Result<Answer, Status>, now: Millis) {
        if self.calls.answered(id).is_none() {
            return;
        }
        match answer {
            Ok(answer) => {
                if let Some(node) = answer.object() {
                    self.cache.remember(&nodes(), node);
                }
            }
            Err(_) => self.retry_at = Some(now.plus_ms(RETRY_MS)),
        }
    }

    fn wake(&self) -> Option<(Millis, &'static str)> {
        self.retry_at.map(|at| (at, "retry"))
    }

    fn done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.done)
    }

    fn exhibits(&mut self) -> Vec<(String, Arc<dyn Exhibit>)> {
        let routes = std::mem::take(&mut self.unshown).then(|| Routes(self.routes.clone()));
        let shown = routes.map(|r| ("routes".to_owned(), Arc::new(r) as Arc<dyn Exhibit>));
        shown.into_iter().collect()
    }

    fn lines(&self) -> Vec<(String, String)> {
        vec![
            ("routes".into(), self.routes.len().to_string()),
            ("backend".into(), format!("vxlan vni {VNI}")),
        ]
    }
}

#[cfg(test)]
mod tests;
