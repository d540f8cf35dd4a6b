//! What the page may ask for. Each command is thin: it calls the service's client or one part of the app.

pub(crate) mod connection;
pub(crate) mod keys;
pub(crate) mod secrets;

use ulkeys_domain::KeyId;
use ulkeys_domain::wire::ErrorCode;

use crate::error::CommandError;

fn parse_key_id(text: &str) -> Result<KeyId, CommandError> {
    KeyId::parse(text).ok_or_else(|| CommandError::new(ErrorCode::ValidationError, "keyId: is not a key's identifier"))
}

impl From<arboard::Error> for CommandError {
    fn from(error: arboard::Error) -> Self {
        tracing::warn!(%error, "the clipboard cannot be used");
        Self::new(ErrorCode::ClipboardUnavailable, format!("the clipboard cannot be used: {error}"))
    }
}
