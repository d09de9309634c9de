//! Whether an object can be seen through its type at all; what is found is told in structured-merge-diff's words.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Fields, Form, expected};
use crate::model::{ListKind, Resolved, Schema, Type};
use crate::set::{display, field_element};

impl Schema {
    /// What keeps an object from being applied, empty when nothing does.
    pub(crate) fn validate(&self, ty: &Type, value: &Value) -> Vec<String> {
        let mut errors = Vec::new();
        self.validate_at(ty, value, &mut Vec::new(), &mut errors);
        errors
    }

    fn validate_at(
        &self,
        ty: &Type,
        value: &Value,
        path: &mut Vec<String>,
        errors: &mut Vec<String>,
    ) {
        if value.is_null() {
            return;
        }
        match (self.form(ty, &[Some(value)]), value) {
            (Form::Map(fields), Value::Object(map)) => {
                for (name, inner) in map {
                    path.push(field_element(name));
                    match fields {
                        Fields::Struct(s) if !s.open && s.field(name).is_none() => {
                            errors.push(format!("{}: field not declared in schema", display(path)));
                        }
                        _ => self.validate_at(fields.child(name), inner, path, errors),
                    }
                    path.pop();
                }
            }
            (Form::List(item_type, kind), Value::Array(items)) => {
                self.validate_items(item_type, kind, items, path, errors);
            }
            _ => {
                if let Some(want) = self.wanted(ty, value) {
                    errors.push(format!(
                        "{}: expected {want}, got &value.valueUnstructured{{Value:{value}}}",
                        display(path)
                    ));
                }
            }
        }
    }

    fn validate_items(
        &self,
        item_type: &Type,
        kind: &ListKind,
        items: &[Value],
        path: &mut Vec<String>,
        errors: &mut Vec<String>,
    ) {
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let element = match self.element(item_type, kind, item) {
                Ok(element) => element,
                Err(why) => {
                    errors.push(format!("{}: element {index}: {why}", display(path)));
                    continue;
                }
            };
            let parent = display(path);
            path.push(element.clone());
            if !seen.insert(element) {
                let name = display(path)
                    .strip_prefix(&parent)
                    .unwrap_or_default()
                    .to_owned();
                errors.push(format!("{parent}: duplicate entries for key {name}"));
            } else {
                self.validate_at(item_type, item, path, errors);
            }
            path.pop();
        }
    }

    /// The word for what should be here, `None` when the value fits.
    fn wanted(&self, ty: &Type, value: &Value) -> Option<&'static str> {
        match self.resolve(ty) {
            Resolved::Struct(..) | Resolved::Map(..) => (!value.is_object()).then_some("map"),
            Resolved::List(..) => (!value.is_array()).then_some("list"),
            Resolved::Deduced => None,
            Resolved::Scalar(scalar) => {
                let want = expected(scalar)?;
                let fits = match want {
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    _ => value.is_number(),
                };
                (!fits).then_some(want)
            }
        }
    }
}
