//! Runs as they are kept and shown. As JSON, field names are in camel case like those of the platform.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::{AsRefStr, EnumString, VariantArray};
use ts_rs::TS;
use utoipa::ToSchema;

use super::{CheckpointId, FileName, ModelId, RunId, Slug};
use crate::{CLOCK_TOLERANCE, KeyId, Timestamp};

/// How a run stands. The first ending wins: what arrives later does not change it.
///
/// A process that dies without a word leaves its run `running`; see [`RunSummary::silent_since`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema, EnumString, AsRefStr, VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum RunStatus {
    /// It has started and has not ended yet, as far as we know.
    Running,
    /// It said that it was complete.
    Completed,
    /// It said that it failed.
    Failed,
    /// It was cancelled; the answer to each of its events says so.
    Cancelled,
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

/// How long a run may report nothing before it counts as silent. The published client sends console output every five
/// seconds while its progress bar moves; loading a large dataset, exporting and the retry of a request take minutes.
pub const SILENT_AFTER: Duration = Duration::from_secs(10 * 60);
/// How many average epochs of its own a run may report nothing before it counts as silent, if that is longer. Where the
/// client draws no progress bar (some notebooks and rented machines, and its earlier versions), nothing arrives until
/// an epoch ends; other trainings on the same machine can make an epoch take a multiple of the others.
pub const SILENT_AFTER_EPOCHS: u32 = 3;

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
    /// Whether it ended with results that were not kept, as there was no space for them.
    pub results_dropped: bool,
}

impl RunSummary {
    /// By when the next report is due, while one is expected: the run has not ended, or its program has not heard yet
    /// that it was cancelled. A guess from the reports so far, which changes no status.
    pub fn report_due_at(&self) -> Option<Timestamp> {
        let is_expected = match self.status {
            RunStatus::Running => true,
            RunStatus::Cancelled => self.ended_at.is_none_or(|cancelled| self.last_event_at <= cancelled),
            RunStatus::Completed | RunStatus::Failed => false,
        };
        let elapsed =
            self.last_event_at.as_millis().saturating_sub(self.started_at.as_millis()).try_into().unwrap_or(0);
        let epochs = Duration::from_millis(elapsed).checked_div(self.recorded_epochs).unwrap_or_default();
        let wait = SILENT_AFTER.max(epochs.saturating_mul(SILENT_AFTER_EPOCHS));
        is_expected.then(|| self.last_event_at.saturating_add(wait))
    }

    /// Since when a running run has reported nothing, if its next report is overdue. Its program may have ended without
    /// a word; if it reports again, it is not silent any more.
    pub fn silent_since(&self, now: Timestamp) -> Option<Timestamp> {
        let is_overdue = self.report_due_at().is_some_and(|due| due < now);
        (self.status == RunStatus::Running && is_overdue).then_some(self.last_event_at)
    }

    /// Whether more reports are to be expected now. A report in the future is of a clock that was wrong.
    pub fn is_live(&self, now: Timestamp) -> bool {
        let is_past = self.last_event_at <= now.saturating_add(CLOCK_TOLERANCE);
        is_past && self.report_due_at().is_some_and(|due| due >= now)
    }
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
    /// Whether it is the run's checkpoint.
    pub state: CheckpointState,
    /// The key that uploaded it; `null` for the app itself.
    #[ts(type = "string | null")]
    pub key_id: Option<KeyId>,
    /// When all of it was there.
    #[ts(type = "string")]
    pub uploaded_at: Timestamp,
}

/// The state of an upload. A run keeps the file of one saved checkpoint: the newest.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema, EnumString, AsRefStr, VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum CheckpointState {
    /// It is there; the run has not confirmed it yet.
    Uploaded,
    /// It is the run's checkpoint.
    Saved,
    /// A newer one took its place; its file is gone.
    Replaced,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * MINUTE).expect("in range")
    }

    fn sample_run(last_event: i64, recorded_epochs: u32) -> RunSummary {
        RunSummary {
            run_id: RunId::new(1).expect("positive"),
            model_id: ModelId::parse("model").expect("short"),
            project: Slug::of("project", "project"),
            slug: Slug::of("exp1", "exp1"),
            status: RunStatus::Running,
            planned_epochs: None,
            recorded_epochs,
            device: None,
            key_ids: Vec::new(),
            started_at: at(100),
            last_event_at: at(last_event),
            ended_at: None,
            error: None,
            has_checkpoint: false,
            results_dropped: false,
        }
    }

    #[test]
    fn report_due_long_epochs_wait_longer() {
        for (last_event, epochs, due) in [
            (100, 0, 110),
            (160, 0, 170),
            // An epoch a minute.
            (160, 60, 170),
            // Half an hour each.
            (160, 2, 250),
            // A clock that was set back.
            (50, 5, 60),
        ] {
            let run = sample_run(last_event, epochs);
            assert_eq!(run.report_due_at(), Some(at(due)), "{last_event} {epochs}");
            assert_eq!((run.silent_since(at(due)), run.is_live(at(due))), (None, true));
            let late = at(due).saturating_add(Duration::from_millis(1));
            assert_eq!((run.silent_since(late), run.is_live(late)), (Some(at(last_event)), false));
        }
    }

    #[test]
    fn report_due_ended_run_expects_none_and_cancelled_run_until_it_has_heard() {
        for status in [RunStatus::Completed, RunStatus::Failed] {
            let run = RunSummary { status, ended_at: Some(at(160)), ..sample_run(160, 1) };
            assert_eq!((run.report_due_at(), run.silent_since(at(999)), run.is_live(at(160))), (None, None, false));
        }
        let cancelled = RunSummary { status: RunStatus::Cancelled, ended_at: Some(at(161)), ..sample_run(160, 60) };
        assert!(cancelled.is_live(at(162)) && !cancelled.is_live(at(171)));
        assert_eq!(cancelled.silent_since(at(999)), None, "it was cancelled");
        assert!(!sample_run(999_999, 0).is_live(at(162)), "a report in the future");
        let heard = RunSummary { last_event_at: at(162), ..cancelled };
        assert!(!heard.is_live(at(162)));
    }
}
