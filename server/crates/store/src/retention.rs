//! How much history to keep for watches and old reads, and when to compact the rest.

use shared::{Millis, Revision};

use crate::snapshot::Snapshot;

/// What history is worth keeping. A store compacts when one of the bounds is exceeded by a tenth, to its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// History younger than this stays, in milliseconds, unless another bound is hit.
    pub keep_ms: u64,
    /// At most this many revisions stay.
    pub keep_revisions: u64,
    /// At most this many bytes of superseded values stay.
    pub keep_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            keep_ms: Self::KEEP_MS,
            keep_revisions: Self::KEEP_REVISIONS,
            keep_bytes: Self::KEEP_BYTES,
        }
    }
}

impl Retention {
    /// kube-apiserver's compaction interval (`--etcd-compaction-interval`): 5 minutes.
    pub const KEEP_MS: u64 = 300_000;
    /// Five minutes of 300 writes a second, which is more than 3,000 nodes' lease renewals.
    pub const KEEP_REVISIONS: u64 = 100_000;
    /// A quarter of the memory that a cluster of 5,000 nodes may take.
    pub const KEEP_BYTES: u64 = 256 << 20;

    /// The revision to compact at, when it is worth the work.
    ///
    /// Cheap enough to ask after every batch of commits: it looks at the oldest entry only until a bound is
    /// exceeded.
    #[must_use]
    pub fn due(&self, snapshot: &Snapshot, now: Millis) -> Option<Revision> {
        let entries = &snapshot.state().history;
        let oldest = entries.front()?;
        let over = |have: u64, keep: u64| have > keep.saturating_add(keep / 10);
        let old = over(now.since(oldest.time), self.keep_ms);
        let many = over(entries.len() as u64, self.keep_revisions);
        let large = over(snapshot.state().history_bytes, self.keep_bytes);
        if !(old || many || large) {
            return None;
        }
        let mut excess = (entries.len() as u64).saturating_sub(self.keep_revisions);
        let mut bytes = snapshot.state().history_bytes;
        for (at, entry) in (0_u64..).zip(entries) {
            if now.since(entry.time) <= self.keep_ms && bytes <= self.keep_bytes {
                excess = excess.max(at);
                break;
            }
            bytes = bytes.saturating_sub(entry.retained_bytes());
            excess = excess.max(at + 1);
        }
        (excess > 0).then(|| Revision(snapshot.state().floor() + excess))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Store, Txn};

    #[test]
    fn history_is_kept_up_to_each_bound() {
        let keep = Retention {
            keep_ms: 1000,
            keep_revisions: 50,
            keep_bytes: 1000,
        };
        for (what, writes, value_len, every_ms, want) in [
            ("nothing to do", 10, 1, 1, None),
            ("a tenth over is tolerated", 55, 1, 1, None),
            ("too many", 60, 1, 1, Some(11)),
            ("too old", 20, 1, 100, Some(11)),
            ("all of it too old", 2, 1, 2000, Some(2)),
            ("too large", 20, 100, 1, Some(12)),
        ] {
            let mut store = Store::new();
            for n in 0..writes {
                store.set_time(Millis(1 + n * every_ms));
                store.commit(Txn::put("/k", vec![b'x'; value_len])).unwrap();
            }
            let now = Millis(1 + (writes - 1) * every_ms + 1);
            let got = keep.due(&store.snapshot(), now).map(|r| r.0);
            assert_eq!(got, want, "{what}");
        }
    }
}
