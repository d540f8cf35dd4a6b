//! Remote training: what a training process reports about its run, and what is kept of it.
//!
//! A *model* is a place in a project with a slug of its own; a *run* is one training of it, and resuming makes another
//! run of the same model. The events and their fields are those of the platform's published client.
//!
//! Deliberately absent: what a training process reports to be shown for a moment only (progress bars), and any use of
//! what it reports. Any client with a key can send these fields: they are bounded, stored and shown, and never acted
//! upon.

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
