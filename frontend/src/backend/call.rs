//! Requests as data: what the page would send, with the command line that does the same. Sends nothing.

use serde_json::{Value, json};
use shared::live::ClockChange;
use shared::{KindRef, ObjectKey, kind, path};

use crate::state::route::escape;

/// One request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// HTTP method.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// `Content-Type` of the body.
    pub content_type: &'static str,
    /// JSON body.
    pub body: Option<Value>,
    /// YAML that goes instead of the body, when the user has edited it.
    pub edited: Option<String>,
    /// The command line that does the same.
    pub line: String,
}

const JSON: &str = "application/json";
/// Where the cluster clock is changed.
pub const CLOCK: &str = "/glasshouse/v1/clock";

/// Creates an object. `None` when its kind is not one that the cluster serves.
#[must_use]
pub fn create(object: &Value) -> Option<Call> {
    let field = |p: &str| {
        object
            .pointer(p)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let row = kind::find_by_kind(field("/apiVersion"), field("/kind"))?;
    let namespace = match (row.namespaced, field("/metadata/namespace")) {
        (false, _) => "",
        (true, "") => "default",
        (true, ns) => ns,
    };
    Some(Call {
        method: "POST",
        path: path::collection(&row.reference(), namespace),
        content_type: JSON,
        body: Some(object.clone()),
        line: "kubectl create -f -".into(),
        ..Call::default()
    })
}

/// Binds a pod to a node (`pods/binding`, the call that the scheduler makes).
#[must_use]
pub fn bind(pod: &ObjectKey, node: &str) -> Call {
    let at = path::subresource(&KindRef::new("", "v1", "pods"), pod, "binding");
    Call {
        method: "POST",
        line: format!("kubectl create --raw {at} -f -"),
        path: at,
        content_type: JSON,
        body: Some(json!({"apiVersion": "v1", "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node}})),
        ..Call::default()
    }
}

/// Deletes an object of a built-in kind.
#[must_use]
pub fn delete(kind: &KindRef, key: &ObjectKey) -> Call {
    let namespace = in_namespace(key);
    Call {
        method: "DELETE",
        path: path::object(kind, key),
        content_type: JSON,
        body: None,
        line: format!("kubectl delete {} {}{namespace}", kind.plural, key.name),
        ..Call::default()
    }
}

/// Deletes an object if it still is the one with this UID: another of the same name is left alone (409).
#[must_use]
pub fn delete_uid(kind: &KindRef, key: &ObjectKey, uid: &str) -> Call {
    Call {
        body: Some(
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}),
        ),
        ..delete(kind, key)
    }
}

/// Replaces an object (PUT). `None` when its kind is not one that the cluster serves.
#[must_use]
pub fn replace(object: &Value) -> Option<Call> {
    let text = |p: &str| object.pointer(p).and_then(Value::as_str);
    let created = create(object)?;
    let name = text("/metadata/name").unwrap_or_default();
    Some(Call {
        method: "PUT",
        path: format!("{}/{}", created.path, escape(name)),
        line: "kubectl replace -f -".into(),
        ..created
    })
}

/// Changes parts of an object; `how` is the patch's media type without `application/` and `-patch+json`.
#[must_use]
pub fn patch(kind: &KindRef, key: &ObjectKey, how: &'static str, patch: &Value) -> Call {
    let (content_type, option) = match how {
        "merge" => ("application/merge-patch+json", " --type=merge"),
        _ => ("application/strategic-merge-patch+json", ""),
    };
    Call {
        method: "PATCH",
        path: path::object(kind, key),
        content_type,
        body: Some(patch.clone()),
        line: format!(
            "kubectl patch {} {}{}{option} -p '{patch}'",
            kind.plural,
            key.name,
            in_namespace(key)
        ),
        ..Call::default()
    }
}

/// Asks politely for a pod's end: refused while a PodDisruptionBudget would be violated.
#[must_use]
pub fn evict(pod: &ObjectKey) -> Call {
    let at = path::subresource(&KindRef::new("", "v1", "pods"), pod, "eviction");
    Call {
        method: "POST",
        line: format!("kubectl create --raw {at} -f -"),
        path: at,
        content_type: JSON,
        body: Some(json!({"apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace}})),
        ..Call::default()
    }
}

fn in_namespace(key: &ObjectKey) -> String {
    if key.namespace.is_empty() {
        String::new()
    } else {
        format!(" -n {}", key.namespace)
    }
}

impl Call {
    /// The same call as a question: the server judges it and stores nothing.
    #[must_use]
    pub fn dry_run(&self) -> Self {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        Self {
            path: format!("{}{joint}dryRun=All&fieldValidation=Strict", self.path),
            ..self.clone()
        }
    }

    /// Whether its body is a whole object, which can be edited as YAML.
    #[must_use]
    pub fn is_editable(&self) -> bool {
        let whole = matches!(self.method, "POST" | "PUT") && self.body.is_some();
        // What is no API of Kubernetes knows no dry run: it would act.
        whole
            && self.path.starts_with("/api")
            && !self.path.ends_with("/binding")
            && !self.path.ends_with("/eviction")
    }
}

/// Sets a Deployment's replicas.
#[must_use]
pub fn scale(deployment: &ObjectKey, replicas: u32) -> Call {
    Call {
        method: "PATCH",
        path: path::subresource(
            &KindRef::new("apps", "v1", "deployments"),
            deployment,
            "scale",
        ),
        content_type: "application/merge-patch+json",
        body: Some(json!({"spec": {"replicas": replicas}})),
        line: format!(
            "kubectl scale deployment {} --replicas={replicas} -n {}",
            deployment.name, deployment.namespace
        ),
        ..Call::default()
    }
}

/// Cuts a node off, or gives it back: its process, with no word to the apiserver.
#[must_use]
pub fn node_power(node: &str, on: bool) -> Call {
    let verb = if on { "start" } else { "stop" };
    let at = format!("/glasshouse/v1/nodes/{}/{verb}", escape(node));
    Call {
        method: "POST",
        line: format!("curl -X POST {at}   # no kubectl verb: this is the machine's power switch"),
        path: at,
        content_type: JSON,
        body: None,
        ..Call::default()
    }
}

/// Pauses, steps or rates the cluster clock.
#[must_use]
pub fn clock(change: &ClockChange) -> Call {
    Call {
        method: "POST",
        path: CLOCK.into(),
        content_type: JSON,
        body: serde_json::to_value(change).ok(),
        line: String::new(),
        ..Call::default()
    }
}

/// How a log is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogWish {
    /// The run before this one, which ends; otherwise the present one, followed.
    pub previous: bool,
    /// A time in front of each line.
    pub timestamps: bool,
    /// Only so many lines from the end; all of them without.
    pub tail: Option<u32>,
}

/// The path of a container's log.
#[must_use]
pub fn log_path(pod: &ObjectKey, container: &str, wish: LogWish) -> String {
    let at = path::subresource(&KindRef::new("", "v1", "pods"), pod, "log");
    let which = if wish.previous { "previous" } else { "follow" };
    let times = if wish.timestamps {
        "&timestamps=true"
    } else {
        ""
    };
    let tail = wish
        .tail
        .map_or_else(String::new, |n| format!("&tailLines={n}"));
    format!(
        "{at}?container={}&{which}=true{times}{tail}",
        escape(container)
    )
}

/// The path of a command in a container, with its standard streams and no terminal.
#[must_use]
pub fn exec_path(pod: &ObjectKey, container: &str, command: &[&str]) -> String {
    let at = path::subresource(&KindRef::new("", "v1", "pods"), pod, "exec");
    let words = command.iter().map(|w| format!("&command={}", escape(w)));
    format!(
        "{at}?container={}&stdin=true&stdout=true&stderr=true{}",
        escape(container),
        words.collect::<String>()
    )
}

/// The path that takes an upload.
#[must_use]
pub fn upload_path(name: &str) -> String {
    format!("/glasshouse/v1/images?name={}", escape(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(call: &Call, want: &str) {
        let body = call.body.as_ref().map(Value::to_string).unwrap_or_default();
        assert_eq!(
            format!("{} {} {body} | {}", call.method, call.path, call.line),
            want
        );
    }

    #[test]
    fn requests_are_what_kubectl_would_send() {
        let pod = ObjectKey::new("shop", "web");
        check(
            &bind(&pod, "node-2"),
            r#"POST /api/v1/namespaces/shop/pods/web/binding {"apiVersion":"v1","kind":"Binding","metadata":{"name":"web","namespace":"shop"},"target":{"apiVersion":"v1","kind":"Node","name":"node-2"}} | kubectl create --raw /api/v1/namespaces/shop/pods/web/binding -f -"#,
        );
        check(
            &delete(&KindRef::new("", "v1", "pods"), &pod),
            "DELETE /api/v1/namespaces/shop/pods/web  | kubectl delete pods web -n shop",
        );
        check(
            &scale(&pod, 5),
            r#"PATCH /apis/apps/v1/namespaces/shop/deployments/web/scale {"spec":{"replicas":5}} | kubectl scale deployment web --replicas=5 -n shop"#,
        );
        check(
            &clock(&ClockChange {
                rate: Some(60.0),
                step_ms: None,
            }),
            r#"POST /glasshouse/v1/clock {"rate":60.0} | "#,
        );
        let wish = |previous, timestamps, tail| LogWish {
            previous,
            timestamps,
            tail,
        };
        for (wish, want) in [
            (wish(false, false, Some(200)), "follow=true&tailLines=200"),
            (wish(true, true, None), "previous=true&timestamps=true"),
        ] {
            assert_eq!(
                log_path(&pod, "a b&c", wish),
                format!("/api/v1/namespaces/shop/pods/web/log?container=a%20b%26c&{want}")
            );
        }
    }

    #[test]
    fn objects_go_to_their_collections() {
        for (object, want) in [
            (
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop"}}),
                Some("/api/v1/namespaces/shop/pods"),
            ),
            (
                json!({"apiVersion": "v1", "kind": "Pod"}),
                Some("/api/v1/namespaces/default/pods"),
            ),
            (
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"namespace": "x"}}),
                Some("/api/v1/namespaces"),
            ),
            (
                json!({"apiVersion": "apps/v1", "kind": "Deployment"}),
                Some("/apis/apps/v1/namespaces/default/deployments"),
            ),
            (json!({"apiVersion": "v9", "kind": "Pod"}), None),
            (json!(null), None),
        ] {
            assert_eq!(create(&object).map(|c| c.path).as_deref(), want);
        }
    }
}
