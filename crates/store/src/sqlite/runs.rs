//! Stores the training runs of one account in SQLite.

pub(super) mod read;
pub(super) mod write;

use async_trait::async_trait;
use rusqlite::Connection;
use ulkeys_domain::training::{
    Checkpoint, CheckpointId, Console, EpochDetails, ModelId, ModelRef, RunDetails, RunId, RunStart, RunStatus,
    RunSummary, RunUpdate, StartedRun,
};
use ulkeys_domain::{KeyId, Timestamp};

use super::SharedState;
use super::account::SqliteAccount;
use super::account_scope::AccountScope;
use crate::{ReportedBy, ResourceCounts, Result, RunDeletion, RunRepository, TrainingBytes};

#[async_trait]
impl RunRepository for SqliteAccount {
    async fn start_run(
        &self,
        new_model: ModelId,
        target: ModelRef,
        start: RunStart,
        feed: ReportedBy,
    ) -> Result<Option<StartedRun>> {
        let account = self.id;
        self.database
            .write(move |writer, inner| {
                let started = AccountScope::transact(writer, account, |scope| {
                    write::start_run(scope, &new_model, &target, &start, &feed)
                })?;
                // The run already exists, so a failure to count the models is not returned: an error would make the
                // client start another run.
                inner.count_models(writer);
                Ok(started)
            })
            .await
    }

    async fn count_resources(&self) -> Result<ResourceCounts> {
        Ok(self.database.inner.counts.read().get(&self.id).cloned().unwrap_or_default())
    }

    async fn find_run(&self, target: ModelRef, run: Option<RunId>) -> Result<Option<StartedRun>> {
        self.read(move |scope| read::find_run(scope, &target, run)).await
    }

    async fn record_update(&self, run: RunId, change: RunUpdate, feed: ReportedBy) -> Result<Option<RunStatus>> {
        self.write(move |scope| write::record_update(scope, run, &change, &feed)).await
    }

    async fn cancel_run(&self, run: RunId, at: Timestamp) -> Result<Option<RunStatus>> {
        self.write(move |scope| write::cancel_run(scope, run, at)).await
    }

    async fn add_checkpoint(&self, run: RunId, checkpoint: Checkpoint) -> Result<Vec<CheckpointId>> {
        self.write(move |scope| write::add_checkpoint(scope, run, &checkpoint)).await
    }

    async fn save_checkpoint(
        &self,
        run: RunId,
        id: CheckpointId,
        feed: ReportedBy,
    ) -> Result<Option<Vec<CheckpointId>>> {
        self.write(move |scope| write::save_checkpoint(scope, run, &id, &feed)).await
    }

    async fn saved_checkpoint(&self, run: RunId) -> Result<Option<Checkpoint>> {
        self.read(move |scope| read::saved_checkpoint(scope, run)).await
    }

    async fn delete_run(&self, run: RunId) -> Result<RunDeletion> {
        let account = self.id;
        self.database
            .write(move |writer, inner| {
                let deletion = AccountScope::transact(writer, account, |scope| write::delete_run(scope, run))?;
                inner.count_models(writer);
                Ok(deletion)
            })
            .await
    }

    async fn training_bytes(&self, key: Option<KeyId>) -> Result<TrainingBytes> {
        self.read(move |scope| read::training_bytes(scope, key.as_ref())).await
    }

    async fn list_runs(&self, key: Option<KeyId>, before: Option<RunId>, limit: u32) -> Result<Vec<RunSummary>> {
        self.read(move |scope| read::list_runs(scope, key.as_ref(), before, limit)).await
    }

    async fn find_summaries(&self, runs: Vec<RunId>) -> Result<Vec<RunSummary>> {
        self.read(move |scope| read::find_summaries(scope, &runs)).await
    }

    async fn open_runs(&self, limit: u32) -> Result<Vec<RunSummary>> {
        self.read(move |scope| read::open_runs(scope, limit)).await
    }

    async fn run_details(&self, run: RunId) -> Result<Option<RunDetails>> {
        self.read(move |scope| read::run_details(scope, run)).await
    }

    async fn run_epochs(&self, run: RunId, after: Option<u32>, limit: u32) -> Result<Option<Vec<EpochDetails>>> {
        self.read(move |scope| read::run_epochs(scope, run, after, limit)).await
    }

    async fn run_console(&self, run: RunId) -> Result<Option<Console>> {
        self.read(move |scope| read::run_console(scope, run)).await
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
