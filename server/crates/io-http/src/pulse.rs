//! The pulse of the cluster: clock, revision, load and what every component is doing.

use std::sync::Arc;

use io_clock::Clock;
use io_driver::api::Api;
use io_driver::backstage::Nodes;
use io_driver::flow::FlowLog;
use io_driver::rooms::Rooms;
use parking_lot::Mutex;
use shared::flow::Hop;
use shared::live::{Hello, Pulse, Tunnel};

/// What a dashboard is told about the cluster itself.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Base URL of the API.
    pub api: String,
    /// Path of the admin kubeconfig.
    pub kubeconfig: String,
    /// The network plugin.
    pub network: String,
}

/// Takes the pulse.
pub struct Pulses {
    api: Arc<Api>,
    rooms: Arc<Rooms>,
    nodes: Arc<dyn Nodes>,
    about: About,
    before: Mutex<Before>,
}

/// The counters at the last pulse, from which rates are made.
#[derive(Default)]
struct Before {
    at_us: u64,
    requests: u64,
    tunnels: Vec<Tunnel>,
    rates: (f64, Vec<Tunnel>),
}

/// Rates are taken over at least this long, so that two dashboards do not disturb each other's.
const RATE_SPAN_US: u64 = 900_000;

impl Pulses {
    /// Takes the pulse of what is given.
    #[must_use]
    pub fn new(api: Arc<Api>, rooms: Arc<Rooms>, nodes: Arc<dyn Nodes>, about: About) -> Self {
        Self {
            api,
            rooms,
            nodes,
            about,
            before: Mutex::default(),
        }
    }

    /// The flow log.
    #[must_use]
    pub fn flow(&self) -> &FlowLog {
        self.api.flow()
    }

    /// The cluster clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.api.clock()
    }

    /// What a component shows under a key.
    #[must_use]
    pub fn exhibit(&self, component: &str, key: &str) -> Option<serde_json::Value> {
        self.rooms.exhibit(component, key)
    }

    /// The store as it is, to look into.
    #[must_use]
    pub fn snapshot(&self) -> store::Snapshot {
        self.api.snapshot()
    }

    /// The first message of a stream.
    #[must_use]
    pub fn hello(&self, hops: Vec<Hop>) -> Hello {
        Hello {
            version: env!("CARGO_PKG_VERSION").into(),
            kubernetes: "v1.36.0".into(),
            api: self.about.api.clone(),
            kubeconfig: self.about.kubeconfig.clone(),
            network: self.about.network.clone(),
            pulse: self.pulse(),
            hops,
        }
    }

    /// The pulse at this moment.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        let (requests, p99_us) = self.api.metrics().load();
        let (requests_per_second, tunnels) = self.rates(requests);
        let snapshot = self.api.snapshot();
        Pulse {
            now: self.clock().now(),
            rate: self.clock().rate(),
            revision: snapshot.revision(),
            compacted: snapshot.compacted(),
            requests_per_second,
            p99_us,
            components: self.rooms.pulses(),
            tunnels,
        }
    }

    fn rates(&self, requests: u64) -> (f64, Vec<Tunnel>) {
        let now_us = self.clock().host_us();
        let mut before = self.before.lock();
        let span_us = now_us.saturating_sub(before.at_us);
        if span_us < RATE_SPAN_US {
            return before.rates.clone();
        }
        let per_second = |count: u64| count as f64 * 1e6 / span_us as f64;
        let first = before.at_us == 0;
        let mut tunnels = self.nodes.tunnels();
        for tunnel in &mut tunnels {
            let old = before
                .tunnels
                .iter()
                .find(|t| t.from == tunnel.from && t.to == tunnel.to);
            let sent = tunnel
                .bytes_total
                .saturating_sub(old.map_or(0, |t| t.bytes_total));
            tunnel.bytes_per_second = if first { 0 } else { per_second(sent) as u64 };
        }
        let requests_per_second = if first {
            0.0
        } else {
            per_second(requests.saturating_sub(before.requests))
        };
        *before = Before {
            at_us: now_us,
            requests,
            tunnels: tunnels.clone(),
            rates: (requests_per_second, tunnels.clone()),
        };
        (requests_per_second, tunnels)
    }
}
