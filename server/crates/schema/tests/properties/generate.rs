//! Pods from seeds, and the form in which two of them are compared.

use serde_json::{Map, Value, json};

use crate::Shape;

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("a small number")
    }

    pub(crate) fn flip(&mut self) -> bool {
        self.below(2) == 0
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// Some of the names, in some order.
    fn some(&mut self, names: &[&'static str]) -> Vec<&'static str> {
        let mut left = names.to_vec();
        let count = self.below(names.len() + 1);
        (0..count)
            .map(|_| left.remove(self.below(left.len())))
            .collect()
    }
}

/// The key of an item by its name: one field, or for ports a number and a protocol.
fn key_of(keys: &[&str], name: &str) -> Map<String, Value> {
    let mut item = Map::new();
    if keys.len() == 2 {
        let number = 80 + i64::from(name.as_bytes()[0]);
        item.insert(keys[0].into(), number.into());
        item.insert(keys[1].into(), "TCP".into());
    } else {
        item.insert(keys[0].into(), name.into());
    }
    item
}

/// A value of a shape, `None` for nothing.
pub(crate) fn value(shape: Shape, random: &mut Random) -> Option<Value> {
    let some = match shape {
        Shape::Scalar(of) => return random.flip().then(|| json!(random.pick(of))),
        Shape::Whole => json!(random.some(&["p", "q", "r"])),
        Shape::Set => json!(random.some(&["x/a", "x/b", "x/c", "x/d"])),
        Shape::Map | Shape::Selector => {
            let names = random.some(&["k1", "k2", "k3"]);
            let entries = names.into_iter();
            entries
                .map(|name| (name.to_owned(), json!(random.pick(&["1", "2"]))))
                .collect::<Map<_, _>>()
                .into()
        }
        Shape::Keyed(keys, fields) => {
            let names = random.some(&["a", "b", "c"]);
            let items = names.into_iter().map(|name| {
                let mut item = key_of(keys, name);
                item.extend(fields_of(fields, random));
                Value::Object(item)
            });
            Value::Array(items.collect())
        }
        Shape::Struct(fields) => Value::Object(fields_of(fields, random)),
    };
    (!is_empty(&some)).then_some(some)
}

fn fields_of(fields: &[(&str, Shape)], random: &mut Random) -> Map<String, Value> {
    let all = fields
        .iter()
        .filter_map(|(name, shape)| Some(((*name).to_owned(), value(*shape, random)?)));
    all.collect()
}

pub(crate) fn pod(random: &mut Random) -> Value {
    value(crate::POD, random).unwrap_or(json!({}))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// The value without what is empty; lists whose order says nothing sorted, when `sorted`.
pub(crate) fn plain(shape: Shape, value: &Value, sorted: bool) -> Value {
    let inner = |fields: &[(&str, Shape)], value: &Value| -> Value {
        let entries = value.as_object().into_iter().flatten();
        let kept = entries.filter_map(|(name, field)| {
            let shape = fields.iter().find(|(n, _)| n == name);
            let field = shape.map_or(field.clone(), |(_, s)| plain(*s, field, sorted));
            (!is_empty(&field)).then(|| (name.clone(), field))
        });
        Value::Object(kept.collect())
    };
    match (shape, value) {
        (Shape::Struct(fields), _) => inner(fields, value),
        (Shape::Keyed(_, fields), Value::Array(items)) => {
            let mut items: Vec<Value> = items.iter().map(|item| inner(fields, item)).collect();
            if sorted {
                items.sort_by_key(Value::to_string);
            }
            Value::Array(items)
        }
        (Shape::Set, Value::Array(items)) if sorted => {
            let mut items = items.clone();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        _ => value.clone(),
    }
}
