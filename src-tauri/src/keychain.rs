//! This computer's keychain: the Secret Service on Linux, Keychain on macOS, Credential Manager on Windows.
//!
//! An entry has the service [`SERVICE`] and a key's name as its account; its secret is the key's text. Other programs
//! may read it: `secret-tool lookup service ul-keys username training-server`.
//!
//! Every call connects anew, so that a keychain which was started since is found, and may block for as long as the
//! person takes to unlock it, or forever where a keychain does not answer. Call the functions here only through [`work`]
//! or [`wait_for`], which limit the time. Deliberately absent: any other place to put a key when there is no keychain.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use ulkeys_domain::wire::ErrorCode;
use ulkeys_domain::{KeyPrefix, Secret};
use zeroize::Zeroizing;

use crate::file_problem::reason;
use platform::Keychain;

/// The service of every entry.
pub(crate) const SERVICE: &str = "ul-keys";

/// How long a person may take to unlock the keychain.
const UNLOCK_TIME: Duration = Duration::from_secs(60);
/// How long an unlocked keychain may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long the command line waits before it says what it waits for.
const QUIET_TIME: Duration = Duration::from_secs(2);

/// Why the keychain did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeychainError {
    /// Nothing answers, or there is no default keychain.
    #[error("no keychain can be reached: {0}")]
    Missing(String),
    /// It stayed locked.
    #[error("the keychain is locked")]
    Locked,
    /// It neither answered nor reported an error.
    #[error("the keychain does not answer")]
    Silent,
    /// The person closed its question.
    #[error("the keychain's question was closed without an answer")]
    Refused,
    /// Another key is saved under this name.
    #[error("the keychain holds another key under this name")]
    Taken,
    /// Nothing is saved under this name.
    #[error("the keychain holds no key under this name")]
    NoEntry,
    /// More than one entry has this name, and nothing tells which one is meant.
    #[error(
        "the keychain holds several entries for this name; remove all but one of them in the program that manages the keychain"
    )]
    Several,
    /// The list of saved keys, without which nothing is saved, could not be written.
    #[error("the list of saved keys cannot be written: {}", reason(.0))]
    List(std::io::Error),
    /// Anything else.
    #[error("the keychain failed: {0}")]
    Failed(String),
}

/// Saves a key under a name; over another key only with `replace`.
///
/// A key that is there already is saved again, because an earlier version saved it in a form that some keychains do not
/// show as a password.
pub(crate) fn save(name: &str, secret: &Secret, replace: bool) -> Result<(), KeychainError> {
    let keychain = Keychain::connect()?;
    match keychain.get(name)? {
        Some(saved) if !replace && key_text(&saved) != secret.expose().as_bytes() => Err(KeychainError::Taken),
        _ => keychain.set(name, secret.expose().as_bytes()),
    }
}

/// The key that is saved under a name.
pub(crate) fn read(name: &str) -> Result<Secret, KeychainError> {
    let text = Keychain::connect()?.get(name)?.ok_or(KeychainError::NoEntry)?;
    Secret::parse(key_text(&text))
        .map_err(|error| KeychainError::Failed(format!("the entry is no API key: it {error}")))
}

/// Removes what is saved under a name.
pub(crate) fn forget(name: &str) -> Result<(), KeychainError> {
    Keychain::connect()?.delete(name)
}

/// Removes a certain key, and leaves alone what somebody else has saved under its name.
pub(crate) fn forget_key(name: &str, prefix: &KeyPrefix) -> Result<(), KeychainError> {
    let keychain = Keychain::connect()?;
    match keychain.get(name)? {
        Some(text) if Secret::parse(key_text(&text)).is_ok_and(|secret| secret.prefix() == *prefix) => {
            keychain.delete(name)
        }
        _ => Ok(()),
    }
}

/// An entry without the line end that other programs add when they save what `echo` printed.
fn key_text(entry: &[u8]) -> &[u8] {
    entry.trim_ascii_end()
}

/// Unlocks the keychain. Where it is locked, it asks the person, and `asking` is called before. By itself and before
/// anything else, so that no secret is in memory while nobody answers.
fn unlock(asking: impl FnOnce()) -> Result<(), KeychainError> {
    platform::unlock(asking)
}

/// Work with the keychain, off the threads that serve the window. It begins only once the keychain is unlocked, so that
/// nothing secret waits for an answer that may never come.
pub(crate) async fn work<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeychainError> + Send + 'static,
) -> Result<T, KeychainError> {
    let failed = |error: tokio::task::JoinError| KeychainError::Failed(error.to_string());
    let (asking, asks) = mpsc::channel();
    let unlock = tokio::task::spawn_blocking(move || {
        unlock(|| {
            let _ = asking.send(());
        })
    });
    match tokio::time::timeout(UNLOCK_TIME, unlock).await {
        // One that has not even asked is not just locked.
        Err(_) => return Err(asks.try_recv().map_or(KeychainError::Silent, |()| KeychainError::Locked)),
        Ok(unlocked) => unlocked.map_err(failed)??,
    }
    match tokio::time::timeout(ANSWER_TIME, tokio::task::spawn_blocking(work)).await {
        Err(_) => Err(KeychainError::Silent),
        Ok(worked) => worked.map_err(failed)?,
    }
}

/// What the command line reports while it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The keychain is locked, and asks the person for its password.
    Asked,
    /// The person has not answered yet.
    Unlock,
    /// The keychain has not answered yet.
    Answer,
}

/// Work with the keychain for the command line, which has nobody else to serve. After two seconds and when the keychain is
/// locked, `report` is called. After a minute, the work fails; the thread that still waits ends with the process.
pub(crate) fn wait_for<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeychainError> + Send + 'static,
    mut report: impl FnMut(Wait),
) -> Result<T, KeychainError> {
    enum Step<T> {
        Asked,
        Done(Result<T, KeychainError>),
    }
    let (steps, reported) = mpsc::channel();
    let asked = steps.clone();
    std::thread::spawn(move || {
        let worked = unlock(|| drop(asked.send(Step::Asked))).and_then(|()| work());
        let _ = steps.send(Step::Done(worked));
    });
    let start = Instant::now();
    let (mut is_locked, mut limit) = (false, QUIET_TIME);
    loop {
        match reported.recv_timeout(limit.saturating_sub(start.elapsed())) {
            Ok(Step::Done(worked)) => return worked,
            Ok(Step::Asked) => {
                is_locked = true;
                report(Wait::Asked);
            }
            Err(RecvTimeoutError::Timeout) if limit == QUIET_TIME => {
                limit = UNLOCK_TIME;
                report(if is_locked { Wait::Unlock } else { Wait::Answer });
            }
            Err(RecvTimeoutError::Timeout) if is_locked => return Err(KeychainError::Locked),
            Err(_) => return Err(KeychainError::Silent),
        }
    }
}

impl KeychainError {
    /// What the page switches on.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Missing(_) => ErrorCode::KeychainMissing,
            Self::Locked => ErrorCode::KeychainLocked,
            Self::Refused => ErrorCode::KeychainRefused,
            Self::Taken => ErrorCode::KeychainTaken,
            Self::NoEntry | Self::Several | Self::List(_) | Self::Silent | Self::Failed(_) => ErrorCode::KeychainFailed,
        }
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::collections::HashMap;

    use secret_service::blocking::{Item, SecretService};
    use secret_service::{EncryptionType, Error};

    use super::{KeychainError, SERVICE, Zeroizing};

    /// What the secret is. KeePassXC shows only text as an entry's password, and makes an attachment of anything else.
    const CONTENT_TYPE: &str = "text/plain";

    /// A connection to the Secret Service.
    pub(super) struct Keychain(SecretService<'static>);

    impl Keychain {
        pub(super) fn connect() -> Result<Self, KeychainError> {
            SecretService::connect(EncryptionType::Dh).map(Self).map_err(missing)
        }

        /// What is saved under a name.
        pub(super) fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError> {
            let item = self.item(name)?;
            Ok(item.map(|item| item.get_secret()).transpose()?.map(Zeroizing::new))
        }

        /// Saves over what is there under this name.
        pub(super) fn set(&self, name: &str, secret: &[u8]) -> Result<(), KeychainError> {
            if let Some(item) = self.item(name)? {
                return Ok(item.set_secret(secret, CONTENT_TYPE)?);
            }
            let collection = self.0.get_default_collection().map_err(missing)?;
            collection.ensure_unlocked().or_else(|_| collection.unlock())?;
            let label = format!("UL Keys: {name}");
            collection.create_item(&label, attributes(name), secret, true, CONTENT_TYPE)?;
            Ok(())
        }

        pub(super) fn delete(&self, name: &str) -> Result<(), KeychainError> {
            Ok(self.item(name)?.ok_or(KeychainError::NoEntry)?.delete()?)
        }

        /// The entry of a name, unlocked.
        fn item(&self, name: &str) -> Result<Option<Item<'_>>, KeychainError> {
            let found = self.0.search_items(attributes(name))?;
            if !found.locked.is_empty() {
                self.0.unlock_all(&found.locked.iter().collect::<Vec<_>>())?;
            }
            let mut items = found.unlocked.into_iter().chain(found.locked);
            let item = items.next();
            if items.next().is_some() {
                return Err(KeychainError::Several);
            }
            Ok(item)
        }
    }

    /// By which an entry is found, also by other programs. They must stay as they are.
    fn attributes(name: &str) -> HashMap<&str, &str> {
        HashMap::from([("service", SERVICE), ("username", name)])
    }

    pub(super) fn unlock(asking: impl FnOnce()) -> Result<(), KeychainError> {
        let keychain = Keychain::connect()?;
        let collection = keychain.0.get_default_collection().map_err(missing)?;
        if collection.ensure_unlocked().is_ok() {
            return Ok(());
        }
        asking();
        Ok(collection.unlock()?)
    }

    fn missing(error: Error) -> KeychainError {
        KeychainError::Missing(error.to_string())
    }

    impl From<Error> for KeychainError {
        fn from(error: Error) -> Self {
            match error {
                Error::Locked => Self::Locked,
                Error::Prompt => Self::Refused,
                Error::NoResult | Error::Unavailable => missing(error),
                other => Self::Failed(other.to_string()),
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::sync::Arc;

    use keyring_core::api::CredentialStore;
    use keyring_core::{Entry, Error};

    use super::{KeychainError, SERVICE, Zeroizing};

    /// The system's own store.
    pub(super) struct Keychain(Arc<CredentialStore>);

    impl Keychain {
        pub(super) fn connect() -> Result<Self, KeychainError> {
            #[cfg(target_os = "macos")]
            return Ok(Self(apple_native_keyring_store::keychain::Store::new()?));
            #[cfg(windows)]
            return Ok(Self(windows_native_keyring_store::Store::new()?));
        }

        /// What is saved under a name.
        pub(super) fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError> {
            match self.entry(name)?.get_secret() {
                Ok(secret) => Ok(Some(Zeroizing::new(secret))),
                Err(Error::NoEntry) => Ok(None),
                Err(error) => Err(error.into()),
            }
        }

        /// Saves over what is there under this name.
        pub(super) fn set(&self, name: &str, secret: &[u8]) -> Result<(), KeychainError> {
            Ok(self.entry(name)?.set_secret(secret)?)
        }

        pub(super) fn delete(&self, name: &str) -> Result<(), KeychainError> {
            Ok(self.entry(name)?.delete_credential()?)
        }

        fn entry(&self, name: &str) -> Result<Entry, Error> {
            self.0.build(SERVICE, name, None)
        }
    }

    /// These systems unlock by themselves when an entry is read.
    pub(super) fn unlock(_asking: impl FnOnce()) -> Result<(), KeychainError> {
        Ok(())
    }

    impl From<Error> for KeychainError {
        fn from(error: Error) -> Self {
            match error {
                Error::NoEntry => Self::NoEntry,
                // Not these errors' own words: some carry what was saved.
                Error::BadEncoding(_) | Error::BadDataFormat(..) => Self::Failed("the entry cannot be read".to_owned()),
                Error::Ambiguous(_) => Self::Several,
                other => Self::Failed(other.to_string()),
            }
        }
    }
}
