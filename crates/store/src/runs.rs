//! Where training runs are kept: the [`RunStore`] trait.
//!
//! Deliberately absent: the bytes of checkpoints (files of the service; a store knows which there should be).

use std::time::Duration;

use async_trait::async_trait;
use ulkeys_domain::training::{
    Checkpoint, CheckpointId, Console, EpochDetails, ModelId, ModelRef, RunDetails, RunId, RunStart, RunStatus,
    RunSummary, RunUpdate, StartedRun,
};
use ulkeys_domain::wire::ResourceCounts;
use ulkeys_domain::{KeyId, Timestamp};

use crate::Result;

/// The most console output that is kept of a run, in bytes; each piece counts 64 more. The oldest is dropped first.
pub const MAX_CONSOLE_BYTES: u32 = 1024 * 1024;

/// The most that is kept of a run's epochs, in bytes of metrics and samples of load. What comes later has no metrics.
/// Samples may fill half of it: many metrics fit when there is no more room for samples. A thousand epochs of a real
/// run take one or two MiB.
pub const MAX_EPOCH_BYTES: u32 = 16 * 1024 * 1024;

/// The most uploads of a run that wait for its word to become its checkpoint. A newer one replaces the oldest.
pub const MAX_UNCONFIRMED_CHECKPOINTS: u32 = 2;

/// Who reports something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedBy {
    /// The key; `None` for the app itself.
    pub key: Option<KeyId>,
    /// When it arrived.
    pub at: Timestamp,
}

/// How much training data is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoredBytes {
    /// In the database.
    pub rows: u64,
    /// In files of checkpoints.
    pub files: u64,
}

/// How much training data is stored in all, and of one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrainingBytes {
    /// Of all keys, and of the app itself.
    pub all: StoredBytes,
    /// Of the key.
    pub key: StoredBytes,
    /// The size of the database's pages that hold nothing any more. The file does not shrink; new rows use them first.
    pub reusable: u64,
}

/// Outcome of [`RunStore::delete_run`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunDeletion {
    /// It is gone.
    Deleted,
    /// It is running, and stays.
    Running,
    /// There is no such run.
    NotFound,
}

/// The training runs of one workspace.
///
/// Every method that returns `Ok` after a change has made it durable. Events may arrive in any order and more than
/// once: what is recorded twice is there once, and the first ending of a run stays.
#[async_trait]
pub trait RunStore: Send + Sync + 'static {
    /// Begins a run. A [`ModelRef::Named`] gets a model of its own with the identifier `new_model`, and a number in its
    /// slug where the name is taken; a [`ModelRef::Model`] gets another run of that model, or `None` when there is no
    /// such model.
    async fn start_run(
        &self,
        new_model: ModelId,
        target: ModelRef,
        start: RunStart,
        feed: ReportedBy,
    ) -> Result<Option<StartedRun>>;

    /// How many projects and models there are. Answered from memory: it is part of the commonest request.
    async fn count_resources(&self) -> Result<ResourceCounts>;

    /// The run `run` of a model, or its newest one. A name means the newest run of all models that asked for it.
    async fn find_run(&self, target: ModelRef, run: Option<RunId>) -> Result<Option<StartedRun>>;

    /// Records what changed, and who said so. `None` when there is no such run.
    async fn record_update(&self, run: RunId, change: RunUpdate, feed: ReportedBy) -> Result<Option<RunStatus>>;

    /// Tells a running run to stop; one that has ended stays as it is. `None` when there is no such run.
    async fn cancel_run(&self, run: RunId, at: Timestamp) -> Result<Option<RunStatus>>;

    /// Adds a checkpoint whose file is complete, and answers which uploads it replaces, as the run never confirmed them
    /// and has more than [`MAX_UNCONFIRMED_CHECKPOINTS`]: their files can go.
    ///
    /// # Errors
    /// Also when there is no such run, or the identifier is there already.
    async fn add_checkpoint(&self, run: RunId, checkpoint: Checkpoint) -> Result<Vec<CheckpointId>>;

    /// Makes an upload the checkpoint of its run, and answers which earlier ones it replaces: their files can go. For a
    /// replaced one nothing changes. `None` when the run has no such checkpoint.
    async fn save_checkpoint(
        &self,
        run: RunId,
        id: CheckpointId,
        feed: ReportedBy,
    ) -> Result<Option<Vec<CheckpointId>>>;

    /// The saved checkpoint of a run.
    async fn saved_checkpoint(&self, run: RunId) -> Result<Option<Checkpoint>>;

    /// Deletes a run that is not running, with everything of it, and its model if it was the last run of that. The
    /// files of its checkpoints are then among [`Self::files_to_remove`].
    async fn delete_run(&self, run: RunId) -> Result<RunDeletion>;

    /// Deletes some of the runs that were last heard of before `now` minus `retention`, as [`Self::delete_run`] does.
    /// Whether there may be more. Nothing is deleted because of a single day that lies far ahead: the clock may be
    /// wrong.
    async fn purge_runs(&self, now: Timestamp, retention: Duration) -> Result<bool>;

    /// Checkpoints whose files must go: those of deleted runs and, `with_replaced`, those that a newer one has
    /// replaced.
    async fn files_to_remove(&self, with_replaced: bool) -> Result<Vec<CheckpointId>>;

    /// Notes that the files of checkpoints are gone.
    async fn note_files_removed(&self, checkpoints: Vec<CheckpointId>) -> Result<()>;

    /// How much training data is stored in all, and of `key`; `None` is the app itself.
    async fn training_bytes(&self, key: Option<KeyId>) -> Result<TrainingBytes>;

    /// All checkpoints that have a file.
    async fn checkpoints_with_file(&self) -> Result<Vec<CheckpointId>>;

    /// At most `limit` runs, newest first: those fed by `key`, if one is given, and started before `before`.
    async fn list_runs(&self, key: Option<KeyId>, before: Option<RunId>, limit: u32) -> Result<Vec<RunSummary>>;

    /// At most `limit` runs of which more reports may be expected, as they have not ended or were cancelled after their
    /// last event; the one that was heard of last first.
    async fn open_runs(&self, limit: u32) -> Result<Vec<RunSummary>>;

    /// Everything about a run but its console.
    async fn run_details(&self, run: RunId) -> Result<Option<RunDetails>>;

    /// At most `limit` epochs of a run, by number: those after `after`, if it is given. `None` when there is no such
    /// run.
    async fn run_epochs(&self, run: RunId, after: Option<u32>, limit: u32) -> Result<Option<Vec<EpochDetails>>>;

    /// The console output of a run.
    async fn run_console(&self, run: RunId) -> Result<Option<Console>>;
}
