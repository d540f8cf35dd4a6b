//! What the process does so that its memory tells less: freed memory is wiped, and a crash writes no dump.
//!
//! Deliberately absent: any defence against a program of the same user that may read this process's memory while a key
//! is in it.

use zeroizing_alloc::ZeroAlloc;

/// Buffers of requests, answers and messages hold keys now and then. All that Rust frees is wiped.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

/// Keeps a crash of the app, or of a web process that it starts, from writing memory to disk.
pub(crate) fn forbid_core_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        if let Err(error) = setrlimit(Resource::Core, none) {
            tracing::warn!(%error, "core dumps cannot be forbidden");
        }
    }
}
