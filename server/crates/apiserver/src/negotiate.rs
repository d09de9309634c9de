//! Content negotiation: in which representation a client takes its answer (RFC 9110 section 12.5.1, with the `as`
//! parameters of Kubernetes' api-concepts).

use client::Verb;
use shared::Status;

use crate::http::{HttpRequest, NonResource, Parsed};
use crate::refuse;
use crate::server::ApiServer;

const OBJECTS: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

pub(crate) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Subresources with tables: the object itself, what shows it whole, and its Scale.
const TABULAR: &[&str] = &[
    "",
    "status",
    "scale",
    "ephemeralcontainers",
    "resize",
    "approval",
];

/// What a Table row carries of its object (`includeObject`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Representation {
    /// The objects as they are.
    Json,
    /// The same as YAML.
    Yaml,
    /// The same as protobuf, for kinds that have a protobuf form.
    Protobuf,
    /// Rows as `kubectl get` prints them.
    Table(Include),
    /// Only metadata.
    Partial,
    /// `APIGroupDiscoveryList` with everything in one document.
    Discovery,
    /// The OpenAPI v2 document as protobuf.
    OpenApiProtobuf,
}

/// One media range of an `Accept` header.
struct Range<'a> {
    kind: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let pairs = parts
            .filter_map(|p| p.split_once('='))
            .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')));
        let parameters: Vec<_> = pairs.collect();
        let quality = parameters
            .iter()
            .find(|(name, _)| *name == "q")
            .and_then(|(_, q)| q.parse().ok());
        Self {
            kind,
            parameters,
            quality: quality.unwrap_or(1.0),
        }
    }

    fn get(&self, name: &str) -> &str {
        self.parameters
            .iter()
            .find(|(n, _)| *n == name)
            .map_or("", |(_, value)| value)
    }
}

/// The media ranges of a header, the best first; none at all accepts everything.
fn ranges(accept: &str) -> Vec<Range<'_>> {
    let mut all: Vec<Range<'_>> = accept
        .split(',')
        .map(str::trim)
        .filter(|r| !r.is_empty())
        .map(Range::parse)
        .collect();
    if all.is_empty() {
        all.push(Range::parse("*/*"));
    }
    all.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    all
}

impl ApiServer {
    /// Chooses the representation of the answer to a request.
    ///
    /// # Errors
    /// 406 when there is none that the client takes.
    pub fn negotiate(
        &self,
        http: &HttpRequest<'_>,
        parsed: &Parsed,
    ) -> Result<Representation, Status> {
        let include = match http
            .query
            .split('&')
            .find_map(|p| p.strip_prefix("includeObject="))
        {
            Some("None") => Include::None,
            Some("Object") => Include::Object,
            _ => Include::Metadata,
        };
        let all = ranges(http.accept);
        let chosen = match parsed {
            Parsed::Resource(request) => {
                let shape = Shape {
                    verb: request.verb,
                    named: !request.name.is_empty(),
                    tabular: TABULAR.contains(&request.subresource.as_str()),
                    include,
                };
                if matches!(
                    request.subresource.as_str(),
                    "log" | "exec" | "attach" | "portforward" | "proxy"
                ) {
                    return Ok(Representation::Json);
                }
                all.iter().find_map(|range| object_form(range, &shape))
            }
            Parsed::NonResource(what) => match what {
                NonResource::Api | NonResource::Apis => {
                    all.iter().find_map(|range| discovery_form(range, true))
                }
                NonResource::Group(_) | NonResource::GroupVersion(..) => {
                    all.iter().find_map(|range| discovery_form(range, false))
                }
                NonResource::Version => all
                    .iter()
                    .any(|r| is_json(r))
                    .then_some(Representation::Json),
                NonResource::OpenApiV2 => all.iter().find_map(open_api_form),
                NonResource::Other(path) => open_id_form(path, &all),
                _ => Some(Representation::Json),
            },
        };
        chosen.ok_or_else(|| refuse::not_acceptable(OBJECTS))
    }
}

/// What the answer to a request about objects can look like.
struct Shape {
    verb: Verb,
    named: bool,
    tabular: bool,
    include: Include,
}

fn is_json(range: &Range<'_>) -> bool {
    matches!(range.kind, "application/json" | "*/*" | "application/*")
}

fn object_form(range: &Range<'_>, shape: &Shape) -> Option<Representation> {
    if range.kind == "application/yaml" && shape.verb != Verb::Watch && range.get("as").is_empty() {
        return Some(Representation::Yaml);
    }
    if range.kind == PROTOBUF && range.get("as").is_empty() {
        return Some(Representation::Protobuf);
    }
    if !is_json(range) {
        return None;
    }
    let is_meta = range.get("g") == "meta.k8s.io" && matches!(range.get("v"), "v1" | "v1beta1");
    let is_list =
        shape.verb == Verb::List || (shape.verb == Verb::DeleteCollection && !shape.named);
    match range.get("as") {
        "" => Some(Representation::Json),
        "Table" if is_meta && shape.tabular => Some(Representation::Table(shape.include)),
        "PartialObjectMetadata" if is_meta && !is_list => Some(Representation::Partial),
        "PartialObjectMetadataList" if is_meta && (is_list || shape.verb == Verb::Watch) => {
            Some(Representation::Partial)
        }
        _ => None,
    }
}

fn discovery_form(range: &Range<'_>, is_root: bool) -> Option<Representation> {
    match range.get("as") {
        "" if is_json(range) => Some(Representation::Json),
        "" if range.kind == "application/yaml" => Some(Representation::Yaml),
        "" if range.kind == PROTOBUF => Some(Representation::Protobuf),
        "APIGroupDiscoveryList" if is_root && range.kind == "application/json" => {
            (range.get("g") == "apidiscovery.k8s.io" && range.get("v") == "v2")
                .then_some(Representation::Discovery)
        }
        _ => None,
    }
}

/// The documents of token issuers have one form each: the configuration is JSON, the keys are a JWK set.
fn open_id_form(path: &str, ranges: &[Range<'_>]) -> Option<Representation> {
    let is_taken = |range: &Range<'_>| match path {
        "/.well-known/openid-configuration" => is_json(range),
        "/openid/v1/jwks" => {
            matches!(
                range.kind,
                "*/*" | "application/*" | "application/jwk-set+json"
            )
        }
        _ => true,
    };
    let taken = ranges.iter().any(is_taken);
    taken.then_some(Representation::Json)
}

fn open_api_form(range: &Range<'_>) -> Option<Representation> {
    match range.kind {
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
        | "application/com.github.proto-openapi.spec.v2.v1.0+protobuf" => {
            Some(Representation::OpenApiProtobuf)
        }
        _ => is_json(range).then_some(Representation::Json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Config;

    fn check(path: &str, accept: &str) -> String {
        let server = ApiServer::new(Config::default());
        let http = HttpRequest {
            method: "GET",
            path,
            accept,
            ..HttpRequest::default()
        };
        let parsed = server.parse(&http).expect("parsed");
        server
            .negotiate(&http, &parsed)
            .map_or_else(|s| s.code.to_string(), |r| format!("{r:?}"))
    }

    #[test]
    fn representations_are_chosen_as_by_the_original() {
        const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
        const PARTIAL: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        const DISCOVERY: &str =
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        const PROTO: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
        let (list, one) = (
            "/api/v1/namespaces/w/configmaps",
            "/api/v1/namespaces/w/configmaps/x",
        );
        for (path, accept, want) in [
            (list, "", "Json"),
            (list, "*/*", "Json"),
            (list, "application/yaml", "Yaml"),
            (list, "text/html", "406"),
            (list, "application/cbor", "406"),
            (list, TABLE, "Table(Metadata)"),
            (one, TABLE, "Table(Metadata)"),
            (list, PARTIAL, "Partial"),
            (one, PARTIAL, "406"),
            ("/api/v1/nodes/n/status", TABLE, "Table(Metadata)"),
            (
                "/apis/apps/v1/namespaces/w/deployments/d/scale",
                TABLE,
                "Table(Metadata)",
            ),
            ("/api/v1/namespaces/w/pods/p/eviction", TABLE, "406"),
            (list, DISCOVERY, "406"),
            (
                list,
                "application/vnd.kubernetes.protobuf,application/json",
                "Protobuf",
            ),
            (list, "application/json;q=0.5,application/yaml", "Yaml"),
            ("/api", DISCOVERY, "Discovery"),
            ("/apis", DISCOVERY, "Discovery"),
            ("/api/v1", DISCOVERY, "406"),
            ("/api", TABLE, "406"),
            (
                "/api",
                "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
                "Json",
            ),
            ("/api", "text/html", "406"),
            ("/version", TABLE, "Json"),
            ("/version", "application/yaml", "406"),
            ("/openapi/v2", PROTO, "OpenApiProtobuf"),
            ("/openapi/v2", "application/yaml", "406"),
            ("/openapi/v3", "image/png", "Json"),
            ("/readyz", "image/png", "Json"),
            (
                "/.well-known/openid-configuration",
                "application/json",
                "Json",
            ),
            ("/.well-known/openid-configuration", "image/png", "406"),
            ("/openid/v1/jwks", "*/*", "Json"),
            ("/openid/v1/jwks", "application/json", "406"),
        ] {
            assert_eq!(check(path, accept), want, "{path} {accept}");
        }
    }
}
