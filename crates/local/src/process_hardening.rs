//! Protects secrets in memory and in files: freed memory is wiped, other programs running as the same user cannot read
//! the process's memory, a crash writes no core dump, and other users cannot read files that the app creates.
//!
//! Deliberately omitted: protecting the memory of WebKit's processes, which are separate programs. They inherit only
//! the limit on core dumps and the file mode mask.

use std::path::Path;

use zeroizing_alloc::ZeroAlloc;

use crate::paths::Paths;

/// Wipes memory when Rust code frees it, because buffers of requests, responses and messages can contain keys.
#[global_allocator]
static WIPING_ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

/// Prevents other programs running as the same user from reading this process's memory (`prctl(2)`, `PR_SET_DUMPABLE`),
/// and prevents a crash of this process or its web processes from writing memory to disk.
pub fn disable_memory_access() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::warn!(%error, "could not protect this process's memory from other programs");
        }
    }
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        // According to `core(5)`, a limit of 0 is ignored if dumps are piped to a program. A limit of 1 disables such
        // pipes, and is too small for a dump file.
        let least = Rlimit { current: Some(1), maximum: Some(1) };
        match setrlimit(Resource::Core, least) {
            Ok(()) => {}
            // The sandbox of a systemd unit forbids the call. The unit sets the limit itself.
            Err(rustix::io::Errno::PERM) => tracing::debug!("the limit on core dumps is set by the service manager"),
            Err(error) => tracing::warn!(%error, "could not disable core dumps"),
        }
    }
}

/// The file mode mask (umask) with which this process was started.
#[derive(Clone, Copy)]
pub struct StartingUmask(#[cfg(unix)] rustix::fs::Mode);

/// Prevents other users from reading files and folders that this process or WebKit's processes create (`umask(2)`).
pub fn make_new_files_private() -> StartingUmask {
    StartingUmask(
        #[cfg(unix)]
        rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO),
    )
}

impl StartingUmask {
    /// Restores the original umask. Call this before another program replaces this process, because the app's
    /// restrictions must not apply to that program's files.
    pub fn restore_umask(self) {
        #[cfg(unix)]
        rustix::process::umask(self.0);
    }
}

/// Removes other users' access to existing files, which an earlier version of the app or the user's umask may have left
/// readable. Symbolic links are not followed. Files whose permissions cannot be changed are left unchanged. Runs on a
/// background thread, because there can be many checkpoint files.
pub fn restrict_existing_files_to_owner(paths: &Paths) {
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
        // On a file system that does not support permissions, the call can succeed without changing anything.
        Ok(()) if path.symlink_metadata().is_ok_and(|now| now.permissions().mode() & 0o077 == 0) => {
            tracing::info!(path = %path.display(), "removed other users' access to a file");
        }
        Ok(()) => {
            tracing::warn!(path = %path.display(), "a file stays readable by other users: its disk has no permissions")
        }
        Err(error) => tracing::warn!(%error, path = %path.display(), "could not remove other users' access to a file"),
    }
}
