//! Which pods belong to a workload: it adopts loose ones that match, and releases its own that match no longer
//! (`PodControllerRefManager`).

use client::{PatchKind, Request};
use serde_json::Value;
use shared::Object;

use crate::meta::{controller_reference, is_active, metadata_patch, pods, selector, text};
use crate::plan::Write;
use crate::view::View;

/// The adoptions and releases that are due for `owner`, whose pods are `owned`.
pub(crate) fn claims(
    view: &View,
    owner: &Object,
    (api_version, kind): (&str, &str),
    owned: &[&Object],
) -> Vec<Write> {
    let Some(selector) = selector(owner) else {
        return Vec::new();
    };
    let patch = |pod: &Object, owners: Vec<Value>| {
        let patch = metadata_patch(pod, "ownerReferences", owners.into());
        Write::new(Request::patch(pods(), &pod.key(), PatchKind::Merge, patch))
    };
    let owners = |pod: &Object| pod.items("/metadata/ownerReferences").to_vec();
    let adopted = view
        .loose_pods(owner.namespace())
        .filter(|p| is_active(p) && selector.matches_object(p))
        .map(|pod| {
            let mut with_owner = owners(pod);
            with_owner.push(controller_reference(owner, api_version, kind));
            patch(pod, with_owner)
        });
    let released = owned
        .iter()
        .filter(|p| p.deletion().is_none() && !selector.matches_object(p))
        .map(|pod| {
            let mut without = owners(pod);
            without.retain(|o| text(o, "uid") != owner.uid());
            patch(pod, without)
        });
    adopted.chain(released).collect()
}
