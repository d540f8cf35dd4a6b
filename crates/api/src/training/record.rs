//! Training runs and their epochs, console output and checkpoints, as the service returns them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;
use utoipa::ToSchema;

use ulkeys_domain::training::{self, CheckpointId, CheckpointState, FileName, ModelId, RunId, RunStatus, Slug};
use ulkeys_domain::{KeyId, Timestamp};

use crate::schema;

/// A run in the list of runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunSummary {
    /// Identifier of the run. Later runs have higher numbers.
    #[ts(type = "number")]
    #[schema(value_type = schema::RunId)]
    pub run_id: RunId,
    /// Identifier of the model that the run trains.
    #[ts(type = "string")]
    #[schema(value_type = schema::ModelId)]
    pub model_id: ModelId,
    /// The model's project.
    #[ts(type = "string")]
    #[schema(value_type = schema::Slug)]
    pub project: Slug,
    /// The model's slug, such as `exp1-2`.
    #[ts(type = "string")]
    #[schema(value_type = schema::Slug)]
    pub slug: Slug,
    /// Status of the run.
    #[ts(as = "schema::RunStatus")]
    #[schema(value_type = schema::RunStatus)]
    pub status: RunStatus,
    /// Number of planned epochs, if known.
    pub planned_epochs: Option<u32>,
    /// Number of recorded epochs. A complete run has one more than the number of planned epochs, for the final
    /// validation.
    pub recorded_epochs: u32,
    /// Name of the device, such as `cpu`.
    pub device: Option<String>,
    /// Identifiers of the keys that sent reports about the run, ordered by their first report. Reports from the app
    /// itself have no key.
    #[ts(as = "Vec<String>")]
    #[schema(value_type = Vec<schema::KeyId>)]
    pub key_ids: Vec<KeyId>,
    /// When the run started.
    #[ts(type = "string")]
    #[schema(value_type = schema::Timestamp)]
    pub started_at: Timestamp,
    /// When the last event of the run was received.
    #[ts(type = "string")]
    #[schema(value_type = schema::Timestamp)]
    pub last_event_at: Timestamp,
    /// When the run ended or was cancelled.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub ended_at: Option<Timestamp>,
    /// Why the run failed.
    pub error: Option<String>,
    /// Whether the run has a checkpoint to download.
    pub has_checkpoint: bool,
    /// Whether the results of the run were dropped because there was no space for them.
    pub results_dropped: bool,
}

impl From<training::RunSummary> for RunSummary {
    fn from(run: training::RunSummary) -> Self {
        Self {
            run_id: run.run_id,
            model_id: run.model_id,
            project: run.project,
            slug: run.slug,
            status: run.status,
            planned_epochs: run.planned_epochs,
            recorded_epochs: run.recorded_epochs,
            device: run.device,
            key_ids: run.key_ids,
            started_at: run.started_at,
            last_event_at: run.last_event_at,
            ended_at: run.ended_at,
            error: run.error,
            has_checkpoint: run.has_checkpoint,
            results_dropped: run.results_dropped,
        }
    }
}

/// All data of a run except its console output. Untyped JSON values are returned as the training process sent them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunDetails {
    /// The fields that are also included in the list of runs.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// Epochs, ordered by number. Only the paginated list of epochs contains the machine's load at each epoch.
    pub epochs: Vec<Epoch>,
    /// Latest sample of the machine's load.
    #[ts(type = "unknown")]
    pub system: Option<Value>,
    /// Training arguments, such as the model and the batch size.
    #[ts(type = "unknown")]
    pub train_args: Option<Value>,
    /// Hardware and software of the machine.
    #[ts(type = "unknown")]
    pub environment: Option<Value>,
    /// The model's parameter count, GFLOPs and speed.
    #[ts(type = "unknown")]
    pub model_info: Option<Value>,
    /// Final metrics, best epoch and other results.
    #[ts(type = "unknown")]
    pub results: Option<Value>,
    /// Names of the classes, in order.
    pub class_names: Option<Vec<String>>,
    /// Curves and matrices.
    #[ts(type = "unknown")]
    pub plots: Option<Value>,
    /// Uploaded checkpoints, newest first.
    pub checkpoints: Vec<Checkpoint>,
}

impl From<training::RunDetails> for RunDetails {
    fn from(run: training::RunDetails) -> Self {
        Self {
            summary: run.summary.into(),
            epochs: run.epochs.into_iter().map(Into::into).collect(),
            system: run.system,
            train_args: run.train_args,
            environment: run.environment,
            model_info: run.model_info,
            results: run.results,
            class_names: run.class_names,
            plots: run.plots,
            checkpoints: run.checkpoints.into_iter().map(Into::into).collect(),
        }
    }
}

/// One epoch of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Epoch {
    /// Epoch number, starting at 0.
    pub epoch: u32,
    /// Metrics by name. A value that was not a finite number is `null`. Empty if the run has reached its size limit for
    /// epochs.
    pub metrics: BTreeMap<String, Option<f64>>,
    /// Fitness of this epoch.
    pub fitness: Option<f64>,
    /// Best fitness so far.
    pub best_fitness: Option<f64>,
    /// Identifier of the key that reported the epoch; `null` if the app itself reported it.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<schema::KeyId>)]
    pub key_id: Option<KeyId>,
    /// When the epoch was reported.
    #[ts(type = "string")]
    #[schema(value_type = schema::Timestamp)]
    pub received_at: Timestamp,
}

impl From<training::Epoch> for Epoch {
    fn from(epoch: training::Epoch) -> Self {
        Self {
            epoch: epoch.epoch,
            metrics: epoch.metrics,
            fitness: epoch.fitness,
            best_fitness: epoch.best_fitness,
            key_id: epoch.key_id,
            received_at: epoch.received_at,
        }
    }
}

/// An epoch of a run, including the machine's load, which the details of a run omit because of its size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EpochDetails {
    /// The fields that are also included in the details of a run.
    #[serde(flatten)]
    pub epoch: Epoch,
    /// The machine's load when the epoch was reported. Omitted if the run has reached its size limit for load samples.
    #[ts(type = "unknown")]
    pub system: Option<Value>,
}

impl From<training::EpochDetails> for EpochDetails {
    fn from(details: training::EpochDetails) -> Self {
        Self { epoch: details.epoch.into(), system: details.system }
    }
}

/// The stored console output of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Console {
    /// Parts of the output, in the order in which they were printed.
    pub chunks: Vec<ConsoleChunk>,
    /// Number of older parts that were dropped to limit the size of the output.
    pub dropped: u32,
}

impl From<training::Console> for Console {
    fn from(console: training::Console) -> Self {
        Self { chunks: console.chunks.into_iter().map(Into::into).collect(), dropped: console.dropped }
    }
}

/// A part of the console output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsoleChunk {
    /// Sequence number of the part. Later parts have higher numbers, and the numbers may have gaps.
    #[ts(type = "number")]
    pub chunk_id: u64,
    /// The printed text, including terminal escape sequences.
    pub content: String,
    /// Identifier of the key that reported the part; `null` if the app itself reported it.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<schema::KeyId>)]
    pub key_id: Option<KeyId>,
}

impl From<training::ConsoleChunk> for ConsoleChunk {
    fn from(chunk: training::ConsoleChunk) -> Self {
        Self { chunk_id: chunk.chunk_id, content: chunk.content, key_id: chunk.key_id }
    }
}

/// An uploaded checkpoint of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// Identifier of the checkpoint, which is also its file name on the service's disk.
    #[ts(type = "string")]
    #[schema(value_type = schema::CheckpointId)]
    pub checkpoint_id: CheckpointId,
    /// Original name of the file on the client's machine.
    #[ts(type = "string")]
    #[schema(value_type = schema::FileName)]
    pub filename: FileName,
    /// Size in bytes.
    #[ts(type = "number")]
    pub size: u64,
    /// State of the upload.
    #[ts(as = "schema::CheckpointState")]
    #[schema(value_type = schema::CheckpointState)]
    pub state: CheckpointState,
    /// Identifier of the key that uploaded the checkpoint; `null` if the app itself uploaded it.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<schema::KeyId>)]
    pub key_id: Option<KeyId>,
    /// When the upload was complete.
    #[ts(type = "string")]
    #[schema(value_type = schema::Timestamp)]
    pub uploaded_at: Timestamp,
}

impl From<training::Checkpoint> for Checkpoint {
    fn from(checkpoint: training::Checkpoint) -> Self {
        Self {
            checkpoint_id: checkpoint.checkpoint_id,
            filename: checkpoint.filename,
            size: checkpoint.size,
            state: checkpoint.state,
            key_id: checkpoint.key_id,
            uploaded_at: checkpoint.uploaded_at,
        }
    }
}
