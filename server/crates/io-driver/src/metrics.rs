//! The apiserver's metrics, under the original's names, and the load figures for the dashboard.

mod labels;
mod process;
mod text;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use apiserver::Change;
use client::Request;
use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// How many durations the load figures are taken from.
const RECENT_MAX: usize = 2048;

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Counters and histograms of one apiserver.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<labels::Answer, Counter>,
    durations: Histograms<labels::Duration>,
    sli_durations: Histograms<labels::About>,
    response_sizes: Histograms<labels::About>,
    body_sizes: Histograms<labels::Size>,
    long_running: Family<labels::About, Gauge>,
    in_flight: Family<labels::InFlight, Gauge>,
    handshake_errors: Counter,
    authentications: Family<labels::Attempt, Counter>,
    decisions: Family<labels::Decision, Counter>,
    admissions: Histograms<labels::Admission>,
    plugins: Histograms<labels::Plugin>,
    commits: Histograms<labels::Operation>,
    commit_counts: Family<labels::Operation, Counter>,
    watch_events: Family<labels::Watched, Counter>,
    watch_bytes: Histograms<labels::Watched>,
    dispatched: Family<labels::Stored, Counter>,
    cache_revision: Family<labels::Stored, Gauge>,
    objects: Family<labels::Stored, Gauge>,
    size: Gauge<i64, AtomicI64>,
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
    pub request: &'a Request,
    /// HTTP status code.
    pub code: u16,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Bytes of the answer before compression; `None` for streams and in-process clients.
    pub bytes: Option<usize>,
}

/// A request that lasts, such as a watch: counted until it is dropped.
#[derive(Debug)]
pub struct LongRunning(Gauge);

impl Drop for LongRunning {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 18))
}

fn frame_sizes() -> Histogram {
    Histogram::new(exponential_buckets(1024.0, 2.0, 8))
}

fn sizes() -> Histogram {
    Histogram::new(exponential_buckets(1000.0, 10.0, 7))
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(latency),
            sli_durations: Family::new_with_constructor(latency),
            response_sizes: Family::new_with_constructor(sizes),
            body_sizes: Family::new_with_constructor(sizes),
            long_running: Family::default(),
            in_flight: Family::default(),
            handshake_errors: Counter::default(),
            authentications: Family::default(),
            decisions: Family::default(),
            admissions: Family::new_with_constructor(latency),
            plugins: Family::new_with_constructor(latency),
            commits: Family::new_with_constructor(latency),
            commit_counts: Family::default(),
            watch_events: Family::default(),
            watch_bytes: Family::new_with_constructor(frame_sizes),
            dispatched: Family::default(),
            cache_revision: Family::default(),
            objects: Family::default(),
            size: Gauge::default(),
            revision: Gauge::default(),
            recent: Mutex::default(),
        };
        metrics
            .with_requests()
            .with_access()
            .with_watches()
            .with_store()
    }
}

impl Metrics {
    fn with_requests(mut self) -> Self {
        let r = &mut self.registry;
        let requests = "Requests answered, by verb, resource and code";
        r.register("apiserver_request", requests, self.requests.clone());
        r.register_with_unit(
            "apiserver_request_duration",
            "Time from request to answer",
            Unit::Seconds,
            self.durations.clone(),
        );
        r.register_with_unit(
            "apiserver_request_sli_duration",
            "Time from request to answer, of requests that end by themselves",
            Unit::Seconds,
            self.sli_durations.clone(),
        );
        r.register(
            "apiserver_response_sizes",
            "Sizes of answers before compression, in bytes",
            self.response_sizes.clone(),
        );
        r.register_with_unit(
            "apiserver_request_body_size",
            "Sizes of request bodies",
            Unit::Bytes,
            self.body_sizes.clone(),
        );
        r.register(
            "apiserver_longrunning_requests",
            "Open watches",
            self.long_running.clone(),
        );
        r.register(
            "apiserver_current_inflight_requests",
            "Requests being worked on",
            self.in_flight.clone(),
        );
        let build = [
            ("major", "1"),
            ("minor", "36"),
            ("platform", "wasm"),
            ("program", "glasshouse"),
        ];
        let build = Info::new(build.to_vec());
        r.register("kubernetes_build", "The version of Kubernetes", build);
        r.register_collector(Box::new(process::Process));
        self
    }

    fn with_access(mut self) -> Self {
        let r = &mut self.registry;
        r.register(
            "apiserver_tls_handshake_errors",
            "Connections that ended before TLS was established",
            self.handshake_errors.clone(),
        );
        r.register(
            "authentication_attempts",
            "Requests by whether their credentials were believed",
            self.authentications.clone(),
        );
        r.register(
            "apiserver_authorization_decisions",
            "Requests by whether they were allowed",
            self.decisions.clone(),
        );
        r.register_with_unit(
            "apiserver_admission_step_admission_duration",
            "Time that admission took",
            Unit::Seconds,
            self.admissions.clone(),
        );
        r.register_with_unit(
            "apiserver_admission_controller_admission_duration",
            "Time that each plugin of admission took",
            Unit::Seconds,
            self.plugins.clone(),
        );
        self
    }

    fn with_watches(mut self) -> Self {
        let r = &mut self.registry;
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
            "apiserver_watch_cache_events_dispatched",
            "Committed events that were handed to the watches, by resource",
            self.dispatched.clone(),
        );
        r.register(
            "apiserver_watch_cache_resource_version",
            "Newest revision that was handed to the watches, by resource",
            self.cache_revision.clone(),
        );
        self
    }

    fn with_store(mut self) -> Self {
        let r = &mut self.registry;
        r.register_with_unit(
            "etcd_request_duration",
            "Time from proposal to durable commit",
            Unit::Seconds,
            self.commits.clone(),
        );
        r.register(
            "etcd_requests",
            "Durable commits, by operation and resource",
            self.commit_counts.clone(),
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
        let about = labels::About::of(a.request);
        let seconds = a.duration_us as f64 / 1e6;
        if !matches!(about.verb, "WATCH" | "CONNECT") {
            self.sli_durations.get_or_create(&about).observe(seconds);
        }
        if let Some(bytes) = a.bytes {
            self.response_sizes
                .get_or_create(&about)
                .observe(bytes as f64);
        }
        let labels = labels::Duration::of(about, a.request);
        self.durations.get_or_create(&labels).observe(seconds);
        self.requests.get_or_create(&labels.with_code(a.code)).inc();
        let mut recent = self.recent.lock();
        recent.count += 1;
        if recent.durations_us.len() >= RECENT_MAX {
            recent.durations_us.pop_front();
        }
        recent.durations_us.push_back(a.duration_us);
    }

    /// Notes the size of a request's body, in bytes.
    pub fn received(&self, request: &Request, bytes: usize) {
        self.body_sizes
            .get_or_create(&labels::Size::of(request))
            .observe(bytes as f64);
    }

    /// Counts a request that lasts, until what is returned is dropped.
    #[must_use]
    pub fn long_running(&self, request: &Request) -> LongRunning {
        let gauge = self
            .long_running
            .get_or_create(&labels::About::of(request))
            .clone();
        gauge.inc();
        LongRunning(gauge)
    }

    /// Notes that a client's TLS handshake failed.
    pub fn handshake_failed(&self) {
        self.handshake_errors.inc();
    }

    /// Notes whether a user was allowed what they asked for.
    pub fn decided(&self, user: &str, is_allowed: bool) {
        self.decisions
            .get_or_create(&labels::Decision::of(user, is_allowed))
            .inc();
    }

    /// Notes how long admission took and whether it refused.
    pub fn admitted(&self, request: &Request, duration_us: u64, is_rejected: bool) {
        let labels = labels::Admission::of(request, is_rejected);
        self.admissions
            .get_or_create(&labels)
            .observe(duration_us as f64 / 1e6);
    }

    /// The same for one plugin of the chain.
    pub fn admitted_by(
        &self,
        plugin: &'static str,
        request: &Request,
        duration_us: u64,
        is_rejected: bool,
    ) {
        let labels = labels::Plugin::of(plugin, request, is_rejected);
        self.plugins
            .get_or_create(&labels)
            .observe(duration_us as f64 / 1e6);
    }

    /// Notes that so many requests are being worked on.
    pub fn in_flight(&self, mutating: bool, change: i64) {
        let request_kind = if mutating { "mutating" } else { "readOnly" };
        self.in_flight
            .get_or_create(&labels::InFlight { request_kind })
            .inc_by(change);
    }

    /// Notes a durable commit and the revision it made.
    pub fn committed(&self, request: &Request, duration_us: u64, revision: shared::Revision) {
        let labels = labels::Operation::of(request);
        self.commits
            .get_or_create(&labels)
            .observe(duration_us as f64 / 1e6);
        self.commit_counts.get_or_create(&labels).inc();
        self.revision.set(level(revision.0));
    }

    /// Notes changes that were handed to the watches.
    pub fn dispatched(&self, changes: &[Arc<Change>]) {
        let mut told = BTreeMap::new();
        for change in changes {
            if let Some(kind) = change.kind() {
                let (count, revision) = told.entry((kind.group, kind.plural)).or_insert((0, 0));
                *count += 1;
                *revision = change.revision().0;
            }
        }
        for ((group, resource), (count, revision)) in told {
            let labels = labels::Stored { group, resource };
            self.dispatched.get_or_create(&labels).inc_by(count);
            self.cache_revision
                .get_or_create(&labels)
                .set(level(revision));
        }
    }

    /// Notes events that were sent to a watch at a time.
    pub fn watch_events(&self, kind: &shared::KindRef, events: usize, bytes: usize) {
        let labels = labels::Watched {
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
            .get_or_create(&labels::Attempt { result })
            .inc();
    }

    /// Counts what the store holds, before it is told by [`Self::text`].
    pub fn count_objects(&self, registry: &apiserver::Registry, snapshot: &store::Snapshot) {
        for kind in registry.kinds() {
            let labels = labels::Stored {
                group: kind.group,
                resource: kind.plural,
            };
            let stored = snapshot.iter(&kind.storage_prefix()).count();
            self.objects
                .get_or_create(&labels)
                .set(level(stored as u64));
        }
        self.size.set(level(snapshot.size_bytes()));
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

    /// Everything in the text format that a client takes, and what that format is called.
    ///
    /// # Errors
    /// Never in practice: writing to a string cannot fail.
    pub fn text(&self, accept: &str) -> Result<(String, &'static str), std::fmt::Error> {
        let mut open = String::new();
        encode(&mut open, &self.registry)?;
        Ok(if text::wants_open_metrics(accept) {
            (open, text::OPEN_METRICS)
        } else {
            (text::prometheus(&open), text::PROMETHEUS)
        })
    }
}

/// A value that a gauge can hold.
fn level(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the original answers whatever is accepted, as recorded from it.
    const RECORDED_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

    #[test]
    fn the_format_is_the_originals_whatever_is_accepted() {
        for accept in [
            "*/*",
            "application/json",
            "application/yaml",
            "application/vnd.kubernetes.protobuf",
            "text/html",
            "image/png",
            "application/json;as=Table;v=v1;g=meta.k8s.io",
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
            "application/com.github.proto-openapi.spec.v3.v1.0+protobuf",
            "application/cbor",
        ] {
            let (_, format) = Metrics::default().text(accept).unwrap();
            assert_eq!(format, RECORDED_FORMAT, "{accept}");
        }
    }

    #[test]
    fn requests_are_counted_under_the_originals_names() {
        let metrics = Metrics::default();
        let pods = shared::KindRef::new("", "v1", "pods");
        let request = Request::list(pods.clone(), "a");
        for duration_us in 1..=100 {
            metrics.answered(Answered {
                request: &request,
                code: 200,
                duration_us,
                bytes: Some(500),
            });
        }
        metrics.watch_events(&pods, 3, 2000);
        let create = Request::create(pods, serde_json::json!({}));
        metrics.committed(&create, 700, shared::Revision(9));
        metrics.admitted(&create, 20, true);
        metrics.admitted_by("LimitRanger", &create, 5, false);
        metrics.decided("system:node:a", false);
        metrics.authenticated(false);
        metrics.in_flight(true, 1);
        let lasting = metrics.long_running(&request);
        drop(metrics.long_running(&request));
        let (text, format) = metrics.text("").unwrap();
        assert_eq!(format, RECORDED_FORMAT);
        drop(lasting);
        for line in [
            r#"apiserver_request_total{verb="LIST",group="",version="v1",resource="pods",subresource="",scope="namespace",component="apiserver",dry_run="",code="200"} 100"#,
            r#"apiserver_request_duration_seconds_count{verb="LIST",group="",version="v1",resource="pods",subresource="",scope="namespace",component="apiserver",dry_run=""} 100"#,
            r#"apiserver_request_sli_duration_seconds_count{verb="LIST",group="",version="v1",resource="pods",subresource="",scope="namespace",component="apiserver"} 100"#,
            r#"apiserver_response_sizes_sum{verb="LIST",group="",version="v1",resource="pods",subresource="",scope="namespace",component="apiserver"} 50000"#,
            r#"apiserver_longrunning_requests{verb="LIST",group="",version="v1",resource="pods",subresource="",scope="namespace",component="apiserver"} 1"#,
            r#"apiserver_admission_step_admission_duration_seconds_count{type="admit",operation="CREATE",rejected="true"} 1"#,
            r#"apiserver_admission_controller_admission_duration_seconds_count{name="LimitRanger",type="admit",operation="CREATE",rejected="false"} 1"#,
            r#"apiserver_authorization_decisions_total{type="Node",decision="denied"} 1"#,
            "# TYPE process_cpu_seconds_total counter",
            r#"apiserver_current_inflight_requests{request_kind="mutating"} 1"#,
            r#"apiserver_watch_events_total{group="",version="v1",resource="pods"} 3"#,
            r#"etcd_request_duration_seconds_count{operation="create",group="",resource="pods"} 1"#,
            r#"etcd_requests_total{operation="create",group="",resource="pods"} 1"#,
            r#"authentication_attempts_total{result="failure"} 1"#,
            r#"kubernetes_build_info{major="1",minor="36""#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert_eq!(metrics.load(), (100, 99));
    }
}
