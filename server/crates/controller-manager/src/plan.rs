//! What a controller wants done: requests as data, in stages, with the events to record about them.

use client::{Request, Verb};
use shared::{Millis, ObjectRef};

/// The outcome of one look at one object. Empty when everything is as it should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Requests by stage: a stage begins when every request of the one before succeeded. Within a stage the order
    /// does not matter.
    pub stages: Vec<Vec<Write>>,
    /// When to look again though nothing happens.
    pub again_at: Option<Millis>,
    /// In a few words what is being done, for the flow log: `web-5d97: 0 -> 3 pods`.
    pub text: String,
}

/// One request of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// What to send.
    pub request: Request,
    /// What counts as success.
    pub wanted: Wanted,
    /// The event to record once it succeeded. `{name}` stands for the answered object's name.
    pub said: Option<Said>,
    /// The event to record when it is refused. `{error}` stands for the refusal's message.
    pub said_if_refused: Option<Said>,
}

/// What counts as success of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Any answer that is not an error. A delete of what is gone already succeeds too.
    #[default]
    Done,
    /// That the object with this uid does not exist: the check before acting on an absence that a cache suggests.
    Absent {
        /// The uid that must be gone.
        uid: String,
    },
}

/// An event to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The object it is about.
    pub about: ObjectRef,
    /// True for `Warning`, false for `Normal`.
    pub warning: bool,
    /// `ScalingReplicaSet`, `SuccessfulCreate`, ...
    pub reason: &'static str,
    /// The message.
    pub message: String,
}

impl Said {
    /// A `Normal` event.
    #[must_use]
    pub fn normal(about: ObjectRef, reason: &'static str, message: String) -> Self {
        Self {
            about,
            warning: false,
            reason,
            message,
        }
    }

    /// A `Warning` event.
    #[must_use]
    pub fn warning(about: ObjectRef, reason: &'static str, message: String) -> Self {
        Self {
            warning: true,
            ..Self::normal(about, reason, message)
        }
    }
}

impl Write {
    /// A request that simply has to succeed.
    #[must_use]
    pub fn new(request: Request) -> Self {
        Self {
            request,
            wanted: Wanted::Done,
            said: None,
            said_if_refused: None,
        }
    }

    /// A read that must find the object with this uid gone.
    #[must_use]
    pub fn absent(request: Request, uid: &str) -> Self {
        Self {
            wanted: Wanted::Absent { uid: uid.into() },
            ..Self::new(request)
        }
    }

    /// Records an event once it succeeded.
    #[must_use]
    pub fn saying(mut self, said: Said) -> Self {
        self.said = Some(said);
        self
    }

    /// Records an event when it is refused.
    #[must_use]
    pub fn saying_if_refused(mut self, said: Said) -> Self {
        self.said_if_refused = Some(said);
        self
    }
}

impl Plan {
    /// A plan of one stage.
    #[must_use]
    pub fn of(text: impl Into<String>, writes: Vec<Write>) -> Self {
        Self {
            stages: vec![writes],
            again_at: None,
            text: text.into(),
        }
    }

    /// A plan of several stages.
    #[must_use]
    pub fn staged(text: impl Into<String>, stages: Vec<Vec<Write>>) -> Self {
        Self {
            stages,
            again_at: None,
            text: text.into(),
        }
    }

    /// Nothing to do until `at`.
    #[must_use]
    pub fn later(at: Option<Millis>) -> Self {
        Self {
            again_at: at,
            ..Self::default()
        }
    }

    /// The same plan, looked at again at `at` at the latest.
    #[must_use]
    pub fn again(mut self, at: Option<Millis>) -> Self {
        self.again_at = earlier(self.again_at, at);
        self
    }

    /// True when there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages.iter().all(Vec::is_empty)
    }

    /// What is wrong with the plan itself: two writes of one stage to one object, or an update without the
    /// resourceVersion that makes it conditional. Empty for every sound plan.
    #[must_use]
    pub fn lint(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for stage in &self.stages {
            let mut seen = std::collections::BTreeSet::new();
            for write in stage {
                let r = &write.request;
                let named = !r.name.is_empty() && r.verb.mutates();
                if named && !seen.insert((&r.kind, r.key(), r.subresource.as_str())) {
                    wrong.push(format!("two writes to {} {}", r.kind, r.key()));
                }
                if let (Verb::Update, client::Body::Object(body)) = (r.verb, &r.body)
                    && body.pointer("/metadata/resourceVersion").is_none()
                {
                    wrong.push(format!("unconditional update of {} {}", r.kind, r.key()));
                }
            }
        }
        wrong
    }
}

/// The earlier of two optional times.
#[must_use]
pub fn earlier(a: Option<Millis>, b: Option<Millis>) -> Option<Millis> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
