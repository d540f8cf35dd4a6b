//! Stores the files of uploaded checkpoints in one folder, each under a generated identifier. Only the user who runs
//! the service can access the folder.
//!
//! A file appears under its identifier only after it has been written to the disk completely. An incomplete file has a
//! temporary name. It is removed when its request ends or, if the process was killed, when the service starts again.
//!
//! Every access to these files is a method of [`CheckpointStore`]. Callers know neither paths nor file handles, so that
//! other storage, such as an object store, only needs another implementation of these methods.

mod folder;
mod receive;
mod reconcile;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Bytes;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use ulkeys_domain::training::CheckpointId;

pub(crate) use receive::{IncomingFile, ReceiveError};

use crate::setting::Setting;
use folder::{free_disk_bytes, run_blocking, sync_folder};

/// The number of bytes that [`CheckpointReader::read_chunk`] reads at a time.
const CHUNK_SIZE: usize = 64 * 1024;

/// The folder of the checkpoint files, and the limits for uploads.
#[derive(Clone)]
pub struct CheckpointConfig {
    /// The folder for uploaded checkpoint files. It is created with mode 0700 if it is missing, and should not be used
    /// for anything else.
    pub folder: PathBuf,
    /// The maximum size of one file in bytes.
    pub max_bytes: u64,
    /// The maximum total size of all files in bytes.
    pub max_total: Setting<u64>,
    /// The maximum time for which a client may stall while sending or receiving a file. After this time, the transfer
    /// is aborted.
    pub max_silence: Duration,
    /// The maximum duration of one upload, even if the client never stalls.
    pub max_time: Duration,
}

impl CheckpointConfig {
    /// Returns the default limits for `folder`: 2 GiB per file, 50 GiB in total, one minute of silence, and one hour
    /// per upload.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            max_bytes: 2 << 30,
            max_total: (50 << 30).into(),
            max_silence: Duration::from_secs(60),
            max_time: Duration::from_secs(60 * 60),
        }
    }
}

/// Reads and writes the files of checkpoints. A clone accesses the same files.
#[derive(Clone)]
pub(crate) struct CheckpointStore {
    config: CheckpointConfig,
}

impl CheckpointStore {
    pub(crate) fn new(config: CheckpointConfig) -> Self {
        Self { config }
    }

    /// Moves a received file to its permanent path. When this returns, the file survives a power loss.
    pub(crate) async fn persist(&self, received: IncomingFile, id: &CheckpointId) -> io::Result<()> {
        let (folder, path) = (self.config.folder.clone(), self.checkpoint_path(id));
        run_blocking(move || {
            received.file.as_file().sync_all()?;
            received.file.persist(path).map_err(|error| error.error)?;
            sync_folder(&folder)
        })
        .await
    }

    /// Opens a file for reading.
    pub(crate) async fn open(&self, id: &CheckpointId) -> io::Result<CheckpointReader> {
        let file = File::open(self.checkpoint_path(id)).await?;
        let size = file.metadata().await?.len();
        Ok(CheckpointReader { file, size })
    }

    /// Removes a file that is no longer needed, and returns whether it is gone. If not,
    /// [`Self::reconcile_with_database`] removes the file or sets it aside at the next start.
    pub(crate) async fn remove(&self, id: &CheckpointId) -> bool {
        match tokio::fs::remove_file(self.checkpoint_path(id)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(
                    %error,
                    checkpoint = id.as_str(),
                    "cannot remove the file of a checkpoint; it will be removed or set aside at the next start"
                );
                false
            }
            _ => true,
        }
    }

    /// Returns the number of bytes that the user can still write to the disk that contains the folder; `None` if the
    /// system does not report this number.
    pub(crate) fn free_disk_bytes(&self) -> Option<u64> {
        free_disk_bytes(&self.config.folder)
    }

    fn checkpoint_path(&self, id: &CheckpointId) -> PathBuf {
        self.config.folder.join(id.as_str())
    }
}

/// A stored file that is open for reading. It stays readable if it is removed in the meantime.
pub(crate) struct CheckpointReader {
    file: File,
    size: u64,
}

impl CheckpointReader {
    /// Returns the size of the file in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Reads the next bytes of the file. Returns `None` at its end.
    pub(crate) async fn read_chunk(&mut self) -> io::Result<Option<Bytes>> {
        let mut chunk = Vec::with_capacity(CHUNK_SIZE);
        let read = self.file.read_buf(&mut chunk).await?;
        Ok((read > 0).then(|| chunk.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use rand::rngs::SysRng;

    use super::*;

    static FIRST_CHUNK: [u8; CHUNK_SIZE] = [7; CHUNK_SIZE];

    fn store_in(folder: &tempfile::TempDir) -> CheckpointStore {
        CheckpointStore::new(CheckpointConfig::in_folder(folder.path()))
    }

    async fn receive(
        store: &CheckpointStore,
        chunks: &[&'static [u8]],
    ) -> Result<IncomingFile, ReceiveError<Infallible>> {
        let chunks = chunks.iter().map(|bytes| Ok::<_, Infallible>(Bytes::from_static(bytes)));
        store.receive(0, stream::iter(chunks), |_| Ok(())).await
    }

    fn file_count(folder: &tempfile::TempDir) -> usize {
        folder.path().read_dir().expect("a folder").count()
    }

    #[tokio::test]
    async fn persisted_file_is_read_in_chunks_until_removed() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (store, id) = (store_in(&folder), CheckpointId::generate(&mut SysRng).expect("randomness"));
        let received = receive(&store, &[&FIRST_CHUNK, b"end"]).await.ok().expect("received");
        assert_eq!(received.size(), CHUNK_SIZE as u64 + 3);
        assert!(store.open(&id).await.is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
        store.persist(received, &id).await.expect("stored");
        let mut reader = store.open(&id).await.expect("opened");
        assert!(store.remove(&id).await && store.remove(&id).await);
        assert_eq!((reader.size(), file_count(&folder)), (CHUNK_SIZE as u64 + 3, 0));
        let mut read = Vec::new();
        while let Some(chunk) = reader.read_chunk().await.expect("read") {
            assert!(chunk.len() <= CHUNK_SIZE);
            read.extend_from_slice(&chunk);
        }
        assert!(read == [FIRST_CHUNK.as_slice(), b"end"].concat());
    }

    #[tokio::test]
    async fn incoming_file_is_discarded_when_dropped_or_rejected() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = store_in(&folder);
        let received = receive(&store, &[b"bytes"]).await.ok().expect("received");
        assert_eq!(file_count(&folder), 1);
        drop(received);
        assert_eq!(file_count(&folder), 0);
        let chunks = stream::iter([Ok(Bytes::from_static(b"bytes")), Err("the connection is lost")]);
        let interrupted = store.receive(0, chunks, |_| Ok::<_, Infallible>(())).await;
        assert!(matches!(interrupted, Err(ReceiveError::Interrupted)));
        let chunks = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"bytes"))]);
        let rejected = store.receive(0, chunks, |_| Err("no space")).await;
        assert!(matches!(rejected, Err(ReceiveError::Rejected("no space"))));
        assert_eq!(file_count(&folder), 0);
    }
}
