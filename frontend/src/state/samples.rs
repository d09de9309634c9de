//! Manifests that the palette makes. Plain objects, sent like anybody's.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::live::Image;

/// The `schedulerName` of pods that wait for a hand instead of for kube-scheduler: no scheduler answers to it.
pub const BY_HAND: &str = "by-hand";

/// `hello-http` from `glasshouse.dev/hello-http:latest`.
#[must_use]
pub fn short_name(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split([':', '@']).next().unwrap_or(last)
}

/// The base name with the lowest number that is still free: `hello-http`, `hello-http-2`, ...
#[must_use]
pub fn free_name(base: &str, taken: &BTreeSet<String>) -> String {
    let base = label(base);
    if !taken.contains(&base) {
        return base;
    }
    (2..)
        .map(|n| format!("{base}-{n}"))
        .find(|n| !taken.contains(n))
        .unwrap_or(base)
}

/// Any text as a DNS label: lower case, dashes for the rest, at most 50 characters to leave room for suffixes.
#[must_use]
pub fn label(text: &str) -> String {
    let mapped: String = text
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                c
            } else {
                '-'
            }
        })
        .take(50)
        .collect();
    let trimmed = mapped.trim_matches('-');
    if trimmed.is_empty() {
        "pod".into()
    } else {
        trimmed.into()
    }
}

/// Who places a new pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// kube-scheduler.
    #[default]
    Scheduler,
    /// Nobody yet: it waits for a hand.
    ByHand,
    /// A hand, at once, here.
    Node(String),
}

/// A Pod with one container.
#[must_use]
pub fn pod(name: &str, namespace: &str, image: &Image, placement: &Placement) -> Value {
    let mut spec = pod_spec(image);
    if *placement != Placement::Scheduler {
        spec["schedulerName"] = json!(BY_HAND);
    }
    if let Some(policy) = restart_policy(image) {
        spec["restartPolicy"] = json!(policy);
    }
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}}, "spec": spec})
}

/// A Deployment of such pods.
#[must_use]
pub fn deployment(name: &str, namespace: &str, image: &Image, replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod_spec(image)}}})
}

/// A Service in front of the pods labelled `app: SELECTS`.
#[must_use]
pub fn service(name: &str, namespace: &str, selects: &str, port: u16, node_port: bool) -> Value {
    json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": if node_port { "NodePort" } else { "ClusterIP" }, "selector": {"app": selects},
            "ports": [{"port": 80, "targetPort": port}]}})
}

/// A Namespace.
#[must_use]
pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn pod_spec(image: &Image) -> Value {
    let mut container = json!({"name": label(short_name(&image.name)), "image": image.name});
    if image.what.contains("http") {
        container["ports"] = json!([{"containerPort": 8080}]);
    }
    // The two hogs are there to meet their limits; the client needs somebody to call.
    match short_name(&image.name) {
        "memory-hog" => container["resources"] = json!({"limits": {"memory": "32Mi"}}),
        "cpu-hog" => container["resources"] = json!({"limits": {"cpu": "100m"}}),
        "http-client" => {
            container["env"] = json!([{"name": "TARGET", "value": "web.default.svc:80/"}]);
        }
        _ => {}
    }
    json!({"containers": [container]})
}

/// For programs that do their work and exit: restarted after success they would only look broken. A sample is known to
/// end; somebody's command is only known not to be a server of HTTP, so it is still restarted when it fails.
fn restart_policy(image: &Image) -> Option<&'static str> {
    let somebodys_command = image.uploaded && !image.what.contains("http");
    match short_name(&image.name) {
        "counter-cli" => Some("Never"),
        _ => somebodys_command.then_some("OnFailure"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str, what: &str) -> Image {
        Image {
            name: name.into(),
            what: what.into(),
            ..Image::default()
        }
    }

    #[test]
    fn names_are_free_labels() {
        for (image, want) in [
            ("glasshouse.dev/hello-http:latest", "hello-http"),
            ("nginx", "nginx"),
            ("a/b@sha256:00", "b"),
            ("localhost:5000/x:1", "x"),
        ] {
            assert_eq!(short_name(image), want);
        }
        let taken: BTreeSet<String> = ["web", "web-2"].map(String::from).into();
        assert_eq!(free_name("web", &taken), "web-3");
        assert_eq!(free_name("My App!.wasm", &taken), "my-app--wasm");
        assert_eq!(free_name("<>", &taken), "pod");
        assert!(shared::name::dns_label(&label(&"é".repeat(99))).is_none());
    }

    #[test]
    fn only_what_ends_is_left_ended() {
        for (name, what, uploaded, want) in [
            (
                "glasshouse.dev/counter-cli:latest",
                "command component",
                false,
                json!("Never"),
            ),
            (
                "glasshouse.dev/echo-tcp:latest",
                "command component",
                false,
                json!(null),
            ),
            ("mine", "command component", true, json!("OnFailure")),
            ("mine", "http component", true, json!(null)),
        ] {
            let image = Image {
                uploaded,
                ..image(name, what)
            };
            let pod = pod("p", "default", &image, &Placement::Scheduler);
            assert_eq!(pod["spec"]["restartPolicy"], want, "{name} {what}");
        }
    }

    #[test]
    fn pods_say_who_places_them() {
        let http = image("glasshouse.dev/hello-http:latest", "http component");
        let scheduled = pod("a", "default", &http, &Placement::Scheduler);
        assert_eq!(scheduled.pointer("/spec/schedulerName"), None);
        assert_eq!(
            scheduled["spec"]["containers"][0]["ports"][0]["containerPort"],
            8080
        );
        for placement in [Placement::ByHand, Placement::Node("n".into())] {
            let by_hand = pod("a", "default", &http, &placement);
            assert_eq!(by_hand["spec"]["schedulerName"], BY_HAND);
            assert_eq!(by_hand.pointer("/spec/nodeName"), None);
        }
    }
}
