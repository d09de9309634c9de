//! Requests as text: `METHOD URL`, headers, an empty line, a body. And an apiserver that answers them.

use std::panic::{AssertUnwindSafe, RefUnwindSafe};

use apiserver::{ApiServer, Config, Context, HttpRequest, Outcome, Parsed, User};
use serde_json::{Value, json};
use shared::Millis;
use shared::scenario::Scenario;
use store::{Snapshot, Store};

/// Objects of the kinds whose bodies come as protobuf from stock clients.
pub(crate) fn objects() -> Vec<Value> {
    let pod = json!({"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}],
        "resources": {"requests": {"cpu": "100m"}}, "livenessProbe": {"httpGet": {"port": "web"}}}],
        "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}]});
    vec![
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "b"}}, "spec": pod}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 1,
            "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod}}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "djE="}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}}),
    ]
}

/// The same as JSON.
pub(crate) fn bodies() -> Vec<Vec<u8>> {
    objects()
        .iter()
        .map(|o| o.to_string().into_bytes())
        .collect()
}

/// A link to a scenario.
pub(crate) fn links() -> Vec<Vec<u8>> {
    let scenario = Scenario {
        title: "Two pods".into(),
        ..Scenario::default()
    };
    vec![scenario.encode().expect("a link").into_bytes()]
}

/// An apiserver over a small cluster.
pub(crate) struct Server {
    api: AssertUnwindSafe<ApiServer>,
    snapshot: AssertUnwindSafe<Snapshot>,
}

impl RefUnwindSafe for Server {}

impl Server {
    /// With what a fresh cluster has.
    pub(crate) fn new() -> Self {
        let api = ApiServer::new(Config::default());
        let mut store = Store::new();
        for (seed, request) in (1..).zip(api.bootstrap()) {
            let (snapshot, mut observer) = (store.snapshot(), ());
            let user = admin();
            let mut ctx = Context::new(&user, Millis(0), seed, &snapshot, &mut observer);
            if let Ok(Outcome::Commit(proposal)) = api.handle(&request, &mut ctx) {
                store.commit(proposal.txn.clone()).expect("a commit");
            }
        }
        Self {
            snapshot: AssertUnwindSafe(store.snapshot()),
            api: AssertUnwindSafe(api),
        }
    }

    /// What the store holds.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }

    /// Decides a request, as far as its commit.
    pub(crate) fn answer(&self, bytes: &[u8]) {
        let (head, body) = split(bytes);
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let (method, url) = lines
            .next()
            .and_then(|l| l.split_once(' '))
            .unwrap_or_default();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let mut http = HttpRequest {
            method,
            path,
            query,
            body,
            user_agent: "fuzz/1",
            ..HttpRequest::default()
        };
        for (name, value) in lines.filter_map(|l| l.split_once(": ")) {
            match name {
                "Content-Type" => http.content_type = value,
                "Accept" => http.accept = value,
                _ => {}
            }
        }
        let Ok(parsed) = self.api.parse(&http) else {
            return;
        };
        let _ = self.api.negotiate(&http, &parsed);
        if let Parsed::Resource(request) = &parsed {
            let (user, mut observer) = (admin(), ());
            let mut ctx = Context::new(&user, Millis(0), 7, &self.snapshot, &mut observer);
            if let Err(status) = self.api.handle(request, &mut ctx) {
                assert!((400..600).contains(&status.code), "{status:?}");
            }
        }
    }
}

fn admin() -> User {
    User::new("kubernetes-admin", &["system:masters"])
}

fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.windows(2).position(|w| w == b"\n\n") {
        Some(at) => (&bytes[..at], &bytes[at + 2..]),
        None => (bytes, b""),
    }
}
