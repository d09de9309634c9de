//! Parses a stored object without its managed fields, which are often most of its text and nothing that a table shows.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// The object of a text, without `metadata.managedFields`.
pub(crate) fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Without(&["metadata", "managedFields"]).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// An object without the field at a path.
struct Without(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Without {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Without {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = match self.0 {
                [first, rest @ ..] if *first == name => match rest {
                    [] => {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    rest => map.next_value_seed(Without(rest))?,
                },
                _ => map.next_value()?,
            };
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_managed_fields_are_left_out() {
        let object = json!({"kind": "Pod", "metadata": {"name": "a", "managedFields": [{"x": 1}]}, "spec": {"managedFields": 1}});
        assert_eq!(
            parse(object.to_string().as_bytes()).expect("an object"),
            json!({"kind": "Pod", "metadata": {"name": "a"}, "spec": {"managedFields": 1}})
        );
        for damaged in ["", "[]", "{", "{\"metadata\":1}", "{} x"] {
            assert!(parse(damaged.as_bytes()).is_err(), "{damaged}");
        }
    }
}
