//! The apiserver over the durable store: decides on a snapshot, commits, answers, follows.
//!
//! Requests run in parallel, each over its own immutable snapshot; only the commit is serial, and the committer groups
//! it. Phases are timed here, because the apiserver itself reads no clock, and recorded as hops of the request's trace.

mod hub;
mod in_process;
mod trail;
mod watching;
mod written;

use std::sync::Arc;

use apiserver::{
    Answer, ApiServer, COMMIT_ATTEMPTS_MAX, Connect, Context, Each, Outcome, Proposal, Response,
    User,
};
use client::Request;
use io_clock::Clock;
use io_disk::{CommitError, Handle};
use shared::flow::TraceId;
use shared::{Revision, Status};
use store::Snapshot;
use tokio::sync::SemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use in_process::InProcess;
pub use watching::Watching;

use crate::flow::FlowLog;
use crate::limits::{self, Limits};
use crate::metrics::{Answered, Metrics};
use crate::seed::Seeds;
use hub::Hub;
use trail::Trail;
use written::Written;

/// The apiserver of this process.
pub struct Api {
    server: ApiServer,
    store: Handle,
    clock: Clock,
    flow: Arc<FlowLog>,
    metrics: Metrics,
    seeds: Seeds,
    limits: Limits,
    hub: Hub,
    written: Written,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

/// Who asks, and on whose behalf.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    /// Who they are.
    pub user: User,
    /// What they call themselves: `kubectl`, `kube-scheduler`.
    pub agent: String,
    /// The trace that they say the request belongs to.
    pub trace: Option<TraceId>,
    /// The revision that led them to it.
    pub cause: Option<Revision>,
    /// Whether reads are worth a hop: for people's clients, not for components.
    pub shows_reads: bool,
}

/// What a request came to.
pub enum Reply {
    /// An answer, its HTTP code and what to warn of.
    Answer {
        /// The answer.
        answer: Answer,
        /// The code.
        code: u16,
        /// `Warning` headers.
        warnings: Vec<String>,
    },
    /// A watch to stream.
    Watch(Box<Watching>),
    /// Something that a node's kubelet serves.
    Connect(Connect),
}

impl Reply {
    /// The HTTP code.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Answer { code, .. } => *code,
            Self::Watch(_) | Self::Connect(_) => 200,
        }
    }
}

/// A request that was let in: its slot is free again when this is dropped.
pub struct Ticket<'a> {
    api: &'a Api,
    mutates: bool,
    start_us: u64,
    _slot: Option<SemaphorePermit<'a>>,
}

impl Ticket<'_> {
    /// Counts the request with the code and the size of its answer.
    pub fn answered(self, request: &Request, code: u16, bytes: Option<usize>) {
        self.api.count(request, code, self.start_us, bytes);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.api.metrics.in_flight(self.mutates, -1);
    }
}

impl Api {
    /// An apiserver over a store. Watches in progress are tasks of `tasks` and end with `cancel`.
    #[must_use]
    pub fn new(
        server: ApiServer,
        store: Handle,
        clock: Clock,
        flow: Arc<FlowLog>,
        seeds: Seeds,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            server,
            store,
            clock,
            flow,
            metrics: Metrics::default(),
            seeds,
            limits: Limits::default(),
            hub: Hub::default(),
            written: Written::default(),
            tasks,
            cancel,
        }
    }

    /// The pure apiserver: for parsing and rendering at the HTTP edge.
    #[must_use]
    pub fn server(&self) -> &ApiServer {
        &self.server
    }

    /// The newest durable state.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.store.snapshot()
    }

    /// The flow log.
    #[must_use]
    pub fn flow(&self) -> &FlowLog {
        &self.flow
    }

    /// The cluster clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Counters and histograms.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Carries out what outlives the request that asked for it, until it is done or the server stops.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tasks.spawn(async move {
            cancel.run_until_cancelled(work).await;
        });
    }

    /// A fresh seed, for contexts that are made outside.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seeds.next()
    }

    /// Deletes what has served its time, about once a minute: events after their hour. One task of the process runs it.
    pub async fn expire(&self, cancel: CancellationToken) {
        const EVERY_MS: u64 = 60_000;
        while cancel
            .run_until_cancelled(self.clock.sleep_ms(EVERY_MS))
            .await
            .is_some()
        {
            for txn in self.server.sweep(&self.store.snapshot(), self.clock.now()) {
                if let Err(error) = self.store.commit(txn).await {
                    // An event that was counted up meanwhile is not old any more.
                    tracing::debug!(%error, "some expired events stay until the next sweep");
                }
            }
            if let Err(error) = self.store.expire_leases().await {
                tracing::warn!(%error, "leases cannot be expired");
            }
        }
    }

    /// Why the store takes no writes, `None` while it is well: for `/readyz`.
    #[must_use]
    pub fn fault(&self) -> Option<Arc<str>> {
        self.store.fault()
    }

    /// Lets a request in; it takes one of the slots until the ticket is dropped.
    ///
    /// # Errors
    /// 429 when too many requests are in flight.
    pub fn admit<'a>(&'a self, request: &Request) -> Result<Ticket<'a>, Status> {
        let start_us = self.clock.host_us();
        match self.limits.take(request) {
            Ok(slot) => {
                let mutates = request.verb.mutates();
                self.metrics.in_flight(mutates, 1);
                Ok(Ticket {
                    api: self,
                    mutates,
                    start_us,
                    _slot: slot,
                })
            }
            Err(status) => {
                self.count(request, status.code, start_us, None);
                Err(status)
            }
        }
    }

    /// Handles a request to its end, for clients of this process.
    ///
    /// # Errors
    /// The refusal, as the API answers it; 429 when too many requests are in flight.
    pub async fn handle(
        self: &Arc<Self>,
        asker: &Asker,
        request: &Request,
    ) -> Result<Reply, Status> {
        let ticket = self.admit(request)?;
        let reply = self.handle_admitted(asker, request).await;
        let code = match &reply {
            Ok(reply) => reply.code(),
            Err(status) => status.code,
        };
        ticket.answered(request, code, None);
        reply
    }

    /// Handles a request whose ticket the caller holds, to keep its slot until the answer is rendered.
    ///
    /// # Errors
    /// The refusal, as the API answers it.
    pub async fn handle_admitted(
        self: &Arc<Self>,
        asker: &Asker,
        request: &Request,
    ) -> Result<Reply, Status> {
        let mut trail = Trail::start(self, asker, request);
        let reply = self.decide(asker, request, &mut trail).await;
        trail.finish(reply.as_ref().err());
        reply
    }

    /// Makes an answer's body, beside the threads that serve everybody when it is a large one.
    pub async fn render(&self, answer: &Answer, work: impl FnOnce() -> Response) -> Response {
        let is_large = matches!(answer, Answer::List(list) if limits::is_large_list(list));
        self.limits.work(is_large, work).await
    }

    /// Counts a request that was answered before it was handled, or that took too long.
    pub fn count_refused(&self, request: &Request, code: u16) {
        self.count(request, code, self.clock.host_us(), None);
    }

    fn count(&self, request: &Request, code: u16, start_us: u64, bytes: Option<usize>) {
        self.metrics.answered(Answered {
            request,
            code,
            duration_us: self.clock.host_us().saturating_sub(start_us),
            bytes,
        });
    }

    async fn decide(
        self: &Arc<Self>,
        asker: &Asker,
        request: &Request,
        trail: &mut Trail<'_>,
    ) -> Result<Reply, Status> {
        for attempt in 1.. {
            let snapshot = self.store.snapshot();
            let is_large = limits::is_large(request, self.server.registry(), &snapshot);
            let decide = || {
                let mut ctx = Context::new(
                    &asker.user,
                    self.clock.now(),
                    self.seeds.next(),
                    &snapshot,
                    trail,
                );
                let outcome = self.server.handle(request, &mut ctx);
                outcome.map(|outcome| (outcome, ctx.warnings))
            };
            let (outcome, warnings) = self.limits.work(is_large, decide).await?;
            trail.leave();
            match outcome {
                Outcome::Answer(answer, code) => {
                    return Ok(Reply::Answer {
                        answer,
                        code,
                        warnings,
                    });
                }
                Outcome::Connect(connect) => return Ok(Reply::Connect(connect)),
                Outcome::Watch(plan) => {
                    return Ok(Reply::Watch(Box::new(Watching::open(
                        Arc::clone(self),
                        request,
                        plan,
                    ))));
                }
                Outcome::Each(each) => return self.each(asker, each, warnings).await,
                Outcome::Commit(proposal) => {
                    let done = self.commit(request, *proposal, attempt, trail).await?;
                    if let Some((answer, code)) = done {
                        return Ok(Reply::Answer {
                            answer,
                            code,
                            warnings,
                        });
                    }
                }
            }
        }
        Err(Status::internal("a request was attempted too often"))
    }

    /// Commits; `None` when somebody else was faster and the request is to be decided anew.
    async fn commit(
        &self,
        request: &Request,
        proposal: Proposal,
        attempt: usize,
        trail: &mut Trail<'_>,
    ) -> Result<Option<(Answer, u16)>, Status> {
        let start_us = self.clock.host_us();
        let handed = self.written.hand_on(&proposal);
        match self.store.commit(proposal.txn.clone()).await {
            Ok(committed) => {
                let end_us = self.clock.host_us();
                let took_us = end_us.saturating_sub(start_us);
                handed.keep();
                self.metrics.committed(request, took_us, committed.revision);
                trail.committed(&committed, start_us, end_us);
                Ok(Some(proposal.answer(&committed)))
            }
            Err(CommitError::Rejected(store::TxnError::CompareFailed { .. }))
                if attempt < COMMIT_ATTEMPTS_MAX =>
            {
                Ok(None)
            }
            Err(CommitError::Rejected(error)) => Err(proposal.refuse(&error)),
            Err(other) => Err(Status::internal(other)),
        }
    }

    /// Handles the requests that one stands for; what is gone already is no failure.
    async fn each(
        self: &Arc<Self>,
        asker: &Asker,
        each: Each,
        warnings: Vec<String>,
    ) -> Result<Reply, Status> {
        for request in &each.requests {
            let mut trail = Trail::start(self, asker, request);
            let outcome = Box::pin(self.decide(asker, request, &mut trail)).await;
            trail.finish(outcome.as_ref().err());
            match outcome {
                Err(status) if !status.is_not_found() => return Err(status),
                _ => {}
            }
        }
        Ok(Reply::Answer {
            answer: each.answer,
            code: 200,
            warnings,
        })
    }
}
