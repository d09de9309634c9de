//! Node IPAM: gives every node its part of the pod network (`pkg/controller/nodeipam`, `RangeAllocator`).
//!
//! All nodes are one key: two nodes looked at side by side could otherwise be given the same part.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use client::cache::Changed;
use client::{Body, PatchKind, Request};
use serde_json::{Value, json};
use shared::{KindRef, Millis, Object, ObjectKey};

use crate::plan::{Plan, Write};
use crate::view::{Item, View};

/// This loop's name.
pub const NAME: &str = "node-ipam";
/// The pod network and how much of it a node gets (kubeadm's and flannel's usual `10.244.0.0/16`, /24 a node).
const CLUSTER: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 0);
const NODES_MAX: u32 = 256;

fn nodes() -> KindRef {
    KindRef::new("", "v1", "nodes")
}

/// The one key, when a node is without a part or has left one.
#[must_use]
pub fn keys(_: &View, change: &Changed) -> Vec<Item> {
    let lacks = |o: &Object| o.text("/spec/podCIDR").is_empty();
    let concerns = change.kind == nodes() && change.new.as_ref().is_none_or(lacks);
    concerns
        .then(|| Item::new(nodes(), ObjectKey::default()))
        .into_iter()
        .collect()
}

/// One look at all nodes: the lowest free part for each that has none, in name order. A node keeps the part that it was
/// promised, so that a lost answer never gives one part to two nodes.
#[must_use]
pub fn reconcile(view: &View, _: &Item, _: Millis) -> Plan {
    let kind = nodes();
    let of = |n: &Object| match n.text("/spec/podCIDR") {
        "" => view.promised(n.uid()).map(str::to_owned),
        part => Some(part.to_owned()),
    };
    let taken: BTreeSet<String> = view.list(&kind).filter_map(of).collect();
    let mut free = (0..NODES_MAX).map(part).filter(|p| !taken.contains(p));
    let lacking = view
        .list(&kind)
        .filter(|n| n.text("/spec/podCIDR").is_empty() && n.deletion().is_none());
    let mut writes = Vec::new();
    for node in lacking {
        let Some(part) = of(node).or_else(|| free.next()) else {
            break;
        };
        let patch = json!({
            "metadata": {"uid": node.uid()},
            "spec": {"podCIDR": part, "podCIDRs": [part]},
        });
        writes.push(Write::new(Request::patch(
            kind.clone(),
            &node.key(),
            PatchKind::Merge,
            patch,
        )));
    }
    let text = format!("{} nodes get a part of the pod network", writes.len());
    if writes.is_empty() {
        Plan::default()
    } else {
        Plan::of(text, writes)
    }
}

/// Which node, by its uid, a plan promises which part.
pub(crate) fn promises(plan: &Plan) -> Vec<(String, String)> {
    let writes = plan.stages.iter().flatten();
    let promised = writes.filter_map(|write| {
        let Body::Patch(_, patch) = &write.request.body else {
            return None;
        };
        let text = |at: &str| patch.pointer(at).and_then(Value::as_str).map(str::to_owned);
        Some((text("/metadata/uid")?, text("/spec/podCIDR")?))
    });
    promised.collect()
}

fn part(number: u32) -> String {
    format!(
        "{}/24",
        Ipv4Addr::from_bits(CLUSTER.to_bits() + (number << 8))
    )
}

#[cfg(test)]
mod tests {
    use client::Observed;
    use shared::Revision;

    use super::*;
    use crate::Config;

    fn view(nodes_seen: &[(&str, &str)]) -> View {
        let mut view = View::new(Config::default());
        let node = |(name, part): &(&str, &str)| {
            Object::new(json!({"metadata": {"name": name, "uid": name}, "spec": {"podCIDR": part}}))
        };
        let objects = nodes_seen.iter().map(node).collect();
        view.apply(Observed::Replaced {
            kind: nodes(),
            revision: Revision(1),
            objects,
        });
        view
    }

    fn given(view: &View) -> String {
        let plan = reconcile(view, &Item::new(nodes(), ObjectKey::default()), Millis(0));
        let each = promises(&plan)
            .into_iter()
            .map(|(uid, part)| format!("{uid}={part}"));
        each.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_node_gets_the_lowest_free_part() {
        for (seen, want) in [
            (
                &[("a", ""), ("b", "")][..],
                "a=10.244.0.0/24 b=10.244.1.0/24",
            ),
            (&[("a", ""), ("b", "10.244.0.0/24")], "a=10.244.1.0/24"),
            (&[("a", "10.244.3.0/24")], ""),
        ] {
            assert_eq!(given(&view(seen)), want);
        }
    }

    #[test]
    fn a_part_whose_answer_was_lost_stays_with_its_node() {
        let mut seen = view(&[("b", "")]);
        seen.promise("b", "10.244.0.0/24");
        assert_eq!(given(&seen), "b=10.244.0.0/24");
        let mut seen = view(&[("a", ""), ("b", "")]);
        seen.promise("b", "10.244.0.0/24");
        assert_eq!(given(&seen), "a=10.244.1.0/24 b=10.244.0.0/24");
    }
}
