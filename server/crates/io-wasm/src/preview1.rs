//! WASI preview 1 with sockets: wasmtime-wasi's functions, and in front of them the few that a program needs which finds
//! its listening sockets open when it starts (socket activation, as `wasmtime --tcplisten` had it).
//!
//! A preview 1 program cannot ask for a port. So each declared container port is open on the pod's own network, as the
//! files after the preopened directories. The numbers of sockets and files come from one table, wasmtime-wasi's: each
//! socket holds a place in it, an open root directory that nobody sees.

mod poll;
mod sockets;

use std::collections::BTreeSet;

use tokio_util::task::TaskTracker;
use wasmtime::{AsContextMut, Caller, Extern, Linker, Memory};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as original, WasiSnapshotPreview1};
use wiggle::GuestMemory;

use crate::memory::MemoryLease;
use crate::network::BoxListener;
pub(crate) use sockets::Sockets;
use sockets::{Errno, SUCCESS};

const MODULE: &str = "wasi_snapshot_preview1";
/// What accepts connections: a program without it cannot serve.
pub(crate) const ACCEPT: &str = "wasi_snapshot_preview1.sock_accept";
/// The first preopened directory, the container's root.
const ROOT: i32 = 3;
const O_DIRECTORY: i32 = 2;

/// The data of a preview 1 module's store.
pub(crate) struct Preview1Guest {
    wasi: WasiP1Ctx,
    sockets: Sockets,
    pub(crate) memory: MemoryLease,
}

impl Preview1Guest {
    pub(crate) fn new(wasi: WasiP1Ctx, memory: MemoryLease, tasks: TaskTracker) -> Self {
        Self {
            wasi,
            sockets: Sockets::new(tasks),
            memory,
        }
    }

    /// Opens listening sockets as the next files. `fuel` is what the store lets the host copy for it.
    ///
    /// # Errors
    /// When the container has no root directory.
    pub(crate) async fn activate(
        &mut self,
        fuel: usize,
        listeners: Vec<BoxListener>,
    ) -> wasmtime::Result<()> {
        for listener in listeners {
            let fd = self.place(fuel).await?;
            let fd = fd.map_err(|errno| wasmtime::format_err!("no file is left: {errno:?}"))?;
            self.sockets.listen(fd, listener);
        }
        Ok(())
    }

    /// Takes a number in the table of files.
    async fn place(&mut self, fuel: usize) -> wasmtime::Result<Result<i32, Errno>> {
        // A guest's memory with a path in it, and room for the answer.
        const PATH: i32 = 8;
        let mut memory = *b"\0\0\0\0\0\0\0\0.\0\0\0\0\0\0\0";
        self.wasi.set_hostcall_fuel(fuel);
        let mut guest = GuestMemory::Unshared(&mut memory);
        let errno = original::path_open(
            &mut self.wasi,
            &mut guest,
            ROOT,
            0,
            PATH,
            1,
            O_DIRECTORY,
            0,
            0,
            0,
            0,
        )
        .await?;
        let [a, b, c, d, ..] = memory;
        Ok(match errno {
            SUCCESS => Ok(i32::from_le_bytes([a, b, c, d])),
            errno => Err(Errno(errno)),
        })
    }
}

/// The guest's memory, which every call is about, and how much the host may copy for this call.
fn memory(caller: &mut Caller<'_, Preview1Guest>) -> wasmtime::Result<(Memory, usize)> {
    let fuel = caller.as_context_mut().hostcall_fuel();
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok((memory, fuel)),
        _ => Err(wasmtime::format_err!("missing required memory export")),
    }
}

fn code(result: Result<(), Errno>) -> i32 {
    result.map_or_else(|errno| errno.0, |()| SUCCESS)
}

/// Puts a function in front of one of wasmtime-wasi's: sockets are ours, all other files are theirs.
macro_rules! shadow {
    ($linker:ident, $name:ident($fd:ident $(, $argument:ident)*), |$sockets:ident, $bytes:ident| $own:expr) => {
        $linker.func_wrap_async(
            MODULE,
            stringify!($name),
            |mut caller: Caller<'_, Preview1Guest>, ($fd, $($argument,)*): (i32, $(shadow!(@i32 $argument),)*)| {
                Box::new(async move {
                    let (memory, fuel) = memory(&mut caller)?;
                    let ($bytes, guest) = memory.data_and_store_mut(&mut caller);
                    if guest.sockets.has($fd) {
                        let $sockets = &mut guest.sockets;
                        return Ok(code($own));
                    }
                    guest.wasi.set_hostcall_fuel(fuel);
                    let mut theirs = GuestMemory::Unshared($bytes);
                    original::$name(&mut guest.wasi, &mut theirs, $fd $(, $argument)*).await
                })
            },
        )?;
    };
    (@i32 $argument:ident) => { i32 };
}

/// As [`shadow`], where theirs has no sockets at all.
macro_rules! socket {
    ($linker:ident, $name:ident($fd:ident $(, $argument:ident)*), |$sockets:ident, $bytes:ident| $own:expr) => {
        $linker.func_wrap_async(
            MODULE,
            stringify!($name),
            |mut caller: Caller<'_, Preview1Guest>, ($fd, $($argument,)*): (i32, $(shadow!(@i32 $argument),)*)| {
                Box::new(async move {
                    let (memory, _) = memory(&mut caller)?;
                    let ($bytes, guest) = memory.data_and_store_mut(&mut caller);
                    let $sockets = &mut guest.sockets;
                    wasmtime::Result::Ok(code($own))
                })
            },
        )?;
    };
}

/// What programs may import: module and name.
pub(crate) type Offered = BTreeSet<(String, String)>;

/// A linker with everything that a preview 1 module may import.
pub(crate) fn linker(
    engine: &wasmtime::Engine,
) -> wasmtime::Result<(Linker<Preview1Guest>, Offered)> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p1::add_to_linker_async(&mut linker, |guest: &mut Preview1Guest| {
        &mut guest.wasi
    })?;
    let wasi = wasmtime_wasi::WasiCtxBuilder::new().build_p1();
    let lease = MemoryLease::new(crate::memory::MemoryAccount::new(0));
    let nobody = Preview1Guest::new(wasi, lease, TaskTracker::new());
    let mut store = wasmtime::Store::new(engine, nobody);
    let offered = linker
        .iter(&mut store)
        .map(|(module, name, _)| (module.to_owned(), name.to_owned()))
        .collect();
    linker.allow_shadowing(true);
    add_files(&mut linker)?;
    add_sockets(&mut linker)?;
    Ok((linker, offered))
}

fn add_files(linker: &mut Linker<Preview1Guest>) -> wasmtime::Result<()> {
    shadow!(linker, fd_read(fd, iovs, count, out), |sockets, bytes| {
        sockets.receive(bytes, fd, (iovs, count), false, out).await
    });
    shadow!(linker, fd_write(fd, iovs, count, out), |sockets, bytes| {
        sockets.send(bytes, fd, (iovs, count), out).await
    });
    shadow!(linker, fd_fdstat_get(fd, out), |sockets, bytes| sockets
        .stat(bytes, fd, out));
    shadow!(linker, fd_filestat_get(fd, out), |sockets, bytes| sockets
        .file_stat(bytes, out));
    linker.func_wrap_async(
        MODULE,
        "fd_fdstat_set_flags",
        |mut caller: Caller<'_, Preview1Guest>, (fd, flags): (i32, i32)| {
            Box::new(async move {
                let (memory, fuel) = memory(&mut caller)?;
                let (bytes, guest) = memory.data_and_store_mut(&mut caller);
                if guest.sockets.has(fd) {
                    return Ok(code(guest.sockets.set_flags(fd, flags)));
                }
                guest.wasi.set_hostcall_fuel(fuel);
                let mut theirs = GuestMemory::Unshared(bytes);
                original::fd_fdstat_set_flags(&mut guest.wasi, &mut theirs, fd, flags)
            })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "fd_close",
        |mut caller: Caller<'_, Preview1Guest>, (fd,): (i32,)| {
            Box::new(async move {
                let (memory, fuel) = memory(&mut caller)?;
                let (bytes, guest) = memory.data_and_store_mut(&mut caller);
                guest.sockets.close(fd);
                guest.wasi.set_hostcall_fuel(fuel);
                let mut theirs = GuestMemory::Unshared(bytes);
                original::fd_close(&mut guest.wasi, &mut theirs, fd).await
            })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "fd_renumber",
        |mut caller: Caller<'_, Preview1Guest>, (from, to): (i32, i32)| {
            Box::new(async move {
                let (memory, fuel) = memory(&mut caller)?;
                let (bytes, guest) = memory.data_and_store_mut(&mut caller);
                guest.wasi.set_hostcall_fuel(fuel);
                let mut theirs = GuestMemory::Unshared(bytes);
                let errno = original::fd_renumber(&mut guest.wasi, &mut theirs, from, to).await?;
                if errno == SUCCESS {
                    guest.sockets.renumber(from, to);
                }
                Ok(errno)
            })
        },
    )?;
    Ok(())
}

fn add_sockets(linker: &mut Linker<Preview1Guest>) -> wasmtime::Result<()> {
    socket!(
        linker,
        sock_recv(fd, iovs, count, flags, out, out_flags),
        |sockets, bytes| {
            sockets
                .receive_flagged(bytes, fd, (iovs, count), flags, (out, out_flags))
                .await
        }
    );
    socket!(
        linker,
        sock_send(fd, iovs, count, _flags, out),
        |sockets, bytes| sockets.send(bytes, fd, (iovs, count), out).await
    );
    socket!(linker, sock_shutdown(fd, how), |sockets, _bytes| sockets
        .shut_down(fd, how));
    linker.func_wrap_async(
        MODULE,
        "sock_accept",
        |mut caller: Caller<'_, Preview1Guest>, (fd, flags, out): (i32, i32, i32)| {
            Box::new(async move {
                let (memory, fuel) = memory(&mut caller)?;
                let (bytes, guest) = memory.data_and_store_mut(&mut caller);
                let stream = match guest.sockets.accept(fd).await {
                    Ok(stream) => stream,
                    Err(errno) => return Ok(errno.0),
                };
                let own = match guest.place(fuel).await? {
                    Ok(own) => own,
                    Err(errno) => return Ok(errno.0),
                };
                guest.sockets.connected(own, stream, flags);
                Ok(code(sockets::put(bytes, out, &own.to_le_bytes())))
            })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "poll_oneoff",
        |mut caller: Caller<'_, Preview1Guest>,
         (subscriptions, events, count, out): (i32, i32, i32, i32)| {
            Box::new(async move {
                let (memory, fuel) = memory(&mut caller)?;
                let (bytes, guest) = memory.data_and_store_mut(&mut caller);
                guest.wasi.set_hostcall_fuel(fuel);
                let Preview1Guest { wasi, sockets, .. } = guest;
                poll::poll_oneoff(wasi, sockets, bytes, (subscriptions, events, count, out)).await
            })
        },
    )?;
    Ok(())
}
