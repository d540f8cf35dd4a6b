//! What training processes send, for the OpenAPI document. `ulkeys_domain::training` reads it, with its bounds. Further
//! fields are ignored.
#![expect(dead_code, reason = "describes what the domain reads")]

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One event of a run. Without a `modelId`, a `project` is needed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrainingReport {
    /// As the answer to the first event gave it.
    #[schema(max_length = 64)]
    model_id: Option<String>,
    /// `project` or `owner/project`.
    #[schema(max_length = 256)]
    project: Option<String>,
    /// The model's name in its project.
    #[schema(max_length = 256)]
    name: Option<String>,
    /// What happened.
    #[serde(flatten)]
    event: TrainingEvent,
}

/// Events and what they tell. Values that have no type here are kept as they come.
#[derive(Serialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
enum TrainingEvent {
    /// A run begins.
    TrainingStarted(TrainingStartedData),
    /// The process is alive.
    TrainingProgress(RunEventData),
    /// An epoch has ended.
    EpochEnd(EpochEndData),
    /// A sample of the machine's load.
    SystemMetrics(RunEventData),
    /// Some lines of the console.
    ConsoleOutput(ConsoleOutputData),
    /// An upload is complete, and becomes the run's checkpoint.
    CheckpointSaved(CheckpointSavedData),
    /// The run has ended well.
    TrainingComplete(TrainingCompleteData),
    /// The run has failed.
    TrainingFailed(TrainingFailedData),
}

/// Beside which anything may stand.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RunEventData {
    /// The run; without one, the model's newest.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    run_id: Option<u64>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TrainingStartedData {
    /// How many are planned.
    #[schema(maximum = 20_000)]
    epochs: Option<u32>,
    /// Such as `cpu`.
    #[schema(max_length = 256)]
    device: Option<String>,
    /// Arguments of the training.
    train_args: Option<Value>,
    /// The machine and its software.
    environment: Option<Value>,
    /// A sample of the machine's load.
    system: Option<Value>,
    /// Parameters, GFLOPs and speed.
    model_info: Option<Value>,
}

#[derive(Serialize, ToSchema)]
struct EpochEndData {
    /// Counted from 0.
    #[schema(maximum = 20_000)]
    epoch: u32,
    /// How many are planned.
    #[schema(maximum = 20_000)]
    total_epochs: Option<u32>,
    /// By name; `null` where the number was not finite.
    metrics: Option<BTreeMap<String, Option<f64>>>,
    /// A sample of the machine's load.
    system: Option<Value>,
    /// Of this epoch.
    fitness: Option<f64>,
    /// The best so far.
    best_fitness: Option<f64>,
    /// Parameters, GFLOPs and speed.
    #[serde(rename = "modelInfo")]
    model_info: Option<Value>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ConsoleOutputData {
    /// With their escape sequences.
    #[schema(max_length = 262_144)]
    content: String,
    /// The place of these lines among the others.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    chunk_id: Option<u64>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CheckpointSavedData {
    /// The `gcsPath` of the upload.
    #[schema(max_length = 256)]
    model_path: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TrainingCompleteData {
    /// Final metrics, best epoch and more.
    results: Option<Value>,
    /// The names of the classes, in order.
    class_names: Option<Vec<String>>,
    /// Curves and matrices.
    plots: Option<Vec<Value>>,
}

#[derive(Serialize, ToSchema)]
struct TrainingFailedData {
    /// Why.
    error: Option<String>,
}

/// Which file is to be uploaded. Without a `modelId`, a `project` is needed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UploadBody {
    /// Letters, digits, spaces, dots, hyphens and underscores, with the ending `.pt`, `.pth`, `.onnx` or
    /// `.safetensors`.
    #[schema(
        max_length = 128,
        example = "best.pt",
        pattern = r"^[0-9A-Za-z_][0-9A-Za-z._ -]*\.(pt|pth|onnx|safetensors)$"
    )]
    filename: String,
    /// The model.
    #[schema(max_length = 64)]
    model_id: Option<String>,
    /// The run.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    run_id: Option<u64>,
    /// `project` or `owner/project`.
    #[schema(max_length = 256)]
    project: Option<String>,
    /// The model's name in its project.
    #[schema(max_length = 256)]
    name: Option<String>,
    /// Bytes of the file.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    size: Option<u64>,
}
