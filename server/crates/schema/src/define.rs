//! Types that arrive at run time: the structural schema of a CustomResourceDefinition joins the table.
//!
//! Reads what pruning, merging and ownership need. Rules about values (`minimum`, `pattern`,
//! `x-kubernetes-validations`) and defaults stay with the apiserver.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::model::{
    Field, Gvk, ListKind, MapKind, Scalar, Schema, Shape, Struct, Type, TypeDef, TypeId, Zero,
};

/// The deepest structural schema.
const MAX_DEPTH: usize = 64;

/// Why a schema cannot join the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefineError {
    /// The root is no object schema.
    #[error("spec.versions[*].schema.openAPIV3Schema.type: must be object at the root")]
    NotAnObject,
    /// Nested deeper than allowed.
    #[error("the schema is nested more than {MAX_DEPTH} deep")]
    TooDeep,
}

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

impl Schema {
    /// Adds a custom kind and its list kind. `schema` is one version's `openAPIV3Schema`.
    ///
    /// To change or remove definitions, start again from a clone of [`Schema::built_in`]: a clone is cheap, and
    /// requests that run keep the table they began with.
    ///
    /// # Errors
    /// The schema is not structural; the definition gets a `NonStructuralSchema` condition.
    pub fn define(
        &mut self,
        group: &str,
        version: &str,
        kind: &str,
        list_kind: &str,
        schema: &Value,
    ) -> Result<(), DefineError> {
        let is_object = schema.get("type").and_then(Value::as_str) == Some("object");
        if !is_object {
            return Err(DefineError::NotAnObject);
        }
        let mut shape = self.structure(schema, 0)?;
        self.add_object_fields(&mut shape, OBJECT_META);
        let package = reversed(group);
        let gvk = |kind: &str| Gvk {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
        };
        let item = self.add(TypeDef {
            name: format!("{package}.{version}.{kind}").into(),
            gvks: vec![gvk(kind)],
            shape: Shape::Struct(shape),
            document: Some(Arc::new(schema.clone())),
        });
        let mut list = Struct::default();
        let items = Type::List(Box::new(Type::Named(item, None)), ListKind::Unset);
        list.fields.push(Field {
            required: true,
            ..plain_field("items", items)
        });
        self.add_object_fields(&mut list, LIST_META);
        let list = self.add(TypeDef {
            name: format!("{package}.{version}.{list_kind}").into(),
            gvks: vec![gvk(list_kind)],
            shape: Shape::Struct(list),
            document: None,
        });
        self.register(&gvk(kind), item);
        self.register(&gvk(list_kind), list);
        Ok(())
    }

    fn add(&mut self, def: TypeDef) -> TypeId {
        self.types.push(Arc::new(def));
        TypeId(self.types.len() - 1)
    }

    /// `apiVersion`, `kind` and `metadata`, whatever the schema says about them.
    fn add_object_fields(&self, shape: &mut Struct, metadata: &str) {
        let metadata = self.types.iter().position(|t| t.name == metadata);
        let metadata = metadata.map_or(Type::Deduced, |at| Type::Named(TypeId(at), None));
        let string = || Type::Scalar(Scalar::String);
        for (name, ty) in [
            ("apiVersion", string()),
            ("kind", string()),
            ("metadata", metadata),
        ] {
            shape.fields.retain(|f| f.name != name);
            shape.fields.push(plain_field(name, ty));
        }
        shape.fields.sort_by(|a, b| a.name.cmp(&b.name));
    }

    fn structure(&mut self, schema: &Value, depth: usize) -> Result<Struct, DefineError> {
        if depth > MAX_DEPTH {
            return Err(DefineError::TooDeep);
        }
        let mut fields = Vec::new();
        for (name, property) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let ty = self.type_of(property, depth + 1)?;
            let key_default = property.get("default").cloned();
            fields.push(Field {
                key_default,
                ..plain_field(name, ty)
            });
        }
        let mut shape = Struct {
            fields,
            atomic: schema.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic"),
            open: says(schema, "x-kubernetes-preserve-unknown-fields"),
        };
        if says(schema, "x-kubernetes-embedded-resource") {
            self.add_object_fields(&mut shape, OBJECT_META);
        }
        Ok(shape)
    }

    fn type_of(&mut self, schema: &Value, depth: usize) -> Result<Type, DefineError> {
        if depth > MAX_DEPTH {
            return Err(DefineError::TooDeep);
        }
        if says(schema, "x-kubernetes-int-or-string") {
            return Ok(Type::Scalar(Scalar::IntOrString));
        }
        Ok(match schema.get("type").and_then(Value::as_str) {
            Some("string") => Type::Scalar(Scalar::String),
            Some("boolean") => Type::Scalar(Scalar::Boolean),
            Some("integer") => Type::Scalar(Scalar::Int64),
            Some("number") => Type::Scalar(Scalar::Double),
            Some("array") => {
                let items = schema.get("items").unwrap_or(&Value::Null);
                Type::List(Box::new(self.type_of(items, depth + 1)?), list_kind(schema))
            }
            Some("object") => self.object_type(schema, depth)?,
            _ => Type::Deduced,
        })
    }

    fn object_type(&mut self, schema: &Value, depth: usize) -> Result<Type, DefineError> {
        let atomic = schema.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic");
        let kind = if atomic {
            MapKind::Atomic
        } else {
            MapKind::Granular
        };
        match schema.get("additionalProperties") {
            Some(value @ Value::Object(_)) => {
                Ok(Type::Map(Box::new(self.type_of(value, depth + 1)?), kind))
            }
            Some(Value::Bool(true)) => Ok(Type::Map(Box::new(Type::Deduced), kind)),
            _ => {
                let shape = self.structure(schema, depth)?;
                let def = TypeDef {
                    shape: Shape::Struct(shape),
                    ..TypeDef::default()
                };
                Ok(Type::Named(self.add(def), None))
            }
        }
    }
}

/// A field of a custom type: its zero values are kept, and nothing is filled in for it.
fn plain_field(name: &str, ty: Type) -> Field {
    Field {
        name: Cow::Owned(name.to_owned()),
        ty,
        required: false,
        zero: Zero::Keep,
        wire: Vec::new(),
        strategy: Cow::Borrowed(""),
        merge_key: Cow::Borrowed(""),
        key_default: None,
    }
}

fn list_kind(schema: &Value) -> ListKind {
    let keys = schema
        .get("x-kubernetes-list-map-keys")
        .and_then(Value::as_array);
    let keys = keys.into_iter().flatten().filter_map(Value::as_str);
    match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => ListKind::Set,
        Some("map") => {
            let mut keys: Vec<Cow<'static, str>> = keys.map(|k| Cow::Owned(k.to_owned())).collect();
            keys.sort();
            ListKind::Map(keys)
        }
        Some(_) => ListKind::Atomic,
        None => ListKind::Unset,
    }
}

fn says(schema: &Value, extension: &str) -> bool {
    schema.get(extension).and_then(Value::as_bool) == Some(true)
}

/// `io.example.stable` for `stable.example.io`: how published names begin.
fn reversed(group: &str) -> String {
    let mut parts: Vec<&str> = group.split('.').collect();
    parts.reverse();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(schema: &Value) -> Result<Schema, DefineError> {
        let mut all = Schema::built_in().as_ref().clone();
        all.define("example.org", "v1", "Thing", "ThingList", schema)
            .map(|()| all)
    }

    #[test]
    fn custom_objects_are_pruned_and_checked() {
        let schema = with(&json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "size": {"type": "integer"},
                "tags": {"type": "object", "additionalProperties": {"type": "string"}},
                "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "port": {"x-kubernetes-int-or-string": true},
                "template": {"type": "object", "x-kubernetes-embedded-resource": true},
            }},
        }}))
        .expect("structural");
        let body = json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "t", "labels": {}},
            "spec": {"size": 0, "nope": 1, "tags": {"a": "b"}, "any": {"x": [1]}, "port": "http",
                "template": {"kind": "Pod", "spec": {}}}});
        let complaints: Vec<String> = schema
            .check("example.org/v1", "Thing", &body)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            complaints,
            [
                "unknown field \"spec.nope\"",
                "unknown field \"spec.template.spec\""
            ]
        );
        assert_eq!(
            schema.canonical("example.org/v1", "Thing", body),
            json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "t"},
                "spec": {"size": 0, "tags": {"a": "b"}, "any": {"x": [1]}, "port": "http", "template": {"kind": "Pod"}}})
        );
        assert!(
            schema.knows("example.org/v1", "ThingList")
                && !Schema::built_in().knows("example.org/v1", "Thing")
        );
    }

    #[test]
    fn what_is_not_structural_is_refused() {
        let deep = (0..100).fold(
            json!({"type": "string"}),
            |inner, _| json!({"type": "array", "items": inner}),
        );
        for (schema, want) in [
            (json!({}), DefineError::NotAnObject),
            (json!({"type": "array"}), DefineError::NotAnObject),
            (
                json!({"type": "object", "properties": {"a": deep}}),
                DefineError::TooDeep,
            ),
        ] {
            assert_eq!(with(&schema).err(), Some(want));
        }
    }
}
