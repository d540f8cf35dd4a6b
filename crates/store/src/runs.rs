//! Storage of training runs: the [`RunRepository`] trait.
//!
//! A store deliberately does not contain checkpoint files. The service stores these files; the store only records which
//! files should exist.

use async_trait::async_trait;
use ulkeys_domain::training::{
    Checkpoint, CheckpointId, Console, EpochDetails, ModelId, ModelRef, RunDetails, RunId, RunStart, RunStatus,
    RunSummary, RunUpdate, StartedRun,
};
use ulkeys_domain::{Actor, KeyId, Timestamp};

use crate::Result;

/// The maximum size of a run's stored console output, in bytes. Each chunk counts as its content plus 64 bytes. When
/// the limit is exceeded, the oldest chunks are dropped.
pub const MAX_CONSOLE_BYTES: u32 = 1024 * 1024;

/// The maximum size of a run's stored epochs, in bytes of metrics and system-load samples. Epochs beyond the limit are
/// stored without metrics. Samples are stored only until half of the limit is used, so that the other half remains for
/// metrics. A thousand epochs of a typical run take one or two MiB.
pub const MAX_EPOCH_BYTES: u32 = 16 * 1024 * 1024;

/// The maximum number of uploaded checkpoints that a run has not confirmed yet. A newer upload replaces the oldest one.
pub const MAX_UNCONFIRMED_CHECKPOINTS: u32 = 2;

/// The number of resources that training runs have created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResourceCounts {
    /// The number of projects.
    pub projects: u64,
    /// The number of models in all projects.
    pub models: u64,
}

/// The origin and the time of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedBy {
    /// Who sent the report.
    pub actor: Actor,
    /// Time at which the report arrived.
    pub at: Timestamp,
}

/// The size of stored training data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoredBytes {
    /// Size of the data in the database, in bytes.
    pub rows: u64,
    /// Size of the checkpoint files, in bytes.
    pub files: u64,
}

/// The size of the stored training data, in total and for one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrainingBytes {
    /// The data of all accounts.
    pub all: StoredBytes,
    /// The data of one key.
    pub key: StoredBytes,
    /// The size of the database's free pages, in bytes. Deleting data does not shrink the file; new rows use the free
    /// pages first.
    pub reusable: u64,
}

/// The result of [`RunRepository::delete_run`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunDeletion {
    /// The run was deleted.
    Deleted,
    /// The run is still running and was not deleted.
    Running,
    /// The run does not exist.
    NotFound,
}

/// Stores the training runs of one account.
///
/// When a method that changes data returns `Ok`, the change is durable. Events may arrive in any order and more than
/// once: a repeated event is stored once, and only the first end event of a run counts.
#[async_trait]
pub trait RunRepository: Send + Sync + 'static {
    /// Starts a run. For a [`ModelRef::Named`], creates a model with the identifier `new_model`, and adds a number to
    /// the model's slug if the slug is taken. For a [`ModelRef::Model`], adds a run to that model, or returns `None` if
    /// the model does not exist.
    async fn start_run(
        &self,
        new_model: ModelId,
        target: ModelRef,
        start: RunStart,
        feed: ReportedBy,
    ) -> Result<Option<StartedRun>>;

    /// Returns how many projects and models exist. The counts are cached in memory, because the most frequent request
    /// needs them.
    async fn count_resources(&self) -> Result<ResourceCounts>;

    /// Returns the run `run` of a model, or the model's newest run if `run` is `None`. For a [`ModelRef::Named`],
    /// searches all models that were created with that name.
    async fn find_run(&self, target: ModelRef, run: Option<RunId>) -> Result<Option<StartedRun>>;

    /// Stores an update of a run, with the key and the time of the report. Returns `None` if the run does not exist.
    async fn record_update(&self, run: RunId, change: RunUpdate, feed: ReportedBy) -> Result<Option<RunStatus>>;

    /// Cancels a run that is still running; a run that has ended does not change. Returns `None` if the run does not
    /// exist.
    async fn cancel_run(&self, run: RunId, at: Timestamp) -> Result<Option<RunStatus>>;

    /// Adds a checkpoint whose file is complete. If the run now has more than [`MAX_UNCONFIRMED_CHECKPOINTS`]
    /// unconfirmed checkpoints, replaces the oldest ones and returns their identifiers, because their files can be
    /// deleted.
    ///
    /// # Errors
    /// Returns an error if the run does not exist, or if the checkpoint's identifier already exists.
    async fn add_checkpoint(&self, run: RunId, checkpoint: Checkpoint) -> Result<Vec<CheckpointId>>;

    /// Marks an uploaded checkpoint as the saved checkpoint of its run, and returns the earlier checkpoints that it
    /// replaces, because their files can be deleted. A checkpoint that was already replaced by a later one stays
    /// replaced. Returns `None` if the run has no such checkpoint.
    async fn save_checkpoint(
        &self,
        run: RunId,
        id: CheckpointId,
        feed: ReportedBy,
    ) -> Result<Option<Vec<CheckpointId>>>;

    /// Returns the saved checkpoint of a run.
    async fn saved_checkpoint(&self, run: RunId) -> Result<Option<Checkpoint>>;

    /// Deletes a run that has ended, with all its data, and also deletes its model if this was the model's last run.
    /// [`Store::files_to_remove`](crate::Store::files_to_remove) then includes the run's checkpoint files.
    async fn delete_run(&self, run: RunId) -> Result<RunDeletion>;

    /// Returns the size of the stored training data, in total and for `key` (`None` for the app itself).
    async fn training_bytes(&self, key: Option<KeyId>) -> Result<TrainingBytes>;

    /// Returns at most `limit` runs, newest first. If `key` is set, only runs to which that key has reported are
    /// included; if `before` is set, only runs older than that run.
    async fn list_runs(&self, key: Option<KeyId>, before: Option<RunId>, limit: u32) -> Result<Vec<RunSummary>>;

    /// Returns those of the given runs that exist, in any order.
    async fn find_summaries(&self, runs: Vec<RunId>) -> Result<Vec<RunSummary>>;

    /// Returns at most `limit` runs that may still send reports: runs that have not ended, and cancelled runs that have
    /// sent no event since their cancellation. The run with the latest event comes first.
    async fn open_runs(&self, limit: u32) -> Result<Vec<RunSummary>>;

    /// Returns all data of a run except its console output.
    async fn run_details(&self, run: RunId) -> Result<Option<RunDetails>>;

    /// Returns at most `limit` epochs of a run, ordered by number. If `after` is set, only epochs with a higher number
    /// are included. Returns `None` if the run does not exist.
    async fn run_epochs(&self, run: RunId, after: Option<u32>, limit: u32) -> Result<Option<Vec<EpochDetails>>>;

    /// Returns the console output of a run.
    async fn run_console(&self, run: RunId) -> Result<Option<Console>>;
}
