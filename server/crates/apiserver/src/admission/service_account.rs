//! ServiceAccount: every pod runs as an account of its namespace and gets its token as a volume
//! (`plugin/pkg/admission/serviceaccount`).
//!
//! The original refuses pods while the namespace's `default` account is not made yet; here such a pod is let in
//! without a token, so that creating a namespace and a pod in one go works.

use serde_json::{Value, json};
use shared::Status;

use super::Attempt;
use crate::random::Random;
use crate::value::{default_text, each, items, object, put, text};

/// Where containers find their token.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Life of the token in seconds; an odd number, by which the original tells its own volume from others.
const TOKEN_LIFE_S: i64 = 3607;
const FILE_MODE: i64 = 0o644;

pub(super) fn admit(attempt: &Attempt<'_, '_>, value: &mut Value) -> Result<(), Status> {
    if !attempt.creates("pods")
        || !text(value, "/metadata/annotations/kubernetes.io~1config.mirror").is_empty()
    {
        return Ok(());
    }
    default_text(object(value, "spec"), "serviceAccountName", "default");
    let name = text(value, "/spec/serviceAccountName").to_owned();
    object(value, "spec").insert("serviceAccount".into(), name.as_str().into());
    let namespace = &attempt.target.request.namespace;
    let Some(account) = attempt.stored(&format!("/registry/serviceaccounts/{namespace}/{name}"))?
    else {
        if name == "default" {
            return Ok(());
        }
        let why = format!(
            "error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found"
        );
        return Err(attempt.forbidden(value, &why));
    };
    let wants = |v: &Value, pointer: &str| v.pointer(pointer).and_then(Value::as_bool);
    let automount = wants(value, "/spec/automountServiceAccountToken")
        .or_else(|| wants(&account, "/automountServiceAccountToken"))
        .unwrap_or(true);
    if automount {
        mount_token(value, attempt.ctx.seed);
    }
    let secrets = account
        .get("imagePullSecrets")
        .filter(|s| !items(&account, "/imagePullSecrets").is_empty() || s.is_null());
    if items(value, "/spec/imagePullSecrets").is_empty() && secrets.is_some() {
        put(object(value, "spec"), "imagePullSecrets", secrets.cloned());
    }
    Ok(())
}

fn mount_token(value: &mut Value, seed: u64) {
    let name = format!(
        "kube-api-access-{}",
        Random::new(seed, "token volume").suffix()
    );
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        each(object(value, "spec"), list, |container| {
            let mounts = container.entry("volumeMounts").or_insert_with(|| json!([]));
            let Some(mounts) = mounts.as_array_mut() else {
                return;
            };
            if !mounts
                .iter()
                .any(|m| m.get("mountPath") == Some(&json!(MOUNT_PATH)))
            {
                mounts.push(json!({"name": name, "readOnly": true, "mountPath": MOUNT_PATH}));
                mounted = true;
            }
        });
    }
    let volumes = object(value, "spec")
        .entry("volumes")
        .or_insert_with(|| json!([]));
    if let (true, Some(volumes)) = (mounted, volumes.as_array_mut()) {
        volumes.push(json!({"name": name, "projected": {"defaultMode": FILE_MODE, "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_LIFE_S, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
        ]}}));
    }
}
