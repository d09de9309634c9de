//! The contract between a control loop and whoever drives it.

use std::collections::VecDeque;
use std::sync::Arc;

use shared::{KindRef, Millis, ObjectRef, Revision, Status};

use crate::{Answer, Observed, Request};

/// A control loop without IO. The driver:
/// 1. opens a list and watch per [`Interest`] and passes everything to [`Component::observe`];
/// 2. calls [`Component::poll`] after every observation and answer, and at [`Component::wake`]; sends the calls;
/// 3. hands each answer to [`Component::answer`];
/// 4. collects [`Component::done`] for the flow log and [`Component::exhibits`] for whoever looks.
///
/// A component decides only by what it has observed and by `now`, so running it twice on the same state does nothing
/// the second time.
pub trait Component {
    /// The user name it authenticates as and its field manager: `kube-scheduler`, `kubelet node-1`.
    fn name(&self) -> &str;

    /// What it needs to see. Asked once, before anything else.
    fn interests(&self) -> Vec<Interest>;

    /// Takes in a list or an event.
    fn observe(&mut self, observed: Observed, now: Millis);

    /// The calls to make now. At most one [`Call`] per id is in flight; an empty answer means "nothing to do".
    fn poll(&mut self, now: Millis) -> Vec<Call>;

    /// The answer to a call.
    fn answer(&mut self, id: CallId, answer: Result<Answer, Status>, now: Millis);

    /// When to poll again though nothing happens, and why.
    fn wake(&self) -> Option<(Millis, &'static str)>;

    /// What was done since the last time, for the flow log. Drained.
    fn done(&mut self) -> Vec<Done> {
        Vec::new()
    }

    /// How many keys wait in its queues.
    fn queue_len(&self) -> usize {
        0
    }

    /// Named lines for its room on the dashboard, such as `deployment` -> `quiet`.
    fn lines(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// What it shows in full when asked, by key; what was shown under the same key before is replaced. Drained.
    fn exhibits(&mut self) -> Vec<(String, Arc<dyn Exhibit>)> {
        Vec::new()
    }
}

/// Something that a component shows beyond the lines of its room, such as the verdict on a pod. Made into JSON only
/// when somebody looks.
pub trait Exhibit: Send + Sync {
    /// Its content, in the form that `shared::exhibit` says.
    fn show(&self) -> serde_json::Value;
}

/// A kind to list and watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Which kind.
    pub kind: KindRef,
    /// Only this namespace, or all with an empty one.
    pub namespace: String,
    /// Only objects with these fields: `spec.nodeName=node-1`.
    pub field_selector: String,
    /// Only objects with these labels.
    pub label_selector: String,
}

impl Interest {
    /// Everything of a kind.
    #[must_use]
    pub fn all(kind: KindRef) -> Self {
        Self {
            kind,
            namespace: String::new(),
            field_selector: String::new(),
            label_selector: String::new(),
        }
    }

    /// The objects of a kind with these fields.
    #[must_use]
    pub fn fields(kind: KindRef, field_selector: &str) -> Self {
        Self {
            field_selector: field_selector.into(),
            ..Self::all(kind)
        }
    }
}

/// Names a call until its answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// A request to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Comes back with the answer.
    pub id: CallId,
    /// What to send.
    pub request: Request,
    /// The revision whose event led to it: the request joins that revision's trace.
    pub cause: Option<Revision>,
}

/// Something a component did, for the flow log; the driver adds the times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// `reconcile`, `score`, `start`, ...
    pub phase: &'static str,
    /// In a few words: `web: 0 -> 3 pods`.
    pub text: String,
    /// The object concerned.
    pub object: Option<ObjectRef>,
    /// The revision whose event led to it.
    pub cause: Option<Revision>,
    /// Why it went wrong, `None` when it went well.
    pub refused: Option<String>,
}

/// Calls waiting to be polled, and what each one in flight is for.
#[derive(Debug)]
pub struct Calls<T> {
    next: u64,
    ready: VecDeque<Call>,
    in_flight: std::collections::BTreeMap<CallId, T>,
}

impl<T> Default for Calls<T> {
    fn default() -> Self {
        Self {
            next: 0,
            ready: VecDeque::new(),
            in_flight: std::collections::BTreeMap::new(),
        }
    }
}

impl<T> Calls<T> {
    /// Queues a request; `purpose` comes back with [`Self::answered`].
    pub fn send(&mut self, request: Request, cause: Option<Revision>, purpose: T) -> CallId {
        self.next += 1;
        let id = CallId(self.next);
        self.ready.push_back(Call { id, request, cause });
        self.in_flight.insert(id, purpose);
        id
    }

    /// Takes the calls that were queued, in order.
    pub fn drain(&mut self) -> Vec<Call> {
        self.ready.drain(..).collect()
    }

    /// The purpose of an answered call; `None` for an id that is not in flight.
    pub fn answered(&mut self, id: CallId) -> Option<T> {
        self.in_flight.remove(&id)
    }

    /// The purposes of all calls that are queued or in flight.
    pub fn pending(&self) -> impl Iterator<Item = &T> {
        self.in_flight.values()
    }
}
