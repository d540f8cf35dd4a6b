//! Stores the files of uploaded checkpoints in one folder, each under a generated identifier. Only the user who runs
//! the service can access the folder.
//!
//! A file appears under its identifier only after it has been written to the disk completely. An incomplete file has a
//! temporary name. It is removed when its request ends or, if the process was killed, when the service starts again.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use futures_util::StreamExt as _;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use ulkeys_domain::training::CheckpointId;
use ulkeys_store::Store;

use crate::error::ApiError;
use crate::setting::Setting;

/// The prefix of the temporary name of an incomplete file. Random characters and [`TEMPORARY_SUFFIX`] follow.
const TEMPORARY_PREFIX: &str = ".incoming-";
const TEMPORARY_SUFFIX: &str = ".part";

/// The subfolder for checkpoint files that are not recorded in the database. If the database was replaced with an older
/// copy or a different database, these files belong to the previous database, and are moved back when that database is
/// restored.
const SET_ASIDE_FOLDER: &str = "set-aside";

/// The number of bytes after which an upload checks the available space again.
const QUOTA_CHECK_BYTES: u64 = 1 << 20;

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

/// The reason why a file was not received.
pub(crate) enum ReceiveError {
    /// The file is larger than the limit.
    TooLarge,
    /// Storing the file would exceed the limit on the total size of all files.
    Full,
    /// The connection was lost, or the body is malformed.
    Interrupted,
    /// The client stalled for too long, or the whole upload took too long.
    Slow,
    /// Reading or writing the checkpoint folder failed.
    Disk(io::Error),
    /// A storage limit for training data is reached.
    Rejected(Box<ApiError>),
}

impl From<io::Error> for ReceiveError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// Reads and writes the files of checkpoints.
pub(crate) struct CheckpointStore {
    config: CheckpointConfig,
}

/// A completely received file that is not stored under its identifier yet. Dropping the value removes the file.
pub(crate) struct IncomingFile {
    file: NamedTempFile,
    pub(crate) size: u64,
}

impl CheckpointStore {
    pub(crate) fn new(config: CheckpointConfig) -> Self {
        Self { config }
    }

    /// Writes a body to a temporary file. The file is removed if the upload fails or the future is dropped. `check` is
    /// called with the number of bytes to write next, and returns an error if these bytes must not be written.
    pub(crate) async fn receive(
        &self,
        body: Body,
        check: impl Fn(u64) -> Result<(), ApiError>,
    ) -> Result<IncomingFile, ReceiveError> {
        let received = tokio::time::timeout(self.config.max_time, self.write_body_to_file(body, check));
        received.await.unwrap_or(Err(ReceiveError::Slow))
    }

    async fn write_body_to_file(
        &self,
        body: Body,
        check: impl Fn(u64) -> Result<(), ApiError>,
    ) -> Result<IncomingFile, ReceiveError> {
        let check = |bytes| check(bytes).map_err(|error| ReceiveError::Rejected(Box::new(error)));
        let announced = body.size_hint().lower();
        if announced > self.config.max_bytes {
            return Err(ReceiveError::TooLarge);
        }
        let folder = self.config.folder.clone();
        let file = run_blocking(move || {
            create_private_folder(&folder)?;
            // `tempfile` creates the file with mode 0600.
            tempfile::Builder::new().prefix(TEMPORARY_PREFIX).suffix(TEMPORARY_SUFFIX).tempfile_in(&folder)
        })
        .await?;
        let mut writer = tokio::fs::File::from_std(file.as_file().try_clone()?);
        let mut stream = body.into_data_stream();
        let mut size = 0;
        let mut available = self.available_bytes().await?;
        if announced > available {
            return Err(ReceiveError::Full);
        }
        check(announced.max(QUOTA_CHECK_BYTES))?;
        let mut checked_at = 0;
        loop {
            let next = tokio::time::timeout(self.config.max_silence, stream.next());
            let Some(bytes) = next.await.map_err(|_| ReceiveError::Slow)? else {
                break;
            };
            let bytes = bytes.map_err(|_| ReceiveError::Interrupted)?;
            size += bytes.len() as u64;
            if size > self.config.max_bytes {
                return Err(ReceiveError::TooLarge);
            }
            if size > checked_at + available.min(QUOTA_CHECK_BYTES) {
                // Flush first, so that the measured size of the folder includes the bytes written so far.
                writer.flush().await?;
                checked_at = size - bytes.len() as u64;
                available = self.available_bytes().await?;
                check(QUOTA_CHECK_BYTES.max(bytes.len() as u64))?;
                if bytes.len() as u64 > available {
                    return Err(ReceiveError::Full);
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

    /// Opens a file for reading, and returns it with its size in bytes.
    pub(crate) async fn open(&self, id: &CheckpointId) -> io::Result<(tokio::fs::File, u64)> {
        let file = tokio::fs::File::open(self.checkpoint_path(id)).await?;
        let size = file.metadata().await?.len();
        Ok((file, size))
    }

    /// Removes a file that is no longer needed. If that fails, [`Self::reconcile_with_database`] removes the file or
    /// sets it aside at the next start.
    pub(crate) async fn remove(&self, id: &CheckpointId) {
        let removed = tokio::fs::remove_file(self.checkpoint_path(id)).await;
        if let Err(error) = removed.or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        }) {
            tracing::warn!(
                %error,
                checkpoint = id.as_str(),
                "cannot remove the file of a checkpoint; it will be removed or set aside at the next start"
            );
        }
    }

    /// Removes the checkpoint files of deleted runs. Files that remain after a crash or an error are removed at the
    /// next start.
    pub(crate) async fn remove_files_of_deleted_runs(&self, store: &dyn Store) {
        let ids = match store.files_to_remove(false).await {
            Ok(ids) => ids,
            Err(error) => return tracing::error!(%error, "cannot query the checkpoint files of deleted training runs"),
        };
        let mut gone = Vec::new();
        for id in ids {
            self.remove(&id).await;
            if matches!(self.checkpoint_path(&id).try_exists(), Ok(false)) {
                gone.push(id);
            }
        }
        if !gone.is_empty()
            && let Err(error) = store.note_files_removed(gone).await
        {
            tracing::warn!(%error, "cannot record that the checkpoint files of deleted training runs were removed");
        }
    }

    /// Creates the folder, removes files that are incomplete or no longer needed, sets aside files that are not
    /// recorded in the database, and moves set-aside files back if they are recorded again. Errors are only logged,
    /// because the key service can work without checkpoints.
    pub(crate) async fn reconcile_with_database(&self, store: &dyn Store) {
        let known: HashSet<_> = match store.checkpoints_with_file().await {
            Ok(known) => known.into_iter().collect(),
            Err(error) => return tracing::error!(%error, "cannot query the checkpoints in the database"),
        };
        let unneeded: HashSet<_> = match store.files_to_remove(true).await {
            Ok(unneeded) => unneeded.into_iter().collect(),
            Err(error) => return tracing::error!(%error, "cannot query the checkpoints in the database"),
        };
        let folder = self.config.folder.clone();
        let reconciled = run_blocking(move || {
            create_private_folder(&folder)?;
            let aside = folder.join(SET_ASIDE_FOLDER);
            for id in &known {
                let (file, other) = (folder.join(id.as_str()), aside.join(id.as_str()));
                if !file.try_exists()? && other.try_exists()? {
                    std::fs::rename(other, file)?;
                }
            }
            for entry in folder.read_dir()? {
                let name = entry?.file_name();
                let Some(name) = name.to_str() else {
                    continue;
                };
                let is_unfinished = name.starts_with(TEMPORARY_PREFIX) && name.ends_with(TEMPORARY_SUFFIX);
                // A name that does not parse as an identifier was not created by this service, so the file is left
                // alone.
                let id = CheckpointId::parse(name);
                let is_unknown = id.as_ref().is_some_and(|id| !known.contains(id));
                if is_unfinished || id.is_some_and(|id| unneeded.contains(&id)) {
                    std::fs::remove_file(folder.join(name))?;
                } else if is_unknown {
                    tracing::warn!(name, "a checkpoint file is not in the database and is set aside");
                    create_private_folder(&aside)?;
                    std::fs::rename(folder.join(name), aside.join(name))?;
                }
            }
            Ok(())
        });
        if let Err(error) = reconciled.await {
            tracing::error!(%error, folder = %self.config.folder.display(), "cannot use the checkpoint folder");
        }
        self.remove_files_of_deleted_runs(store).await;
    }

    fn checkpoint_path(&self, id: &CheckpointId) -> PathBuf {
        self.config.folder.join(id.as_str())
    }
}

/// Returns the total size of the files in a folder; 0 if the folder does not exist.
fn folder_size(folder: &Path) -> io::Result<u64> {
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
fn create_private_folder(folder: &Path) -> io::Result<()> {
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
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { std::fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
