//! Who is attached to a container: each gets what the container prints from then on.
//!
//! Output waits for the slowest of them, as it does for a terminal that nobody reads from: nothing is lost on the way,
//! and a client that went away holds nobody up.

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::Output;

/// Chunks that wait for one client before the container's output waits with them.
const CHUNKS_MAX: usize = 64;
/// Instances of one container may write at once after each has seen room: so much is kept free for them.
const CHUNKS_FREE: usize = 16;

type Sender = mpsc::Sender<(Output, Bytes)>;

/// The attached clients of one run.
#[derive(Default)]
pub(super) struct Attached {
    clients: Mutex<Vec<Sender>>,
}

impl Attached {
    pub(super) fn add(&self) -> mpsc::Receiver<(Output, Bytes)> {
        let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
        self.clients.lock().push(sender);
        receiver
    }

    /// Passes output on; a client whose room is used up although room was asked for is cut off.
    pub(super) fn send(&self, output: Output, data: &[u8]) {
        let mut clients = self.clients.lock();
        if clients.is_empty() {
            return;
        }
        let chunk = Bytes::copy_from_slice(data);
        clients.retain(|client| client.try_send((output, chunk.clone())).is_ok());
    }

    fn full(&self) -> Option<Sender> {
        let mut clients = self.clients.lock();
        clients.retain(|client| !client.is_closed());
        let full = |client: &&Sender| client.capacity() < CHUNKS_FREE;
        clients.iter().find(full).cloned()
    }

    pub(super) fn has_room(&self) -> bool {
        self.full().is_none()
    }

    /// Waits until every client has room.
    pub(super) async fn room(&self) {
        while let Some(client) = self.full() {
            // An error means that it went away, which is room too.
            let _ = client.reserve_many(CHUNKS_FREE).await;
        }
    }
}
