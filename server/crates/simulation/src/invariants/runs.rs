//! No pod runs in two places, no two pods share an address, and kubelets give their engines no nonsense.

use std::collections::BTreeMap;

use super::View;

pub(super) fn check(view: &View<'_>) -> Result<(), String> {
    let mut places = BTreeMap::new();
    let mut addresses = BTreeMap::new();
    for actor in view.actors {
        if let Some(complaint) = actor.engine.complaints().first() {
            return Err(format!("{}: {complaint}", actor.name));
        }
        for (pod, ip) in actor.engine.sandboxes() {
            if let Some(other) = places.insert(pod, &actor.name) {
                return Err(format!("pod {pod} is at {other} and at {}", actor.name));
            }
            if let Some(other) = addresses.insert(ip, pod) {
                return Err(format!("pods {other} and {pod} both have {ip}"));
            }
        }
    }
    Ok(())
}
