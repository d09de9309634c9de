//! Samples of the documents about the API: discovery in both forms and the index of OpenAPI.

use serde_json::{Map, Value};

use super::{Known, cases, differences, judge};
use crate::harness::Cluster;

const SAMPLES: &str = include_str!("../../data/samples.txt");

pub(crate) const DIFFERENCES: &[Known] = &[];

/// The value at a pointer; in a list, the item of that name.
fn at(value: &Value, pointer: &str) -> Value {
    let mut value = value;
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let name = |item: &Value| item["name"] == *part || item["metadata"]["name"] == *part;
        let found = match value {
            Value::Array(items) => items.iter().find(|item| name(item)),
            other => other.get(&part),
        };
        value = found.unwrap_or(&Value::Null);
    }
    value.clone()
}

/// Without what no two servers have in common: their addresses and the hashes of their documents.
fn steady(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| {
                let value = match (name.as_str(), value) {
                    ("serverAddress", _) => "ADDRESS".into(),
                    ("serverRelativeURL", Value::String(url)) => {
                        let (path, hash) = url.split_once("?hash=").unwrap_or((url, ""));
                        format!("{path}?hash={} digits", hash.len()).into()
                    }
                    _ => steady(value),
                };
                (name.clone(), value)
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(steady).collect(),
        other => other.clone(),
    }
}

#[test]
fn documents_about_the_api_are_the_same() {
    let mut cluster = Cluster::new();
    let mut found = Vec::new();
    for case in cases(SAMPLES) {
        let reply = cluster.get(&case.url, &case.content_type);
        assert_eq!(reply.code, case.code, "{}", case.title);
        let mut lines = Vec::new();
        let got = steady(&at(&reply.json, &case.body));
        differences(&steady(&case.answer), &got, "", &mut lines);
        found.extend(lines.into_iter().map(|l| (case.title.clone(), l)));
    }
    judge(&found, DIFFERENCES);
}
