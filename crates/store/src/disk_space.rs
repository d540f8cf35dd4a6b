//! Whether the disk has space for what the store writes.
//!
//! SQLite names a full disk only where it writes the database or its log. For the index of the log, for a new file and
//! for a quota it reports an error of the disk. And no number of free bytes includes quotas. So this module tries to
//! write.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use rand::TryRng as _;
use rand::rngs::SysRng;

/// How many bytes must fit: a batch of uses, the index of the log, which grows by 32 KiB, and some pages of the
/// database.
const NEEDED_BYTES: usize = 256 * 1024;

/// Whether there is space for ordinary writes beside the file at `path`.
///
/// # Errors
/// When the attempt fails for another reason.
pub(crate) fn has_space_for_writes(path: &Path) -> io::Result<bool> {
    // Random, because a file system may compress.
    let mut bytes = vec![0; NEEDED_BYTES];
    SysRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Without a name, so that a kill leaves nothing. Some file systems report a full disk only when they synchronize.
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

/// Whether an error means that the disk, or the user's share of it, has no space left, or that a file may not grow.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// How many bytes an append-only file holds ahead.
const PREALLOCATED_BYTES: u64 = 64 * 1024;

/// Allocates space behind the end of a file that grows, without changing its length, where the file system can. What is
/// appended then fits on a full disk, too.
pub(crate) fn preallocate(file: &File) {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt as _;
        // Only when half of it is used up: allocating changes the time of the file, which other processes watch.
        let short = |metadata: std::fs::Metadata| {
            (metadata.blocks() * 512 < metadata.len() + PREALLOCATED_BYTES / 2).then_some(metadata.len())
        };
        if let Some(length) = file.metadata().ok().and_then(short) {
            // Without it, entries need free space: nothing else changes.
            let _ = rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, length, PREALLOCATED_BYTES);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, PREALLOCATED_BYTES);
}
