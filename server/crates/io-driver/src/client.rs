//! The one way to the apiserver, in process or across the network.

use std::future::Future;
use std::pin::Pin;

use client::{Answer, Interest, Request, WatchEvent};
use shared::{Revision, Status};
use tokio::sync::mpsc;

/// A future that owns what it needs.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a watch delivers.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchItem {
    /// A change.
    Event(WatchEvent),
    /// Everything up to this revision has been delivered.
    Bookmark(Revision),
}

/// The receiving end of a watch. It ends with an error item when the server ends it, `Expired` when history is gone.
pub type WatchStream = mpsc::Receiver<Result<WatchItem, Status>>;

/// A connection to the apiserver under one user's name. Scheduler, controllers, kubelet and kube-proxy use nothing
/// else, so none of them can tell whether it shares a process with the apiserver.
pub trait Client: Send + Sync + 'static {
    /// Sends a request; `cause` is the revision that led to it, whose trace the request joins.
    fn call(&self, request: Request, cause: Option<Revision>) -> Pending<Result<Answer, Status>>;

    /// Follows a collection from just after a revision.
    fn watch(&self, interest: Interest, after: Revision) -> Pending<Result<WatchStream, Status>>;
}
