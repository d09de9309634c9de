//! The order of a merged list: what the patch names stands in the patch's order, the rest keeps the live order as far
//! as both can be had (`normalizeElementOrder` of the original).

use crate::go_text::go_text;
use serde_json::Value;

use super::PatchError;

/// The value by which an item is known in a list that merges by `key`.
pub(super) fn key_of<'a>(item: &'a Value, key: &str) -> Result<&'a Value, PatchError> {
    let missing = || PatchError::NoMergeKey {
        map: go_text(item),
        key: key.into(),
    };
    item.get(key).ok_or_else(missing)
}

/// What tells items apart: the key's value, or the item itself without a key.
fn identity<'a>(item: &'a Value, key: &str) -> &'a Value {
    if key.is_empty() {
        item
    } else {
        item.get(key).unwrap_or(item)
    }
}

fn position(list: &[Value], item: &Value, key: &str) -> Option<usize> {
    list.iter()
        .position(|other| identity(other, key) == identity(item, key))
}

/// Orders `merged` by `wanted` (the patch or its `$setElementOrder`) and, between, by `live`.
pub(super) fn arrange(
    merged: Vec<Value>,
    wanted: &[Value],
    live: &[Value],
    key: &str,
) -> Result<Vec<Value>, PatchError> {
    if !key.is_empty() {
        for item in merged.iter().chain(wanted) {
            key_of(item, key)?;
        }
    }
    let (mut named, mut others): (Vec<Value>, Vec<Value>) = merged
        .into_iter()
        .partition(|item| position(wanted, item, key).is_some());
    named.sort_by_key(|item| position(wanted, item, key));
    others.sort_by_key(|item| position(live, item, key));
    let mut all = Vec::with_capacity(named.len() + others.len());
    let mut others = others.into_iter().peekable();
    let mut named = named.into_iter().peekable();
    while let Some(next) = named.peek() {
        let here = position(live, next, key);
        let before = others.next_if(|other| here.is_some() && position(live, other, key) < here);
        all.extend(before.or_else(|| named.next()));
    }
    all.extend(others);
    Ok(all)
}

/// A list in the patch must be a subsequence of its `$setElementOrder`, deletions aside.
pub(super) fn check(patch: &[Value], wanted: &[Value], key: &str) -> Result<(), PatchError> {
    let mut rest = wanted.iter();
    let plain = patch.iter().filter(|item| item.get(super::PATCH).is_none());
    for item in plain {
        if !rest.any(|w| identity(w, key) == identity(item, key)) {
            return Err(PatchError::SetElementOrder);
        }
    }
    Ok(())
}
