//! The committing thread: one turn for each batch.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use shared::{Millis, Revision};
use store::{Committed, CompactError, LeaseError, LeaseId, Record, Snapshot, Store, Txn, TxnError};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Options, Refused};
use crate::image;
use crate::log::{AppendError, Log};

/// At most this many requests share a sync.
const BATCH: usize = 1024;
/// A batch is closed when its writes reach this, in bytes; the largest single one is 1.5 MiB more.
const BATCH_BYTES: usize = 8 << 20;

type Reply<T, E> = oneshot::Sender<Result<T, Refused<E>>>;

pub(super) enum Command {
    Commit {
        txn: Txn,
        reply: Reply<Committed, TxnError>,
    },
    Compact {
        at: Revision,
        reply: Reply<(), CompactError>,
    },
    LeaseGrant {
        id: LeaseId,
        ttl_ms: u64,
        reply: Reply<(), LeaseError>,
    },
    LeaseKeepAlive {
        id: LeaseId,
        reply: Reply<Millis, LeaseError>,
    },
    LeaseRevoke {
        id: LeaseId,
        reply: Reply<Committed, LeaseError>,
    },
    ExpireLeases {
        reply: Reply<Option<Millis>, LeaseError>,
    },
    Close {
        reply: oneshot::Sender<()>,
    },
}

impl Command {
    fn size(&self) -> usize {
        match self {
            Self::Commit { txn, .. } => txn.size(),
            _ => 0,
        }
    }
}

/// Why the whole batch had no effect.
#[derive(Clone)]
enum Fault {
    Storage(Arc<str>),
    Unknown(Arc<str>),
    ReadOnly(Arc<str>),
}

impl From<AppendError> for Fault {
    fn from(error: AppendError) -> Self {
        let reason = error.to_string().into();
        match error {
            AppendError::Refused { .. } => Self::Storage(reason),
            AppendError::Poisoned { .. } => Self::Unknown(reason),
        }
    }
}

/// An answer that waits for its batch to be durable.
type Answer = Box<dyn FnOnce(Option<&Fault>) + Send>;

fn answer<T, E>(reply: Reply<T, E>, result: Result<T, E>) -> Answer
where
    T: Send + 'static,
    E: std::error::Error + Send + 'static,
{
    Box::new(move |fault| {
        let result = match fault {
            None => result.map_err(Refused::Rejected),
            Some(Fault::Storage(reason)) => Err(Refused::Storage {
                reason: reason.clone(),
            }),
            Some(Fault::Unknown(reason)) => Err(Refused::Unknown {
                reason: reason.clone(),
            }),
            Some(Fault::ReadOnly(reason)) => Err(Refused::ReadOnly {
                reason: reason.clone(),
            }),
        };
        // Nobody waits any more: the transaction stands all the same.
        let _ = reply.send(result);
    })
}

/// An image being written beside the log.
struct Imaging {
    index: u64,
    thread: JoinHandle<io::Result<u64>>,
}

pub(super) struct Writer {
    store: Store,
    log: Option<Log>,
    options: Options,
    publish: watch::Sender<Snapshot>,
    fault: watch::Sender<Option<Arc<str>>>,
    read_only: Option<Fault>,
    imaging: Option<Imaging>,
    records: Vec<Record>,
    answers: Vec<Answer>,
}

impl Writer {
    pub(super) fn new(
        store: Store,
        log: Option<Log>,
        options: Options,
        publish: watch::Sender<Snapshot>,
        fault: watch::Sender<Option<Arc<str>>>,
    ) -> Self {
        Self {
            store,
            log,
            options,
            publish,
            fault,
            read_only: None,
            imaging: None,
            records: Vec::new(),
            answers: Vec::new(),
        }
    }

    pub(super) fn run(mut self, mut receiver: mpsc::Receiver<Command>) {
        let mut queue = Vec::with_capacity(BATCH);
        let mut close = None;
        while close.is_none() && receiver.blocking_recv_many(&mut queue, BATCH) > 0 {
            let mut rest = queue.drain(..).peekable();
            while rest.peek().is_some() {
                let mut bytes = 0;
                let batch = std::iter::from_fn(|| {
                    let command = rest.next_if(|_| bytes < BATCH_BYTES)?;
                    bytes += command.size();
                    Some(command)
                });
                close = self.turn(batch).or(close);
            }
        }
        // Requests that came after the close are dropped with the receiver, which answers them `Closed`.
        receiver.close();
        if let Some(imaging) = self.imaging.take() {
            self.finish_image(imaging);
        }
        drop(self);
        if let Some(reply) = close {
            let _ = reply.send(());
        }
    }

    /// Commits a batch, makes it durable, publishes it, answers it. Returns where to confirm a close.
    fn turn(&mut self, batch: impl Iterator<Item = Command>) -> Option<oneshot::Sender<()>> {
        let now = (self.options.clock)();
        self.store.set_time(now);
        let before = self.store.clone();
        let mut close = None;
        for command in batch {
            match command {
                Command::Close { reply } => close = Some(reply),
                command => self.execute(command, now),
            }
        }
        self.retain(now);
        let failed = self.make_durable();
        if failed.is_some() {
            self.store = before;
        } else if !self.records.is_empty() {
            self.publish.send_replace(self.store.snapshot());
        }
        self.records.clear();
        for answer in self.answers.drain(..) {
            answer(failed.as_ref());
        }
        self.tend_image();
        close
    }

    fn execute(&mut self, command: Command, now: Millis) {
        let store = &mut self.store;
        let records = &mut self.records;
        let answer = match command {
            Command::Commit { txn, reply } => {
                let result = store.commit(txn);
                records.extend(result.as_ref().ok().and_then(Committed::record));
                answer(reply, result)
            }
            Command::Compact { at, reply } => {
                answer(reply, store.compact(at).map(|record| records.push(record)))
            }
            Command::LeaseGrant { id, ttl_ms, reply } => {
                let result = store.lease_grant(id, ttl_ms, now);
                answer(reply, result.map(|record| records.push(record)))
            }
            Command::LeaseKeepAlive { id, reply } => answer(reply, store.lease_keep_alive(id, now)),
            Command::LeaseRevoke { id, reply } => {
                let result = store.lease_revoke(id, now).map(|(committed, record)| {
                    records.push(record);
                    committed
                });
                answer(reply, result)
            }
            Command::ExpireLeases { reply } => {
                for id in store.lease_expired(now) {
                    records.extend(store.lease_revoke(id, now).map(|(_, record)| record));
                }
                answer(reply, Ok(store.lease_next_deadline()))
            }
            Command::Close { .. } => return,
        };
        self.answers.push(answer);
    }

    fn retain(&mut self, now: Millis) {
        let Some(retention) = self.options.retention else {
            return;
        };
        if let Some(at) = retention.due(&self.store.snapshot(), now) {
            self.records.extend(self.store.compact(at));
        }
    }

    fn make_durable(&mut self) -> Option<Fault> {
        if self.read_only.is_some() {
            return self.read_only.clone();
        }
        let fault = Fault::from(self.log.as_mut()?.append(&self.records).err()?);
        match &fault {
            Fault::Unknown(reason) | Fault::ReadOnly(reason) => {
                tracing::error!(%reason, "the store is read-only until a restart");
                self.fault.send_replace(Some(reason.clone()));
                self.read_only = Some(Fault::ReadOnly(reason.clone()));
            }
            Fault::Storage(reason) => tracing::warn!(%reason, "the store refused a batch"),
        }
        Some(fault)
    }

    /// Collects a finished image and begins one when it is due.
    fn tend_image(&mut self) {
        if self.read_only.is_some() {
            return;
        }
        if let Some(imaging) = self.imaging.take_if(|imaging| imaging.thread.is_finished()) {
            self.finish_image(imaging);
        }
        let Some(log) = &self.log else { return };
        if self.imaging.is_some() || !log.wants_image(self.options.image_after_bytes) {
            return;
        }
        let (disk, snapshot) = (log.disk(), self.store.snapshot());
        let index = snapshot.index();
        let thread = std::thread::Builder::new()
            .name("store-image".to_owned())
            .spawn(move || image::write(&*disk, &snapshot));
        match thread {
            Ok(thread) => self.imaging = Some(Imaging { index, thread }),
            Err(error) => self.image_failed(&error),
        }
    }

    fn finish_image(&mut self, imaging: Imaging) {
        let written = imaging
            .thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("panicked")));
        let Some(log) = &mut self.log else { return };
        let noted = written.and_then(|bytes| log.image_written(imaging.index, bytes));
        if let Err(error) = noted {
            self.image_failed(&error);
        }
    }

    fn image_failed(&mut self, error: &io::Error) {
        tracing::warn!(%error, "no image of the store was written; its log grows until the next one");
        if let Some(log) = &mut self.log {
            log.postpone_image();
        }
    }
}
