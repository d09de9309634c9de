//! Pods that come from files on the node, and the mirror pods that show them in the API
//! (kubernetes.io/docs/tasks/configure-pod-container/static-pod).

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use client::{Answer, Request};
use serde_json::{Value, json};
use shared::{Millis, Object, ObjectKey, Status};

use super::{Kept, Kubelet, Purpose, pods};
use crate::node_status::{self, nodes};
use crate::runtime::PodUid;

/// On a mirror pod: the hash of the static pod that it shows.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// On a static pod: its hash.
const HASH: &str = "kubernetes.io/config.hash";
/// Where a pod comes from.
const SOURCE: &str = "kubernetes.io/config.source";
/// When it was first seen.
const SEEN: &str = "kubernetes.io/config.seen";
/// How soon a refused mirror pod is tried again.
const RETRY_MS: u64 = 10_000;

/// What the files say.
#[derive(Debug, Default)]
pub(super) struct StaticPods {
    /// The directory has been read: mirror pods without a file are leftovers.
    known: bool,
    uids: BTreeMap<ObjectKey, PodUid>,
}

/// A static pod's stand-in in the API.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    /// Its uid, empty while there is none.
    uid: String,
}

/// True for a pod that only shows a static pod.
pub(super) fn is_mirror(pod: &Object) -> bool {
    pod.annotation(MIRROR).is_some()
}

impl Kept {
    /// The uid by which the API knows the pod.
    pub(super) fn api_uid(&self) -> &str {
        match &self.mirror {
            Some(mirror) => &mirror.uid,
            None => self.worker.uid(),
        }
    }

    /// The API showed the pod in a new state. Of a mirror pod only the status counts.
    pub(super) fn seen(&mut self, pod: &Object, now: Millis) {
        let Some(mirror) = &mut self.mirror else {
            return self.worker.observed(pod, now);
        };
        pod.uid().clone_into(&mut mirror.uid);
        let mut own = self.worker.pod.to_value();
        let of = |at: &str| pod.at(at).cloned().unwrap_or_default();
        if let Some(map) = own.as_object_mut() {
            map.insert("status".into(), of("/status"));
        }
        if let Some(map) = own.get_mut("metadata").and_then(Value::as_object_mut) {
            map.insert("resourceVersion".into(), of("/metadata/resourceVersion"));
            map.insert("generation".into(), of("/metadata/generation"));
        }
        self.worker.pod = Object::new(own);
    }
}

impl Kubelet {
    /// Takes in the pods of the node's manifest directory, all there are now. What is no Pod, or has no name, is left
    /// out; the node's name is added to the pods' names.
    pub fn set_static_pods(&mut self, manifests: &[Value], now: Millis) {
        self.statics.known = true;
        let mut wanted = BTreeMap::new();
        for manifest in manifests {
            if let Some(pod) = static_pod(manifest, &self.config.node_name, now) {
                wanted.insert(pod.key(), pod);
            }
        }
        let known = std::mem::take(&mut self.statics.uids);
        for (key, uid) in known {
            if wanted.get(&key).is_none_or(|p| p.uid() != uid) {
                self.end_static(&uid, now);
            }
        }
        for (key, pod) in wanted {
            let uid = pod.uid().to_owned();
            if !self.pods.contains_key(&uid) {
                self.take_on(&pod, Some(Mirror::default()), now);
            }
            self.dirty.insert(uid.clone());
            self.statics.uids.insert(key, uid);
        }
        let mirrors: Vec<Object> = self
            .cache
            .list(&pods())
            .filter(|p| is_mirror(p))
            .cloned()
            .collect();
        for mirror in mirrors {
            self.mirror_changed(None, Some(&mirror), now);
        }
    }

    /// A file is gone or says something else: its pod ends, and another takes its place.
    fn end_static(&mut self, uid: &str, now: Millis) {
        let Some(kept) = self.pods.get_mut(uid) else {
            return;
        };
        kept.gone = true;
        let grace = kept.worker.spec.grace_ms();
        kept.worker.end_deleted(grace, now);
        self.dirty.insert(uid.to_owned());
    }

    /// The API showed a mirror pod, or lost one.
    pub(super) fn mirror_changed(
        &mut self,
        old: Option<&Object>,
        new: Option<&Object>,
        now: Millis,
    ) {
        let Some(key) = new.or(old).map(Object::key) else {
            return;
        };
        let uid = self.statics.uids.get(&key).cloned();
        let kept = uid.as_ref().and_then(|uid| self.pods.get_mut(uid));
        match (kept, new) {
            (Some(kept), Some(pod)) if pod.annotation(MIRROR) == uid.as_deref() => {
                kept.seen(pod, now);
            }
            (Some(kept), _) => {
                if let Some(mirror) = &mut kept.mirror {
                    mirror.uid.clear();
                }
            }
            (None, Some(pod)) if self.statics.known => {
                let request = Request::delete(pods(), &key, pod.uid()).with_grace(0);
                self.calls
                    .send(request, None, Purpose::Mirror(PodUid::new()));
            }
            (None, _) => {}
        }
        self.dirty.extend(uid);
    }

    /// Sees to the mirror of a static pod; true when a status can be written: there is one, or the pod needs none.
    pub(super) fn mirrored(&mut self, uid: &str, now: Millis) -> bool {
        let Some(kept) = self.pods.get_mut(uid) else {
            return false;
        };
        if kept.mirror.is_none() {
            return true;
        }
        let shown = self.cache.get(&pods(), &kept.worker.pod.key());
        let right = |p: &&Object| p.annotation(MIRROR) == Some(uid) && p.deletion().is_none();
        if let Some(mirror) = shown.filter(right) {
            if kept.api_uid() != mirror.uid() {
                let mirror = mirror.clone();
                kept.seen(&mirror, now);
            }
            return true;
        }
        if kept.writing || kept.write_at > now {
            return false;
        }
        kept.writing = true;
        let request = match shown {
            Some(other) => Request::delete(pods(), &other.key(), other.uid()).with_grace(0),
            None => {
                let node = self.cache.get(&nodes(), &node_status::key(&self.config));
                Request::create(pods(), mirror_of(&kept.worker.pod, node))
            }
        };
        self.calls
            .send(request, None, Purpose::Mirror(uid.to_owned()));
        false
    }

    /// A mirror pod was made or removed, or could not be.
    pub(super) fn mirror_answered(
        &mut self,
        uid: &str,
        answer: &Result<Answer, Status>,
        now: Millis,
    ) {
        let Some(kept) = self.pods.get_mut(uid) else {
            return;
        };
        kept.writing = false;
        self.dirty.insert(uid.to_owned());
        match answer.as_ref().map(Answer::object) {
            Ok(Some(pod)) if is_mirror(pod) && pod.deletion().is_none() => {
                self.cache.remember(&pods(), pod);
            }
            // The next look acts upon what the watch tells.
            Ok(_) => kept.write_at = now.plus_ms(RETRY_MS / 10),
            Err(_) => kept.write_at = now.plus_ms(RETRY_MS),
        }
    }
}

/// The pod that a manifest describes, with the name, uid and annotations that the original gives it.
fn static_pod(manifest: &Value, node: &str, now: Millis) -> Option<Object> {
    let text = |at: &str| manifest.pointer(at).and_then(Value::as_str);
    let name = text("/metadata/name").filter(|_| text("/kind") == Some("Pod"))?;
    let mut hasher = DefaultHasher::new();
    (node, manifest.to_string()).hash(&mut hasher);
    let low = hasher.finish();
    name.hash(&mut hasher);
    let hash = format!("{low:016x}{:016x}", hasher.finish());
    let mut pod = manifest.clone();
    let metadata = pod.get_mut("metadata")?.as_object_mut()?;
    metadata.insert("name".into(), format!("{name}-{node}").into());
    metadata.entry("namespace").or_insert("default".into());
    metadata.insert("uid".into(), hash.as_str().into());
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    let annotations = annotations.as_object_mut()?;
    annotations.insert(HASH.into(), hash.into());
    annotations.insert(SOURCE.into(), "file".into());
    annotations.insert(SEEN.into(), now.rfc3339().into());
    let spec = pod.get_mut("spec")?.as_object_mut()?;
    spec.insert("nodeName".into(), node.into());
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    let everything = json!({"operator": "Exists", "effect": "NoExecute"});
    tolerations.as_array_mut()?.push(everything);
    Some(Object::new(pod))
}

/// What is written to the API for a static pod. The node owns it.
fn mirror_of(pod: &Object, node: Option<&Object>) -> Value {
    let mut value = pod.to_value();
    let hash = pod.uid().to_owned();
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["uid", "resourceVersion", "generation"] {
            metadata.remove(field);
        }
        if let Some(node) = node {
            let owner = json!([{"apiVersion": "v1", "kind": "Node", "name": node.name(), "uid": node.uid(), "controller": true}]);
            metadata.insert("ownerReferences".into(), owner);
        }
        let annotations = metadata.get_mut("annotations");
        if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
            annotations.insert(MIRROR.into(), hash.into());
        }
    }
    value
}
