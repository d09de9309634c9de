//! `metadata.managedFields`: who set which field (KEP-555), kept up to date with every write.
//!
//! Follows `k8s.io/apimachinery/pkg/util/managedfields`. Applying is in `apply`; this is what both kinds of writes
//! share, and what plain creates, updates and patches do.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};
use shared::Millis;

use crate::model::{Schema, Type};
use crate::set::{Set, field_element};
use crate::typed::Comparison;

mod scale;
pub use scale::{scale_managed_fields, scaled_managed_fields};

/// Who writes, through what and when.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// `fieldManager` of the request, or the client's name from its User-Agent.
    pub manager: &'a str,
    /// The `apiVersion` of the request's path.
    pub api_version: &'a str,
    /// The subresource written through, empty for the object itself.
    pub subresource: &'a str,
    /// When.
    pub now: Millis,
    /// The fields that this way of writing leaves as they are, as JSON pointers: `/status` for the object itself,
    /// `/spec` for its status (`GetResetFields` of the kind's strategy).
    pub ignored: &'a [&'a str],
}

impl Writer<'_> {
    fn ignored_set(&self) -> Set {
        let mut set = Set::default();
        for pointer in self.ignored {
            let path: Vec<String> = pointer
                .split('/')
                .skip(1)
                .map(|name| field_element(&name.replace("~1", "/").replace("~0", "~")))
                .collect();
            set.insert(&path);
        }
        set
    }

    /// The parts of a comparison that this writer could have caused.
    pub(crate) fn filter(&self, comparison: Comparison) -> Comparison {
        let mut ignored = self.ignored_set();
        // What is recorded here is nobody's field, and only one of the two sides has it.
        ignored.insert(&[field_element("metadata"), field_element("managedFields")]);
        Comparison {
            added: comparison.added.recursive_difference(&ignored),
            modified: comparison.modified.recursive_difference(&ignored),
            removed: comparison.removed.recursive_difference(&ignored),
        }
    }

    /// A set without ignored fields and without those that belong to the server.
    pub(crate) fn owned(&self, set: Set) -> Set {
        set.recursive_difference(&self.ignored_set())
            .difference(&SERVER_FIELDS)
    }
}

/// What nobody owns: identity and bookkeeping (`stripmeta.go`).
static SERVER_FIELDS: LazyLock<Set> = LazyLock::new(|| {
    let mut set = Set::default();
    for name in ["apiVersion", "kind", "metadata"] {
        set.insert(&[field_element(name)]);
    }
    for name in [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ] {
        set.insert(&[field_element("metadata"), field_element(name)]);
    }
    set
});

/// How a manager writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Apply,
    Update,
}

/// What tells managers apart. Appliers are one whatever version they apply with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) manager: String,
    pub(crate) operation: Operation,
    /// Empty for appliers.
    api_version: String,
    pub(crate) subresource: String,
}

impl Id {
    pub(crate) fn new(writer: &Writer<'_>, operation: Operation) -> Self {
        Self::with_version(
            writer.manager,
            operation,
            writer.api_version,
            writer.subresource,
        )
    }

    pub(crate) fn with_version(
        manager: &str,
        operation: Operation,
        api_version: &str,
        subresource: &str,
    ) -> Self {
        let api_version = if operation == Operation::Apply {
            ""
        } else {
            api_version
        };
        Self {
            manager: manager.into(),
            operation,
            api_version: api_version.into(),
            subresource: subresource.into(),
        }
    }

    /// The manager as conflicts name it.
    pub(crate) fn display(&self, entry: &Entry) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", entry.api_version));
        }
        text
    }
}

/// What a manager owns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) api_version: String,
    pub(crate) time: Option<String>,
    pub(crate) set: Set,
}

/// All managers of an object.
pub(crate) type Managers = BTreeMap<Id, Entry>;

/// The most entries of updaters; older ones are put together (`capmanagers.go`).
const MAX_UPDATERS: usize = 10;

/// The manager that stands for updaters put together.
const ANCIENT: &str = "ancient-changes";

/// Reads `metadata.managedFields`; `None` when an entry is not of its form.
pub(crate) fn read(object: &Value) -> Option<Managers> {
    match object.pointer("/metadata/managedFields") {
        None => Some(Managers::new()),
        Some(entries) => read_entries(entries.clone()),
    }
}

fn read_entries(entries: Value) -> Option<Managers> {
    let entries = match entries {
        Value::Null => return Some(Managers::new()),
        Value::Array(entries) => entries,
        _ => return None,
    };
    entries.into_iter().map(read_entry).collect()
}

fn read_entry(mut entry: Value) -> Option<(Id, Entry)> {
    let fields = entry.get_mut("fieldsV1").map(Value::take);
    let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
    let operation = match text("operation") {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return None,
    };
    if text("fieldsType") != "FieldsV1" || text("apiVersion").is_empty() {
        return None;
    }
    let set = match fields {
        None | Some(Value::Null) => Set::default(),
        Some(fields) => Set::from_fields(fields)?,
    };
    let id = Id::with_version(
        text("manager"),
        operation,
        text("apiVersion"),
        text("subresource"),
    );
    let read = Entry {
        api_version: text("apiVersion").into(),
        time: entry.get("time").and_then(Value::as_str).map(str::to_owned),
        set,
    };
    Some((id, read))
}

/// Writes `metadata.managedFields`, appliers first, then by time.
pub(crate) fn write(object: &mut Value, mut managers: Managers) {
    cap(&mut managers);
    let mut rows: Vec<(Id, Entry)> = managers
        .into_iter()
        .filter(|(_, e)| !e.set.is_empty())
        .collect();
    rows.sort_by(|(a, x), (b, y)| key(a, x).cmp(&key(b, y)));
    let entries: Vec<Value> = rows
        .into_iter()
        .map(|(id, entry)| to_value(id, entry))
        .collect();
    let Some(object) = object.as_object_mut() else {
        return;
    };
    let metadata = object
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    let Some(metadata) = metadata.as_object_mut() else {
        return;
    };
    if entries.is_empty() {
        metadata.remove("managedFields");
    } else {
        metadata.insert("managedFields".into(), Value::Array(entries));
    }
}

/// How rows are ordered.
fn key<'a>(
    id: &'a Id,
    entry: &'a Entry,
) -> (Operation, Option<&'a String>, &'a str, &'a str, &'a str) {
    let Id {
        manager,
        operation,
        subresource,
        ..
    } = id;
    (
        *operation,
        entry.time.as_ref(),
        manager,
        &entry.api_version,
        subresource,
    )
}

fn to_value(id: Id, entry: Entry) -> Value {
    let operation = match id.operation {
        Operation::Apply => "Apply",
        Operation::Update => "Update",
    };
    let mut fields = Map::new();
    fields.insert("apiVersion".into(), entry.api_version.into());
    fields.insert("fieldsType".into(), "FieldsV1".into());
    fields.insert("fieldsV1".into(), entry.set.into_fields());
    fields.insert("operation".into(), operation.into());
    fields.extend(entry.time.map(|t| ("time".into(), t.into())));
    for (name, text) in [("manager", id.manager), ("subresource", id.subresource)] {
        if !text.is_empty() {
            fields.insert(name.into(), text.into());
        }
    }
    Value::Object(fields)
}

/// Puts the oldest updaters together until there are few enough.
fn cap(managers: &mut Managers) {
    if managers.len() <= MAX_UPDATERS {
        return;
    }
    let mut updaters: Vec<(Option<String>, Id)> = managers
        .iter()
        .filter(|(id, _)| id.operation == Operation::Update && id.subresource.is_empty())
        .map(|(id, entry)| (entry.time.clone(), id.clone()))
        .collect();
    updaters.sort();
    let mut over = updaters.len().saturating_sub(MAX_UPDATERS);
    for (_, id) in updaters {
        if over == 0 {
            return;
        }
        let Some(entry) = managers.get(&id) else {
            continue;
        };
        let ancient = Id::with_version(ANCIENT, Operation::Update, &entry.api_version, "");
        if ancient == id {
            continue;
        }
        let Some(entry) = managers.remove(&id) else {
            continue;
        };
        match managers.get_mut(&ancient) {
            Some(all) => {
                all.set.add(&entry.set);
                all.time = all.time.clone().max(entry.time);
                over -= 1;
            }
            // The first one makes room for the entry that takes its place.
            None => {
                managers.insert(ancient, entry);
            }
        }
    }
}

/// Takes what a change removed or took over from every manager but `except`.
pub(crate) fn release(managers: &mut Managers, except: Option<&Id>, comparison: &Comparison) {
    for (id, entry) in managers.iter_mut() {
        if Some(id) != except {
            entry.set.subtract(&comparison.modified);
            entry.set.subtract(&comparison.added);
            entry.set.subtract(&comparison.removed);
        }
    }
    managers.retain(|id, entry| Some(id) == except || !entry.set.is_empty());
}

pub(crate) fn without_managed_fields(object: &Value) -> Value {
    let mut object = object.clone();
    take_managed_fields(&mut object);
    object
}

fn take_managed_fields(object: &mut Value) -> Option<Value> {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut)?;
    metadata.remove("managedFields")
}

impl Schema {
    /// Records in `new.metadata.managedFields` what a create (`live` is `None`), update or patch changed.
    ///
    /// Both objects are in canonical form, `new` with defaults but before admission adds to it, so that nobody owns
    /// what the server fills in. Managed fields that the client sent are taken when they are well-formed, as the
    /// original does; `[{}]` clears them.
    pub fn update_managed_fields(
        &self,
        live: Option<&Value>,
        new: &mut Value,
        writer: &Writer<'_>,
    ) {
        let kind = new
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let ty = self
            .find_type(writer.api_version, &kind)
            .unwrap_or(Type::Deduced);
        let managers = managers_of(live, take_managed_fields(new), writer);
        if live.is_some() && managers.is_empty() {
            // An object that nobody tracked so far stays so until someone applies it.
            return;
        }
        let managers = match live {
            Some(live) => self.updated(&ty, live, new, managers, writer),
            None => {
                let before = self.before_creation(&ty, writer.api_version, &kind);
                self.updated(&ty, &before, new, managers, writer)
            }
        };
        write(new, managers);
    }

    /// An object of which nothing is set yet.
    pub(crate) fn before_creation(&self, ty: &Type, api_version: &str, kind: &str) -> Value {
        let mut nothing = match self.nothing(ty) {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        nothing.insert("apiVersion".into(), api_version.into());
        nothing.insert("kind".into(), kind.into());
        nothing
            .entry("metadata")
            .or_insert_with(|| Value::Object(Map::new()));
        Value::Object(nothing)
    }

    /// The managers after an update from `before` to `after`.
    pub(crate) fn updated(
        &self,
        ty: &Type,
        before: &Value,
        after: &Value,
        mut managers: Managers,
        writer: &Writer<'_>,
    ) -> Managers {
        let comparison = writer.filter(self.compare(ty, before, after));
        release(&mut managers, None, &comparison);
        let taken = writer.owned(comparison.modified.union(&comparison.added));
        if !taken.is_empty() {
            let id = Id::new(writer, Operation::Update);
            let set = match managers.remove(&id) {
                Some(former) => former.set.union(&taken),
                None => taken,
            };
            let time = Some(writer.now.rfc3339());
            managers.insert(
                id,
                Entry {
                    api_version: writer.api_version.into(),
                    time,
                    set,
                },
            );
        }
        managers
    }
}

/// The managers to start from: those the client sent, or the live ones.
fn managers_of(live: Option<&Value>, sent: Option<Value>, writer: &Writer<'_>) -> Managers {
    let of_live = live.and_then(|live| live.pointer("/metadata/managedFields"));
    // Who changes a part sends the rest back as it was.
    if sent.as_ref() == of_live {
        return sent.and_then(read_entries).unwrap_or_default();
    }
    let from_live = || live.and_then(read).unwrap_or_default();
    if !writer.subresource.is_empty() {
        return from_live();
    }
    let entries = sent.as_ref().and_then(Value::as_array);
    if let Some([only]) = entries.map(Vec::as_slice)
        && only.as_object().is_some_and(Map::is_empty)
    {
        return Managers::new();
    }
    sent.and_then(read_entries)
        .filter(|m| !m.is_empty())
        .unwrap_or_else(from_live)
}

#[cfg(test)]
mod tests;
