//! The thread that owns the store and its log, and the handle everybody else has.
//!
//! Group commit: while one batch is being synced the next one queues, so that a thousand waiting writers share one
//! sync. A batch is committed to the store, made durable, published as a snapshot and only then answered: nothing can
//! be read, and nothing is acknowledged, before it is durable.

mod batch;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use shared::{Millis, Revision};
use store::{
    Committed, CompactError, LeaseError, LeaseId, Retention, Snapshot, Store, Txn, TxnError,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::disk::Disk;
use crate::log::{Log, LogOptions};
use crate::real::RealDisk;
use crate::recover::OpenError;
use batch::{Command, Writer};

/// How many requests may wait for the committer. More senders wait in turn; kube-apiserver's limit of 200 mutating
/// requests in flight (`--max-mutating-requests-inflight`) is reached long before.
const QUEUE: usize = 4096;

/// How a store is kept.
#[derive(Clone)]
pub struct Options {
    /// Sizes of the log.
    pub log: LogOptions,
    /// What history is kept; `None` leaves compaction to [`Handle::compact`].
    pub retention: Option<Retention>,
    /// The limit on [`Snapshot::size_bytes`] beyond which puts are refused.
    pub quota_bytes: u64,
    /// An image is written when this much log, and as much as the last image, has been appended since.
    pub image_after_bytes: u64,
    /// The cluster clock.
    pub clock: Arc<dyn Fn() -> Millis + Send + Sync>,
}

impl Options {
    /// The defaults of a server, at the time of `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Fn() -> Millis + Send + Sync>) -> Self {
        Self {
            log: LogOptions::default(),
            retention: Some(Retention::default()),
            quota_bytes: Store::QUOTA_BYTES,
            image_after_bytes: 64 << 20,
            clock,
        }
    }
}

/// Why a request had no effect, or an unknown one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused<E: std::error::Error> {
    /// The store said no.
    #[error(transparent)]
    Rejected(E),
    /// The disk refused the batch, for example because it is full; nothing changed, and it may work later.
    #[error("the store cannot be written: {reason}")]
    Storage {
        /// What failed.
        reason: Arc<str>,
    },
    /// A sync failed: whether this request survives the restart that is due is unknown.
    #[error("the outcome of this write is unknown until the store is restarted: {reason}")]
    Unknown {
        /// What failed.
        reason: Arc<str>,
    },
    /// A sync failed before this request: nothing is accepted until a restart. Reads go on.
    #[error("the store is read-only until it is restarted: {reason}")]
    ReadOnly {
        /// What failed first.
        reason: Arc<str>,
    },
    /// The committer has been closed.
    #[error("the store is closed")]
    Closed,
}

/// Why a transaction was not committed.
pub type CommitError = Refused<TxnError>;
/// Why history was not compacted.
pub type CompactFailure = Refused<CompactError>;
/// Why a lease was not changed.
pub type LeaseFailure = Refused<LeaseError>;

/// The owner of the committing thread. Close it to end the thread; dropping it leaves the thread to the handles.
pub struct Committer {
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Committer {
    /// Recovers the store in `dir` and starts committing to it. Blocks while it recovers.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn start(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let disk = RealDisk::new(dir).map_err(|source| {
            let file = dir.display().to_string();
            OpenError::Io {
                file,
                action: "create",
                source,
            }
        })?;
        Self::start_on(Arc::new(disk), options)
    }

    /// As [`Committer::start`], on any disk.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn start_on(disk: Arc<dyn Disk>, options: Options) -> Result<Self, OpenError> {
        let (log, store) = Log::open_on(disk, options.log)?;
        Self::run(Some(log), store, options)
    }

    /// Starts with an empty store that is gone when the process ends.
    ///
    /// # Errors
    /// [`OpenError::Io`] when the system gives no thread.
    pub fn in_memory(options: Options) -> Result<Self, OpenError> {
        Self::run(None, Store::new(), options)
    }

    fn run(log: Option<Log>, store: Store, options: Options) -> Result<Self, OpenError> {
        let mut store = store.with_quota(options.quota_bytes);
        store.lease_renew_all((options.clock)());
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (publish, snapshots) = watch::channel(store.snapshot());
        let (fault_sender, fault) = watch::channel(None);
        let writer = Writer::new(store, log, options, publish, fault_sender);
        let thread = std::thread::Builder::new()
            .name("store-committer".to_owned())
            .spawn(move || writer.run(receiver))
            .map_err(|source| {
                let file = "store-committer".to_owned();
                OpenError::Io {
                    file,
                    action: "start thread",
                    source,
                }
            })?;
        Ok(Self {
            handle: Handle {
                sender,
                snapshots,
                fault,
            },
            thread,
        })
    }

    /// The way to the store; clone it freely.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Completes what is queued, refuses what comes later and joins the thread.
    pub async fn close(self) {
        let (reply, done) = oneshot::channel();
        if self
            .handle
            .sender
            .send(Command::Close { reply })
            .await
            .is_ok()
        {
            let _ = done.await;
        }
        if self.thread.join().is_err() {
            tracing::error!("the store's committing thread panicked");
        }
    }
}

/// A way to the store for any number of tasks.
#[derive(Clone)]
pub struct Handle {
    sender: mpsc::Sender<Command>,
    snapshots: watch::Receiver<Snapshot>,
    fault: watch::Receiver<Option<Arc<str>>>,
}

impl Handle {
    /// Commits `txn`; when this returns it is durable and every later [`Handle::snapshot`] has it.
    ///
    /// Dropping the future does not take the transaction back once it is queued.
    ///
    /// # Errors
    /// [`CommitError`].
    pub async fn commit(&self, txn: Txn) -> Result<Committed, CommitError> {
        self.ask(|reply| Command::Commit { txn, reply }).await
    }

    /// Drops history up to and including `at`.
    ///
    /// # Errors
    /// [`CompactFailure`].
    pub async fn compact(&self, at: Revision) -> Result<(), CompactFailure> {
        self.ask(|reply| Command::Compact { at, reply }).await
    }

    /// Grants a lease that ends `ttl_ms` milliseconds after the last keep-alive.
    ///
    /// # Errors
    /// [`LeaseFailure`].
    pub async fn lease_grant(&self, id: LeaseId, ttl_ms: u64) -> Result<(), LeaseFailure> {
        self.ask(|reply| Command::LeaseGrant { id, ttl_ms, reply })
            .await
    }

    /// Renews a lease and returns when it ends.
    ///
    /// # Errors
    /// [`LeaseFailure`].
    pub async fn lease_keep_alive(&self, id: LeaseId) -> Result<Millis, LeaseFailure> {
        self.ask(|reply| Command::LeaseKeepAlive { id, reply })
            .await
    }

    /// Ends a lease and deletes its keys.
    ///
    /// # Errors
    /// [`LeaseFailure`].
    pub async fn lease_revoke(&self, id: LeaseId) -> Result<Committed, LeaseFailure> {
        self.ask(|reply| Command::LeaseRevoke { id, reply }).await
    }

    /// Ends every lease whose time is over and deletes their keys; returns when the next one ends.
    ///
    /// Whoever drives the cluster clock calls this: the committer has no timer.
    ///
    /// # Errors
    /// [`LeaseFailure`], never [`Refused::Rejected`].
    pub async fn expire_leases(&self) -> Result<Option<Millis>, LeaseFailure> {
        self.ask(|reply| Command::ExpireLeases { reply }).await
    }

    /// The newest durable state.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshots.borrow().clone()
    }

    /// A receiver that is woken when a newer snapshot is published, and holds it. Several revisions may come at once.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Snapshot> {
        self.snapshots.clone()
    }

    /// Why the store is read-only until a restart; `None` while it is well. For `/readyz`.
    #[must_use]
    pub fn fault(&self) -> Option<Arc<str>> {
        self.fault.borrow().clone()
    }

    async fn ask<T, E: std::error::Error>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, Refused<E>>>) -> Command,
    ) -> Result<T, Refused<E>> {
        let (reply, answer) = oneshot::channel();
        self.sender
            .send(command(reply))
            .await
            .map_err(|_| Refused::Closed)?;
        answer.await.unwrap_or(Err(Refused::Closed))
    }
}
