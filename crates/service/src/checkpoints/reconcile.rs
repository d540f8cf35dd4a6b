//! Makes the files agree with the checkpoints that the database contains.

use std::collections::HashSet;

use ulkeys_domain::training::CheckpointId;
use ulkeys_store::Store;

use super::CheckpointStore;
use super::folder::{SET_ASIDE_FOLDER, TEMPORARY_PREFIX, TEMPORARY_SUFFIX, create_private_folder, run_blocking};

impl CheckpointStore {
    /// Removes the checkpoint files of deleted runs. Files that remain after a crash or an error are removed at the
    /// next start.
    pub(crate) async fn remove_files_of_deleted_runs(&self, store: &dyn Store) {
        let ids = match store.files_to_remove(false).await {
            Ok(ids) => ids,
            Err(error) => return tracing::error!(%error, "cannot query the checkpoint files of deleted training runs"),
        };
        let mut gone = Vec::new();
        for id in ids {
            if self.remove(&id).await {
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
}
