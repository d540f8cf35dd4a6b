//! The files of uploaded checkpoints: one folder, for the owner alone, each file under an identifier of ours.
//!
//! A file appears under its identifier when all of it is on the disk, and not before. What does not get that far has a
//! temporary name and is removed: when its request ends, or, after a kill, at the next start.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use futures_util::StreamExt as _;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use ulkeys_domain::training::CheckpointId;
use ulkeys_store::RunStore;

use crate::error::ApiError;
use crate::state::Setting;

/// What an unfinished file is called: this, something random, and [`TEMPORARY_SUFFIX`].
const TEMPORARY_PREFIX: &str = ".incoming-";
const TEMPORARY_SUFFIX: &str = ".part";

/// Below the folder: files that the database does not know. It may be an older copy, or another one, and the files
/// belong to the former; they come back with it.
const SET_ASIDE_FOLDER: &str = "set-aside";

/// After this many bytes, a request that receives a file checks the available space again.
const QUOTA_CHECK_BYTES: u64 = 1 << 20;

/// Where checkpoints are kept, and what is accepted.
#[derive(Clone)]
pub struct CheckpointConfig {
    /// Made when missing, with mode 0700. Nothing else should be in it.
    pub folder: PathBuf,
    /// The largest file, in bytes.
    pub max_bytes: u64,
    /// All files together, in bytes.
    pub max_total: Setting<u64>,
    /// How long a client may send nothing, or take nothing, before it is given up.
    pub max_silence: Duration,
    /// How long it may take for one file, however steadily it sends.
    pub max_time: Duration,
}

impl CheckpointConfig {
    /// Files of at most 2 GiB in `folder`, 50 GiB together, from clients that pause for at most a minute and
    /// take at most an hour.
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

/// Why a file is not there.
pub(crate) enum ReceiveError {
    /// More bytes than are accepted.
    TooLarge,
    /// No room for it beside the other files.
    Full,
    /// The connection broke, or what came was no body.
    Interrupted,
    /// Nothing came for too long, or all of it took too long.
    Slow,
    /// Our own folder or disk.
    Disk(io::Error),
    /// A limit for training data.
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

/// A file that arrived and has no place yet. Dropping it removes it.
pub(crate) struct IncomingFile {
    file: NamedTempFile,
    pub(crate) size: u64,
}

impl CheckpointStore {
    pub(crate) fn new(config: CheckpointConfig) -> Self {
        Self { config }
    }

    /// Writes a body to a temporary file. Whenever this ends early, even by being dropped, nothing is left.
    /// `check` decides whether a number of further bytes may be written.
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
            // Mode 0600.
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
                // What was written counts among the files.
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
        // Also brings an error of the last write, which happens behind its call.
        writer.flush().await?;
        Ok(IncomingFile { file, size })
    }

    /// How many bytes there is room for beside all files, also those that are arriving.
    async fn available_bytes(&self) -> io::Result<u64> {
        let folder = self.config.folder.clone();
        let used = run_blocking(move || Ok(folder_size(&folder)? + folder_size(&folder.join(SET_ASIDE_FOLDER))?));
        Ok(self.config.max_total.get().saturating_sub(used.await?))
    }

    /// Puts a file where it belongs. When this returns, it survives a loss of power.
    pub(crate) async fn persist(&self, received: IncomingFile, id: &CheckpointId) -> io::Result<()> {
        let (folder, path) = (self.config.folder.clone(), self.checkpoint_path(id));
        run_blocking(move || {
            received.file.as_file().sync_all()?;
            received.file.persist(path).map_err(|error| error.error)?;
            sync_folder(&folder)
        })
        .await
    }

    /// Opens a file for reading; also gives its size in bytes.
    pub(crate) async fn open(&self, id: &CheckpointId) -> io::Result<(tokio::fs::File, u64)> {
        let file = tokio::fs::File::open(self.checkpoint_path(id)).await?;
        let size = file.metadata().await?.len();
        Ok((file, size))
    }

    /// Removes a file that is no longer needed. One that cannot be removed now is set aside at the next start.
    pub(crate) async fn remove(&self, id: &CheckpointId) {
        let removed = tokio::fs::remove_file(self.checkpoint_path(id)).await;
        if let Err(error) = removed.or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        }) {
            tracing::warn!(%error, checkpoint = id.as_str(), "a checkpoint's file is not removed yet");
        }
    }

    /// Removes the files of checkpoints whose runs were deleted. What a kill, or an error, leaves is removed at the
    /// next start.
    pub(crate) async fn remove_files_of_deleted_runs(&self, store: &dyn RunStore) {
        let ids = match store.files_to_remove(false).await {
            Ok(ids) => ids,
            Err(error) => return tracing::error!(%error, "the files of deleted training runs are not known"),
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
            tracing::warn!(%error, "files of deleted training runs are removed, which is not noted yet");
        }
    }

    /// Creates the folder, removes unfinished files that a kill left in it and those that are no longer needed, sets
    /// those aside that the store does not know, and brings those back that it knows. A problem is only logged: keys
    /// are served without checkpoints, too.
    pub(crate) async fn reconcile_with_database(&self, store: &dyn RunStore) {
        let known: HashSet<_> = match store.checkpoints_with_file().await {
            Ok(known) => known.into_iter().collect(),
            Err(error) => return tracing::error!(%error, "the checkpoints are not known"),
        };
        let unneeded: HashSet<_> = match store.files_to_remove(true).await {
            Ok(unneeded) => unneeded.into_iter().collect(),
            Err(error) => return tracing::error!(%error, "the checkpoints are not known"),
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
                // A name that we never give is somebody else's file.
                let id = CheckpointId::parse(name);
                let is_unknown = id.as_ref().is_some_and(|id| !known.contains(id));
                if is_unfinished || id.is_some_and(|id| unneeded.contains(&id)) {
                    std::fs::remove_file(folder.join(name))?;
                } else if is_unknown {
                    tracing::warn!(name, "the database does not know this checkpoint, which is set aside");
                    create_private_folder(&aside)?;
                    std::fs::rename(folder.join(name), aside.join(name))?;
                }
            }
            Ok(())
        });
        if let Err(error) = reconciled.await {
            tracing::error!(%error, folder = %self.config.folder.display(), "the folder of checkpoints cannot be used");
        }
        self.remove_files_of_deleted_runs(store).await;
    }

    fn checkpoint_path(&self, id: &CheckpointId) -> PathBuf {
        self.config.folder.join(id.as_str())
    }
}

/// The size of all files in a folder; 0 where there is none.
fn folder_size(folder: &Path) -> io::Result<u64> {
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let sizes = entries.map(|entry| match entry?.metadata() {
        // Another request removed it after the folder was listed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        metadata => Ok(Some(metadata?).filter(std::fs::Metadata::is_file).map_or(0, |file| file.len())),
    });
    sizes.sum()
}

/// Makes a folder, and those above it, for the owner alone; one that is there is closed to others, where the file
/// system has permissions.
fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)?;
    #[cfg(unix)]
    match std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)) {
        // FAT has none, and answers so even to the owner.
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => {
            tracing::warn!(%error, folder = %folder.display(), "a folder stays readable by other users");
        }
        set => set?,
    }
    Ok(())
}

/// A new name is on the disk when its folder is (fsync(2)). Windows has no such call and needs none.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { std::fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
