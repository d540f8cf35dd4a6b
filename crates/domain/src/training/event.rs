//! The body of `POST /api/webhooks/training/metrics`: `{modelId?, project?, name?, event, data}`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{Fields, Result, clean, cleaned, wrong};
use super::{CheckpointId, ModelId, RunId, Slug};

/// The most metrics in an epoch, and the longest name of one, in bytes. The client sends about a dozen.
const MAX_METRICS: usize = 128;
const MAX_METRIC_NAME: usize = 64;
/// The highest number of an epoch. A thousand is a long training.
pub const MAX_EPOCH: u32 = 20_000;
/// The largest sample of a machine's load, in bytes. The client sends some hundred, and one with each epoch.
const MAX_SAMPLE: usize = 8 * 1024;
/// The most classes of a model. The largest public detection datasets have some ten thousand.
const MAX_CLASSES: usize = 50_000;
/// Bounds of values that are kept as they come, in bytes. Curves of many classes take megabytes.
const MAX_SMALL: usize = 64 * 1024;
const MAX_LARGE: usize = 8 * 1024 * 1024;
/// The most console output in one event, in bytes. The client sends five lines at a time.
const MAX_CONSOLE: usize = 256 * 1024;

const EVENTS: &str = "training_started, training_progress, epoch_end, system_metrics, console_output, checkpoint_saved, \
    training_complete or training_failed";

/// One report of a training process.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The model that it is about.
    pub target: Target,
    /// The run, where the report names one; else it is the model's newest.
    pub run: Option<RunId>,
    /// What happened.
    pub event: Event,
}

/// Which model a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
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
    Change(Change),
}

/// What changes about a run that has started.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// `training_progress`: the process is alive.
    Alive,
    /// `epoch_end`.
    Epoch(EpochEnd),
    /// `system_metrics`: load of processor, memory, disk, network and GPUs, as it came.
    System(Value),
    /// `console_output`.
    Console(ConsolePart),
    /// `training_complete`.
    Complete(Ending),
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
pub struct EpochEnd {
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
pub struct Ending {
    /// Final metrics, best epoch and more, as it came.
    pub results: Option<Value>,
    /// The names of the classes, in order.
    pub class_names: Option<Vec<String>>,
    /// Curves and matrices, as they came.
    pub plots: Option<Value>,
    /// Whether there was no space for them.
    pub is_dropped: bool,
}

impl Change {
    /// What of it is recorded where training data has no space: that the process is alive, and how the run ends.
    pub fn without_data(self) -> Option<Self> {
        match self {
            Self::Alive => Some(Self::Alive),
            Self::Failed(error) => Some(Self::Failed(error)),
            Self::Complete(ending) => {
                let is_dropped = ending != Ending::default();
                Some(Self::Complete(Ending { is_dropped, ..Ending::default() }))
            }
            Self::Epoch(_) | Self::System(_) | Self::Console(_) => None,
        }
    }
}

impl Report {
    /// Reads a body. Unknown fields are ignored, an unknown event is not.
    ///
    /// # Errors
    /// [`super::FieldError`] names the first field that is wrong.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let mut fields = Fields::of_body(body)?;
        let event = fields.text("event", 64)?.ok_or_else(|| wrong("event", "is required"))?;
        let mut data = fields.object("data")?.ok_or_else(|| wrong("data", "is required"))?;
        let target = read_target(&mut fields)?.ok_or_else(|| wrong("project", "is required without a modelId"))?;
        let run = read_run(&mut data, "data.runId")?;
        let event = match event.as_str() {
            "training_started" => Event::Started(read_start(data)?),
            "checkpoint_saved" => {
                let path = data.text("data.modelPath", 256)?.ok_or_else(|| wrong("data.modelPath", "is required"))?;
                Event::CheckpointSaved(CheckpointId::from_path(&path))
            }
            "training_progress" => Event::Change(Change::Alive),
            "epoch_end" => Event::Change(Change::Epoch(read_epoch(data)?)),
            "system_metrics" => Event::Change(Change::System(data.rest("data", MAX_SAMPLE)?)),
            "console_output" => Event::Change(Change::Console(read_console(data)?)),
            "training_complete" => Event::Change(Change::Complete(read_ending(data)?)),
            "training_failed" => Event::Change(Change::Failed(read_failure(data)?)),
            _ => return Err(wrong("event", format!("must be {EVENTS}"))),
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
            Self::Change(Change::Alive) => "training_progress",
            Self::Change(Change::Epoch(_)) => "epoch_end",
            Self::Change(Change::System(_)) => "system_metrics",
            Self::Change(Change::Console(_)) => "console_output",
            Self::Change(Change::Complete(_)) => "training_complete",
            Self::Change(Change::Failed(_)) => "training_failed",
        }
    }
}

/// The model of a request; `None` when it names none.
pub(super) fn read_target(fields: &mut Fields) -> Result<Option<Target>> {
    if let Some(id) = fields.text("modelId", ModelId::MAX_LEN)? {
        return Ok(ModelId::parse(&id).map(Target::Model));
    }
    let project = fields.name("project")?;
    let name = fields.name("name")?.unwrap_or_default();
    Ok(project.map(|project| Target::Named { project: Slug::of_project(&project), name: Slug::of(&name, "train") }))
}

pub(super) fn read_run(fields: &mut Fields, path: &'static str) -> Result<Option<RunId>> {
    let number = fields.count(path, (1 << 53) - 1)?;
    Ok(number.and_then(|number| i64::try_from(number).ok()).and_then(RunId::new))
}

fn read_start(mut data: Fields) -> Result<RunStart> {
    Ok(RunStart {
        epochs: epochs(&mut data, "data.epochs")?,
        device: data.text("data.device", 256)?,
        train_args: data.json("data.trainArgs", MAX_SMALL)?,
        environment: data.json("data.environment", MAX_SMALL)?,
        system: data.json("data.system", MAX_SAMPLE)?,
        model_info: data.json("data.modelInfo", MAX_SMALL)?,
    })
}

fn read_epoch(mut data: Fields) -> Result<EpochEnd> {
    let epoch = epochs(&mut data, "data.epoch")?.ok_or_else(|| wrong("data.epoch", "is required"))?;
    let planned = epochs(&mut data, "data.total_epochs")?.or(epochs(&mut data, "data.epochs_total")?);
    let given = data.object("data.metrics")?.map(Fields::into_entries).unwrap_or_default();
    if given.len() > MAX_METRICS {
        return Err(wrong("data.metrics", format!("must have at most {MAX_METRICS} entries")));
    }
    let mut metrics = BTreeMap::new();
    for (name, value) in given {
        if name.len() > MAX_METRIC_NAME {
            return Err(wrong("data.metrics", format!("must have names of at most {MAX_METRIC_NAME} bytes")));
        }
        let number = match value {
            Value::Null => None,
            value => Some(value.as_f64().ok_or_else(|| wrong("data.metrics", "must be numbers or null"))?),
        };
        metrics.insert(cleaned(name), number);
    }
    Ok(EpochEnd {
        epoch,
        metrics,
        system: data.json("data.system", MAX_SAMPLE)?,
        fitness: data.number("data.fitness")?,
        best_fitness: data.number("data.best_fitness")?,
        planned,
        model_info: data.json("data.modelInfo", MAX_SMALL)?,
    })
}

fn read_console(mut data: Fields) -> Result<ConsolePart> {
    let content = data.text("data.content", MAX_CONSOLE)?.ok_or_else(|| wrong("data.content", "is required"))?;
    Ok(ConsolePart { chunk_id: data.count("data.chunkId", (1 << 53) - 1)?, content })
}

fn read_failure(mut data: Fields) -> Result<String> {
    Ok(data.text("data.error", MAX_SMALL)?.unwrap_or_else(|| "no reason was given".to_owned()))
}

fn read_ending(mut data: Fields) -> Result<Ending> {
    let names = data.list("data.classNames", MAX_CLASSES)?;
    let class_names = names.map(|names| {
        let texts = names.into_iter().map(|name| match name {
            Value::String(name) if name.len() <= 256 => Ok(cleaned(name)),
            _ => Err(wrong("data.classNames", "must be texts of at most 256 bytes")),
        });
        texts.collect()
    });
    let plots = data.list("data.plots", 1_000)?;
    Ok(Ending {
        results: data.json("data.results", MAX_LARGE)?,
        class_names: class_names.transpose()?,
        plots: plots.map(|plots| clean("data.plots", Value::Array(plots), MAX_LARGE)).transpose()?,
        is_dropped: false,
    })
}

fn epochs(data: &mut Fields, path: &'static str) -> Result<Option<u32>> {
    Ok(data.count(path, MAX_EPOCH.into())?.and_then(|count| u32::try_from(count).ok()))
}
