//! Field errors: paths, the original's wording for each kind of complaint, and the 422 they end in.
//!
//! Texts follow `k8s.io/apimachinery/pkg/util/validation/field`.

use std::fmt;

use serde_json::Value;
use shared::status::Cause;

/// Where a field is; a chain of parts that costs nothing until it is printed.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    part: Part<'a>,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// The path of a top-level field; may have dots in it.
    pub(crate) const fn new(name: &'a str) -> Self {
        Self {
            parent: None,
            part: Part::Field(name),
        }
    }

    /// A field below this one.
    pub(crate) const fn field(&'a self, name: &'a str) -> Self {
        Self {
            parent: Some(self),
            part: Part::Field(name),
        }
    }

    /// An item of this list.
    pub(crate) const fn index(&'a self, index: usize) -> Self {
        Self {
            parent: Some(self),
            part: Part::Index(index),
        }
    }

    /// An entry of this map.
    pub(crate) const fn key(&'a self, key: &'a str) -> Self {
        Self {
            parent: Some(self),
            part: Part::Key(key),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.part {
            Part::Field(name) if self.parent.is_some() => write!(f, ".{name}"),
            Part::Field(name) => f.write_str(name),
            Part::Index(i) => write!(f, "[{i}]"),
            Part::Key(key) => write!(f, "[{key}]"),
        }
    }
}

/// The complaints about one object, in the order found.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    causes: Vec<Cause>,
}

impl Errors {
    fn push(&mut self, reason: &str, path: &Path<'_>, message: String) {
        self.causes.push(Cause {
            reason: reason.into(),
            message,
            field: path.to_string(),
        });
    }

    /// The field must be set.
    pub(crate) fn required(&mut self, path: &Path<'_>, detail: &str) {
        let message = with_detail("Required value".into(), detail);
        self.push("FieldValueRequired", path, message);
    }

    /// The field has a value that it may not have.
    pub(crate) fn invalid(&mut self, path: &Path<'_>, value: impl Into<Value>, detail: &str) {
        let message = with_detail(format!("Invalid value: {}", value.into()), detail);
        self.push("FieldValueInvalid", path, message);
    }

    /// The same for a value that is not shown (`field.OmitValueType`).
    pub(crate) fn invalid_unseen(&mut self, path: &Path<'_>, detail: &str) {
        let message = with_detail("Invalid value".into(), detail);
        self.push("FieldValueInvalid", path, message);
    }

    /// The field's value is none of those supported.
    pub(crate) fn unsupported(
        &mut self,
        path: &Path<'_>,
        value: impl Into<Value>,
        supported: &[&str],
    ) {
        let list: Vec<String> = supported.iter().map(|s| format!("\"{s}\"")).collect();
        let message = format!(
            "Unsupported value: {}: supported values: {}",
            value.into(),
            list.join(", ")
        );
        self.push("FieldValueNotSupported", path, message);
    }

    /// The value is there already.
    pub(crate) fn duplicate(&mut self, path: &Path<'_>, value: impl Into<Value>) {
        self.push(
            "FieldValueDuplicate",
            path,
            format!("Duplicate value: {}", value.into()),
        );
    }

    /// The same for a value that is shown in a form of its own.
    pub(crate) fn duplicate_text(&mut self, path: &Path<'_>, shown: &str) {
        self.push(
            "FieldValueDuplicate",
            path,
            format!("Duplicate value: {shown}"),
        );
    }

    /// The field may not be set, or not be changed, here.
    pub(crate) fn forbidden(&mut self, path: &Path<'_>, detail: &str) {
        self.push(
            "FieldValueForbidden",
            path,
            with_detail("Forbidden".into(), detail),
        );
    }

    /// The field refers to something that does not exist.
    pub(crate) fn not_found(&mut self, path: &Path<'_>, value: impl Into<Value>) {
        self.push(
            "FieldValueNotFound",
            path,
            format!("Not found: {}", value.into()),
        );
    }

    /// The value has more than `max` bytes.
    pub(crate) fn too_long(&mut self, path: &Path<'_>, max: usize) {
        self.push(
            "FieldValueTooLong",
            path,
            format!("Too long: may not be more than {max} bytes"),
        );
    }

    /// The list has more than `max` items.
    pub(crate) fn too_many(&mut self, path: &Path<'_>, len: usize, max: usize) {
        if len > max {
            let noun = if max == 1 { "item" } else { "items" };
            self.push(
                "FieldValueTooMany",
                path,
                format!("Too many: {len}: must have at most {max} {noun}"),
            );
        }
    }

    /// A string for which `check` has an objection.
    pub(crate) fn checked(
        &mut self,
        path: &Path<'_>,
        value: &str,
        check: impl Fn(&str) -> Option<String>,
    ) {
        if let Some(why) = check(value) {
            self.invalid(path, value, &why);
        }
    }

    /// The same for a string that must be there.
    pub(crate) fn named(
        &mut self,
        path: &Path<'_>,
        value: &str,
        check: impl Fn(&str) -> Option<String>,
    ) {
        if value.is_empty() {
            self.required(path, "");
        } else {
            self.checked(path, value, check);
        }
    }

    /// The field differs from `old` though it must not.
    pub(crate) fn immutable(&mut self, path: &Path<'_>, new: Option<&Value>, old: Option<&Value>) {
        if new != old {
            self.invalid(
                path,
                new.cloned().unwrap_or(Value::Null),
                "field is immutable",
            );
        }
    }

    /// A number below `min`.
    pub(crate) fn at_least(&mut self, path: &Path<'_>, value: Option<i64>, min: i64) {
        if let Some(value) = value.filter(|v| *v < min) {
            self.invalid(
                path,
                value,
                &format!("must be greater than or equal to {min}"),
            );
        }
    }

    /// A string that must be set, to one of those supported.
    pub(crate) fn chosen(&mut self, path: &Path<'_>, value: &str, supported: &[&str]) {
        if value.is_empty() {
            self.required(path, "");
        } else {
            self.one_of(path, value, supported);
        }
    }

    /// A string that is set but none of those supported.
    pub(crate) fn one_of(&mut self, path: &Path<'_>, value: &str, supported: &[&str]) {
        if !supported.contains(&value) {
            self.unsupported(path, value, supported);
        }
    }

    /// A port outside of 1 to 65535.
    pub(crate) fn port(&mut self, path: &Path<'_>, port: i64) {
        if !(1..=65_535).contains(&port) {
            self.invalid(path, port, "must be between 1 and 65535, inclusive");
        }
    }

    /// True when nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.causes.is_empty()
    }

    /// What was found.
    pub(crate) fn into_causes(self) -> Vec<Cause> {
        self.causes
    }
}

fn with_detail(message: String, detail: &str) -> String {
    if detail.is_empty() {
        message
    } else {
        format!("{message}: {detail}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_messages_read_as_the_original_has_them() {
        let mut errors = Errors::default();
        let spec = Path::new("spec");
        let containers = spec.field("containers");
        let first = containers.index(0);
        errors.required(&first.field("name"), "");
        errors.invalid(&Path::new("data").key("a b"), "a b", "bad key");
        errors.unsupported(&first.field("imagePullPolicy"), "x", &["Always", "Never"]);
        errors.at_least(&spec.field("replicas"), Some(-1), 0);
        let got: Vec<String> = errors
            .into_causes()
            .iter()
            .map(|c| format!("{}: {}", c.field, c.message))
            .collect();
        assert_eq!(
            got,
            [
                "spec.containers[0].name: Required value",
                "data[a b]: Invalid value: \"a b\": bad key",
                "spec.containers[0].imagePullPolicy: Unsupported value: \"x\": supported values: \"Always\", \"Never\"",
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
            ]
        );
    }
}
