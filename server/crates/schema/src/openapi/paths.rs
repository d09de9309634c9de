//! The operations of served kinds. kubectl looks here for the kinds that are served and for the query parameters
//! (`dryRun`, `fieldValidation`) that a PATCH of a kind understands.

use serde_json::{Map, Value, json};

use super::{Edition, Served, ServedSubresource};
use crate::model::{Gvk, Schema};

/// One operation in the making.
struct Operation {
    id: String,
    /// `list`, `post`, `put`, ...: what `x-kubernetes-action` says.
    action: &'static str,
    /// The HTTP method.
    method: &'static str,
    /// What it concerns.
    gvk: Gvk,
    /// Type name of the request's body; empty for a patch.
    body: Option<String>,
    /// Type name of the answer.
    answer: Option<String>,
    query: &'static [&'static str],
}

/// How a verb of discovery is an operation: the first word of its id, action, method and query parameters.
type Form = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

fn form(verb: &str) -> Option<Form> {
    Some(match verb {
        "list" => ("list", "list", "get", LIST),
        "create" => ("create", "post", "post", WRITE),
        "deletecollection" => ("delete", "deletecollection", "delete", LIST),
        "get" => ("read", "get", "get", &[]),
        "update" => ("replace", "put", "put", WRITE),
        "patch" => ("patch", "patch", "patch", PATCH),
        "delete" => ("delete", "delete", "delete", DELETE),
        _ => return None,
    })
}

const WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];
const PATCH: &[&str] = &["dryRun", "fieldManager", "fieldValidation", "force"];
const DELETE: &[&str] = &[
    "dryRun",
    "gracePeriodSeconds",
    "orphanDependents",
    "propagationPolicy",
];
const LIST: &[&str] = &[
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
];

const PATCH_TYPES: &[&str] = &[
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];
pub(super) const ANSWER_TYPES: &[&str] = &["application/json", "application/yaml"];

struct Writer<'a> {
    schema: &'a Schema,
    edition: Edition,
}

/// `paths` of the documents.
pub(super) fn all(schema: &Schema, served: &[&Served], edition: Edition) -> Map<String, Value> {
    let writer = Writer { schema, edition };
    let mut out = Map::new();
    for kind in served {
        writer.kind(kind, &mut out);
    }
    out
}

impl Writer<'_> {
    fn kind(&self, kind: &Served, out: &mut Map<String, Value>) {
        let root = format!("/{}", kind.root());
        let gvk = kind.gvk();
        let own = format!(
            "{}{}",
            if kind.namespaced { "Namespaced" } else { "" },
            kind.kind
        );
        let base = if kind.namespaced {
            format!("{root}/namespaces/{{namespace}}/{}", kind.plural)
        } else {
            format!("{root}/{}", kind.plural)
        };
        let words = tag_words(&gvk);
        let (mut collection, mut item) = (Vec::new(), Vec::new());
        for verb in &kind.verbs {
            let Some((word, ..)) = form(verb) else {
                continue;
            };
            let many = if verb == "deletecollection" {
                "Collection"
            } else {
                ""
            };
            let operation = self.own_operation(&gvk, verb, format!("{word}{words}{many}{own}"));
            let place = match verb.as_str() {
                "list" | "create" | "deletecollection" => &mut collection,
                _ => &mut item,
            };
            place.extend(operation);
        }
        if kind.namespaced && kind.verbs.iter().any(|v| v == "list") {
            let id = format!("list{words}{}ForAllNamespaces", kind.kind);
            let everywhere = self.own_operation(&gvk, "list", id);
            self.path(
                out,
                format!("{root}/{}", kind.plural),
                everywhere.into_iter().collect(),
            );
        }
        self.path(out, base.clone(), collection);
        self.path(out, format!("{base}/{{name}}"), item);
        for sub in &kind.subresources {
            let part = format!("{own}{}", capitalised(&sub.name));
            let operations = sub
                .verbs
                .iter()
                .filter_map(|verb| self.sub_operation(sub, verb, &words, &part));
            self.path(
                out,
                format!("{base}/{{name}}/{}", sub.name),
                operations.collect(),
            );
        }
    }

    fn own_operation(&self, gvk: &Gvk, verb: &str, id: String) -> Option<Operation> {
        let (_, action, method, query) = form(verb)?;
        let meta = |kind: &str| {
            self.name(&Gvk {
                group: String::new(),
                version: "v1".into(),
                kind: kind.into(),
            })
        };
        let one = || self.name(gvk);
        let (body, answer) = match verb {
            "list" => {
                let list = self.schema.list_of(gvk).and_then(|id| self.schema.def(id));
                (None, list.map(|d| d.name.to_string()))
            }
            "create" | "update" => (one(), one()),
            "patch" => (Some(String::new()), one()),
            "get" => (None, one()),
            _ => (meta("DeleteOptions"), meta("Status")),
        };
        Some(Operation {
            id,
            action,
            method,
            gvk: gvk.clone(),
            body,
            answer,
            query,
        })
    }

    fn sub_operation(
        &self,
        sub: &ServedSubresource,
        verb: &str,
        words: &str,
        part: &str,
    ) -> Option<Operation> {
        let (word, action, method, query) = form(verb)?;
        let gvk = Gvk {
            group: sub.group.clone(),
            version: sub.version.clone(),
            kind: sub.kind.clone(),
        };
        let name = self.name(&gvk);
        let body = match verb {
            "create" | "update" => name.clone(),
            "patch" => Some(String::new()),
            _ => None,
        };
        Some(Operation {
            id: format!("{word}{words}{part}"),
            action,
            method,
            gvk,
            body,
            answer: name,
            query,
        })
    }

    fn name(&self, gvk: &Gvk) -> Option<String> {
        let id = self.schema.find(&gvk.api_version(), &gvk.kind)?;
        self.schema.def(id).map(|d| d.name.to_string())
    }

    fn path(&self, out: &mut Map<String, Value>, path: String, operations: Vec<Operation>) {
        if operations.is_empty() {
            return;
        }
        let mut parameters = Vec::new();
        for (name, text) in [
            ("name", "name of the object"),
            (
                "namespace",
                "object name and auth scope, such as for teams and projects",
            ),
        ] {
            if path.contains(&format!("{{{name}}}")) {
                parameters.push(self.parameter("path", name, "string", text));
            }
        }
        parameters.push(self.parameter(
            "query",
            "pretty",
            "string",
            "If 'true', then the output is pretty printed.",
        ));
        let mut item = Map::new();
        for operation in operations {
            item.insert(
                operation.method.into(),
                self.operation(tag(&path), &operation),
            );
        }
        item.insert("parameters".into(), Value::Array(parameters));
        out.insert(path, Value::Object(item));
    }

    fn operation(&self, tag: String, o: &Operation) -> Value {
        let mut parameters: Vec<Value> = o.query.iter().map(|name| self.query(name)).collect();
        let code = if o.method == "post" { "201" } else { "200" };
        let mut out = json!({
            "operationId": o.id,
            "tags": [tag],
            "description": format!("{} {}", o.action, o.gvk.kind),
            "x-kubernetes-action": o.action,
            "x-kubernetes-group-version-kind": {"group": o.gvk.group, "version": o.gvk.version, "kind": o.gvk.kind},
        });
        let patch = o.method == "patch";
        let body = o.body.as_ref().map(|name| {
            if patch {
                json!({"type": "object"})
            } else {
                self.reference(name)
            }
        });
        let answer = o
            .answer
            .as_ref()
            .map_or_else(|| json!({}), |name| self.reference(name));
        let accepted = if patch { PATCH_TYPES } else { ANSWER_TYPES };
        let content = |types: &[&str], schema: &Value| -> Map<String, Value> {
            types
                .iter()
                .map(|t| ((*t).to_owned(), json!({"schema": schema})))
                .collect()
        };
        match self.edition {
            Edition::V3 => {
                if let Some(body) = body {
                    out["requestBody"] = json!({"content": content(accepted, &body), "required": o.method != "delete"});
                }
                out["responses"] = json!({
                    code: {"description": "OK", "content": content(ANSWER_TYPES, &answer)},
                    "401": {"description": "Unauthorized"},
                });
            }
            Edition::V2 => {
                if let Some(body) = body {
                    parameters.push(json!({"name": "body", "in": "body", "required": o.method != "delete", "schema": body}));
                }
                out["consumes"] = if patch {
                    json!(PATCH_TYPES)
                } else {
                    json!(["*/*"])
                };
                out["produces"] = json!(ANSWER_TYPES);
                out["schemes"] = json!(["https"]);
                out["responses"] = json!({
                    code: {"description": "OK", "schema": answer},
                    "401": {"description": "Unauthorized"},
                });
            }
        }
        if !parameters.is_empty() {
            out["parameters"] = Value::Array(parameters);
        }
        out
    }

    fn query(&self, name: &str) -> Value {
        let ty = match name {
            "limit" | "timeoutSeconds" | "gracePeriodSeconds" => "integer",
            "force"
            | "watch"
            | "allowWatchBookmarks"
            | "sendInitialEvents"
            | "orphanDependents" => "boolean",
            _ => "string",
        };
        self.parameter("query", name, ty, "")
    }

    fn reference(&self, name: &str) -> Value {
        json!({"$ref": self.edition.reference(name)})
    }

    fn parameter(&self, place: &str, name: &str, ty: &str, text: &str) -> Value {
        let mut out = json!({"name": name, "in": place});
        if !text.is_empty() {
            out["description"] = text.into();
        }
        if place == "path" {
            out["required"] = true.into();
        }
        match self.edition {
            Edition::V3 => out["schema"] = json!({"type": ty, "uniqueItems": true}),
            Edition::V2 => {
                out["type"] = ty.into();
                out["uniqueItems"] = true.into();
            }
        }
        out
    }
}

/// `core_v1`, `apps_v1`, `networking_v1`.
fn tag(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["", "api", version, ..] => format!("core_{version}"),
        ["", "apis", group, version, ..] => {
            let group = group
                .strip_suffix(".k8s.io")
                .unwrap_or(group)
                .replace('.', "_");
            format!("{group}_{version}")
        }
        _ => String::new(),
    }
}

/// `CoreV1`, `AppsV1`, `RbacAuthorizationV1`.
fn tag_words(gvk: &Gvk) -> String {
    let group = gvk.group.strip_suffix(".k8s.io").unwrap_or(&gvk.group);
    let group = if group.is_empty() { "core" } else { group };
    let words = group.split(['.', '-']).chain([gvk.version.as_str()]);
    words.map(capitalised).collect()
}

pub(super) fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
