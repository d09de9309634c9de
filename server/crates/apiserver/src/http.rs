//! The way in: what a method, a path and a query string mean (`apiserver/pkg/endpoints/request/requestinfo.go`).

use client::{Body, Options, Request, Verb};
use serde_json::json;
use shared::Status;
use shared::path::ResourcePath;
use shared::status::Cause;

use crate::refuse;
use crate::server::ApiServer;

/// The longest name that a client's `User-Agent` gives as field manager, in bytes.
const MAX_AGENT_BYTES: usize = 128;
/// Subresources that connect to a pod and take parameters of their own.
const CONNECTIONS: &[&str] = &["log", "exec", "attach", "portforward", "proxy"];

/// An HTTP request, without its connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpRequest<'a> {
    /// `GET`, `POST`, ...
    pub method: &'a str,
    /// The path as sent, still percent-encoded.
    pub path: &'a str,
    /// What follows the `?`, as sent.
    pub query: &'a str,
    /// The `Content-Type` header.
    pub content_type: &'a str,
    /// The `Accept` header; several are joined by commas.
    pub accept: &'a str,
    /// The `User-Agent` header; its first word is the default field manager.
    pub user_agent: &'a str,
    /// The `If-None-Match` header.
    pub if_none_match: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// Objects: for [`ApiServer::handle`].
    Resource(Box<Request>),
    /// Something about the server: for [`ApiServer::serve`].
    NonResource(NonResource),
}

/// Paths that are no resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NonResource {
    /// `/`: the paths there are.
    Root,
    /// `/api`: the core versions.
    Api,
    /// `/apis`: the groups.
    Apis,
    /// `/apis/GROUP`.
    Group(String),
    /// `/api/v1` or `/apis/GROUP/VERSION`.
    GroupVersion(String, String),
    /// `/openapi/v2`.
    OpenApiV2,
    /// `/openapi/v3`.
    OpenApiV3Index,
    /// `/openapi/v3/PATH`.
    OpenApiV3(String),
    /// `/version`.
    Version,
    /// `/healthz`, `/livez`, `/readyz`, or one check below them.
    Health {
        /// The first segment.
        endpoint: String,
        /// The check asked for alone, or empty.
        check: String,
        /// Whether to list the checks.
        verbose: bool,
        /// Checks to leave out.
        exclude: Vec<String>,
    },
    /// `/metrics`: the shell counts and answers.
    Metrics,
    /// Any other path: 404, or the shell's own (dashboard, admin calls).
    Other(String),
}

impl ApiServer {
    /// Reads what a request asks for.
    ///
    /// # Errors
    /// 400, 404, 405 or 422 when it can mean nothing.
    pub fn parse(&self, http: &HttpRequest<'_>) -> Result<Parsed, Status> {
        let path = percent_decode(http.path, false)
            .ok_or_else(|| Status::bad_request("the path is not valid percent-encoded UTF-8"))?;
        let query = Query::parse(http.query)?;
        match ResourcePath::parse(&path) {
            Some(resource) if self.serves(&resource) => self
                .resource(http, &query, resource)
                .map(|request| Parsed::Resource(Box::new(request))),
            _ => Ok(Parsed::NonResource(non_resource(&path, &query))),
        }
    }

    fn serves(&self, resource: &ResourcePath) -> bool {
        let kind = &resource.kind;
        self.registry
            .kinds()
            .any(|k| k.group == kind.group && k.version == kind.version)
    }

    fn resource(
        &self,
        http: &HttpRequest<'_>,
        query: &Query,
        path: ResourcePath,
    ) -> Result<Request, Status> {
        let name = path.name.unwrap_or_default();
        let subresource = path.subresource.unwrap_or_default();
        if !path.rest.is_empty() && subresource != "proxy" {
            return Err(refuse::no_such_resource());
        }
        let mut request = Request {
            verb: verb(http.method, !name.is_empty(), &subresource, query)?,
            kind: path.kind,
            namespace: path.namespace.unwrap_or_default(),
            name,
            subresource,
            options: Options::default(),
            body: Body::None,
        };
        if !http.body.is_empty()
            || matches!(request.verb, Verb::Create | Verb::Update | Verb::Patch)
        {
            let content_type = http.content_type.to_owned();
            request.body = Body::Encoded {
                content_type,
                bytes: http.body.to_vec(),
            };
        }
        request.options = options(&request, query)?;
        if request.options.field_manager.is_empty() && is_not_apply(&request) {
            request.options.field_manager = agent(http.user_agent);
        }
        Ok(request)
    }
}

fn is_not_apply(request: &Request) -> bool {
    request.verb.mutates() && !http_is_apply(&request.body)
}

fn http_is_apply(body: &Body) -> bool {
    crate::patch::kind_of(body).is_ok_and(|kind| kind == client::PatchKind::Apply)
}

/// The default field manager: what the client calls itself, up to the slash.
fn agent(user_agent: &str) -> String {
    let first = user_agent.split('/').next().unwrap_or_default();
    first
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_AGENT_BYTES / 4)
        .collect()
}

fn verb(method: &str, named: bool, subresource: &str, query: &Query) -> Result<Verb, Status> {
    Ok(match (method, named) {
        ("GET" | "HEAD", _) if subresource.is_empty() && query.flag("watch") => Verb::Watch,
        ("GET" | "HEAD", true) => Verb::Get,
        ("GET" | "HEAD", false) => Verb::List,
        ("POST", _) => Verb::Create,
        ("PUT", true) => Verb::Update,
        ("PATCH", true) => Verb::Patch,
        ("DELETE", true) => Verb::Delete,
        ("DELETE", false) => Verb::DeleteCollection,
        _ => return Err(refuse::method_not_allowed()),
    })
}

fn options(request: &Request, query: &Query) -> Result<Options, Status> {
    let text = |name: &str| query.get(name).unwrap_or_default().to_owned();
    if CONNECTIONS.contains(&request.subresource.as_str()) {
        return Ok(Options {
            parameters: query.0.clone(),
            ..Options::default()
        });
    }
    Ok(Options {
        label_selector: text("labelSelector"),
        field_selector: text("fieldSelector"),
        resource_version: text("resourceVersion"),
        resource_version_match: text("resourceVersionMatch"),
        limit: usize::try_from(query.number("limit")?.unwrap_or(0)).unwrap_or(0),
        continue_token: text("continue"),
        field_manager: text("fieldManager"),
        field_validation: text("fieldValidation"),
        force: query.flag("force"),
        dry_run: dry_run(request, query)?,
        propagation_policy: text("propagationPolicy"),
        grace_period_seconds: query.number("gracePeriodSeconds")?,
        allow_watch_bookmarks: query.flag("allowWatchBookmarks"),
        send_initial_events: query
            .get("sendInitialEvents")
            .map(|_| query.flag("sendInitialEvents")),
        timeout_seconds: u64::try_from(query.number("timeoutSeconds")?.unwrap_or(0)).unwrap_or(0),
        parameters: Vec::new(),
    })
}

fn dry_run(request: &Request, query: &Query) -> Result<bool, Status> {
    let values: Vec<&str> = query.all("dryRun").filter(|v| !v.is_empty()).collect();
    if values.iter().all(|v| *v == "All") {
        return Ok(!values.is_empty());
    }
    let kind = match request.verb {
        Verb::Create => "CreateOptions",
        Verb::Update => "UpdateOptions",
        Verb::Patch => "PatchOptions",
        _ => "DeleteOptions",
    };
    let cause = Cause {
        reason: "FieldValueNotSupported".into(),
        message: format!(
            "Unsupported value: {}: supported values: \"All\"",
            json!(values)
        ),
        field: "dryRun".into(),
    };
    Err(refuse::bad_options(kind, vec![cause]))
}

fn non_resource(path: &str, query: &Query) -> NonResource {
    let trimmed = path.trim_end_matches('/');
    let parts: Vec<&str> = trimmed.split('/').skip(1).collect();
    match parts.as_slice() {
        [] => NonResource::Root,
        ["api"] => NonResource::Api,
        ["apis"] => NonResource::Apis,
        ["api", version] => NonResource::GroupVersion(String::new(), (*version).into()),
        ["apis", group] => NonResource::Group((*group).into()),
        ["apis", group, version] => NonResource::GroupVersion((*group).into(), (*version).into()),
        ["openapi", "v2"] => NonResource::OpenApiV2,
        ["openapi", "v3"] => NonResource::OpenApiV3Index,
        ["openapi", "v3", rest @ ..] => NonResource::OpenApiV3(rest.join("/")),
        ["version"] => NonResource::Version,
        ["metrics"] => NonResource::Metrics,
        [endpoint @ ("healthz" | "livez" | "readyz"), check @ ..] => NonResource::Health {
            endpoint: (*endpoint).into(),
            check: check.join("/"),
            verbose: query.get("verbose").is_some(),
            exclude: query.all("exclude").map(str::to_owned).collect(),
        },
        _ => NonResource::Other(path.into()),
    }
}

/// A parsed query string, in order.
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str) -> Result<Self, Status> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            percent_decode(name, true).zip(percent_decode(value, true))
        });
        let pairs: Option<Vec<_>> = pairs.collect();
        pairs
            .map(Self)
            .ok_or_else(|| Status::bad_request("the query is not valid percent-encoded UTF-8"))
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// Go's reading of a flag: present without a value is true; everything but `0` and `false` is.
    fn flag(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|v| !matches!(v.to_lowercase().as_str(), "0" | "false"))
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Status> {
        let Some(text) = self.get(name).filter(|v| !v.is_empty()) else {
            return Ok(None);
        };
        let number = text.parse().map_err(|_| {
            Status::bad_request(format!(
                "strconv.ParseInt: parsing {}: invalid syntax",
                json!(text)
            ))
        })?;
        Ok(Some(number))
    }
}

/// Decodes `%41`; in a query `+` is a space. `None` when the result is no UTF-8.
fn percent_decode(text: &str, is_query: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digit = |b: Option<u8>| char::from(b?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'+' if is_query => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Config;

    fn show(method: &str, path: &str, query: &str) -> String {
        let server = ApiServer::new(Config::default());
        let http = HttpRequest {
            method,
            path,
            query,
            user_agent: "kubectl/v1.36",
            ..HttpRequest::default()
        };
        match server.parse(&http) {
            Err(status) => format!("{} {}", status.code, status.message),
            Ok(Parsed::NonResource(what)) => format!("{what:?}"),
            Ok(Parsed::Resource(r)) => {
                format!(
                    "{} {} {}/{} {} [{}]",
                    r.verb.word(),
                    r.kind,
                    r.namespace,
                    r.name,
                    r.subresource,
                    r.options.field_manager
                )
            }
        }
    }

    #[test]
    fn paths_and_methods_become_requests() {
        for (method, path, query, want) in [
            ("GET", "/api/v1/pods", "", "list pods / "),
            ("GET", "/api/v1/pods", "watch=1", "watch pods / "),
            ("GET", "/api/v1/pods", "watch=false", "list pods / "),
            ("GET", "/api/v1/namespaces/a/pods/p", "", "get pods a/p "),
            ("POST", "/api/v1/namespaces/a/pods", "", "create pods a/ "),
            (
                "PUT",
                "/apis/apps/v1/namespaces/a/deployments/d/scale",
                "",
                "update deployments.apps a/d scale",
            ),
            (
                "DELETE",
                "/api/v1/namespaces/a/pods",
                "",
                "deletecollection pods a/ ",
            ),
            (
                "PUT",
                "/api/v1/namespaces/a/pods",
                "",
                "405 the server does not allow",
            ),
            (
                "GET",
                "/api/v1/namespaces/a/pods/p/log",
                "follow=true",
                "get pods a/p log",
            ),
            (
                "GET",
                "/api/v1/pods",
                "limit=x",
                "400 strconv.ParseInt: parsing \"x\": invalid syntax",
            ),
            ("GET", "/api/v1/pods", "%zz=1", "400 the query"),
            (
                "POST",
                "/api/v1/namespaces/a/pods",
                "dryRun=Some",
                "422 CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"",
            ),
            ("GET", "/apis/none.example/v1/x", "", "Other"),
            ("GET", "/apis/apps", "", "Group(\"apps\")"),
            ("GET", "/api/v1", "", "GroupVersion(\"\", \"v1\")"),
            (
                "GET",
                "/readyz/ping",
                "verbose",
                "Health { endpoint: \"readyz\", check: \"ping\", verbose: true",
            ),
            (
                "GET",
                "/openapi/v3/apis/apps/v1",
                "hash=X",
                "OpenApiV3(\"apis/apps/v1\")",
            ),
            ("GET", "/", "", "Root"),
        ] {
            let got = show(method, path, query);
            assert!(got.starts_with(want), "{method} {path}?{query}: {got}");
        }
        assert!(show("POST", "/api/v1/namespaces/a/pods", "").ends_with("[kubectl]"));
    }
}
