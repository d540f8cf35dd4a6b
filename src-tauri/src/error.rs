//! Errors as the page receives them, with the same fields as the error bodies of the HTTP API.

use std::io;

use serde::Serialize;
use ts_rs::TS;
use ulkeys_api::{ErrorBody, ErrorCode};
use ulkeys_client::ApiClientError;
use ulkeys_local::file_problem::{FileProblem, UnclearLine};
use ulkeys_local::keychain::KeychainError;

/// Causes of errors that only the app reports. The page can distinguish them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum AppErrorCode {
    /// Another program listens on the requested port.
    PortInUse,
    /// The key service is not running or does not respond.
    ServiceUnavailable,
    /// The clipboard is not available.
    ClipboardUnavailable,
    /// Another new key is still being shown. Only one can be shown at a time.
    KeyOnScreen,
    /// No keychain is available.
    KeychainMissing,
    /// The keychain is locked, and the user did not unlock it.
    KeychainLocked,
    /// The user dismissed the keychain prompt.
    KeychainRefused,
    /// The keychain already contains another key under this name.
    KeychainTaken,
    /// The keychain contains several entries under this name, so the right one cannot be determined.
    KeychainAmbiguous,
    /// The keychain does not respond.
    KeychainSilent,
    /// The keychain failed for another reason.
    KeychainFailed,
    /// The key was not written to a file. The message contains the reason.
    EnvFileFailed,
    /// A list was not exported to a file. The message contains the reason.
    ExportFailed,
    /// The plaintext key is no longer available.
    SecretGone,
    /// The settings could not be saved.
    SettingsNotSaved,
}

/// The cause of a command's error: a cause that the service also reports, or one that only the app reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(untagged)]
pub(crate) enum CommandErrorCode {
    Service(ErrorCode),
    App(AppErrorCode),
}

impl From<ErrorCode> for CommandErrorCode {
    fn from(code: ErrorCode) -> Self {
        Self::Service(code)
    }
}

impl From<AppErrorCode> for CommandErrorCode {
    fn from(code: AppErrorCode) -> Self {
        Self::App(code)
    }
}

/// The error that a command returns.
#[derive(Debug, Serialize, TS)]
pub(crate) struct CommandError {
    /// Human-readable error message.
    error: String,
    /// Machine-readable error code.
    code: CommandErrorCode,
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
    pub(crate) fn new(code: impl Into<CommandErrorCode>, error: impl Into<String>) -> Self {
        Self { error: error.into(), code: code.into(), file: None, line: None, variable: None }
    }

    /// Creates the error for a file that could not be written.
    pub(crate) fn for_file(code: AppErrorCode, error: &io::Error) -> Self {
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
        Self::new(body.code, body.error)
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
        let code = match &error {
            KeychainError::IndexNotWritten(cause) => return Self::for_file(AppErrorCode::KeychainFailed, cause),
            KeychainError::Unavailable => AppErrorCode::KeychainMissing,
            KeychainError::Locked => AppErrorCode::KeychainLocked,
            KeychainError::Unresponsive => AppErrorCode::KeychainSilent,
            KeychainError::Dismissed => AppErrorCode::KeychainRefused,
            KeychainError::NameTaken => AppErrorCode::KeychainTaken,
            KeychainError::Ambiguous => AppErrorCode::KeychainAmbiguous,
            KeychainError::NoEntry | KeychainError::Failed(_) => AppErrorCode::KeychainFailed,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ApiClientError> for CommandError {
    fn from(error: ApiClientError) -> Self {
        match error {
            ApiClientError::Rejected(body) => Self::from(body),
            other => {
                tracing::warn!(error = &other as &dyn std::error::Error, "a request to the key service failed");
                Self::new(AppErrorCode::ServiceUnavailable, other.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn serialize_code_of_service_and_of_app_is_flat_json() {
        let to_json = |error: CommandError| serde_json::to_value(error).expect("can be serialized");
        let body = ErrorBody { error: "busy".into(), code: ErrorCode::DatabaseBusy };
        assert_eq!(to_json(body.into()), json!({ "error": "busy", "code": "DATABASE_BUSY" }));
        let taken = CommandError::new(AppErrorCode::PortInUse, "taken");
        assert_eq!(to_json(taken), json!({ "error": "taken", "code": "PORT_IN_USE" }));
        let full = CommandError::for_file(AppErrorCode::ExportFailed, &FileProblem::Full.into());
        let text = "the disk is full, or a quota is used up";
        assert_eq!(to_json(full), json!({ "error": text, "code": "EXPORT_FAILED", "file": "full" }));
    }
}
