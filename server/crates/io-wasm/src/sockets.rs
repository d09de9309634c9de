//! `wasi:sockets` 0.2 on a pod's own network: TCP, UDP and name lookup.
//!
//! Replaces wasmtime-wasi's implementation, which knows the host's sockets only. The `network` handle and its error
//! codes stay wasmtime-wasi's. Pods have IPv4 addresses only: an IPv6 socket is refused with `not-supported`. Socket
//! options that the pod's stack does not have (keep-alive, buffer sizes, hop limit) are kept and read back, without
//! effect.

use std::task::{Context, Waker};

use tokio_util::task::TaskTracker;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::SocketError;
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, Network as NetworkHandle};

use crate::network::SharedNetwork;

pub(crate) mod address;
pub(crate) mod lookup;
pub(crate) mod stream;
pub(crate) mod tcp;
pub(crate) mod udp;

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    reason = "generated from the WIT"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/sockets_bindings.rs"));
}

pub(crate) use generated::wasi::sockets as bindings;

/// Results of socket functions.
pub(crate) type SocketResult<T> = Result<T, SocketError>;

/// A store's view on its pod's network.
pub(crate) struct PodSockets<'a> {
    /// Where the guest's handles live.
    pub(crate) table: &'a mut ResourceTable,
    /// The pod's network.
    pub(crate) network: &'a SharedNetwork,
    /// Owns writes that outlive a call.
    pub(crate) tasks: &'a TaskTracker,
}

/// Names [`PodSockets`] to the linker.
pub(crate) struct HasPodSockets;

impl HasData for HasPodSockets {
    type Data<'a> = PodSockets<'a>;
}

impl network::Host for PodSockets<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        let error = self.table.get(&error)?;
        Ok(error.downcast_ref::<std::io::Error>().map(ErrorCode::from))
    }
}

impl network::HostNetwork for PodSockets<'_> {
    fn drop(&mut self, handle: Resource<NetworkHandle>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

/// Puts the pod's sockets in place of the host's. The linker must allow shadowing.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> PodSockets<'_>,
) -> wasmtime::Result<()> {
    bindings::tcp::add_to_linker::<T, HasPodSockets>(linker, view)?;
    bindings::tcp_create_socket::add_to_linker::<T, HasPodSockets>(linker, view)?;
    bindings::udp::add_to_linker::<T, HasPodSockets>(linker, view)?;
    bindings::udp_create_socket::add_to_linker::<T, HasPodSockets>(linker, view)?;
    bindings::ip_name_lookup::add_to_linker::<T, HasPodSockets>(linker, view)?;
    Ok(())
}

/// For asking once without waiting.
pub(crate) fn no_wait() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
