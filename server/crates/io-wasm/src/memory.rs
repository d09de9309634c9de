//! A container's memory: all linear memories of all its instances count, and growth past the limit ends it.
//!
//! WebAssembly would let a refused `memory.grow` return -1, and most programs would then abort with no hint why.
//! Kubernetes ends a container that needs more than its limit with OOMKilled and 137, so that is what happens here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;
use wasmtime::ResourceLimiter;

/// Largest table: function references of one program.
const TABLE_ELEMENTS_MAX: usize = 1 << 20;

/// What one container may use and uses.
#[derive(Debug)]
pub struct MemoryAccount {
    limit: u64,
    used: AtomicU64,
    peak: AtomicU64,
    exceeded: CancellationToken,
}

/// Why a guest was ended at a growth of its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("memory limit exceeded: {used} bytes in use, {asked} more asked for, limit {limit}")]
pub struct OutOfMemory {
    /// Bytes in use by the container.
    pub used: u64,
    /// Bytes it asked for on top.
    pub asked: u64,
    /// The container's limit in bytes.
    pub limit: u64,
}

impl MemoryAccount {
    /// An account with a limit in bytes.
    #[must_use]
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            exceeded: CancellationToken::new(),
        })
    }

    /// Bytes in use now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The most bytes that were ever in use at once.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Done once the limit was hit.
    #[must_use]
    pub fn exceeded(&self) -> &CancellationToken {
        &self.exceeded
    }

    fn take(&self, asked: u64) -> Result<(), OutOfMemory> {
        let taken = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(asked).filter(|sum| *sum <= self.limit)
            });
        match taken {
            Ok(before) => {
                self.peak.fetch_max(before + asked, Ordering::Relaxed);
                Ok(())
            }
            Err(used) => {
                self.exceeded.cancel();
                Err(OutOfMemory {
                    used,
                    asked,
                    limit: self.limit,
                })
            }
        }
    }
}

/// One store's share of a container's memory; given back when the store goes.
pub(crate) struct MemoryLease {
    account: Arc<MemoryAccount>,
    held: u64,
}

impl MemoryLease {
    pub(crate) fn new(account: Arc<MemoryAccount>) -> Self {
        Self { account, held: 0 }
    }
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        self.account.used.fetch_sub(self.held, Ordering::Relaxed);
    }
}

impl ResourceLimiter for MemoryLease {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let asked = desired.saturating_sub(current) as u64;
        self.account.take(asked)?;
        self.held += asked;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX && maximum.is_none_or(|maximum| desired <= maximum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_share_the_limit_and_give_back() {
        let account = MemoryAccount::new(100);
        let mut first = MemoryLease::new(Arc::clone(&account));
        let mut second = MemoryLease::new(Arc::clone(&account));
        assert!(first.memory_growing(0, 60, None).unwrap());
        assert!(second.memory_growing(0, 40, None).unwrap());
        assert_eq!((account.used(), account.peak()), (100, 100));
        drop(second);
        assert_eq!((account.used(), account.peak()), (60, 100));
        assert!(first.memory_growing(60, 90, None).unwrap());
        assert!(!account.exceeded().is_cancelled());
        let error = first.memory_growing(90, 101, None).unwrap_err();
        assert_eq!(
            error.downcast_ref(),
            Some(&OutOfMemory {
                used: 90,
                asked: 11,
                limit: 100
            })
        );
        assert!(account.exceeded().is_cancelled());
    }

    #[test]
    fn a_programs_own_maximum_is_no_kill() {
        let account = MemoryAccount::new(100);
        let mut lease = MemoryLease::new(Arc::clone(&account));
        assert!(!lease.memory_growing(0, 60, Some(50)).unwrap());
        assert!(!account.exceeded().is_cancelled());
    }
}
