//! An API object as the JSON value it was accepted as, shared without copying.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::{Millis, Revision, pointer};

/// An immutable API object. Cloning shares the value.
///
/// Accessors never fail: a missing or mistyped field reads as absent, because validation happened at the door.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Object(Arc<Value>);

impl AsRef<Value> for Object {
    fn as_ref(&self) -> &Value {
        self.value()
    }
}

impl Object {
    /// Wraps a JSON object.
    #[must_use]
    pub fn new(value: Value) -> Self {
        Self(Arc::new(value))
    }

    /// The whole JSON value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// A copy of the value to change.
    #[must_use]
    pub fn to_value(&self) -> Value {
        (*self.0).clone()
    }

    /// The value at a JSON pointer such as `/spec/nodeName`.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        pointer::at(&self.0, pointer)
    }

    /// The string at a JSON pointer, `""` when absent.
    #[must_use]
    pub fn text(&self, pointer: &str) -> &str {
        self.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The integer at a JSON pointer.
    #[must_use]
    pub fn int(&self, pointer: &str) -> Option<i64> {
        self.at(pointer).and_then(Value::as_i64)
    }

    /// The items of the array at a JSON pointer, none when absent.
    #[must_use]
    pub fn items(&self, pointer: &str) -> &[Value] {
        self.at(pointer)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// `kind`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// `apiVersion`.
    #[must_use]
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// `metadata.namespace`, `""` for a cluster-scoped object.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// `metadata.uid`.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// `metadata.resourceVersion` as the revision it stands for, 0 when absent.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision(self.text("/metadata/resourceVersion").parse().unwrap_or(0))
    }

    /// `metadata.generation`, 0 when absent.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.int("/metadata/generation").unwrap_or(0)
    }

    /// `metadata.creationTimestamp`.
    #[must_use]
    pub fn created(&self) -> Option<Millis> {
        Millis::parse_rfc3339(self.text("/metadata/creationTimestamp"))
    }

    /// `metadata.deletionTimestamp`: set while the object is terminating.
    #[must_use]
    pub fn deletion(&self) -> Option<Millis> {
        Millis::parse_rfc3339(self.text("/metadata/deletionTimestamp"))
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.at("/metadata/labels")?.get(key)?.as_str()
    }

    /// The value of an annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.at("/metadata/annotations")?.get(key)?.as_str()
    }

    /// The owner reference with `controller: true`.
    #[must_use]
    pub fn controller(&self) -> Option<ObjectRef> {
        let owner = self
            .items("/metadata/ownerReferences")
            .iter()
            .find(|o| o.get("controller").and_then(Value::as_bool) == Some(true))?;
        Some(ObjectRef::from_owner(owner, self.namespace()))
    }

    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(self.namespace(), self.name())
    }

    /// A reference to this object, as events and flow hops carry it.
    #[must_use]
    pub fn reference(&self) -> ObjectRef {
        ObjectRef {
            api_version: self.api_version().into(),
            kind: self.kind().into(),
            namespace: self.namespace().into(),
            name: self.name().into(),
            uid: self.uid().into(),
        }
    }
}

/// Where an object of a known kind is: namespace (empty for cluster scope) and name. Displays as `namespace/name`.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct ObjectKey {
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl ObjectKey {
    /// A key from its two parts.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// Which object: kind, place and uid (`v1.ObjectReference`'s identifying part).
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// `v1`, `apps/v1`, ...
    pub api_version: String,
    /// `Pod`, `Deployment`, ...
    pub kind: String,
    /// Empty for cluster-scoped kinds.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`, empty when unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

impl ObjectRef {
    /// Reads an item of `metadata.ownerReferences`; owners live in the dependent's namespace or in none.
    #[must_use]
    pub fn from_owner(owner: &Value, namespace: &str) -> Self {
        let text = |field: &str| {
            owner
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            api_version: text("apiVersion"),
            kind: text("kind"),
            namespace: namespace.into(),
            name: text("name"),
            uid: text("uid"),
        }
    }

    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(&self.namespace, &self.name)
    }
}
