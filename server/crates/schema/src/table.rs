//! Reads the embedded table that `build/table.rs` writes.
//!
//! Rows are `T name kinds shape` and `F name type flags wire strategy key`, separated by tabs. Type codes: `s` string,
//! `b` boolean, `i` `l` 32 and 64 bit integers, `d` double, `y` bytes, `t` `u` times, `q` quantity, `o` int or string,
//! `x` any JSON, `N3` `a3` `g3` the third type as it is, atomic, granular; `[` and `A` `S` `-` or `Mkeys;` a list,
//! `{` and `A` or `G` a map, each followed by the code of what is inside.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::model::{
    Field, Gvk, ListKind, MapKind, Scalar, Schema, Shape, Struct, Type, TypeDef, TypeId, Zero,
};

const TYPES: &str = include_str!(concat!(env!("OUT_DIR"), "/types.tsv"));
const TEXTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/texts.bin"));

/// The most that the descriptions may inflate to; they are ours, so this only bounds a damaged build.
const TEXTS_MAX_BYTES: usize = 16 << 20;

/// The built-in types.
pub(crate) fn read() -> Schema {
    let mut schema = Schema::default();
    let mut open: Option<TypeDef> = None;
    for line in TYPES.lines() {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().unwrap_or_default();
        match cell() {
            "T" => {
                push(&mut schema, open.take());
                open = Some(type_row(cell(), cell(), cell()));
            }
            _ => {
                let row = [cell(), cell(), cell(), cell(), cell(), cell()];
                if let Some(TypeDef {
                    name,
                    shape: Shape::Struct(s),
                    ..
                }) = &mut open
                {
                    s.fields.push(field_row(name, row));
                }
            }
        }
    }
    push(&mut schema, open);
    schema
}

fn push(schema: &mut Schema, def: Option<TypeDef>) {
    if let Some(mut def) = def {
        if let Shape::Struct(s) = &mut def.shape {
            s.fields.sort_by(|a, b| a.name.cmp(&b.name));
        }
        let id = TypeId(schema.types.len());
        for gvk in &def.gvks {
            schema.register(gvk, id);
        }
        schema.types.push(Arc::new(def));
    }
}

fn type_row(name: &'static str, kinds: &str, shape: &str) -> TypeDef {
    let kinds = kinds.split(',').filter(|k| !k.is_empty());
    let gvks = kinds.map(|gvk| {
        let mut parts = gvk.split('/').map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        Gvk {
            group: part(),
            version: part(),
            kind: part(),
        }
    });
    let shape = match shape {
        "S" | "A" => Shape::Struct(Struct {
            atomic: shape == "A",
            ..Struct::default()
        }),
        code => Shape::Scalar(scalar(code.as_bytes().first().copied().unwrap_or(b'x'))),
    };
    TypeDef {
        name: Cow::Borrowed(name),
        gvks: gvks.collect(),
        shape,
        document: None,
    }
}

fn field_row(owner: &str, row: [&'static str; 6]) -> Field {
    let [name, code, flags, wire, strategy, merge_key] = row;
    // The one list key with a default: `protocol` of container and service ports.
    let defaulted = name == "protocol"
        && (owner.ends_with(".ContainerPort") || owner.ends_with(".ServicePort"));
    Field {
        name: Cow::Borrowed(name),
        ty: type_code(code),
        required: flags.contains('r') && name != "metadata",
        zero: match flags.trim_start_matches('r') {
            "k" => Zero::Keep,
            "a" => Zero::Write,
            _ => Zero::Omit,
        },
        wire: wire.split('.').filter_map(|n| n.parse().ok()).collect(),
        strategy: Cow::Borrowed(strategy),
        merge_key: Cow::Borrowed(merge_key),
        key_default: defaulted.then(|| Value::from("TCP")),
    }
}

fn type_code(code: &'static str) -> Type {
    let rest = code.get(1..).unwrap_or_default();
    let named = |atomic| Type::Named(TypeId(rest.parse().unwrap_or(usize::MAX)), atomic);
    match code.as_bytes().first() {
        Some(b'N') => named(None),
        Some(b'a') => named(Some(true)),
        Some(b'g') => named(Some(false)),
        Some(b'[') => {
            let (kind, item) = match rest.split_at_checked(1) {
                Some(("M", keyed)) => {
                    let (keys, item) = keyed.split_once(';').unwrap_or(("", keyed));
                    let mut keys: Vec<Cow<'static, str>> =
                        keys.split(',').map(Cow::Borrowed).collect();
                    keys.sort();
                    (ListKind::Map(keys), item)
                }
                Some(("A", item)) => (ListKind::Atomic, item),
                Some(("S", item)) => (ListKind::Set, item),
                Some((_, item)) => (ListKind::Unset, item),
                None => (ListKind::Unset, ""),
            };
            Type::List(Box::new(type_code(item)), kind)
        }
        Some(b'{') => {
            let kind = if rest.starts_with('A') {
                MapKind::Atomic
            } else {
                MapKind::Granular
            };
            Type::Map(Box::new(type_code(rest.get(1..).unwrap_or_default())), kind)
        }
        Some(c) => Type::Scalar(scalar(*c)),
        None => Type::Scalar(Scalar::Raw),
    }
}

fn scalar(code: u8) -> Scalar {
    match code {
        b's' => Scalar::String,
        b'b' => Scalar::Boolean,
        b'i' => Scalar::Int32,
        b'l' => Scalar::Int64,
        b'd' => Scalar::Double,
        b'y' => Scalar::Bytes,
        b'q' => Scalar::Quantity,
        b't' => Scalar::Time,
        b'u' => Scalar::MicroTime,
        b'o' => Scalar::IntOrString,
        b'j' => Scalar::Json,
        b'1' => Scalar::SchemaOrArray,
        b'2' => Scalar::SchemaOrBool,
        b'3' => Scalar::SchemaOrStrings,
        _ => Scalar::Raw,
    }
}

/// The descriptions of one built-in type.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// Of the type itself.
    pub(crate) whole: String,
    /// Of its fields, in the order of [`Struct::fields`].
    pub(crate) fields: Vec<String>,
}

/// The descriptions of the built-in types in the order of [`Schema::types`], inflated on first use.
pub(crate) fn texts() -> &'static [Texts] {
    static READ: OnceLock<Vec<Texts>> = OnceLock::new();
    READ.get_or_init(|| {
        let bytes = miniz_oxide::inflate::decompress_to_vec_with_limit(TEXTS, TEXTS_MAX_BYTES);
        let text = bytes
            .ok()
            .and_then(|b| String::from_utf8(b).ok())
            .unwrap_or_default();
        let mut parts = text.split('\0');
        let mut all: Vec<Texts> = Vec::new();
        for line in TYPES.lines() {
            let part = parts.next().unwrap_or_default().to_owned();
            match (line.starts_with('T'), all.last_mut()) {
                (false, Some(last)) => last.fields.push(part),
                _ => all.push(Texts {
                    whole: part,
                    fields: Vec::new(),
                }),
            }
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_served_kind_has_a_type() {
        let schema = Schema::built_in();
        // Usage is told by the nodes and never decoded here.
        let served = shared::kind::KINDS.iter();
        for kind in served.filter(|k| k.group != "metrics.k8s.io") {
            assert!(schema.knows(&kind.api_version(), kind.kind), "{kind:?}");
            // Options such as PodExecOptions travel in the query, never as a body.
            for sub in kind
                .subresources
                .iter()
                .filter(|s| !s.kind.ends_with("Options"))
            {
                let group = if sub.version.is_empty() {
                    kind.group
                } else {
                    sub.group
                };
                let version = if sub.version.is_empty() {
                    kind.version
                } else {
                    sub.version
                };
                let gvk = Gvk {
                    group: group.into(),
                    version: version.into(),
                    kind: sub.kind.into(),
                };
                assert!(schema.knows(&gvk.api_version(), sub.kind), "{sub:?}");
            }
        }
    }

    #[test]
    fn names_lead_to_types_and_fields_are_sorted() {
        let schema = Schema::built_in();
        for def in &schema.types {
            let Shape::Struct(s) = &def.shape else {
                continue;
            };
            assert!(
                s.fields.is_sorted_by(|a, b| a.name < b.name),
                "{}",
                def.name
            );
            for field in &s.fields {
                let mut ty = &field.ty;
                while let Type::List(inner, _) | Type::Map(inner, _) = ty {
                    ty = inner;
                }
                if let Type::Named(id, _) = ty {
                    assert!(schema.def(*id).is_some(), "{} {}", def.name, field.name);
                }
            }
        }
    }

    #[test]
    fn every_type_is_described() {
        let schema = Schema::built_in();
        let texts = texts();
        assert_eq!(texts.len(), schema.types.len());
        let pod = schema.find("v1", "Pod").and_then(|id| texts.get(id.0));
        assert!(pod.is_some_and(
            |t| t.whole.starts_with("Pod is a collection of containers") && t.fields.len() == 5
        ));
    }
}
