//! `status` of a StatefulSet.

use serde_json::{Map, Value};

use super::{REVISION_LABEL, Round};
use crate::meta::is_ready;

/// The status as it is now. Once every pod is of the template's revision and ready, that is the current one.
pub(super) fn status(round: &Round<'_>) -> Value {
    let all = || round.pods.values();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let replicas = count(all().count());
    let ready = count(all().filter(|p| is_ready(p)).count());
    let available = count(all().filter(|p| round.is_available(p)).count());
    let of_revision = |name: &str| {
        let of = all().filter(|p| p.deletion().is_none() && p.label(REVISION_LABEL) == Some(name));
        count(of.count())
    };
    let updated = of_revision(round.update.name());
    let mut current = of_revision(round.current.name());
    let mut current_name = round.current.name();
    if round.is_rolling() && updated == replicas && ready == replicas && replicas == round.replicas
    {
        current = updated;
        current_name = round.update.name();
    }
    let mut status = Map::new();
    status.insert("observedGeneration".into(), round.set.generation().into());
    status.insert("replicas".into(), replicas.into());
    for (field, number) in [
        ("readyReplicas", ready),
        ("currentReplicas", current),
        ("updatedReplicas", updated),
    ] {
        if number > 0 {
            status.insert(field.into(), number.into());
        }
    }
    status.insert("currentRevision".into(), current_name.into());
    status.insert("updateRevision".into(), round.update.name().into());
    let collisions = round.set.int("/status/collisionCount").unwrap_or(0);
    status.insert("collisionCount".into(), collisions.into());
    status.insert("availableReplicas".into(), available.into());
    if let Some(conditions) = round.set.at("/status/conditions") {
        status.insert("conditions".into(), conditions.clone());
    }
    Value::Object(status)
}
