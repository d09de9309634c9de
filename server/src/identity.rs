//! The names under which the components of this process come to the apiserver, as Kubernetes and the usual add-ons
//! have them. What each may do is in the roles that are bound to these names.

use apiserver::User;
use io_driver::node::node_user;

/// The namespace of the accounts that components have.
const NAMESPACE: &str = "kube-system";

/// A component of the control plane: `system:kube-scheduler`.
pub(crate) fn component(name: &str) -> User {
    User::new(&format!("system:{name}"), &[])
}

/// The apiserver itself, which needs nobody's leave (`system:apiserver`, `LoopbackClientConfig`).
pub(crate) fn apiserver() -> User {
    User::new("system:apiserver", &["system:masters"])
}

/// A component with a service account in `kube-system`: `coredns`.
pub(crate) fn account(name: &str) -> User {
    let of_namespace = format!("system:serviceaccounts:{NAMESPACE}");
    User::new(
        &format!("system:serviceaccount:{NAMESPACE}:{name}"),
        &["system:serviceaccounts", &of_namespace],
    )
}

/// A component of a node by what it calls itself: `kubelet node-1`, `kube-proxy node-1`, `cni node-1`.
pub(crate) fn of_node(agent: &str, node: &str) -> User {
    match agent.split(' ').next() {
        Some("kube-proxy") => component("kube-proxy"),
        Some("cni") => account("cni"),
        _ => node_user(node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_have_the_names_that_roles_are_bound_to() {
        for (agent, want) in [
            ("kubelet node-1", "system:node:node-1"),
            ("kube-proxy node-1", "system:kube-proxy"),
            ("cni node-1", "system:serviceaccount:kube-system:cni"),
        ] {
            assert_eq!(of_node(agent, "node-1").name, want);
        }
    }
}
