//! Values seen through their type: which of their parts are owned one by one, and what follows from that: comparing,
//! merging and removing.
//!
//! The semantics are those of sigs.k8s.io/structured-merge-diff ("typed"): structs, granular maps, sets and keyed lists
//! have parts, everything else is one leaf. Who owns what is decided in `managed` and `apply`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::model::{ListKind, MapKind, Resolved, Scalar, Schema, Type};
use crate::set::{Set, field_element};

mod merge;
mod validate;

/// How two objects differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) added: Set,
    pub(crate) modified: Set,
    pub(crate) removed: Set,
}

/// What a value of a type is made of.
#[derive(Clone, Copy)]
pub(crate) enum Form<'a> {
    Leaf,
    Map(Fields<'a>),
    List(&'a Type, &'a ListKind),
}

/// The types of a map's parts.
#[derive(Clone, Copy)]
pub(crate) enum Fields<'a> {
    Struct(&'a crate::model::Struct),
    Map(&'a Type),
    Deduced,
}

impl<'a> Fields<'a> {
    /// The type of a part; what is not declared is taken as it is.
    pub(crate) fn child(self, name: &str) -> &'a Type {
        match self {
            Self::Struct(s) => s.field(name).map_or(&Type::Deduced, |f| &f.ty),
            Self::Map(value) => value,
            Self::Deduced => &Type::Deduced,
        }
    }

    fn is_declared(self, name: &str) -> bool {
        matches!(self, Self::Struct(s) if s.field(name).is_some())
    }
}

/// Items by path element, several where keys stand twice.
type Index<'v> = BTreeMap<String, Vec<&'v Value>>;

/// An item's path element, or why it has none.
type Element = Result<String, String>;

impl Schema {
    /// The form of values that stand for the same place; what has another shape than its type is a leaf.
    pub(crate) fn form<'a>(&'a self, ty: &'a Type, values: &[Option<&Value>]) -> Form<'a> {
        let present = || values.iter().flatten().filter(|v| !v.is_null());
        let objects = present().all(|v| v.is_object());
        let lists = present().all(|v| v.is_array());
        match self.resolve(ty) {
            Resolved::Struct(s, false) if objects => Form::Map(Fields::Struct(s)),
            Resolved::Map(value, MapKind::Granular) if objects => Form::Map(Fields::Map(value)),
            Resolved::Deduced if objects && present().next().is_some() => {
                Form::Map(Fields::Deduced)
            }
            Resolved::List(item, kind @ (ListKind::Set | ListKind::Map(_))) if lists => {
                Form::List(item, kind)
            }
            _ => Form::Leaf,
        }
    }

    /// The path element of an item.
    pub(crate) fn element(&self, item_type: &Type, kind: &ListKind, item: &Value) -> Element {
        let ListKind::Map(keys) = kind else {
            return Ok(format!("v:{item}"));
        };
        let mut found = Map::new();
        for key in keys {
            let default = || match self.resolve(item_type) {
                Resolved::Struct(s, _) => s.field(key)?.key_default.clone(),
                _ => None,
            };
            let value = item
                .get(key.as_ref())
                .filter(|v| !v.is_null())
                .cloned()
                .or_else(default);
            let Some(value) = value else {
                return Err(format!(
                    "associative list with keys has an element that omits key field {key:?} (and doesn't have default \
                     value)"
                ));
            };
            found.insert(key.to_string(), value);
        }
        Ok(format!("k:{}", Value::Object(found)))
    }

    /// The fields that an object sets, as an applier owns them.
    pub(crate) fn field_set(&self, ty: &Type, value: &Value) -> Set {
        let mut set = Set::default();
        self.collect(ty, value, &mut Vec::new(), &mut set);
        set
    }

    fn collect(&self, ty: &Type, value: &Value, path: &mut Vec<String>, set: &mut Set) {
        match (self.form(ty, &[Some(value)]), value) {
            (Form::Map(fields), Value::Object(map)) if !map.is_empty() => {
                for (name, inner) in map {
                    path.push(field_element(name));
                    self.collect(fields.child(name), inner, path, set);
                    let is_empty = inner.is_null() || inner.as_object().is_some_and(Map::is_empty);
                    if is_empty || !fields.is_declared(name) {
                        set.insert(path);
                    }
                    path.pop();
                }
            }
            (Form::List(item_type, kind), Value::Array(items)) if !items.is_empty() => {
                for item in items {
                    if let Ok(element) = self.element(item_type, kind, item) {
                        path.push(element);
                        self.collect(item_type, item, path, set);
                        set.insert(path);
                        path.pop();
                    }
                }
            }
            _ => set.insert(path),
        }
    }

    /// How `new` differs from `old`.
    pub(crate) fn compare(&self, ty: &Type, old: &Value, new: &Value) -> Comparison {
        let mut comparison = Comparison::default();
        self.compare_at(ty, Some(old), Some(new), &mut Vec::new(), &mut comparison);
        comparison
    }

    fn compare_at(
        &self,
        ty: &Type,
        old: Option<&Value>,
        new: Option<&Value>,
        path: &mut Vec<String>,
        out: &mut Comparison,
    ) {
        if old == new {
            return;
        }
        match self.form(ty, &[old, new]) {
            Form::Map(fields) => {
                let (old_map, new_map) = (object(old), object(new));
                if old_map.is_none_or(Map::is_empty) && new_map.is_none_or(Map::is_empty) {
                    return compare_leaf(old, new, path, out);
                }
                let names = old_map.into_iter().chain(new_map).flat_map(Map::keys);
                let names: BTreeSet<&String> = names.collect();
                for name in names {
                    let before = old_map.and_then(|m| m.get(name));
                    let after = new_map.and_then(|m| m.get(name));
                    path.push(field_element(name));
                    self.compare_at(fields.child(name), before, after, path, out);
                    path.pop();
                }
            }
            Form::List(item_type, kind) => {
                let (old_items, new_items) = (items(old), items(new));
                if old_items.is_empty() && new_items.is_empty() {
                    return compare_leaf(old, new, path, out);
                }
                let before = self.index(item_type, kind, old_items);
                let (Some(before), Some(after)) = (before, self.index(item_type, kind, new_items))
                else {
                    return compare_leaf(old, new, path, out);
                };
                self.compare_items(item_type, &before, &after, path, out);
            }
            Form::Leaf => return compare_leaf(old, new, path, out),
        }
        match (old, new) {
            (None, Some(_)) => out.added.insert(path),
            (Some(_), None) => out.removed.insert(path),
            _ => {}
        }
    }

    fn compare_items(
        &self,
        item_type: &Type,
        before: &Index<'_>,
        after: &Index<'_>,
        path: &mut Vec<String>,
        out: &mut Comparison,
    ) {
        let elements: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for element in elements {
            let (old, new) = (before.get(element), after.get(element));
            path.push(element.clone());
            match (old.map(Vec::as_slice), new.map(Vec::as_slice)) {
                (Some([old]), Some([new])) => {
                    self.compare_at(item_type, Some(old), Some(new), path, out)
                }
                (Some([old]), None) => self.compare_at(item_type, Some(old), None, path, out),
                (None, Some([new])) => self.compare_at(item_type, None, Some(new), path, out),
                // Items with the same keys are one thing that changes as a whole.
                (Some(old), Some(new)) if old != new => out.modified.insert(path),
                (None, Some(_)) => out.added.insert(path),
                (Some(_), None) => out.removed.insert(path),
                _ => {}
            }
            path.pop();
        }
    }

    /// Items by path element; `None` when one has no element, which makes the list a leaf.
    fn index<'v>(
        &self,
        item_type: &Type,
        kind: &ListKind,
        items: &'v [Value],
    ) -> Option<Index<'v>> {
        let mut index = Index::new();
        for item in items {
            index
                .entry(self.element(item_type, kind, item).ok()?)
                .or_default()
                .push(item);
        }
        Some(index)
    }

    /// The value without the paths of `gone`; `None` when nothing is left.
    pub(crate) fn remove(&self, ty: &Type, value: &Value, gone: &Set) -> Option<Value> {
        match (self.form(ty, &[Some(value)]), value) {
            (Form::Map(fields), Value::Object(map)) => {
                let mut kept = Map::new();
                for (name, inner) in map {
                    let element = field_element(name);
                    if gone.has(&element) {
                        continue;
                    }
                    // What loses all its parts stays as null, so that whoever owns it keeps owning it.
                    let inner = match gone.below(&element) {
                        Some(below) => self
                            .remove(fields.child(name), inner, below)
                            .unwrap_or_default(),
                        None => inner.clone(),
                    };
                    kept.insert(name.clone(), inner);
                }
                (!kept.is_empty() || map.is_empty()).then_some(Value::Object(kept))
            }
            (Form::List(item_type, kind), Value::Array(items)) => {
                let mut kept = Vec::new();
                for item in items {
                    let Ok(element) = self.element(item_type, kind, item) else {
                        kept.push(item.clone());
                        continue;
                    };
                    if gone.has(&element) {
                        continue;
                    }
                    kept.extend(match gone.below(&element) {
                        Some(below) => self.remove(item_type, item, below),
                        None => Some(item.clone()),
                    });
                }
                (!kept.is_empty() || items.is_empty()).then_some(Value::Array(kept))
            }
            _ => Some(value.clone()),
        }
    }

    /// The set with the declared fields that have paths below (`EnsureNamedFieldsAreMembers`).
    pub(crate) fn with_named(&self, ty: &Type, set: &Set) -> Set {
        let is_named =
            |at: &Type, element: &str| match (self.resolve(at), element.strip_prefix("f:")) {
                (Resolved::Struct(s, _), Some(name)) => s.field(name).is_some(),
                _ => false,
            };
        set.with_named(ty, &is_named, &|at, element| self.step(at, element))
    }

    fn step<'a>(&'a self, at: &'a Type, element: &str) -> &'a Type {
        match (self.resolve(at), element.strip_prefix("f:")) {
            (Resolved::Struct(s, _), Some(name)) => Fields::Struct(s).child(name),
            (Resolved::Map(value, _), Some(_)) => value,
            (Resolved::List(item, _), None) => item,
            _ => &Type::Deduced,
        }
    }
}

fn compare_leaf(old: Option<&Value>, new: Option<&Value>, path: &[String], out: &mut Comparison) {
    match (old, new) {
        (None, Some(_)) => out.added.insert(path),
        (Some(_), None) => out.removed.insert(path),
        (Some(old), Some(new)) if old != new => out.modified.insert(path),
        _ => {}
    }
}

fn object(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The word of structured-merge-diff for what a scalar must be.
fn expected(scalar: Scalar) -> Option<&'static str> {
    match scalar {
        Scalar::String | Scalar::Bytes | Scalar::Time | Scalar::MicroTime => Some("string"),
        Scalar::Boolean => Some("boolean"),
        Scalar::Int32 | Scalar::Int64 | Scalar::Double => Some("numeric (int or float)"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
