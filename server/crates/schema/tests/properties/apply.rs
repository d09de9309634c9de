//! Server-side apply: what holds whoever applies what in which order.

use schema::{Schema, Writer};
use serde_json::{Map, Value, json};
use shared::Millis;

use crate::generate::{Random, plain, pod};
use crate::{CASES, POD, Shape};

const NOW: Millis = Millis(1_795_415_100_000);

fn apply(live: Option<&Value>, manager: &str, config: &Value, at_s: u64, force: bool) -> Value {
    let mut config = config.clone();
    config["apiVersion"] = "v1".into();
    config["kind"] = "Pod".into();
    config["metadata"]["name"] = "p".into();
    let writer = Writer {
        manager,
        api_version: "v1",
        subresource: "",
        now: NOW.plus_secs(at_s),
        ignored: &["/status"],
    };
    let merged = Schema::built_in().apply(live, &config, &writer, force);
    merged.unwrap_or_else(|e| panic!("{e}: {config} over {live:?}"))
}

/// What is in an object besides its bookkeeping.
fn content(object: &Value) -> Value {
    let mut object = object.clone();
    let fields = object.as_object_mut().expect("an object");
    fields.retain(|name, _| matches!(name.as_str(), "metadata" | "spec"));
    let metadata = fields.get_mut("metadata").and_then(Value::as_object_mut);
    metadata
        .expect("metadata")
        .retain(|name, _| !matches!(name.as_str(), "managedFields" | "name"));
    plain(POD, &object, true)
}

/// The fields of each manager.
fn owners(object: &Value) -> Map<String, Value> {
    let entries = object["metadata"]["managedFields"].as_array();
    let each = entries.into_iter().flatten();
    each.map(|e| {
        let manager = e["manager"].as_str().expect("a manager");
        (manager.to_owned(), e["fieldsV1"].clone())
    })
    .collect()
}

/// Some of the leaves of a configuration, and the others. Keys of items go with every part of them.
fn split(shape: Shape, value: &Value, random: &mut Random) -> [Option<Value>; 2] {
    let one_side = |value: &Value, random: &mut Random| {
        let mut sides = [None, None];
        sides[random.below(2)] = Some(value.clone());
        sides
    };
    let in_struct = |fields: &[(&str, Shape)], value: &Value, random: &mut Random| {
        let mut sides = [Map::new(), Map::new()];
        for (name, field) in value.as_object().into_iter().flatten() {
            let shape = fields.iter().find(|(n, _)| n == name);
            let shape = shape.map_or(Shape::Whole, |(_, shape)| *shape);
            for (side, part) in sides.iter_mut().zip(split(shape, field, random)) {
                side.extend(part.map(|part| (name.clone(), part)));
            }
        }
        sides
    };
    match (shape, value) {
        (Shape::Struct(fields), _) => in_struct(fields, value, random).map(non_empty),
        (Shape::Map, _) => in_struct(&[], value, random).map(non_empty),
        (Shape::Set, Value::Array(items)) => {
            let mut sides = [Vec::new(), Vec::new()];
            for item in items {
                sides[random.below(2)].push(item.clone());
            }
            sides.map(|side| (!side.is_empty()).then_some(Value::Array(side)))
        }
        (Shape::Keyed(keys, fields), Value::Array(items)) => {
            let mut sides = [Vec::new(), Vec::new()];
            for item in items {
                let mut rest = item.clone();
                rest.as_object_mut()
                    .expect("an item")
                    .retain(|name, _| !keys.contains(&name.as_str()));
                let parts = in_struct(fields, &rest, random);
                let is_bare = parts.iter().all(Map::is_empty);
                for (i, (side, part)) in sides.iter_mut().zip(parts).enumerate() {
                    if part.is_empty() && !(is_bare && i == 0) {
                        continue;
                    }
                    let mut whole = part;
                    whole.extend(
                        keys.iter()
                            .map(|key| ((*key).to_owned(), item[key].clone())),
                    );
                    side.push(Value::Object(whole));
                }
            }
            sides.map(|side| (!side.is_empty()).then_some(Value::Array(side)))
        }
        _ => one_side(value, random),
    }
}

fn non_empty(fields: Map<String, Value>) -> Option<Value> {
    (!fields.is_empty()).then_some(Value::Object(fields))
}

fn halves(random: &mut Random) -> [Value; 2] {
    let whole = pod(random);
    split(POD, &whole, random).map(|half| half.unwrap_or(json!({})))
}

#[test]
fn applying_twice_is_applying_once() {
    for seed in 0..CASES {
        let mut random = Random(seed);
        let [a, b] = halves(&mut random);
        let live = apply(Some(&apply(None, "a", &a, 0, false)), "b", &b, 1, false);
        assert_eq!(apply(Some(&live), "a", &a, 2, false), live, "seed {seed}");
        assert_eq!(apply(Some(&live), "b", &b, 3, true), live, "seed {seed}");
    }
}

#[test]
fn appliers_of_different_fields_may_come_in_any_order() {
    for seed in 0..CASES {
        let mut random = Random(seed);
        let [a, b] = halves(&mut random);
        let first = apply(Some(&apply(None, "a", &a, 0, false)), "b", &b, 0, false);
        let second = apply(Some(&apply(None, "b", &b, 0, false)), "a", &a, 0, false);
        assert_eq!(content(&first), content(&second), "seed {seed}: {a} {b}");
        assert_eq!(owners(&first), owners(&second), "seed {seed}: {a} {b}");
    }
}

#[test]
fn what_a_manager_owns_is_what_it_applied_last() {
    for seed in 0..CASES {
        let mut random = Random(seed);
        let [a, b] = halves(&mut random);
        let other = pod(&mut random);
        let mut live = apply(None, "a", &other, 0, false);
        live = apply(Some(&live), "b", &b, 1, true);
        live = apply(Some(&live), "a", &a, 2, true);
        for (manager, config) in [("a", &a), ("b", &b)] {
            let alone = apply(None, manager, config, 0, false);
            let (got, want) = (owners(&live), owners(&alone));
            assert_eq!(
                got.get(manager),
                want.get(manager),
                "seed {seed}: {other} {a} {b}"
            );
        }
    }
}

#[test]
fn what_is_not_applied_any_more_goes_unless_another_owns_it() {
    for seed in 0..CASES {
        let mut random = Random(seed);
        let [a, b] = halves(&mut random);
        let whole = apply(Some(&apply(None, "a", &a, 0, false)), "b", &b, 1, false);
        let left = apply(Some(&whole), "a", &json!({}), 2, false);
        let alone = apply(None, "b", &b, 1, false);
        assert_eq!(content(&left), content(&alone), "seed {seed}: {a} {b}");
        assert_eq!(owners(&left), owners(&alone), "seed {seed}: {a} {b}");
    }
}

#[test]
fn a_conflict_names_fields_that_really_differ() {
    let mut refused = 0;
    for seed in 0..CASES {
        let mut random = Random(seed);
        let (a, b) = (pod(&mut random), pod(&mut random));
        let live = apply(None, "a", &a, 0, false);
        let forced = apply(Some(&live), "b", &b, 1, true);
        let mut config = b.clone();
        config["apiVersion"] = "v1".into();
        config["kind"] = "Pod".into();
        let writer = Writer {
            manager: "b",
            api_version: "v1",
            subresource: "",
            now: NOW.plus_secs(1),
            ignored: &["/status"],
        };
        match Schema::built_in().apply(Some(&live), &config, &writer, false) {
            // Without a conflict nobody loses anything, and force makes no difference.
            Ok(merged) => {
                assert_eq!(merged, forced, "seed {seed}");
                assert_eq!(
                    owners(&merged).get("a"),
                    owners(&live).get("a"),
                    "seed {seed}"
                );
            }
            Err(e) => {
                refused += 1;
                assert_eq!(e.status().code, 409, "seed {seed}: {e}");
                assert_ne!(
                    owners(&forced).get("a"),
                    owners(&live).get("a"),
                    "seed {seed}: {e}"
                );
            }
        }
    }
    assert!((1..CASES).contains(&refused), "{refused}");
}
