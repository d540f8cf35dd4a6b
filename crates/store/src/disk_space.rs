//! Checks whether the disk has space for the store's writes.
//!
//! SQLite reports a full disk only when it writes the database or the write-ahead log (WAL). If SQLite extends the WAL
//! index or creates a file on a full disk, or if a quota is exhausted, it reports only an I/O error. The number of free
//! bytes does not account for quotas either. So this module tests for space by writing a temporary file.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use rand::TryRng as _;
use rand::rngs::SysRng;

/// The space that must be available, in bytes. This is enough for a usage batch, for the WAL index (which grows by 32
/// KiB at a time), and for some database pages.
const NEEDED_BYTES: usize = 256 * 1024;

/// Returns whether there is space for ordinary writes in the folder of the file at `path`.
///
/// # Errors
/// Returns an error if the test file cannot be written for a reason other than a full disk.
pub(crate) fn has_space_for_writes(path: &Path) -> io::Result<bool> {
    // The bytes are random, so that a file system with compression needs the full space for them.
    let mut bytes = vec![0; NEEDED_BYTES];
    SysRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The temporary file has no name, so a killed process leaves nothing behind. Some file systems report a full disk
    // only when the file is synced.
    let written = tempfile::tempfile_in(folder).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_data()
    });
    match written {
        Ok(()) => Ok(true),
        Err(error) if is_full(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns whether an error means that the disk is full, that the user's quota is exhausted, or that the file has
/// reached its size limit.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// Number of bytes allocated beyond the end of an append-only file.
const PREALLOCATED_BYTES: u64 = 64 * 1024;

/// Allocates space beyond the end of an append-only file without changing its length, if the file system supports this.
/// Later appends then succeed even on a full disk.
pub(crate) fn preallocate(file: &File) {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt as _;
        // Allocate only when half of the preallocated space is used up: allocating changes the file's timestamp, which
        // other processes watch.
        let short = |metadata: std::fs::Metadata| {
            (metadata.blocks() * 512 < metadata.len() + PREALLOCATED_BYTES / 2).then_some(metadata.len())
        };
        if let Some(length) = file.metadata().ok().and_then(short) {
            // Ignore a failure: preallocation is only a precaution. Without it, appending an entry fails if the disk is
            // full.
            let _ = rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, length, PREALLOCATED_BYTES);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, PREALLOCATED_BYTES);
}
