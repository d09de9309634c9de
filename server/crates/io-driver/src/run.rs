//! Runs a [`Component`]: feeds it what its informers see, sends its calls, brings back the answers, wakes it on time.
//!
//! One task per component owns the machine; one task per interest lists and watches; calls in flight are bounded.
//! All of them end when the token is cancelled, and [`run`] returns when they have.

use std::future::Future;
use std::sync::Arc;

use client::{Answer, CallId, Component, Interest, Observed, Request};
use io_clock::Clock;
use shared::{Revision, Status};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, WatchItem};
use crate::rooms::Rooms;

/// Observations waiting for the component.
const OBSERVED_WAITING_MAX: usize = 256;
/// Calls of one component in flight at a time.
const CALLS_IN_FLIGHT_MAX: usize = 64;
/// Observations taken in before the component is polled again.
const OBSERVED_PER_TURN_MAX: usize = 64;
/// First and longest pause before an informer tries again.
const RETRY_FIRST_MS: u64 = 50;
const RETRY_MAX_MS: u64 = 30_000;

/// What every component's loop needs.
#[derive(Clone)]
pub struct Surroundings {
    /// The way to the apiserver, under the component's own name.
    pub client: Arc<dyn Client>,
    /// The cluster clock.
    pub clock: Clock,
    /// Where the component shows what it is doing.
    pub rooms: Arc<Rooms>,
    /// Ends the loop.
    pub cancel: CancellationToken,
}

/// What a component is connected to besides the apiserver: the container engine, the node's network.
pub trait Attachment<C>: Send {
    /// What comes in from there.
    type Input: Send;

    /// The next input; pending for ever when nothing ever comes. Must be cancel-safe.
    fn next(&mut self) -> impl Future<Output = Self::Input> + Send;

    /// Hands an input to the component.
    fn input(&mut self, component: &mut C, input: Self::Input, now: shared::Millis);

    /// Carries out what the component wants of the other side after it has been polled.
    fn settle(&mut self, component: &mut C, now: shared::Millis);
}

/// For components that are connected to the apiserver only.
pub struct Unattached;

impl<C: Send> Attachment<C> for Unattached {
    type Input = std::convert::Infallible;

    fn next(&mut self) -> impl Future<Output = Self::Input> + Send {
        std::future::pending()
    }

    fn input(&mut self, _: &mut C, input: Self::Input, _: shared::Millis) {
        match input {}
    }

    fn settle(&mut self, _: &mut C, _: shared::Millis) {}
}

/// Runs a component until the token is cancelled.
pub async fn run<C: Component + Send>(
    mut component: C,
    mut attachment: impl Attachment<C>,
    around: Surroundings,
) {
    let mut tasks = JoinSet::new();
    let (observed_in, mut observed) = mpsc::channel(OBSERVED_WAITING_MAX);
    for interest in component.interests() {
        tasks.spawn(inform(interest, around.clone(), observed_in.clone()));
    }
    let (answers_in, mut answers) =
        mpsc::channel::<(CallId, Result<Answer, Status>)>(CALLS_IN_FLIGHT_MAX);
    let slots = Arc::new(Semaphore::new(CALLS_IN_FLIGHT_MAX));
    loop {
        turn(
            &mut component,
            &mut attachment,
            &around,
            &mut tasks,
            &slots,
            &answers_in,
        );
        let wake = component.wake();
        tokio::select! {
            biased;
            () = around.cancel.cancelled() => break,
            Some((id, answer)) = answers.recv() => component.answer(id, answer, around.clock.now()),
            Some(first) = observed.recv() => {
                component.observe(first, around.clock.now());
                for _ in 1..OBSERVED_PER_TURN_MAX {
                    let Ok(next) = observed.try_recv() else { break };
                    component.observe(next, around.clock.now());
                }
            }
            input = attachment.next() => attachment.input(&mut component, input, around.clock.now()),
            () = sleep_until(&around.clock, wake.map(|(at, _)| at)) => {}
            Some(_) = tasks.join_next() => {}
        }
    }
    tasks.shutdown().await;
}

async fn sleep_until(clock: &Clock, at: Option<shared::Millis>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Polls the component once and sends what it wants sent.
fn turn<C: Component>(
    component: &mut C,
    attachment: &mut impl Attachment<C>,
    around: &Surroundings,
    tasks: &mut JoinSet<()>,
    slots: &Arc<Semaphore>,
    answers: &mpsc::Sender<(CallId, Result<Answer, Status>)>,
) {
    let start_us = around.clock.host_us();
    let calls = component.poll(around.clock.now());
    attachment.settle(component, around.clock.now());
    around
        .rooms
        .settle(component, start_us, around.clock.host_us());
    for call in calls {
        let (client, slots, answers) = (
            Arc::clone(&around.client),
            Arc::clone(slots),
            answers.clone(),
        );
        tasks.spawn(async move {
            let Ok(_slot) = slots.acquire_owned().await else {
                return;
            };
            let answer = client.call(call.request, call.cause).await;
            // The receiver is gone only when the component is being shut down.
            let _ = answers.send((call.id, answer)).await;
        });
    }
}

/// Lists, then watches, then starts over when the watch ends. Runs until the task is dropped or nobody listens.
pub async fn inform(interest: Interest, around: Surroundings, out: mpsc::Sender<Observed>) {
    let mut retry_ms = RETRY_FIRST_MS;
    loop {
        match list_and_watch(&interest, &around, &out, &mut retry_ms).await {
            Ok(()) => {}
            Err(Ended::Receiver) => return,
            Err(Ended::Server(status)) => {
                tracing::debug!(kind = %interest.kind, %status, "list and watch ended; starting over");
            }
        }
        around.clock.sleep_ms(retry_ms).await;
        retry_ms = (retry_ms * 2).min(RETRY_MAX_MS);
    }
}

enum Ended {
    Receiver,
    Server(Status),
}

async fn list_and_watch(
    interest: &Interest,
    around: &Surroundings,
    out: &mpsc::Sender<Observed>,
    retry_ms: &mut u64,
) -> Result<(), Ended> {
    let mut list = Request::list(interest.kind.clone(), &interest.namespace);
    list.options
        .label_selector
        .clone_from(&interest.label_selector);
    list.options
        .field_selector
        .clone_from(&interest.field_selector);
    let answer = around
        .client
        .call(list, None)
        .await
        .map_err(Ended::Server)?;
    let Answer::List {
        revision, items, ..
    } = answer
    else {
        return Err(Ended::Server(Status::internal(
            "a list was answered with an object",
        )));
    };
    let kind = interest.kind.clone();
    let first = Observed::Replaced {
        kind: kind.clone(),
        revision,
        objects: items,
    };
    out.send(first).await.map_err(|_| Ended::Receiver)?;
    let mut after = revision;
    loop {
        let mut watch = around
            .client
            .watch(interest.clone(), after)
            .await
            .map_err(Ended::Server)?;
        *retry_ms = RETRY_FIRST_MS;
        let reached = follow(&mut watch, &kind, after, out).await?;
        if reached == after {
            // A watch that ends without progress would otherwise be reopened in a tight loop.
            return Ok(());
        }
        after = reached;
    }
}

/// Passes events on until the watch ends well; answers the revision it reached.
async fn follow(
    watch: &mut crate::client::WatchStream,
    kind: &shared::KindRef,
    mut after: Revision,
    out: &mpsc::Sender<Observed>,
) -> Result<Revision, Ended> {
    while let Some(item) = watch.recv().await {
        match item.map_err(Ended::Server)? {
            WatchItem::Bookmark(revision) => after = after.max(revision),
            WatchItem::Event(event) => {
                after = after.max(event.object.revision());
                let observed = Observed::Event {
                    kind: kind.clone(),
                    event,
                };
                out.send(observed).await.map_err(|_| Ended::Receiver)?;
            }
        }
    }
    Ok(after)
}
