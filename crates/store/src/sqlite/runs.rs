//! Stores training runs in SQLite. Each method is one write transaction or one read transaction.

pub(super) mod read;
pub(super) mod write;

use async_trait::async_trait;
use rusqlite::Connection;
use ulkeys_api::ResourceCounts;
use ulkeys_domain::training::{
    Checkpoint, CheckpointId, Console, EpochDetails, ModelId, ModelRef, RunDetails, RunId, RunStart, RunStatus,
    RunSummary, RunUpdate, StartedRun,
};
use ulkeys_domain::{KeyId, Timestamp};

use super::SharedState;
use super::account::SqliteAccount;
use crate::{ReportedBy, Result, RunDeletion, RunRepository, TrainingBytes};

#[async_trait]
impl RunRepository for SqliteAccount {
    async fn start_run(
        &self,
        new_model: ModelId,
        target: ModelRef,
        start: RunStart,
        feed: ReportedBy,
    ) -> Result<Option<StartedRun>> {
        self.database
            .write(move |writer, inner| {
                let started = write::start_run(writer, &new_model, &target, &start, &feed)?;
                // The run already exists, so a failure to count the models is not returned: an error would make the
                // client start another run.
                inner.count_models(writer);
                Ok(started)
            })
            .await
    }

    async fn count_resources(&self) -> Result<ResourceCounts> {
        Ok(self.database.inner.counts.read().clone())
    }

    async fn find_run(&self, target: ModelRef, run: Option<RunId>) -> Result<Option<StartedRun>> {
        self.database.run_blocking(move |inner| read::find_run(&inner.pick_reader(), &target, run)).await
    }

    async fn record_update(&self, run: RunId, change: RunUpdate, feed: ReportedBy) -> Result<Option<RunStatus>> {
        self.database.write(move |connection, _| write::record_update(connection, run, &change, &feed)).await
    }

    async fn cancel_run(&self, run: RunId, at: Timestamp) -> Result<Option<RunStatus>> {
        self.database.write(move |connection, _| write::cancel_run(connection, run, at)).await
    }

    async fn add_checkpoint(&self, run: RunId, checkpoint: Checkpoint) -> Result<Vec<CheckpointId>> {
        self.database.write(move |connection, _| write::add_checkpoint(connection, run, &checkpoint)).await
    }

    async fn save_checkpoint(
        &self,
        run: RunId,
        id: CheckpointId,
        feed: ReportedBy,
    ) -> Result<Option<Vec<CheckpointId>>> {
        self.database.write(move |connection, _| write::save_checkpoint(connection, run, &id, &feed)).await
    }

    async fn saved_checkpoint(&self, run: RunId) -> Result<Option<Checkpoint>> {
        self.database.run_blocking(move |inner| read::saved_checkpoint(&inner.pick_reader(), run)).await
    }

    async fn delete_run(&self, run: RunId) -> Result<RunDeletion> {
        self.database
            .write(move |writer, inner| {
                let deletion = write::delete_run(writer, run)?;
                inner.count_models(writer);
                Ok(deletion)
            })
            .await
    }

    async fn training_bytes(&self, key: Option<KeyId>) -> Result<TrainingBytes> {
        self.database.run_blocking(move |inner| read::training_bytes(&inner.pick_reader(), key.as_ref())).await
    }

    async fn list_runs(&self, key: Option<KeyId>, before: Option<RunId>, limit: u32) -> Result<Vec<RunSummary>> {
        self.database
            .run_blocking(move |inner| read::list_runs(&mut inner.pick_reader(), key.as_ref(), before, limit))
            .await
    }

    async fn find_summaries(&self, runs: Vec<RunId>) -> Result<Vec<RunSummary>> {
        self.database.run_blocking(move |inner| read::find_summaries(&mut inner.pick_reader(), &runs)).await
    }

    async fn open_runs(&self, limit: u32) -> Result<Vec<RunSummary>> {
        self.database.run_blocking(move |inner| read::open_runs(&mut inner.pick_reader(), limit)).await
    }

    async fn run_details(&self, run: RunId) -> Result<Option<RunDetails>> {
        self.database.run_blocking(move |inner| read::run_details(&mut inner.pick_reader(), run)).await
    }

    async fn run_epochs(&self, run: RunId, after: Option<u32>, limit: u32) -> Result<Option<Vec<EpochDetails>>> {
        self.database.run_blocking(move |inner| read::run_epochs(&mut inner.pick_reader(), run, after, limit)).await
    }

    async fn run_console(&self, run: RunId) -> Result<Option<Console>> {
        self.database.run_blocking(move |inner| read::run_console(&mut inner.pick_reader(), run)).await
    }
}

impl SharedState {
    /// Updates the cached numbers of projects and models after a change. A failure is only logged, because the change
    /// is already committed.
    pub(super) fn count_models(&self, writer: &Connection) {
        match read::count_resources(writer) {
            Ok(counts) => *self.counts.write() = counts,
            Err(error) => {
                tracing::warn!(%error, "cannot count the models; the number is updated when the next run starts")
            }
        }
    }
}
