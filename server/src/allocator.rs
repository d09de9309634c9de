//! Which allocator the process has: mimalloc, unless its environment asks for the C library's.
//!
//! Writes and watches make and drop many small values on all threads, which mimalloc does in a fraction of the time. It
//! takes half as much memory again, though, and the process that compiles images is held to a limit: that one is
//! started with [`io_wasm::SYSTEM_ALLOCATOR`] in its environment.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU8, Ordering};

use mimalloc::MiMalloc;

/// The process's allocator; which one it stands for is found out once, at the first allocation.
pub(crate) struct Allocator;

const UNKNOWN: u8 = 0;
const FAST: u8 = 1;
const SYSTEM: u8 = 2;

static CHOICE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Must not allocate. What it answers never changes, so that memory goes back to where it came from.
fn is_system() -> bool {
    let mut choice = CHOICE.load(Ordering::Relaxed);
    if choice == UNKNOWN {
        #[expect(
            unsafe_code,
            reason = "the standard library's way to the environment allocates"
        )]
        // SAFETY: the name ends with a zero, and nobody changes the environment: the first allocation is before `main`.
        let found = unsafe { libc::getenv(io_wasm::SYSTEM_ALLOCATOR.as_ptr()) };
        choice = if found.is_null() { FAST } else { SYSTEM };
        CHOICE.store(choice, Ordering::Relaxed);
    }
    choice == SYSTEM
}

#[expect(unsafe_code, reason = "an allocator has no other form")]
// SAFETY: each call goes on as it came to one and the same allocator for the life of the process.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_system() {
            unsafe { System.alloc(layout) }
        } else {
            unsafe { MiMalloc.alloc(layout) }
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if is_system() {
            unsafe { System.dealloc(memory, layout) }
        } else {
            unsafe { MiMalloc.dealloc(memory, layout) }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_system() {
            unsafe { System.alloc_zeroed(layout) }
        } else {
            unsafe { MiMalloc.alloc_zeroed(layout) }
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if is_system() {
            unsafe { System.realloc(memory, layout, size) }
        } else {
            unsafe { MiMalloc.realloc(memory, layout, size) }
        }
    }
}
