//! The way out: an answer in the representation that was chosen.

use bytes::Bytes;
use serde_json::{Value, json};
use shared::{Kind, Millis, Object, Status};

use crate::answer::{Answer, Listing};
use crate::item::Item;
use crate::negotiate::{Include, PROTOBUF, Representation};
use crate::server::ApiServer;
use crate::table;

/// An HTTP response, without its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub code: u16,
    /// The `Content-Type` header, empty when there is no body.
    pub content_type: &'static str,
    /// Other headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

pub(crate) const JSON: &str = "application/json";
const YAML: &str = "application/yaml";

impl Response {
    pub(crate) fn new(code: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("Cache-Control", "no-cache, private".to_owned())];
        Self {
            code,
            content_type,
            headers,
            body: body.into(),
        }
    }
}

impl ApiServer {
    /// Renders an answer. `warnings` become `Warning` headers (RFC 9111 section 5.5 in its older form, code 299).
    #[must_use]
    pub fn render(
        &self,
        representation: Representation,
        answer: &Answer,
        code: u16,
        now: Millis,
        warnings: &[String],
    ) -> Response {
        let rendered = match representation {
            Representation::Protobuf => self.protobuf(answer).transpose(),
            _ => None,
        };
        let is_protobuf = rendered.is_some();
        let mut response = match rendered.unwrap_or_else(|| body(representation, answer, now)) {
            Ok(body) => {
                let content_type = match (representation, body.is_empty()) {
                    (_, true) => "",
                    (Representation::Yaml, _) => YAML,
                    _ if is_protobuf => PROTOBUF,
                    _ => JSON,
                };
                Response::new(code, content_type, body)
            }
            Err(status) => return self.refuse(&status),
        };
        response.headers.extend(
            warnings
                .iter()
                .map(|w| ("Warning", format!("299 - {}", json!(w)))),
        );
        response
    }

    /// The answer as protobuf; `None` when it has no such form, which is then answered as JSON.
    fn protobuf(&self, answer: &Answer) -> Result<Option<Bytes>, Status> {
        let bytes = match answer {
            Answer::Empty => None,
            Answer::Status(status) => {
                let value = serde_json::to_value(status).map_err(Status::internal)?;
                self.schema.encode_protobuf(&value)
            }
            Answer::Object(item) => self.schema.encode_protobuf(item.object()?.value()),
            Answer::List(list) => {
                let names = (list.kind.api_version(), list.kind.kind);
                self.schema.encode_protobuf_list(
                    (&names.0, names.1),
                    &list_meta(list),
                    list.items.iter().map(Item::passing),
                )?
            }
        };
        Ok(bytes.map(Bytes::from))
    }

    /// Renders a refusal.
    #[must_use]
    pub fn refuse(&self, status: &Status) -> Response {
        let body = serde_json::to_vec(status).unwrap_or_default();
        let mut response = Response::new(status.code, JSON, body);
        if let Some(seconds) = status.details.as_ref().and_then(|d| d.retry_after_seconds) {
            response.headers.push(("Retry-After", seconds.to_string()));
        }
        response
    }
}

fn body(representation: Representation, answer: &Answer, now: Millis) -> Result<Bytes, Status> {
    match (answer, representation) {
        (Answer::Empty, _) => Ok(Bytes::new()),
        (Answer::Status(status), _) => to_bytes(
            &serde_json::to_value(status).map_err(Status::internal)?,
            representation,
        ),
        (Answer::Object(item), Representation::Table(include)) => {
            let meta = json!({"resourceVersion": item.revision().to_string()});
            let table = table_of(
                item.kind(),
                std::slice::from_ref(item),
                include,
                now,
                meta,
                true,
            )?;
            to_bytes(&table, representation)
        }
        (Answer::Object(item), Representation::Partial) => {
            to_bytes(&partial(item.object()?), representation)
        }
        (Answer::Object(item), Representation::Yaml) => {
            to_bytes(item.object()?.value(), representation)
        }
        (Answer::Object(item), _) => item.json(),
        (Answer::List(list), Representation::Table(include)) => list_table(list, include, now),
        (Answer::List(list), Representation::Partial) => {
            let head = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": list_meta(list)});
            each_of(list, &head, "items", Item::write_partial)
        }
        (Answer::List(list), Representation::Yaml) => {
            let bytes = list_json(list)?;
            let value: Value = serde_json::from_slice(&bytes).map_err(Status::internal)?;
            to_bytes(&value, representation)
        }
        (Answer::List(list), _) => list_json(list),
    }
}

/// JSON, or YAML when that was asked for.
pub(crate) fn to_bytes(value: &Value, representation: Representation) -> Result<Bytes, Status> {
    if representation == Representation::Yaml {
        let text = serde_saphyr::to_string(value).map_err(Status::internal)?;
        return Ok(text.into());
    }
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(Status::internal)
}

fn list_meta(list: &Listing) -> Value {
    let mut meta = json!({"resourceVersion": list.revision.to_string()});
    if let Some(fields) = meta.as_object_mut() {
        if !list.continue_token.is_empty() {
            fields.insert("continue".into(), list.continue_token.as_str().into());
        }
        if let Some(remaining) = list.remaining {
            fields.insert("remainingItemCount".into(), remaining.into());
        }
    }
    meta
}

/// A list as JSON, without parsing its items.
fn list_json(list: &Listing) -> Result<Bytes, Status> {
    let kind = list.kind;
    let head = json!({"kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(), "metadata": list_meta(list)});
    each_of(list, &head, "items", Item::write_list_item)
}

/// A table as JSON, row by row.
fn list_table(list: &Listing, include: Include, now: Millis) -> Result<Bytes, Status> {
    let columns = Value::Array(table::columns(list.kind));
    let head = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": list_meta(list), "columnDefinitions": columns});
    each_of(list, &head, "rows", |item, out| {
        let cells = table::cells(list.kind, &item.passing_glance()?, now);
        out.extend_from_slice(b"{\"cells\":");
        serde_json::to_writer(&mut *out, &cells).map_err(Status::internal)?;
        out.extend_from_slice(b",\"object\":");
        match include {
            Include::None => out.extend_from_slice(b"null"),
            Include::Metadata => item.write_partial(out)?,
            Include::Object => item.write_json(out)?,
        }
        out.push(b'}');
        Ok(())
    })
}

/// The object `head` with one more field: an array with what `write` makes of each item.
fn each_of(
    list: &Listing,
    head: &Value,
    field: &str,
    mut write: impl FnMut(&Item, &mut Vec<u8>) -> Result<(), Status>,
) -> Result<Bytes, Status> {
    let mut out = serde_json::to_vec(head).map_err(Status::internal)?;
    out.pop();
    out.reserve(list.items.iter().map(|item| item.room() + 1).sum());
    out.extend_from_slice(format!(",\"{field}\":[").as_bytes());
    for (i, item) in list.items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(item, &mut out)?;
    }
    out.extend_from_slice(b"]}");
    Ok(out.into())
}

/// An object with nothing but its metadata.
pub(crate) fn partial(object: &Object) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object.at("/metadata"),
    })
}

pub(crate) fn table_of(
    kind: &Kind,
    items: &[Item],
    include: Include,
    now: Millis,
    meta: Value,
    with_columns: bool,
) -> Result<Value, Status> {
    let mut rows = Vec::with_capacity(items.len());
    for item in items {
        let object = item.object()?;
        let shown = match include {
            Include::None => Value::Null,
            Include::Metadata => partial(object),
            Include::Object => object.to_value(),
        };
        rows.push(json!({"cells": table::cells(kind, object, now), "object": shown}));
    }
    let columns = if with_columns {
        Value::Array(table::columns(kind))
    } else {
        Value::Null
    };
    Ok(json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": columns,
        "rows": rows,
    }))
}
