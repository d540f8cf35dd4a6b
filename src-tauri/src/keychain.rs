//! This computer's keychain: the Secret Service on Linux, Keychain on macOS, Credential Manager on Windows.
//!
//! An entry has the service [`SERVICE`] and a key's name as its account; its secret is the key's text. Other programs
//! may read it: `secret-tool lookup service ul-keys username training-server`.
//!
//! Every call connects anew, so that a keychain which was started since is found, and may block for as long as the
//! person takes to unlock it. Deliberately absent: any other place to put a key when there is no keychain.

use std::sync::Arc;
use std::time::Duration;

use keyring_core::api::CredentialStore;
use keyring_core::{Entry, Error};
use ulkeys_domain::wire::ErrorCode;
use ulkeys_domain::{KeyPrefix, Secret};
use zeroize::Zeroizing;

/// The service of every entry.
pub(crate) const SERVICE: &str = "ul-keys";

/// How long a person may take to unlock the keychain.
const UNLOCK_TIME: Duration = Duration::from_secs(60);

/// Why the keychain did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeychainError {
    /// Nothing answers, or there is no default keychain.
    #[error("no keychain can be reached: {0}")]
    Missing(String),
    /// It stayed locked.
    #[error("the keychain is locked")]
    Locked,
    /// The person closed its question.
    #[error("the keychain's question was closed without an answer")]
    Refused,
    /// Another key is saved under this name.
    #[error("the keychain holds another key under this name")]
    Taken,
    /// Nothing is saved under this name.
    #[error("the keychain holds no key under this name")]
    NoEntry,
    /// Anything else.
    #[error("the keychain failed: {0}")]
    Failed(String),
}

/// Saves a key under a name; over another key only with `replace`.
pub(crate) fn save(name: &str, secret: &Secret, replace: bool) -> Result<(), KeychainError> {
    let entry = entry(name)?;
    match entry.get_secret().map(Zeroizing::new) {
        Ok(saved) if saved.as_slice() == secret.expose().as_bytes() => return Ok(()),
        Ok(_) if !replace => return Err(KeychainError::Taken),
        Ok(_) | Err(Error::NoEntry) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(entry.set_secret(secret.expose().as_bytes())?)
}

/// The key that is saved under a name.
pub(crate) fn read(name: &str) -> Result<Secret, KeychainError> {
    let text = Zeroizing::new(entry(name)?.get_secret()?);
    Secret::parse(&text).map_err(|error| KeychainError::Failed(format!("the entry is no API key: it {error}")))
}

/// Removes what is saved under a name.
pub(crate) fn forget(name: &str) -> Result<(), KeychainError> {
    Ok(entry(name)?.delete_credential()?)
}

/// Removes a certain key, and leaves alone what somebody else has saved under its name.
pub(crate) fn forget_key(name: &str, prefix: &KeyPrefix) -> Result<(), KeychainError> {
    let entry = entry(name)?;
    match entry.get_secret().map(Zeroizing::new) {
        Ok(text) if Secret::parse(&text).is_ok_and(|secret| secret.prefix() == *prefix) => {
            Ok(entry.delete_credential()?)
        }
        Ok(_) | Err(Error::NoEntry) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn entry(name: &str) -> Result<Entry, KeychainError> {
    Ok(platform::entry(&platform::store()?, name)?)
}

/// Unlocks the keychain, which asks the person where it is locked. To be called before anything else here, and by itself:
/// the wait can then be limited, and no secret is held meanwhile.
pub(crate) fn unlock() -> Result<(), KeychainError> {
    platform::unlock()
}

/// Work with the keychain, off the threads that serve the window. It begins only once the keychain is unlocked, so that
/// nothing secret waits for an answer that may never come.
pub(crate) async fn work<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeychainError> + Send + 'static,
) -> Result<T, KeychainError> {
    let failed = |error: tokio::task::JoinError| KeychainError::Failed(error.to_string());
    match tokio::time::timeout(UNLOCK_TIME, tokio::task::spawn_blocking(unlock)).await {
        Err(_) => return Err(KeychainError::Locked),
        Ok(unlocked) => unlocked.map_err(failed)??,
    }
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

impl KeychainError {
    /// What the page switches on.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Missing(_) => ErrorCode::KeychainMissing,
            Self::Locked => ErrorCode::KeychainLocked,
            Self::Refused => ErrorCode::KeychainRefused,
            Self::Taken => ErrorCode::KeychainTaken,
            Self::NoEntry | Self::Failed(_) => ErrorCode::KeychainFailed,
        }
    }
}

impl From<Error> for KeychainError {
    fn from(error: Error) -> Self {
        match error {
            Error::NoEntry => Self::NoEntry,
            Error::NoStorageAccess(cause) | Error::PlatformFailure(cause) => platform::translate(cause),
            // Not these errors' own words: some carry what was saved.
            Error::BadEncoding(_) | Error::BadDataFormat(..) => Self::Failed("the entry cannot be read".to_owned()),
            other => Self::Failed(other.to_string()),
        }
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::collections::HashMap;

    use secret_service::EncryptionType;
    use secret_service::blocking::SecretService;

    use super::{Arc, CredentialStore, Entry, Error, KeychainError, SERVICE};

    pub(super) fn store() -> Result<Arc<CredentialStore>, KeychainError> {
        Ok(zbus_secret_service_keyring_store::Store::new()?)
    }

    pub(super) fn entry(store: &Arc<CredentialStore>, name: &str) -> Result<Entry, Error> {
        let label = format!("UL Keys: {name}");
        store.build(SERVICE, name, Some(&HashMap::from([("label", label.as_str())])))
    }

    pub(super) fn unlock() -> Result<(), KeychainError> {
        let missing = |error: secret_service::Error| KeychainError::Missing(error.to_string());
        let service = SecretService::connect(EncryptionType::Dh).map_err(missing)?;
        let collection = service.get_default_collection().map_err(missing)?;
        collection.ensure_unlocked().or_else(|_| collection.unlock()).map_err(from_service)
    }

    pub(super) fn translate(cause: Box<dyn std::error::Error + Send + Sync>) -> KeychainError {
        match cause.downcast::<secret_service::Error>() {
            Ok(error) => from_service(*error),
            Err(other) => KeychainError::Failed(other.to_string()),
        }
    }

    fn from_service(error: secret_service::Error) -> KeychainError {
        match error {
            secret_service::Error::Locked => KeychainError::Locked,
            secret_service::Error::Prompt => KeychainError::Refused,
            secret_service::Error::NoResult | secret_service::Error::Unavailable => {
                KeychainError::Missing(error.to_string())
            }
            other => KeychainError::Failed(other.to_string()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use super::{Arc, CredentialStore, Entry, Error, KeychainError, SERVICE};

    pub(super) fn store() -> Result<Arc<CredentialStore>, KeychainError> {
        #[cfg(target_os = "macos")]
        return Ok(apple_native_keyring_store::keychain::Store::new()?);
        #[cfg(windows)]
        return Ok(windows_native_keyring_store::Store::new()?);
    }

    pub(super) fn entry(store: &Arc<CredentialStore>, name: &str) -> Result<Entry, Error> {
        store.build(SERVICE, name, None)
    }

    /// These systems unlock by themselves when an entry is read.
    pub(super) fn unlock() -> Result<(), KeychainError> {
        Ok(())
    }

    pub(super) fn translate(cause: Box<dyn std::error::Error + Send + Sync>) -> KeychainError {
        KeychainError::Failed(cause.to_string())
    }
}
