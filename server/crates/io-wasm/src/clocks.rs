//! `wasi:clocks` 0.2 on the cluster clock: a guest that sleeps a minute waits a cluster minute.
//!
//! Preview 1 modules keep the host's clocks: their `poll_oneoff` cannot be replaced.

use io_clock::Clock;
use shared::Millis;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi_io::poll::{DynPollable, Pollable, subscribe};

const NS_PER_MS: u64 = 1_000_000;

/// A store's view on the cluster clock.
pub(crate) struct GuestClock<'a> {
    /// Where the guest's handles live.
    pub(crate) table: &'a mut ResourceTable,
    /// The cluster clock.
    pub(crate) clock: &'a Clock,
}

/// Names [`GuestClock`] to the linker.
pub(crate) struct HasGuestClock;

impl HasData for HasGuestClock {
    type Data<'a> = GuestClock<'a>;
}

/// Puts the cluster clock in place of the host's. The linker must allow shadowing.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> GuestClock<'_>,
) -> wasmtime::Result<()> {
    monotonic_clock::add_to_linker::<T, HasGuestClock>(linker, view)?;
    wall_clock::add_to_linker::<T, HasGuestClock>(linker, view)?;
    Ok(())
}

impl GuestClock<'_> {
    fn wait_until(&mut self, at: Millis) -> wasmtime::Result<Resource<DynPollable>> {
        let deadline = self.table.push(Deadline {
            clock: self.clock.clone(),
            at,
            yielded: false,
        })?;
        subscribe(self.table, deadline)
    }
}

impl monotonic_clock::Host for GuestClock<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.clock.now().0.saturating_mul(NS_PER_MS))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(NS_PER_MS)
    }

    fn subscribe_instant(&mut self, when_ns: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.wait_until(Millis(when_ns.div_ceil(NS_PER_MS)))
    }

    fn subscribe_duration(&mut self, ns: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.wait_until(self.clock.now().plus_ms(ns.div_ceil(NS_PER_MS)))
    }
}

impl wall_clock::Host for GuestClock<'_> {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(datetime(self.clock.now().0))
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(datetime(1))
    }
}

fn datetime(ms: u64) -> wall_clock::Datetime {
    wall_clock::Datetime {
        seconds: ms / 1000,
        nanoseconds: u32::try_from(ms % 1000 * NS_PER_MS).unwrap_or(0),
    }
}

struct Deadline {
    clock: Clock,
    at: Millis,
    /// Others had their turn since the deadline passed.
    yielded: bool,
}

#[async_trait::async_trait]
impl Pollable for Deadline {
    async fn ready(&mut self) {
        if self.clock.now() >= self.at {
            // A guest that polls with a deadline in the past must let the sockets make progress, but only once: a guest
            // may also ask without waiting, and then must find the deadline passed the second time.
            if !std::mem::replace(&mut self.yielded, true) {
                tokio::task::yield_now().await;
            }
            return;
        }
        self.clock.sleep_until(self.at).await;
    }
}
