//! The kubelet's connection to the container engine.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use client::{Answer, Call, CallId, Component, Done, Interest, Observed};
use kubelet::Kubelet;
use kubelet::runtime::{RuntimeCommand, RuntimeEvent};
use parking_lot::Mutex;
use shared::{Millis, Status};
use tokio::sync::{mpsc, watch};

use super::manifests::Manifests;
use crate::run::Attachment;

/// Which container's log is meant.
#[derive(Clone, Copy, Debug)]
pub struct LogRequest<'a> {
    /// The pod's namespace.
    pub namespace: &'a str,
    /// The pod's name.
    pub pod: &'a str,
    /// The container; empty for the pod's first.
    pub container: &'a str,
    /// The run before the present one.
    pub previous: bool,
}

/// The kubelet under a lock, because log requests ask it for containers while its loop runs.
pub(super) struct SharedKubelet {
    name: String,
    kubelet: Arc<Mutex<Kubelet>>,
}

impl SharedKubelet {
    pub(super) fn new(node: &str, kubelet: Arc<Mutex<Kubelet>>) -> Self {
        Self {
            name: format!("kubelet {node}"),
            kubelet,
        }
    }
}

impl Component for SharedKubelet {
    fn name(&self) -> &str {
        &self.name
    }

    fn interests(&self) -> Vec<Interest> {
        self.kubelet.lock().interests()
    }

    fn observe(&mut self, observed: Observed, now: Millis) {
        self.kubelet.lock().observe(observed, now);
    }

    fn poll(&mut self, now: Millis) -> Vec<Call> {
        self.kubelet.lock().poll(now)
    }

    fn answer(&mut self, id: CallId, answer: Result<Answer, Status>, now: Millis) {
        self.kubelet.lock().answer(id, answer, now);
    }

    fn wake(&self) -> Option<(Millis, &'static str)> {
        self.kubelet.lock().wake()
    }

    fn done(&mut self) -> Vec<Done> {
        self.kubelet.lock().done()
    }

    fn queue_len(&self) -> usize {
        self.kubelet.lock().queue_len()
    }

    fn lines(&self) -> Vec<(String, String)> {
        self.kubelet.lock().lines()
    }
}

/// The engine's channels.
pub(super) struct Engine {
    commands: mpsc::Sender<RuntimeCommand>,
    events: mpsc::Receiver<RuntimeEvent>,
    /// The node's static pods.
    manifests: watch::Receiver<Manifests>,
    /// Commands that did not fit into the channel; they go first the next time.
    waiting: VecDeque<RuntimeCommand>,
}

impl Engine {
    pub(super) fn new(
        commands: mpsc::Sender<RuntimeCommand>,
        events: mpsc::Receiver<RuntimeEvent>,
        manifests: watch::Receiver<Manifests>,
    ) -> Self {
        Self {
            commands,
            events,
            manifests,
            waiting: VecDeque::new(),
        }
    }
}

/// What the engine's side brings.
pub(super) enum FromEngine {
    Event(RuntimeEvent),
    /// The static pods are these now.
    Manifests(Manifests),
    /// There is room for a command that had to wait.
    Room,
}

impl Attachment<SharedKubelet> for Engine {
    type Input = FromEngine;

    fn next(&mut self) -> impl Future<Output = FromEngine> + Send {
        let has_waiting = !self.waiting.is_empty();
        let (commands, events) = (&self.commands, &mut self.events);
        let manifests = &mut self.manifests;
        async move {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => FromEngine::Event(event),
                    // The engine is gone, and the node with it.
                    None => std::future::pending().await,
                },
                Ok(()) = manifests.changed() => {
                    FromEngine::Manifests(Arc::clone(&manifests.borrow_and_update()))
                }
                Ok(_permit) = commands.reserve(), if has_waiting => FromEngine::Room,
            }
        }
    }

    fn input(&mut self, shared: &mut SharedKubelet, input: FromEngine, now: Millis) {
        let mut kubelet = shared.kubelet.lock();
        match input {
            FromEngine::Event(event) => kubelet.runtime_event(event, now),
            FromEngine::Manifests(manifests) => kubelet.set_static_pods(&manifests, now),
            FromEngine::Room => {}
        }
    }

    fn settle(&mut self, shared: &mut SharedKubelet, _now: Millis) {
        self.waiting.extend(shared.kubelet.lock().poll_runtime());
        while let Some(command) = self.waiting.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(command)) = self.commands.try_send(command) {
                self.waiting.push_front(command);
                return;
            }
        }
    }
}
