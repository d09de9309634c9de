//! A stand-in for the API server, as far as controllers can tell: revisions, conflicts, generations, graceful and
//! foreground deletion, watch events.

use std::collections::BTreeMap;

use client::{Answer, Body, PatchKind, Request, Verb};
use serde_json::{Value, json};
use shared::live::Change;
use shared::{KindRef, Millis, Object, ObjectKey, Status};

use super::Event;

#[derive(Default)]
pub(super) struct Api {
    objects: BTreeMap<(KindRef, ObjectKey), Object>,
    revision: u64,
    named: u64,
    ips: u64,
    pending: Vec<Event>,
}

type Answered = Result<Answer, Status>;

impl Api {
    fn kind(plural: &str) -> KindRef {
        let kind = shared::kind::KINDS.iter().find(|k| k.plural == plural);
        kind.expect("a served kind").reference()
    }

    pub(super) fn list(&self, plural: &str) -> Vec<Object> {
        let kind = Self::kind(plural);
        let of_kind = self.objects.iter().filter(|((k, _), _)| *k == kind);
        of_kind.map(|(_, o)| o.clone()).collect()
    }

    pub(super) fn all(&self) -> Vec<(KindRef, Object)> {
        self.objects
            .iter()
            .map(|((k, _), o)| (k.clone(), o.clone()))
            .collect()
    }

    pub(super) fn find(&self, plural: &str, name: &str) -> Option<Object> {
        let all = self.list(plural).into_iter();
        all.filter(|o| {
            o.namespace().is_empty() || o.namespace() == "d" || o.namespace() == "kube-node-lease"
        })
        .find(|o| o.name() == name)
    }

    pub(super) fn next_ip(&mut self) -> u64 {
        self.ips += 1;
        self.ips
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.pending)
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.pending.is_empty()
    }

    /// Stores an object as a user would write it, with or without a status.
    pub(super) fn put(&mut self, value: Value, now: Millis) {
        let text = |at: &str| {
            value
                .pointer(at)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let kind = shared::kind::find_by_kind(&text("/apiVersion"), &text("/kind"))
            .expect("a served kind");
        let key = ObjectKey::new(&text("/metadata/namespace"), &text("/metadata/name"));
        self.store(kind.reference(), key, value, now);
    }

    fn store(&mut self, kind: KindRef, key: ObjectKey, mut value: Value, now: Millis) -> Object {
        let old = self.objects.get(&(kind.clone(), key.clone())).cloned();
        self.revision += 1;
        let row = kind.built_in().expect("a served kind");
        value["kind"] = row.kind.into();
        value["apiVersion"] = row.api_version().into();
        let metadata = &mut value["metadata"];
        metadata["name"] = key.name.as_str().into();
        match &old {
            None => {
                metadata["uid"] = format!("uid-{}", self.revision).into();
                metadata["creationTimestamp"] = now.rfc3339().into();
                metadata["generation"] = 1.into();
            }
            Some(old) => {
                let changed = old.at("/spec") != value.get("spec");
                value["metadata"]["generation"] = (old.generation() + i64::from(changed)).into();
            }
        }
        strip_nulls(&mut value["metadata"]);
        value["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let object = Object::new(value);
        if object.deletion().is_some()
            && finalizers(&object).is_empty()
            && object.at("/metadata/deletionGracePeriodSeconds").is_none()
        {
            self.objects.remove(&(kind.clone(), key));
            self.pending.push((kind, Change::Deleted, object.clone()));
            return object;
        }
        self.objects.insert((kind.clone(), key), object.clone());
        let change = if old.is_some() {
            Change::Modified
        } else {
            Change::Added
        };
        self.pending.push((kind, change, object.clone()));
        object
    }

    pub(super) fn delete_as(
        &mut self,
        plural: &str,
        key: &ObjectKey,
        policy: &str,
        grace: Option<i64>,
        now: Millis,
    ) {
        let _ = self.delete(&Self::kind(plural), key, policy, grace, now);
    }

    fn delete(
        &mut self,
        kind: &KindRef,
        key: &ObjectKey,
        policy: &str,
        grace: Option<i64>,
        now: Millis,
    ) -> Answered {
        let at = (kind.clone(), key.clone());
        let object = self.objects.get(&at).cloned();
        let object =
            object.ok_or_else(|| Status::not_found(&kind.plural, &kind.group, &key.name))?;
        let mut value = object.to_value();
        let finalizer = match policy {
            "Foreground" => Some("foregroundDeletion"),
            "Orphan" => Some("orphan"),
            _ => None,
        };
        if let (Some(finalizer), None) = (finalizer, object.deletion()) {
            let mut all = finalizers(&object);
            all.push(finalizer.into());
            value["metadata"]["finalizers"] = all.into();
        }
        let bound = kind.plural == "pods" && !object.text("/spec/nodeName").is_empty();
        let graceful = bound && grace != Some(0);
        let held = value["metadata"]["finalizers"]
            .as_array()
            .is_some_and(|f| !f.is_empty());
        let namespace = kind.plural == "namespaces" && !object.items("/spec/finalizers").is_empty();
        if !graceful && !held && !namespace {
            self.objects.remove(&at);
            self.revision += 1;
            value["metadata"]["resourceVersion"] = self.revision.to_string().into();
            self.pending
                .push((kind.clone(), Change::Deleted, Object::new(value)));
            return Ok(Answer::Object(Object::new(
                json!({"kind": "Status", "status": "Success"}),
            )));
        }
        if object.deletion().is_some() {
            if grace == Some(0) {
                value["metadata"]["deletionGracePeriodSeconds"] = Value::Null;
                return Ok(Answer::Object(self.store(
                    kind.clone(),
                    key.clone(),
                    value,
                    now,
                )));
            }
            return Ok(Answer::Object(object));
        }
        value["metadata"]["deletionTimestamp"] = now.rfc3339().into();
        if graceful || namespace {
            value["metadata"]["deletionGracePeriodSeconds"] = 30.into();
        }
        if namespace {
            value["status"]["phase"] = "Terminating".into();
        }
        Ok(Answer::Object(self.store(
            kind.clone(),
            key.clone(),
            value,
            now,
        )))
    }

    pub(super) fn serve(&mut self, request: &Request, now: Millis) -> Answered {
        let (kind, mut key) = (request.kind.clone(), request.key());
        let found = self.objects.get(&(kind.clone(), key.clone())).cloned();
        let missing = || Status::not_found(&kind.plural, &kind.group, &request.name);
        let policy = request.options.propagation_policy.as_str();
        match (request.verb, &request.body) {
            (Verb::Get, _) => Ok(Answer::Object(found.ok_or_else(missing)?)),
            (Verb::Create, Body::Object(body)) => {
                let text = |at: &str| {
                    body.pointer(at)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned()
                };
                key.name = text("/metadata/name");
                if key.name.is_empty() {
                    self.named += 1;
                    key.name = format!("{}{}", text("/metadata/generateName"), self.named);
                }
                if self.objects.contains_key(&(kind.clone(), key.clone())) {
                    return Err(Status::already_exists(&kind.plural, &kind.group, &key.name));
                }
                Ok(Answer::Object(self.store(kind, key, body.clone(), now)))
            }
            (Verb::Update, Body::Object(body)) => {
                let found = found.ok_or_else(missing)?;
                if body["metadata"]["resourceVersion"] != found.text("/metadata/resourceVersion") {
                    return Err(Status::modified(&kind.plural, &kind.group, &key.name));
                }
                let mut value = body.clone();
                match request.subresource.as_str() {
                    "status" => {
                        value = found.to_value();
                        value["status"] = body["status"].clone();
                    }
                    _ => value["status"] = found.at("/status").cloned().unwrap_or_default(),
                }
                if request.subresource == "finalize" && body["spec"]["finalizers"] == json!([]) {
                    value["metadata"]["deletionGracePeriodSeconds"] = Value::Null;
                }
                Ok(Answer::Object(self.store(kind, key, value, now)))
            }
            (Verb::Patch, Body::Patch(how, patch)) => {
                let found = found.ok_or_else(missing)?;
                let expected = patch
                    .pointer("/metadata/resourceVersion")
                    .and_then(Value::as_str);
                if expected.is_some_and(|rv| rv != found.text("/metadata/resourceVersion")) {
                    return Err(Status::modified(&kind.plural, &kind.group, &key.name));
                }
                let mut value = found.to_value();
                merge(&mut value, patch, *how == PatchKind::Strategic);
                Ok(Answer::Object(self.store(kind, key, value, now)))
            }
            (Verb::Delete, Body::Object(options)) => {
                let uid = options
                    .pointer("/preconditions/uid")
                    .and_then(Value::as_str);
                let found = found.ok_or_else(missing)?;
                if uid.is_some_and(|uid| uid != found.uid()) {
                    return Err(Status::conflict(
                        &kind.plural,
                        &kind.group,
                        &key.name,
                        "another uid",
                    ));
                }
                let in_body = options["propagationPolicy"].as_str().unwrap_or(policy);
                self.delete(
                    &kind,
                    &key,
                    in_body,
                    request.options.grace_period_seconds,
                    now,
                )
            }
            (Verb::DeleteCollection, _) => {
                let inside: Vec<ObjectKey> = self
                    .objects
                    .keys()
                    .filter(|(k, at)| *k == kind && at.namespace == request.namespace)
                    .map(|(_, at)| at.clone())
                    .collect();
                for key in inside {
                    let _ = self.delete(&kind, &key, "", None, now);
                }
                Ok(Answer::Object(Object::new(json!({"kind": "Status"}))))
            }
            _ => Err(Status::bad_request("not understood")),
        }
    }
}

fn finalizers(object: &Object) -> Vec<Value> {
    object.items("/metadata/finalizers").to_vec()
}

fn strip_nulls(value: &mut Value) {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, v| !v.is_null());
    }
}

/// RFC 7396, or with `strategic` lists of conditions merged by type.
fn merge(into: &mut Value, patch: &Value, strategic: bool) {
    let Some(patch) = patch.as_object() else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            into.as_object_mut().expect("an object").remove(key);
        } else if strategic && key == "conditions" {
            let mut all = into[key].as_array().cloned().unwrap_or_default();
            for condition in value.as_array().into_iter().flatten() {
                match all.iter_mut().find(|c| c["type"] == condition["type"]) {
                    Some(old) => merge(old, condition, false),
                    None => all.push(condition.clone()),
                }
            }
            into[key] = all.into();
        } else {
            merge(&mut into[key], value, strategic);
        }
    }
}

/// One line per request: `create pods w-1`, `update deployments/status w`, `event Deployment ScalingReplicaSet ...`.
pub(super) fn line(request: &Request, answer: &Answered) -> Option<String> {
    if request.verb == Verb::Get {
        return None;
    }
    if request.kind.plural == "events" && request.verb != Verb::DeleteCollection {
        let Body::Object(event) = &request.body else {
            return None;
        };
        let text = |at: &str| {
            event
                .pointer(at)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (kind, name) = (text("/involvedObject/kind"), text("/involvedObject/name"));
        return Some(format!(
            "  {} {kind}/{name}: {}",
            text("/reason"),
            text("/message")
        ));
    }
    let sub = match request.subresource.as_str() {
        "" => String::new(),
        sub => format!("/{sub}"),
    };
    let name = match answer {
        Ok(Answer::Object(object)) if request.name.is_empty() => object.name(),
        _ => request.name.as_str(),
    };
    let refused = answer
        .as_ref()
        .err()
        .map(|s| format!(" refused: {}", s.message));
    Some(format!(
        "{} {}{sub} {name}{}",
        request.verb.word(),
        request.kind.plural,
        refused.unwrap_or_default()
    ))
}
