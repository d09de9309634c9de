//! API paths: the one place that splits and joins on `/`.

use crate::{Kind, KindRef, ObjectKey};

/// A request path under `/api` or `/apis` that names a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePath {
    /// Group, version and plural.
    pub kind: KindRef,
    /// The namespace, `None` for cluster scope or for a list across namespaces.
    pub namespace: Option<String>,
    /// The object's name, `None` for collections.
    pub name: Option<String>,
    /// `status`, `log`, ...; for `proxy` the rest of the path follows in `rest`.
    pub subresource: Option<String>,
    /// What follows the subresource, without a leading slash.
    pub rest: String,
}

impl ResourcePath {
    /// Parses an already percent-decoded path. `None` when the path names no resource (discovery, health, ...).
    ///
    /// `/api/v1/namespaces/NAME` names a Namespace, and so do its `status` and `finalize`; any other third segment
    /// is a resource inside that namespace.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/');
        let (group, version) = match parts.next()? {
            "api" => ("", parts.next()?),
            "apis" => (parts.next()?, parts.next()?),
            _ => return None,
        };
        let rest: Vec<&str> = parts.collect();
        let at = |i: usize| rest.get(i).map(|s| (*s).to_owned());
        let (namespace, from) = match rest.as_slice() {
            ["namespaces", _, sub, ..]
                if group.is_empty() && matches!(*sub, "status" | "finalize") =>
            {
                (None, 0)
            }
            ["namespaces", ns, _, ..] => (Some((*ns).to_owned()), 2),
            _ => (None, 0),
        };
        Some(Self {
            kind: KindRef::new(group, version, rest.get(from)?),
            namespace,
            name: at(from + 1),
            subresource: at(from + 2),
            rest: rest.get(from + 3..).unwrap_or_default().join("/"),
        })
    }
}

/// The path of a collection: of one namespace, or of the whole cluster with an empty `namespace`.
#[must_use]
pub fn collection(kind: &KindRef, namespace: &str) -> String {
    let root = if kind.group.is_empty() {
        format!("/api/{}", kind.version)
    } else {
        format!("/apis/{}/{}", kind.group, kind.version)
    };
    if namespace.is_empty() {
        format!("{root}/{}", kind.plural)
    } else {
        format!("{root}/namespaces/{namespace}/{}", kind.plural)
    }
}

/// The path of one object.
#[must_use]
pub fn object(kind: &KindRef, key: &ObjectKey) -> String {
    format!("{}/{}", collection(kind, &key.namespace), key.name)
}

/// The path of a subresource of one object.
#[must_use]
pub fn subresource(kind: &KindRef, key: &ObjectKey, subresource: &str) -> String {
    format!("{}/{subresource}", object(kind, key))
}

/// The store key of an object: its kind's prefix, its namespace where it has one, its name.
#[must_use]
pub fn storage_key(kind: &Kind, key: &ObjectKey) -> String {
    format!("{}{key}", kind.storage_prefix())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(path: &str) -> String {
        ResourcePath::parse(path).map_or("-".into(), |p| {
            let or = |o: &Option<String>| o.clone().unwrap_or("-".into());
            format!(
                "{} {} {} {} {}",
                p.kind,
                or(&p.namespace),
                or(&p.name),
                or(&p.subresource),
                p.rest
            )
        })
    }

    #[test]
    fn paths_are_read_as_the_original_reads_them() {
        for (path, want) in [
            ("/api/v1/pods", "pods - - - "),
            ("/api/v1/namespaces", "namespaces - - - "),
            ("/api/v1/namespaces/a", "namespaces - a - "),
            ("/api/v1/namespaces/a/status", "namespaces - a status "),
            ("/api/v1/namespaces/a/pods", "pods a - - "),
            ("/api/v1/namespaces/a/pods/p", "pods a p - "),
            ("/api/v1/namespaces/a/pods/p/log", "pods a p log "),
            (
                "/api/v1/nodes/n/proxy/stats/summary",
                "nodes - n proxy stats/summary",
            ),
            (
                "/apis/apps/v1/namespaces/a/deployments/d/scale",
                "deployments.apps a d scale ",
            ),
            ("/apis/apps/v1", "-"),
            ("/api", "-"),
            ("/healthz", "-"),
        ] {
            assert_eq!(show(path), want, "{path}");
        }
    }
}
