//! What is served: the legacy discovery documents, the aggregated one, the version and other paths about the server.

use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};
use shared::{Kind, Status};
use store::Snapshot;

use crate::authz::{Attributes, Decision};
use crate::health::{self, Check};
use crate::http::{HttpRequest, NonResource};
use crate::negotiate::{PROTOBUF, Representation};
use crate::refuse;
use crate::render::{JSON, Response, to_bytes};
use crate::server::{ApiServer, User};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const PLAIN: &str = "text/plain; charset=utf-8";
const OPEN_API_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

impl ApiServer {
    /// Answers for a path that is no resource. `checks` are what health depends on. [`NonResource::Metrics`] and
    /// [`NonResource::Other`] paths are the caller's to serve before coming here; what it does not know is 404.
    ///
    /// # Errors
    /// 403, 404 or 405.
    pub fn serve(
        &self,
        what: &NonResource,
        http: &HttpRequest<'_>,
        representation: Representation,
        user: &User,
        snapshot: &Snapshot,
        checks: &[Check],
    ) -> Result<Response, Status> {
        self.authorize_path(http, user, snapshot)?;
        if let NonResource::Other(path) = what {
            return Ok(self.open_id(path).unwrap_or_else(not_found));
        }
        if !matches!(http.method, "GET" | "HEAD") {
            return Err(refuse::method_not_allowed());
        }
        let document = match what {
            NonResource::Root => json!({"paths": self.paths()}),
            NonResource::Api if representation == Representation::Discovery => {
                return Ok(self.aggregated(http, true));
            }
            NonResource::Apis if representation == Representation::Discovery => {
                return Ok(self.aggregated(http, false));
            }
            NonResource::Api => self.api_versions(),
            NonResource::Apis => self.api_groups(),
            NonResource::Group(group) => {
                self.api_group(group).ok_or_else(refuse::no_such_resource)?
            }
            NonResource::GroupVersion(group, version) => self
                .api_resources(group, version)
                .ok_or_else(refuse::no_such_resource)?,
            NonResource::Version => version(),
            NonResource::Health {
                endpoint,
                check,
                verbose,
                exclude,
            } => {
                return Ok(health::answer(endpoint, check, *verbose, exclude, checks));
            }
            NonResource::OpenApiV2 | NonResource::OpenApiV3Index | NonResource::OpenApiV3(_) => {
                return Ok(self.open_api(what, http, representation));
            }
            NonResource::Metrics | NonResource::Other(_) => return Ok(not_found()),
        };
        if representation == Representation::Protobuf
            && let Some(kind) = document.get("kind").and_then(Value::as_str)
            && let Some(bytes) = self.schema.encode_protobuf_as(("v1", kind), &document)
        {
            return Ok(Response::new(200, PROTOBUF, bytes));
        }
        let content_type = if representation == Representation::Yaml {
            "application/yaml"
        } else {
            JSON
        };
        Ok(Response::new(
            200,
            content_type,
            to_bytes(&document, representation)?,
        ))
    }

    /// May this user read this path?
    ///
    /// # Errors
    /// 403.
    pub fn authorize_path(
        &self,
        http: &HttpRequest<'_>,
        user: &User,
        snapshot: &Snapshot,
    ) -> Result<(), Status> {
        let verb = match http.method {
            "HEAD" => "get".to_owned(),
            other => other.to_ascii_lowercase(),
        };
        let attributes = Attributes {
            user,
            verb: &verb,
            group: "",
            resource: "",
            subresource: "",
            namespace: "",
            name: "",
            path: http.path,
        };
        match self.authorizer.authorize(&attributes, snapshot) {
            Decision::Allow => Ok(()),
            Decision::Deny(why) => Err(attributes.refusal(&why)),
        }
    }

    fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = [
            "/.well-known/openid-configuration",
            "/api",
            "/apis",
            "/healthz",
            "/livez",
            "/metrics",
            "/openapi/v2",
            "/openapi/v3",
            "/openid/v1/jwks",
            "/readyz",
            "/version",
        ]
        .map(str::to_owned)
        .to_vec();
        for (group, version) in self.registry.group_versions() {
            if group.is_empty() {
                paths.push(format!("/api/{version}"));
            } else {
                paths.extend([format!("/apis/{group}"), format!("/apis/{group}/{version}")]);
            }
        }
        paths.sort();
        paths.dedup();
        paths
    }

    fn api_versions(&self) -> Value {
        json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": self.config.server_address}],
        })
    }

    fn groups(&self) -> Vec<(&'static str, Vec<&'static str>)> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for (group, version) in self.registry.group_versions() {
            match groups.iter_mut().find(|(name, _)| *name == group) {
                Some((_, versions)) => versions.push(version),
                None => groups.push((group, vec![version])),
            }
        }
        groups
    }

    fn api_groups(&self) -> Value {
        let groups = self.groups();
        let named = groups.iter().filter(|(name, _)| !name.is_empty());
        let list: Vec<Value> = named
            .map(|(name, versions)| group_entry(name, versions))
            .collect();
        json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": list})
    }

    fn api_group(&self, group: &str) -> Option<Value> {
        let (name, versions) = self.groups().into_iter().find(|(name, _)| *name == group)?;
        let mut entry = group_entry(name, &versions);
        let fields = entry.as_object_mut()?;
        fields.insert("kind".into(), "APIGroup".into());
        fields.insert("apiVersion".into(), "v1".into());
        Some(entry)
    }

    fn api_resources(&self, group: &str, version: &str) -> Option<Value> {
        let mut resources = Vec::new();
        for kind in self.kinds_of(group, version) {
            resources.push(resource_entry(kind));
            resources.extend(kind.subresources.iter().map(|sub| {
                let mut entry = json!({
                    "name": format!("{}/{}", kind.plural, sub.name),
                    "singularName": "",
                    "namespaced": kind.namespaced,
                    "kind": sub.kind,
                    "verbs": sub.verbs,
                });
                if !sub.version.is_empty() {
                    entry["group"] = sub.group.into();
                    entry["version"] = sub.version.into();
                }
                entry
            }));
        }
        if resources.is_empty() {
            return None;
        }
        let group_version = if group.is_empty() {
            version.to_owned()
        } else {
            format!("{group}/{version}")
        };
        Some(
            json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}),
        )
    }

    fn kinds_of<'a>(
        &'a self,
        group: &'a str,
        version: &'a str,
    ) -> impl Iterator<Item = &'static Kind> + 'a {
        self.registry
            .kinds()
            .filter(move |k| k.group == group && k.version == version)
    }

    fn aggregated(&self, http: &HttpRequest<'_>, core: bool) -> Response {
        let items: Vec<Value> = self
            .groups()
            .into_iter()
            .filter(|(name, _)| name.is_empty() == core)
            .map(|(name, versions)| {
                let versions: Vec<Value> = versions
                    .iter()
                    .map(|version| {
                        let resources: Vec<Value> =
                            self.kinds_of(name, version).map(aggregated_entry).collect();
                        json!({"version": version, "resources": resources, "freshness": "Current"})
                    })
                    .collect();
                let metadata = if name.is_empty() {
                    json!({})
                } else {
                    json!({"name": name})
                };
                json!({"metadata": metadata, "versions": versions})
            })
            .collect();
        let document = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
        let body = document.to_string();
        let etag = format!("\"{}\"", hex(&Sha512::digest(&body)));
        let mut response = if http.if_none_match == etag {
            Response::new(304, "", "")
        } else {
            Response::new(200, AGGREGATED, body)
        };
        response.headers = vec![
            ("ETag", etag),
            ("Vary", "Accept".into()),
            ("Cache-Control", "public".into()),
        ];
        response
    }

    /// OpenAPI documents. A v3 document named with its hash never changes and may be kept.
    fn open_api(
        &self,
        what: &NonResource,
        http: &HttpRequest<'_>,
        representation: Representation,
    ) -> Response {
        let (document, content_type) = match what {
            NonResource::OpenApiV3Index => {
                return Response::new(200, PLAIN, self.open_api.v3_index().to_string());
            }
            NonResource::OpenApiV3(path) => match self.open_api.v3(path) {
                Some(document) => (document, JSON),
                None => return not_found(),
            },
            _ if representation == Representation::OpenApiProtobuf => {
                (self.open_api.v2_protobuf(), OPEN_API_PROTOBUF)
            }
            _ => (self.open_api.v2_json(), JSON),
        };
        let etag = format!("\"{}\"", document.hash);
        let is_pinned = http
            .query
            .split('&')
            .any(|p| p.strip_prefix("hash=") == Some(document.hash.as_str()));
        let mut response = if http.if_none_match == etag {
            Response::new(304, "", "")
        } else {
            Response::new(200, content_type, document.bytes.to_vec())
        };
        if is_pinned && matches!(what, NonResource::OpenApiV3(_)) {
            response.headers = vec![("Cache-Control", "public, immutable".into())];
        }
        response
            .headers
            .extend([("ETag", etag), ("Vary", "Accept-Encoding".into())]);
        response
    }
}

/// 404 as the original has it for paths that nothing serves.
fn not_found() -> Response {
    Response::new(404, PLAIN, "404 page not found\n")
}

fn group_entry(name: &str, versions: &[&str]) -> Value {
    let all: Vec<Value> = versions
        .iter()
        .map(|v| json!({"groupVersion": format!("{name}/{v}"), "version": v}))
        .collect();
    let preferred = all.first().cloned().unwrap_or(Value::Null);
    json!({"name": name, "versions": all, "preferredVersion": preferred})
}

fn resource_entry(kind: &Kind) -> Value {
    let mut entry = json!({
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": kind.verbs,
    });
    if let Some(fields) = entry.as_object_mut() {
        if !kind.short_names.is_empty() {
            fields.insert("shortNames".into(), json!(kind.short_names));
        }
        if !kind.categories.is_empty() {
            fields.insert("categories".into(), json!(kind.categories));
        }
        if kind.verbs.contains(&"list") {
            fields.insert("storageVersionHash".into(), storage_hash(kind).into());
        }
    }
    entry
}

/// `storageVersionHash`: the first 8 bytes of a SHA-256 over group, version and kind, in base64
/// (`k8s.io/apiserver/pkg/endpoints/discovery/storageversionhash.go`).
fn storage_hash(kind: &Kind) -> String {
    use base64::Engine as _;
    let digest = Sha256::digest(format!("{}/{}/{}", kind.group, kind.version, kind.kind));
    base64::engine::general_purpose::STANDARD.encode(digest.get(..8).unwrap_or_default())
}

fn aggregated_entry(kind: &'static Kind) -> Value {
    let response = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let subresources: Vec<Value> = kind
        .subresources
        .iter()
        .map(|sub| {
            let response_kind = response(sub.group, sub.version, sub.kind);
            json!({"subresource": sub.name, "responseKind": response_kind, "verbs": sub.verbs})
        })
        .collect();
    let mut entry = json!({
        "resource": kind.plural,
        "responseKind": response("", "", kind.kind),
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": kind.verbs,
    });
    if let Some(fields) = entry.as_object_mut() {
        for (name, list) in [
            ("shortNames", json!(kind.short_names)),
            ("categories", json!(kind.categories)),
            ("subresources", json!(subresources)),
        ] {
            if list.as_array().is_some_and(|l| !l.is_empty()) {
                fields.insert(name.into(), list);
            }
        }
    }
    entry
}

/// `/version`.
fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": "v1.36.0",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "",
        "goVersion": "",
        "compiler": "rustc",
        "platform": "wasm/glasshouse",
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}
