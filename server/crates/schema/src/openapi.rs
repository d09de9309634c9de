//! The OpenAPI documents: v3 per group version, v2 whole, as JSON and as gnostic's protobuf.
//!
//! `kubectl explain`, `apply`, `--validate` and generated clients read them. They are made from the type table when
//! first asked for and kept; when a custom kind comes or goes, the caller makes a new [`OpenApi`].

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};
use shared::Kind;

use crate::model::{Gvk, Schema, TypeId};

mod gnostic;
mod index;
mod paths;
mod schemas;

/// A served kind, built in or custom: what the `paths` of the documents are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// API group, empty for core.
    pub group: String,
    /// API version within the group.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The resource.
    pub plural: String,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// `get`, `list`, `create`, `update`, `patch`, `delete`, `deletecollection`, `watch`.
    pub verbs: Vec<String>,
    /// Its subresources.
    pub subresources: Vec<ServedSubresource>,
}

/// A subresource of a served kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedSubresource {
    /// The last path segment.
    pub name: String,
    /// Group of the body's kind.
    pub group: String,
    /// Version of the body's kind.
    pub version: String,
    /// The body's kind.
    pub kind: String,
    /// Allowed verbs.
    pub verbs: Vec<String>,
}

impl From<&Kind> for Served {
    fn from(kind: &Kind) -> Self {
        let owned = |verbs: &[&str]| verbs.iter().map(|v| (*v).to_owned()).collect();
        let subresources = kind.subresources.iter().map(|s| {
            let own = s.version.is_empty();
            ServedSubresource {
                name: s.name.into(),
                group: if own { kind.group } else { s.group }.into(),
                version: if own { kind.version } else { s.version }.into(),
                kind: s.kind.into(),
                verbs: owned(s.verbs),
            }
        });
        Self {
            group: kind.group.into(),
            version: kind.version.into(),
            kind: kind.kind.into(),
            plural: kind.plural.into(),
            namespaced: kind.namespaced,
            verbs: owned(kind.verbs),
            subresources: subresources.collect(),
        }
    }
}

impl Served {
    /// Where its group version is served: `api/v1`, `apis/apps/v1`.
    fn root(&self) -> String {
        if self.group.is_empty() {
            format!("api/{}", self.version)
        } else {
            format!("apis/{}/{}", self.group, self.version)
        }
    }

    fn gvk(&self) -> Gvk {
        Gvk {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: self.kind.clone(),
        }
    }
}

/// A finished document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The body.
    pub bytes: Arc<[u8]>,
    /// The SHA-512 of the body in upper-case hexadecimal: the ETag, and the `hash` of its URL.
    pub hash: String,
}

impl Document {
    fn new(bytes: Vec<u8>) -> Self {
        let mut hash = String::with_capacity(128);
        for byte in Sha512::digest(&bytes) {
            hash.push_str(&format!("{byte:02X}"));
        }
        Self {
            bytes: bytes.into(),
            hash,
        }
    }

    fn json(value: &Value) -> Self {
        Self::new(value.to_string().into_bytes())
    }
}

/// Which document a schema is written for; they differ in how they refer and in a few forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edition {
    V2,
    V3,
}

impl Edition {
    fn reference(self, name: &str) -> Value {
        match self {
            Self::V2 => format!("#/definitions/{name}").into(),
            Self::V3 => format!("#/components/schemas/{name}").into(),
        }
    }
}

/// The documents for a set of served kinds.
#[derive(Debug)]
pub struct OpenApi {
    schema: Arc<Schema>,
    served: Vec<Served>,
    v3: BTreeMap<String, OnceLock<Document>>,
    v2: OnceLock<Document>,
    v2_protobuf: OnceLock<Document>,
}

impl OpenApi {
    /// Documents about `served`, whose types `schema` knows.
    #[must_use]
    pub fn new(schema: Arc<Schema>, served: Vec<Served>) -> Self {
        let group_versions = served.iter().map(Served::root);
        let all = group_versions.chain(index::roots(&served));
        let v3 = all.map(|path| (path, OnceLock::new())).collect();
        Self {
            schema,
            served,
            v3,
            v2: OnceLock::new(),
            v2_protobuf: OnceLock::new(),
        }
    }

    /// `/openapi/v3`: where each group version's document is.
    #[must_use]
    pub fn v3_index(&self) -> Value {
        let entry = |path: &String| {
            let hash = self.v3(path)?.hash;
            Some((
                path.clone(),
                json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")}),
            ))
        };
        let paths: Map<String, Value> = self.v3.keys().filter_map(entry).collect();
        json!({"paths": paths})
    }

    /// `/openapi/v3/PATH` for a path of the index such as `apis/apps/v1`.
    #[must_use]
    pub fn v3(&self, path: &str) -> Option<Document> {
        let cell = self.v3.get(path)?;
        Some(cell.get_or_init(|| self.make_v3(path)).clone())
    }

    /// `/openapi/v2` as JSON.
    #[must_use]
    pub fn v2_json(&self) -> Document {
        self.v2
            .get_or_init(|| Document::json(&self.make_v2()))
            .clone()
    }

    /// `/openapi/v2` as `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`.
    #[must_use]
    pub fn v2_protobuf(&self) -> Document {
        self.v2_protobuf
            .get_or_init(|| Document::new(gnostic::document(&self.make_v2())))
            .clone()
    }

    fn make_v3(&self, path: &str) -> Document {
        if let Some(document) = self.about_the_server(path) {
            return Document::json(&document);
        }
        let served: Vec<&Served> = self.served.iter().filter(|s| s.root() == path).collect();
        Document::json(&json!({
            "openapi": "3.0.0",
            "info": info(),
            "paths": paths::all(&self.schema, &served, Edition::V3),
            "components": {
                "schemas": self.schemas(&served, Edition::V3),
                "securitySchemes": bearer_token(),
            },
        }))
    }

    fn make_v2(&self) -> Value {
        let served: Vec<&Served> = self.served.iter().collect();
        json!({
            "swagger": "2.0",
            "info": info(),
            "paths": paths::all(&self.schema, &served, Edition::V2),
            "definitions": self.schemas(&served, Edition::V2),
            "securityDefinitions": bearer_token(),
            "security": [{"BearerToken": []}],
        })
    }

    /// The schemas of everything that the operations mention, and of what those are made of.
    fn schemas(&self, served: &[&Served], edition: Edition) -> Map<String, Value> {
        let mut roots: Vec<TypeId> = Vec::new();
        for kind in served {
            roots.extend(self.schema.find(&kind.gvk().api_version(), &kind.kind));
            roots.extend(self.schema.list_of(&kind.gvk()));
            for sub in &kind.subresources {
                let gvk = Gvk {
                    group: sub.group.clone(),
                    version: sub.version.clone(),
                    kind: sub.kind.clone(),
                };
                roots.extend(self.schema.find(&gvk.api_version(), &gvk.kind));
            }
        }
        for kind in ["DeleteOptions", "Status", "WatchEvent"] {
            roots.extend(self.schema.find("v1", kind));
        }
        let mut groups: Vec<Gvk> = served.iter().map(|s| s.gvk()).collect();
        groups.sort();
        groups.dedup_by(|a, b| (&a.group, &a.version) == (&b.group, &b.version));
        schemas::Maker::new(&self.schema, edition, groups).all(roots)
    }
}

impl Schema {
    /// The list kind of a kind: the kind of the same group version whose `items` are of its type.
    fn list_of(&self, gvk: &Gvk) -> Option<TypeId> {
        let item = self.find(&gvk.api_version(), &gvk.kind)?;
        let kinds = self.kinds.get(&gvk.api_version())?;
        kinds.values().copied().find(|id| {
            let shape = self.def(*id).map(|d| &d.shape);
            let Some(crate::model::Shape::Struct(s)) = shape else {
                return false;
            };
            let items = s.field("items").map(|f| &f.ty);
            matches!(items, Some(crate::model::Type::List(inner, _))
                if matches!(inner.as_ref(), crate::model::Type::Named(id, _) if *id == item))
        })
    }
}

fn bearer_token() -> Value {
    json!({"BearerToken": {"type": "apiKey", "description": "Bearer Token authentication",
        "name": "authorization", "in": "header"}})
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": "v1.36.0"})
}

#[cfg(test)]
mod tests;
