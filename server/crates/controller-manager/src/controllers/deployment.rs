//! Deployment: rolls ReplicaSets from one template to the next (`pkg/controller/deployment`).
//!
//! One look makes one step: adopt, create the new ReplicaSet, resize, clean up or write the status. The change that a
//! step causes leads to the next look.

mod sizes;
mod status;

use client::cache::Changed;
use client::{PatchKind, Request};
use serde_json::{Map, Value, json};
use shared::{Millis, Object, ObjectKey};

use crate::meta::{
    about, controller_reference, deployments, has_ended, map, metadata_patch, pods, replicasets,
    selector,
};
use crate::plan::{Plan, Said, Write};
use crate::view::{Item, View};

pub(crate) use sizes::{Limits, limits};

/// This loop's name.
pub const NAME: &str = "deployment";

pub(crate) const HASH_LABEL: &str = "pod-template-hash";
pub(crate) const REVISION: &str = "deployment.kubernetes.io/revision";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAX: &str = "deployment.kubernetes.io/max-replicas";
/// Annotations of the Deployment that its ReplicaSets do not inherit.
const NOT_INHERITED: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    "deployment.kubernetes.io/revision-history",
    DESIRED,
    MAX,
];

/// The Deployments that a change concerns.
#[must_use]
pub fn keys(view: &View, change: &Changed) -> Vec<Item> {
    let item = |key: ObjectKey| Item::new(deployments(), key);
    let both = change.old.iter().chain(&change.new);
    match change.kind.plural.as_str() {
        "deployments" => both.map(|d| item(d.key())).collect(),
        "replicasets" => {
            let mut items: Vec<Item> = Vec::new();
            for rs in both {
                match rs.controller() {
                    Some(owner) if owner.kind == "Deployment" => items.push(item(owner.key())),
                    Some(_) => {}
                    None => {
                        let all = view.namespace(&deployments(), rs.namespace());
                        let matching =
                            all.filter(|d| selector(d).is_some_and(|s| s.matches_object(rs)));
                        items.extend(matching.map(|d| item(d.key())));
                    }
                }
            }
            items
        }
        // A Recreate rollout waits for the last old pod to go.
        "pods" if change.new.is_none() => {
            let owner = change.old.as_ref().and_then(Object::controller);
            let rs = owner.and_then(|o| view.get(&replicasets(), &o.key()));
            let owner = rs.and_then(Object::controller);
            owner.into_iter().map(|o| item(o.key())).collect()
        }
        _ => Vec::new(),
    }
}

/// A Deployment with its ReplicaSets, oldest first.
pub(crate) struct Rollout<'a> {
    pub(crate) deployment: &'a Object,
    pub(crate) new: Option<&'a Object>,
    pub(crate) old: Vec<&'a Object>,
    pub(crate) limits: Limits,
}

pub(crate) fn spec_replicas(object: &Object) -> i64 {
    object.int("/spec/replicas").unwrap_or(1).max(0)
}

pub(crate) fn status_count(object: &Object, field: &str) -> i64 {
    object.int(&format!("/status/{field}")).unwrap_or(0)
}

impl<'a> Rollout<'a> {
    fn of(view: &'a View, deployment: &'a Object) -> Self {
        let mut all = view.controlled(deployment, &replicasets());
        all.sort_by_key(|rs| (rs.created(), rs.name().to_owned()));
        let wanted = template(deployment);
        let new = all.iter().copied().find(|rs| template(rs) == wanted);
        let old = all
            .into_iter()
            .filter(|rs| new.is_none_or(|n| n.uid() != rs.uid()))
            .collect();
        Self {
            deployment,
            new,
            old,
            limits: limits(deployment),
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &'a Object> {
        self.old.iter().copied().chain(self.new)
    }

    fn is_recreate(&self) -> bool {
        self.deployment.text("/spec/strategy/type") == "Recreate"
    }

    fn is_paused(&self) -> bool {
        self.deployment.at("/spec/paused") == Some(&Value::Bool(true))
    }

    /// The revision that the newest template gets.
    fn revision(&self) -> i64 {
        let highest = self.old.iter().map(|rs| revision(rs)).max().unwrap_or(0);
        self.new.map_or(0, revision).max(highest + 1)
    }
}

fn revision(rs: &Object) -> i64 {
    rs.annotation(REVISION)
        .and_then(|r| r.parse().ok())
        .unwrap_or(0)
}

/// The pod template without the label that the controller itself adds.
fn template(object: &Object) -> Value {
    let mut template = object.at("/spec/template").cloned().unwrap_or_default();
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, v| !v.is_null());
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.remove(HASH_LABEL);
        }
        let empty = |v: &Value| v.as_object().is_some_and(Map::is_empty);
        metadata.retain(|_, v| !empty(v));
        if metadata.is_empty() {
            template.as_object_mut().and_then(|t| t.remove("metadata"));
        }
    }
    template
}

/// One look at a Deployment.
#[must_use]
pub fn reconcile(view: &View, item: &Item, now: Millis) -> Plan {
    let Some(deployment) = view.get(&item.kind, &item.key) else {
        return Plan::default();
    };
    let rollout = Rollout::of(view, deployment);
    // Validation demands a template that its own selector finds; without it every look would make another ReplicaSet.
    let labels = deployment.at("/spec/template/metadata/labels");
    let sound = selector(deployment).is_some_and(|s| s.matches(labels));
    if deployment.deletion().is_some() || !sound {
        return status::plan(&rollout, now);
    }
    let claims = claims(view, deployment);
    if !claims.is_empty() {
        return Plan::of(format!("{}: adopt", deployment.name()), claims);
    }
    let steps = [
        annotate_revision(&rollout),
        step(view, &rollout),
        clean_up(&rollout),
    ];
    let step = steps.into_iter().flatten().find(|p| !p.is_empty());
    step.unwrap_or_else(|| status::plan(&rollout, now))
}

fn step(view: &View, rollout: &Rollout<'_>) -> Option<Plan> {
    if rollout.is_paused() {
        return sizes::scaling(rollout);
    }
    if let Some(scaled) = sizes::scaling(rollout) {
        return Some(scaled);
    }
    if rollout.is_recreate() {
        return recreate(view, rollout);
    }
    match rollout.new {
        None => Some(create(view, rollout)),
        Some(_) => sizes::rolling_update(rollout),
    }
}

fn recreate(view: &View, rollout: &Rollout<'_>) -> Option<Plan> {
    let down: Vec<Write> = rollout
        .old
        .iter()
        .filter(|rs| spec_replicas(rs) > 0)
        .filter_map(|rs| sizes::resize(rollout, rs, 0))
        .collect();
    if !down.is_empty() {
        let text = format!("{}: stop the old pods", rollout.deployment.name());
        return Some(Plan::of(text, down));
    }
    let mut old_pods = rollout
        .old
        .iter()
        .flat_map(|rs| view.controlled(rs, &pods()));
    if old_pods.any(|p| !has_ended(p)) {
        return None;
    }
    match rollout.new {
        None => Some(create(view, rollout)),
        Some(new) => {
            let wanted = spec_replicas(rollout.deployment);
            sizes::resize(rollout, new, wanted).map(|w| sizes::plan(rollout, vec![w]))
        }
    }
}

/// Adopts loose ReplicaSets that match the selector.
fn claims(view: &View, deployment: &Object) -> Vec<Write> {
    let Some(selector) = selector(deployment) else {
        return Vec::new();
    };
    let loose = view
        .namespace(&replicasets(), deployment.namespace())
        .filter(|rs| rs.controller().is_none() && rs.deletion().is_none())
        .filter(|rs| selector.matches_object(rs));
    loose
        .map(|rs| {
            let mut owners = rs.items("/metadata/ownerReferences").to_vec();
            owners.push(controller_reference(deployment, "apps/v1", "Deployment"));
            let patch = metadata_patch(rs, "ownerReferences", owners.into());
            Write::new(Request::patch(
                replicasets(),
                &rs.key(),
                PatchKind::Merge,
                patch,
            ))
        })
        .collect()
}

/// `pod-template-hash`: FNV-1a over the template and the collision count, in the original's alphabet without vowels.
/// The value differs from the original's, which hashes a Go structure; length and alphabet are the same.
#[must_use]
pub fn template_hash(template: &Value, collisions: i64) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let text = template.to_string();
    let salt = if collisions > 0 {
        collisions.to_string()
    } else {
        String::new()
    };
    let hash = text
        .bytes()
        .chain(salt.bytes())
        .fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
    let letter = |digit: u8| ALPHABET.get(usize::from(digit) % ALPHABET.len()).copied();
    hash.to_string()
        .bytes()
        .filter_map(letter)
        .map(char::from)
        .collect()
}

fn inherited_annotations(deployment: &Object) -> Map<String, Value> {
    let mut annotations = map(deployment, "/metadata/annotations");
    annotations.retain(|key, _| !NOT_INHERITED.contains(&key.as_str()));
    annotations
}

fn create(view: &View, rollout: &Rollout<'_>) -> Plan {
    let deployment = rollout.deployment;
    let collisions = status_count(deployment, "collisionCount");
    let hash = template_hash(&template(deployment), collisions);
    let name = format!("{}-{hash}", deployment.name());
    let key = ObjectKey::new(deployment.namespace(), &name);
    if view.get(&replicasets(), &key).is_some() {
        let mut status = map(deployment, "/status");
        status.insert("collisionCount".into(), (collisions + 1).into());
        let update = crate::meta::with_status(deployment, Value::Object(status));
        let text = format!("{name} is taken: another hash");
        return Plan::of(
            text,
            vec![Write::new(Request::update_status(deployments(), update))],
        );
    }
    let replicas = sizes::first_size(rollout);
    let mut selector = deployment.at("/spec/selector").cloned().unwrap_or_default();
    set(&mut selector, &["matchLabels", HASH_LABEL], json!(hash));
    let mut template = template(deployment);
    set(
        &mut template,
        &["metadata", "labels", HASH_LABEL],
        json!(hash),
    );
    let mut annotations = inherited_annotations(deployment);
    annotations.insert(REVISION.into(), rollout.revision().to_string().into());
    annotations.extend(size_annotations(rollout));
    let labels = template
        .pointer("/metadata/labels")
        .cloned()
        .unwrap_or_default();
    let mut spec = json!({"replicas": replicas, "selector": selector, "template": template});
    if let Some(seconds) = deployment.int("/spec/minReadySeconds").filter(|s| *s > 0) {
        set(&mut spec, &["minReadySeconds"], seconds.into());
    }
    let rs = json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": deployment.namespace(),
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [controller_reference(deployment, "apps/v1", "Deployment")],
        },
        "spec": spec,
    });
    let about = about(deployment, "apps/v1", "Deployment");
    let mut write =
        Write::new(Request::create(replicasets(), rs)).saying_if_refused(Said::warning(
            about.clone(),
            "ReplicaSetCreateError",
            format!("Failed to create new replica set \"{name}\": {{error}}"),
        ));
    if replicas > 0 {
        let message = format!("Scaled up replica set {name} from 0 to {replicas}");
        write = write.saying(Said::normal(about, "ScalingReplicaSet", message));
    }
    Plan::of(
        format!("{}: new {name} with {replicas}", deployment.name()),
        vec![write],
    )
}

fn size_annotations(rollout: &Rollout<'_>) -> [(String, Value); 2] {
    let desired = spec_replicas(rollout.deployment);
    let max = desired + rollout.limits.surge;
    [
        (DESIRED.into(), desired.to_string().into()),
        (MAX.into(), max.to_string().into()),
    ]
}

/// Writes the revision onto the new ReplicaSet and the Deployment, and the inherited annotations onto the former.
fn annotate_revision(rollout: &Rollout<'_>) -> Option<Plan> {
    let new = rollout.new?;
    let revision = rollout.revision().to_string();
    let mut writes = Vec::new();
    let mut wanted = inherited_annotations(rollout.deployment);
    wanted.insert(REVISION.into(), revision.as_str().into());
    let has = map(new, "/metadata/annotations");
    if wanted
        .iter()
        .any(|(key, value)| has.get(key) != Some(value))
    {
        let patch = metadata_patch(new, "annotations", wanted.into());
        writes.push(Write::new(Request::patch(
            replicasets(),
            &new.key(),
            PatchKind::Merge,
            patch,
        )));
    }
    if rollout.deployment.annotation(REVISION) != Some(&revision) {
        let patch = metadata_patch(
            rollout.deployment,
            "annotations",
            json!({REVISION: revision}),
        );
        let key = rollout.deployment.key();
        writes.push(Write::new(Request::patch(
            deployments(),
            &key,
            PatchKind::Merge,
            patch,
        )));
    }
    Some(Plan::of(
        format!("{}: revision {revision}", rollout.deployment.name()),
        writes,
    ))
}

/// Deletes the oldest empty ReplicaSets beyond `revisionHistoryLimit`, once the rollout is complete.
fn clean_up(rollout: &Rollout<'_>) -> Option<Plan> {
    if !status::is_complete(rollout) {
        return None;
    }
    let limit = rollout
        .deployment
        .int("/spec/revisionHistoryLimit")
        .unwrap_or(10);
    let mut empty: Vec<&Object> = rollout
        .old
        .iter()
        .copied()
        .filter(|rs| rs.deletion().is_none() && spec_replicas(rs) == 0)
        .filter(|rs| status_count(rs, "replicas") == 0)
        .filter(|rs| status_count(rs, "observedGeneration") >= rs.generation())
        .collect();
    empty.sort_by_key(|rs| (revision(rs), rs.created()));
    let kept = usize::try_from(limit).unwrap_or(usize::MAX);
    let surplus = rollout.old.len().saturating_sub(kept);
    let writes = empty
        .into_iter()
        .take(surplus)
        .map(|rs| Write::new(Request::delete(replicasets(), &rs.key(), rs.uid())));
    let text = format!("{}: forget old revisions", rollout.deployment.name());
    Some(Plan::of(text, writes.collect()))
}

/// Sets a value at a path of object fields, making the objects on the way.
pub(crate) fn set(value: &mut Value, path: &[&str], to: Value) {
    match path.split_first() {
        None => *value = to,
        Some((first, rest)) => {
            if !value.is_object() {
                *value = json!({});
            }
            if let Some(map) = value.as_object_mut() {
                set(map.entry(*first).or_insert(Value::Null), rest, to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_have_the_originals_form_and_depend_on_template_and_collisions() {
        let (a, b) = (json!({"spec": {"x": 1}}), json!({"spec": {"x": 2}}));
        let hashes = [
            template_hash(&a, 0),
            template_hash(&b, 0),
            template_hash(&a, 1),
        ];
        for hash in &hashes {
            assert!((1..=10).contains(&hash.len()), "{hash}");
            assert!(
                hash.chars()
                    .all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)),
                "{hash}"
            );
        }
        assert!(hashes[0] != hashes[1] && hashes[0] != hashes[2]);
        assert_eq!(hashes[0], template_hash(&a, 0));
    }
}
