//! Receives an uploaded file into a temporary file, within the limits for uploads.

use std::io;

use axum::body::Bytes;
use futures_util::{TryStream, TryStreamExt as _};
use tempfile::NamedTempFile;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::CheckpointStore;
use super::folder::{
    SET_ASIDE_FOLDER, TEMPORARY_PREFIX, TEMPORARY_SUFFIX, create_private_folder, folder_size, run_blocking,
};

/// The number of bytes after which an upload checks the available space again.
const QUOTA_CHECK_BYTES: u64 = 1 << 20;

/// The reason why a file was not received.
pub(crate) enum ReceiveError<R> {
    /// The file is larger than this limit in bytes.
    TooLarge(u64),
    /// Storing the file would exceed this limit, in bytes, on the total size of all files.
    Full(u64),
    /// The connection was lost, or the body is malformed.
    Interrupted,
    /// The client stalled for too long, or the whole upload took too long.
    Slow,
    /// Reading or writing the checkpoint folder failed.
    Disk(io::Error),
    /// The caller's own check rejected the file.
    Rejected(R),
}

impl<R> From<io::Error> for ReceiveError<R> {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// A completely received file that is not stored under its identifier yet. Dropping the value removes the file.
pub(crate) struct IncomingFile {
    pub(super) file: NamedTempFile,
    size: u64,
}

impl IncomingFile {
    /// Returns the size of the file in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

impl CheckpointStore {
    /// Writes `chunks` to a temporary file. The client announced at least `announced` bytes. The file is removed if the
    /// upload fails or the future is dropped. `check` is called with the number of bytes to write next, and returns an
    /// error if these bytes must not be written.
    pub(crate) async fn receive<R>(
        &self,
        announced: u64,
        chunks: impl TryStream<Ok = Bytes> + Unpin,
        check: impl Fn(u64) -> Result<(), R>,
    ) -> Result<IncomingFile, ReceiveError<R>> {
        let received =
            tokio::time::timeout(self.config.max_time, self.write_to_temporary_file(announced, chunks, check));
        received.await.unwrap_or(Err(ReceiveError::Slow))
    }

    async fn write_to_temporary_file<R>(
        &self,
        announced: u64,
        mut chunks: impl TryStream<Ok = Bytes> + Unpin,
        check: impl Fn(u64) -> Result<(), R>,
    ) -> Result<IncomingFile, ReceiveError<R>> {
        let check = |bytes| check(bytes).map_err(ReceiveError::Rejected);
        let max_bytes = self.config.max_bytes;
        if announced > max_bytes {
            return Err(ReceiveError::TooLarge(max_bytes));
        }
        let folder = self.config.folder.clone();
        let file = run_blocking(move || {
            create_private_folder(&folder)?;
            // `tempfile` creates the file with mode 0600.
            tempfile::Builder::new().prefix(TEMPORARY_PREFIX).suffix(TEMPORARY_SUFFIX).tempfile_in(&folder)
        })
        .await?;
        let mut writer = File::from_std(file.as_file().try_clone()?);
        let mut size = 0;
        let mut available = self.available_bytes().await?;
        if announced > available {
            return Err(ReceiveError::Full(self.config.max_total.get()));
        }
        check(announced.max(QUOTA_CHECK_BYTES))?;
        let mut checked_at = 0;
        loop {
            let next = tokio::time::timeout(self.config.max_silence, chunks.try_next());
            let next = next.await.map_err(|_| ReceiveError::Slow)?;
            let Some(bytes) = next.map_err(|_| ReceiveError::Interrupted)? else {
                break;
            };
            size += bytes.len() as u64;
            if size > max_bytes {
                return Err(ReceiveError::TooLarge(max_bytes));
            }
            if size > checked_at + available.min(QUOTA_CHECK_BYTES) {
                // Flush first, so that the measured size of the folder includes the bytes written so far.
                writer.flush().await?;
                checked_at = size - bytes.len() as u64;
                available = self.available_bytes().await?;
                check(QUOTA_CHECK_BYTES.max(bytes.len() as u64))?;
                if bytes.len() as u64 > available {
                    return Err(ReceiveError::Full(self.config.max_total.get()));
                }
            }
            writer.write_all(&bytes).await?;
        }
        // `write_all` may return before the bytes are written; the flush reports an error of the last write.
        writer.flush().await?;
        Ok(IncomingFile { file, size })
    }

    /// Returns how many more bytes the limit on the total size of all files allows. Files that are still being received
    /// also count.
    async fn available_bytes(&self) -> io::Result<u64> {
        let folder = self.config.folder.clone();
        let used = run_blocking(move || Ok(folder_size(&folder)? + folder_size(&folder.join(SET_ASIDE_FOLDER))?));
        Ok(self.config.max_total.get().saturating_sub(used.await?))
    }
}
