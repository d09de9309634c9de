//! `componentstatuses`: made when asked, from what the store tells. Deprecated in Kubernetes, but `kubectl get cs`
//! still asks.
//!
//! The store is healthy when it answers. Of the other components only those are listed that hold a Lease for leader
//! election, because nothing else tells whether they run.

use client::Verb;
use serde_json::{Value, json};
use shared::{Millis, Status};

use crate::answer::{Answer, Listing, Outcome};
use crate::item::{Item, parse};
use crate::selection::Selection;
use crate::server::{Context, Target};
use crate::value::{int, text};

/// The components and their Leases, by name.
const COMPONENTS: [(&str, &str); 2] = [
    (
        "controller-manager",
        "/registry/leases/kube-system/kube-controller-manager",
    ),
    ("scheduler", "/registry/leases/kube-system/kube-scheduler"),
];
const STORE: &str = "etcd-0";

/// Answers a request for component statuses; `None` for all other kinds.
pub(crate) fn answer(target: &Target<'_>, ctx: &Context<'_>) -> Result<Option<Outcome>, Status> {
    if target.kind.plural != "componentstatuses" {
        return Ok(None);
    }
    let options = &target.request.options;
    let selection = Selection::parse(
        target.kind,
        &options.label_selector,
        &options.field_selector,
    )?;
    let mut items = Vec::new();
    for value in statuses(ctx)? {
        let item = Item::made(target.kind, value);
        if selection.matches(&item)? {
            items.push(item);
        }
    }
    if target.request.verb == Verb::List {
        let list = Listing {
            kind: target.kind,
            items,
            revision: ctx.snapshot.revision(),
            continue_token: String::new(),
            remaining: None,
        };
        return Ok(Some(Answer::List(list).ok()));
    }
    for item in items {
        if item.object()?.name() == target.request.name {
            return Ok(Some(Answer::Object(item).ok()));
        }
    }
    Err(target.not_found())
}

fn statuses(ctx: &Context<'_>) -> Result<Vec<Value>, Status> {
    let mut all = vec![status(STORE, Ok("ok"))];
    for (name, key) in COMPONENTS {
        if let Some(kv) = ctx.snapshot.get(key) {
            all.push(status(name, judge(&parse(&kv.value)?, ctx.now)));
        }
    }
    all.sort_by(|a, b| text(a, "/metadata/name").cmp(text(b, "/metadata/name")));
    Ok(all)
}

/// Whether whoever holds the Lease renewed it in time.
fn judge(lease: &Value, now: Millis) -> Result<&'static str, &'static str> {
    let seconds = int(lease, "/spec/leaseDurationSeconds").and_then(|s| u64::try_from(s).ok());
    let renewed = Millis::parse_rfc3339(text(lease, "/spec/renewTime"));
    match (seconds, renewed) {
        (Some(seconds), Some(at)) if now.since(at) <= seconds * 1000 => Ok("ok"),
        _ => Err("the leader's Lease has expired"),
    }
}

fn status(name: &str, judged: Result<&str, &str>) -> Value {
    let condition = match judged {
        Ok(message) => json!({"type": "Healthy", "status": "True", "message": message}),
        Err(error) => json!({"type": "Healthy", "status": "False", "error": error}),
    };
    json!({
        "kind": "ComponentStatus",
        "apiVersion": "v1",
        "metadata": {"name": name},
        "conditions": [condition],
    })
}
