//! Strategic merge against a naive reference, and against patches made from two states.

use schema::Schema;
use serde_json::{Map, Value, json};

use crate::generate::{Random, plain, pod};
use crate::{CASES, POD, Shape};

fn merge(original: &Value, patch: &Value) -> Value {
    let merged = Schema::built_in().strategic_merge("v1", "Pod", original, patch);
    merged.unwrap_or_else(|e| panic!("{e}: {original} {patch}"))
}

fn objects(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn list(value: Option<&Value>) -> Vec<Value> {
    value.and_then(Value::as_array).cloned().unwrap_or_default()
}

fn inner_shape(fields: &[(&str, Shape)], name: &str) -> Shape {
    let found = fields.iter().find(|(n, _)| *n == name);
    found.map_or(Shape::Scalar(&[]), |(_, shape)| *shape)
}

/// What the documentation says about patches without directives, in as few words as possible.
fn reference(shape: Shape, original: Option<&Value>, patch: &Value) -> Value {
    let struct_of = |fields: &[(&str, Shape)], original: Option<&Value>| {
        let mut merged = original.map(objects).unwrap_or_default();
        for (name, change) in objects(patch) {
            if change.is_null() {
                merged.remove(&name);
            } else {
                let new = reference(inner_shape(fields, &name), merged.get(&name), &change);
                merged.insert(name, new);
            }
        }
        Value::Object(merged)
    };
    match shape {
        Shape::Scalar(_) | Shape::Whole => patch.clone(),
        Shape::Map | Shape::Selector => struct_of(&[], original),
        Shape::Struct(fields) => struct_of(fields, original),
        Shape::Set => {
            let mut all = list(original);
            all.extend(list(Some(patch)));
            all.sort_by_key(Value::to_string);
            all.dedup();
            Value::Array(all)
        }
        Shape::Keyed(keys, fields) => {
            let mut all = list(original);
            for item in list(Some(patch)) {
                let at = all.iter().position(|o| o[keys[0]] == item[keys[0]]);
                let before = at.map(|at| all.remove(at));
                all.push(reference(Shape::Struct(fields), before.as_ref(), &item));
            }
            Value::Array(all)
        }
    }
}

#[test]
fn merging_agrees_with_a_naive_reference() {
    for seed in 0..CASES {
        let mut random = Random(seed);
        let (original, mut patch) = (pod(&mut random), pod(&mut random));
        if random.flip() {
            patch["spec"]["nodeSelector"] = Value::Null;
        }
        if random.flip() {
            patch["metadata"]["labels"]["k1"] = Value::Null;
        }
        let want = plain(POD, &reference(POD, Some(&original), &patch), true);
        let got = plain(POD, &merge(&original, &patch), true);
        assert_eq!(want, got, "seed {seed}: {original} {patch}");
        // A patch without deletions that has been applied changes nothing more.
        assert_eq!(plain(POD, &merge(&got, &patch), true), got, "seed {seed}");
    }
}

/// The patch, with directives, that turns one state into another.
fn diff(shape: Shape, before: &Value, after: &Value) -> Value {
    let struct_of = |fields: &[(&str, Shape)]| {
        let (old, new) = (objects(before), objects(after));
        let mut patch = Map::new();
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            patch.insert(name.clone(), Value::Null);
        }
        for (name, value) in new.iter().filter(|(name, v)| old.get(*name) != Some(*v)) {
            match (inner_shape(fields, name), old.get(name)) {
                (shape @ (Shape::Keyed(..) | Shape::Set), Some(old)) => {
                    patch.extend(diff_list(name, shape, old, value));
                }
                (_, None) => {
                    patch.insert(name.clone(), value.clone());
                }
                (shape, Some(old)) => {
                    patch.insert(name.clone(), diff(shape, old, value));
                }
            }
        }
        Value::Object(patch)
    };
    match shape {
        Shape::Struct(fields) => struct_of(fields),
        Shape::Map | Shape::Selector => struct_of(&[]),
        _ => after.clone(),
    }
}

fn diff_list(name: &str, shape: Shape, before: &Value, after: &Value) -> Map<String, Value> {
    let (old, new) = (list(Some(before)), list(Some(after)));
    let mut patch = Map::new();
    let Shape::Keyed(keys, fields) = shape else {
        let gone: Vec<&Value> = old.iter().filter(|item| !new.contains(item)).collect();
        patch.insert(format!("$deleteFromPrimitiveList/{name}"), json!(gone));
        patch.insert(format!("$setElementOrder/{name}"), after.clone());
        let added: Vec<&Value> = new.iter().filter(|item| !old.contains(item)).collect();
        patch.insert(name.into(), json!(added));
        return patch;
    };
    let key = keys[0];
    let of = |all: &[Value], item: &Value| all.iter().find(|o| o[key] == item[key]).cloned();
    let mut items: Vec<Value> = new
        .iter()
        .filter(|item| !old.contains(item))
        .map(|item| match of(&old, item) {
            None => item.clone(),
            Some(before) => {
                let mut change = diff(Shape::Struct(fields), &before, item);
                change[key] = item[key].clone();
                change
            }
        })
        .collect();
    let gone = old.iter().filter(|item| of(&new, item).is_none());
    items.extend(gone.map(|item| json!({"$patch": "delete", key: item[key]})));
    let order: Vec<Value> = new.iter().map(|item| json!({key: item[key]})).collect();
    patch.insert(name.into(), Value::Array(items));
    patch.insert(format!("$setElementOrder/{name}"), Value::Array(order));
    patch
}

#[test]
fn a_patch_made_from_two_states_leads_from_one_to_the_other() {
    for seed in 0..CASES {
        let mut random = Random(seed);
        let (before, after) = (pod(&mut random), pod(&mut random));
        let patch = diff(POD, &before, &after);
        let got = plain(POD, &merge(&before, &patch), false);
        assert_eq!(got, after, "seed {seed}: {before} {patch}");
    }
}
