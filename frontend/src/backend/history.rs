//! What the stream does not carry, read from the apiserver: the past as lists of a revision
//! (`resourceVersionMatch=Exact`), and the present of rarer kinds.

use serde_json::Value;
use shared::live::Message;
use shared::{KindRef, Object, ObjectKey, Revision, kind, path};

use super::fetch::{self, Failure};
use crate::state::cluster::Cluster;
use crate::state::lesson::Read;
use crate::state::route::escape;

/// Kinds that a picture of the past does without: housekeeping, and what only adds words.
const LEFT_OUT: [&str; 2] = ["leases", "events"];

/// An object as of a revision; `None` when there was none of this name.
///
/// # Errors
/// The server's refusal: 410 when the revision is compacted.
pub async fn object(
    plural: &str,
    key: &ObjectKey,
    revision: u64,
) -> Result<Option<Value>, Failure> {
    let Some(kind) = known(plural) else {
        return Ok(None);
    };
    let list = path::collection(&kind, &key.namespace);
    let name = escape(&format!("metadata.name={}", key.name));
    let list = format!(
        "{list}?fieldSelector={name}&resourceVersion={revision}&resourceVersionMatch=Exact"
    );
    Ok(items(fetch::get::<Value>(&list).await?).into_iter().next())
}

/// The whole cluster as of a revision, with the name, the clock and the flow log of the present.
///
/// # Errors
/// The server's refusal: 410 when the revision is compacted.
pub async fn cluster(now: &Cluster, revision: Revision) -> Result<Cluster, Failure> {
    let mut past = Cluster {
        hello: now.hello.clone(),
        pulse: now.pulse.clone(),
        hops: now.hops.clone(),
        ticks: now.ticks.clone(),
        ..Cluster::default()
    };
    for plural in now
        .shelves
        .keys()
        .filter(|p| !LEFT_OUT.contains(&p.as_str()))
    {
        let Some(kind) = known(plural) else { continue };
        let list = path::collection(&kind, "");
        let list = format!("{list}?resourceVersion={revision}&resourceVersionMatch=Exact");
        let items = items(fetch::get::<Value>(&list).await?);
        past.apply(Message::Snapshot {
            kind,
            revision,
            items: items.into_iter().map(Object::new).collect(),
        });
    }
    past.ticks.clone_from(&now.ticks);
    past.pulse.revision = revision;
    Ok(past)
}

/// The present objects of kinds that the stream does not carry. A kind that cannot be read is left out.
pub async fn read(plurals: impl IntoIterator<Item = String>) -> Read {
    let mut all = Read::new();
    for plural in plurals {
        let Some(kind) = known(&plural) else { continue };
        if let Ok(list) = fetch::get::<Value>(&path::collection(&kind, "")).await {
            all.insert(plural, items(list).into_iter().map(Object::new).collect());
        }
    }
    all
}

fn known(plural: &str) -> Option<KindRef> {
    let mut rows = kind::KINDS.iter();
    rows.find(|k| k.plural == plural).map(kind::Kind::reference)
}

/// The items of a list. A list need not repeat its kind in every item, the rest of the page counts on it.
fn items(list: Value) -> Vec<Value> {
    let word = |field: &str| {
        list.get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (version, kind) = (word("apiVersion"), word("kind"));
    let kind = kind.strip_suffix("List").unwrap_or(&kind).to_owned();
    let Some(Value::Array(items)) = list.get("items").cloned() else {
        return Vec::new();
    };
    let whole = |mut item: Value| {
        if let Some(object) = item.as_object_mut() {
            object
                .entry("apiVersion")
                .or_insert_with(|| version.clone().into());
            object.entry("kind").or_insert_with(|| kind.clone().into());
        }
        item
    };
    items.into_iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_say_what_they_are() {
        let list = json!({"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [{"metadata": {"name": "web"}}, {"kind": "Other"}]});
        let got: Vec<String> = items(list)
            .iter()
            .map(|i| format!("{} {}", i["apiVersion"], i["kind"]))
            .collect();
        assert_eq!(got, [r#""apps/v1" "Deployment""#, r#""apps/v1" "Other""#]);
        assert!(items(json!({})).is_empty());
    }
}
