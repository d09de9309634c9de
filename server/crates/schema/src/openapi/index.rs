//! The documents of `/openapi/v3` that are about the server rather than a group version: which groups there are, its
//! version, and the keys of its tokens. Their types know no group, and `kubectl` never asks for them; generators do.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::paths::ANSWER_TYPES;
use super::{Edition, OpenApi, Served, bearer_token, info, schemas};

/// One path that is not about objects.
struct About {
    /// The operation's id, as generators name their functions.
    id: String,
    text: &'static str,
    tag: String,
    /// What is answered: a kind of `meta/v1`, or a string when it is empty.
    kind: &'static str,
}

const ISSUER: &str = ".well-known/openid-configuration";
const KEYS: &str = "openid/v1/jwks";
const KEYS_TYPE: &str = "application/jwk-set+json";

/// The paths, as the index has them.
pub(super) fn roots(served: &[Served]) -> Vec<String> {
    let groups: BTreeSet<&str> = served.iter().map(|s| s.group.as_str()).collect();
    let groups = groups.into_iter().filter(|g| !g.is_empty());
    let fixed = [ISSUER, "api", "apis", KEYS, "version"].map(str::to_owned);
    fixed
        .into_iter()
        .chain(groups.map(|g| format!("apis/{g}")))
        .collect()
}

/// The words of a group in the id of an operation: `RbacAuthorization` of `rbac.authorization.k8s.io`.
fn group_words(group: &str) -> String {
    let name = group.strip_suffix(".k8s.io").unwrap_or(group);
    name.split('.').map(super::paths::capitalised).collect()
}

fn about(path: &str) -> Option<About> {
    let versions = "get available API versions";
    let (id, text, tag, kind) = match path {
        "api" => ("getCoreAPIVersions", versions, "core", "APIVersions"),
        "apis" => ("getAPIVersions", versions, "apis", "APIGroupList"),
        "version" => (
            "getCodeVersion",
            "get the version information for this server",
            "version",
            "",
        ),
        ISSUER => (
            "getServiceAccountIssuerOpenIDConfiguration",
            "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
            "WellKnown",
            "",
        ),
        KEYS => (
            "getServiceAccountIssuerOpenIDKeyset",
            "get service account issuer OpenID JSON Web Key Set (contains public token verification keys)",
            "openid",
            "",
        ),
        _ => {
            let group = path.strip_prefix("apis/").filter(|g| !g.contains('/'))?;
            let words = group_words(group);
            return Some(About {
                id: format!("get{words}APIGroup"),
                text: "get information of a group",
                tag: words,
                kind: "APIGroup",
            });
        }
    };
    Some(About {
        id: id.into(),
        text,
        tag: tag.into(),
        kind,
    })
}

impl OpenApi {
    /// The document of such a path.
    pub(super) fn about_the_server(&self, path: &str) -> Option<Value> {
        let about = about(path)?;
        let root = self.schema.find("v1", about.kind);
        let name = root
            .and_then(|id| self.schema.def(id))
            .map(|d| d.name.to_string());
        let answer = match &name {
            Some(name) => json!({"$ref": Edition::V3.reference(name)}),
            None => json!({"type": "string"}),
        };
        let types: &[&str] = match (path, &name) {
            (KEYS, _) => &[KEYS_TYPE],
            (_, Some(_)) => ANSWER_TYPES,
            (_, None) => &["application/json"],
        };
        let content: Map<String, Value> = types
            .iter()
            .map(|t| ((*t).to_owned(), json!({"schema": answer})))
            .collect();
        let schemas = schemas::Maker::new(&self.schema, Edition::V3, Vec::new());
        Some(json!({
            "openapi": "3.0.0",
            "info": info(),
            "paths": {format!("/{path}/"): {"get": {
                "operationId": about.id,
                "tags": [about.tag],
                "description": about.text,
                "responses": {
                    "200": {"description": "OK", "content": content},
                    "401": {"description": "Unauthorized"},
                },
            }}},
            "components": {
                "schemas": schemas.all(root.into_iter().collect()),
                "securitySchemes": bearer_token(),
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use shared::kind::KINDS;

    use super::*;
    use crate::Schema;

    #[test]
    fn the_index_leads_to_documents_about_the_server() {
        let served: Vec<Served> = KINDS.iter().map(Served::from).collect();
        let open_api = OpenApi::new(Schema::built_in().clone(), served);
        let index = open_api.v3_index();
        for (path, own, id) in [
            ("api", "/api/", "getCoreAPIVersions"),
            ("apis", "/apis/", "getAPIVersions"),
            ("apis/apps", "/apis/apps/", "getAppsAPIGroup"),
            (
                "apis/rbac.authorization.k8s.io",
                "/apis/rbac.authorization.k8s.io/",
                "getRbacAuthorizationAPIGroup",
            ),
            ("version", "/version/", "getCodeVersion"),
            (
                ISSUER,
                "/.well-known/openid-configuration/",
                "getServiceAccountIssuerOpenIDConfiguration",
            ),
        ] {
            let document = open_api.v3(path).expect("a document");
            let url = format!("/openapi/v3/{path}?hash={}", document.hash);
            assert_eq!(index["paths"][path]["serverRelativeURL"], json!(url));
            let value: Value = serde_json::from_slice(&document.bytes).expect("json");
            let operation = &value["paths"][own]["get"];
            assert_eq!(operation["operationId"], json!(id));
            let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
            let name = schema["$ref"]
                .as_str()
                .map(|r| r.rsplit('/').next().expect("a name"));
            let is_known = name.is_none_or(|n| value["components"]["schemas"].get(n).is_some());
            assert!(is_known, "{path} {schema}");
        }
        assert!(open_api.v3("apis/none").is_none());
    }
}
