//! The form in which an object is stored and answered: what decoding into Go's types and encoding again leaves.
//!
//! Unknown fields and nulls go, empty values of optional fields go, structs in place (`resources: {}`) and numbers and
//! strings without omitempty appear, quantities and times take their one spelling. Defaults are not set here.

use serde_json::{Map, Value};
use shared::Millis;

use crate::model::{Field, Resolved, Scalar, Schema, Struct, Type, Zero};

impl Schema {
    /// Rewrites a body. A body of an unknown kind comes back as it is.
    ///
    /// Values of the wrong type are kept: [`Schema::check`] refuses them before.
    #[must_use]
    pub fn canonical(&self, api_version: &str, kind: &str, body: Value) -> Value {
        match self.find_type(api_version, kind) {
            Some(ty) => self.rewrite(&ty, body),
            None => body,
        }
    }

    fn rewrite(&self, ty: &Type, value: Value) -> Value {
        match (self.resolve(ty), value) {
            (Resolved::Struct(s, _), Value::Object(object)) => {
                Value::Object(self.rewrite_struct(s, object))
            }
            (Resolved::List(item, _), Value::Array(items)) => {
                Value::Array(items.into_iter().map(|i| self.rewrite(item, i)).collect())
            }
            (Resolved::Map(inner, _), Value::Object(map)) => Value::Object(
                map.into_iter()
                    .map(|(k, v)| (k, self.rewrite(inner, v)))
                    .collect(),
            ),
            (Resolved::Scalar(scalar), value) => rewrite_scalar(scalar, value),
            (_, value) => value,
        }
    }

    fn rewrite_struct(&self, s: &Struct, mut object: Map<String, Value>) -> Map<String, Value> {
        let mut out = Map::new();
        for field in &s.fields {
            let given = object.remove(field.name.as_ref()).filter(|v| !v.is_null());
            let value = match given {
                Some(value) => {
                    let value = self.rewrite(&field.ty, value);
                    Some(value).filter(|v| {
                        !v.is_null() && (self.is_kept(field) || !self.is_zero(field, v))
                    })
                }
                None => None,
            };
            if let Some(value) = value.or_else(|| self.absent(field)) {
                out.insert(field.name.as_ref().into(), value);
            }
        }
        if s.open {
            out.append(&mut object);
        }
        out
    }

    fn is_kept(&self, field: &Field) -> bool {
        field.required || field.zero == Zero::Keep
    }

    /// Whether `omitempty` leaves the value out: zero scalars, empty lists and maps, but not an empty struct, which
    /// is a pointer or a struct in place.
    fn is_zero(&self, field: &Field, value: &Value) -> bool {
        match (self.resolve(&field.ty), value) {
            (Resolved::Struct(..) | Resolved::Deduced, _) => false,
            (
                Resolved::Scalar(
                    Scalar::Quantity | Scalar::IntOrString | Scalar::Raw | Scalar::Json,
                ),
                _,
            ) => false,
            (
                Resolved::Scalar(
                    Scalar::SchemaOrArray | Scalar::SchemaOrBool | Scalar::SchemaOrStrings,
                ),
                _,
            ) => false,
            (_, Value::String(s)) => s.is_empty(),
            (_, Value::Bool(b)) => !b,
            (_, Value::Number(n)) => n.as_f64() == Some(0.0),
            (_, Value::Array(a)) => a.is_empty(),
            (_, Value::Object(o)) => o.is_empty(),
            (_, Value::Null) => true,
        }
    }

    /// What Go writes for a field that was not given.
    fn absent(&self, field: &Field) -> Option<Value> {
        let resolved = self.resolve(&field.ty);
        match (field.zero, resolved) {
            (Zero::Write, Resolved::Struct(s, _)) => {
                Some(Value::Object(self.rewrite_struct(s, Map::new())))
            }
            (Zero::Write, Resolved::Scalar(Scalar::Time | Scalar::MicroTime)) => Some(Value::Null),
            (Zero::Write, Resolved::Scalar(scalar)) => zero_scalar(scalar),
            (Zero::Write, Resolved::List(..) | Resolved::Map(..)) => Some(Value::Null),
            (_, Resolved::Scalar(scalar)) if field.required => zero_scalar(scalar),
            _ => None,
        }
    }

    /// What Go writes for an object of which nothing is set, with `null` for its lists. Server-side apply compares a
    /// new object with this one, so that fields that always exist are not owned by whoever creates the object.
    pub(crate) fn nothing(&self, ty: &Type) -> Value {
        match self.resolve(ty) {
            Resolved::Struct(s, _) => {
                let fields = s
                    .fields
                    .iter()
                    .filter(|f| f.required || f.zero == Zero::Write);
                Value::Object(
                    fields
                        .map(|f| (f.name.to_string(), self.nothing_of(f)))
                        .collect(),
                )
            }
            _ => Value::Null,
        }
    }

    fn nothing_of(&self, field: &Field) -> Value {
        // The selectors of workloads are the only required structs behind a pointer.
        match self.resolve(&field.ty) {
            Resolved::Struct(..) if field.name != "selector" => self.nothing(&field.ty),
            Resolved::Scalar(scalar) => zero_scalar(scalar).unwrap_or_default(),
            _ => Value::Null,
        }
    }
}

fn zero_scalar(scalar: Scalar) -> Option<Value> {
    match scalar {
        Scalar::String => Some("".into()),
        Scalar::Boolean => Some(false.into()),
        Scalar::Int32 | Scalar::Int64 | Scalar::Double | Scalar::IntOrString => Some(0.into()),
        Scalar::Quantity => Some("0".into()),
        _ => None,
    }
}

fn rewrite_scalar(scalar: Scalar, value: Value) -> Value {
    match (scalar, &value) {
        (Scalar::Quantity, Value::String(s)) => {
            crate::canonical_quantity(s).map_or(value, Value::String)
        }
        (Scalar::Quantity, Value::Number(n)) => {
            crate::canonical_quantity(&n.to_string()).map_or(value, Value::String)
        }
        (Scalar::Time, Value::String(s)) => {
            Millis::parse_rfc3339(s).map_or(value, |t| t.rfc3339().into())
        }
        (Scalar::MicroTime, Value::String(s)) => micro_time(s).map_or(value, Value::String),
        _ => value,
    }
}

/// Six decimals, in UTC.
fn micro_time(text: &str) -> Option<String> {
    let seconds = Millis::parse_rfc3339(text)?.rfc3339();
    let fraction = text.split_once('.').map_or("", |(_, f)| f);
    let digits: String = fraction
        .chars()
        .take_while(char::is_ascii_digit)
        .take(6)
        .collect();
    Some(format!("{}.{digits:0<6}Z", seconds.strip_suffix('Z')?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_take_the_form_that_go_writes() {
        for (api_version, kind, given, want) in [
            (
                "v1",
                "ConfigMap",
                json!({"metadata": {"name": "a", "labels": {}, "creationTimestamp": null}, "data": {}, "nope": 1}),
                json!({"metadata": {"name": "a"}}),
            ),
            (
                "v1",
                "Service",
                json!({"spec": {"ports": [{"port": 80}], "publishNotReadyAddresses": false, "type": ""}}),
                json!({"spec": {"ports": [{"port": 80}]}, "status": {"loadBalancer": {}}}),
            ),
            (
                "v1",
                "Pod",
                json!({"spec": {"hostNetwork": false, "automountServiceAccountToken": false, "containers": [
                    {"name": "c", "image": "", "resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}}, "args": []},
                ], "volumes": [{"name": "v", "emptyDir": {}}]}}),
                json!({"spec": {"automountServiceAccountToken": false, "containers": [
                    {"name": "c", "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}},
                ], "volumes": [{"name": "v", "emptyDir": {}}]}, "status": {}}),
            ),
            (
                "apps/v1",
                "Deployment",
                json!({"spec": {"replicas": 0, "paused": false, "selector": {}, "template": {}}}),
                json!({"spec": {"replicas": 0, "selector": {}, "strategy": {}, "template": {"metadata": {}, "spec": {}}},
                    "status": {}}),
            ),
            (
                "apps/v1",
                "ReplicaSet",
                json!({"status": {}}),
                json!({
                    "spec": {"template": {"metadata": {}, "spec": {}}}, "status": {"replicas": 0},
                }),
            ),
            (
                "coordination.k8s.io/v1",
                "Lease",
                json!({"spec": {"renewTime": "2026-01-02T04:04:05.5+01:00", "leaseDurationSeconds": 0}}),
                json!({"spec": {"renewTime": "2026-01-02T03:04:05.500000Z", "leaseDurationSeconds": 0}}),
            ),
            (
                "v1",
                "Event",
                json!({"involvedObject": {"name": "p"}, "firstTimestamp": "2026-01-02T03:04:05.9Z"}),
                json!({"involvedObject": {"name": "p"}, "source": {}, "firstTimestamp": "2026-01-02T03:04:05Z",
                    "lastTimestamp": null, "eventTime": null, "reportingComponent": "", "reportingInstance": ""}),
            ),
            (
                "example.org/v1",
                "Unknown",
                json!({"a": null}),
                json!({"a": null}),
            ),
        ] {
            let got = Schema::built_in().canonical(api_version, kind, given);
            let again = Schema::built_in().canonical(api_version, kind, got.clone());
            assert_eq!(got, want, "{kind}");
            assert_eq!(got, again, "{kind} is rewritten once and for all");
        }
    }
}
