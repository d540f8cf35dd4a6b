//! The request bodies of training processes, as types for the OpenAPI document only. `ulkeys_domain::training` parses
//! the bodies and defines the limits. Unknown fields are ignored.
#![expect(dead_code, reason = "used only for the OpenAPI document")]

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One event of a run. Either `modelId` or `project` is required.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrainingReport {
    /// The model's identifier, from the response to the first event.
    #[schema(max_length = 64)]
    model_id: Option<String>,
    /// The project, as `project` or `owner/project`.
    #[schema(max_length = 256)]
    project: Option<String>,
    /// The model's name within its project.
    #[schema(max_length = 256)]
    name: Option<String>,
    /// The event and its data.
    #[serde(flatten)]
    event: TrainingEvent,
}

/// The events and their data. Values without a specified type are stored unchanged.
#[derive(Serialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
enum TrainingEvent {
    /// A run has started.
    TrainingStarted(TrainingStartedData),
    /// The training process is still running.
    TrainingProgress(RunEventData),
    /// An epoch has ended.
    EpochEnd(EpochEndData),
    /// A sample of the machine's load.
    SystemMetrics(RunEventData),
    /// Some lines of console output.
    ConsoleOutput(ConsoleOutputData),
    /// Marks an upload as complete, so that the uploaded file becomes the run's checkpoint.
    CheckpointSaved(CheckpointSavedData),
    /// The run has completed successfully.
    TrainingComplete(TrainingCompleteData),
    /// The run has failed.
    TrainingFailed(TrainingFailedData),
}

/// Data that names the run. Any other fields are allowed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RunEventData {
    /// The identifier of the run. If it is absent, the event belongs to the model's newest run.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    run_id: Option<u64>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TrainingStartedData {
    /// The planned number of epochs.
    #[schema(maximum = 20_000)]
    epochs: Option<u32>,
    /// The device that is used for training, such as `cpu`.
    #[schema(max_length = 256)]
    device: Option<String>,
    /// The training arguments.
    train_args: Option<Value>,
    /// A description of the machine and its software.
    environment: Option<Value>,
    /// A sample of the machine's load.
    system: Option<Value>,
    /// The model's parameter count, GFLOPs and speed.
    model_info: Option<Value>,
}

#[derive(Serialize, ToSchema)]
struct EpochEndData {
    /// The epoch number, starting at 0.
    #[schema(maximum = 20_000)]
    epoch: u32,
    /// The planned number of epochs.
    #[schema(maximum = 20_000)]
    total_epochs: Option<u32>,
    /// The metrics by name. A metric that is not a finite number is `null`.
    metrics: Option<BTreeMap<String, Option<f64>>>,
    /// A sample of the machine's load.
    system: Option<Value>,
    /// The fitness of this epoch.
    fitness: Option<f64>,
    /// The best fitness so far.
    best_fitness: Option<f64>,
    /// The model's parameter count, GFLOPs and speed.
    #[serde(rename = "modelInfo")]
    model_info: Option<Value>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ConsoleOutputData {
    /// The lines of output, including escape sequences.
    #[schema(max_length = 262_144)]
    content: String,
    /// The sequence number of these lines within the console output.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    chunk_id: Option<u64>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CheckpointSavedData {
    /// The `gcsPath` from the response to the upload request.
    #[schema(max_length = 256)]
    model_path: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TrainingCompleteData {
    /// The final metrics, the best epoch and other results.
    results: Option<Value>,
    /// The names of the classes, in order.
    class_names: Option<Vec<String>>,
    /// Curves and matrices to plot.
    plots: Option<Vec<Value>>,
}

#[derive(Serialize, ToSchema)]
struct TrainingFailedData {
    /// The reason for the failure.
    error: Option<String>,
}

/// The file to upload. Either `modelId` or `project` is required.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UploadBody {
    /// The file name: letters, digits, spaces, dots, hyphens and underscores, with the extension `.pt`, `.pth`, `.onnx`
    /// or `.safetensors`.
    #[schema(
        max_length = 128,
        example = "best.pt",
        pattern = r"^[0-9A-Za-z_][0-9A-Za-z._ -]*\.(pt|pth|onnx|safetensors)$"
    )]
    filename: String,
    /// The model's identifier.
    #[schema(max_length = 64)]
    model_id: Option<String>,
    /// The run's identifier.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    run_id: Option<u64>,
    /// The project, as `project` or `owner/project`.
    #[schema(max_length = 256)]
    project: Option<String>,
    /// The model's name within its project.
    #[schema(max_length = 256)]
    name: Option<String>,
    /// The size of the file in bytes.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    size: Option<u64>,
}
