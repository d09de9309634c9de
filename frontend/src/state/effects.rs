//! Everything that opening a scenario would do here, line by line and before anything is sent: places, objects, and
//! what its timeline does by itself afterwards.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::scenario::{Deed, Moment, Place, Scenario, Target};
use shared::{Object, ObjectKey};

use super::cluster::Cluster;
use super::lesson::{self, Read};
use super::text;

/// Differing fields that one line names.
const MAX_FIELDS: usize = 4;

/// One line of the preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// When it happens; empty for at once.
    pub when: String,
    /// What is sent, as one would type it.
    pub line: String,
    /// What that means here, in a few words.
    pub what: String,
    /// True when nothing is sent, because nothing is left to do.
    pub skip: bool,
}

/// The present as the preview sees it: the stream's objects, and the kinds that were read for it.
#[derive(Clone, Copy)]
pub struct Here<'a> {
    /// What the stream carries.
    pub cluster: &'a Cluster,
    /// What it does not.
    pub read: &'a Read,
}

impl<'a> Here<'a> {
    fn get(self, plural: &str, key: &ObjectKey) -> Option<&'a Object> {
        match self.cluster.shelves.get(plural) {
            Some(shelf) => shelf.get(key),
            None => self.read.get(plural)?.iter().find(|o| o.key() == *key),
        }
    }

    fn has(self, target: &Target) -> Option<&'a Object> {
        self.get(&target.kind.plural, &target.key)
    }
}

/// The plurals of a scenario's objects that the stream does not carry: they must be read before [`effects`] is true.
#[must_use]
pub fn unseen(scenario: &Scenario, cluster: &Cluster) -> BTreeSet<String> {
    let made = scenario.objects.iter().filter_map(lesson::target);
    let changed = scenario.timeline.iter().flat_map(|m| &m.deeds);
    let changed = changed.filter_map(|d| match d {
        Deed::Create(o) | Deed::Replace(o) => lesson::target(o),
        Deed::Patch { on, .. } | Deed::Delete(on) => Some(on.clone()),
        _ => None,
    });
    made.chain(changed)
        .map(|t| t.kind.plural)
        .filter(|p| !cluster.shelves.contains_key(p))
        .collect()
}

/// Every line, in the order in which it happens.
#[must_use]
pub fn effects(scenario: &Scenario, here: Here<'_>) -> Vec<Intent> {
    let mut all: Vec<Intent> = scenario
        .places
        .iter()
        .flat_map(|p| place(p, here))
        .collect();
    all.extend(objects(scenario, here).into_iter().map(|o| o.1));
    let mut timeline: Vec<&Moment> = scenario.timeline.iter().collect();
    timeline.sort_by_key(|m| m.after_seconds);
    for moment in timeline {
        let when = format!("after {} s: {}", moment.after_seconds, moment.label);
        let deeds = moment.deeds.iter().map(|d| Intent {
            when: when.clone(),
            ..deed(d, here)
        });
        all.extend(deeds);
    }
    all
}

/// The objects at the beginning, each with its line.
#[must_use]
pub fn objects<'s>(scenario: &'s Scenario, here: Here<'_>) -> Vec<(&'s Object, Intent)> {
    let brought: BTreeSet<&str> = scenario
        .objects
        .iter()
        .filter(|o| o.kind() == "Namespace")
        .map(|o| o.name())
        .collect();
    let one = |o: &'s Object| {
        let (what, skip) = creation(o, &brought, here);
        let line = format!("create {} {}", o.kind(), o.key());
        let when = String::new();
        (
            o,
            Intent {
                when,
                line,
                what,
                skip,
            },
        )
    };
    scenario.objects.iter().map(one).collect()
}

fn creation(o: &Object, brought: &BTreeSet<&str>, here: Here<'_>) -> (String, bool) {
    if let Some(there) = lesson::target(o).and_then(|t| here.has(&t)) {
        return (stays(o, there), true);
    }
    let (node, namespace) = (o.text("/spec/nodeName"), o.namespace());
    let in_cluster =
        |plural: &str, name: &str| here.get(plural, &ObjectKey::new("", name)).is_some();
    let what = if !namespace.is_empty()
        && !brought.contains(namespace)
        && !in_cluster("namespaces", namespace)
    {
        format!("needs the namespace {namespace}, which is not here")
    } else if o.kind() == "Pod" && !node.is_empty() {
        match in_cluster("nodes", node) {
            true => format!("will be created on {node}"),
            false => format!(
                "will be created for {node}, which is not here: it will wait until such a node joins"
            ),
        }
    } else if let Some(n) = o.int("/spec/replicas") {
        format!("will be created with {n} replicas")
    } else {
        "will be created".into()
    };
    (what, false)
}

/// What is there stays; where it is not what the scenario means, the fields are named.
fn stays(wanted: &Object, here: &Object) -> String {
    const STAYS: &str = "exists here already and stays as it is";
    let mut fields = Vec::new();
    for part in [
        "metadata/labels",
        "metadata/annotations",
        "spec",
        "data",
        "rules",
    ] {
        let at = format!("/{part}");
        if let Some(wanted) = wanted.at(&at) {
            let path = part.replace('/', ".");
            differing(
                wanted,
                here.at(&at).unwrap_or(&Value::Null),
                path,
                &mut fields,
            );
        }
    }
    match named(fields) {
        None => STAYS.into(),
        Some(fields) => format!("{STAYS}, though the scenario wants {fields}"),
    }
}

/// Adds `path: here → wanted` for every leaf of `wanted` that is another here. Lists are compared whole unless both
/// sides have as many items.
fn differing(wanted: &Value, here: &Value, path: String, out: &mut Vec<String>) {
    match (wanted, here) {
        (Value::Object(fields), _) => {
            for (key, value) in fields {
                let there = here.get(key).unwrap_or(&Value::Null);
                differing(value, there, format!("{path}.{key}"), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (x, y)) in a.iter().zip(b).enumerate() {
                differing(x, y, format!("{path}[{i}]"), out);
            }
        }
        _ if wanted != here => out.push(format!("{path}: {} → {}", short(here), short(wanted))),
        _ => {}
    }
}

fn named(fields: Vec<String>) -> Option<String> {
    let more = fields.len().saturating_sub(MAX_FIELDS);
    let shown = fields.iter().take(MAX_FIELDS).cloned().collect::<Vec<_>>();
    let shown = shown.join(", ");
    match (fields.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(shown),
        (false, more) => Some(format!("{shown} and {more} more")),
    }
}

/// A value in a few characters.
fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => return "nothing".into(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// A place's labels and taints, each a line.
fn place(place: &Place, here: Here<'_>) -> Vec<Intent> {
    let name = &place.node;
    let node = here.get("nodes", &ObjectKey::new("", name));
    let line = |line: String, (what, skip): (String, bool)| {
        let (what, skip) = match node {
            Some(_) => (what, skip),
            None => (format!("{name} is not here: nothing is sent"), true),
        };
        let when = String::new();
        Intent {
            when,
            line,
            what,
            skip,
        }
    };
    let labels = place.labels.iter().map(|(key, value)| {
        let what = match node.and_then(|n| n.label(key)) {
            Some(now) if now == value => ("it has this label".to_owned(), true),
            Some(now) => (format!("changes the label from {now}"), false),
            None => ("adds the label".to_owned(), false),
        };
        line(
            format!("kubectl label node {name} {key}={value} --overwrite"),
            what,
        )
    });
    let taints = place.taints.iter().map(|t| {
        let field = |f: &str| t.get(f).and_then(Value::as_str).unwrap_or_default();
        let (key, value, effect) = (field("key"), field("value"), field("effect"));
        let value = if value.is_empty() {
            String::new()
        } else {
            format!("={value}")
        };
        let has = node.is_some_and(|n| lesson::has_taint(n.items("/spec/taints"), t));
        let what = match (has, effect) {
            (true, _) => "it has this taint".to_owned(),
            (false, "NoExecute") => "evicts every pod from it that does not tolerate this".into(),
            (false, _) => "keeps new pods away that do not tolerate it".into(),
        };
        line(
            format!("kubectl taint node {name} {key}{value}:{effect}"),
            (what, has),
        )
    });
    labels.chain(taints).collect()
}

fn deed(deed: &Deed, here: Here<'_>) -> Intent {
    let calls = lesson::calls(deed);
    let sent = calls.first().map(|c| c.line.clone()).unwrap_or_default();
    let there = |target: &Target, then: &str| match here.has(target) {
        Some(_) => then.to_owned(),
        None => "not here yet".to_owned(),
    };
    let (line, what) = match deed {
        Deed::Create(o) => {
            let there = lesson::target(o).and_then(|t| here.has(&t)).is_some();
            let what = if there {
                "exists here: it would be refused"
            } else {
                "will be created"
            };
            (format!("create {} {}", o.kind(), o.key()), what.to_owned())
        }
        Deed::Replace(o) => {
            let there = lesson::target(o).and_then(|t| here.has(&t));
            let what = there.map_or_else(|| "not here yet".into(), |h| replaced(o, h));
            (format!("replace {} {}", o.kind(), o.key()), what)
        }
        Deed::Patch { on, patch } => {
            let mut fields = Vec::new();
            if let (Some(there), Value::Object(parts)) = (here.has(on), patch) {
                for (key, value) in parts {
                    let now = there.value().get(key).unwrap_or(&Value::Null);
                    differing(value, now, key.clone(), &mut fields);
                }
            }
            let changes = named(fields).unwrap_or_else(|| "changes nothing as it is now".into());
            (sent, there(on, &changes))
        }
        Deed::Delete(target) => (sent, there(target, "exists here: it will be deleted")),
        Deed::Bind { pod, node } => (
            format!("bind {} to {node}", pod.key),
            there(pod, "exists here"),
        ),
        Deed::StopNode(node) => (
            format!("stop node {node}"),
            power(node, "its pods stop without a word", here),
        ),
        Deed::StartNode(node) => (
            format!("start node {node}"),
            power(node, "it comes back", here),
        ),
        Deed::Clock(change) => {
            let rate = change.rate.map(|r| format!("clock {}", text::rate(r)));
            let step = change.step_ms.map(|ms| format!("clock +{} s", ms / 1000));
            let line = rate.into_iter().chain(step).collect::<Vec<_>>().join(", ");
            (line, "for the whole cluster".into())
        }
    };
    let (when, skip) = (String::new(), false);
    Intent {
        when,
        line,
        what,
        skip,
    }
}

fn replaced(wanted: &Object, here: &Object) -> String {
    let mut fields = Vec::new();
    for (key, value) in wanted.value().as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "apiVersion" | "kind") {
            let now = here.value().get(key).unwrap_or(&Value::Null);
            differing(value, now, key.clone(), &mut fields);
        }
    }
    named(fields).unwrap_or_else(|| "changes nothing as it is now".into())
}

fn power(node: &str, then: &str, here: Here<'_>) -> String {
    match here.get("nodes", &ObjectKey::new("", node)) {
        Some(_) => then.into(),
        None => format!("{node} is not here"),
    }
}

#[cfg(test)]
mod tests;
