//! Merging an applied object over the live one: the applied value wins part by part.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Fields, Form};
use crate::model::{ListKind, Schema, Type};

impl Schema {
    /// `live` with every part that `applied` sets.
    pub(crate) fn merge(&self, ty: &Type, live: &Value, applied: &Value) -> Value {
        match (self.form(ty, &[Some(live), Some(applied)]), live, applied) {
            (Form::Map(fields), Value::Object(old), Value::Object(new)) => {
                Value::Object(self.merge_maps(fields, old, new))
            }
            (Form::List(item, kind), Value::Array(old), Value::Array(new)) if !new.is_empty() => {
                Value::Array(self.merge_lists(item, kind, old, new))
            }
            // An empty list takes nothing away: its items would be owned by nobody.
            (Form::List(..), Value::Array(_), Value::Array(_)) => live.clone(),
            _ => applied.clone(),
        }
    }

    fn merge_maps(
        &self,
        fields: Fields<'_>,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
    ) -> Map<String, Value> {
        let mut merged = old.clone();
        for (name, value) in new {
            let merged_value = match old.get(name) {
                Some(before) => self.merge(fields.child(name), before, value),
                None => value.clone(),
            };
            merged.insert(name.clone(), merged_value);
        }
        merged
    }

    /// Items of both, each once: applied items keep their order among themselves, live ones theirs
    /// (`visitListItems` of structured-merge-diff v6).
    fn merge_lists(
        &self,
        item: &Type,
        kind: &ListKind,
        old: &[Value],
        new: &[Value],
    ) -> Vec<Value> {
        let elements = |items: &[Value]| -> Vec<String> {
            items
                .iter()
                .map(|i| {
                    self.element(item, kind, i)
                        .unwrap_or_else(|_| format!("v:{i}"))
                })
                .collect()
        };
        let (old_elements, new_elements) = (elements(old), elements(new));
        let old_by: BTreeMap<&String, &Value> = old_elements.iter().zip(old).collect();
        let new_by: BTreeMap<&String, &Value> = new_elements.iter().zip(new).collect();
        let both = |element: &String| match (old_by.get(element), new_by.get(element)) {
            (Some(old), Some(new)) => Some(self.merge(item, old, new)),
            (old, new) => new.or(old).map(|v| (*v).clone()),
        };
        let mut shared = new_elements
            .iter()
            .filter(|e| old_by.contains_key(e))
            .peekable();
        let mut out = Vec::new();
        let mut done = std::collections::BTreeSet::new();
        let (mut left, mut right) = (
            old_elements.iter().zip(old).peekable(),
            new_elements.iter().peekable(),
        );
        loop {
            match (left.peek().copied(), right.peek().copied()) {
                (Some((mine, _)), Some(theirs)) if mine == theirs => {
                    out.extend(both(theirs));
                    done.insert(theirs);
                    left.next();
                    right.next();
                    shared.next();
                    continue;
                }
                // A shared item that is not next in the applied order waits for its turn.
                (Some((mine, _)), Some(_))
                    if new_by.contains_key(mine) && shared.peek().is_some_and(|s| *s != mine) =>
                {
                    left.next();
                    continue;
                }
                (Some((mine, value)), _) if !new_by.contains_key(mine) => {
                    out.push(value.clone());
                    left.next();
                    continue;
                }
                (None, None) => return out,
                _ => {}
            }
            if left.peek().is_some_and(|(mine, _)| done.contains(mine)) {
                left.next();
            }
            if let Some(theirs) = right.next() {
                out.extend(both(theirs));
                done.insert(theirs);
                shared.next_if(|s| *s == theirs);
            }
        }
    }
}
