//! `poll_oneoff` over sockets and everything else: the subscriptions to clocks and files are wasmtime-wasi's to wait
//! for, in a memory of their own, beside ours.

use std::collections::BTreeMap;

use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1 as original;
use wiggle::GuestMemory;

use super::sockets::{Errno, Interest, SUCCESS, Sockets, put};

const SUBSCRIPTION: usize = 48;
const EVENT: usize = 32;
/// Most subscriptions of one call.
const COUNT_MAX: usize = 4096;
const TAG_READ: u8 = 1;
const TAG_WRITE: u8 = 2;
const FAULT: i32 = 21;
const INVAL: i32 = 28;

/// A subscription as it is in the guest's memory.
struct Subscription<'a>(&'a [u8]);

impl Subscription<'_> {
    fn user_data(&self) -> &[u8] {
        &self.0[..8]
    }

    fn tag(&self) -> u8 {
        self.0[8]
    }

    /// The file whose reading or writing is waited for.
    fn fd(&self) -> Option<i32> {
        let [a, b, c, d] = [self.0[16], self.0[17], self.0[18], self.0[19]];
        matches!(self.tag(), TAG_READ | TAG_WRITE).then(|| i32::from_le_bytes([a, b, c, d]))
    }
}

/// Waits for the first of the subscriptions.
pub(super) async fn poll_oneoff(
    wasi: &mut WasiP1Ctx,
    sockets: &mut Sockets,
    memory: &mut [u8],
    (subscriptions, events, count, out): (i32, i32, i32, i32),
) -> wasmtime::Result<i32> {
    let (at, n) = (
        subscriptions.cast_unsigned() as usize,
        count.cast_unsigned() as usize,
    );
    if n > COUNT_MAX {
        return Ok(INVAL);
    }
    let Some(all) = memory.get(at..at + n * SUBSCRIPTION).map(<[u8]>::to_vec) else {
        return Ok(FAULT);
    };
    let (own, theirs): (Vec<_>, Vec<_>) = all
        .chunks(SUBSCRIPTION)
        .map(Subscription)
        .partition(|s| s.fd().is_some_and(|fd| sockets.has(fd)));
    if own.is_empty() {
        let mut guest = GuestMemory::Unshared(memory);
        return original::poll_oneoff(wasi, &mut guest, subscriptions, events, count, out).await;
    }
    let mut wanted: BTreeMap<i32, (bool, bool)> = BTreeMap::new();
    for subscription in &own {
        let of = wanted
            .entry(subscription.fd().unwrap_or_default())
            .or_default();
        of.0 |= subscription.tag() == TAG_READ;
        of.1 |= subscription.tag() == TAG_WRITE;
    }
    let answer = tokio::select! {
        biased;
        (fd, interest) = sockets.first_ready(&wanted) => happened(&own, fd, interest),
        answer = wait_for_theirs(wasi, &theirs) => match answer? {
            Ok(answer) => answer,
            Err(errno) => return Ok(errno),
        },
    };
    let number = ((answer.len() / EVENT) as u32).to_le_bytes();
    let written = put(memory, events, &answer).and_then(|()| put(memory, out, &number));
    Ok(written.map_or_else(|Errno(errno)| errno, |()| SUCCESS))
}

/// The events of the subscriptions that a socket fulfils.
fn happened(own: &[Subscription<'_>], fd: i32, interest: Interest) -> Vec<u8> {
    let tag = match interest {
        Interest::Read => TAG_READ,
        Interest::Write => TAG_WRITE,
    };
    let fulfilled = own.iter().filter(|s| s.tag() == tag && s.fd() == Some(fd));
    fulfilled
        .flat_map(|subscription| {
            let mut event = [0; EVENT];
            event[..8].copy_from_slice(subscription.user_data());
            event[10] = tag;
            // At least this many bytes can be moved.
            event[16] = 1;
            event
        })
        .collect()
}

/// The events of other subscriptions, or the error number.
async fn wait_for_theirs(
    wasi: &mut WasiP1Ctx,
    theirs: &[Subscription<'_>],
) -> wasmtime::Result<Result<Vec<u8>, i32>> {
    if theirs.is_empty() {
        return std::future::pending().await;
    }
    let mut memory: Vec<u8> = theirs.iter().flat_map(|s| s.0).copied().collect();
    let events = memory.len();
    let out = events + theirs.len() * EVENT;
    memory.resize(out + 8, 0);
    let mut guest = GuestMemory::Unshared(&mut memory);
    let count = theirs.len() as i32;
    let errno =
        original::poll_oneoff(wasi, &mut guest, 0, events as i32, count, out as i32).await?;
    if errno != SUCCESS {
        return Ok(Err(errno));
    }
    let number = usize::from(memory[out]) + (usize::from(memory[out + 1]) << 8);
    Ok(Ok(memory[events..events + number * EVENT].to_vec()))
}
