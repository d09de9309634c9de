//! The v2 document in protobuf: gnostic's `OpenAPIv2.proto` (openapiv2.Document), which kubectl asks for alone when it
//! falls back from v3.
//!
//! Writes the messages that our own v2 document needs, with field numbers as gnostic has them. Extensions are
//! `NamedAny` messages that hold YAML; JSON is YAML.

use serde_json::{Map, Value};

use crate::wire::Writer;

/// The v2 JSON document as protobuf.
pub(super) fn document(json: &Value) -> Vec<u8> {
    let mut w = Writer::default();
    w.text(1, text(json, "swagger"));
    if let Some(info) = json.get("info") {
        w.nested(2, |i| {
            i.text(1, text(info, "title"));
            i.text(2, text(info, "version"));
        });
    }
    w.nested(8, |paths| {
        for (name, item) in entries(json, "paths") {
            paths.nested(2, |named| {
                named.text(1, name);
                named.nested(2, |w| path_item(w, item));
            });
        }
    });
    w.nested(9, |definitions| {
        named_schemas(definitions, json.get("definitions"))
    });
    w.into_bytes()
}

fn path_item(w: &mut Writer, item: &Value) {
    for (number, method) in [
        (2, "get"),
        (3, "put"),
        (4, "post"),
        (5, "delete"),
        (8, "patch"),
    ] {
        if let Some(found) = item.get(method) {
            w.nested(number, |w| operation(w, found));
        }
    }
    for found in items(item, "parameters") {
        w.nested(9, |w| parameter(w, found));
    }
}

fn operation(w: &mut Writer, o: &Value) {
    texts(w, 1, o, "tags");
    w.text(3, text(o, "description"));
    w.text(5, text(o, "operationId"));
    texts(w, 6, o, "produces");
    texts(w, 7, o, "consumes");
    for found in items(o, "parameters") {
        w.nested(8, |w| parameter(w, found));
    }
    w.nested(9, |responses| {
        for (code, answer) in entries(o, "responses") {
            responses.nested(1, |named| {
                named.text(1, code);
                named.nested(2, |value| {
                    value.nested(1, |response| {
                        response.text(1, text(answer, "description"));
                        if let Some(found) = answer.get("schema") {
                            response.nested(2, |item| item.nested(1, |w| schema(w, found)));
                        }
                    })
                });
            });
        }
    });
    texts(w, 10, o, "schemes");
    extensions(w, 13, o);
}

/// `ParametersItem` → `Parameter` → body, or non-body → query or path.
fn parameter(w: &mut Writer, p: &Value) {
    let required = u64::from(p.get("required").and_then(Value::as_bool) == Some(true));
    let unique = u64::from(p.get("uniqueItems").and_then(Value::as_bool) == Some(true));
    let place = text(p, "in");
    w.nested(1, |either| match place {
        "body" => either.nested(1, |w| {
            w.text(1, text(p, "description"));
            w.text(2, text(p, "name"));
            w.text(3, place);
            w.number(4, required);
            if let Some(found) = p.get("schema") {
                w.nested(5, |w| schema(w, found));
            }
        }),
        _ => either.nested(2, |other| {
            let query = place == "query";
            other.nested(if query { 3 } else { 4 }, |w| {
                w.number(1, required);
                w.text(2, place);
                w.text(3, text(p, "description"));
                w.text(4, text(p, "name"));
                // Query parameters have `allow_empty_value` before the type.
                w.text(if query { 6 } else { 5 }, text(p, "type"));
                w.number(if query { 20 } else { 19 }, unique);
            });
        }),
    });
}

fn named_schemas(w: &mut Writer, schemas: Option<&Value>) {
    for (name, found) in schemas.and_then(Value::as_object).into_iter().flatten() {
        w.nested(1, |named| {
            named.text(1, name);
            named.nested(2, |w| schema(w, found));
        });
    }
}

fn schema(w: &mut Writer, s: &Value) {
    w.text(1, text(s, "$ref"));
    w.text(2, text(s, "format"));
    w.text(3, text(s, "title"));
    w.text(4, text(s, "description"));
    if let Some(default) = s.get("default") {
        w.nested(5, |any| any.text(2, &default.to_string()));
    }
    w.text(13, text(s, "pattern"));
    texts(w, 19, s, "required");
    for value in items(s, "enum") {
        w.nested(20, |any| any.text(2, &value.to_string()));
    }
    match s.get("additionalProperties") {
        Some(Value::Bool(allowed)) => w.nested(21, |either| either.always(2, u64::from(*allowed))),
        Some(found) => w.nested(21, |either| either.nested(1, |w| schema(w, found))),
        None => {}
    }
    if let Some(Value::String(ty)) = s.get("type") {
        w.nested(22, |item| item.text(1, ty));
    }
    if let Some(found) = s.get("items") {
        w.nested(23, |item| item.nested(1, |w| schema(w, found)));
    }
    if s.get("properties").is_some() {
        w.nested(25, |properties| {
            named_schemas(properties, s.get("properties"))
        });
    }
    extensions(w, 31, s);
}

fn extensions(w: &mut Writer, number: u32, of: &Value) {
    for (name, value) in of
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.starts_with("x-"))
    {
        w.nested(number, |named| {
            named.text(1, name);
            named.nested(2, |any| any.text(2, &value.to_string()));
        });
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn texts(w: &mut Writer, number: u32, value: &Value, field: &str) {
    for item in items(value, field).iter().filter_map(Value::as_str) {
        w.message(number, item.as_bytes());
    }
}

fn items<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value
        .get(field)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn entries<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value
        .get(field)
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
}
