//! YAML bodies: what they say as JSON, and the keys that stand twice in them.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

/// Deepest nesting of YAML that is read, as serde_json has it for JSON.
const MAX_DEPTH: usize = 128;

/// Parses YAML within the bounds of `serde_saphyr`'s budget; JSON is YAML. Of keys that stand twice the last counts.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| format!("yaml parse error: {e}"))?;
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    let value: Value = serde_saphyr::from_str_with_options(text, options())
        .map_err(|e| format!("error converting YAML to JSON: yaml: {e}"))?;
    if is_shallow(&value, MAX_DEPTH) {
        Ok(value)
    } else {
        Err("error converting YAML to JSON: nested too deeply".into())
    }
}

/// What strict decoding says about keys that stand twice, one line each; `None` when there are none. Expects YAML
/// that parsed.
pub(crate) fn duplicate_keys(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let Repeated(found) = serde_saphyr::from_str_with_options(text, options()).ok()?;
    if found.is_empty() {
        return None;
    }
    Some(format!("yaml: unmarshal errors:{}", found.concat()))
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::PassThrough }
}

fn is_shallow(value: &Value, left: usize) -> bool {
    left > 0
        && match value {
            Value::Object(fields) => fields.values().all(|v| is_shallow(v, left - 1)),
            Value::Array(items) => items.iter().all(|v| is_shallow(v, left - 1)),
            _ => true,
        }
}

/// The complaints about a node and all below it, in the original's order: those of a value before its own.
#[derive(Default)]
struct Repeated(Vec<String>);

impl<'de> Deserialize<'de> for Repeated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Repeated;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Repeated, A::Error> {
        let mut seen = std::collections::BTreeSet::new();
        let mut found = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value::<Spanned<Repeated>>()?;
            let Spanned {
                value: Repeated(below),
                referenced,
                ..
            } = value;
            found.extend(below);
            let text = format!(
                "\n  line {}: key {} already set in map",
                referenced.line(),
                Value::from(key.as_str())
            );
            if !seen.insert(key) {
                found.push(text);
            }
        }
        Ok(Repeated(found))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Repeated, A::Error> {
        let mut found = Vec::new();
        while let Some(Repeated(below)) = seq.next_element()? {
            found.extend(below);
        }
        Ok(Repeated(found))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Repeated, E> {
        Ok(Repeated::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Repeated, E> {
        Ok(Repeated::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Repeated, E> {
        Ok(Repeated::default())
    }

    fn visit_i128<E>(self, _: i128) -> Result<Repeated, E> {
        Ok(Repeated::default())
    }

    fn visit_u128<E>(self, _: u128) -> Result<Repeated, E> {
        Ok(Repeated::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Repeated, E> {
        Ok(Repeated::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Repeated, E> {
        Ok(Repeated::default())
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Repeated, E> {
        Ok(Repeated::default())
    }

    fn visit_unit<E>(self) -> Result<Repeated, E> {
        Ok(Repeated::default())
    }

    fn visit_none<E>(self) -> Result<Repeated, E> {
        Ok(Repeated::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Repeated, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Repeated, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_enum<A: serde::de::EnumAccess<'de>>(self, data: A) -> Result<Repeated, A::Error> {
        use serde::de::VariantAccess;
        let (_, variant) = data.variant::<IgnoredAny>()?;
        variant.newtype_variant::<IgnoredAny>()?;
        Ok(Repeated::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_of_two_keys_counts() {
        for (text, want) in [
            ("a: 1\nb: {a: 2}\n", json!({"a": 1, "b": {"a": 2}})),
            ("a: 1\na: 2\n", json!({"a": 2})),
            (r#"{"a":1,"a":[2]}"#, json!({"a": [2]})),
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(want), "{text}");
        }
        let deep = format!("{}x", "- ".repeat(2000));
        for bad in [deep.as_bytes(), b"a: [", b"\xff", b"a: 1\n b: 2\n"] {
            assert!(parse(bad).is_err());
        }
    }

    #[test]
    fn keys_that_stand_twice_are_named_with_their_line() {
        for (text, want) in [
            ("a: 1\nb:\n- a: 1\n- {a: x, c: null, d: 1.5, e: true}\n", ""),
            (
                "a: 1\nb: 2\na: 3\n",
                "\n  line 3: key \"a\" already set in map",
            ),
            (
                "m:\n  n: 1\n  n: 2\n  n: 3\nm: {}\n",
                "\n  line 3: key \"n\" already set in map\n  line 4: key \"n\" already set in map\n  line 5: key \"m\" already set in map",
            ),
            (
                "- a: 1\n- b: \"x\"\n  b: y\n",
                "\n  line 3: key \"b\" already set in map",
            ),
            (
                r#"{"a":1,"a":2}"#,
                "\n  line 1: key \"a\" already set in map",
            ),
            ("", ""),
            ("a: [", ""),
        ] {
            let want = (!want.is_empty()).then(|| format!("yaml: unmarshal errors:{want}"));
            assert_eq!(duplicate_keys(text.as_bytes()), want, "{text}");
        }
    }
}
