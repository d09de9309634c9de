//! Watches in progress.
//!
//! Every committed event becomes one shared change, which the hub hands to those it concerns. A watch that falls behind
//! the hub's window closes the gap from the store's history, a step at a time, without holding up anybody else; when
//! the history is compacted away too, it ends with 410.

use std::sync::Arc;

use apiserver::{
    BOOKMARK_EVERY_S, Change, MIN_WATCH_TIMEOUT_S, WatchCursor, WatchFrame, WatchPlan, Word,
};
use client::{Request, WatchEvent};
use shared::live;
use shared::{KindRef, Millis, Revision, Status};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Duration, timeout};
use tokio_util::sync::CancellationToken;

use super::Api;
use super::hub::Batch;
use crate::client::WatchItem;
use crate::metrics::LongRunning;

/// Events taken from history at a time.
const EVENTS_AT_A_TIME: usize = 4096;
/// Frames that are made at a time, when many changes are waiting.
const FRAMES_AT_A_TIME: usize = 256;

impl Api {
    /// Feeds the watches until cancelled. One task of the process runs this.
    pub async fn feed_watches(&self, cancel: CancellationToken) {
        let mut published = self.store.subscribe();
        let mut fed = published.borrow_and_update().revision();
        let mut crowds_at: Option<u64> = None;
        loop {
            let now = self.clock.host_us();
            if crowds_at.take_if(|at| *at <= now).is_some() {
                self.hub.tell_crowds();
            }
            let left = crowds_at.map_or(u64::MAX, |at| at - now);
            let changed = timeout(Duration::from_micros(left), published.changed());
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                changed = changed => match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => continue,
                },
            }
            let snapshot = published.borrow_and_update().clone();
            while fed < snapshot.revision() {
                let events = snapshot.events_after("", fed, EVENTS_AT_A_TIME);
                // Only a compaction right behind the present refuses this; the watches read what is left.
                let events = events.unwrap_or_else(|_| {
                    self.written.clear();
                    Vec::new()
                });
                fed = match events.last() {
                    Some(last) if events.len() >= EVENTS_AT_A_TIME => last.kv.mod_revision,
                    _ => snapshot.revision(),
                };
                let changes: Vec<Arc<Change>> = events
                    .iter()
                    .filter_map(|e| self.server.change(e, self.written.take(&e.kv.value)))
                    .collect();
                if let Some(us) = self.hub.publish(&changes) {
                    crowds_at.get_or_insert_with(|| self.clock.host_us() + us);
                }
                self.metrics.dispatched(&changes);
            }
        }
    }
}

/// One watch in progress.
pub struct Watching {
    api: Arc<Api>,
    cursor: WatchCursor,
    initial: Option<Vec<WatchFrame>>,
    error: Option<Status>,
    live: broadcast::Receiver<Batch>,
    /// Whether history is to be read up to the present before the hub is listened to.
    is_behind: bool,
    is_over: bool,
    wants_bookmarks: bool,
    /// When to look whether it is at the present. The hub does not tell a watch of other kinds, so a quiet one would
    /// stand at a revision that is compacted some day.
    refresh_at: Millis,
    /// Whether a bookmark is due once it is at the present.
    owes_bookmark: bool,
    ends_at: Millis,
    /// Counts it among the requests that last.
    _counted: LongRunning,
}

impl Watching {
    pub(super) fn open(api: Arc<Api>, request: &Request, plan: WatchPlan) -> Self {
        let live = api.hub.subscribe(plan.cursor.prefix());
        let now = api.clock.now();
        let timeout_s = match plan.timeout_seconds {
            0 => MIN_WATCH_TIMEOUT_S + api.seeds.next() % MIN_WATCH_TIMEOUT_S,
            asked => asked,
        };
        Self {
            cursor: plan.cursor,
            initial: Some(plan.initial),
            error: plan.error,
            live,
            // There is a gap between the snapshot that the request was decided over and the subscription.
            is_behind: true,
            is_over: false,
            wants_bookmarks: plan.bookmarks,
            refresh_at: now.plus_secs(BOOKMARK_EVERY_S),
            owes_bookmark: false,
            ends_at: now.plus_secs(timeout_s),
            _counted: api.metrics.long_running(request),
            api,
        }
    }

    /// The next frames, in order; `None` when the watch is over. An error is the last thing it says. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Vec<WatchFrame>, Status>> {
        if let Some(status) = self.error.take() {
            self.is_over = true;
            return Some(Err(status));
        }
        if let Some(frames) = self.initial.take_if(|frames| !frames.is_empty()) {
            return Some(Ok(frames));
        }
        while !self.is_over {
            let frames = if self.is_behind {
                // A long gap without anything to see is many steps; others have their turn between them.
                tokio::task::yield_now().await;
                self.step()
            } else {
                self.listen().await
            };
            match frames {
                Ok(frames) if frames.is_empty() => {}
                Ok(frames) => return Some(Ok(frames)),
                Err(status) => {
                    self.is_over = true;
                    return Some(Err(status));
                }
            }
        }
        None
    }

    /// One step through history towards the present.
    fn step(&mut self) -> Result<Vec<WatchFrame>, Status> {
        let snapshot = self.api.snapshot();
        let mut frames = self.cursor.catch_up(&snapshot)?;
        self.is_behind = self.cursor.position() < snapshot.revision();
        if !self.is_behind && std::mem::take(&mut self.owes_bookmark) {
            frames.push(self.cursor.bookmark());
        }
        Ok(frames)
    }

    /// Waits for what happens next.
    async fn listen(&mut self) -> Result<Vec<WatchFrame>, Status> {
        let timer = self.refresh_at.min(self.ends_at);
        tokio::select! {
            biased;
            () = self.api.cancel.cancelled() => self.is_over = true,
            batch = self.live.recv() => match batch {
                Ok(batch) => return self.take_in(batch),
                Err(broadcast::error::RecvError::Lagged(_)) => self.is_behind = true,
                Err(broadcast::error::RecvError::Closed) => self.is_over = true,
            },
            () = self.api.clock.sleep_until(timer) => {
                let now = self.api.clock.now();
                self.is_over = now >= self.ends_at;
                self.is_behind = true;
                self.owes_bookmark = self.wants_bookmarks;
                self.refresh_at = now.plus_secs(BOOKMARK_EVERY_S);
            }
        }
        Ok(Vec::new())
    }

    /// Takes in a batch and what is waiting behind it, so that a watch which many changes came for is woken once.
    fn take_in(&mut self, batch: Batch) -> Result<Vec<WatchFrame>, Status> {
        let mut frames = self.cursor.next(&batch)?;
        while frames.len() < FRAMES_AT_A_TIME {
            match self.live.try_recv() {
                Ok(batch) => frames.extend(self.cursor.next(&batch)?),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {
                    self.is_behind = true;
                    break;
                }
                Err(_) => break,
            }
        }
        Ok(frames)
    }

    /// The cluster clock's time: what ages in tables are counted to.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.api.clock.now()
    }

    /// Counts events that were sent at a time, and their bytes.
    pub fn sent(&self, kind: &KindRef, events: usize, bytes: usize) {
        self.api.metrics.watch_events(kind, events, bytes);
    }

    /// Delivers to an in-process client until it is gone or the watch is over.
    pub(super) async fn deliver(mut self, to: mpsc::Sender<Result<WatchItem, Status>>) {
        loop {
            let frames = tokio::select! {
                biased;
                () = to.closed() => return,
                frames = self.next() => frames,
            };
            let items: Vec<_> = match frames {
                None => return,
                Some(Err(status)) => vec![Err(status)],
                Some(Ok(frames)) => frames.iter().map(to_item).collect(),
            };
            for item in items {
                if to.send(item).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn to_item(frame: &WatchFrame) -> Result<WatchItem, Status> {
    let change = match frame.word {
        Word::Bookmark => return Ok(WatchItem::Bookmark(Revision(frame.item.revision().0))),
        Word::Added => live::Change::Added,
        Word::Modified => live::Change::Modified,
        Word::Deleted => live::Change::Deleted,
    };
    Ok(WatchItem::Event(WatchEvent {
        change,
        object: frame.object()?,
    }))
}
