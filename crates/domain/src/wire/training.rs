//! Answers about training runs.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::Timestamp;
use crate::training::{EpochDetails, ModelId, RunDetails, RunId, RunStatus, RunSummary, Slug};

/// Answer of `POST /api/webhooks/training/metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EventReceipt)]
pub struct EventAck {
    /// Always `true`.
    pub received: bool,
    /// The event's name.
    pub event: String,
    /// To be sent with each further event of this run.
    pub model_id: ModelId,
    /// To be sent with uploads and the end of the run.
    pub run_id: RunId,
    /// The model's slug in its project.
    pub model_slug: Slug,
    /// The page that tells a person where to find the run.
    pub model_url: String,
    /// Whether the process is to stop.
    pub cancelled: bool,
    /// Whether the end of the run is recorded without its results, as there was no space for them.
    pub results_dropped: bool,
}

/// Answer of `POST /api/webhooks/models/upload`. Holds a capability: no `Debug`, so that no log gets it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadTicket {
    /// Where to PUT the bytes, without further credentials, beginning within the hour.
    pub upload_url: String,
    /// What `checkpoint_saved` hands back as `modelPath`.
    pub gcs_path: String,
    /// What `checkpoint_saved` hands back as `uploadPath`.
    pub upload_path: String,
    /// The model.
    pub model_id: ModelId,
}

/// Answer of `GET /api/training/runs`: a page of them, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrainingRunList {
    /// The runs.
    pub runs: Vec<TrainingRun>,
    /// The `cursor` of the next page; `null` after the last.
    pub next_cursor: Option<String>,
    /// How much training data is stored.
    pub storage: TrainingStorage,
}

/// How much training data is stored, and how much may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrainingStorage {
    /// Of all keys.
    pub all: StorageUse,
    /// Of the key that was asked for.
    pub key: Option<StorageUse>,
    /// Whether the disk has more free space than belongs to keys. Otherwise no training data is accepted.
    pub leaves_reserve: bool,
    /// Free space of the disk that belongs to keys.
    #[ts(type = "number")]
    pub reserve_bytes: u64,
}

/// Part of [`TrainingStorage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageUse {
    /// All of it: in the database, and in files of checkpoints.
    #[ts(type = "number")]
    pub used_bytes: u64,
    /// How much may be stored.
    #[ts(type = "number")]
    pub limit_bytes: u64,
    /// What of it is in the database: metrics, console, results and plots.
    #[ts(type = "number")]
    pub database_used_bytes: u64,
    /// How much may be stored there.
    #[ts(type = "number")]
    pub database_limit_bytes: u64,
}

/// Answer of `DELETE /api/training/runs/{runId}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedRun {
    /// The run that is gone.
    #[ts(type = "number")]
    pub run_id: RunId,
}

/// A line in the list of runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrainingRun {
    /// What is known of it.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// The address that the training process prints.
    pub model_url: String,
    /// By when its next report is due; `null` once none is expected. A run that is `running` and whose report is
    /// overdue is silent. This is a guess: ten minutes, or three average epochs of the run, after its last report.
    #[schema(required = true)]
    #[ts(type = "string | null")]
    pub report_due_at: Option<Timestamp>,
    /// Since when a `running` run has been silent; `null` while it reports, and once it has ended.
    #[schema(required = true)]
    #[ts(type = "string | null")]
    pub silent_since: Option<Timestamp>,
}

impl TrainingRun {
    /// The run as it stands at `now`.
    pub fn at(now: Timestamp, summary: RunSummary, model_url: String) -> Self {
        Self { report_due_at: summary.report_due_at(), silent_since: summary.silent_since(now), model_url, summary }
    }
}

/// Answer of `GET /api/training/runs/live`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct LiveRunList {
    /// The runs, the one that reported last first.
    pub runs: Vec<TrainingRun>,
}

/// Answer of `GET /api/training/runs/{runId}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrainingRunDetails {
    /// What is known of it.
    #[serde(flatten)]
    pub details: RunDetails,
    /// The address that the training process prints.
    pub model_url: String,
    /// By when its next report is due; `null` once none is expected. A run that is `running` and whose report is
    /// overdue is silent. This is a guess: ten minutes, or three average epochs of the run, after its last report.
    #[schema(required = true)]
    #[ts(type = "string | null")]
    pub report_due_at: Option<Timestamp>,
    /// Since when a `running` run has been silent; `null` while it reports, and once it has ended.
    #[schema(required = true)]
    #[ts(type = "string | null")]
    pub silent_since: Option<Timestamp>,
}

impl TrainingRunDetails {
    /// The run as it stands at `now`.
    pub fn at(now: Timestamp, details: RunDetails, model_url: String) -> Self {
        let (report_due_at, silent_since) = (details.summary.report_due_at(), details.summary.silent_since(now));
        Self { report_due_at, silent_since, model_url, details }
    }
}

/// Answer of `GET /api/training/runs/{runId}/epochs`: a page of them, by number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EpochList {
    /// The epochs.
    pub epochs: Vec<EpochDetails>,
    /// The `after` of the next page; `null` after the last.
    pub next_after: Option<u32>,
}

/// Answer of `POST /api/training/runs/{runId}/cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelledRun {
    /// The run.
    #[ts(type = "number")]
    pub run_id: RunId,
    /// `cancelled`, or how it had ended before.
    pub status: RunStatus,
}
