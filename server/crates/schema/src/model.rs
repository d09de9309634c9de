//! The type table in memory: what a type is made of and how to find it. No rules of single kinds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

/// Every known type, looked up by `apiVersion` and `kind`. Cloning shares the types.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    pub(crate) types: Vec<Arc<TypeDef>>,
    /// By `apiVersion`, then kind.
    pub(crate) kinds: BTreeMap<String, BTreeMap<String, TypeId>>,
}

/// A row of [`Schema::types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeId(pub(crate) usize);

/// A named type, or a nameless object inside a custom one.
#[derive(Clone, Debug, Default)]
pub(crate) struct TypeDef {
    /// `io.k8s.api.core.v1.Pod`; empty for a nameless object.
    pub(crate) name: Cow<'static, str>,
    /// The kinds that are this type.
    pub(crate) gvks: Vec<Gvk>,
    /// What it is made of.
    pub(crate) shape: Shape,
    /// The schema document of a type that arrived at run time.
    pub(crate) document: Option<Arc<Value>>,
}

/// Group, version, kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gvk {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
}

#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// An object with declared fields.
    Struct(Struct),
    /// A value with a JSON form of its own, such as a quantity.
    Scalar(Scalar),
}

impl Default for Shape {
    fn default() -> Self {
        Self::Struct(Struct::default())
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Struct {
    /// Sorted by name.
    pub(crate) fields: Vec<Field>,
    /// Whether one manager owns it whole (`x-kubernetes-map-type: atomic`).
    pub(crate) atomic: bool,
    /// Whether fields beside the declared ones are kept (`x-kubernetes-preserve-unknown-fields`).
    pub(crate) open: bool,
}

impl Struct {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        let at = self
            .fields
            .binary_search_by(|f| f.name.as_ref().cmp(name))
            .ok()?;
        self.fields.get(at)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: Cow<'static, str>,
    pub(crate) ty: Type,
    pub(crate) required: bool,
    pub(crate) zero: Zero,
    /// Protobuf field numbers from the message down; more than one where JSON inlines a message, none when unknown.
    pub(crate) wire: Vec<u32>,
    /// `x-kubernetes-patch-strategy`, empty when there is none.
    pub(crate) strategy: Cow<'static, str>,
    /// `x-kubernetes-patch-merge-key`, empty when there is none.
    pub(crate) merge_key: Cow<'static, str>,
    /// The value of a list key that an item leaves out.
    pub(crate) key_default: Option<Value>,
}

/// How Go writes a field's zero value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Zero {
    /// Left out (`omitempty`).
    #[default]
    Omit,
    /// Kept when it was set (a pointer).
    Keep,
    /// Written even when it was not set.
    Write,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Scalar(Scalar),
    /// A named type; the field may override whether it is atomic.
    Named(TypeId, Option<bool>),
    List(Box<Type>, ListKind),
    /// String keys.
    Map(Box<Type>, MapKind),
    /// Anything; ownership follows its form: maps by key, lists whole.
    Deduced,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListKind {
    /// Not said; treated as atomic.
    Unset,
    Atomic,
    Set,
    /// Items are told apart by these fields, sorted.
    Map(Vec<Cow<'static, str>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapKind {
    Granular,
    Atomic,
}

/// Values without parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    String,
    Boolean,
    Int32,
    Int64,
    Double,
    /// Base64 in JSON.
    Bytes,
    Quantity,
    Time,
    MicroTime,
    IntOrString,
    /// Any JSON, owned whole; raw JSON bytes in a message's field 1.
    Raw,
    /// `JSON` of apiextensions: as `Raw`.
    Json,
    /// `JSONSchemaPropsOrArray`.
    SchemaOrArray,
    /// `JSONSchemaPropsOrBool`.
    SchemaOrBool,
    /// `JSONSchemaPropsOrStringArray`.
    SchemaOrStrings,
}

/// A type with names looked through.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resolved<'a> {
    Scalar(Scalar),
    /// The struct and whether it is atomic here.
    Struct(&'a Struct, bool),
    List(&'a Type, &'a ListKind),
    Map(&'a Type, MapKind),
    Deduced,
}

impl Schema {
    /// The built-in types of Kubernetes v1.36.
    #[must_use]
    pub fn built_in() -> &'static Arc<Self> {
        static BUILT_IN: OnceLock<Arc<Schema>> = OnceLock::new();
        BUILT_IN.get_or_init(|| Arc::new(crate::table::read()))
    }

    /// Whether the type of these bodies is known.
    #[must_use]
    pub fn knows(&self, api_version: &str, kind: &str) -> bool {
        self.find(api_version, kind).is_some()
    }

    /// The type of a kind. `DeleteOptions` and its like are registered in every group with the same form.
    pub(crate) fn find(&self, api_version: &str, kind: &str) -> Option<TypeId> {
        let exact = self.kinds.get(api_version).and_then(|k| k.get(kind));
        let shared = || match kind {
            "DeleteOptions" | "Status" | "WatchEvent" => self.kinds.get("v1")?.get(kind),
            _ => None,
        };
        exact.or_else(shared).copied()
    }

    pub(crate) fn find_type(&self, api_version: &str, kind: &str) -> Option<Type> {
        self.find(api_version, kind).map(|id| Type::Named(id, None))
    }

    pub(crate) fn def(&self, id: TypeId) -> Option<&TypeDef> {
        self.types.get(id.0).map(Arc::as_ref)
    }

    /// Looks through names. An unknown name reads as "anything".
    pub(crate) fn resolve<'a>(&'a self, ty: &'a Type) -> Resolved<'a> {
        match ty {
            Type::Scalar(scalar) => Resolved::Scalar(*scalar),
            Type::List(item, kind) => Resolved::List(item, kind),
            Type::Map(value, kind) => Resolved::Map(value, *kind),
            Type::Deduced => Resolved::Deduced,
            Type::Named(id, atomic) => match self.def(*id).map(|d| &d.shape) {
                Some(Shape::Struct(s)) => Resolved::Struct(s, atomic.unwrap_or(s.atomic)),
                Some(Shape::Scalar(scalar)) => Resolved::Scalar(*scalar),
                None => Resolved::Deduced,
            },
        }
    }

    pub(crate) fn register(&mut self, gvk: &Gvk, id: TypeId) {
        let api_version = gvk.api_version();
        self.kinds
            .entry(api_version)
            .or_default()
            .insert(gvk.kind.clone(), id);
    }
}

impl Gvk {
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}
