//! What comes out of a request: an answer, something to commit first, a watch, or a connection to a node.

use std::sync::Arc;

use bytes::Bytes;
use client::Request;
use serde_json::Value;
use shared::status::Details;
use shared::{Kind, Object, Revision, Status};
use store::{Committed, Txn, TxnError};

use crate::convert;
use crate::decoded::Decoded;
use crate::item::Item;
use crate::watch::WatchPlan;

/// How often a request may be decided anew when its commit fails on a compare: every attempt means that somebody
/// else succeeded, so this ends only a pathological race (etcd's clients and the original retry without end).
pub const COMMIT_ATTEMPTS_MAX: usize = 64;

/// An answer, before it is rendered in some representation.
#[derive(Clone, Debug)]
pub enum Answer {
    /// One object.
    Object(Item),
    /// A collection.
    List(Listing),
    /// A success that carries no object.
    Status(Status),
    /// Nothing at all (204).
    Empty,
}

/// A collection at a revision.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The kind of its items.
    pub kind: &'static Kind,
    /// The items, in key order.
    pub items: Vec<Item>,
    /// The revision they were read at.
    pub revision: Revision,
    /// Where the next page starts, empty on the last.
    pub continue_token: String,
    /// How many items follow this page, when that is known.
    pub remaining: Option<u64>,
}

impl Answer {
    /// This answer with 200.
    #[must_use]
    pub fn ok(self) -> Outcome {
        Outcome::Answer(self, 200)
    }

    /// The answer in the form that in-process clients get.
    ///
    /// # Errors
    /// 500 when a stored object is damaged.
    pub fn to_client(&self) -> Result<client::Answer, Status> {
        Ok(match self {
            Self::Object(item) => client::Answer::Object(item.glance()?.clone()),
            Self::List(list) => client::Answer::List {
                revision: list.revision,
                items: list
                    .items
                    .iter()
                    .map(Item::passing_glance)
                    .collect::<Result<_, _>>()?,
                continue_token: list.continue_token.clone(),
            },
            Self::Status(status) => client::Answer::Object(Object::new(
                serde_json::to_value(status).map_err(Status::internal)?,
            )),
            Self::Empty => client::Answer::Object(Object::new(Value::Null)),
        })
    }
}

/// What a request comes to.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing to write: the answer and its HTTP code.
    Answer(Answer, u16),
    /// Commit this, then answer. When a compare fails, the request is to be handled again over a fresh snapshot with
    /// a new seed, up to [`COMMIT_ATTEMPTS_MAX`] times: handling it again finds out whether it still may happen (a
    /// stale resourceVersion comes back as 409), so there is no difference to make by kind of request.
    Commit(Box<Proposal>),
    /// Handle each of these requests, skip those answered 404, then answer with the collection (deletecollection).
    Each(Each),
    /// Stream events.
    Watch(WatchPlan),
    /// Forward to the kubelet of a node.
    Connect(Connect),
}

/// Requests that stand for one.
#[derive(Debug)]
pub struct Each {
    /// One request per object.
    pub requests: Vec<Request>,
    /// What to answer in the end.
    pub answer: Answer,
}

/// A connection to a pod, which its node's kubelet serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect {
    /// `log`, `exec`, `attach`, `portforward`, `proxy`; `metrics/nodes` or `metrics/pods`.
    pub subresource: String,
    /// The node to forward to.
    pub node: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub uid: String,
    /// The container, empty for `portforward`.
    pub container: String,
    /// `IP:PORT` that `proxy` goes to; empty for the node's kubelet itself.
    pub address: String,
    /// The query parameters as they came: `follow`, `tailLines`, `command`, ...
    pub parameters: Vec<(String, String)>,
}

/// What to commit, and how to answer then.
#[derive(Debug)]
pub struct Proposal {
    /// The transaction. Its first write is the object's.
    pub txn: Txn,
    /// True when the request did not say which version it is about, so that a failed compare is nobody's conflict.
    pub unconditional: bool,
    reply: Reply,
    code: u16,
    conflict: Status,
}

/// What a commit is answered with.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The object as written.
    Written {
        kind: &'static Kind,
        bytes: Bytes,
        decoded: Arc<Decoded>,
    },
    /// The object in its last state, which is no more.
    Removed { kind: &'static Kind, value: Value },
    /// Something made of the object as written, such as its `Scale`.
    Made {
        kind: &'static Kind,
        value: Value,
        make: fn(&Value) -> Value,
    },
    /// Success, without an object.
    Success(Details),
}

impl Proposal {
    pub(crate) fn new(txn: Txn, reply: Reply, code: u16, conflict: Status) -> Self {
        Self {
            txn,
            unconditional: true,
            reply,
            code,
            conflict,
        }
    }

    pub(crate) fn conditional(mut self, conditional: bool) -> Self {
        self.unconditional = !conditional;
        self
    }

    pub(crate) fn with_reply(mut self, reply: Reply, code: u16) -> Self {
        (self.reply, self.code) = (reply, code);
        self
    }

    /// The same, answered with something made of the object.
    pub(crate) fn made(mut self, kind: &'static Kind, make: fn(&Value) -> Value) -> Self {
        self.reply = match self.reply {
            Reply::Written { decoded, .. } => Reply::Made {
                kind,
                value: decoded.take().unwrap_or_default(),
                make,
            },
            Reply::Removed { value, .. } => Reply::Made { kind, value, make },
            other => other,
        };
        self
    }

    /// What is written, by the bytes that it is stored as, for those who watch. `None` when it is stored in another
    /// form than it is answered in.
    #[must_use]
    pub fn written(&self) -> Option<(Bytes, Arc<Decoded>)> {
        match &self.reply {
            Reply::Written {
                kind,
                bytes,
                decoded,
            } if !convert::is_converted(kind) => Some((bytes.clone(), Arc::clone(decoded))),
            _ => None,
        }
    }

    /// The answer and its code, once the transaction is committed.
    #[must_use]
    pub fn answer(self, committed: &Committed) -> (Answer, u16) {
        self.answer_at(committed.revision)
    }

    pub(crate) fn answer_at(self, revision: Revision) -> (Answer, u16) {
        let answer = match self.reply {
            Reply::Written {
                kind,
                bytes,
                decoded,
            } => Answer::Object(Item::written(kind, bytes, revision, decoded)),
            Reply::Removed { kind, mut value } => {
                crate::item::set_revision(&mut value, revision);
                Answer::Object(Item::made(kind, value))
            }
            Reply::Made {
                kind,
                mut value,
                make,
            } => {
                crate::item::set_revision(&mut value, revision);
                Answer::Object(Item::made(kind, make(&value)))
            }
            Reply::Success(details) => Answer::Status(success(details)),
        };
        (answer, self.code)
    }

    /// The refusal when the store does not take the transaction and there are no attempts left.
    #[must_use]
    pub fn refuse(&self, error: &TxnError) -> Status {
        match error {
            TxnError::CompareFailed { .. } => self.conflict.clone(),
            TxnError::TooLarge { .. } => {
                Status::failure(413, "RequestEntityTooLarge", error.to_string())
            }
            other => Status::internal(other),
        }
    }
}

/// `Status` with `Success`.
pub(crate) fn success(details: Details) -> Status {
    let mut status = Status::failure(200, "", "").with_details(details);
    status.status = "Success".into();
    status
}
