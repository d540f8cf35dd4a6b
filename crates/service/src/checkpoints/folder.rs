//! The names in the checkpoint folder, and operations on the file system that the standard library lacks.

use std::io;
use std::path::Path;

/// The prefix of the temporary name of an incomplete file. Random characters and [`TEMPORARY_SUFFIX`] follow.
pub(super) const TEMPORARY_PREFIX: &str = ".incoming-";
pub(super) const TEMPORARY_SUFFIX: &str = ".part";

/// The subfolder for checkpoint files that are not recorded in the database. If the database was replaced with an older
/// copy or a different database, these files belong to the previous database, and are moved back when that database is
/// restored.
pub(super) const SET_ASIDE_FOLDER: &str = "set-aside";

/// Returns the total size of the files in a folder; 0 if the folder does not exist.
pub(super) fn folder_size(folder: &Path) -> io::Result<u64> {
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let sizes = entries.map(|entry| match entry?.metadata() {
        // Another request removed the file after the folder was listed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        metadata => Ok(Some(metadata?).filter(std::fs::Metadata::is_file).map_or(0, |file| file.len())),
    });
    sizes.sum()
}

/// Creates a folder and its parents with access for the owner only. If the folder already exists and the file system
/// supports permissions, other users' access to the folder is removed.
pub(super) fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)?;
    #[cfg(unix)]
    match std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)) {
        // File systems that do not support permissions, such as FAT, return these errors even to the owner.
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => {
            tracing::warn!(
                %error,
                folder = %folder.display(),
                "cannot restrict the permissions of a folder; other users may be able to read it"
            );
        }
        set => set?,
    }
    Ok(())
}

/// Syncs a folder, because a new file name is durable only after its folder has been synced (fsync(2)). Windows has no
/// such call and does not need one.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { std::fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Returns the number of bytes that the user can still write to the disk that contains the folder; `None` if the system
/// does not report this number.
pub(super) fn free_disk_bytes(folder: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        // The folder itself is created only when the first file is uploaded, so look for an existing parent.
        let disk = folder.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}

/// Runs file operations on a thread where they may block.
pub(super) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
