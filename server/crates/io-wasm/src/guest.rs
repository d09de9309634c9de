//! What a store holds while a guest runs: its WASI contexts, its pod's network, its share of the container's memory.

use io_clock::Clock;
use tokio_util::task::TaskTracker;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::clocks::GuestClock;
use crate::http_client::PodHttp;
use crate::memory::MemoryLease;
use crate::network::SharedNetwork;
use crate::sockets::PodSockets;

/// Most handles that one instance may hold.
const HANDLES_MAX: usize = 16 * 1024;

/// The data of a component's store.
pub(crate) struct Guest {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    http_client: PodHttp,
    network: SharedNetwork,
    clock: Clock,
    tasks: TaskTracker,
    pub(crate) memory: MemoryLease,
}

impl Guest {
    pub(crate) fn new(
        wasi: WasiCtx,
        network: SharedNetwork,
        clock: Clock,
        tasks: TaskTracker,
        memory: MemoryLease,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        Self {
            table,
            wasi,
            http: WasiHttpCtx::new(),
            http_client: PodHttp::new(network.clone(), clock.clone()),
            network,
            clock,
            tasks,
            memory,
        }
    }

    pub(crate) fn sockets(&mut self) -> PodSockets<'_> {
        PodSockets {
            table: &mut self.table,
            network: &self.network,
            tasks: &self.tasks,
        }
    }

    pub(crate) fn clock(&mut self) -> GuestClock<'_> {
        GuestClock {
            table: &mut self.table,
            clock: &self.clock,
        }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.http_client,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}
