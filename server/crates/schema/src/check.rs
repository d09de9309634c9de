//! Whether a body has the fields and types that its kind declares.
//!
//! Unknown fields are for `fieldValidation` (KEP-2885); wrong types are the decode errors of the original, in its
//! words as far as they follow from the table. What values mean is validated elsewhere.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use shared::Millis;

use crate::model::{Resolved, Scalar, Schema, Struct, Type};

/// One field that does not fit its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong.
    pub problem: Problem,
    /// Where, such as `spec.containers[0].nope`.
    pub path: String,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The kind does not declare it: dropped, warned about or refused, as `fieldValidation` says.
    UnknownField,
    /// Its value cannot be decoded: always refused. Holds the decoder's words.
    WrongType(String),
}

impl Complaint {
    /// True for what is refused (400) under every `fieldValidation`.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self.problem, Problem::WrongType(_))
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::UnknownField => write!(f, "unknown field \"{}\"", self.path),
            Problem::WrongType(text) => f.write_str(text),
        }
    }
}

/// The deepest object that is looked at; `serde_json` refuses deeper text before.
const MAX_DEPTH: usize = 150;

struct Checker<'a> {
    schema: &'a Schema,
    complaints: Vec<Complaint>,
    /// The path with list indexes, for unknown fields.
    path: Vec<Step>,
    /// The Go name of the innermost struct.
    owner: String,
}

enum Step {
    Field(String),
    Index(usize),
}

impl Schema {
    /// Every field that does not fit, in the order of field names. None for an unknown kind.
    #[must_use]
    pub fn check(&self, api_version: &str, kind: &str, body: &Value) -> Vec<Complaint> {
        let Some(ty) = self.find_type(api_version, kind) else {
            return Vec::new();
        };
        let mut checker = Checker {
            schema: self,
            complaints: Vec::new(),
            path: Vec::new(),
            owner: String::new(),
        };
        checker.value(&ty, body);
        checker.complaints
    }

    /// How Go prints a type: `[]v1.Container`, `map[string]string`, `int32`.
    fn go_type(&self, ty: &Type) -> String {
        match ty {
            Type::List(item, _) => format!("[]{}", self.go_type(item)),
            Type::Map(value, _) => format!("map[string]{}", self.go_type(value)),
            Type::Deduced => "interface {}".into(),
            Type::Scalar(scalar) => match scalar {
                Scalar::String => "string",
                Scalar::Boolean => "bool",
                Scalar::Int32 => "int32",
                Scalar::Int64 => "int64",
                Scalar::Double => "float64",
                Scalar::Bytes => "[]uint8",
                _ => "map[string]interface {}",
            }
            .into(),
            Type::Named(id, _) => {
                let name = self.def(*id).map_or("", |d| d.name.as_ref());
                let from = name.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
                name.get(from..).unwrap_or_default().into()
            }
        }
    }
}

impl Checker<'_> {
    fn value(&mut self, ty: &Type, value: &Value) {
        if value.is_null() || self.path.len() > MAX_DEPTH {
            return;
        }
        match (self.schema.resolve(ty), value) {
            (Resolved::Struct(s, _), Value::Object(object)) => self.object(ty, s, object),
            (Resolved::List(item, _), Value::Array(items)) => {
                for (index, inner) in items.iter().enumerate() {
                    self.inside(Step::Index(index), item, inner);
                }
            }
            (Resolved::Map(inner, _), Value::Object(map)) => {
                for (key, held) in map {
                    self.inside(Step::Field(key.clone()), inner, held);
                }
            }
            (Resolved::Deduced, _) => {}
            (Resolved::Scalar(scalar), _) => {
                if let Some(text) = self.scalar(ty, scalar, value) {
                    self.wrong(text);
                }
            }
            _ => {
                let text = self.mismatch(ty, kind_of(value));
                self.wrong(text);
            }
        }
    }

    fn inside(&mut self, step: Step, ty: &Type, value: &Value) {
        self.path.push(step);
        self.value(ty, value);
        self.path.pop();
    }

    fn object(&mut self, ty: &Type, s: &Struct, object: &Map<String, Value>) {
        let go = self.schema.go_type(ty);
        let name = go.rsplit('.').next().unwrap_or_default().to_owned();
        let outer = std::mem::replace(&mut self.owner, name);
        for (key, value) in object {
            match s.field(key) {
                Some(field) => self.inside(Step::Field(key.clone()), &field.ty, value),
                None if s.open => {}
                None => {
                    self.path.push(Step::Field(key.clone()));
                    let path = self.full_path();
                    self.complaints.push(Complaint {
                        problem: Problem::UnknownField,
                        path,
                    });
                    self.path.pop();
                }
            }
        }
        self.owner = outer;
    }

    fn wrong(&mut self, text: String) {
        let path = self.full_path();
        self.complaints.push(Complaint {
            problem: Problem::WrongType(text),
            path,
        });
    }

    /// The decoder's words for a value that is no such scalar.
    fn scalar(&self, ty: &Type, scalar: Scalar, value: &Value) -> Option<String> {
        match (scalar, value) {
            (Scalar::String, Value::String(_)) | (Scalar::Boolean, Value::Bool(_)) | (Scalar::Double, Value::Number(_)) => None,
            (Scalar::Int32, Value::Number(n)) if n.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => None,
            (Scalar::Int64, Value::Number(n)) if n.is_i64() => None,
            (Scalar::Int32 | Scalar::Int64, Value::Number(n)) => Some(self.mismatch(ty, &format!("number {n}"))),
            (Scalar::IntOrString, Value::String(_)) => None,
            (Scalar::IntOrString, Value::Number(n)) if n.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => None,
            (Scalar::IntOrString, Value::Number(n)) => Some(format!("json: cannot unmarshal number {n} into Go value of type int32")),
            (Scalar::IntOrString, _) => Some(format!("json: cannot unmarshal {} into Go value of type int32", kind_of(value))),
            (Scalar::Bytes, Value::String(s)) => STANDARD.decode(s).err().map(|e| match e {
                base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => {
                    format!("illegal base64 data at input byte {at}")
                }
                _ => format!("illegal base64 data at input byte {}", s.len().saturating_sub(s.len() % 4)),
            }),
            (Scalar::Quantity, Value::String(s)) if crate::canonical_quantity(s).is_some() => None,
            (Scalar::Quantity, Value::Number(n)) if crate::canonical_quantity(&n.to_string()).is_some() => None,
            (Scalar::Quantity, _) => Some(
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'".into(),
            ),
            (Scalar::Time | Scalar::MicroTime, Value::String(s)) => {
                let layout = if scalar == Scalar::Time { "2006-01-02T15:04:05Z07:00" } else { "2006-01-02T15:04:05.000000Z07:00" };
                Millis::parse_rfc3339(s)
                    .is_none()
                    .then(|| format!("parsing time {s:?} as {layout:?}: cannot parse {s:?} as \"2006\""))
            }
            (Scalar::Time | Scalar::MicroTime, _) => Some(format!("json: cannot unmarshal {} into Go value of type string", kind_of(value))),
            (Scalar::Raw | Scalar::Json | Scalar::SchemaOrArray | Scalar::SchemaOrBool | Scalar::SchemaOrStrings, _) => None,
            _ => Some(self.mismatch(ty, kind_of(value))),
        }
    }

    fn mismatch(&self, ty: &Type, found: &str) -> String {
        let go = self.schema.go_type(ty);
        let fields = self.path.iter().filter_map(|s| match s {
            Step::Field(name) => Some(name.as_str()),
            Step::Index(_) => None,
        });
        let path: Vec<&str> = fields.collect();
        if path.is_empty() {
            return format!("json: cannot unmarshal {found} into Go value of type {go}");
        }
        format!(
            "json: cannot unmarshal {found} into Go struct field {}.{} of type {go}",
            self.owner,
            path.join(".")
        )
    }

    fn full_path(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Field(name) if text.is_empty() => text.push_str(name),
                Step::Field(name) => text.extend([".", name]),
                Step::Index(index) => text.push_str(&format!("[{index}]")),
            }
        }
        text
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(api_version: &str, kind: &str, body: &Value, want: &[&str]) {
        let got: Vec<String> = Schema::built_in()
            .check(api_version, kind, body)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(got, want, "{body}");
    }

    #[test]
    fn unknown_fields_are_named_with_their_path() {
        check(
            "v1",
            "Pod",
            &json!({"spec": {"containers": [{"name": "c", "image": "i", "nope": 1}]}, "x": {}}),
            &[
                "unknown field \"spec.containers[0].nope\"",
                "unknown field \"x\"",
            ],
        );
        check(
            "v1",
            "ConfigMap",
            &json!({"metadata": {"labels": {"any": "key"}}, "data": {"any": "key"}}),
            &[],
        );
        check(
            "apps/v1",
            "ControllerRevision",
            &json!({"data": {"any": {"thing": []}}}),
            &[],
        );
        check("example.org/v1", "Nothing", &json!({"any": 1}), &[]);
        check(
            "apps/v1",
            "DeleteOptions",
            &json!({"propagationPolicy": "Foreground", "nope": 1}),
            &["unknown field \"nope\""],
        );
    }

    #[test]
    fn wrong_types_are_told_in_the_decoders_words() {
        for (body, want) in [
            (
                json!({"spec": {"containers": "no"}}),
                "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container",
            ),
            (
                json!({"metadata": {"labels": {"a": 1}}}),
                "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels.a of type string",
            ),
            (
                json!({"spec": {"containers": [{"ports": [{"containerPort": "80"}]}]}}),
                "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
            ),
            (
                json!({"spec": {"priority": 3_000_000_000_i64}}),
                "json: cannot unmarshal number 3000000000 into Go struct field PodSpec.spec.priority of type int32",
            ),
            (
                json!({"spec": {"terminationGracePeriodSeconds": 1.5}}),
                "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64",
            ),
            (
                json!({"spec": {"containers": [{"resources": {"requests": {"cpu": "x"}}}]}}),
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
            ),
            (
                json!({"metadata": {"deletionTimestamp": "soon"}}),
                "parsing time \"soon\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"soon\" as \"2006\"",
            ),
            (
                json!({"spec": []}),
                "json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec",
            ),
            (
                json!([]),
                "json: cannot unmarshal array into Go value of type v1.Pod",
            ),
        ] {
            check("v1", "Pod", &body, &[want]);
        }
        check("v1", "Secret", &json!({"data": {"a": "MQ=="}}), &[]);
        check(
            "v1",
            "Secret",
            &json!({"data": {"a": "M!=="}}),
            &["illegal base64 data at input byte 1"],
        );
        check(
            "v1",
            "Pod",
            &json!({"spec": null, "metadata": {"name": null}}),
            &[],
        );
    }
}
