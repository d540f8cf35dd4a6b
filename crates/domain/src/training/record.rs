//! Runs as they are kept and shown. As JSON, field names are in camel case like those of the platform.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;
use utoipa::ToSchema;

use super::{CheckpointId, FileName, ModelId, RunId, Slug};
use crate::{KeyId, Timestamp};

/// How a run stands. The first ending wins: what arrives later does not change it.
///
/// A process that dies without a word leaves its run `running`; the time of its last event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// It has started and has not ended yet, as far as we know.
    Running,
    /// It said that it was complete.
    Completed,
    /// It said that it failed.
    Failed,
    /// It was told to stop, and is told so at each event.
    Cancelled,
}

impl RunStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// A run and the place of its model: what the answer to an event needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedRun {
    /// The run.
    pub run_id: RunId,
    /// Its model.
    pub model_id: ModelId,
    /// The model's project.
    pub project: Slug,
    /// The model's own slug, unique in its project.
    pub slug: Slug,
    /// How it stands.
    pub status: RunStatus,
}

/// A line in the list of runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunSummary {
    /// Counts up over all runs.
    #[ts(type = "number")]
    pub run_id: RunId,
    /// The model that is trained.
    #[ts(type = "string")]
    pub model_id: ModelId,
    /// The model's project.
    #[ts(type = "string")]
    pub project: Slug,
    /// The model's slug, such as `exp1-2`.
    #[ts(type = "string")]
    pub slug: Slug,
    /// How it stands.
    pub status: RunStatus,
    /// Epochs planned, where known.
    pub planned_epochs: Option<u32>,
    /// Epochs recorded; one more than planned when all went well, for the final validation.
    pub recorded_epochs: u32,
    /// Such as `cpu`.
    pub device: Option<String>,
    /// The keys that fed it, in order of their first event. The app's own reports have none.
    #[ts(as = "Vec<String>")]
    pub key_ids: Vec<KeyId>,
    /// When it started.
    #[ts(type = "string")]
    pub started_at: Timestamp,
    /// When it was last heard of.
    #[ts(type = "string")]
    pub last_event_at: Timestamp,
    /// When it ended or was cancelled.
    #[ts(type = "string | null")]
    pub ended_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether there is a checkpoint to download.
    pub has_checkpoint: bool,
}

/// Everything about a run but its console. Values without a type of ours are as the process sent them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunDetails {
    /// The line in the list.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// By number. The machine's load at each is in [`EpochDetails`], a page at a time.
    pub epochs: Vec<Epoch>,
    /// Newest sample of the machine's load.
    #[ts(type = "unknown")]
    pub system: Option<Value>,
    /// Arguments of the training.
    #[ts(type = "unknown")]
    pub train_args: Option<Value>,
    /// The machine and its software.
    #[ts(type = "unknown")]
    pub environment: Option<Value>,
    /// Parameters, GFLOPs and speed.
    #[ts(type = "unknown")]
    pub model_info: Option<Value>,
    /// Final metrics, best epoch and more.
    #[ts(type = "unknown")]
    pub results: Option<Value>,
    /// The names of the classes, in order.
    pub class_names: Option<Vec<String>>,
    /// Curves and matrices.
    #[ts(type = "unknown")]
    pub plots: Option<Value>,
    /// Newest first.
    pub checkpoints: Vec<Checkpoint>,
}

/// One epoch of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Epoch {
    /// Counted from 0.
    pub epoch: u32,
    /// By name; `null` where the number was not finite. None at all when the run has used up its room for epochs.
    pub metrics: BTreeMap<String, Option<f64>>,
    /// The fitness of this epoch.
    pub fitness: Option<f64>,
    /// The best so far.
    pub best_fitness: Option<f64>,
    /// The key that reported it; `null` for the app itself.
    #[ts(type = "string | null")]
    pub key_id: Option<KeyId>,
    /// When it was reported.
    #[ts(type = "string")]
    pub received_at: Timestamp,
}

/// One epoch of a run, with what takes much room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EpochDetails {
    /// What a list of all epochs tells.
    #[serde(flatten)]
    pub epoch: Epoch,
    /// The machine's load; left out when the run has used up its room for it.
    #[ts(type = "unknown")]
    pub system: Option<Value>,
}

/// The console output of a run, as far as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Console {
    /// In the order in which they were printed.
    pub chunks: Vec<ConsoleChunk>,
    /// How many older ones were dropped to make room.
    pub dropped: u32,
}

/// Some lines of console output, with their escape sequences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsoleChunk {
    /// Ascending, with gaps.
    #[ts(type = "number")]
    pub chunk_id: u64,
    /// The text.
    pub content: String,
    /// The key that reported it; `null` for the app itself.
    #[ts(type = "string | null")]
    pub key_id: Option<KeyId>,
}

/// An uploaded model of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// Identifier, and name of the file on the service's disk.
    #[ts(type = "string")]
    pub checkpoint_id: CheckpointId,
    /// The name that it had where it came from.
    #[ts(type = "string")]
    pub filename: FileName,
    /// Bytes.
    #[ts(type = "number")]
    pub size: u64,
    /// What became of it.
    pub state: CheckpointState,
    /// The key that uploaded it; `null` for the app itself.
    #[ts(type = "string | null")]
    pub key_id: Option<KeyId>,
    /// When all of it was there.
    #[ts(type = "string")]
    pub uploaded_at: Timestamp,
}

/// What became of an upload. A run keeps the file of one saved checkpoint: the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckpointState {
    /// It is there; the run has not confirmed it yet.
    Uploaded,
    /// It is the run's checkpoint.
    Saved,
    /// A newer one took its place; its file is gone.
    Replaced,
}

impl CheckpointState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Uploaded, Self::Saved, Self::Replaced];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uploaded => "uploaded",
            Self::Saved => "saved",
            Self::Replaced => "replaced",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}
