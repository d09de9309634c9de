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
use prometheus_client::registry::Registry;

/// How many durations the load figures are taken from.
const RECENT_MAX: usize = 2048;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    verb: String,
    group: String,
    resource: String,
    subresource: String,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerbLabels {
    verb: String,
    resource: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    request_kind: &'static str,
}

/// Counters and histograms of one apiserver.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<VerbLabels, Histogram, fn() -> Histogram>,
    in_flight: Family<KindLabels, Gauge>,
    commits: Histogram,
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
    /// The verb's word.
    pub verb: &'a str,
    /// API group.
    pub group: &'a str,
    /// Plural, or the path of a request that names no resource.
    pub resource: &'a str,
    /// Subresource.
    pub subresource: &'a str,
    /// HTTP status code.
    pub code: u16,
    /// How long it took, in microseconds.
    pub duration_us: u64,
}

fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 18))
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(latency),
            in_flight: Family::default(),
            commits: latency(),
            watchers: Gauge::default(),
            revision: Gauge::default(),
            recent: Mutex::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let r = &mut self.registry;
        r.register(
            "apiserver_request",
            "Requests answered, by verb, resource and code",
            self.requests.clone(),
        );
        r.register(
            "apiserver_request_duration_seconds",
            "Time from request to answer",
            self.durations.clone(),
        );
        r.register(
            "apiserver_current_inflight_requests",
            "Requests being worked on",
            self.in_flight.clone(),
        );
        r.register(
            "etcd_request_duration_seconds",
            "Time from proposal to durable commit",
            self.commits.clone(),
        );
        r.register(
            "apiserver_registered_watchers",
            "Open watches",
            self.watchers.clone(),
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
        self.requests
            .get_or_create(&RequestLabels {
                verb: a.verb.to_uppercase(),
                group: a.group.into(),
                resource: a.resource.into(),
                subresource: a.subresource.into(),
                code: a.code,
            })
            .inc();
        self.durations
            .get_or_create(&VerbLabels {
                verb: a.verb.to_uppercase(),
                resource: a.resource.into(),
            })
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
        self.commits.observe(duration_us as f64 / 1e6);
        self.revision
            .set(i64::try_from(revision.0).unwrap_or(i64::MAX));
    }

    /// Notes that a watch was opened or closed.
    pub fn watchers(&self, change: i64) {
        self.watchers.inc_by(change);
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
    fn requests_are_counted_under_the_originals_name() {
        let metrics = Metrics::default();
        for duration_us in 1..=100 {
            metrics.answered(Answered {
                verb: "get",
                group: "",
                resource: "pods",
                subresource: "",
                code: 200,
                duration_us,
            });
        }
        let text = metrics.text().unwrap();
        assert!(text.contains(r#"apiserver_request_total{verb="GET",group="",resource="pods",subresource="",code="200"} 100"#), "{text}");
        assert_eq!(metrics.load(), (100, 99));
    }
}
