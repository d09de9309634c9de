//! Types as OpenAPI schemas, under the published names and with the `x-kubernetes-` extensions that clients read.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Edition;
use crate::model::{
    Field, Gvk, ListKind, MapKind, Scalar, Schema, Shape, Struct, Type, TypeDef, TypeId,
};
use crate::table::{self, Texts};

/// Writes the schemas of types and of all that they are made of.
pub(super) struct Maker<'a> {
    schema: &'a Schema,
    edition: Edition,
    /// One kind of each served group version; `DeleteOptions` belongs to them all.
    groups: Vec<Gvk>,
    wanted: Vec<TypeId>,
    seen: BTreeSet<TypeId>,
}

impl<'a> Maker<'a> {
    pub(super) fn new(schema: &'a Schema, edition: Edition, groups: Vec<Gvk>) -> Self {
        Self {
            schema,
            edition,
            groups,
            wanted: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    pub(super) fn all(mut self, roots: Vec<TypeId>) -> Map<String, Value> {
        self.wanted = roots;
        let mut out = Map::new();
        while let Some(id) = self.wanted.pop() {
            if !self.seen.insert(id) {
                continue;
            }
            if let Some(def) = self.schema.def(id).filter(|d| !d.name.is_empty()) {
                out.insert(def.name.to_string(), self.definition(id, def));
            }
        }
        out
    }

    fn definition(&mut self, id: TypeId, def: &'a TypeDef) -> Value {
        let texts = table::texts().get(id.0);
        let mut out = match (&def.document, &def.shape) {
            (Some(document), Shape::Struct(s)) => self.custom(document, s),
            (_, Shape::Struct(s)) => self.structure(s, texts),
            (_, Shape::Scalar(scalar)) => self.scalar(*scalar),
        };
        if let Some(text) = texts.map(|t| &t.whole).filter(|t| !t.is_empty()) {
            out.insert("description".into(), text.as_str().into());
        }
        let gvks = self.gvks(def);
        if !gvks.is_empty() {
            out.insert("x-kubernetes-group-version-kind".into(), Value::Array(gvks));
        }
        Value::Object(out)
    }

    fn gvks(&self, def: &TypeDef) -> Vec<Value> {
        let value =
            |g: &Gvk, kind: &str| json!({"group": g.group, "version": g.version, "kind": kind});
        match def.gvks.first().map(|g| g.kind.as_str()) {
            Some(kind @ ("DeleteOptions" | "WatchEvent")) => {
                self.groups.iter().map(|g| value(g, kind)).collect()
            }
            _ => def.gvks.iter().map(|g| value(g, &g.kind)).collect(),
        }
    }

    /// A custom kind's own schema, with the fields every object has.
    fn custom(&mut self, document: &Value, s: &'a Struct) -> Map<String, Value> {
        let mut out = match self.edition {
            Edition::V3 => document.as_object().cloned().unwrap_or_default(),
            Edition::V2 => without_v3(document)
                .as_object()
                .cloned()
                .unwrap_or_default(),
        };
        let common = ["apiVersion", "kind", "metadata"];
        let fields = s
            .fields
            .iter()
            .filter(|f| common.contains(&f.name.as_ref()));
        let fields: Vec<(String, Value)> = fields
            .map(|f| (f.name.to_string(), self.property(f, "")))
            .collect();
        let properties = out
            .entry("properties")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(properties) = properties.as_object_mut() {
            properties.extend(fields);
        }
        out
    }

    fn structure(&mut self, s: &'a Struct, texts: Option<&Texts>) -> Map<String, Value> {
        let mut properties = Map::new();
        for (at, field) in s.fields.iter().enumerate() {
            let text = texts
                .and_then(|t| t.fields.get(at))
                .map_or("", String::as_str);
            properties.insert(field.name.to_string(), self.property(field, text));
        }
        let mut out = Map::new();
        out.insert("type".into(), "object".into());
        let required: Vec<Value> = s
            .fields
            .iter()
            .filter(|f| f.required)
            .map(|f| f.name.as_ref().into())
            .collect();
        if !required.is_empty() {
            out.insert("required".into(), Value::Array(required));
        }
        if !properties.is_empty() {
            out.insert("properties".into(), Value::Object(properties));
        }
        if s.atomic {
            out.insert("x-kubernetes-map-type".into(), "atomic".into());
        }
        out
    }

    fn property(&mut self, field: &'a Field, text: &str) -> Value {
        let mut out = match self.type_schema(&field.ty) {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        // A sibling of `$ref` is ignored in v3.0, so that the reference moves one level down.
        if self.edition == Edition::V3
            && let Some(reference) = out.remove("$ref")
        {
            out.insert("allOf".into(), json!([{"$ref": reference}]));
        }
        let mut set = |key: &str, value: Value| out.insert(key.into(), value);
        if !text.is_empty() {
            set("description", text.into());
        }
        if !field.strategy.is_empty() {
            set(
                "x-kubernetes-patch-strategy",
                field.strategy.as_ref().into(),
            );
        }
        if !field.merge_key.is_empty() {
            set(
                "x-kubernetes-patch-merge-key",
                field.merge_key.as_ref().into(),
            );
        }
        if let Some(default) = &field.key_default {
            set("default", default.clone());
        }
        match &field.ty {
            Type::List(_, ListKind::Atomic) => {
                set("x-kubernetes-list-type", "atomic".into());
            }
            Type::List(_, ListKind::Set) => {
                set("x-kubernetes-list-type", "set".into());
            }
            Type::List(_, ListKind::Map(keys)) => {
                set("x-kubernetes-list-type", "map".into());
                set(
                    "x-kubernetes-list-map-keys",
                    keys.iter().map(AsRef::<str>::as_ref).collect(),
                );
            }
            Type::Map(_, MapKind::Atomic) | Type::Named(_, Some(true)) => {
                set("x-kubernetes-map-type", "atomic".into());
            }
            Type::Named(_, Some(false)) => {
                set("x-kubernetes-map-type", "granular".into());
            }
            _ => {}
        }
        Value::Object(out)
    }

    fn type_schema(&mut self, ty: &'a Type) -> Value {
        match ty {
            Type::Scalar(scalar) => Value::Object(self.scalar(*scalar)),
            Type::List(item, _) => json!({"type": "array", "items": self.type_schema(item)}),
            Type::Map(value, _) => {
                json!({"type": "object", "additionalProperties": self.type_schema(value)})
            }
            Type::Deduced => json!({}),
            Type::Named(id, _) => {
                self.wanted.push(*id);
                match self.schema.def(*id) {
                    Some(def) if !def.name.is_empty() => {
                        json!({"$ref": self.edition.reference(&def.name)})
                    }
                    Some(TypeDef {
                        shape: Shape::Struct(s),
                        ..
                    }) => Value::Object(self.structure(s, None)),
                    _ => json!({}),
                }
            }
        }
    }

    fn scalar(&self, scalar: Scalar) -> Map<String, Value> {
        let v3 = self.edition == Edition::V3;
        let value = match scalar {
            Scalar::String => json!({"type": "string"}),
            Scalar::Boolean => json!({"type": "boolean"}),
            Scalar::Int32 => json!({"type": "integer", "format": "int32"}),
            Scalar::Int64 => json!({"type": "integer", "format": "int64"}),
            Scalar::Double => json!({"type": "number", "format": "double"}),
            Scalar::Bytes => json!({"type": "string", "format": "byte"}),
            Scalar::Time | Scalar::MicroTime => json!({"type": "string", "format": "date-time"}),
            Scalar::Quantity if v3 => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
            Scalar::Quantity => json!({"type": "string"}),
            Scalar::IntOrString if v3 => {
                json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]})
            }
            Scalar::IntOrString => json!({"type": "string", "format": "int-or-string"}),
            Scalar::Raw => json!({"type": "object"}),
            Scalar::Json
            | Scalar::SchemaOrArray
            | Scalar::SchemaOrBool
            | Scalar::SchemaOrStrings => json!({}),
        };
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

/// A schema without what OpenAPI v2 has no word for.
fn without_v3(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, value)| {
                let keyword = matches!(
                    key.as_str(),
                    "nullable" | "oneOf" | "anyOf" | "allOf" | "not" | "default"
                );
                // A property may bear the name of a keyword; then it is a schema, never a flag or a list.
                !keyword || (value.is_object() && value.get("type").is_some())
            });
            Value::Object(kept.map(|(k, v)| (k.clone(), without_v3(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_v3).collect()),
        other => other.clone(),
    }
}
