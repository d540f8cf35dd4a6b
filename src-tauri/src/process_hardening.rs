//! Protects secrets in memory and files: freed memory is wiped, other programs of the same user may not read the
//! process's memory, a crash writes no dump, and other users may not read what it writes.
//!
//! Deliberately absent: the same for WebKit's processes, which are another program. They only inherit that a crash
//! writes no dump.

use std::path::Path;

use zeroizing_alloc::ZeroAlloc;

use crate::paths::Paths;

/// Buffers of requests, answers and messages hold keys now and then. All that Rust frees is wiped.
#[global_allocator]
static WIPING_ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

/// Keeps other programs of the same user from reading this process's memory (`prctl(2)`, `PR_SET_DUMPABLE`), and a
/// crash of it or of a web process that it starts from writing memory to disk.
pub(crate) fn disable_memory_access() {
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
        // Not 0, which `core(5)` ignores where dumps are piped into a program; 1 ends such pipes and is too little for
        // a file.
        let least = Rlimit { current: Some(1), maximum: Some(1) };
        if let Err(error) = setrlimit(Resource::Core, least) {
            tracing::warn!(%error, "core dumps cannot be forbidden");
        }
    }
}

/// The mode of new files that this process was started with.
#[derive(Clone, Copy)]
pub(crate) struct StartingUmask(#[cfg(unix)] rustix::fs::Mode);

/// Keeps other users from reading any file or folder that this process or WebKit's processes create (`umask(2)`).
pub(crate) fn make_new_files_private() -> StartingUmask {
    StartingUmask(
        #[cfg(unix)]
        rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO),
    )
}

impl StartingUmask {
    /// Restores it, for a program that takes this one's place: its files are not ours.
    pub(crate) fn restore_umask(self) {
        #[cfg(unix)]
        rustix::process::umask(self.0);
    }
}

/// Takes the access of other users from what an earlier version, or a person's `umask`, left open. Links are not
/// followed. What cannot be changed belongs to somebody else, and stays as it is. Works in the background: checkpoints
/// may be many.
pub(crate) fn restrict_existing_files_to_owner(paths: &Paths) {
    #[cfg(unix)]
    {
        let existing = paths.existing_files();
        std::thread::spawn(move || existing.iter().for_each(|path| restrict_tree_to_owner(path)));
    }
    #[cfg(not(unix))]
    let _ = paths;
}

#[cfg(unix)]
fn restrict_tree_to_owner(path: &Path) {
    restrict_path_to_owner(path);
    if path.is_symlink() {
        return;
    }
    for entry in path.read_dir().into_iter().flatten().flatten() {
        restrict_tree_to_owner(&entry.path());
    }
}

#[cfg(unix)]
fn restrict_path_to_owner(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(metadata) = path.symlink_metadata() else { return };
    let mode = metadata.permissions().mode();
    if metadata.is_symlink() || mode & 0o077 == 0 {
        return;
    }
    let private = std::fs::Permissions::from_mode(mode & 0o7700);
    match std::fs::set_permissions(path, private) {
        // A file system without permissions may report success and change nothing.
        Ok(()) if path.symlink_metadata().is_ok_and(|now| now.permissions().mode() & 0o077 == 0) => {
            tracing::info!(path = %path.display(), "a file was readable by other users, and is private now");
        }
        Ok(()) => {
            tracing::warn!(path = %path.display(), "a file stays readable by other users: its disk keeps no permissions")
        }
        Err(error) => tracing::warn!(%error, path = %path.display(), "a file stays readable by other users"),
    }
}
