//! The container engine: runs WebAssembly components and modules as containers of pods, with wasmtime.
//!
//! [`Engine`] is one per process: images, compilation, linking. [`NodeRuntime`] is one per node: sandboxes, containers,
//! probes, logs, exec, driven by the kubelet's commands (`kubelet::runtime`) and answering with its events. It decides
//! nothing about pods: restarts, backoff and phases are the kubelet's.
//!
//! Choices that Linux containers do not have to make:
//! - A program ends with its own exit code. A trap is 134 (abort, unreachable), 136 (division), or 139 (memory, stack).
//! - WASI has no signals, so SIGTERM does what it does to a program without a handler: a command ends with 143. One that
//!   serves first has its ports closed and may finish what it has begun to answer; an HTTP component answers the requests
//!   it has. What is left at the end of the grace period is dropped: 137.
//! - A preview 1 module cannot ask for ports: it finds its declared container ports open ([`preview1`]).
//! - Growth of memory past the limit ends the container: OOMKilled, 137.
//! - An HTTP component is served on its first container port (80 without one), a fresh instance per request.
//! - `exec` starts another instance in the pod's network and with the container's files; tools of busybox are there in
//!   every container, as the userland of a Linux image would be.

mod attach;
mod clocks;
mod compile;
mod container;
mod cpu;
mod engine;
mod exec;
mod files;
mod guest;
mod http_client;
mod http_server;
pub mod image;
pub mod logs;
mod memory;
pub mod network;
mod node;
mod preview1;
mod probe;
mod process;
mod sockets;
mod stdio;
mod terminal;

pub use compile::job::{CompileError, CompileJob, CompileLimits, SYSTEM_ALLOCATOR};
pub use cpu::CpuAccount;
pub use engine::{Engine, EngineConfig, EngineError, PrepareError, UploadError};
pub use exec::{ExecError, ExecRequest, ExecSession};
pub use memory::{MemoryAccount, OutOfMemory};
pub use node::{ContainerUsage, NodeRuntime, NodeRuntimeConfig};
