//! Failures as the page receives them: the same body as over HTTP.

use serde::{Serialize, Serializer};
use ulkeys_client::ClientError;
use ulkeys_domain::wire::{ErrorBody, ErrorCode};

use crate::keychain::KeychainError;

/// What a command answers when it fails.
#[derive(Debug)]
pub(crate) struct CommandError(ErrorBody);

/// The result of a command.
pub(crate) type Result<T> = std::result::Result<T, CommandError>;

impl CommandError {
    pub(crate) fn new(code: ErrorCode, error: impl Into<String>) -> Self {
        Self(ErrorBody { error: error.into(), code })
    }
}

impl Serialize for CommandError {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
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
        Self::new(error.code(), error.to_string())
    }
}

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(body) => Self(body),
            other => {
                tracing::warn!(error = &other as &dyn std::error::Error, "the key service failed to answer");
                Self::new(ErrorCode::ServiceUnavailable, other.to_string())
            }
        }
    }
}
