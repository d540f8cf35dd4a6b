//! The body of `POST /api/webhooks/training/metrics`: `{modelId?, project?, name?, event, data}`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{Fields, Result, field_error, sanitize_within, sanitized};
use super::{CheckpointId, ModelId, RunId, Slug};

/// The most metrics in an epoch, and the longest name of one, in bytes. The client sends about a dozen.
const MAX_METRICS: usize = 128;
const MAX_METRIC_NAME_BYTES: usize = 64;
/// The highest number of an epoch. A thousand is a long training.
pub const MAX_EPOCH: u32 = 20_000;
/// The largest sample of a machine's load, in bytes. The client sends some hundred, and one with each epoch.
const MAX_SYSTEM_SAMPLE_BYTES: usize = 8 * 1024;
/// The most classes of a model. The largest public detection datasets have some ten thousand.
const MAX_CLASSES: usize = 50_000;
/// Bounds of values that are kept as they come, in bytes. Curves of many classes take megabytes.
const MAX_METADATA_JSON_BYTES: usize = 64 * 1024;
const MAX_RESULTS_JSON_BYTES: usize = 8 * 1024 * 1024;
/// The most console output in one event, in bytes. The client sends five lines at a time.
const MAX_CONSOLE_PART_BYTES: usize = 256 * 1024;

const EVENT_NAMES: &str = "training_started, training_progress, epoch_end, system_metrics, console_output, checkpoint_saved, \
    training_complete or training_failed";

/// One report of a training process.
#[derive(Debug, Clone, PartialEq)]
pub struct EventReport {
    /// The model that it is about.
    pub target: ModelRef,
    /// The run, where the report names one; else it is the model's newest.
    pub run: Option<RunId>,
    /// What happened.
    pub event: Event,
}

/// Which model a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelRef {
    /// The one with this identifier, if there is one.
    Model(ModelId),
    /// One by its place; a new model for a run that starts, and otherwise the newest of that name.
    Named {
        /// The project.
        project: Slug,
        /// The name that was asked for; a second model of the same name gets a slug of its own.
        name: Slug,
    },
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// `training_started`.
    Started(RunStart),
    /// `checkpoint_saved`; `None` for a path that we never gave out.
    CheckpointSaved(Option<CheckpointId>),
    /// Any other event.
    Update(RunUpdate),
}

/// What changes about a run that has started.
#[derive(Debug, Clone, PartialEq)]
pub enum RunUpdate {
    /// `training_progress`: the process is alive.
    Alive,
    /// `epoch_end`.
    Epoch(EpochReport),
    /// `system_metrics`: load of processor, memory, disk, network and GPUs, as it came.
    System(Value),
    /// `console_output`.
    Console(ConsolePart),
    /// `training_complete`.
    Complete(RunCompletion),
    /// `training_failed`: why, as far as the process knows.
    Failed(String),
}

/// How a run begins. Values are kept as they came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunStart {
    /// How many epochs are planned.
    pub epochs: Option<u32>,
    /// Such as `cpu` or `cuda:0`.
    pub device: Option<String>,
    /// Arguments of the training.
    pub train_args: Option<Value>,
    /// The machine and its software.
    pub environment: Option<Value>,
    /// First sample of the machine's load.
    pub system: Option<Value>,
    /// Parameters, GFLOPs and speed.
    pub model_info: Option<Value>,
}

/// One epoch, counted from 0. One more than planned follows the last: the final validation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EpochReport {
    /// Its number.
    pub epoch: u32,
    /// Losses, precision, recall and the like by name; `None` where the number was not finite.
    pub metrics: BTreeMap<String, Option<f64>>,
    /// The machine's load.
    pub system: Option<Value>,
    /// The fitness of this epoch.
    pub fitness: Option<f64>,
    /// The best fitness so far.
    pub best_fitness: Option<f64>,
    /// How many epochs are planned, where the report says so.
    pub planned: Option<u32>,
    /// Parameters, GFLOPs and speed; the client sends them with the first epoch.
    pub model_info: Option<Value>,
}

/// Some lines of console output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsolePart {
    /// Its place among the others, which arrive in any order; `None` for after all that are there.
    pub chunk_id: Option<u64>,
    /// The text, with its escape sequences.
    pub content: String,
}

/// How a run ended well.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunCompletion {
    /// Final metrics, best epoch and more, as it came.
    pub results: Option<Value>,
    /// The names of the classes, in order.
    pub class_names: Option<Vec<String>>,
    /// Curves and matrices, as they came.
    pub plots: Option<Value>,
    /// Whether there was no space for them.
    pub is_dropped: bool,
}

impl RunUpdate {
    /// What of it is recorded where training data has no space: that the process is alive, and how the run ends.
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
    /// Reads a body. Unknown fields are ignored, an unknown event is not.
    ///
    /// # Errors
    /// [`super::FieldError`] names the first field that is wrong.
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
    /// The name by which a client knows it.
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

/// The model of a request; `None` when it names none.
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
            value => Some(value.as_f64().ok_or_else(|| field_error("data.metrics", "must be numbers or null"))?),
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
            _ => Err(field_error("data.classNames", "must be texts of at most 256 bytes")),
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
