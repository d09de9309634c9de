//! Watches in progress, and the hub that feeds them.
//!
//! The hub turns every committed event into one shared change and sends it to all watches. A watch that falls behind
//! the hub's window closes the gap from the store's history, without holding up anybody else; when the history is
//! compacted away too, it ends with 410.

use std::sync::Arc;

use apiserver::{
    BOOKMARK_EVERY_S, Change, MIN_WATCH_TIMEOUT_S, WatchCursor, WatchFrame, WatchPlan, Word,
};
use client::WatchEvent;
use shared::live;
use shared::{Millis, Revision, Status};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::Api;
use crate::client::WatchItem;

/// Batches of changes that a watch may fall behind before it reads history instead.
const BATCHES_BEHIND_MAX: usize = 1024;
/// Events taken from history at a time.
const EVENTS_AT_A_TIME: usize = 4096;

/// Changes that were committed together or shortly after each other, in order.
pub(super) type Batch = Arc<[Arc<Change>]>;

/// A place where every watch hears of every change.
pub(super) fn hub() -> broadcast::Sender<Batch> {
    broadcast::Sender::new(BATCHES_BEHIND_MAX)
}

impl Api {
    /// Feeds the watches until cancelled. One task of the process runs this.
    pub async fn feed_watches(&self, cancel: CancellationToken) {
        let mut published = self.store.subscribe();
        let mut fed = published.borrow_and_update().revision();
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                changed = published.changed() => if changed.is_err() { return },
            }
            let snapshot = published.borrow_and_update().clone();
            while fed < snapshot.revision() {
                // Only a compaction right behind the present refuses this; the watches read what is left.
                let events = snapshot
                    .events_after("", fed, EVENTS_AT_A_TIME)
                    .unwrap_or_default();
                fed = match events.last() {
                    Some(last) if events.len() >= EVENTS_AT_A_TIME => last.kv.mod_revision,
                    _ => snapshot.revision(),
                };
                let batch: Batch = events
                    .iter()
                    .filter_map(|e| self.server.change(e))
                    .collect();
                // Nobody listening is no failure.
                let _ = self.hub.send(batch);
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
    bookmark_at: Option<Millis>,
    ends_at: Millis,
}

impl Watching {
    pub(super) fn open(api: Arc<Api>, plan: WatchPlan) -> Self {
        let live = api.hub.subscribe();
        api.metrics.watchers(1);
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
            bookmark_at: plan.bookmarks.then(|| now.plus_secs(BOOKMARK_EVERY_S)),
            ends_at: now.plus_secs(timeout_s),
            api,
        }
    }

    /// The next frames, in order; `None` when the watch is over. An error is the last thing it says. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Vec<WatchFrame>, Status>> {
        if let Some(mut frames) = self.initial.take() {
            if let Some(status) = self.error.take() {
                self.ends_at = Millis(0);
                return Some(Err(status));
            }
            // Closes the gap between the snapshot that the request was decided over and the subscription.
            return Some(self.catch_up().map(|more| {
                frames.extend(more);
                frames
            }));
        }
        loop {
            let timer = self
                .bookmark_at
                .map_or(self.ends_at, |at| at.min(self.ends_at));
            let frames = tokio::select! {
                biased;
                () = self.api.cancel.cancelled() => return None,
                batch = self.live.recv() => match batch {
                    Ok(batch) => self.cursor.next(&batch),
                    Err(broadcast::error::RecvError::Lagged(_)) => self.catch_up(),
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                () = self.api.clock.sleep_until(timer) => {
                    let now = self.api.clock.now();
                    if now >= self.ends_at {
                        return None;
                    }
                    self.bookmark_at = self.bookmark_at.map(|_| now.plus_secs(BOOKMARK_EVERY_S));
                    Ok(vec![self.cursor.bookmark()])
                }
            };
            match frames {
                Ok(frames) if frames.is_empty() => {}
                Ok(frames) => return Some(Ok(frames)),
                Err(status) => {
                    self.ends_at = Millis(0);
                    return Some(Err(status));
                }
            }
        }
    }

    fn catch_up(&mut self) -> Result<Vec<WatchFrame>, Status> {
        self.cursor.catch_up(&self.api.snapshot())
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

impl Drop for Watching {
    fn drop(&mut self) {
        self.api.metrics.watchers(-1);
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
        object: frame.item.object()?.clone(),
    }))
}
