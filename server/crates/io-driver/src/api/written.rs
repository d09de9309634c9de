//! What is being written, in its parsed form, on its way to those who watch.

use std::collections::HashMap;
use std::sync::Arc;

use apiserver::{Decoded, Proposal};
use bytes::Bytes;
use parking_lot::Mutex;

/// Parsed forms by the address of the stored bytes, which the store hands through as they are. An entry holds the
/// bytes too, so that no others can come to lie there.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<HashMap<usize, (Bytes, Arc<Decoded>)>>);

/// An entry whose commit is under way; dropped without a commit, it takes the entry back.
#[must_use]
pub(super) struct Handed<'a> {
    written: &'a Written,
    at: Option<usize>,
}

impl Written {
    /// Announces what a proposal is about to write.
    pub(super) fn hand_on(&self, proposal: &Proposal) -> Handed<'_> {
        let at = proposal.written().map(|(bytes, decoded)| {
            let at = address(&bytes);
            self.0.lock().insert(at, (bytes, decoded));
            at
        });
        Handed { written: self, at }
    }

    /// The parsed form of bytes that were written, or an empty place for one.
    pub(super) fn take(&self, bytes: &Bytes) -> Arc<Decoded> {
        let entry = self.0.lock().remove(&address(bytes));
        entry.map(|(_, decoded)| decoded).unwrap_or_default()
    }

    /// Forgets everything: some of it will never be asked for.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

impl Handed<'_> {
    /// It was committed: whoever feeds the watches takes it.
    pub(super) fn keep(mut self) {
        self.at = None;
    }
}

impl Drop for Handed<'_> {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            self.written.0.lock().remove(&at);
        }
    }
}

fn address(bytes: &Bytes) -> usize {
    bytes.as_ptr() as usize
}
