//! Errors as the page receives them, with the same fields as the error bodies of the HTTP API.

use std::io;

use serde::Serialize;
use ts_rs::TS;
use ulkeys_api::{ErrorBody, ErrorCode};
use ulkeys_client::ApiClientError;

use crate::file_problem::{FileProblem, UnclearLine};
use crate::keychain::KeychainError;

/// The error that a command returns.
#[derive(Debug, Serialize, TS)]
pub(crate) struct CommandError {
    #[serde(flatten)]
    body: ErrorBody,
    /// The problem with a file, if the user can resolve it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    file: Option<FileProblem>,
    /// Number of the line that prevents a safe edit of the file, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    line: Option<u32>,
    /// Name of the variable that cannot be set because a line prevents a safe edit of the file.
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

    /// Creates the error for a file that could not be written.
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

impl From<ErrorBody> for CommandError {
    fn from(body: ErrorBody) -> Self {
        Self { body, file: None, line: None, variable: None }
    }
}

impl From<tauri::Error> for CommandError {
    fn from(error: tauri::Error) -> Self {
        tracing::error!(%error, "cannot access a window");
        Self::new(ErrorCode::InternalError, "cannot access a window")
    }
}

impl From<KeychainError> for CommandError {
    fn from(error: KeychainError) -> Self {
        tracing::warn!(%error, "a keychain operation failed");
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
                tracing::warn!(error = &other as &dyn std::error::Error, "a request to the key service failed");
                Self::new(ErrorCode::ServiceUnavailable, other.to_string())
            }
        }
    }
}
