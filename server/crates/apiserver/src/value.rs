//! Small helpers over JSON values: reading what may be missing, filling in what is.

use serde_json::{Map, Value};
use shared::pointer::at;

pub(crate) type Fields = Map<String, Value>;

/// The string at a JSON pointer, `""` when there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A string field of an object.
pub(crate) fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The integer at a JSON pointer.
pub(crate) fn int(value: &Value, pointer: &str) -> Option<i64> {
    at(value, pointer).and_then(Value::as_i64)
}

/// The items of the array at a JSON pointer.
pub(crate) fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The entries of the map at a JSON pointer.
pub(crate) fn entries<'a>(
    value: &'a Value,
    pointer: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    at(value, pointer)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// True when the JSON pointer leads to `true`.
pub(crate) fn flag(value: &Value, pointer: &str) -> bool {
    at(value, pointer).and_then(Value::as_bool) == Some(true)
}

/// The object below `name`, made when it is missing or no object.
pub(crate) fn object<'a>(value: &'a mut Value, name: &str) -> &'a mut Fields {
    as_object(as_object(value).entry(name).or_insert_with(empty))
}

/// The value as an object; whatever else it was is replaced by an empty one.
pub(crate) fn as_object(value: &mut Value) -> &mut Fields {
    match value {
        Value::Object(fields) => fields,
        other => {
            *other = empty();
            as_object(other)
        }
    }
}

/// An empty object.
pub(crate) fn empty() -> Value {
    Value::Object(Fields::new())
}

/// Fills in a field that is missing.
pub(crate) fn default_to(fields: &mut Fields, name: &str, value: impl Into<Value>) {
    if !fields.contains_key(name) {
        fields.insert(name.into(), value.into());
    }
}

/// Fills in a string field that is missing or empty.
pub(crate) fn default_text(fields: &mut Fields, name: &str, value: &str) {
    if fields.get(name).is_none_or(|v| v.as_str() == Some("")) {
        fields.insert(name.into(), value.into());
    }
}

/// Runs `f` on every object in the array below `name`.
pub(crate) fn each(fields: &mut Fields, name: &str, mut f: impl FnMut(&mut Fields)) {
    for item in fields
        .get_mut(name)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(item) = item.as_object_mut() {
            f(item);
        }
    }
}

/// The object below `name` if there is one.
pub(crate) fn inside<'a>(fields: &'a mut Fields, name: &str) -> Option<&'a mut Fields> {
    fields.get_mut(name)?.as_object_mut()
}

/// Sets a field to a value, or removes it.
pub(crate) fn put(fields: &mut Fields, name: &str, value: Option<Value>) {
    match value {
        Some(value) => fields.insert(name.into(), value),
        None => fields.remove(name),
    };
}

/// Removes every null inside a value, as decoding into Go's types does with absent pointers.
pub(crate) fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, v| !v.is_null());
            fields.values_mut().for_each(strip_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}
