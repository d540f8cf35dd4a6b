//! What the process does so that its memory tells less: freed memory is wiped, other programs of the same user may not
//! read it, and a crash writes no dump.
//!
//! Deliberately absent: the same for WebKit's processes, which are another program. They only inherit that a crash
//! writes no dump.

use zeroizing_alloc::ZeroAlloc;

/// Buffers of requests, answers and messages hold keys now and then. All that Rust frees is wiped.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

/// Keeps other programs of the same user from reading this process's memory (`prctl(2)`, `PR_SET_DUMPABLE`), and a crash
/// of it or of a web process that it starts from writing memory to disk.
pub(crate) fn close_memory() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::warn!(%error, "other programs may read this process's memory");
        }
    }
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        // Not 0, which `core(5)` ignores where dumps are piped into a program; 1 ends such pipes and is too little for a file.
        let least = Rlimit { current: Some(1), maximum: Some(1) };
        if let Err(error) = setrlimit(Resource::Core, least) {
            tracing::warn!(%error, "core dumps cannot be forbidden");
        }
    }
}
