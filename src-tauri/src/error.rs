//! Failures as the page receives them: the same body as over HTTP.

use std::io;

use serde::Serialize;
use ts_rs::TS;
use ulkeys_client::ApiClientError;
use ulkeys_domain::wire::{ErrorBody, ErrorCode};

use crate::file_problem::{FileProblem, UnclearLine};
use crate::keychain::KeychainError;

/// What a command answers when it fails.
#[derive(Debug, Serialize, TS)]
pub(crate) struct CommandError {
    #[serde(flatten)]
    body: ErrorBody,
    /// What was wrong with a file, where a person can do something about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    file: Option<FileProblem>,
    /// The line of the file that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    line: Option<u32>,
    /// The variable in that line that could not be set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    variable: Option<&'static str>,
}

/// The result of a command.
pub(crate) type Result<T> = std::result::Result<T, CommandError>;

impl CommandError {
    pub(crate) fn new(code: ErrorCode, error: impl Into<String>) -> Self {
        Self::from(ErrorBody { error: error.into(), code })
    }

    /// A file could not be written.
    pub(crate) fn for_file(code: ErrorCode, error: &io::Error) -> Self {
        let unclear = UnclearLine::from_io_error(error);
        Self {
            file: FileProblem::from_io_error(error),
            line: unclear.map(|unclear| unclear.line),
            variable: unclear.map(|unclear| unclear.variable),
            ..Self::new(code, error.to_string())
        }
    }
}

/// The words for work on another thread that has panicked. What the runtime reports about it is for the log.
pub(crate) fn panic_message(error: &tokio::task::JoinError) -> String {
    tracing::error!(%error, "work on another thread ended");
    "UL Keys could not complete the work".to_owned()
}

impl From<ErrorBody> for CommandError {
    fn from(body: ErrorBody) -> Self {
        Self { body, file: None, line: None, variable: None }
    }
}

impl From<tauri::Error> for CommandError {
    fn from(error: tauri::Error) -> Self {
        tracing::error!(%error, "a window cannot be used");
        Self::new(ErrorCode::InternalError, "a window cannot be used")
    }
}

impl From<KeychainError> for CommandError {
    fn from(error: KeychainError) -> Self {
        tracing::warn!(%error, "the keychain did not do what it was asked");
        match &error {
            KeychainError::IndexNotWritten(cause) => Self::for_file(error.error_code(), cause),
            _ => Self::new(error.error_code(), error.to_string()),
        }
    }
}

impl From<ApiClientError> for CommandError {
    fn from(error: ApiClientError) -> Self {
        match error {
            ApiClientError::Rejected(body) => Self::from(body),
            other => {
                tracing::warn!(error = &other as &dyn std::error::Error, "the key service failed to answer");
                Self::new(ErrorCode::ServiceUnavailable, other.to_string())
            }
        }
    }
}
