//! The ConfigMap `kube-system/image-aliases`: which Linux image names stand for workloads of ours.
//!
//! Made once if nobody has; from then on it belongs to the cluster's users, and every change is taken over by the
//! engine. The manifests of the Kubernetes documentation say `nginx` and `busybox`; this is where those names become
//! something that runs.

use std::collections::BTreeMap;
use std::future::Future;

use client::{Answer, Cache, Call, CallId, Calls, Component, Interest, Observed, Request};
use io_driver::run::Attachment;
use serde_json::{Value, json};
use shared::{KindRef, Millis, ObjectKey, Status};

const NAMESPACE: &str = "kube-system";
const NAME: &str = "image-aliases";
/// The names that teaching manifests use most.
const FIRST: [(&str, &str); 8] = [
    ("alpine", "glasshouse.dev/busybox:latest"),
    ("busybox", "glasshouse.dev/busybox:latest"),
    ("databaseD", "glasshouse.dev/kv-store:latest"),
    ("echoserver", "glasshouse.dev/hello-http:latest"),
    ("hello-app", "glasshouse.dev/hello-http:latest"),
    ("httpd", "glasshouse.dev/hello-http:latest"),
    ("nginx", "glasshouse.dev/hello-http:latest"),
    ("redis", "glasshouse.dev/kv-store:latest"),
];
/// How long to wait before the ConfigMap is tried again, in milliseconds.
const RETRY_MS: u64 = 1000;

/// Keeps the aliases.
#[derive(Debug, Default)]
pub(crate) struct ImageAliases {
    cache: Cache,
    calls: Calls<()>,
    retry_at: Option<Millis>,
    was_made: bool,
}

fn config_maps() -> KindRef {
    KindRef::new("", "v1", "configmaps")
}

impl ImageAliases {
    fn map(&self) -> Option<BTreeMap<String, String>> {
        let map = self
            .cache
            .get(&config_maps(), &ObjectKey::new(NAMESPACE, NAME))?;
        let data = map
            .at("/data")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        Some(
            data.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
                .collect(),
        )
    }
}

impl Component for ImageAliases {
    fn name(&self) -> &str {
        "image-aliases"
    }

    fn interests(&self) -> Vec<Interest> {
        let mut interest = Interest::fields(config_maps(), &format!("metadata.name={NAME}"));
        interest.namespace = NAMESPACE.into();
        vec![interest]
    }

    fn observe(&mut self, observed: Observed, _now: Millis) {
        self.cache.apply(observed);
    }

    fn poll(&mut self, now: Millis) -> Vec<Call> {
        let is_waiting =
            self.calls.pending().next().is_some() || self.retry_at.is_some_and(|at| at > now);
        // Deleted on purpose, it stays deleted until the next start.
        self.was_made |= self.map().is_some();
        if is_waiting || self.was_made || !self.cache.has_synced(&config_maps()) {
            return self.calls.drain();
        }
        self.retry_at = None;
        let aliases: BTreeMap<_, _> = FIRST.into_iter().collect();
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": NAME,
                "namespace": NAMESPACE,
                "annotations": {"kubernetes.io/description": "Linux image names and the Wasm workloads that stand for them on this cluster."},
            },
            "data": aliases,
        });
        self.calls
            .send(Request::create(config_maps(), map), None, ());
        self.calls.drain()
    }

    fn answer(&mut self, id: CallId, answer: Result<Answer, Status>, now: Millis) {
        self.calls.answered(id);
        if let Some(map) = answer.as_ref().ok().and_then(Answer::object) {
            self.cache.remember(&config_maps(), map);
        } else if answer.is_err_and(|status| !status.is_already_exists()) {
            self.retry_at = Some(now.plus_ms(RETRY_MS));
        }
    }

    fn wake(&self) -> Option<(Millis, &'static str)> {
        self.retry_at.map(|at| (at, "retry"))
    }
}

/// Hands the aliases to whoever resolves image names.
pub(crate) struct TakeOver<F> {
    known: Option<BTreeMap<String, String>>,
    set: F,
}

impl<F: FnMut(BTreeMap<String, String>) + Send> TakeOver<F> {
    pub(crate) fn new(set: F) -> Self {
        Self { known: None, set }
    }
}

impl<F: FnMut(BTreeMap<String, String>) + Send> Attachment<ImageAliases> for TakeOver<F> {
    type Input = std::convert::Infallible;

    fn next(&mut self) -> impl Future<Output = Self::Input> + Send {
        std::future::pending()
    }

    fn input(&mut self, _: &mut ImageAliases, input: Self::Input, _: Millis) {
        match input {}
    }

    fn settle(&mut self, aliases: &mut ImageAliases, _: Millis) {
        let map = aliases.map();
        if map != self.known {
            self.known.clone_from(&map);
            (self.set)(map.unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::{Object, Revision};

    fn list(aliases: &mut ImageAliases, objects: Vec<Object>) -> usize {
        aliases.observe(
            Observed::Replaced {
                kind: config_maps(),
                revision: Revision(1),
                objects,
            },
            Millis(0),
        );
        aliases.poll(Millis(0)).len()
    }

    fn map(data: Value) -> Object {
        Object::new(
            json!({"metadata": {"name": NAME, "namespace": NAMESPACE, "resourceVersion": "3"}, "data": data}),
        )
    }

    #[test]
    fn the_map_is_made_once_and_then_left_to_its_users() {
        let mut aliases = ImageAliases::default();
        assert_eq!(list(&mut aliases, vec![]), 1);
        assert_eq!(aliases.poll(Millis(0)).len(), 0, "one is on its way");
        assert_eq!(
            list(
                &mut aliases,
                vec![map(json!({"redis": "glasshouse.dev/kv:latest"}))]
            ),
            0
        );
        let expected =
            BTreeMap::from([("redis".to_owned(), "glasshouse.dev/kv:latest".to_owned())]);
        assert_eq!(aliases.map(), Some(expected));
        assert_eq!(list(&mut aliases, vec![]), 0, "deleted on purpose");
    }
}
