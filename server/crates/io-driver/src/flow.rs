//! The flow log: a bounded record of what every component did, and which trace each revision belongs to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use shared::flow::{Hop, Outcome, TraceId};
use shared::{ObjectRef, Revision};
use tokio::sync::broadcast;

/// How many hops are kept.
pub const HOPS_MAX: usize = 4096;
/// How many revisions remember their trace.
const TRACED_REVISIONS_MAX: usize = 16_384;
/// How far a slow listener may fall behind before it loses hops.
const LISTENER_BEHIND_MAX: usize = 1024;

/// A hop before it is recorded.
#[derive(Clone, Debug, Default)]
pub struct NewHop {
    /// The chain it belongs to.
    pub trace: TraceId,
    /// Who did it.
    pub component: String,
    /// What kind of work.
    pub phase: String,
    /// In a few words.
    pub text: String,
    /// The object concerned.
    pub object: Option<ObjectRef>,
    /// The revision whose event made it happen.
    pub cause: Option<Revision>,
    /// The revision it wrote.
    pub revision: Option<Revision>,
    /// Host time at which it began, in microseconds.
    pub start_us: u64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// The log. Shared by everything that serves the cluster in this process.
#[derive(Debug)]
pub struct FlowLog {
    kept: Mutex<Kept>,
    live: broadcast::Sender<Arc<Hop>>,
}

#[derive(Debug, Default)]
struct Kept {
    hops: VecDeque<Arc<Hop>>,
    seq: u64,
    traces: BTreeMap<Revision, TraceId>,
}

impl Default for FlowLog {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            live: broadcast::Sender::new(LISTENER_BEHIND_MAX),
        }
    }
}

impl FlowLog {
    /// Records a hop and tells the listeners. A hop that wrote a revision makes that revision part of its trace.
    pub fn record(&self, new: NewHop) {
        let mut kept = self.kept.lock();
        kept.seq += 1;
        let hop = Arc::new(Hop {
            seq: kept.seq,
            trace: new.trace,
            component: new.component,
            phase: new.phase,
            text: new.text,
            object: new.object,
            cause: new.cause,
            revision: new.revision,
            start_us: new.start_us,
            duration_us: new.duration_us,
            outcome: new.outcome,
        });
        if kept.hops.len() >= HOPS_MAX {
            kept.hops.pop_front();
        }
        kept.hops.push_back(Arc::clone(&hop));
        drop(kept);
        // No listener is no error: the log is kept for whoever opens the dashboard next.
        let _ = self.live.send(hop);
    }

    /// Makes a revision part of a trace, so that what its watch events lead to joins the same trace.
    pub fn link(&self, revision: Revision, trace: TraceId) {
        let mut kept = self.kept.lock();
        kept.traces.insert(revision, trace);
        while kept.traces.len() > TRACED_REVISIONS_MAX {
            kept.traces.pop_first();
        }
    }

    /// The trace that a revision belongs to, while it is remembered.
    #[must_use]
    pub fn trace_of(&self, revision: Revision) -> Option<TraceId> {
        self.kept.lock().traces.get(&revision).copied()
    }

    /// The last hops, oldest first, and a receiver of those that follow, with nothing between.
    #[must_use]
    pub fn listen(&self, most: usize) -> (Vec<Arc<Hop>>, broadcast::Receiver<Arc<Hop>>) {
        let kept = self.kept.lock();
        let from = kept.hops.len().saturating_sub(most);
        (
            kept.hops.iter().skip(from).cloned().collect(),
            self.live.subscribe(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_and_numbered_without_gaps() {
        let log = FlowLog::default();
        for _ in 0..HOPS_MAX + 10 {
            log.record(NewHop::default());
        }
        let (hops, _) = log.listen(usize::MAX);
        assert_eq!(hops.len(), HOPS_MAX);
        assert!(hops.windows(2).all(|w| w[0].seq + 1 == w[1].seq));
    }

    #[test]
    fn revisions_lead_back_to_their_trace() {
        let log = FlowLog::default();
        log.link(Revision(7), TraceId(1));
        assert_eq!(log.trace_of(Revision(7)), Some(TraceId(1)));
        assert_eq!(log.trace_of(Revision(8)), None);
    }

    #[test]
    fn a_listener_misses_nothing_between_history_and_stream() {
        let log = FlowLog::default();
        log.record(NewHop::default());
        let (history, mut live) = log.listen(10);
        log.record(NewHop::default());
        assert_eq!(history.len(), 1);
        assert_eq!(live.try_recv().map(|h| h.seq), Ok(2));
    }
}
