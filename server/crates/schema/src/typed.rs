//! Values seen through their type: which of their parts are owned one by one, and what follows from that: comparing,
//! merging and removing.
//!
//! The semantics are those of sigs.k8s.io/structured-merge-diff ("typed"): structs, granular maps, sets and keyed lists
//! have parts, everything else is one leaf. Who owns what is decided in `managed` and `apply`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::model::{ListKind, MapKind, Resolved, Scalar, Schema, Type};
use crate::set::{Node, Set, field_element};

mod merge;
mod validate;

/// How two objects differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) added: Set,
    pub(crate) modified: Set,
    pub(crate) removed: Set,
}

/// How two values of one place differ.
#[derive(Default)]
struct Branch {
    added: Node,
    modified: Node,
    removed: Node,
}

impl Branch {
    /// A value without parts.
    fn leaf(old: Option<&Value>, new: Option<&Value>) -> Self {
        let mut branch = Self::default();
        match (old, new) {
            (None, Some(_)) => branch.added = Node::leaf(),
            (Some(_), None) => branch.removed = Node::leaf(),
            (Some(old), Some(new)) if old != new => branch.modified = Node::leaf(),
            _ => {}
        }
        branch
    }

    /// Takes in how a part differs.
    fn put(&mut self, element: impl Fn() -> String, part: Self) {
        for (whole, part) in [
            (&mut self.added, part.added),
            (&mut self.modified, part.modified),
            (&mut self.removed, part.removed),
        ] {
            if !part.is_empty() {
                whole.below.put(element(), part);
            }
        }
    }
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
        self.collect(ty, value).below
    }

    fn collect(&self, ty: &Type, value: &Value) -> Node {
        let mut node = Node::default();
        match (self.form(ty, &[Some(value)]), value) {
            (Form::Map(fields), Value::Object(map)) if !map.is_empty() => {
                for (name, inner) in map {
                    let mut part = self.collect(fields.child(name), inner);
                    let is_empty = inner.is_null() || inner.as_object().is_some_and(Map::is_empty);
                    part.member |= is_empty || !fields.is_declared(name);
                    node.below.put(field_element(name), part);
                }
            }
            (Form::List(item_type, kind), Value::Array(items)) if !items.is_empty() => {
                for item in items {
                    if let Ok(element) = self.element(item_type, kind, item) {
                        let mut part = self.collect(item_type, item);
                        part.member = true;
                        node.below.merge(element, part);
                    }
                }
            }
            _ => node.member = true,
        }
        node
    }

    /// How `new` differs from `old`.
    pub(crate) fn compare(&self, ty: &Type, old: &Value, new: &Value) -> Comparison {
        let whole = self.compare_at(ty, Some(old), Some(new));
        Comparison {
            added: whole.added.below,
            modified: whole.modified.below,
            removed: whole.removed.below,
        }
    }

    fn compare_at(&self, ty: &Type, old: Option<&Value>, new: Option<&Value>) -> Branch {
        if old == new {
            return Branch::default();
        }
        let mut branch = match self.form(ty, &[old, new]) {
            Form::Map(fields) => {
                let (old_map, new_map) = (object(old), object(new));
                if old_map.is_none_or(Map::is_empty) && new_map.is_none_or(Map::is_empty) {
                    return Branch::leaf(old, new);
                }
                self.compare_maps(fields, old_map, new_map)
            }
            Form::List(item_type, kind) => {
                let (old_items, new_items) = (items(old), items(new));
                if old_items.is_empty() && new_items.is_empty() {
                    return Branch::leaf(old, new);
                }
                let before = self.index(item_type, kind, old_items);
                let (Some(before), Some(after)) = (before, self.index(item_type, kind, new_items))
                else {
                    return Branch::leaf(old, new);
                };
                self.compare_items(item_type, &before, &after)
            }
            Form::Leaf => return Branch::leaf(old, new),
        };
        branch.added.member |= old.is_none();
        branch.removed.member |= new.is_none();
        branch
    }

    fn compare_maps(
        &self,
        fields: Fields<'_>,
        old: Option<&Map<String, Value>>,
        new: Option<&Map<String, Value>>,
    ) -> Branch {
        let mut branch = Branch::default();
        let mut compare = |name: &str, before, after| {
            if before != after {
                let part = self.compare_at(fields.child(name), before, after);
                branch.put(|| field_element(name), part);
            }
        };
        for (name, before) in old.into_iter().flatten() {
            compare(name, Some(before), new.and_then(|m| m.get(name)));
        }
        for (name, after) in new.into_iter().flatten() {
            if old.is_none_or(|m| !m.contains_key(name)) {
                compare(name, None, Some(after));
            }
        }
        branch
    }

    fn compare_items(&self, item_type: &Type, before: &Index<'_>, after: &Index<'_>) -> Branch {
        let mut branch = Branch::default();
        let elements: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for element in elements {
            let (old, new) = (before.get(element), after.get(element));
            let part = match (old.map(Vec::as_slice), new.map(Vec::as_slice)) {
                (Some([old]), Some([new])) => self.compare_at(item_type, Some(old), Some(new)),
                (Some([old]), None) => self.compare_at(item_type, Some(old), None),
                (None, Some([new])) => self.compare_at(item_type, None, Some(new)),
                // Items with the same keys are one thing that changes as a whole.
                (Some(old), Some(new)) if old != new => Branch {
                    modified: Node::leaf(),
                    ..Branch::default()
                },
                (None, Some(_)) => Branch {
                    added: Node::leaf(),
                    ..Branch::default()
                },
                (Some(_), None) => Branch {
                    removed: Node::leaf(),
                    ..Branch::default()
                },
                _ => Branch::default(),
            };
            branch.put(|| element.clone(), part);
        }
        branch
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
