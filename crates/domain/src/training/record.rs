//! Training runs in the form in which they are stored and displayed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::{AsRefStr, EnumString, VariantArray};

use super::{CheckpointId, FileName, ModelId, RunId, Slug};
use crate::{CLOCK_TOLERANCE, KeyId, Timestamp};

/// The status of a run. Once a run has ended, later reports do not change its status.
///
/// If a training process is killed, its run remains `running`; see [`RunSummary::silent_since`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumString, AsRefStr, VariantArray)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum RunStatus {
    /// The run has started, and no end has been reported.
    Running,
    /// The training process reported success.
    Completed,
    /// The training process reported a failure.
    Failed,
    /// The run was cancelled. The response to each of its events tells the training process to stop.
    Cancelled,
}

/// A run and its model, as needed for the response to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedRun {
    /// Identifier of the run.
    pub run_id: RunId,
    /// Identifier of the run's model.
    pub model_id: ModelId,
    /// The model's project.
    pub project: Slug,
    /// The model's slug, unique within its project.
    pub slug: Slug,
    /// Status of the run.
    pub status: RunStatus,
}

/// Time without a report after which a run counts as silent. The published client sends console output every five
/// seconds while its progress bar moves, but loading a large dataset, exporting or retrying a request can take minutes.
pub const SILENT_AFTER: Duration = Duration::from_secs(10 * 60);
/// A run counts as silent if it sends no report for its average epoch duration times this factor, or for
/// [`SILENT_AFTER`], whichever is longer. The factor must be generous: a client without a progress bar (in some
/// notebooks, on some rented machines, and in older versions) reports only at the end of an epoch, and other training
/// runs on the same machine can make an epoch take several times as long as usual.
pub const SILENT_AFTER_EPOCHS: u32 = 3;

/// A run in the list of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// Identifier of the run. Later runs have higher numbers.
    pub run_id: RunId,
    /// Identifier of the model that the run trains.
    pub model_id: ModelId,
    /// The model's project.
    pub project: Slug,
    /// The model's slug, such as `exp1-2`.
    pub slug: Slug,
    /// Status of the run.
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
    pub key_ids: Vec<KeyId>,
    /// When the run started.
    pub started_at: Timestamp,
    /// When the last event of the run was received.
    pub last_event_at: Timestamp,
    /// When the run ended or was cancelled.
    pub ended_at: Option<Timestamp>,
    /// Why the run failed.
    pub error: Option<String>,
    /// Whether the run has a checkpoint to download.
    pub has_checkpoint: bool,
    /// Whether the results of the run were dropped because there was no space for them.
    pub results_dropped: bool,
}

impl RunSummary {
    /// Returns when the next report is due, or `None` if no report is expected. Reports are expected until the run has
    /// ended. After a cancellation, they are expected until the training process has sent another event and so received
    /// the cancellation. The time is estimated from earlier reports; passing it does not change the run's status.
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

    /// Returns the time of the last report if the run is running but its next report is overdue, for example because
    /// the training process was killed. If the run reports again, it is no longer silent.
    pub fn silent_since(&self, now: Timestamp) -> Option<Timestamp> {
        let is_overdue = self.report_due_at().is_some_and(|due| due < now);
        (self.status == RunStatus::Running && is_overdue).then_some(self.last_event_at)
    }

    /// Whether further reports are expected at `now`. If the last report lies in the future, the clock was wrong, and
    /// the run does not count as live.
    pub fn is_live(&self, now: Timestamp) -> bool {
        let is_past = self.last_event_at <= now.saturating_add(CLOCK_TOLERANCE);
        is_past && self.report_due_at().is_some_and(|due| due >= now)
    }
}

/// All data of a run except its console output. Untyped JSON values are returned as the training process sent them.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDetails {
    /// The fields that are also included in the list of runs.
    pub summary: RunSummary,
    /// Epochs, ordered by number. Only the paginated list of epochs contains the machine's load at each epoch.
    pub epochs: Vec<Epoch>,
    /// Latest sample of the machine's load.
    pub system: Option<Value>,
    /// Training arguments, such as the model and the batch size.
    pub train_args: Option<Value>,
    /// Hardware and software of the machine.
    pub environment: Option<Value>,
    /// The model's parameter count, GFLOPs and speed.
    pub model_info: Option<Value>,
    /// Final metrics, best epoch and other results.
    pub results: Option<Value>,
    /// Names of the classes, in order.
    pub class_names: Option<Vec<String>>,
    /// Curves and matrices.
    pub plots: Option<Value>,
    /// Uploaded checkpoints, newest first.
    pub checkpoints: Vec<Checkpoint>,
}

/// One epoch of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Epoch {
    /// Epoch number, starting at 0.
    pub epoch: u32,
    /// Metrics by name. A value that was not a finite number is `None`. Empty if the run has reached its size limit for
    /// epochs.
    pub metrics: BTreeMap<String, Option<f64>>,
    /// Fitness of this epoch.
    pub fitness: Option<f64>,
    /// Best fitness so far.
    pub best_fitness: Option<f64>,
    /// Identifier of the key that reported the epoch; `None` if the app itself reported it.
    pub key_id: Option<KeyId>,
    /// When the epoch was reported.
    pub received_at: Timestamp,
}

/// An epoch of a run, including the machine's load, which the details of a run omit because of its size.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochDetails {
    /// The fields that are also included in the details of a run.
    pub epoch: Epoch,
    /// The machine's load when the epoch was reported. Omitted if the run has reached its size limit for load samples.
    pub system: Option<Value>,
}

/// The stored console output of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Console {
    /// Parts of the output, in the order in which they were printed.
    pub chunks: Vec<ConsoleChunk>,
    /// Number of older parts that were dropped to limit the size of the output.
    pub dropped: u32,
}

/// A part of the console output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleChunk {
    /// Sequence number of the part. Later parts have higher numbers, and the numbers may have gaps.
    pub chunk_id: u64,
    /// The printed text, including terminal escape sequences.
    pub content: String,
    /// Identifier of the key that reported the part; `None` if the app itself reported it.
    pub key_id: Option<KeyId>,
}

/// An uploaded checkpoint of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Identifier of the checkpoint, which is also its file name on the service's disk.
    pub checkpoint_id: CheckpointId,
    /// Original name of the file on the client's machine.
    pub filename: FileName,
    /// Size in bytes.
    pub size: u64,
    /// State of the upload.
    pub state: CheckpointState,
    /// Identifier of the key that uploaded the checkpoint; `None` if the app itself uploaded it.
    pub key_id: Option<KeyId>,
    /// When the upload was complete.
    pub uploaded_at: Timestamp,
}

/// The state of an uploaded checkpoint. For each run, only the file of the newest saved checkpoint is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumString, AsRefStr, VariantArray)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum CheckpointState {
    /// The upload is complete, but the run has not confirmed it yet.
    Uploaded,
    /// The run has confirmed this checkpoint.
    Saved,
    /// A newer checkpoint has replaced this one, and the file of this checkpoint has been deleted.
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
            // In this case, an epoch takes one minute.
            (160, 60, 170),
            // In this case, an epoch takes half an hour.
            (160, 2, 250),
            // In this case, the clock was set back during the run, so the last event appears to precede the start.
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
        assert_eq!(cancelled.silent_since(at(999)), None, "a cancelled run is not silent");
        assert!(!sample_run(999_999, 0).is_live(at(162)), "a last report in the future is ignored");
        let heard = RunSummary { last_event_at: at(162), ..cancelled };
        assert!(!heard.is_live(at(162)));
    }
}
