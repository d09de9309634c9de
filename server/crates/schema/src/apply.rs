//! Server-side apply (KEP-555): an applier states the fields it wants, owns them, and loses what it no longer states.
//!
//! Follows `sigs.k8s.io/structured-merge-diff/merge` and the field manager of apimachinery. The answer still needs
//! canonical form, defaults, admission and validation.

use serde_json::{Map, Value, json};
use shared::Status;
use shared::status::{Cause, Details};

use crate::managed::{self, Entry, Id, Managers, Operation, Writer, without_managed_fields};
use crate::model::{Schema, Type};
use crate::set::{Set, display};

/// One field that somebody else owns with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The owner, as messages name it: `"kubectl" using apps/v1`.
    pub manager: String,
    /// The field: `.spec.replicas`.
    pub path: String,
}

/// Why an object is not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Others own fields with other values, and the request does not force.
    #[error("{}", conflict_text(.0))]
    Conflict(Vec<Conflict>),
    /// The applied object does not fit its type.
    #[error("{0}")]
    Typed(String),
    /// The request itself is wrong.
    #[error("{0}")]
    BadRequest(String),
}

impl ApplyError {
    /// The answer: 409 with one cause per conflict, 500 for an object that does not fit (as the original answers), 400.
    #[must_use]
    pub fn status(&self) -> Status {
        let message = self.to_string();
        match self {
            Self::Conflict(conflicts) => {
                let causes = conflicts.iter().map(|c| Cause {
                    reason: "FieldManagerConflict".into(),
                    message: format!("conflict with {}", c.manager),
                    field: c.path.clone(),
                });
                let details = Details {
                    causes: causes.collect(),
                    ..Details::default()
                };
                Status::failure(409, "Conflict", message).with_details(details)
            }
            Self::Typed(_) => Status::failure(500, "", message),
            Self::BadRequest(_) => Status::bad_request(message),
        }
    }
}

fn conflict_text(conflicts: &[Conflict]) -> String {
    if let [only] = conflicts {
        return format!(
            "Apply failed with 1 conflict: conflict with {}: {}",
            only.manager, only.path
        );
    }
    let mut lines: Vec<String> = Vec::new();
    let mut owner = "";
    for conflict in conflicts {
        if owner != conflict.manager {
            owner = &conflict.manager;
            lines.push(format!("conflicts with {owner}:"));
        }
        lines.push(format!("- {}", conflict.path));
    }
    format!(
        "Apply failed with {} conflicts: {}",
        conflicts.len(),
        lines.join("\n")
    )
}

/// The manager that owns what was there before the first apply.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Where client-side `kubectl apply` keeps what it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Schema {
    /// The live object (`None` to create it) with what `applied` states, and `metadata.managedFields` to match.
    ///
    /// An apply that changes nothing gives the live object back as it is, times included, so that the caller can skip
    /// the write.
    ///
    /// # Errors
    /// [`ApplyError::status`] is the answer.
    pub fn apply(
        &self,
        live: Option<&Value>,
        applied: &Value,
        writer: &Writer<'_>,
        force: bool,
    ) -> Result<Value, ApplyError> {
        let kind = text_at(applied, "/kind");
        check_request(applied, writer)?;
        let ty = self
            .find_type(writer.api_version, kind)
            .unwrap_or(Type::Deduced);
        self.check_applied(&ty, applied, writer)?;
        let start = match live {
            Some(live) => without_managed_fields(live),
            None => json!({"apiVersion": writer.api_version, "kind": kind, "metadata": {}}),
        };
        let mut managers = live.and_then(managed::read).unwrap_or_default();
        if let Some(live) = live
            && managers.is_empty()
        {
            managers = self.first_managers(&ty, live, writer);
        }
        let apply = Apply {
            schema: self,
            ty: &ty,
            live: &start,
            writer,
            managers,
        };
        let (mut merged, managers) = match apply.run(applied, force) {
            Err(Refused { allowed: true, .. }) => {
                apply.run(applied, true).map_err(|r| r.error())?
            }
            other => other.map_err(|r| r.error())?,
        };
        if writer.manager == "kubectl" && !annotation(&start).is_empty() {
            set_last_applied(&mut merged, applied);
        }
        managed::write(&mut merged, managers);
        Ok(merged)
    }

    /// Everything of an untracked object belongs to a stand-in, so that the applier's conflicts are seen.
    fn first_managers(&self, ty: &Type, live: &Value, writer: &Writer<'_>) -> Managers {
        let before = self.before_creation(ty, writer.api_version, text_at(live, "/kind"));
        let stand_in = Writer {
            manager: BEFORE_FIRST_APPLY,
            subresource: "",
            ..*writer
        };
        self.updated(
            ty,
            &before,
            &without_managed_fields(live),
            Managers::new(),
            &stand_in,
        )
    }

    fn check_applied(
        &self,
        ty: &Type,
        applied: &Value,
        writer: &Writer<'_>,
    ) -> Result<(), ApplyError> {
        let errors = self.validate(ty, applied);
        let why = match errors.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            many => format!("errors:\n  {}", many.join("\n  ")),
        };
        let (group, version) = writer
            .api_version
            .split_once('/')
            .unwrap_or(("", writer.api_version));
        Err(ApplyError::Typed(format!(
            "failed to create typed patch object ({}/{}; {group}/{version}, Kind={}): {why}",
            text_at(applied, "/metadata/namespace"),
            text_at(applied, "/metadata/name"),
            text_at(applied, "/kind"),
        )))
    }
}

fn check_request(applied: &Value, writer: &Writer<'_>) -> Result<(), ApplyError> {
    if !applied.is_object() {
        return Err(ApplyError::BadRequest(
            "error decoding YAML: the applied configuration is not an object".into(),
        ));
    }
    let managed = applied
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    if managed.is_some_and(|m| !m.is_empty()) {
        return Err(ApplyError::BadRequest(
            "metadata.managedFields must be nil".into(),
        ));
    }
    let version = text_at(applied, "/apiVersion");
    if version != writer.api_version {
        return Err(ApplyError::BadRequest(format!(
            "Incorrect version specified in apply patch. Specified patch version: {version}, expected: {}",
            writer.api_version
        )));
    }
    Ok(())
}

/// One apply over one live object.
struct Apply<'a> {
    schema: &'a Schema,
    ty: &'a Type,
    live: &'a Value,
    writer: &'a Writer<'a>,
    managers: Managers,
}

/// Conflicts, and whether they are only with what the same user applied from the client before.
struct Refused {
    conflicts: Vec<Conflict>,
    allowed: bool,
}

impl Refused {
    fn error(self) -> ApplyError {
        ApplyError::Conflict(self.conflicts)
    }
}

impl Apply<'_> {
    fn run(&self, applied: &Value, force: bool) -> Result<(Value, Managers), Refused> {
        let mut managers = self.managers.clone();
        let id = Id::new(self.writer, Operation::Apply);
        let former = managers.get(&id).cloned();
        let set = self.writer.owned(self.schema.field_set(self.ty, applied));
        let entry = Entry {
            api_version: self.writer.api_version.into(),
            time: None,
            set,
        };
        managers.insert(id.clone(), entry);
        let merged = self.schema.merge(self.ty, self.live, applied);
        let merged = self.prune(merged, &managers, former.as_ref().map(|f| &f.set));
        let comparison = self
            .writer
            .filter(self.schema.compare(self.ty, self.live, &merged));
        if !force {
            self.refuse_conflicts(
                &managers,
                &id,
                &comparison.modified.clone().union(&comparison.added),
            )?;
        }
        managed::release(&mut managers, Some(&id), &comparison);
        let is_same_object = comparison == crate::typed::Comparison::default();
        if let Some(entry) = managers.get_mut(&id) {
            // An apply that changes no value is no event: whoever comes to own what is there has no time at all.
            entry.time = if is_same_object {
                former.and_then(|f| f.time)
            } else {
                Some(self.writer.now.rfc3339())
            };
        }
        Ok((merged, managers))
    }

    fn refuse_conflicts(&self, managers: &Managers, id: &Id, changed: &Set) -> Result<(), Refused> {
        let mut conflicts = Vec::new();
        let mut all = Set::default();
        for (other, entry) in managers.iter().filter(|(other, _)| *other != id) {
            let contested = entry.set.intersection(changed);
            let manager = other.display(entry);
            conflicts.extend(contested.paths().iter().map(|p| Conflict {
                manager: manager.clone(),
                path: display(p),
            }));
            all.add(&contested);
        }
        if conflicts.is_empty() {
            return Ok(());
        }
        conflicts.sort_by(|a, b| a.manager.cmp(&b.manager));
        let allowed =
            self.writer.manager == "kubectl" && all.difference(&self.last_applied()).is_empty();
        Err(Refused { conflicts, allowed })
    }

    /// The fields that client-side `kubectl apply` set last; `kubectl apply --server-side` may take them over.
    fn last_applied(&self) -> Set {
        let last = serde_json::from_str::<Value>(annotation(self.live)).unwrap_or_default();
        if last.is_object() {
            self.schema.field_set(self.ty, &last)
        } else {
            Set::default()
        }
    }

    /// Removes what the manager applied last time and nobody states now.
    fn prune(&self, merged: Value, managers: &Managers, last: Option<&Set>) -> Value {
        let Some(last) = last.filter(|s| !s.is_empty()) else {
            return merged;
        };
        let schema = self.schema;
        let named = |set: &Set| schema.with_named(self.ty, set);
        let without = |gone: &Set| {
            schema
                .remove(self.ty, &merged, gone)
                .unwrap_or(Value::Object(Map::new()))
        };
        let last = named(last);
        let everything = named(&schema.field_set(self.ty, &merged));
        let left = |value: &Value| named(&schema.field_set(self.ty, value));
        let owned = managers
            .values()
            .fold(Set::default(), |all, entry| all.union(&entry.set));
        // What others, or this request, own comes back.
        let pruned = without(
            &everything
                .clone()
                .difference(&left(&without(&last)))
                .difference(&named(&owned)),
        );
        // So does what was never this manager's, such as items that hang on a removed one.
        without(&everything.difference(&left(&pruned)).intersection(&last))
    }
}

fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn annotation(object: &Value) -> &str {
    let annotations = object.pointer("/metadata/annotations");
    annotations
        .and_then(|a| a.get(LAST_APPLIED))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn set_last_applied(object: &mut Value, applied: &Value) {
    let annotations = object
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut);
    if let Some(annotations) = annotations {
        annotations.insert(LAST_APPLIED.into(), format!("{applied}\n").into());
    }
}

#[cfg(test)]
mod tests;
