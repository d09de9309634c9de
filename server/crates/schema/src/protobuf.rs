//! Bodies of `application/vnd.kubernetes.protobuf`: requests as the JSON they stand for, and answers (`encode`).
//!
//! `kubectl create`, `expose`, `scale` and every typed Go client send them. Messages are read and written by the field
//! table alone.

mod encode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};
use shared::Millis;

use crate::model::{Field, Resolved, Scalar, Schema, Shape, Struct, Type};
use crate::wire::{Reader, Wire, WireError};

/// Starts every protobuf body (`k8s.io/apimachinery/pkg/runtime/serializer/protobuf`).
const MAGIC: &[u8] = b"k8s\0";

/// The deepest nesting of messages; real objects stay below 20, JSON schemas in definitions below 60.
const MAX_DEPTH: usize = 100;

/// The largest body: the apiserver's own limit for requests.
const MAX_BYTES: usize = 3 << 20;

/// Why a body is no protobuf object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// The `k8s\0` prefix is missing.
    #[error(
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    )]
    NotKubernetes,
    /// The bytes are damaged.
    #[error("the protobuf body cannot be read: {0}")]
    Malformed(String),
    /// A field holds what its type does not allow.
    #[error("the protobuf body cannot be read: field {field}: {why}")]
    Field {
        /// The JSON name of the field.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// The body names a type that is not built in.
    #[error("no kind {kind:?} is registered for version {api_version:?}")]
    UnknownKind {
        /// `apiVersion` of the body.
        api_version: String,
        /// `kind` of the body.
        kind: String,
    },
    /// The raw part is compressed or of a foreign type.
    #[error("the protobuf body has the unsupported content {0:?}")]
    Content(String),
    /// Nested or larger than any real object.
    #[error(
        "the protobuf body is nested more than {MAX_DEPTH} deep or larger than {MAX_BYTES} bytes"
    )]
    TooLarge,
}

impl From<WireError> for ProtobufError {
    fn from(e: WireError) -> Self {
        Self::Malformed(e.to_string())
    }
}

/// `runtime.Unknown`: the envelope of every body.
#[derive(Default)]
struct Envelope<'a> {
    api_version: String,
    kind: String,
    raw: &'a [u8],
    content_encoding: String,
    content_type: String,
}

impl Schema {
    /// The object in a protobuf body, with `apiVersion` and `kind` from its envelope, in canonical form.
    ///
    /// # Errors
    /// Says what is wrong with the body; clients get it as 400.
    pub fn decode_protobuf(&self, bytes: &[u8]) -> Result<Value, ProtobufError> {
        if bytes.len() > MAX_BYTES {
            return Err(ProtobufError::TooLarge);
        }
        self.decode_envelope(bytes, 0)
    }

    fn decode_envelope(&self, bytes: &[u8], depth: usize) -> Result<Value, ProtobufError> {
        let body = bytes
            .strip_prefix(MAGIC)
            .ok_or(ProtobufError::NotKubernetes)?;
        let envelope = envelope(body)?;
        if !envelope.content_encoding.is_empty() {
            return Err(ProtobufError::Content(envelope.content_encoding));
        }
        if envelope.content_type == "application/json" {
            return serde_json::from_slice(envelope.raw)
                .map_err(|e| ProtobufError::Malformed(e.to_string()));
        }
        if !matches!(
            envelope.content_type.as_str(),
            "" | "application/vnd.kubernetes.protobuf"
        ) {
            return Err(ProtobufError::Content(envelope.content_type));
        }
        let shape = self
            .find(&envelope.api_version, &envelope.kind)
            .and_then(|id| self.def(id))
            .map(|d| &d.shape);
        let Some(Shape::Struct(s)) = shape else {
            return Err(ProtobufError::UnknownKind {
                api_version: envelope.api_version,
                kind: envelope.kind,
            });
        };
        let mut object = Map::new();
        self.message(s, &mut Vec::new(), envelope.raw, depth, &mut object)?;
        object.insert("apiVersion".into(), envelope.api_version.as_str().into());
        object.insert("kind".into(), envelope.kind.as_str().into());
        Ok(self.canonical(&envelope.api_version, &envelope.kind, Value::Object(object)))
    }

    /// Adds a message's fields to `out`. `prefix` is not empty inside a message that JSON inlines.
    fn message(
        &self,
        s: &Struct,
        prefix: &mut Vec<u32>,
        bytes: &[u8],
        depth: usize,
        out: &mut Map<String, Value>,
    ) -> Result<(), ProtobufError> {
        if depth > MAX_DEPTH {
            return Err(ProtobufError::TooLarge);
        }
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.next()? {
            prefix.push(number);
            let found = s.fields.iter().find(|f| f.wire.starts_with(prefix));
            match (found, wire) {
                (Some(field), _) if field.wire.len() == prefix.len() => {
                    self.field(field, wire, depth + 1, out)
                        .map_err(|e| at(field, e))?;
                }
                (Some(_), Wire::Bytes(inner)) => self.message(s, prefix, inner, depth + 1, out)?,
                // A field that this version does not know is skipped, as protobuf prescribes.
                _ => {}
            }
            prefix.pop();
        }
        Ok(())
    }

    fn field(
        &self,
        field: &Field,
        wire: Wire<'_>,
        depth: usize,
        out: &mut Map<String, Value>,
    ) -> Result<(), ProtobufError> {
        match self.resolve(&field.ty) {
            Resolved::List(item, _) => {
                let list = out
                    .entry(field.name.as_ref())
                    .or_insert_with(|| Value::Array(Vec::new()));
                let Value::Array(list) = list else {
                    return Ok(());
                };
                self.items(item, wire, depth, list)
            }
            Resolved::Map(value, _) => {
                let map = out
                    .entry(field.name.as_ref())
                    .or_insert_with(|| Value::Object(Map::new()));
                let Value::Object(map) = map else {
                    return Ok(());
                };
                self.entry(value, wire, depth, map)
            }
            Resolved::Struct(s, _) => {
                // A message that comes twice is merged (protobuf encoding, "last one wins").
                let inner = out
                    .entry(field.name.as_ref())
                    .or_insert_with(|| Value::Object(Map::new()));
                let Value::Object(inner) = inner else {
                    return Ok(());
                };
                self.message(s, &mut Vec::new(), bytes_of(wire)?, depth, inner)
            }
            Resolved::Scalar(scalar) => {
                if let Some(value) = self.scalar(scalar, wire, depth)? {
                    out.insert(field.name.as_ref().into(), value);
                }
                Ok(())
            }
            Resolved::Deduced => Ok(()),
        }
    }

    /// Adds one occurrence of a repeated field: an item, or several numbers packed.
    fn items(
        &self,
        item: &Type,
        wire: Wire<'_>,
        depth: usize,
        list: &mut Vec<Value>,
    ) -> Result<(), ProtobufError> {
        let numbers = matches!(
            self.resolve(item),
            Resolved::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Boolean)
        );
        match wire {
            Wire::Bytes(packed) if numbers => {
                let mut reader = Reader::new(packed);
                while !reader.is_empty() {
                    let number = Wire::Varint(reader.varint()?);
                    list.extend(self.value(item, number, depth)?);
                }
            }
            _ => list.extend(self.value(item, wire, depth)?),
        }
        Ok(())
    }

    /// Adds one map entry, a message of key (1) and value (2).
    fn entry(
        &self,
        value: &Type,
        wire: Wire<'_>,
        depth: usize,
        map: &mut Map<String, Value>,
    ) -> Result<(), ProtobufError> {
        let mut reader = Reader::new(bytes_of(wire)?);
        let mut key = String::new();
        let mut held = None;
        while let Some((number, wire)) = reader.next()? {
            match number {
                1 => key = text_of(wire)?,
                2 => held = self.value(value, wire, depth)?,
                _ => {}
            }
        }
        let held = match held {
            Some(value) => value,
            None => self
                .value(value, Wire::Bytes(b""), depth)?
                .unwrap_or_default(),
        };
        map.insert(key, held);
        Ok(())
    }

    /// A value outside a field: an item or a map's value. Lists stand in a message of their own there (`ExtraValue`).
    fn value(
        &self,
        ty: &Type,
        wire: Wire<'_>,
        depth: usize,
    ) -> Result<Option<Value>, ProtobufError> {
        if depth > MAX_DEPTH {
            return Err(ProtobufError::TooLarge);
        }
        match self.resolve(ty) {
            Resolved::Scalar(scalar) => self.scalar(scalar, wire, depth),
            Resolved::Struct(s, _) => {
                let mut object = Map::new();
                self.message(s, &mut Vec::new(), bytes_of(wire)?, depth + 1, &mut object)?;
                Ok(Some(Value::Object(object)))
            }
            Resolved::List(item, _) => {
                let mut list = Vec::new();
                let mut reader = Reader::new(bytes_of(wire)?);
                while let Some((number, wire)) = reader.next()? {
                    if number == 1 {
                        self.items(item, wire, depth + 1, &mut list)?;
                    }
                }
                Ok(Some(Value::Array(list)))
            }
            Resolved::Map(inner, _) => {
                let mut map = Map::new();
                let mut reader = Reader::new(bytes_of(wire)?);
                while let Some((number, wire)) = reader.next()? {
                    if number == 1 {
                        self.entry(inner, wire, depth + 1, &mut map)?;
                    }
                }
                Ok(Some(Value::Object(map)))
            }
            Resolved::Deduced => Ok(None),
        }
    }

    fn scalar(
        &self,
        scalar: Scalar,
        wire: Wire<'_>,
        depth: usize,
    ) -> Result<Option<Value>, ProtobufError> {
        Ok(Some(match scalar {
            Scalar::String => Value::String(text_of(wire)?),
            Scalar::Boolean => Value::Bool(varint_of(wire)? != 0),
            // Negative 32 bit numbers are written as ten bytes; the low half is the number.
            Scalar::Int32 => Value::from(varint_of(wire)? as u32 as i32),
            Scalar::Int64 => Value::from(varint_of(wire)? as i64),
            Scalar::Double => match wire {
                Wire::Fixed64(bits) => Number::from_f64(f64::from_bits(bits))
                    .map(Value::Number)
                    .ok_or_else(|| malformed("a number is not finite"))?,
                _ => return Err(malformed("a double has the wrong wire type")),
            },
            Scalar::Bytes => Value::String(STANDARD.encode(bytes_of(wire)?)),
            Scalar::Quantity => quantity(bytes_of(wire)?)?,
            Scalar::Time | Scalar::MicroTime => {
                return time(bytes_of(wire)?, scalar == Scalar::MicroTime);
            }
            Scalar::IntOrString => int_or_string(bytes_of(wire)?)?,
            Scalar::Raw | Scalar::Json => return self.raw(bytes_of(wire)?, depth),
            Scalar::SchemaOrArray | Scalar::SchemaOrBool | Scalar::SchemaOrStrings => {
                return self.schema_or(scalar, bytes_of(wire)?, depth);
            }
        }))
    }

    /// `RawExtension`, `FieldsV1` and `JSON`: JSON text, or a whole protobuf body, in field 1.
    fn raw(&self, bytes: &[u8], depth: usize) -> Result<Option<Value>, ProtobufError> {
        let mut reader = Reader::new(bytes);
        let mut value = None;
        while let Some((number, wire)) = reader.next()? {
            if number != 1 {
                continue;
            }
            let raw = bytes_of(wire)?;
            value = if raw.is_empty() {
                None
            } else if raw.starts_with(MAGIC) {
                if depth > MAX_DEPTH {
                    return Err(ProtobufError::TooLarge);
                }
                Some(self.decode_envelope(raw, depth + 1)?)
            } else {
                Some(serde_json::from_slice(raw).map_err(|e| malformed(&e.to_string()))?)
            };
        }
        Ok(value)
    }

    /// The three either-or types of `JSONSchemaProps`.
    fn schema_or(
        &self,
        scalar: Scalar,
        bytes: &[u8],
        depth: usize,
    ) -> Result<Option<Value>, ProtobufError> {
        let Some(props) = self.json_schema_props() else {
            return Ok(None);
        };
        let (schema_number, other) = if scalar == Scalar::SchemaOrBool {
            (2, 1)
        } else {
            (1, 2)
        };
        let mut schema = None;
        let mut allows = false;
        let mut list = Vec::new();
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.next()? {
            if number == schema_number {
                schema = self.value(&props, wire, depth + 1)?;
            } else if number == other {
                match scalar {
                    Scalar::SchemaOrBool => allows = varint_of(wire)? != 0,
                    Scalar::SchemaOrArray => list.extend(self.value(&props, wire, depth + 1)?),
                    _ => list.push(Value::String(text_of(wire)?)),
                }
            }
        }
        Ok(schema.or(match scalar {
            Scalar::SchemaOrBool => Some(Value::Bool(allows)),
            _ if list.is_empty() => None,
            _ => Some(Value::Array(list)),
        }))
    }

    pub(crate) fn json_schema_props(&self) -> Option<Type> {
        let at = self
            .types
            .iter()
            .position(|t| t.name.ends_with(".apiextensions.v1.JSONSchemaProps"))?;
        Some(Type::Named(crate::model::TypeId(at), None))
    }
}

fn envelope(body: &[u8]) -> Result<Envelope<'_>, ProtobufError> {
    let mut envelope = Envelope::default();
    let mut reader = Reader::new(body);
    while let Some((number, wire)) = reader.next()? {
        match number {
            1 => {
                let mut meta = Reader::new(bytes_of(wire)?);
                while let Some((number, wire)) = meta.next()? {
                    match number {
                        1 => envelope.api_version = text_of(wire)?,
                        2 => envelope.kind = text_of(wire)?,
                        _ => {}
                    }
                }
            }
            2 => envelope.raw = bytes_of(wire)?,
            3 => envelope.content_encoding = text_of(wire)?,
            4 => envelope.content_type = text_of(wire)?,
            _ => {}
        }
    }
    Ok(envelope)
}

/// `resource.Quantity`: its text in field 1.
fn quantity(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let mut reader = Reader::new(bytes);
    let mut text = "0".to_owned();
    while let Some((number, wire)) = reader.next()? {
        if number == 1 {
            text = text_of(wire)?;
        }
    }
    crate::canonical_quantity(&text)
        .map(Value::String)
        .ok_or_else(|| malformed("it is not a quantity"))
}

/// `metav1.Time` and `MicroTime`: seconds (1) and nanoseconds (2) since 1970; both zero mean "no time".
fn time(bytes: &[u8], micro: bool) -> Result<Option<Value>, ProtobufError> {
    /// The last second of the year 9999, where RFC 3339 ends.
    const LAST: u64 = 253_402_300_799;
    let (mut seconds, mut nanos) = (0_u64, 0_u64);
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        match number {
            1 => seconds = varint_of(wire)?,
            2 => nanos = varint_of(wire)?,
            _ => {}
        }
    }
    if seconds == 0 && nanos == 0 {
        return Ok(None);
    }
    if seconds > LAST || nanos >= 1_000_000_000 {
        return Err(malformed("the time is before 1970 or after 9999"));
    }
    let text = Millis(seconds * 1000).rfc3339();
    Ok(Some(Value::String(match text.strip_suffix('Z') {
        Some(whole) if micro => format!("{whole}.{:06}Z", nanos / 1000),
        _ => text,
    })))
}

/// `intstr.IntOrString`: type (1), the number (2) or the text (3).
fn int_or_string(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let (mut kind, mut number, mut text) = (0, 0, String::new());
    let mut reader = Reader::new(bytes);
    while let Some((field, wire)) = reader.next()? {
        match field {
            1 => kind = varint_of(wire)?,
            2 => number = varint_of(wire)? as u32 as i32,
            3 => text = text_of(wire)?,
            _ => {}
        }
    }
    Ok(if kind == 1 {
        Value::String(text)
    } else {
        Value::from(number)
    })
}

fn bytes_of(wire: Wire<'_>) -> Result<&[u8], ProtobufError> {
    match wire {
        Wire::Bytes(bytes) => Ok(bytes),
        _ => Err(malformed(
            "a length-delimited field has the wrong wire type",
        )),
    }
}

fn text_of(wire: Wire<'_>) -> Result<String, ProtobufError> {
    let text =
        std::str::from_utf8(bytes_of(wire)?).map_err(|_| malformed("a string is not UTF-8"))?;
    Ok(text.to_owned())
}

fn varint_of(wire: Wire<'_>) -> Result<u64, ProtobufError> {
    match wire {
        Wire::Varint(value) => Ok(value),
        _ => Err(malformed("a number has the wrong wire type")),
    }
}

fn malformed(why: &str) -> ProtobufError {
    ProtobufError::Malformed(why.to_owned())
}

/// Puts the field's name in front of the error's.
fn at(field: &Field, error: ProtobufError) -> ProtobufError {
    match error {
        ProtobufError::Malformed(why) => ProtobufError::Field {
            field: field.name.to_string(),
            why,
        },
        ProtobufError::Field { field: inner, why } => ProtobufError::Field {
            field: format!("{}.{inner}", field.name),
            why,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests;
