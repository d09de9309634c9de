//! Label sets, as the original has them (`apiserver/pkg/endpoints/metrics`); at most one per verb, resource and code
//! that was really used.

use client::{Body, PatchKind, Request, Verb};
use prometheus_client::encoding::EncodeLabelSet;

/// What a request was about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct About {
    pub(super) verb: &'static str,
    group: String,
    version: String,
    resource: String,
    subresource: String,
    scope: &'static str,
    component: &'static str,
}

/// The same with whether it was a dry run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Duration {
    #[prometheus(flatten)]
    about: About,
    dry_run: &'static str,
}

/// The same with the answer's code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Answer {
    #[prometheus(flatten)]
    duration: Duration,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Size {
    group: String,
    resource: String,
    verb: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct InFlight {
    pub(super) request_kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Watched {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) resource: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Stored {
    pub(super) group: &'static str,
    pub(super) resource: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Operation {
    operation: &'static str,
    group: String,
    resource: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Attempt {
    pub(super) result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Decision {
    r#type: &'static str,
    decision: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Admission {
    r#type: &'static str,
    operation: &'static str,
    rejected: &'static str,
}

/// One plugin of the admission chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Plugin {
    name: &'static str,
    r#type: &'static str,
    operation: &'static str,
    rejected: &'static str,
}

impl Admission {
    pub(super) fn of(request: &Request, is_rejected: bool) -> Self {
        Self {
            r#type: "admit",
            operation: operation(request),
            rejected: if is_rejected { "true" } else { "false" },
        }
    }
}

impl Plugin {
    pub(super) fn of(name: &'static str, request: &Request, is_rejected: bool) -> Self {
        let Admission {
            r#type,
            operation,
            rejected,
        } = Admission::of(request, is_rejected);
        Self {
            name,
            r#type,
            operation,
            rejected,
        }
    }
}

impl About {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            verb: verb(request),
            group: request.kind.group.clone(),
            version: request.kind.version.clone(),
            resource: request.kind.plural.clone(),
            subresource: request.subresource.clone(),
            scope: scope(request),
            component: "apiserver",
        }
    }
}

impl Duration {
    pub(super) fn of(about: About, request: &Request) -> Self {
        Self {
            about,
            dry_run: if request.options.dry_run { "All" } else { "" },
        }
    }

    pub(super) fn with_code(self, code: u16) -> Answer {
        Answer {
            duration: self,
            code,
        }
    }
}

impl Size {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            group: request.kind.group.clone(),
            resource: request.kind.plural.clone(),
            verb: request.verb.word(),
        }
    }
}

impl Operation {
    /// What a request does in the store (`storage/etcd3/metrics`).
    pub(super) fn of(request: &Request) -> Self {
        let operation = match request.verb {
            Verb::Create if request.subresource.is_empty() => "create",
            Verb::Delete | Verb::DeleteCollection => "delete",
            _ => "update",
        };
        Self {
            operation,
            group: request.kind.group.clone(),
            resource: request.kind.plural.clone(),
        }
    }
}

impl Decision {
    pub(super) fn of(user: &str, is_allowed: bool) -> Self {
        let is_node = user.starts_with("system:node:");
        Self {
            r#type: if is_node { "Node" } else { "RBAC" },
            decision: if is_allowed { "allowed" } else { "denied" },
        }
    }
}

/// The operation as admission plugins are told of it.
pub(super) fn operation(request: &Request) -> &'static str {
    match request.verb {
        Verb::Create => "CREATE",
        Verb::Update | Verb::Patch => "UPDATE",
        Verb::Delete | Verb::DeleteCollection => "DELETE",
        Verb::Get | Verb::List | Verb::Watch => "CONNECT",
    }
}

/// The verb as the original's metrics have it.
fn verb(request: &Request) -> &'static str {
    if ["exec", "attach", "portforward", "proxy", "log"].contains(&request.subresource.as_str()) {
        return "CONNECT";
    }
    let is_apply = match &request.body {
        Body::Patch(kind, _) => *kind == PatchKind::Apply,
        Body::Encoded { content_type, .. } => {
            content_type.starts_with(PatchKind::Apply.content_type())
        }
        _ => false,
    };
    match request.verb {
        Verb::Get => "GET",
        Verb::List => "LIST",
        Verb::Watch => "WATCH",
        Verb::Create => "POST",
        Verb::Update => "PUT",
        Verb::Patch if is_apply => "APPLY",
        Verb::Patch => "PATCH",
        Verb::Delete => "DELETE",
        Verb::DeleteCollection => "DELETECOLLECTION",
    }
}

fn scope(request: &Request) -> &'static str {
    if !request.name.is_empty() || request.verb == Verb::Create {
        "resource"
    } else if request.namespace.is_empty() {
        "cluster"
    } else {
        "namespace"
    }
}
