//! Joins the JSON side, the protobuf side and the tables of facts into the embedded table.
//!
//! One line per type (`T name kinds shape`), then one per field (`F name type flags wire strategy key`), separated by
//! tabs. `src/table.rs` is the reader and documents the codes.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::json::Types;
use crate::proto::{Field, Messages};

/// The tables of facts, as text.
pub(crate) struct Facts {
    /// `merge-keys.tsv`.
    pub(crate) merge: String,
    /// `zero-values.tsv`.
    pub(crate) zeros: String,
}

/// What `merge-keys.tsv` says about one field, or about a type as `(whole)`.
#[derive(Default)]
struct Merge<'a> {
    strategy: &'a str,
    key: &'a str,
    list: &'a str,
    list_keys: &'a str,
    map: &'a str,
}

struct Writer<'a> {
    index: BTreeMap<&'a str, usize>,
    merge: BTreeMap<(String, &'a str), Merge<'a>>,
    zeros: BTreeMap<(&'a str, &'a str), &'a str>,
    messages: &'a Messages,
}

/// Types whose JSON form is not the plain object their fields suggest, and the code of that form.
const SPECIAL: &[(&str, char)] = &[
    ("api.resource.Quantity", 'q'),
    ("meta.v1.Time", 't'),
    ("meta.v1.MicroTime", 'u'),
    ("intstr.IntOrString", 'o'),
    ("runtime.RawExtension", 'x'),
    ("meta.v1.FieldsV1", 'x'),
    ("meta.v1.Patch", 'x'),
    ("apiextensions.v1.JSON", 'j'),
    ("apiextensions.v1.JSONSchemaPropsOrArray", '1'),
    ("apiextensions.v1.JSONSchemaPropsOrBool", '2'),
    ("apiextensions.v1.JSONSchemaPropsOrStringArray", '3'),
];

/// The table and the descriptions, NUL-separated in the table's order.
pub(crate) fn write(types: &Types, messages: &Messages, facts: &Facts) -> (String, String) {
    let writer = Writer {
        index: types
            .definitions
            .keys()
            .enumerate()
            .map(|(i, n)| (n.as_str(), i))
            .collect(),
        merge: merge_rules(&facts.merge),
        zeros: zero_rules(&facts.zeros),
        messages,
    };
    let mut table = String::new();
    let mut texts = String::new();
    for (name, schema) in &types.definitions {
        let kinds = types
            .kinds
            .get(name)
            .map(|k| k.join(","))
            .unwrap_or_default();
        writer.type_rows(name, &kinds, schema, &mut table, &mut texts);
    }
    (table, texts)
}

/// `core.v1.Pod` for `io.k8s.api.core.v1.Pod`: the name that the tables of facts use.
fn short(name: &str) -> String {
    let name = name.strip_prefix("io.k8s.").unwrap_or(name);
    let name = name.strip_prefix("api.").unwrap_or(name);
    name.replace("pkg.apis.", "")
}

fn merge_rules(text: &str) -> BTreeMap<(String, &str), Merge<'_>> {
    let rows = text
        .lines()
        .filter(|l| !l.starts_with('#') && !l.is_empty());
    rows.map(|line| {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().unwrap_or_default();
        let key = (cell().to_owned(), cell());
        let merge = Merge {
            strategy: cell(),
            key: cell(),
            list: cell(),
            list_keys: cell(),
            map: cell(),
        };
        (key, merge)
    })
    .collect()
}

fn zero_rules(text: &str) -> BTreeMap<(&str, &str), &str> {
    let rows = text
        .lines()
        .filter(|l| !l.starts_with('#') && !l.is_empty());
    rows.flat_map(|line| {
        let (ty, rest) = line.split_once('\t').expect("type, rule, fields");
        let (rule, fields) = rest.split_once('\t').expect("type, rule, fields");
        fields.split(' ').map(move |field| ((ty, field), rule))
    })
    .collect()
}

impl Writer<'_> {
    fn type_rows(
        &self,
        name: &str,
        kinds: &str,
        schema: &Value,
        table: &mut String,
        texts: &mut String,
    ) {
        text(schema, texts);
        let special = SPECIAL
            .iter()
            .find(|(suffix, _)| name.ends_with(&format!(".{suffix}")));
        let short = short(name);
        let whole = self
            .merge
            .get(&(short.clone(), "(whole)"))
            .map_or("", |m| m.map);
        let shape = match special {
            Some((_, code)) => code.to_string(),
            None if whole == "atomic" => "A".into(),
            None => "S".into(),
        };
        row(table, &["T", name, kinds, &shape]);
        if special.is_some() {
            return;
        }
        let Some(properties) = schema["properties"].as_object() else {
            return;
        };
        let names: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mut wire = BTreeMap::new();
        self.wire_paths(&self.message_of(name), &names, &mut Vec::new(), &mut wire);
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (field, property) in properties {
            text(property, texts);
            let merge = self.merge.get(&(short.clone(), field.as_str()));
            let default = Merge::default();
            let merge = merge.unwrap_or(&default);
            let zero = self
                .zeros
                .get(&(short.as_str(), field.as_str()))
                .copied()
                .unwrap_or_default();
            let flags = format!(
                "{}{zero}",
                if required.contains(&field.as_str()) {
                    "r"
                } else {
                    ""
                }
            );
            let code = self.type_code(property, merge);
            let wire = wire.get(field.as_str()).map_or("", String::as_str);
            row(
                table,
                &["F", field, &code, &flags, wire, merge.strategy, merge.key],
            );
        }
    }

    fn type_code(&self, schema: &Value, merge: &Merge<'_>) -> String {
        if let Some(target) = reference(schema) {
            let index = self
                .index
                .get(target)
                .unwrap_or_else(|| panic!("{target} is not defined"));
            let sign = match merge.map {
                "atomic" => 'a',
                "granular" => 'g',
                _ => 'N',
            };
            return format!("{sign}{index}");
        }
        let inner = |of: &Value| self.type_code(of, &Merge::default());
        match (schema["type"].as_str(), schema["format"].as_str()) {
            (Some("string"), Some("byte")) => "y".into(),
            (Some("string"), Some("date-time")) => "t".into(),
            (Some("string"), _) => "s".into(),
            (Some("boolean"), _) => "b".into(),
            (Some("integer"), Some("int32")) => "i".into(),
            (Some("integer"), _) => "l".into(),
            (Some("number"), _) => "d".into(),
            (Some("array"), _) => {
                let kind = match merge.list {
                    "set" => "S".into(),
                    "map" => format!("M{};", merge.list_keys),
                    "atomic" => "A".into(),
                    _ => String::from("-"),
                };
                format!("[{kind}{}", inner(&schema["items"]))
            }
            (Some("object"), _) => {
                let kind = if merge.map == "atomic" { 'A' } else { 'G' };
                let value = &schema["additionalProperties"];
                if value.is_object() {
                    format!("{{{kind}{}", inner(value))
                } else {
                    "x".into()
                }
            }
            _ => "x".into(),
        }
    }

    /// Numbers of the path from `message` to each JSON field; messages that JSON inlines give longer paths.
    fn wire_paths(
        &self,
        message: &str,
        json: &[&str],
        prefix: &mut Vec<u32>,
        out: &mut BTreeMap<String, String>,
    ) {
        let Some(fields) = self.messages.get(message) else {
            return;
        };
        for field in fields {
            prefix.push(field.number);
            if let Some(name) = json.iter().find(|j| same_name(j, &field.name)) {
                let path: Vec<String> = prefix.iter().map(u32::to_string).collect();
                out.insert((*name).to_owned(), path.join("."));
            } else if let Some(inner) = self.inlined(field, json) {
                self.wire_paths(&inner, json, prefix, out);
            }
            prefix.pop();
        }
    }

    /// The message of a type; one that has just become v1 keeps the numbers it had as v1beta1.
    fn message_of(&self, name: &str) -> String {
        let name = name.strip_prefix("io.k8s.").unwrap_or(name);
        let key = crate::proto::key(&name.replace('-', "_").replace('.', "::"));
        if self.messages.contains_key(&key) {
            key
        } else {
            key.replace("::v1::", "::v1beta1::")
        }
    }

    fn inlined(&self, field: &Field, json: &[&str]) -> Option<String> {
        let message = field.message.as_ref()?;
        let fields = self.messages.get(message)?;
        let known = |f: &Field| {
            json.iter().any(|j| same_name(j, &f.name)) || self.inlined(f, json).is_some()
        };
        (!fields.is_empty() && fields.iter().all(known)).then(|| message.clone())
    }
}

/// Whether prost's snake_case name stands for the JSON name: `pod_i_ps` for `podIPs`, `ref` for `$ref`.
fn same_name(json: &str, prost: &str) -> bool {
    let plain = |s: &str| -> String {
        s.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase()
    };
    plain(json) == plain(prost)
}

fn reference(schema: &Value) -> Option<&str> {
    let direct = schema["$ref"].as_str();
    let nested = || schema["allOf"].as_array()?.first()?["$ref"].as_str();
    direct.or_else(nested)?.rsplit('/').next()
}

fn text(schema: &Value, texts: &mut String) {
    texts.push_str(schema["description"].as_str().unwrap_or_default());
    texts.push('\0');
}

fn row(table: &mut String, cells: &[&str]) {
    writeln!(table, "{}", cells.join("\t")).expect("writing to a string");
}
