//! Strategic merge patch (`application/strategic-merge-patch+json`).
//!
//! The rules are those of `k8s.io/apimachinery/pkg/util/strategicpatch` and of the community's
//! "strategic-merge-patch.md": lists merge by key or as sets where the field says so, and the directives `$patch`,
//! `$retainKeys`, `$deleteFromPrimitiveList/` and `$setElementOrder/` change how. The result is not checked here.

use serde_json::{Map, Value};

use crate::go_text::go_text;
use crate::model::{Resolved, Schema, Struct, Type};

mod order;

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const SET_ORDER: &str = "$setElementOrder/";

/// The deepest patch; text nested deeper does not parse.
const MAX_DEPTH: usize = 150;

/// Why a patch cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// Patch or object is no JSON object.
    #[error(
        "error decoding patch: json: cannot unmarshal {0} into Go value of type map[string]interface {{}}"
    )]
    NotAnObject(&'static str),
    /// `$retainKeys` is no list or misses a key of the patch.
    #[error("invalid patch format of retainKeys")]
    RetainKeys,
    /// `$setElementOrder` is no list or does not go with the list it orders.
    #[error("invalid patch format of setElementOrder list")]
    SetElementOrder,
    /// `$deleteFromPrimitiveList` is no list.
    #[error("invalid patch format of primitive list")]
    PrimitiveList,
    /// A `$patch` that does not exist here.
    #[error("unknown patch type: {directive} in map: {map}")]
    UnknownDirective {
        /// What stood behind `$patch`.
        directive: String,
        /// The object it stood in.
        map: String,
    },
    /// An item of a list that merges by key has no key.
    #[error("map: {map} does not contain declared merge key: {key}")]
    NoMergeKey {
        /// The item.
        map: String,
        /// The missing key.
        key: String,
    },
    /// A list that merges has lists in it.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// The items of a list that merges are of several types; holds the lists.
    #[error("list element types are not identical: {0}")]
    MixedList(String),
    /// Nested deeper than any object.
    #[error("the patch is nested more than {MAX_DEPTH} deep")]
    TooDeep,
}

impl PatchError {
    /// The HTTP status that the apiserver answers: 400 for a malformed patch, 422 for lists of lists, 500 else
    /// (`interpretStrategicMergePatchError` of `k8s.io/apiserver`).
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::ListOfLists => 422,
            Self::UnknownDirective { .. } | Self::NoMergeKey { .. } | Self::MixedList(_) => 500,
            Self::NotAnObject(_)
            | Self::RetainKeys
            | Self::SetElementOrder
            | Self::PrimitiveList
            | Self::TooDeep => 400,
        }
    }
}

/// How a field merges.
#[derive(Clone, Copy)]
struct Rule<'a> {
    ty: &'a Type,
    /// `patchStrategy` holds `merge`.
    merge: bool,
    /// `patchStrategy` holds `replace`.
    replace: bool,
    merge_key: &'a str,
}

impl Schema {
    /// The object after the patch. An unknown kind merges as if no field had a rule.
    ///
    /// # Errors
    /// Says what is wrong with the patch; see [`PatchError::code`] for the answer.
    pub fn strategic_merge(
        &self,
        api_version: &str,
        kind: &str,
        original: &Value,
        patch: &Value,
    ) -> Result<Value, PatchError> {
        let (Value::Object(original), Value::Object(patch)) = (original, patch) else {
            let bad = if patch.is_object() { original } else { patch };
            return Err(PatchError::NotAnObject(match bad {
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Number(_) => "number",
                Value::Bool(_) => "bool",
                _ => "null",
            }));
        };
        let ty = self.find_type(api_version, kind).unwrap_or(Type::Deduced);
        Merger { schema: self }
            .map(&ty, original.clone(), patch.clone(), 0)
            .map(Value::Object)
    }
}

struct Merger<'a> {
    schema: &'a Schema,
}

impl<'a> Merger<'a> {
    fn map(
        &self,
        ty: &'a Type,
        mut original: Map<String, Value>,
        mut patch: Map<String, Value>,
        depth: usize,
    ) -> Result<Map<String, Value>, PatchError> {
        if depth > MAX_DEPTH {
            return Err(PatchError::TooDeep);
        }
        if let Some(directive) = patch.get(PATCH).cloned() {
            return whole_map(&directive, patch);
        }
        retain_keys(&mut original, &mut patch)?;
        self.ordered_lists(ty, &mut original, &mut patch, depth)?;
        for (key, change) in patch {
            if let Some(field) = key.strip_prefix(DELETE_FROM) {
                let Value::Array(gone) = change else {
                    return Err(PatchError::PrimitiveList);
                };
                if let Some(Value::Array(items)) = original.get_mut(field) {
                    items.retain(|item| !gone.contains(item));
                }
                continue;
            }
            if change.is_null() {
                original.remove(&key);
                continue;
            }
            let merged = match (original.remove(&key), change) {
                (Some(Value::Object(before)), Value::Object(change)) => {
                    let rule = self.rule(ty, &key);
                    if rule.replace {
                        Value::Object(change)
                    } else {
                        Value::Object(self.map(rule.ty, before, change, depth + 1)?)
                    }
                }
                (Some(Value::Array(before)), Value::Array(change)) => {
                    Value::Array(self.list(self.rule(ty, &key), before, change, depth + 1)?)
                }
                // The original forgets a map that replaces nothing.
                (None, Value::Object(change)) if is_replacement(&change) => continue,
                (_, change) => fresh(change),
            };
            original.insert(key, merged);
        }
        Ok(original)
    }

    /// The rule of a field; what the type does not declare merges as plain JSON.
    fn rule(&self, ty: &'a Type, key: &str) -> Rule<'a> {
        let plain = |ty| Rule {
            ty,
            merge: false,
            replace: false,
            merge_key: "",
        };
        match self.schema.resolve(ty) {
            Resolved::Struct(s, _) => field_rule(s, key).unwrap_or(plain(&Type::Deduced)),
            Resolved::Map(value, _) => plain(value),
            _ => plain(&Type::Deduced),
        }
    }

    fn item_type(&self, rule: Rule<'a>) -> &'a Type {
        match self.schema.resolve(rule.ty) {
            Resolved::List(item, _) => item,
            _ => &Type::Deduced,
        }
    }

    fn list(
        &self,
        rule: Rule<'a>,
        original: Vec<Value>,
        patch: Vec<Value>,
        depth: usize,
    ) -> Result<Vec<Value>, PatchError> {
        if !rule.merge || (original.is_empty() && patch.is_empty()) {
            return Ok(patch);
        }
        if !has_objects(&original, &patch)? {
            let mut merged: Vec<Value> = Vec::new();
            for item in original.iter().chain(&patch) {
                if !merged.contains(item) {
                    merged.push(item.clone());
                }
            }
            return order::arrange(merged, &patch, &original, "");
        }
        let key = rule.merge_key;
        let (original, patch) = special_items(original, patch, key)?;
        let mut merged = original.clone();
        for item in &patch {
            let wanted = order::key_of(item, key)?.clone();
            let same = merged.iter_mut().find(|m| m.get(key) == Some(&wanted));
            match (same, item) {
                (Some(before), Value::Object(change)) => {
                    let inner = before.as_object().cloned().unwrap_or_default();
                    *before = Value::Object(self.map(
                        self.item_type(rule),
                        inner,
                        change.clone(),
                        depth + 1,
                    )?);
                }
                _ => merged.push(fresh(item.clone())),
            }
        }
        order::arrange(merged, &patch, &original, key)
    }

    /// Merges the lists that `$setElementOrder/` orders and takes both out of the patch.
    fn ordered_lists(
        &self,
        ty: &'a Type,
        original: &mut Map<String, Value>,
        patch: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<(), PatchError> {
        let directives: Vec<String> = patch
            .keys()
            .filter(|k| k.starts_with(SET_ORDER))
            .cloned()
            .collect();
        for directive in directives {
            let Some(Value::Array(wanted)) = patch.remove(&directive) else {
                return Err(PatchError::SetElementOrder);
            };
            let field = directive.strip_prefix(SET_ORDER).unwrap_or_default();
            let rule = self.rule(ty, field);
            let before = list_of(original.get(field))?;
            let change = list_of(patch.remove(field).as_ref())?;
            if let Some(change) = &change {
                order::check(change, &wanted, rule.merge_key)?;
            }
            let merged = match (&before, change) {
                (Some(before), None) => before.clone(),
                (None, Some(change)) => as_list(fresh(Value::Array(change))),
                (Some(before), Some(change)) => {
                    self.list(rule, before.clone(), change, depth + 1)?
                }
                (None, None) => continue,
            };
            let live = before.unwrap_or_default();
            let arranged = order::arrange(merged, &wanted, &live, rule.merge_key)?;
            original.insert(field.to_owned(), Value::Array(arranged));
        }
        Ok(())
    }
}

fn field_rule<'a>(s: &'a Struct, key: &str) -> Option<Rule<'a>> {
    let field = s.field(key)?;
    let has = |word: &str| field.strategy.split(',').any(|w| w == word);
    Some(Rule {
        ty: &field.ty,
        merge: has("merge"),
        replace: has("replace"),
        merge_key: &field.merge_key,
    })
}

/// Whether the items of a list that merges are objects; they are all of one type.
fn has_objects(original: &[Value], patch: &[Value]) -> Result<bool, PatchError> {
    let mut items = original.iter().chain(patch);
    let first = items.next();
    if first.is_some_and(Value::is_array) {
        return Err(PatchError::ListOfLists);
    }
    let same =
        |v: &Value| first.is_some_and(|f| std::mem::discriminant(f) == std::mem::discriminant(v));
    if items.all(same) {
        return Ok(first.is_some_and(Value::is_object));
    }
    let lists = [original, patch].map(|list| Value::Array(list.to_vec()));
    Err(PatchError::MixedList(go_text(&Value::Array(
        lists.to_vec(),
    ))))
}

fn is_replacement(map: &Map<String, Value>) -> bool {
    map.get(PATCH)
        .is_some_and(|directive| directive == "replace")
}

fn list_of(value: Option<&Value>) -> Result<Option<Vec<Value>>, PatchError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items.clone())),
        Some(_) => Err(PatchError::SetElementOrder),
    }
}

fn as_list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

/// `$patch: replace` and `$patch: delete` in an object.
fn whole_map(
    directive: &Value,
    mut patch: Map<String, Value>,
) -> Result<Map<String, Value>, PatchError> {
    match directive.as_str() {
        Some("replace") => {
            patch.remove(PATCH);
            Ok(patch)
        }
        Some("delete") => Ok(Map::new()),
        _ => Err(unknown_directive(directive, patch)),
    }
}

fn unknown_directive(directive: &Value, map: Map<String, Value>) -> PatchError {
    let directive = directive
        .as_str()
        .map_or_else(|| directive.to_string(), str::to_owned);
    PatchError::UnknownDirective {
        directive,
        map: go_text(&Value::Object(map)),
    }
}

/// `$retainKeys`: of the original, only the listed keys stay.
fn retain_keys(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
) -> Result<(), PatchError> {
    let Some(directive) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let Value::Array(kept) = directive else {
        return Err(PatchError::RetainKeys);
    };
    let is_kept = |key: &str| kept.iter().any(|k| k.as_str() == Some(key));
    // A key that the patch sets must be listed; one that it removes may be.
    if patch
        .iter()
        .any(|(key, value)| !key.starts_with('$') && !value.is_null() && !is_kept(key))
    {
        return Err(PatchError::RetainKeys);
    }
    original.retain(|key, _| is_kept(key));
    Ok(())
}

/// Carries out `$patch` items of a list: both lists without what is deleted, replaced or a directive.
fn special_items(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut plain = Vec::new();
    let mut replace = false;
    for item in patch {
        let Value::Object(map) = &item else {
            return Err(PatchError::NoMergeKey {
                map: go_text(&item),
                key: key.into(),
            });
        };
        match map.get(PATCH) {
            None => plain.push(item),
            Some(Value::String(d)) if d == "delete" => {
                let gone = order::key_of(&item, key)?;
                original.retain(|o| o.get(key) != Some(gone));
            }
            Some(Value::String(d)) if d == "replace" => replace = true,
            Some(other) => return Err(unknown_directive(other, map.clone())),
        }
    }
    if replace {
        return Ok((plain, Vec::new()));
    }
    Ok((original, plain))
}

/// A value that nothing was there for: without directives and nulls.
fn fresh(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map
                .into_iter()
                .filter(|(k, v)| !k.starts_with('$') && !v.is_null());
            Value::Object(kept.map(|(k, v)| (k, fresh(v))).collect())
        }
        Value::Array(items) => {
            let is_deletion = |i: &Value| {
                i.get(PATCH).is_some_and(|d| {
                    d == "delete" || d == "replace" && i.as_object().is_some_and(|o| o.len() == 1)
                })
            };
            Value::Array(
                items
                    .into_iter()
                    .filter(|i| !is_deletion(i))
                    .map(fresh)
                    .collect(),
            )
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
