//! Remote training: the reports that a training process sends about its run, and the data that is stored about runs.
//!
//! A *model* belongs to a project and has its own slug. A *run* trains a model once; resuming the training creates
//! another run of the same model. The events and their fields are those of the platform's published client.
//!
//! The service deliberately does not act on what a report contains, because any client with a key can send arbitrary
//! data. The data is only limited in size, stored and displayed. The contents of progress reports are not even stored,
//! because they are useful only for a moment.

mod event;
mod fields;
mod id;
mod record;
mod slug;
mod upload;

pub use event::{
    ConsolePart, EpochReport, Event, EventReport, MAX_EPOCH, ModelRef, RunCompletion, RunStart, RunUpdate,
};
pub use fields::FieldError;
pub use id::{CheckpointId, ModelId, RunId};
pub use record::{
    Checkpoint, CheckpointState, Console, ConsoleChunk, Epoch, EpochDetails, RunDetails, RunStatus, RunSummary,
    SILENT_AFTER, SILENT_AFTER_EPOCHS, StartedRun,
};
pub use slug::Slug;
pub use upload::{FileName, FileNameError, UploadRequest};
