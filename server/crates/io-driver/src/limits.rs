//! How many requests may be worked on at a time, and which of them never have to wait.

use apiserver::{Listing, Registry};
use client::{Request, Verb};
use shared::Status;
use shared::status::Details;
use store::Snapshot;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Writes in flight at a time (kube-apiserver's `--max-mutating-requests-inflight`).
pub const MUTATING_IN_FLIGHT_MAX: usize = 200;
/// Reads in flight at a time (kube-apiserver's `--max-requests-inflight`).
pub const READING_IN_FLIGHT_MAX: usize = 400;
/// Objects from which on a collection is read and written off the threads that serve everybody.
const LARGE_FROM: usize = 200;
/// When to come again, in seconds.
const RETRY_AFTER_S: u32 = 1;

/// The slots that requests take while they are worked on.
#[derive(Debug)]
pub struct Limits {
    mutating: Semaphore,
    reading: Semaphore,
    large: Semaphore,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            mutating: Semaphore::new(MUTATING_IN_FLIGHT_MAX),
            reading: Semaphore::new(READING_IN_FLIGHT_MAX),
            large: Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)),
        }
    }
}

impl Limits {
    /// Takes a slot until the permit is dropped. Watches take none, because they last; leases need none, because a
    /// cluster must not lose its nodes or its leaders while its users are busy.
    ///
    /// # Errors
    /// 429 with the time to wait, in the original's words.
    pub fn take(&self, request: &Request) -> Result<Option<SemaphorePermit<'_>>, Status> {
        let is_lease =
            request.kind.plural == "leases" && request.kind.group == "coordination.k8s.io";
        if request.verb == Verb::Watch || is_lease {
            return Ok(None);
        }
        let slots = if request.verb.mutates() {
            &self.mutating
        } else {
            &self.reading
        };
        slots.try_acquire().map(Some).map_err(|_| {
            let why =
                "the server has received too many requests and has asked us to try again later";
            Status::failure(429, "TooManyRequests", why).with_details(Details {
                retry_after_seconds: Some(RETRY_AFTER_S),
                ..Details::default()
            })
        })
    }

    /// Does a piece of work; a large one where it does not hold up the runtime's threads, and no more of them at a
    /// time than there are cores, so that health checks, leases and small requests always find a thread.
    pub async fn work<T>(&self, is_large: bool, work: impl FnOnce() -> T) -> T {
        let is_threaded = Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
        if !is_large || !is_threaded {
            return work();
        }
        // The semaphore is never closed.
        let _turn = self.large.acquire().await;
        tokio::task::block_in_place(work)
    }
}

/// Whether an answer is so long that others should not have to wait until it is written.
#[must_use]
pub fn is_large_list(list: &Listing) -> bool {
    list.items.len() > LARGE_FROM
}

/// Whether a request is about so many objects that others should not have to wait for it.
#[must_use]
pub fn is_large(request: &Request, registry: &Registry, snapshot: &Snapshot) -> bool {
    let reads_many = matches!(
        request.verb,
        Verb::List | Verb::Watch | Verb::DeleteCollection
    );
    let is_page = (1..=LARGE_FROM).contains(&request.options.limit);
    if !reads_many || is_page || !request.name.is_empty() {
        return false;
    }
    let Some(kind) = registry.find(&request.kind) else {
        return false;
    };
    let mut prefix = kind.storage_prefix();
    if !request.namespace.is_empty() {
        prefix.push_str(&request.namespace);
        prefix.push('/');
    }
    snapshot.iter(&prefix).nth(LARGE_FROM).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use shared::KindRef;

    fn code(taken: &Result<Option<SemaphorePermit<'_>>, Status>) -> u16 {
        taken.as_ref().map_or_else(|status| status.code, |_| 200)
    }

    #[test]
    fn overload_is_refused_and_leases_go_through() {
        let limits = Limits::default();
        let pods = KindRef::new("", "v1", "pods");
        let leases = KindRef::new("coordination.k8s.io", "v1", "leases");
        let read = Request::list(pods.clone(), "");
        let write = Request::create(pods.clone(), json!({}));
        let watch = Request {
            verb: Verb::Watch,
            ..read.clone()
        };
        let renew = Request::update(leases, json!({}));
        let mut held: Vec<_> = (0..READING_IN_FLIGHT_MAX)
            .map(|_| limits.take(&read))
            .collect();
        assert!(held.iter().all(|taken| code(taken) == 200));
        for (request, want) in [(&read, 429), (&write, 200), (&watch, 200), (&renew, 200)] {
            assert_eq!(code(&limits.take(request)), want, "{request:?}");
        }
        let refused = limits.take(&read).unwrap_err();
        assert_eq!(refused.details.and_then(|d| d.retry_after_seconds), Some(1));
        held.pop();
        assert_eq!(code(&limits.take(&read)), 200);
        let held: Vec<_> = (0..MUTATING_IN_FLIGHT_MAX)
            .map(|_| limits.take(&write))
            .collect();
        assert!(held.iter().all(|taken| code(taken) == 200));
        assert_eq!(code(&limits.take(&write)), 429);
        assert_eq!(code(&limits.take(&renew)), 200);
    }
}
