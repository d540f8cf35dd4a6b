//! Parses the body of `POST /api/webhooks/training/metrics`: `{modelId?, project?, name?, event, data}`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{Fields, Result, field_error, sanitize_within, sanitized};
use super::{CheckpointId, ModelId, RunId, Slug};

/// Maximum number of metrics in an epoch, and maximum length of a metric's name in bytes. The client sends about a
/// dozen metrics.
const MAX_METRICS: usize = 128;
const MAX_METRIC_NAME_BYTES: usize = 64;
/// Maximum epoch number. A run of a thousand epochs is already long.
pub const MAX_EPOCH: u32 = 20_000;
/// Maximum size of a sample of the machine's load, in bytes. The client sends a few hundred bytes with each epoch.
const MAX_SYSTEM_SAMPLE_BYTES: usize = 8 * 1024;
/// Maximum number of classes of a model. The largest public detection datasets have about ten thousand.
const MAX_CLASSES: usize = 50_000;
/// Maximum sizes, in bytes, of JSON values that are stored as received. The curves of a model with many classes take
/// several megabytes.
const MAX_METADATA_JSON_BYTES: usize = 64 * 1024;
const MAX_RESULTS_JSON_BYTES: usize = 8 * 1024 * 1024;
/// Maximum size of the console output in one event, in bytes. The client sends five lines at a time.
const MAX_CONSOLE_PART_BYTES: usize = 256 * 1024;

const EVENT_NAMES: &str = "training_started, training_progress, epoch_end, system_metrics, console_output, checkpoint_saved, \
    training_complete or training_failed";

/// A report from a training process.
#[derive(Debug, Clone, PartialEq)]
pub struct EventReport {
    /// The model to which the report belongs.
    pub target: ModelRef,
    /// The run to which the report belongs. `None` means the model's newest run.
    pub run: Option<RunId>,
    /// The reported event.
    pub event: Event,
}

/// Identifies the model that a request refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelRef {
    /// The model with this identifier. The model might not exist.
    Model(ModelId),
    /// A model by project and name. Starting a run creates a new model; other requests refer to the newest model with
    /// this name.
    Named {
        /// The model's project.
        project: Slug,
        /// The requested name. A second model with the same name gets a numbered slug.
        name: Slug,
    },
}

/// An event reported by a training process.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// `training_started`: a run begins.
    Started(RunStart),
    /// `checkpoint_saved`: the run confirms this checkpoint. `None` if the reported path does not identify a checkpoint
    /// of this service.
    CheckpointSaved(Option<CheckpointId>),
    /// Any other event. It updates a run that has already started.
    Update(RunUpdate),
}

/// A reported change to a run that has already started.
#[derive(Debug, Clone, PartialEq)]
pub enum RunUpdate {
    /// `training_progress`: the training process is still running.
    Alive,
    /// `epoch_end`: an epoch has ended.
    Epoch(EpochReport),
    /// `system_metrics`: the load of CPU, memory, disk, network and GPUs, as received.
    System(Value),
    /// `console_output`: lines that the training process printed.
    Console(ConsolePart),
    /// `training_complete`: the run has ended successfully.
    Complete(RunCompletion),
    /// `training_failed`: the run has failed. Contains the reported cause, or a placeholder if none was reported.
    Failed(String),
}

/// Data reported at the start of a run. JSON values are stored as received.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunStart {
    /// Number of planned epochs.
    pub epochs: Option<u32>,
    /// Name of the device, such as `cpu` or `cuda:0`.
    pub device: Option<String>,
    /// Training arguments, such as the model and the batch size.
    pub train_args: Option<Value>,
    /// Hardware and software of the machine.
    pub environment: Option<Value>,
    /// The machine's load when the run started.
    pub system: Option<Value>,
    /// The model's parameter count, GFLOPs and speed.
    pub model_info: Option<Value>,
}

/// Data reported at the end of an epoch. After the last planned epoch, the final validation is reported as one more
/// epoch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EpochReport {
    /// Epoch number, starting at 0.
    pub epoch: u32,
    /// Metrics such as losses, precision and recall, by name. A value that was not a finite number is `None`.
    pub metrics: BTreeMap<String, Option<f64>>,
    /// The machine's load when the epoch was reported.
    pub system: Option<Value>,
    /// Fitness of this epoch.
    pub fitness: Option<f64>,
    /// Best fitness so far.
    pub best_fitness: Option<f64>,
    /// Number of planned epochs, if the report contains it.
    pub planned: Option<u32>,
    /// The model's parameter count, GFLOPs and speed. The client sends them with the first epoch.
    pub model_info: Option<Value>,
}

/// A part of the console output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsolePart {
    /// Position of the part in the output, because parts can arrive in any order. `None` appends the part to those
    /// already stored.
    pub chunk_id: Option<u64>,
    /// The printed text, including terminal escape sequences.
    pub content: String,
}

/// Data reported when a run ends successfully.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunCompletion {
    /// Final metrics, best epoch and other results, as received.
    pub results: Option<Value>,
    /// Names of the classes, in order.
    pub class_names: Option<Vec<String>>,
    /// Curves and matrices, as received.
    pub plots: Option<Value>,
    /// Whether results, class names and plots were dropped because there was no space for training data.
    pub is_dropped: bool,
}

impl RunUpdate {
    /// Reduces an update to the part that is recorded when there is no space for training data: that the process is
    /// alive, and how the run ends. Returns `None` for any other update.
    pub fn without_data(self) -> Option<Self> {
        match self {
            Self::Alive => Some(Self::Alive),
            Self::Failed(error) => Some(Self::Failed(error)),
            Self::Complete(ending) => {
                let is_dropped = ending != RunCompletion::default();
                Some(Self::Complete(RunCompletion { is_dropped, ..RunCompletion::default() }))
            }
            Self::Epoch(_) | Self::System(_) | Self::Console(_) => None,
        }
    }
}

impl EventReport {
    /// Parses a request body. Ignores unknown fields but rejects unknown events.
    ///
    /// # Errors
    /// Returns a [`super::FieldError`] that names the first invalid field.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let mut fields = Fields::from_body(body)?;
        let event = fields.take_text("event", 64)?.ok_or_else(|| field_error("event", "is required"))?;
        let mut data = fields.take_object("data")?.ok_or_else(|| field_error("data", "is required"))?;
        let target =
            read_model_ref(&mut fields)?.ok_or_else(|| field_error("project", "is required without a modelId"))?;
        let run = read_run(&mut data, "data.runId")?;
        let event = match event.as_str() {
            "training_started" => Event::Started(read_run_start(data)?),
            "checkpoint_saved" => {
                let path = data
                    .take_text("data.modelPath", 256)?
                    .ok_or_else(|| field_error("data.modelPath", "is required"))?;
                Event::CheckpointSaved(CheckpointId::from_path(&path))
            }
            "training_progress" => Event::Update(RunUpdate::Alive),
            "epoch_end" => Event::Update(RunUpdate::Epoch(read_epoch(data)?)),
            "system_metrics" => Event::Update(RunUpdate::System(data.take_rest("data", MAX_SYSTEM_SAMPLE_BYTES)?)),
            "console_output" => Event::Update(RunUpdate::Console(read_console(data)?)),
            "training_complete" => Event::Update(RunUpdate::Complete(read_completion(data)?)),
            "training_failed" => Event::Update(RunUpdate::Failed(read_failure(data)?)),
            _ => return Err(field_error("event", format!("must be {EVENT_NAMES}"))),
        };
        Ok(Self { target, run, event })
    }
}

impl Event {
    /// Returns the event's name in the API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started(_) => "training_started",
            Self::CheckpointSaved(_) => "checkpoint_saved",
            Self::Update(RunUpdate::Alive) => "training_progress",
            Self::Update(RunUpdate::Epoch(_)) => "epoch_end",
            Self::Update(RunUpdate::System(_)) => "system_metrics",
            Self::Update(RunUpdate::Console(_)) => "console_output",
            Self::Update(RunUpdate::Complete(_)) => "training_complete",
            Self::Update(RunUpdate::Failed(_)) => "training_failed",
        }
    }
}

/// Determines which model a request refers to. Returns `None` if the request does not identify a model.
pub(super) fn read_model_ref(fields: &mut Fields) -> Result<Option<ModelRef>> {
    if let Some(id) = fields.take_text("modelId", ModelId::MAX_LEN)? {
        return Ok(ModelId::parse(&id).map(ModelRef::Model));
    }
    let project = fields.take_name("project")?;
    let name = fields.take_name("name")?.unwrap_or_default();
    Ok(project.map(|project| ModelRef::Named { project: Slug::of_project(&project), name: Slug::of(&name, "train") }))
}

pub(super) fn read_run(fields: &mut Fields, path: &'static str) -> Result<Option<RunId>> {
    let number = fields.take_integer(path, (1 << 53) - 1)?;
    Ok(number.and_then(|number| i64::try_from(number).ok()).and_then(RunId::new))
}

fn read_run_start(mut data: Fields) -> Result<RunStart> {
    Ok(RunStart {
        epochs: take_epoch_count(&mut data, "data.epochs")?,
        device: data.take_text("data.device", 256)?,
        train_args: data.take_json("data.trainArgs", MAX_METADATA_JSON_BYTES)?,
        environment: data.take_json("data.environment", MAX_METADATA_JSON_BYTES)?,
        system: data.take_json("data.system", MAX_SYSTEM_SAMPLE_BYTES)?,
        model_info: data.take_json("data.modelInfo", MAX_METADATA_JSON_BYTES)?,
    })
}

fn read_epoch(mut data: Fields) -> Result<EpochReport> {
    let epoch = take_epoch_count(&mut data, "data.epoch")?.ok_or_else(|| field_error("data.epoch", "is required"))?;
    let planned =
        take_epoch_count(&mut data, "data.total_epochs")?.or(take_epoch_count(&mut data, "data.epochs_total")?);
    let given = data.take_object("data.metrics")?.map(Fields::into_entries).unwrap_or_default();
    if given.len() > MAX_METRICS {
        return Err(field_error("data.metrics", format!("must have at most {MAX_METRICS} entries")));
    }
    let mut metrics = BTreeMap::new();
    for (name, value) in given {
        if name.len() > MAX_METRIC_NAME_BYTES {
            return Err(field_error(
                "data.metrics",
                format!("must have names of at most {MAX_METRIC_NAME_BYTES} bytes"),
            ));
        }
        let number = match value {
            Value::Null => None,
            value => {
                Some(value.as_f64().ok_or_else(|| field_error("data.metrics", "must contain only numbers or null"))?)
            }
        };
        metrics.insert(sanitized(name), number);
    }
    Ok(EpochReport {
        epoch,
        metrics,
        system: data.take_json("data.system", MAX_SYSTEM_SAMPLE_BYTES)?,
        fitness: data.take_number("data.fitness")?,
        best_fitness: data.take_number("data.best_fitness")?,
        planned,
        model_info: data.take_json("data.modelInfo", MAX_METADATA_JSON_BYTES)?,
    })
}

fn read_console(mut data: Fields) -> Result<ConsolePart> {
    let content = data
        .take_text("data.content", MAX_CONSOLE_PART_BYTES)?
        .ok_or_else(|| field_error("data.content", "is required"))?;
    Ok(ConsolePart { chunk_id: data.take_integer("data.chunkId", (1 << 53) - 1)?, content })
}

fn read_failure(mut data: Fields) -> Result<String> {
    Ok(data.take_text("data.error", MAX_METADATA_JSON_BYTES)?.unwrap_or_else(|| "no reason was given".to_owned()))
}

fn read_completion(mut data: Fields) -> Result<RunCompletion> {
    let names = data.take_list("data.classNames", MAX_CLASSES)?;
    let class_names = names.map(|names| {
        let texts = names.into_iter().map(|name| match name {
            Value::String(name) if name.len() <= 256 => Ok(sanitized(name)),
            _ => Err(field_error("data.classNames", "must contain only texts of at most 256 bytes")),
        });
        texts.collect()
    });
    let plots = data.take_list("data.plots", 1_000)?;
    Ok(RunCompletion {
        results: data.take_json("data.results", MAX_RESULTS_JSON_BYTES)?,
        class_names: class_names.transpose()?,
        plots: plots
            .map(|plots| sanitize_within("data.plots", Value::Array(plots), MAX_RESULTS_JSON_BYTES))
            .transpose()?,
        is_dropped: false,
    })
}

fn take_epoch_count(data: &mut Fields, path: &'static str) -> Result<Option<u32>> {
    Ok(data.take_integer(path, MAX_EPOCH.into())?.and_then(|count| u32::try_from(count).ok()))
}
