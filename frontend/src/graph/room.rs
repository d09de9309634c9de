//! The rooms of the house, and how the flow log's component names map to them.

/// A place that a request can be at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Room {
    /// Outside: kubectl and other clients.
    Kubectl,
    /// Outside: this page.
    Browser,
    /// cloud-controller-manager.
    CloudController,
    /// kube-controller-manager.
    Controller,
    /// kube-apiserver.
    Apiserver,
    /// kube-scheduler.
    Scheduler,
    /// etcd.
    Etcd,
    /// A node's part.
    OnNode(String, Part),
    /// A node port, by its number.
    Gate(i64),
}

/// A part of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// kubelet.
    Kubelet,
    /// kube-proxy.
    Proxy,
    /// wasmtime.
    Engine,
    /// The network plugin.
    Cni,
}

impl Part {
    /// All, in the order of the drawing.
    pub const ALL: [Self; 4] = [Self::Kubelet, Self::Proxy, Self::Engine, Self::Cni];

    /// Its name in the flow log and on the wall.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kubelet => "kubelet",
            Self::Proxy => "kube-proxy",
            Self::Engine => "wasmtime",
            Self::Cni => "cni",
        }
    }
}

impl Room {
    /// The control plane from left to right.
    pub const CONTROL_PLANE: [Self; 5] = [
        Self::CloudController,
        Self::Controller,
        Self::Apiserver,
        Self::Scheduler,
        Self::Etcd,
    ];

    /// The room of a component of the flow log. Whoever is no part of the cluster is outside, a client.
    #[must_use]
    pub fn of_component(component: &str) -> Self {
        let (name, node) = component.split_once(' ').unwrap_or((component, ""));
        let part = match name {
            "kubelet" => Some(Part::Kubelet),
            "kube-proxy" => Some(Part::Proxy),
            "wasmtime" | "engine" | "runtime" => Some(Part::Engine),
            "cni" | "flannel" | "netstack" | "router" => Some(Part::Cni),
            _ => None,
        };
        match (name, part) {
            (_, Some(part)) if !node.is_empty() => Self::OnNode(node.into(), part),
            ("kube-apiserver" | "apiserver", _) => Self::Apiserver,
            ("etcd" | "store", _) => Self::Etcd,
            ("kube-scheduler", _) => Self::Scheduler,
            ("kube-controller-manager", _) => Self::Controller,
            ("cloud-controller-manager", _) => Self::CloudController,
            ("dashboard" | "browser" | "glasshouse-dashboard" | "Mozilla", _) => Self::Browser,
            _ => Self::Kubectl,
        }
    }

    /// The component's name as the flow log and the pulse say it.
    #[must_use]
    pub fn component(&self) -> String {
        match self {
            Self::Kubectl => "kubectl".into(),
            Self::Browser => "dashboard".into(),
            Self::CloudController => "cloud-controller-manager".into(),
            Self::Controller => "kube-controller-manager".into(),
            Self::Apiserver => "kube-apiserver".into(),
            Self::Scheduler => "kube-scheduler".into(),
            Self::Etcd => "etcd".into(),
            Self::OnNode(node, part) => format!("{} {node}", part.name()),
            Self::Gate(port) => format!("node port {port}"),
        }
    }

    /// The name in two parts: what is light and what is bold.
    #[must_use]
    pub fn name_parts(&self) -> (&'static str, &'static str) {
        match self {
            Self::CloudController => ("cloud-", "controller-manager"),
            Self::Controller => ("kube-", "controller-manager"),
            Self::Apiserver => ("kube-", "apiserver"),
            Self::Scheduler => ("kube-", "scheduler"),
            Self::Etcd => ("", "etcd"),
            Self::Kubectl => ("", "kubectl"),
            Self::Browser => ("", "browser"),
            Self::OnNode(_, part) => ("", part.name()),
            Self::Gate(_) => ("", "node port"),
        }
    }
}

/// What a component is, in a learner's words.
#[must_use]
pub fn what_is(component: &str) -> &'static str {
    match Room::of_component(component) {
        Room::Apiserver => {
            "The front door and the only way to the store. Every read and write of the cluster passes here: who are \
             you, may you, is it well formed, then the commit. Everybody else learns of changes by watching it."
        }
        Room::Etcd => {
            "The memory of the cluster: an ordered history of keys and values. Each committed write gets the next \
             revision; watchers receive them in that order. Only the apiserver talks to it."
        }
        Room::Scheduler => {
            "Chooses a node for each new pod: first it filters out nodes that cannot take it, then it scores the \
             rest, then it binds the pod to the best. It never starts anything itself."
        }
        Room::Controller => {
            "Many small loops. Each compares what an object asks for with what is there, and takes one step closer: \
             a Deployment makes ReplicaSets, a ReplicaSet makes Pods, a silent node loses its pods."
        }
        Room::CloudController => {
            "The loops that talk to a cloud: addresses and zones of nodes, routes, load balancers. Here the cloud is \
             a simulated one inside the process; the loops are real."
        }
        Room::OnNode(_, Part::Kubelet) => {
            "The caretaker of one node. It watches for pods bound here, has the engine run their containers, probes \
             them, and reports their state and its own heartbeat."
        }
        Room::OnNode(_, Part::Proxy) => {
            "Turns Services into rules on this node: whoever calls a Service's address is sent on to one of its \
             ready pods."
        }
        Room::OnNode(_, Part::Engine) => {
            "The container engine: it compiles WebAssembly modules once, then runs each container as an instance of \
             its own with limits on memory and CPU."
        }
        Room::OnNode(_, Part::Cni) => {
            "The network plugin: it gives each pod an address of this node's range and carries packets to the other \
             nodes through tunnels."
        }
        Room::Browser => {
            "This page. It watches through the apiserver like everybody else, and what you drag becomes a request."
        }
        Room::Kubectl => {
            "A client outside the cluster: kubectl or another program that calls the API."
        }
        Room::Gate(_) => {
            "A node port: every node listens on it and sends callers to the Service behind."
        }
    }
}

/// Where a component lives in the source code of this program.
#[must_use]
pub fn lives_in(component: &str) -> &'static str {
    match Room::of_component(component) {
        Room::Apiserver => "server/crates/apiserver",
        Room::Etcd => "server/crates/store",
        Room::Scheduler => "server/crates/scheduler",
        Room::Controller => "server/crates/controller-manager",
        Room::CloudController => "server/crates/cloud-controller-manager",
        Room::OnNode(_, Part::Kubelet) => "server/crates/kubelet",
        Room::OnNode(_, Part::Proxy) => "server/crates/kube-proxy",
        Room::OnNode(_, Part::Engine) => "server/crates/io-wasm",
        Room::OnNode(_, Part::Cni) => "server/crates/cni",
        Room::Browser => "frontend",
        Room::Kubectl => "",
        Room::Gate(_) => "server/crates/io-net",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_find_their_rooms_and_back() {
        let mut rooms = Room::CONTROL_PLANE.to_vec();
        rooms.extend([Room::Kubectl, Room::Browser]);
        rooms.extend(Part::ALL.map(|p| Room::OnNode("node-1".into(), p)));
        for room in rooms {
            assert_eq!(Room::of_component(&room.component()), room);
        }
        for (name, want) in [
            ("helm", Room::Kubectl),
            ("kubelet", Room::Kubectl),
            ("", Room::Kubectl),
            ("kubelet a b", Room::OnNode("a b".into(), Part::Kubelet)),
        ] {
            assert_eq!(Room::of_component(name), want, "{name}");
        }
    }
}
