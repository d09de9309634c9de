//! Blobs on their way in: pieces in order, bounded in number and size.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

/// Most uploads under way; beyond that the oldest is given up.
const UPLOADS_MAX: usize = 64;
/// Most bytes of all uploads together; beyond that the oldest is given up.
const UPLOADS_BYTES_MAX: usize = 512 << 20;

/// The uploads under way.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    next: u64,
    open: BTreeMap<u64, BytesMut>,
}

/// Why a piece was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// No such upload.
    Unknown,
    /// It does not begin where the last one ended: there.
    OutOfOrder(usize),
    /// The whole would be larger than a blob may be.
    TooLarge,
}

fn number(id: &str) -> Option<u64> {
    u64::from_str_radix(id, 16).ok()
}

impl Uploads {
    /// Begins an upload; answers its id.
    pub(super) fn begin(&mut self) -> String {
        if self.open.len() >= UPLOADS_MAX {
            self.open.pop_first();
        }
        self.next += 1;
        self.open.insert(self.next, BytesMut::new());
        format!("{:x}", self.next)
    }

    /// How much of an upload is there.
    pub(super) fn length(&self, id: &str) -> Option<usize> {
        self.open.get(&number(id)?).map(BytesMut::len)
    }

    /// Adds a piece, which begins at `start` if that is said; answers how much is there now.
    pub(super) fn add(
        &mut self,
        id: &str,
        start: Option<usize>,
        piece: &[u8],
        most: usize,
    ) -> Result<usize, NotTaken> {
        let number = number(id).ok_or(NotTaken::Unknown)?;
        let so_far = self.open.get(&number).ok_or(NotTaken::Unknown)?.len();
        if start.is_some_and(|start| start != so_far) {
            return Err(NotTaken::OutOfOrder(so_far));
        }
        if so_far + piece.len() > most {
            return Err(NotTaken::TooLarge);
        }
        let mut all: usize = self.open.values().map(BytesMut::len).sum();
        while all + piece.len() > UPLOADS_BYTES_MAX {
            let oldest = self.open.keys().copied().find(|n| *n != number);
            let Some(given_up) = oldest.and_then(|n| self.open.remove(&n)) else {
                return Err(NotTaken::TooLarge);
            };
            all -= given_up.len();
        }
        let upload = self.open.get_mut(&number).ok_or(NotTaken::Unknown)?;
        upload.extend_from_slice(piece);
        Ok(upload.len())
    }

    /// Ends an upload; answers what was sent.
    pub(super) fn take(&mut self, id: &str) -> Option<Bytes> {
        self.open.remove(&number(id)?).map(BytesMut::freeze)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_in_order() {
        let mut uploads = Uploads::default();
        let id = uploads.begin();
        assert_eq!(uploads.add(&id, Some(0), b"abc", 8), Ok(3));
        assert_eq!(
            uploads.add(&id, Some(2), b"x", 8),
            Err(NotTaken::OutOfOrder(3))
        );
        assert_eq!(uploads.add(&id, Some(3), b"de", 8), Ok(5));
        assert_eq!(uploads.add(&id, None, b"fghi", 8), Err(NotTaken::TooLarge));
        assert_eq!(uploads.length(&id), Some(5));
        assert_eq!(uploads.take(&id).unwrap(), b"abcde".as_slice());
        assert_eq!(uploads.take(&id), None);
        assert_eq!(uploads.add(&id, None, b"", 8), Err(NotTaken::Unknown));
        assert_eq!(uploads.add("no id", None, b"", 8), Err(NotTaken::Unknown));
    }

    #[test]
    fn the_oldest_upload_gives_way() {
        let mut uploads = Uploads::default();
        let ids: Vec<String> = (0..=UPLOADS_MAX).map(|_| uploads.begin()).collect();
        assert_eq!(uploads.length(&ids[0]), None);
        assert_eq!(uploads.length(&ids[1]), Some(0));
    }
}
