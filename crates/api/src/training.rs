//! Responses about training runs.

mod record;

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use ulkeys_domain::Timestamp;
use ulkeys_domain::training::{self, ModelId, RunId, RunStatus, Slug};

use crate::schema;

pub use record::{Checkpoint, Console, ConsoleChunk, Epoch, EpochDetails, RunDetails, RunSummary};

/// Response of `POST /api/webhooks/training/metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EventReceipt)]
pub struct EventAck {
    /// Whether the event was received. Always `true`.
    pub received: bool,
    /// Name of the event.
    pub event: String,
    /// Identifier of the model. Include it in each further event of this run.
    #[schema(value_type = schema::ModelId)]
    pub model_id: ModelId,
    /// Identifier of the run. Include it in uploads and in the request that ends the run.
    #[schema(value_type = schema::RunId)]
    pub run_id: RunId,
    /// The model's slug in its project.
    #[schema(value_type = schema::Slug)]
    pub model_slug: Slug,
    /// URL of a page that explains where to find the run.
    pub model_url: String,
    /// Whether the run was cancelled. If so, the training process must stop.
    pub cancelled: bool,
    /// Whether the end of the run was recorded without its results because there was no space for them.
    pub results_dropped: bool,
}

/// Response of `POST /api/webhooks/models/upload`. Does not implement `Debug`, because the URL grants access and must
/// not be logged.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadTicket {
    /// URL to which the file is uploaded with `PUT`, without further credentials. The upload must begin within one
    /// hour.
    pub upload_url: String,
    /// Path of the checkpoint. Send it in `checkpoint_saved` as `modelPath`.
    pub gcs_path: String,
    /// Path of the upload. Send it in `checkpoint_saved` as `uploadPath`.
    pub upload_path: String,
    /// Identifier of the model.
    #[schema(value_type = schema::ModelId)]
    pub model_id: ModelId,
}

/// Response of `GET /api/training/runs`: a page of runs, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrainingRunList {
    /// The listed runs.
    pub runs: Vec<TrainingRun>,
    /// Value of the `cursor` parameter for the next page; `null` on the last page.
    pub next_cursor: Option<String>,
    /// Size of the stored training data, and its limits.
    pub storage: TrainingStorage,
}

/// Size of the stored training data, and its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrainingStorage {
    /// Storage used by all keys.
    pub all: StorageUse,
    /// Storage used by the key for which runs were requested; `null` if runs of all keys were requested.
    pub key: Option<StorageUse>,
    /// Whether the disk has more free space than is reserved for keys. If not, no training data is accepted.
    pub leaves_reserve: bool,
    /// Free disk space that is reserved for keys, in bytes.
    #[ts(type = "number")]
    pub reserve_bytes: u64,
}

/// Used storage and its limits, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageUse {
    /// Size of all training data, both in the database and in checkpoint files.
    #[ts(type = "number")]
    pub used_bytes: u64,
    /// Maximum size of all training data.
    #[ts(type = "number")]
    pub limit_bytes: u64,
    /// Size of the training data in the database: metrics, console output, results and plots.
    #[ts(type = "number")]
    pub database_used_bytes: u64,
    /// Maximum size of the training data in the database.
    #[ts(type = "number")]
    pub database_limit_bytes: u64,
}

/// Response of `DELETE /api/training/runs/{runId}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedRun {
    /// Identifier of the deleted run.
    #[ts(type = "number")]
    #[schema(value_type = schema::RunId)]
    pub run_id: RunId,
}

/// A run in the list of runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrainingRun {
    /// The stored data of the run.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// URL of a page that explains where to find the run. The training process prints this URL.
    pub model_url: String,
    /// When the next report of the run is due; `null` if none is expected. A `running` run whose report is overdue
    /// counts as silent. The time is an estimate: the time of the last report plus ten minutes or three average epochs
    /// of the run, whichever is longer.
    #[schema(value_type = Option<schema::Timestamp>, required = true)]
    #[ts(type = "string | null")]
    pub report_due_at: Option<Timestamp>,
    /// Time of the last report of a `running` run that has become silent; `null` if the run is reporting or has ended.
    #[schema(value_type = Option<schema::Timestamp>, required = true)]
    #[ts(type = "string | null")]
    pub silent_since: Option<Timestamp>,
}

impl TrainingRun {
    /// Returns a run with its reporting state at `now`.
    pub fn at(now: Timestamp, run: training::RunSummary, model_url: String) -> Self {
        Self { report_due_at: run.report_due_at(), silent_since: run.silent_since(now), model_url, summary: run.into() }
    }
}

/// Response of `GET /api/training/runs/live`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct LiveRunList {
    /// Training runs that are currently reporting, most recent report first.
    pub runs: Vec<TrainingRun>,
}

/// Response of `GET /api/training/runs/{runId}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrainingRunDetails {
    /// The stored data of the run.
    #[serde(flatten)]
    pub details: RunDetails,
    /// URL of a page that explains where to find the run. The training process prints this URL.
    pub model_url: String,
    /// When the next report of the run is due; `null` if none is expected. A `running` run whose report is overdue
    /// counts as silent. The time is an estimate: the time of the last report plus ten minutes or three average epochs
    /// of the run, whichever is longer.
    #[schema(value_type = Option<schema::Timestamp>, required = true)]
    #[ts(type = "string | null")]
    pub report_due_at: Option<Timestamp>,
    /// Time of the last report of a `running` run that has become silent; `null` if the run is reporting or has ended.
    #[schema(value_type = Option<schema::Timestamp>, required = true)]
    #[ts(type = "string | null")]
    pub silent_since: Option<Timestamp>,
}

impl TrainingRunDetails {
    /// Returns the details of a run with its reporting state at `now`.
    pub fn at(now: Timestamp, run: training::RunDetails, model_url: String) -> Self {
        let (report_due_at, silent_since) = (run.summary.report_due_at(), run.summary.silent_since(now));
        Self { report_due_at, silent_since, model_url, details: run.into() }
    }
}

/// Response of `GET /api/training/runs/{runId}/epochs`: a page of epochs, ordered by number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EpochList {
    /// The listed epochs.
    pub epochs: Vec<EpochDetails>,
    /// Value of the `after` parameter for the next page; `null` on the last page.
    pub next_after: Option<u32>,
}

/// Response of `POST /api/training/runs/{runId}/cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelledRun {
    /// Identifier of the run.
    #[ts(type = "number")]
    #[schema(value_type = schema::RunId)]
    pub run_id: RunId,
    /// `cancelled`, or the status with which the run had already ended.
    #[ts(as = "schema::RunStatus")]
    #[schema(value_type = schema::RunStatus)]
    pub status: RunStatus,
}
