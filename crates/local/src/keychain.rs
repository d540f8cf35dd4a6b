//! Provides access to the system keychain: the Secret Service on Linux, Keychain on macOS, Credential Manager on
//! Windows.
//!
//! Each entry has the service [`ENTRY_SERVICE`], the key's name as its account, and the key's plaintext as its secret.
//! Other programs can read it: `secret-tool lookup service ul-keys username training-server`.
//!
//! Each operation opens a new connection, so that a keychain started after the app is found as well. An operation can
//! block until the user unlocks the keychain, or forever if the keychain does not answer. Therefore, call these
//! functions only through [`run_unlocked`] or [`run_with_wait_reports`], which have time limits. Deliberately omitted:
//! any other storage for keys on systems without a keychain.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use ulkeys_domain::{KeyPrefix, Secret};
use zeroize::Zeroizing;

use crate::file_problem::describe_io_error;
use platform::Keychain;

/// The `service` attribute of every entry.
pub const ENTRY_SERVICE: &str = "ul-keys";

/// Maximum time for the user to unlock the keychain.
const UNLOCK_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum time for an unlocked keychain to answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// Time after which a command in a terminal reports what it is waiting for.
const WAIT_REPORT_DELAY: Duration = Duration::from_secs(2);

/// The error of a keychain operation. Its message is written for users; on Linux, the library's own error is logged as
/// well.
#[derive(Debug, thiserror::Error)]
pub enum KeychainError {
    /// No keychain is running, or there is no default keychain.
    #[error("no keychain can be reached; start one, such as GNOME Keyring, KWallet or KeePassXC")]
    Unavailable,
    /// The keychain is locked and was not unlocked in time.
    #[error("the keychain is locked")]
    Locked,
    /// The keychain did not answer in time.
    #[error("the keychain does not answer")]
    Unresponsive,
    /// The user dismissed the keychain's prompt.
    #[error("the keychain prompt was dismissed")]
    Dismissed,
    /// Another key is saved under the same name.
    #[error("the keychain holds another key under this name")]
    NameTaken,
    /// No key is saved under the name.
    #[error("the keychain holds no key under this name")]
    NoEntry,
    /// Several entries for the name contain different keys, and the app cannot determine which one to use.
    #[error(
        "the keychain holds several entries for this name, and it is unclear which one to use; remove all but one \
         of them in the program that manages the keychain"
    )]
    Ambiguous,
    /// The list of saved keys could not be written. A key is saved in the keychain only after it was added to this
    /// list.
    #[error("cannot write the list of saved keys: {}", describe_io_error(.0))]
    IndexNotWritten(std::io::Error),
    /// Any other failure, with a description for users.
    #[error("the keychain failed: {0}")]
    Failed(String),
}

/// Saves a key under a name. Overwrites a different key only if `replace` is set. `known` contains the prefixes of the
/// keys that this app has saved under the name.
///
/// Writes the key even if it is already saved, because earlier versions saved keys with a content type that some
/// keychains do not show as a password.
pub fn save_key(name: &str, secret: &Secret, replace: bool, known: &[KeyPrefix]) -> Result<(), KeychainError> {
    let keychain = Keychain::connect()?;
    let mut entries = keychain.find_entries(name)?;
    let text = secret.expose().as_bytes();
    if let Some(same) = entries.iter().position(|(_, saved)| trim_line_end(saved) == text) {
        return entries.swap_remove(same).0.overwrite(text);
    }
    match select_entries(entries, known)?.first() {
        Some(_) if !replace => Err(KeychainError::NameTaken),
        Some((entry, _)) => entry.overwrite(text),
        None => keychain.create_entry(name, text),
    }
}

/// Reads the key that is saved under a name. `known` has the same meaning as for [`save_key`].
pub fn read_key(name: &str, known: &[KeyPrefix]) -> Result<Secret, KeychainError> {
    let keychain = Keychain::connect()?;
    let entries = select_entries(keychain.find_entries(name)?, known)?;
    let (_, text) = entries.first().ok_or(KeychainError::NoEntry)?;
    Secret::parse(trim_line_end(text))
        .map_err(|error| KeychainError::Failed(format!("the entry is not an API key: it {error}")))
}

/// Of the entries for a name, deletes those that [`select_entries`] selects. `known` has the same meaning as for
/// [`save_key`]. Returns whether other entries for the name remain.
pub fn remove_entries(name: &str, known: &[KeyPrefix]) -> Result<bool, KeychainError> {
    let keychain = Keychain::connect()?;
    let entries = keychain.find_entries(name)?;
    let count = entries.len();
    let entries = select_entries(entries, known)?;
    if entries.is_empty() {
        return Err(KeychainError::NoEntry);
    }
    for (entry, _) in &entries {
        entry.delete()?;
    }
    Ok(entries.len() < count)
}

/// Of the entries for a name, deletes those whose key has this prefix. Other entries for the name remain.
pub fn remove_key(name: &str, prefix: &KeyPrefix) -> Result<(), KeychainError> {
    let keychain = Keychain::connect()?;
    for (entry, text) in keychain.find_entries(name)? {
        if key_prefix_of(&text).is_some_and(|saved| saved == *prefix) {
            entry.delete()?;
        }
    }
    Ok(())
}

/// A keychain entry and the text that it contains.
type EntryWithText<E> = (E, Zeroizing<Vec<u8>>);

/// From all entries for a name, selects those with the key to use. Entries with a key that this app saved take
/// precedence. Fails if the remaining entries contain different keys.
///
/// A name can have several entries, because the keychain distinguishes entries by all of their attributes: another
/// program can add an entry that has this app's attributes and additional ones. Another keychain can also contain a
/// copy of the entry.
fn select_entries<E>(
    entries: Vec<EntryWithText<E>>,
    known: &[KeyPrefix],
) -> Result<Vec<EntryWithText<E>>, KeychainError> {
    if entries.len() < 2 {
        return Ok(entries);
    }
    let is_known = |text: &[u8]| key_prefix_of(text).is_some_and(|prefix| known.contains(&prefix));
    let (ours, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(_, text)| is_known(text));
    let candidates = if ours.is_empty() { others } else { ours };
    match candidates.windows(2).all(|pair| trim_line_end(&pair[0].1) == trim_line_end(&pair[1].1)) {
        true => Ok(candidates),
        false => Err(KeychainError::Ambiguous),
    }
}

/// Returns the prefix of the key that an entry contains.
fn key_prefix_of(entry: &[u8]) -> Option<KeyPrefix> {
    Secret::parse(trim_line_end(entry)).ok().map(|secret| secret.prefix())
}

/// Removes trailing whitespace from an entry. Other programs may save a key with a line break at the end, for example
/// from the output of `echo`.
fn trim_line_end(entry: &[u8]) -> &[u8] {
    entry.trim_ascii_end()
}

/// Unlocks the default keychain and a name's entries, which can be in another keychain. Calls `asking` before a prompt
/// is shown to the user. Unlocking is a separate first step, so that no secret is in memory while the prompt is open.
fn unlock(name: &str, asking: impl FnOnce()) -> Result<(), KeychainError> {
    platform::unlock(name, asking)
}

/// Runs a keychain operation on a blocking thread, so it does not block the threads that serve the window. The
/// operation starts only after the keychain is unlocked, so no secret is in memory during a prompt that the user may
/// never answer.
pub async fn run_unlocked<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> Result<T, KeychainError> + Send + 'static,
) -> Result<T, KeychainError> {
    let failed = |error: tokio::task::JoinError| KeychainError::Failed(crate::thread_panic::panic_message(&error));
    let (asking, asks) = mpsc::channel();
    let unlock = tokio::task::spawn_blocking(move || {
        unlock(&name, || {
            let _ = asking.send(());
        })
    });
    match tokio::time::timeout(UNLOCK_TIMEOUT, unlock).await {
        // If unlocking timed out without a prompt, the keychain is unresponsive rather than locked.
        Err(_) => return Err(asks.try_recv().map_or(KeychainError::Unresponsive, |()| KeychainError::Locked)),
        Ok(unlocked) => unlocked.map_err(failed)??,
    }
    match tokio::time::timeout(RESPONSE_TIMEOUT, tokio::task::spawn_blocking(work)).await {
        Err(_) => Err(KeychainError::Unresponsive),
        Ok(worked) => worked.map_err(failed)?,
    }
}

/// Why a command in a terminal is waiting. The command reports this to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// The keychain is locked and is prompting the user for its password.
    Asked,
    /// The user has not unlocked the keychain yet.
    Unlock,
    /// The keychain has neither answered nor prompted the user yet.
    Answer,
}

/// Runs a keychain operation for a command in a terminal, and blocks until it has finished. Calls `report` when the
/// keychain prompts the user to unlock it, and once more if there is no result after two seconds. Fails after one
/// minute; the operation's thread may then still be waiting, and ends when the process exits.
pub fn run_with_wait_reports<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> Result<T, KeychainError> + Send + 'static,
    mut report: impl FnMut(WaitReason),
) -> Result<T, KeychainError> {
    enum Progress<T> {
        Asked,
        Done(Result<T, KeychainError>),
    }
    let (steps, reported) = mpsc::channel();
    let asked = steps.clone();
    std::thread::spawn(move || {
        let worked = unlock(&name, || drop(asked.send(Progress::Asked))).and_then(|()| work());
        let _ = steps.send(Progress::Done(worked));
    });
    let start = Instant::now();
    let (mut is_locked, mut limit) = (false, WAIT_REPORT_DELAY);
    loop {
        match reported.recv_timeout(limit.saturating_sub(start.elapsed())) {
            Ok(Progress::Done(worked)) => return worked,
            Ok(Progress::Asked) => {
                is_locked = true;
                report(WaitReason::Asked);
            }
            Err(RecvTimeoutError::Timeout) if limit == WAIT_REPORT_DELAY => {
                limit = UNLOCK_TIMEOUT;
                report(if is_locked { WaitReason::Unlock } else { WaitReason::Answer });
            }
            Err(RecvTimeoutError::Timeout) if is_locked => return Err(KeychainError::Locked),
            Err(_) => return Err(KeychainError::Unresponsive),
        }
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::collections::HashMap;

    use secret_service::blocking::{Item, SecretService};
    use secret_service::{EncryptionType, Error};
    use zbus::DBusError as _;

    use super::{ENTRY_SERVICE, EntryWithText, KeychainError, Zeroizing};

    /// Content type of saved secrets. KeePassXC shows only text as an entry's password, and anything else as an
    /// attachment.
    const SECRET_CONTENT_TYPE: &str = "text/plain";

    /// A connection to the Secret Service.
    pub(super) struct Keychain(SecretService<'static>);

    /// An unlocked keychain entry.
    pub(super) struct Entry<'a>(Item<'a>);

    impl Keychain {
        pub(super) fn connect() -> Result<Self, KeychainError> {
            Ok(Self(SecretService::connect(EncryptionType::Dh)?))
        }

        /// Returns all entries for a name, including those created by other programs.
        pub(super) fn find_entries(&self, name: &str) -> Result<Vec<EntryWithText<Entry<'_>>>, KeychainError> {
            let found = self.0.search_items(entry_attributes(name))?;
            if !found.locked.is_empty() {
                self.0.unlock_all(&found.locked.iter().collect::<Vec<_>>())?;
            }
            found.unlocked.into_iter().chain(found.locked).map(Entry::read_text).collect()
        }

        /// Creates an entry in the default keychain.
        pub(super) fn create_entry(&self, name: &str, secret: &[u8]) -> Result<(), KeychainError> {
            let collection = self.0.get_default_collection()?;
            collection.ensure_unlocked().or_else(|_| collection.unlock())?;
            let label = format!("UL Keys: {name}");
            collection.create_item(&label, entry_attributes(name), secret, true, SECRET_CONTENT_TYPE)?;
            Ok(())
        }
    }

    impl<'a> Entry<'a> {
        fn read_text(item: Item<'a>) -> Result<EntryWithText<Self>, KeychainError> {
            let text = Zeroizing::new(item.get_secret()?);
            Ok((Self(item), text))
        }

        /// Replaces the secret of the entry.
        pub(super) fn overwrite(&self, secret: &[u8]) -> Result<(), KeychainError> {
            Ok(self.0.set_secret(secret, SECRET_CONTENT_TYPE)?)
        }

        pub(super) fn delete(&self) -> Result<(), KeychainError> {
            Ok(self.0.delete()?)
        }
    }

    /// Returns the attributes by which this app and other programs find the entry for a name. They must never change,
    /// because keys that are already saved would no longer be found.
    fn entry_attributes(name: &str) -> HashMap<&str, &str> {
        HashMap::from([("service", ENTRY_SERVICE), ("username", name)])
    }

    pub(super) fn unlock(name: &str, asking: impl FnOnce()) -> Result<(), KeychainError> {
        let keychain = Keychain::connect()?;
        let mut asking = Some(asking);
        let mut ask = || asking.take().map_or((), |asking| asking());
        let collection = keychain.0.get_default_collection()?;
        match collection.ensure_unlocked() {
            Err(Error::Locked) => {
                ask();
                collection.unlock()?;
            }
            unlocked => unlocked?,
        }
        let locked = keychain.0.search_items(entry_attributes(name))?.locked;
        if !locked.is_empty() {
            ask();
            keychain.0.unlock_all(&locked.iter().collect::<Vec<_>>())?;
        }
        Ok(())
    }

    impl From<Error> for KeychainError {
        fn from(error: Error) -> Self {
            tracing::info!(%error, "a keychain operation failed");
            match error {
                Error::Locked => Self::Locked,
                Error::Prompt => Self::Dismissed,
                Error::PromptDisconnected => Self::Failed("it ended before its prompt was answered".to_owned()),
                Error::NoResult | Error::Unavailable => Self::Unavailable,
                Error::Crypto(_) => Self::Failed("the connection to it could not be encrypted".to_owned()),
                Error::Zbus(error) => from_bus_error(&error),
                Error::ZbusFdo(error) => from_fdo_error(&error),
                _ => Self::Failed("its reply is invalid".to_owned()),
            }
        }
    }

    fn from_bus_error(error: &zbus::Error) -> KeychainError {
        match error {
            zbus::Error::MethodError(name, text, _) => from_error_name(name.as_str(), text.as_deref()),
            zbus::Error::FDO(error) => from_fdo_error(error),
            zbus::Error::InputOutput(_)
            | zbus::Error::Connection(..)
            | zbus::Error::Address(_)
            | zbus::Error::InterfaceNotFound => KeychainError::Unavailable,
            _ => KeychainError::Failed("the D-Bus session bus reported an error".to_owned()),
        }
    }

    fn from_fdo_error(error: &zbus::fdo::Error) -> KeychainError {
        match error {
            zbus::fdo::Error::ZBus(error) => from_bus_error(error),
            error => from_error_name(error.name().as_str(), error.description()),
        }
    }

    /// Converts an error reply from the keychain or the D-Bus daemon. If the error is unknown, the message quotes the
    /// reply's text.
    fn from_error_name(name: &str, text: Option<&str>) -> KeychainError {
        let (family, kind) = name.rsplit_once('.').unwrap_or(("", name));
        match (family, kind) {
            ("org.freedesktop.DBus.Error.Spawn", _)
            | ("org.freedesktop.DBus.Error", "ServiceUnknown" | "NameHasNoOwner" | "Disconnected" | "NoServer") => {
                KeychainError::Unavailable
            }
            ("org.freedesktop.DBus.Error", "NoReply" | "Timeout" | "TimedOut") => KeychainError::Unresponsive,
            ("org.freedesktop.Secret.Error", "IsLocked") => KeychainError::Locked,
            ("org.freedesktop.Secret.Error", "NoSuchObject") | ("org.freedesktop.DBus.Error", "UnknownObject") => {
                KeychainError::Failed("the entry was just removed or moved; try again".to_owned())
            }
            ("org.freedesktop.DBus.Error", "AccessDenied" | "AuthFailed") => {
                KeychainError::Failed("it denied access to UL Keys".to_owned())
            }
            _ => KeychainError::Failed(match text.map(str::trim).filter(|text| !text.is_empty()) {
                Some(text) => format!("it reports “{text}”"),
                None => "it reported an error without a reason".to_owned(),
            }),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn bus_error_is_described_in_words() {
            for (name, text, expected) in [
                (
                    "org.freedesktop.DBus.Error.ServiceUnknown",
                    Some("The name is not activatable"),
                    "no keychain can be reached",
                ),
                ("org.freedesktop.DBus.Error.Spawn.ExecFailed", None, "no keychain can be reached"),
                ("org.freedesktop.DBus.Error.NoReply", None, "does not answer"),
                ("org.freedesktop.Secret.Error.IsLocked", None, "is locked"),
                ("org.freedesktop.Secret.Error.NoSuchObject", None, "try again"),
                ("org.gnome.keyring.Error.Failed", Some(" Disk full\n"), "it reports “Disk full”"),
                ("org.freedesktop.DBus.Error.Failed", Some(""), "without a reason"),
                ("Failed", None, "without a reason"),
            ] {
                let told = from_error_name(name, text).to_string();
                assert!(told.contains(expected) && !told.contains("org."), "{name}: {told}");
            }
        }

        #[test]
        fn library_error_is_described_in_words() {
            let failed = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
            let standard = |name: &str| zbus::fdo::Error::NoReply(name.to_owned());
            for (error, expected) in [
                (Error::Crypto("padding"), "encrypted"),
                (Error::Zbus(zbus::Error::InputOutput(std::sync::Arc::new(failed()))), "no keychain can be reached"),
                (Error::Zbus(zbus::Error::InvalidReply), "session bus"),
                (Error::Zbus(zbus::Error::FDO(Box::new(standard("x")))), "does not answer"),
                (Error::ZbusFdo(standard("x")), "does not answer"),
                (Error::ZbusFdo(zbus::fdo::Error::ZBus(zbus::Error::InvalidReply)), "session bus"),
                (Error::Zvariant(zbus::zvariant::Error::IncorrectType), "reply is invalid"),
                (Error::Locked, "is locked"),
                (Error::NoResult, "no keychain can be reached"),
                (Error::Prompt, "prompt was dismissed"),
                (Error::PromptDisconnected, "ended before"),
                (Error::Unavailable, "no keychain can be reached"),
            ] {
                let library = error.to_string();
                let told = KeychainError::from(error).to_string();
                assert!(told.contains(expected) && !told.contains(&library), "{library}: {told}");
                for word in ["SS error", "zbus", "Error", "{", "("] {
                    assert!(!told.contains(word), "{told}");
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::sync::Arc;

    use keyring_core::Error;
    use keyring_core::api::CredentialStore;

    use super::{ENTRY_SERVICE, EntryWithText, KeychainError, Zeroizing};

    /// The credential store of the operating system.
    pub(super) struct Keychain(Arc<CredentialStore>);

    /// An entry of the credential store.
    pub(super) struct Entry(keyring_core::Entry);

    impl Keychain {
        pub(super) fn connect() -> Result<Self, KeychainError> {
            #[cfg(target_os = "macos")]
            return Ok(Self(apple_native_keyring_store::keychain::Store::new()?));
            #[cfg(windows)]
            return Ok(Self(windows_native_keyring_store::Store::new()?));
        }

        /// Returns all entries for a name, including those created by other programs.
        pub(super) fn find_entries(&self, name: &str) -> Result<Vec<EntryWithText<Entry>>, KeychainError> {
            let entry = self.0.build(ENTRY_SERVICE, name, None)?;
            let entries = match entry.get_secret() {
                Ok(secret) => return Ok(vec![(Entry(entry), Zeroizing::new(secret))]),
                Err(Error::NoEntry) => return Ok(Vec::new()),
                Err(Error::Ambiguous(entries)) => entries,
                Err(error) => return Err(error.into()),
            };
            let read = |entry: keyring_core::Entry| {
                let secret = Zeroizing::new(entry.get_secret()?);
                Ok((Entry(entry), secret))
            };
            entries.into_iter().map(read).collect()
        }

        pub(super) fn create_entry(&self, name: &str, secret: &[u8]) -> Result<(), KeychainError> {
            Ok(self.0.build(ENTRY_SERVICE, name, None)?.set_secret(secret)?)
        }
    }

    impl Entry {
        /// Replaces the secret of the entry.
        pub(super) fn overwrite(&self, secret: &[u8]) -> Result<(), KeychainError> {
            Ok(self.0.set_secret(secret)?)
        }

        pub(super) fn delete(&self) -> Result<(), KeychainError> {
            Ok(self.0.delete_credential()?)
        }
    }

    /// Does nothing, because macOS and Windows unlock the store when an entry is read.
    pub(super) fn unlock(_name: &str, _asking: impl FnOnce()) -> Result<(), KeychainError> {
        Ok(())
    }

    impl From<Error> for KeychainError {
        fn from(error: Error) -> Self {
            // Do not use the library's own messages: some contain the saved secret, others print internal values.
            let words = match error {
                Error::NoEntry => return Self::NoEntry,
                Error::Ambiguous(_) => return Self::Ambiguous,
                Error::NoDefaultStore => return Self::Unavailable,
                Error::BadEncoding(_) | Error::BadDataFormat(..) => "the entry cannot be read".to_owned(),
                Error::BadStoreFormat(_) => "it is damaged".to_owned(),
                Error::NoStorageAccess(_) => "it denied access; unlock it and allow UL Keys to use it".to_owned(),
                Error::TooLong(_, most) => format!("the name or the key is longer than {most} characters"),
                Error::Invalid(..) => "it does not accept the name".to_owned(),
                Error::NotSupportedByStore(_) => "it does not support this operation".to_owned(),
                // The operating system's own message contains no secret, so it can be shown.
                Error::PlatformFailure(error) => format!("the system reports “{error}”"),
                _ => "it reported an error without a reason".to_owned(),
            };
            Self::Failed(words)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample_key(digit: char) -> String {
        format!("ul_{}", digit.to_string().repeat(40))
    }

    fn sample_prefix(digit: char) -> KeyPrefix {
        key_prefix_of(sample_key(digit).as_bytes()).expect("a key")
    }

    /// Returns the indices of the texts that [`select_entries`] selects, or `None` if the selection is ambiguous.
    fn selected_positions(texts: &[String], known: &[KeyPrefix]) -> Option<Vec<usize>> {
        let entries = texts.iter().map(|text| Zeroizing::new(text.as_bytes().to_vec())).enumerate().collect();
        select_entries(entries, known).ok().map(|meant| meant.into_iter().map(|(place, _)| place).collect())
    }

    #[test]
    fn select_entries_among_several_takes_known_prefix() {
        let (one, two, other) = (sample_key('1'), sample_key('2'), "no key".to_owned());
        let all = [other.clone(), one.clone(), two.clone()];
        assert_eq!(selected_positions(&all, &[sample_prefix('2')]), Some(vec![2]));
        assert_eq!(selected_positions(&all, &[sample_prefix('1'), sample_prefix('3')]), Some(vec![1]));
        assert_eq!(selected_positions(&all, &[sample_prefix('1'), sample_prefix('2')]), None, "both are ours");
        assert_eq!(selected_positions(&all, &[]), None);
        assert_eq!(selected_positions(&all, &[sample_prefix('3')]), None);
        // Copies of the same key are not ambiguous, even if one has a trailing line end.
        let copies = [one.clone(), format!("{one}\n"), two];
        assert_eq!(selected_positions(&copies, &[sample_prefix('1')]), Some(vec![0, 1]));
        assert_eq!(selected_positions(&copies[..2], &[]), Some(vec![0, 1]));
    }

    #[test]
    fn select_entries_with_one_entry_takes_it() {
        for (text, known) in [
            (sample_key('1'), vec![]),
            (sample_key('1'), vec![sample_prefix('2')]),
            ("no key".to_owned(), vec![sample_prefix('1')]),
        ] {
            assert_eq!(selected_positions(&[text], &known), Some(vec![0]));
        }
        assert_eq!(selected_positions(&[], &[sample_prefix('1')]), Some(vec![]));
    }
}
