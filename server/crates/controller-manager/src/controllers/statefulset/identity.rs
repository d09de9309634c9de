//! What makes each pod of a StatefulSet itself: its ordinal, name, host name, revision and claims.

use client::{PatchKind, Request};
use serde_json::{Map, Value, json};
use shared::{Object, ObjectKey};

use crate::controllers::deployment::set as put;
use crate::meta::{
    about, controller_reference, core, map, metadata_patch, pod_from_template, text,
};
use crate::plan::{Said, Write};
use crate::revisions;
use crate::view::View;

use super::REVISION_LABEL;

/// The ordinal of a pod of this set; `None` for a pod whose name is not of the set's making.
pub(super) fn ordinal(set: &Object, pod: &Object) -> Option<i64> {
    let number = pod.name().strip_prefix(set.name())?.strip_prefix('-')?;
    number.parse().ok().filter(|n: &i64| *n >= 0)
}

fn pod_name(set: &Object, ordinal: i64) -> String {
    format!("{}-{ordinal}", set.name())
}

/// The pod with this ordinal, of the template that a revision keeps.
pub(super) fn pod(set: &Object, revision: &Object, ordinal: i64) -> Value {
    let mut of_revision = set.to_value();
    put(
        &mut of_revision,
        &["spec", "template"],
        revisions::template(revision),
    );
    let mut pod = pod_from_template(&Object::new(of_revision), "apps/v1", "StatefulSet");
    let name = pod_name(set, ordinal);
    for (path, value) in [
        (&["metadata", "name"][..], name.clone()),
        (
            &["metadata", "labels", "statefulset.kubernetes.io/pod-name"],
            name.clone(),
        ),
        (
            &["metadata", "labels", "apps.kubernetes.io/pod-index"],
            ordinal.to_string(),
        ),
        (
            &["metadata", "labels", REVISION_LABEL],
            revision.name().to_owned(),
        ),
        (&["spec", "hostname"], name),
        (
            &["spec", "subdomain"],
            set.text("/spec/serviceName").to_owned(),
        ),
    ] {
        put(&mut pod, path, value.into());
    }
    let claimed: Vec<Value> = set
        .items("/spec/volumeClaimTemplates")
        .iter()
        .map(|t| {
            let claim = json!({"claimName": claim_name(set, t, ordinal)});
            json!({"name": claim_template_name(t), "persistentVolumeClaim": claim})
        })
        .collect();
    if !claimed.is_empty() {
        let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
        let own = volumes.into_iter().flatten().filter(|v| {
            let name = text(v, "name");
            !claimed.iter().any(|c| text(c, "name") == name)
        });
        let all: Vec<Value> = claimed.iter().chain(own).cloned().collect();
        put(&mut pod, &["spec", "volumes"], all.into());
    }
    pod
}

fn claim_template_name(template: &Value) -> &str {
    template
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn claim_name(set: &Object, template: &Value, ordinal: i64) -> String {
    format!("{}-{}-{ordinal}", claim_template_name(template), set.name())
}

/// Creates the pod with this ordinal.
pub(super) fn create(set: &Object, revision: &Object, ordinal: i64) -> Write {
    let about = about(set, "apps/v1", "StatefulSet");
    let (name, of) = (pod_name(set, ordinal), set.name());
    Write::new(Request::create(core("pods"), pod(set, revision, ordinal)))
        .saying(Said::normal(
            about.clone(),
            "SuccessfulCreate",
            format!("Create Pod {name} in StatefulSet {of} successful"),
        ))
        .saying_if_refused(Said::warning(
            about,
            "FailedCreate",
            format!("Create Pod {name} in StatefulSet {of} failed error: {{error}}"),
        ))
}

/// Deletes a pod; a failed one because another is to take its place.
pub(super) fn delete(set: &Object, pod: &Object) -> Write {
    let about = about(set, "apps/v1", "StatefulSet");
    let said = match pod.text("/status/phase") {
        "Failed" => Said::warning(
            about,
            "RecreatingFailedPod",
            format!(
                "StatefulSet {} is recreating failed Pod {}",
                set.key(),
                pod.name()
            ),
        ),
        "Succeeded" => Said::normal(
            about,
            "RecreatingTerminatedPod",
            format!(
                "StatefulSet {} is recreating terminated Pod {}",
                set.key(),
                pod.name()
            ),
        ),
        _ => Said::normal(
            about,
            "SuccessfulDelete",
            format!(
                "Delete Pod {} in StatefulSet {} successful",
                pod.name(),
                set.name()
            ),
        ),
    };
    Write::new(Request::delete(core("pods"), &pod.key(), pod.uid())).saying(said)
}

/// Creates the claims of an ordinal that are not there.
pub(super) fn missing_claims(view: &View, set: &Object, ordinal: i64) -> Vec<Write> {
    let templates = set.items("/spec/volumeClaimTemplates").iter();
    let missing = templates.filter(|t| {
        let key = ObjectKey::new(set.namespace(), &claim_name(set, t, ordinal));
        view.get(&core("persistentvolumeclaims"), &key).is_none()
    });
    missing.map(|t| create_claim(set, t, ordinal)).collect()
}

fn create_claim(set: &Object, template: &Value, ordinal: i64) -> Write {
    let name = claim_name(set, template, ordinal);
    let mut metadata = template
        .get("metadata")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let mut labels = metadata
        .get("labels")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_else(Map::new);
    labels.extend(map(set, "/spec/selector/matchLabels"));
    metadata.insert("labels".into(), labels.into());
    metadata.insert("name".into(), name.as_str().into());
    metadata.insert("namespace".into(), set.namespace().into());
    if set.text("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted") == "Delete" {
        let owner = controller_reference(set, "apps/v1", "StatefulSet");
        metadata.insert("ownerReferences".into(), json!([owner]));
    }
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata,
        "spec": template.get("spec").cloned().unwrap_or_default(),
    });
    let about = about(set, "apps/v1", "StatefulSet");
    let pod = pod_name(set, ordinal);
    let what = format!(
        "Create Claim {name} Pod {pod} in StatefulSet {}",
        set.name()
    );
    Write::new(Request::create(core("persistentvolumeclaims"), claim))
        .saying(Said::normal(
            about.clone(),
            "SuccessfulCreate",
            format!("{what} success"),
        ))
        .saying_if_refused(Said::warning(
            about,
            "FailedCreate",
            format!("{what} failed error: {{error}}"),
        ))
}

/// With `whenScaled: Delete` the claims of a pod that goes for good belong to it, so that they go with it.
pub(super) fn bequeath_claims(view: &View, set: &Object, pod: &Object, ordinal: i64) -> Vec<Write> {
    if set.text("/spec/persistentVolumeClaimRetentionPolicy/whenScaled") != "Delete" {
        return Vec::new();
    }
    let kind = core("persistentvolumeclaims");
    let templates = set.items("/spec/volumeClaimTemplates").iter();
    let claims = templates.filter_map(|t| {
        view.get(
            &kind,
            &ObjectKey::new(set.namespace(), &claim_name(set, t, ordinal)),
        )
    });
    let owned = |c: &&Object| {
        let owners = c.items("/metadata/ownerReferences").iter();
        owners.clone().any(|o| text(o, "uid") == pod.uid())
    };
    claims
        .filter(|c| !owned(c))
        .map(|claim| {
            let owner =
                json!({"apiVersion": "v1", "kind": "Pod", "name": pod.name(), "uid": pod.uid()});
            let patch = metadata_patch(claim, "ownerReferences", json!([owner]));
            Write::new(Request::patch(
                kind.clone(),
                &claim.key(),
                PatchKind::Merge,
                patch,
            ))
        })
        .collect()
}
