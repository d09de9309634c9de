//! Managed fields of a `Scale`: the same owners as its workload's, under the names that `replicas` has there.
//!
//! Follows `scalehandler.go` of `k8s.io/apimachinery/pkg/util/managedfields`. A Scale is not stored, so what its
//! writers own is kept among the entries of the workload, marked with the subresource.

use serde_json::{Value, json};

use super::{Entry, Id, Managers};
use crate::set::{Set, field_element};

/// The `apiVersion` of every Scale.
const SCALE: &str = "autoscaling/v1";

/// `.spec.replicas`, which workload and Scale call by one path.
fn replicas() -> Set {
    let mut set = Set::default();
    set.insert(&[field_element("spec"), field_element("replicas")]);
    set
}

fn owns_replicas(set: &Set) -> bool {
    !set.intersection(&replicas()).is_empty()
}

fn in_version(id: &Id, api_version: &str) -> Id {
    Id::with_version(&id.manager, id.operation, api_version, &id.subresource)
}

fn entries(managers: Managers) -> Value {
    let mut holder = json!({});
    super::write(&mut holder, managers);
    let found = holder.pointer_mut("/metadata/managedFields");
    found.map_or_else(|| json!([]), Value::take)
}

/// The `metadata.managedFields` of the Scale of a workload that is served as `api_version`: whoever owns the
/// workload's replicas owns those of the Scale.
#[must_use]
pub fn scale_managed_fields(workload: &Value, api_version: &str) -> Value {
    let owners = super::read(workload).unwrap_or_default().into_iter();
    let owners = owners.filter(|(_, e)| e.api_version == api_version && owns_replicas(&e.set));
    let in_scale = owners.map(|(id, entry)| {
        let entry = Entry {
            api_version: SCALE.into(),
            set: replicas(),
            ..entry
        };
        (in_version(&id, SCALE), entry)
    });
    entries(in_scale.collect())
}

/// The `metadata.managedFields` of a workload after its Scale was written: who lost the Scale's replicas loses the
/// workload's, and who came to own them gets an entry (which has no time, as in the original).
#[must_use]
pub fn scaled_managed_fields(workload: &Value, api_version: &str, scale: &Value) -> Value {
    let replicas = replicas();
    let mut of_scale = super::read(scale).unwrap_or_default();
    let mut managers = Managers::new();
    for (id, mut entry) in super::read(workload).unwrap_or_default() {
        if owns_replicas(&entry.set) && of_scale.remove(&in_version(&id, SCALE)).is_none() {
            entry.set.subtract(&replicas);
        }
        managers.insert(id, entry);
    }
    let new = of_scale.into_iter().filter(|(_, e)| owns_replicas(&e.set));
    managers.extend(new.map(|(id, _)| {
        let entry = Entry {
            api_version: api_version.into(),
            time: None,
            set: replicas.clone(),
        };
        (in_version(&id, api_version), entry)
    }));
    // `write` leaves out who owns nothing any more.
    entries(managers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, version: &str, sub: &str, fields: Value) -> Value {
        let mut entry = json!({"manager": manager, "operation": operation, "apiVersion": version, "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields});
        if !sub.is_empty() {
            entry["subresource"] = sub.into();
        }
        entry
    }

    fn object(entries: &[Value]) -> Value {
        json!({"metadata": {"managedFields": entries}})
    }

    fn timeless(mut entry: Value) -> Value {
        entry.as_object_mut().expect("fields").remove("time");
        entry
    }

    #[test]
    fn owners_of_replicas_own_them_in_the_scale() {
        let both = json!({"f:spec": {"f:paused": {}, "f:replicas": {}}});
        let only = json!({"f:spec": {"f:replicas": {}}});
        let workload = object(&[
            entry("a", "Apply", "apps/v1", "", both),
            entry("old", "Update", "extensions/v1beta1", "", only.clone()),
            entry(
                "other",
                "Update",
                "apps/v1",
                "",
                json!({"f:spec": {"f:paused": {}}}),
            ),
            entry("s", "Update", "apps/v1", "scale", only.clone()),
        ]);
        let want = json!([
            entry("a", "Apply", SCALE, "", only.clone()),
            entry("s", "Update", SCALE, "scale", only),
        ]);
        assert_eq!(scale_managed_fields(&workload, "apps/v1"), want);
        assert_eq!(scale_managed_fields(&json!({}), "apps/v1"), json!([]));
    }

    #[test]
    fn what_the_scale_lost_the_workload_loses() {
        let both = json!({"f:spec": {"f:paused": {}, "f:replicas": {}}});
        let rest = json!({"f:spec": {"f:paused": {}}});
        let only = json!({"f:spec": {"f:replicas": {}}});
        let a = |fields: &Value| entry("a", "Apply", "apps/v1", "", fields.clone());
        let u = |fields: &Value| entry("u", "Update", "apps/v1", "", fields.clone());
        let scale = |entries: &[Value]| object(entries);
        let in_scale = |manager: &str, operation: &str, sub: &str| {
            entry(manager, operation, SCALE, sub, only.clone())
        };
        let taken = timeless(entry("s", "Update", "apps/v1", "scale", only.clone()));
        for (workload, scale, want) in [
            // Nothing taken over.
            (
                object(&[a(&both)]),
                scale(&[in_scale("a", "Apply", "")]),
                json!([a(&both)]),
            ),
            (
                object(&[u(&both)]),
                scale(&[in_scale("u", "Update", "")]),
                json!([u(&both)]),
            ),
            // Taken over by `s`.
            (
                object(&[a(&both), u(&only)]),
                scale(&[in_scale("s", "Update", "scale")]),
                json!([a(&rest), taken]),
            ),
            // Shared.
            (
                object(&[a(&both)]),
                scale(&[in_scale("a", "Apply", ""), in_scale("s", "Update", "scale")]),
                json!([a(&both), taken]),
            ),
            // Given up.
            (object(&[a(&both)]), scale(&[]), json!([a(&rest)])),
            (object(&[a(&only)]), scale(&[]), json!([])),
        ] {
            assert_eq!(
                scaled_managed_fields(&workload, "apps/v1", &scale),
                want,
                "{scale}"
            );
        }
    }
}
