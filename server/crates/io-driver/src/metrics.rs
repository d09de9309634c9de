//! The apiserver's metrics, under the original's names, and the load figures for the dashboard.

use std::collections::VecDeque;
use std::sync::atomic::AtomicI64;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// How many durations the load figures are taken from.
const RECENT_MAX: usize = 2048;

/// What a request was about; at most one set of labels per verb, resource and code that was really used.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    verb: &'static str,
    group: String,
    version: String,
    resource: String,
    subresource: String,
    scope: &'static str,
    component: &'static str,
    dry_run: &'static str,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    verb: &'static str,
    group: String,
    version: String,
    resource: String,
    subresource: String,
    scope: &'static str,
    component: &'static str,
    dry_run: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    request_kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchLabels {
    group: String,
    version: String,
    resource: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreLabels {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabels {
    group: &'static str,
    resource: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Counters and histograms of one apiserver.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Histograms<DurationLabels>,
    in_flight: Family<KindLabels, Gauge>,
    commits: Histograms<StoreLabels>,
    watch_events: Family<WatchLabels, Counter>,
    watch_bytes: Histograms<WatchLabels>,
    authentications: Family<ResultLabels, Counter>,
    objects: Family<ObjectLabels, Gauge>,
    size: Gauge<i64, AtomicI64>,
    watchers: Gauge<i64, AtomicI64>,
    revision: Gauge<i64, AtomicI64>,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    durations_us: VecDeque<u64>,
    count: u64,
}

/// One answered request.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// What it was.
    pub request: &'a client::Request,
    /// HTTP status code.
    pub code: u16,
    /// How long it took, in microseconds.
    pub duration_us: u64,
}

/// The verb as the original's metrics have it (`apiserver/pkg/endpoints/metrics`).
fn verb(request: &client::Request) -> &'static str {
    use client::{PatchKind, Verb};
    if ["exec", "attach", "portforward", "proxy", "log"].contains(&request.subresource.as_str()) {
        return "CONNECT";
    }
    let is_apply = match &request.body {
        client::Body::Patch(kind, _) => *kind == PatchKind::Apply,
        client::Body::Encoded { content_type, .. } => {
            content_type.starts_with(PatchKind::Apply.content_type())
        }
        _ => false,
    };
    match request.verb {
        Verb::Get => "GET",
        Verb::List => "LIST",
        Verb::Watch => "WATCH",
        Verb::Create => "POST",
        Verb::Update => "PUT",
        Verb::Patch if is_apply => "APPLY",
        Verb::Patch => "PATCH",
        Verb::Delete => "DELETE",
        Verb::DeleteCollection => "DELETECOLLECTION",
    }
}

fn scope(request: &client::Request) -> &'static str {
    if !request.name.is_empty() || request.verb == client::Verb::Create {
        "resource"
    } else if request.namespace.is_empty() {
        "cluster"
    } else {
        "namespace"
    }
}

impl DurationLabels {
    fn of(request: &client::Request) -> Self {
        Self {
            verb: verb(request),
            group: request.kind.group.clone(),
            version: request.kind.version.clone(),
            resource: request.kind.plural.clone(),
            subresource: request.subresource.clone(),
            scope: scope(request),
            component: "apiserver",
            dry_run: if request.options.dry_run { "All" } else { "" },
        }
    }

    fn with_code(&self, code: u16) -> RequestLabels {
        let Self {
            verb,
            group,
            version,
            resource,
            subresource,
            scope,
            component,
            dry_run,
        } = self.clone();
        RequestLabels {
            verb,
            group,
            version,
            resource,
            subresource,
            scope,
            component,
            dry_run,
            code,
        }
    }
}

fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 18))
}

fn sizes() -> Histogram {
    Histogram::new(exponential_buckets(1024.0, 2.0, 8))
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(latency),
            in_flight: Family::default(),
            commits: Family::new_with_constructor(latency),
            watch_events: Family::default(),
            watch_bytes: Family::new_with_constructor(sizes),
            authentications: Family::default(),
            objects: Family::default(),
            size: Gauge::default(),
            watchers: Gauge::default(),
            revision: Gauge::default(),
            recent: Mutex::default(),
        };
        metrics.registered().registered_store()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let r = &mut self.registry;
        let requests = "Requests answered, by verb, resource and code";
        r.register("apiserver_request", requests, self.requests.clone());
        r.register_with_unit(
            "apiserver_request_duration",
            "Time from request to answer",
            Unit::Seconds,
            self.durations.clone(),
        );
        r.register(
            "apiserver_current_inflight_requests",
            "Requests being worked on",
            self.in_flight.clone(),
        );
        r.register(
            "apiserver_registered_watchers",
            "Open watches",
            self.watchers.clone(),
        );
        r.register(
            "apiserver_watch_events",
            "Events sent to watches over HTTP",
            self.watch_events.clone(),
        );
        r.register(
            "apiserver_watch_events_sizes",
            "Sizes of what is sent to watches at a time, in bytes",
            self.watch_bytes.clone(),
        );
        r.register(
            "authentication_attempts",
            "Requests by whether their credentials were believed",
            self.authentications.clone(),
        );
        let build = [
            ("major", "1"),
            ("minor", "36"),
            ("platform", "wasm"),
            ("program", "glasshouse"),
        ];
        let build = Info::new(build.to_vec());
        r.register("kubernetes_build", "The version of Kubernetes", build);
        self
    }

    fn registered_store(mut self) -> Self {
        let r = &mut self.registry;
        r.register_with_unit(
            "etcd_request_duration",
            "Time from proposal to durable commit",
            Unit::Seconds,
            self.commits.clone(),
        );
        r.register(
            "apiserver_resource_objects",
            "Stored objects, by resource",
            self.objects.clone(),
        );
        r.register_with_unit(
            "apiserver_storage_size",
            "What the store holds in memory, history included",
            Unit::Bytes,
            self.size.clone(),
        );
        r.register(
            "etcd_debugging_mvcc_current_revision",
            "Newest revision of the store",
            self.revision.clone(),
        );
        self
    }

    /// Counts an answered request.
    pub fn answered(&self, a: Answered<'_>) {
        let labels = DurationLabels::of(a.request);
        self.requests.get_or_create(&labels.with_code(a.code)).inc();
        self.durations
            .get_or_create(&labels)
            .observe(a.duration_us as f64 / 1e6);
        let mut recent = self.recent.lock();
        recent.count += 1;
        if recent.durations_us.len() >= RECENT_MAX {
            recent.durations_us.pop_front();
        }
        recent.durations_us.push_back(a.duration_us);
    }

    /// Notes that so many requests are being worked on.
    pub fn in_flight(&self, mutating: bool, change: i64) {
        let request_kind = if mutating { "mutating" } else { "readOnly" };
        self.in_flight
            .get_or_create(&KindLabels { request_kind })
            .inc_by(change);
    }

    /// Notes a durable commit and the revision it made.
    pub fn committed(&self, duration_us: u64, revision: shared::Revision) {
        self.commits
            .get_or_create(&StoreLabels { operation: "txn" })
            .observe(duration_us as f64 / 1e6);
        self.revision
            .set(i64::try_from(revision.0).unwrap_or(i64::MAX));
    }

    /// Notes that a watch was opened or closed.
    pub fn watchers(&self, change: i64) {
        self.watchers.inc_by(change);
    }

    /// Notes events that were sent to a watch at a time.
    pub fn watch_events(&self, kind: &shared::KindRef, events: usize, bytes: usize) {
        let labels = WatchLabels {
            group: kind.group.clone(),
            version: kind.version.clone(),
            resource: kind.plural.clone(),
        };
        self.watch_events
            .get_or_create(&labels)
            .inc_by(events as u64);
        self.watch_bytes
            .get_or_create(&labels)
            .observe(bytes as f64);
    }

    /// Notes whether a request's credentials were believed.
    pub fn authenticated(&self, believed: bool) {
        let result = if believed { "success" } else { "failure" };
        self.authentications
            .get_or_create(&ResultLabels { result })
            .inc();
    }

    /// Counts what the store holds, before it is told by [`Self::text`].
    pub fn count_objects(&self, registry: &apiserver::Registry, snapshot: &store::Snapshot) {
        for kind in registry.kinds() {
            let labels = ObjectLabels {
                group: kind.group,
                resource: kind.plural,
            };
            let stored = snapshot.iter(&kind.storage_prefix()).count();
            self.objects
                .get_or_create(&labels)
                .set(i64::try_from(stored).unwrap_or(i64::MAX));
        }
        self.size
            .set(i64::try_from(snapshot.size_bytes()).unwrap_or(i64::MAX));
    }

    /// How many requests were answered since the start, and the 99th percentile of the recent ones in microseconds.
    #[must_use]
    pub fn load(&self) -> (u64, u64) {
        let recent = self.recent.lock();
        let mut sorted: Vec<u64> = recent.durations_us.iter().copied().collect();
        sorted.sort_unstable();
        let p99 = sorted
            .get(sorted.len().saturating_sub(1) * 99 / 100)
            .copied()
            .unwrap_or(0);
        (recent.count, p99)
    }

    /// Everything in the text format of `/metrics`.
    ///
    /// # Errors
    /// Never in practice: writing to a string cannot fail.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_under_the_originals_names() {
        let metrics = Metrics::default();
        let pods = shared::KindRef::new("", "v1", "pods");
        let request = client::Request::list(pods.clone(), "a");
        for duration_us in 1..=100 {
            metrics.answered(Answered {
                request: &request,
                code: 200,
                duration_us,
            });
        }
        metrics.watch_events(&pods, 3, 2000);
        metrics.committed(700, shared::Revision(9));
        metrics.authenticated(false);
        metrics.in_flight(true, 1);
        let text = metrics.text().unwrap();
        for line in [
            r#"apiserver_request_total{verb="LIST",group="",version="v1",resource="pods",subresource="",scope="namespace",component="apiserver",dry_run="",code="200"} 100"#,
            r#"apiserver_request_duration_seconds_count{verb="LIST",group="",version="v1",resource="pods",subresource="",scope="namespace",component="apiserver",dry_run=""} 100"#,
            r#"apiserver_current_inflight_requests{request_kind="mutating"} 1"#,
            r#"apiserver_watch_events_total{group="",version="v1",resource="pods"} 3"#,
            r#"etcd_request_duration_seconds_count{operation="txn"} 1"#,
            r#"authentication_attempts_total{result="failure"} 1"#,
            r#"kubernetes_build_info{major="1",minor="36""#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert_eq!(metrics.load(), (100, 99));
    }
}
