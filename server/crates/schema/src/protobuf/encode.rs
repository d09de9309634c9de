//! Answers as `application/vnd.kubernetes.protobuf`: the same table, the other way.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use shared::Millis;

use super::MAGIC;
use crate::model::{Field, Resolved, Scalar, Schema, Shape, Struct, Type};
use crate::wire::Writer;

impl Schema {
    /// A protobuf body of an object; `None` when its kind has no protobuf form.
    #[must_use]
    pub fn encode_protobuf(&self, object: &Value) -> Option<Vec<u8>> {
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        self.encode_protobuf_as((text("apiVersion"), text("kind")), object)
    }

    /// The same for an object that does not say what it is.
    #[must_use]
    pub fn encode_protobuf_as(
        &self,
        (api_version, kind): (&str, &str),
        object: &Value,
    ) -> Option<Vec<u8>> {
        let raw = self.encode_message(api_version, kind, object)?;
        Some(envelope(api_version, kind, &raw))
    }

    /// A protobuf body of a list, from its metadata and its items; `None` when the kind has no protobuf form. Items are
    /// taken one at a time, so that they need not all be there in their parsed form.
    ///
    /// # Errors
    /// That of the first item that has one.
    pub fn encode_protobuf_list<V: AsRef<Value>, E>(
        &self,
        (api_version, kind): (&str, &str),
        metadata: &Value,
        items: impl IntoIterator<Item = Result<V, E>>,
    ) -> Result<Option<Vec<u8>>, E> {
        let list_kind = format!("{kind}List");
        let mut list = Map::new();
        list.insert("metadata".into(), metadata.clone());
        let Some(head) = self.encode_message(api_version, &list_kind, &Value::Object(list)) else {
            return Ok(None);
        };
        let mut writer = Writer::from(head);
        for item in items {
            let Some(message) = self.encode_message(api_version, kind, item?.as_ref()) else {
                return Ok(None);
            };
            writer.message(ITEMS, &message);
        }
        Ok(Some(envelope(
            api_version,
            &list_kind,
            &writer.into_bytes(),
        )))
    }

    fn encode_message(&self, api_version: &str, kind: &str, object: &Value) -> Option<Vec<u8>> {
        let id = self.find(api_version, kind)?;
        let Shape::Struct(s) = &self.def(id)?.shape else {
            return None;
        };
        if s.fields.iter().all(|f| f.wire.is_empty()) {
            return None;
        }
        let mut writer = Writer::default();
        self.write_struct(s, &[], object, &mut writer);
        Some(writer.into_bytes())
    }

    /// Writes the fields whose numbers begin with `prefix`; a longer path is a message that JSON inlines.
    fn write_struct(&self, s: &Struct, prefix: &[u32], object: &Value, out: &mut Writer) {
        let depth = prefix.len();
        let mut inlined: Vec<u32> = Vec::new();
        for field in s.fields.iter().filter(|f| f.wire.starts_with(prefix)) {
            let Some(value) = object.get(field.name.as_ref()).filter(|v| !v.is_null()) else {
                continue;
            };
            match field.wire.get(depth..) {
                Some([number]) => self.write_field(field, *number, value, out),
                Some([number, ..]) if !inlined.contains(number) => {
                    inlined.push(*number);
                    let path = [prefix, &[*number]].concat();
                    out.nested(*number, |inner| self.write_struct(s, &path, object, inner));
                }
                _ => {}
            }
        }
    }

    fn write_field(&self, field: &Field, number: u32, value: &Value, out: &mut Writer) {
        match (self.resolve(&field.ty), value) {
            (Resolved::List(item, _), Value::Array(items)) => {
                for inner in items {
                    self.write_value(item, number, inner, out);
                }
            }
            (Resolved::Map(held, _), Value::Object(map)) => {
                self.write_map(held, number, map, out);
            }
            _ => self.write_value(&field.ty, number, value, out),
        }
    }

    fn write_map(&self, held: &Type, number: u32, map: &Map<String, Value>, out: &mut Writer) {
        for (key, value) in map {
            out.nested(number, |entry| {
                entry.message(1, key.as_bytes());
                self.write_value(held, 2, value, entry);
            });
        }
    }

    /// A value outside a field of its own. Lists and maps stand in a message of their own there.
    fn write_value(&self, ty: &Type, number: u32, value: &Value, out: &mut Writer) {
        match (self.resolve(ty), value) {
            (Resolved::Struct(s, _), _) => {
                out.nested(number, |inner| self.write_struct(s, &[], value, inner));
            }
            (Resolved::List(item, _), Value::Array(items)) => out.nested(number, |inner| {
                items
                    .iter()
                    .for_each(|i| self.write_value(item, 1, i, inner));
            }),
            (Resolved::Map(held, _), Value::Object(map)) => {
                out.nested(number, |inner| self.write_map(held, 1, map, inner));
            }
            (Resolved::Scalar(scalar), _) => self.write_scalar(scalar, number, value, out),
            _ => {}
        }
    }

    fn write_scalar(&self, scalar: Scalar, number: u32, value: &Value, out: &mut Writer) {
        let text = value.as_str().unwrap_or_default();
        match scalar {
            Scalar::String => out.message(number, text.as_bytes()),
            Scalar::Boolean => out.always(number, u64::from(value.as_bool() == Some(true))),
            // A negative number of 32 bits is written as one of 64.
            Scalar::Int32 | Scalar::Int64 => {
                out.always(number, value.as_i64().unwrap_or(0).cast_unsigned());
            }
            Scalar::Double => out.double(number, value.as_f64().unwrap_or(0.0)),
            Scalar::Bytes => out.message(number, &STANDARD.decode(text).unwrap_or_default()),
            Scalar::Quantity => out.nested(number, |inner| inner.text(1, &plain(value))),
            Scalar::Time | Scalar::MicroTime => out.nested(number, |inner| {
                if let Some((seconds, nanos)) = instant(text) {
                    inner.number(1, seconds.cast_unsigned());
                    inner.number(2, nanos);
                }
            }),
            Scalar::IntOrString => out.nested(number, |inner| match value.as_i64() {
                Some(int) => inner.number(2, int.cast_unsigned()),
                None => {
                    inner.number(1, 1);
                    inner.text(3, text);
                }
            }),
            Scalar::Raw | Scalar::Json => {
                out.nested(number, |inner| inner.text(1, &value.to_string()));
            }
            Scalar::SchemaOrArray | Scalar::SchemaOrBool | Scalar::SchemaOrStrings => {
                out.nested(number, |inner| self.write_schema_or(scalar, value, inner));
            }
        }
    }

    /// The three either-or types of `JSONSchemaProps`.
    fn write_schema_or(&self, scalar: Scalar, value: &Value, out: &mut Writer) {
        let Some(props) = self.json_schema_props() else {
            return;
        };
        let is_bool = scalar == Scalar::SchemaOrBool;
        match value {
            Value::Bool(allows) => out.number(1, u64::from(*allows)),
            Value::Array(items) if scalar == Scalar::SchemaOrArray => {
                items
                    .iter()
                    .for_each(|i| self.write_value(&props, 2, i, out));
            }
            Value::Array(items) => {
                let texts = items.iter().filter_map(Value::as_str);
                texts.for_each(|t| out.message(2, t.as_bytes()));
            }
            schema => {
                if is_bool {
                    out.number(1, 1);
                }
                self.write_value(&props, if is_bool { 2 } else { 1 }, schema, out);
            }
        }
    }
}

/// The number of `items` in every list message; `metadata` is 1.
const ITEMS: u32 = 2;

/// `runtime.Unknown` around a message, behind the magic bytes.
fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut writer = Writer::from(MAGIC.to_vec());
    writer.nested(1, |meta| {
        meta.text(1, api_version);
        meta.text(2, kind);
    });
    writer.message(2, raw);
    writer.text(3, "");
    writer.text(4, "");
    writer.into_bytes()
}

/// A quantity, which JSON may write as a number.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Seconds since 1970 and nanoseconds. Times have at most microseconds.
fn instant(text: &str) -> Option<(i64, u64)> {
    let ms = Millis::parse_rfc3339(text)?.0;
    let micros = text
        .split_once('.')
        .map(|(_, fraction)| fraction.trim_end_matches(|c: char| !c.is_ascii_digit()))
        .and_then(|digits| format!("{digits:0<6}").get(..6)?.parse::<u64>().ok());
    let seconds = i64::try_from(ms / 1000).ok()?;
    Some((
        seconds,
        micros.map_or((ms % 1000) * 1_000_000, |m| m * 1000),
    ))
}
