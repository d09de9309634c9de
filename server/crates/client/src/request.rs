//! A request to the apiserver as plain data, the same in process and over HTTPS.

use serde_json::Value;
use shared::{KindRef, Object, ObjectKey, Revision};

/// The API verbs (`kubernetes.io/docs/reference/access-authn-authz/authorization`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Reads one object.
    Get,
    /// Reads a collection.
    List,
    /// Follows a collection.
    Watch,
    /// Makes an object, or posts to a subresource such as `binding`.
    Create,
    /// Replaces an object; a `resourceVersion` in the body makes it conditional.
    Update,
    /// Changes parts of an object.
    Patch,
    /// Deletes one object.
    Delete,
    /// Deletes every matching object of a collection.
    DeleteCollection,
}

impl Verb {
    /// The word used by authorisation, discovery and audit.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }

    /// True when the verb can change the store.
    #[must_use]
    pub const fn mutates(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

/// How a patch is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 6902, `application/json-patch+json`.
    Json,
    /// RFC 7396, `application/merge-patch+json`.
    Merge,
    /// `application/strategic-merge-patch+json`.
    Strategic,
    /// Server-side apply, `application/apply-patch+yaml`.
    Apply,
}

impl PatchKind {
    /// The media type that selects it.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

/// What a request carries.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    /// Nothing.
    #[default]
    None,
    /// An object, or delete options.
    Object(Value),
    /// A patch.
    Patch(PatchKind, Value),
    /// Bytes as they came over the wire, still to be decoded by their media type.
    Encoded {
        /// The `Content-Type` header.
        content_type: String,
        /// The body.
        bytes: Vec<u8>,
    },
}

/// Query parameters, by their API names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `labelSelector`.
    pub label_selector: String,
    /// `fieldSelector`.
    pub field_selector: String,
    /// `resourceVersion`, empty when not given.
    pub resource_version: String,
    /// `resourceVersionMatch`.
    pub resource_version_match: String,
    /// `limit`, 0 for none.
    pub limit: usize,
    /// `continue`.
    pub continue_token: String,
    /// `fieldManager`.
    pub field_manager: String,
    /// `fieldValidation`: `Strict`, `Warn` or `Ignore`; empty is `Warn`.
    pub field_validation: String,
    /// `force`, for apply.
    pub force: bool,
    /// `dryRun=All`.
    pub dry_run: bool,
    /// `propagationPolicy`.
    pub propagation_policy: String,
    /// `gracePeriodSeconds`.
    pub grace_period_seconds: Option<i64>,
    /// `allowWatchBookmarks`.
    pub allow_watch_bookmarks: bool,
    /// `sendInitialEvents`, `None` when not given.
    pub send_initial_events: Option<bool>,
    /// `timeoutSeconds`, 0 for the server's choice.
    pub timeout_seconds: u64,
    /// Parameters of a connection to a pod, in their order: `follow`, `tailLines`, `container`, `command`, ...
    pub parameters: Vec<(String, String)>,
}

/// One request. Empty strings mean "none": no namespace for cluster scope, no name for a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What to do.
    pub verb: Verb,
    /// With which resource.
    pub kind: KindRef,
    /// In which namespace.
    pub namespace: String,
    /// With which object.
    pub name: String,
    /// With which part of it.
    pub subresource: String,
    /// Query parameters.
    pub options: Options,
    /// The body.
    pub body: Body,
}

impl Request {
    fn of(verb: Verb, kind: KindRef, namespace: &str, name: &str, body: Body) -> Self {
        Self {
            verb,
            kind,
            namespace: namespace.into(),
            name: name.into(),
            subresource: String::new(),
            options: Options::default(),
            body,
        }
    }

    /// Reads one object.
    #[must_use]
    pub fn get(kind: KindRef, key: &ObjectKey) -> Self {
        Self::of(Verb::Get, kind, &key.namespace, &key.name, Body::None)
    }

    /// Lists a namespace, or everything with an empty one.
    #[must_use]
    pub fn list(kind: KindRef, namespace: &str) -> Self {
        Self::of(Verb::List, kind, namespace, "", Body::None)
    }

    /// Makes `object`; its name may be empty when it has a `generateName`.
    #[must_use]
    pub fn create(kind: KindRef, object: Value) -> Self {
        let at = |p: &str| {
            object
                .pointer(p)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let namespace = at("/metadata/namespace");
        Self::of(Verb::Create, kind, &namespace, "", Body::Object(object))
    }

    /// Replaces an object on the condition of the `resourceVersion` it carries.
    #[must_use]
    pub fn update(kind: KindRef, object: Value) -> Self {
        let at = |p: &str| {
            object
                .pointer(p)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (namespace, name) = (at("/metadata/namespace"), at("/metadata/name"));
        Self::of(Verb::Update, kind, &namespace, &name, Body::Object(object))
    }

    /// Replaces an object's status on the condition of the `resourceVersion` it carries.
    #[must_use]
    pub fn update_status(kind: KindRef, object: Value) -> Self {
        Self::update(kind, object).on("status")
    }

    /// Changes parts of an object.
    #[must_use]
    pub fn patch(kind: KindRef, key: &ObjectKey, how: PatchKind, patch: Value) -> Self {
        Self::of(
            Verb::Patch,
            kind,
            &key.namespace,
            &key.name,
            Body::Patch(how, patch),
        )
    }

    /// Deletes the object that has this uid (a precondition; none with an empty uid).
    #[must_use]
    pub fn delete(kind: KindRef, key: &ObjectKey, uid: &str) -> Self {
        let mut options = serde_json::json!({"kind": "DeleteOptions", "apiVersion": "v1"});
        if let (false, Some(map)) = (uid.is_empty(), options.as_object_mut()) {
            map.insert("preconditions".into(), serde_json::json!({"uid": uid}));
        }
        Self::of(
            Verb::Delete,
            kind,
            &key.namespace,
            &key.name,
            Body::Object(options),
        )
    }

    /// Posts a Binding: places the pod on the node.
    #[must_use]
    pub fn bind(pod: &Object, node: &str) -> Self {
        let binding = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name(), "namespace": pod.namespace(), "uid": pod.uid()},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        Self::of(
            Verb::Create,
            KindRef::new("", "v1", "pods"),
            pod.namespace(),
            pod.name(),
            Body::Object(binding),
        )
        .on("binding")
    }

    /// The same request for a subresource.
    #[must_use]
    pub fn on(mut self, subresource: &str) -> Self {
        self.subresource = subresource.into();
        self
    }

    /// The same request with other options.
    #[must_use]
    pub fn with(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// The same delete with a grace period of so many seconds; 0 removes the object at once.
    #[must_use]
    pub fn with_grace(mut self, seconds: i64) -> Self {
        self.options.grace_period_seconds = Some(seconds);
        self
    }

    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(&self.namespace, &self.name)
    }
}

/// What the apiserver answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// One object; for a delete the object's last state or a `Status`.
    Object(Object),
    /// A collection.
    List {
        /// The revision it was read at.
        revision: Revision,
        /// Every object.
        items: Vec<Object>,
        /// Where the next page starts, empty on the last.
        continue_token: String,
    },
}

impl Answer {
    /// The object of an answer that has one.
    #[must_use]
    pub fn object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            Self::List { .. } => None,
        }
    }
}
