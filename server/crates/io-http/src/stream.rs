//! The dashboard's live stream: one WebSocket that carries objects, hops and the cluster's pulse.
//!
//! Browsers allow six connections a host over HTTP/1.1, so a dozen watches cannot be a dozen requests. The stream is an
//! ordinary client of the apiserver: it lists and watches like any informer.

use std::sync::Arc;

use axum::extract::ws::{Message as Frame, WebSocket};
use client::{Interest, Observed};
use io_driver::run::Surroundings;
use io_driver::run::inform;
use shared::KindRef;
use shared::flow::Hop;
use shared::live::Message;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Duration, MissedTickBehavior, interval};

use crate::pulse::Pulses;

/// What the stream carries. Secrets stay out of it.
const KINDS: [(&str, &str, &str); 12] = [
    ("", "v1", "namespaces"),
    ("", "v1", "nodes"),
    ("", "v1", "pods"),
    ("", "v1", "services"),
    ("", "v1", "configmaps"),
    ("", "v1", "serviceaccounts"),
    ("", "v1", "resourcequotas"),
    ("", "v1", "events"),
    ("apps", "v1", "deployments"),
    ("apps", "v1", "replicasets"),
    ("discovery.k8s.io", "v1", "endpointslices"),
    ("coordination.k8s.io", "v1", "leases"),
];
/// Observations waiting for a slow browser before the informers wait with them.
const OBSERVED_WAITING_MAX: usize = 256;
/// Hops sent on opening.
const HOPS_FIRST_MAX: usize = 512;
/// How often the pulse is sent, in milliseconds of host time: the clock may be paused.
const PULSE_MS: u64 = 1000;

/// Serves one dashboard until it goes away or the server stops.
pub async fn serve(mut socket: WebSocket, around: Surroundings, pulses: Arc<Pulses>) {
    let (hops, live) = pulses.flow().listen(HOPS_FIRST_MAX);
    let hello = Message::Hello(pulses.hello(hops.iter().map(|h| Hop::clone(h)).collect()));
    if send(&mut socket, &hello).await.is_err() {
        return;
    }
    let cancel = around.cancel.clone();
    let (observed_in, observed) = mpsc::channel(OBSERVED_WAITING_MAX);
    let mut informers = JoinSet::new();
    for (group, version, plural) in KINDS {
        let interest = Interest::all(KindRef::new(group, version, plural));
        informers.spawn(inform(interest, around.clone(), observed_in.clone()));
    }
    tokio::select! {
        () = cancel.cancelled() => {}
        () = relay(&mut socket, observed, live, &pulses) => {}
    }
    informers.shutdown().await;
}

/// Sends whatever comes until the browser goes away.
async fn relay(
    socket: &mut WebSocket,
    mut observed: mpsc::Receiver<Observed>,
    mut hops: broadcast::Receiver<Arc<Hop>>,
    pulses: &Pulses,
) {
    let mut tick = interval(Duration::from_millis(PULSE_MS));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut clock = pulses.clock().changes();
    loop {
        let message = tokio::select! {
            biased;
            frame = socket.recv() => match frame {
                Some(Ok(Frame::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            Ok(()) = clock.changed() => Message::Pulse(pulses.pulse()),
            Some(observed) = observed.recv() => to_message(observed),
            hop = hops.recv() => match hop {
                Ok(hop) => Message::Hop(Hop::clone(&hop)),
                // The gap shows in the sequence numbers; the stream goes on with what there is.
                Err(broadcast::error::RecvError::Lagged(_)) => continue,
                Err(broadcast::error::RecvError::Closed) => return,
            },
            _ = tick.tick() => Message::Pulse(pulses.pulse()),
        };
        if send(socket, &message).await.is_err() {
            return;
        }
    }
}

fn to_message(observed: Observed) -> Message {
    match observed {
        Observed::Replaced {
            kind,
            revision,
            objects,
        } => Message::Snapshot {
            kind,
            revision,
            items: objects,
        },
        Observed::Event { kind, event } => Message::Change {
            kind,
            change: event.change,
            object: event.object,
        },
    }
}

async fn send(socket: &mut WebSocket, message: &Message) -> Result<(), ()> {
    let text = serde_json::to_string(message).map_err(drop)?;
    socket.send(Frame::Text(text.into())).await.map_err(drop)
}
