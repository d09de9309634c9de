//! What the dashboard's instruments look at: what components show, and the store's keys with their history. It only
//! reads; what it reads of the store is the snapshot that the apiserver answers from.

use std::collections::{BTreeMap, VecDeque};

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::Response;
use axum::response::IntoResponse;
use serde_json::Value;
use shared::exhibit::{KeyHistory, KeyVersion, StoreKey, StorePage};
use shared::{Revision, Status};
use store::{EventKind, KeyValue, Snapshot};

use super::Dashboard;
use crate::api::refuse;

/// Keys of one level that are listed.
const KEYS_MAX: usize = 500;
/// Versions of one key that are told.
const VERSIONS_MAX: usize = 100;
/// Below these prefixes values are not shown.
const HIDDEN: &str = "/registry/secrets/";

/// What a component shows under a key.
pub(super) async fn exhibit(
    State(dashboard): State<Dashboard>,
    Path((component, key)): Path<(String, String)>,
) -> Response<Body> {
    match dashboard.pulses.exhibit(&component, &key) {
        Some(value) => Json(value).into_response(),
        None => {
            let why = format!("{component} shows nothing under \"{key}\", or no longer");
            refuse(&Status::failure(404, "NotFound", why))
        }
    }
}

#[derive(serde::Deserialize)]
pub(super) struct Below {
    #[serde(default)]
    prefix: String,
}

/// The keys below a prefix, one level deep.
pub(super) async fn store(
    State(dashboard): State<Dashboard>,
    below: Result<Query<Below>, QueryRejection>,
) -> Response<Body> {
    match below {
        Ok(Query(below)) => Json(page(&dashboard.pulses.snapshot(), &below.prefix)).into_response(),
        Err(rejection) => refuse(&Status::bad_request(rejection.body_text())),
    }
}

#[derive(serde::Deserialize)]
pub(super) struct Of {
    key: String,
}

/// The versions of one key that history still knows.
pub(super) async fn history(
    State(dashboard): State<Dashboard>,
    of: Result<Query<Of>, QueryRejection>,
) -> Response<Body> {
    let key = match of {
        Ok(Query(of)) => of.key,
        Err(rejection) => return refuse(&Status::bad_request(rejection.body_text())),
    };
    match versions(&dashboard.pulses.snapshot(), &key) {
        Ok(history) => Json(history).into_response(),
        Err(error) => refuse(&Status::internal(error.to_string())),
    }
}

fn page(snapshot: &Snapshot, prefix: &str) -> StorePage {
    let mut page = StorePage {
        revision: snapshot.revision(),
        compacted: snapshot.compacted(),
        keys: snapshot.len(),
        bytes: snapshot.size_bytes(),
        history: snapshot.history_len(),
        ..StorePage::default()
    };
    let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
    for kv in snapshot.iter(prefix) {
        let rest = kv.key.get(prefix.len()..).unwrap_or_default();
        // A slash that begins the rest belongs to the folder's own name.
        let slash = rest.char_indices().skip(1).find(|(_, c)| *c == '/');
        match slash {
            Some((at, _)) => {
                let folder = kv.key.get(..=prefix.len() + at).unwrap_or_default();
                *folders.entry(folder).or_default() += 1;
            }
            None if page.items.len() < KEYS_MAX => page.items.push(key(kv)),
            None => page.left_off += 1,
        }
    }
    let folders = folders.into_iter();
    page.folders = folders.map(|(f, n)| (f.to_owned(), n)).collect();
    page
}

fn key(kv: &KeyValue) -> StoreKey {
    StoreKey {
        key: kv.key.to_string(),
        create_revision: kv.create_revision,
        mod_revision: kv.mod_revision,
        version: kv.version,
        bytes: kv.value.len(),
    }
}

fn versions(snapshot: &Snapshot, key: &str) -> Result<KeyHistory, store::ReadError> {
    let compacted = snapshot.compacted();
    let mut versions = VecDeque::new();
    for event in snapshot.history(compacted)?.flatten() {
        if &*event.kv.key != key {
            continue;
        }
        // What history begins with is known only as what its first change replaced.
        if versions.is_empty()
            && let Some(before) = &event.previous
        {
            versions.push_back(version(before.mod_revision, Some(before), snapshot));
        }
        let now = (event.kind == EventKind::Put).then_some(&event.kv);
        versions.push_back(version(event.kv.mod_revision, now, snapshot));
        if versions.len() > VERSIONS_MAX {
            versions.pop_front();
        }
    }
    if versions.is_empty()
        && let Some(only) = snapshot.get(key)
    {
        versions.push_back(version(only.mod_revision, Some(only), snapshot));
    }
    Ok(KeyHistory {
        compacted,
        versions: versions.into(),
    })
}

fn version(revision: Revision, kv: Option<&KeyValue>, snapshot: &Snapshot) -> KeyVersion {
    KeyVersion {
        revision,
        at: snapshot.time_of(revision),
        value: kv.map(|kv| {
            let text = || String::from_utf8_lossy(&kv.value).into_owned().into();
            let value = serde_json::from_slice(&kv.value).unwrap_or_else(|_| text());
            if kv.key.starts_with(HIDDEN) {
                hide(value)
            } else {
                value
            }
        }),
    }
}

/// A Secret without what it keeps.
fn hide(mut secret: Value) -> Value {
    for field in ["data", "stringData"] {
        if let Some(Value::Object(values)) = secret.get_mut(field) {
            values.values_mut().for_each(|v| *v = "(hidden)".into());
        }
    }
    // `kubectl apply` keeps a whole copy in an annotation.
    if let Some(Value::Object(notes)) = secret.pointer_mut("/metadata/annotations") {
        notes.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    secret
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::Millis;
    use store::{Op, Store, Txn};

    use super::*;

    fn store(writes: &[(&str, &str)]) -> Store {
        let mut store = Store::default();
        for (i, (key, value)) in (1u64..).zip(writes) {
            let txn = match *value {
                "" => Txn {
                    ops: vec![Op::Delete { key: (*key).into() }],
                    ..Txn::default()
                },
                value => Txn::put(*key, value.as_bytes().to_vec()),
            };
            store.set_time(Millis(i * 1000));
            store.commit(txn).unwrap();
        }
        store
    }

    #[test]
    fn keys_are_shown_one_level_at_a_time() {
        let store = store(&[
            ("/registry/pods/default/a", "1"),
            ("/registry/pods/default/b", "12"),
            ("/registry/pods/shop/a", "1"),
            ("/registry/leases/x", "1"),
        ]);
        let shown = |prefix: &str| {
            let page = page(&store.snapshot(), prefix);
            let keys = page.items.iter().map(|k| format!("{}={}", k.key, k.bytes));
            let folders = page.folders.iter().map(|(f, n)| format!("{f}:{n}"));
            folders.chain(keys).collect::<Vec<_>>().join(" ")
        };
        for (prefix, want) in [
            ("", "/registry/:4"),
            ("/registry/", "/registry/leases/:1 /registry/pods/:3"),
            (
                "/registry/pods",
                "/registry/pods/default/:2 /registry/pods/shop/:1",
            ),
            (
                "/registry/pods/default/",
                "/registry/pods/default/a=1 /registry/pods/default/b=2",
            ),
            ("/nothing", ""),
        ] {
            assert_eq!(shown(prefix), want, "{prefix}");
        }
    }

    #[test]
    fn a_key_tells_its_versions_and_secrets_keep_theirs() {
        let secret = r#"{"kind":"Secret","data":{"p":"c2VjcmV0"},"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"c2VjcmV0"}}}"#;
        let store = store(&[
            ("/a", r#"{"n":1}"#),
            ("/b", "x"),
            ("/a", r#"{"n":2}"#),
            ("/a", ""),
            ("/registry/secrets/default/s", secret),
        ]);
        let told = |key: &str| versions(&store.snapshot(), key).unwrap().versions;
        let values: Vec<_> = told("/a").into_iter().map(|v| (v.at, v.value)).collect();
        assert_eq!(values.len(), 3);
        assert_eq!(values[0], (Some(Millis(1000)), Some(json!({"n": 1}))));
        assert_eq!(values[2], (Some(Millis(4000)), None), "deleted");
        assert_eq!(told("/b")[0].value, Some(json!("x")));
        assert!(told("/nothing").is_empty());
        let shown = told("/registry/secrets/default/s")[0]
            .value
            .clone()
            .unwrap();
        assert!(!shown.to_string().contains("c2VjcmV0"), "{shown}");
        assert_eq!(shown["data"]["p"], "(hidden)");
    }
}
