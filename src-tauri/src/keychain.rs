//! This computer's keychain: the Secret Service on Linux, Keychain on macOS, Credential Manager on Windows.
//!
//! An entry has the service [`ENTRY_SERVICE`] and a key's name as its account; its secret is the key's text. Other
//! programs may read it: `secret-tool lookup service ul-keys username training-server`.
//!
//! Every call connects anew, so that a keychain which was started since is found, and may block for as long as the
//! person takes to unlock it, or forever where a keychain does not answer. Call the functions here only through
//! [`work`] or [`wait_for`], which limit the time. Deliberately absent: any other place to put a key when there is no
//! keychain.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use ulkeys_domain::wire::ErrorCode;
use ulkeys_domain::{KeyPrefix, Secret};
use zeroize::Zeroizing;

use crate::file_problem::describe_io_error;
use platform::Keychain;

/// The service of every entry.
pub(crate) const ENTRY_SERVICE: &str = "ul-keys";

/// How long a person may take to unlock the keychain.
const UNLOCK_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an unlocked keychain may take to answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the command line waits before it says what it waits for.
const WAIT_REPORT_DELAY: Duration = Duration::from_secs(2);

/// Why the keychain did not do what it was asked. Each says so in words for people: what a library reports is logged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeychainError {
    /// Nothing answers, or there is no default keychain.
    #[error("no keychain can be reached; start one, such as GNOME Keyring, KWallet or KeePassXC")]
    Unavailable,
    /// It stayed locked.
    #[error("the keychain is locked")]
    Locked,
    /// It neither answered nor reported an error.
    #[error("the keychain does not answer")]
    Unresponsive,
    /// The person dismissed its prompt.
    #[error("the keychain's question was closed without an answer")]
    Dismissed,
    /// Another key is saved under this name.
    #[error("the keychain holds another key under this name")]
    NameTaken,
    /// Nothing is saved under this name.
    #[error("the keychain holds no key under this name")]
    NoEntry,
    /// More than one entry has this name, and nothing tells which one is meant.
    #[error(
        "the keychain holds several entries for this name, and which one is meant is not known; remove all but one of them \
         in the program that manages the keychain"
    )]
    Ambiguous,
    /// The list of saved keys, without which nothing is saved, could not be written.
    #[error("the list of saved keys cannot be written: {}", describe_io_error(.0))]
    IndexNotWritten(std::io::Error),
    /// Anything else, in words.
    #[error("the keychain failed: {0}")]
    Failed(String),
}

/// Saves a key under a name; over another key only with `replace`. `known` are the beginnings of the keys that this
/// app has saved under the name.
///
/// A key that is there already is saved again, because an earlier version saved it in a form that some keychains do not
/// show as a password.
pub(crate) fn save_key(name: &str, secret: &Secret, replace: bool, known: &[KeyPrefix]) -> Result<(), KeychainError> {
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

/// The key that is saved under a name. `known` as for [`save`].
pub(crate) fn read_key(name: &str, known: &[KeyPrefix]) -> Result<Secret, KeychainError> {
    let keychain = Keychain::connect()?;
    let entries = select_entries(keychain.find_entries(name)?, known)?;
    let (_, text) = entries.first().ok_or(KeychainError::NoEntry)?;
    Secret::parse(trim_line_end(text))
        .map_err(|error| KeychainError::Failed(format!("the entry is no API key: it {error}")))
}

/// Removes what is saved under a name. `known` as for [`save`]. Returns whether other entries have the name too.
pub(crate) fn remove_entries(name: &str, known: &[KeyPrefix]) -> Result<bool, KeychainError> {
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

/// Removes a certain key, and leaves alone what somebody else has saved under its name.
pub(crate) fn remove_key(name: &str, prefix: &KeyPrefix) -> Result<(), KeychainError> {
    let keychain = Keychain::connect()?;
    for (entry, text) in keychain.find_entries(name)? {
        if key_prefix_of(&text).is_some_and(|saved| saved == *prefix) {
            entry.delete()?;
        }
    }
    Ok(())
}

/// An entry of the keychain and the text that it holds.
type EntryWithText<E> = (E, Zeroizing<Vec<u8>>);

/// Selects the entries of a name that hold the key to use: of several, those with a key that this app has saved.
///
/// The keychain tells entries apart by all of their attributes, so other programs can add one that has our attributes
/// and more; and there may be a copy in another keychain.
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

/// The beginning of the key that an entry holds.
fn key_prefix_of(entry: &[u8]) -> Option<KeyPrefix> {
    Secret::parse(trim_line_end(entry)).ok().map(|secret| secret.prefix())
}

/// An entry without the line end that other programs add when they save what `echo` printed.
fn trim_line_end(entry: &[u8]) -> &[u8] {
    entry.trim_ascii_end()
}

/// Unlocks the keychain, and the entries of a name, which may be in another one. Where it is locked, it asks the
/// person, and `asking` is called before. By itself and before anything else, so that no secret is in memory while
/// nobody answers.
fn unlock(name: &str, asking: impl FnOnce()) -> Result<(), KeychainError> {
    platform::unlock(name, asking)
}

/// Work with the entries of a name, off the threads that serve the window. It begins only once the keychain is
/// unlocked, so that nothing secret waits for an answer that may never come.
pub(crate) async fn run_unlocked<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> Result<T, KeychainError> + Send + 'static,
) -> Result<T, KeychainError> {
    let failed = |error: tokio::task::JoinError| KeychainError::Failed(crate::error::panic_message(&error));
    let (asking, asks) = mpsc::channel();
    let unlock = tokio::task::spawn_blocking(move || {
        unlock(&name, || {
            let _ = asking.send(());
        })
    });
    match tokio::time::timeout(UNLOCK_TIMEOUT, unlock).await {
        // One that has not even asked is not just locked.
        Err(_) => return Err(asks.try_recv().map_or(KeychainError::Unresponsive, |()| KeychainError::Locked)),
        Ok(unlocked) => unlocked.map_err(failed)??,
    }
    match tokio::time::timeout(RESPONSE_TIMEOUT, tokio::task::spawn_blocking(work)).await {
        Err(_) => Err(KeychainError::Unresponsive),
        Ok(worked) => worked.map_err(failed)?,
    }
}

/// What the command line reports while it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitReason {
    /// The keychain is locked, and asks the person for its password.
    Asked,
    /// The person has not answered yet.
    Unlock,
    /// The keychain has not answered yet.
    Answer,
}

/// Work with the entries of a name for the command line, which has nobody else to serve. After two seconds and when
/// the keychain is locked, `report` is called. After a minute, the work fails; the thread that still waits ends with
/// the process.
pub(crate) fn run_with_wait_reports<T: Send + 'static>(
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

impl KeychainError {
    /// What the page switches on.
    pub(crate) fn error_code(&self) -> ErrorCode {
        match self {
            Self::Unavailable => ErrorCode::KeychainMissing,
            Self::Locked => ErrorCode::KeychainLocked,
            Self::Unresponsive => ErrorCode::KeychainSilent,
            Self::Dismissed => ErrorCode::KeychainRefused,
            Self::NameTaken => ErrorCode::KeychainTaken,
            Self::Ambiguous => ErrorCode::KeychainAmbiguous,
            Self::NoEntry | Self::IndexNotWritten(_) | Self::Failed(_) => ErrorCode::KeychainFailed,
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

    /// What the secret is. KeePassXC shows only text as an entry's password, and makes an attachment of anything else.
    const SECRET_CONTENT_TYPE: &str = "text/plain";

    /// A connection to the Secret Service.
    pub(super) struct Keychain(SecretService<'static>);

    /// An entry of the keychain, unlocked.
    pub(super) struct Entry<'a>(Item<'a>);

    impl Keychain {
        pub(super) fn connect() -> Result<Self, KeychainError> {
            Ok(Self(SecretService::connect(EncryptionType::Dh)?))
        }

        /// What is saved under a name, by whomever.
        pub(super) fn find_entries(&self, name: &str) -> Result<Vec<EntryWithText<Entry<'_>>>, KeychainError> {
            let found = self.0.search_items(entry_attributes(name))?;
            if !found.locked.is_empty() {
                self.0.unlock_all(&found.locked.iter().collect::<Vec<_>>())?;
            }
            found.unlocked.into_iter().chain(found.locked).map(Entry::read_text).collect()
        }

        /// Saves a new entry.
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

        /// Saves over what is there.
        pub(super) fn overwrite(&self, secret: &[u8]) -> Result<(), KeychainError> {
            Ok(self.0.set_secret(secret, SECRET_CONTENT_TYPE)?)
        }

        pub(super) fn delete(&self) -> Result<(), KeychainError> {
            Ok(self.0.delete()?)
        }
    }

    /// By which an entry is found, also by other programs. They must stay as they are.
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
            tracing::info!(%error, "the keychain or the way to it reported an error");
            match error {
                Error::Locked => Self::Locked,
                Error::Prompt => Self::Dismissed,
                Error::PromptDisconnected => Self::Failed("it ended before its question was answered".to_owned()),
                Error::NoResult | Error::Unavailable => Self::Unavailable,
                Error::Crypto(_) => Self::Failed("the encryption of the connection to it failed".to_owned()),
                Error::Zbus(error) => from_bus_error(&error),
                Error::ZbusFdo(error) => from_fdo_error(&error),
                _ => Self::Failed("its answer cannot be understood".to_owned()),
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
            _ => KeychainError::Failed("the session bus, which leads to it, failed".to_owned()),
        }
    }

    fn from_fdo_error(error: &zbus::fdo::Error) -> KeychainError {
        match error {
            zbus::fdo::Error::ZBus(error) => from_bus_error(error),
            error => from_error_name(error.name().as_str(), error.description()),
        }
    }

    /// An error that the keychain, or the bus in its place, answered with; with its own words where it has any.
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
                KeychainError::Failed("the entry was removed or moved in this moment; try again".to_owned())
            }
            ("org.freedesktop.DBus.Error", "AccessDenied" | "AuthFailed") => {
                KeychainError::Failed("it does not let UL Keys in".to_owned())
            }
            _ => KeychainError::Failed(match text.map(str::trim).filter(|text| !text.is_empty()) {
                Some(text) => format!("it reports “{text}”"),
                None => "it reports an error without a reason".to_owned(),
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
                (Error::Crypto("padding"), "encryption"),
                (Error::Zbus(zbus::Error::InputOutput(std::sync::Arc::new(failed()))), "no keychain can be reached"),
                (Error::Zbus(zbus::Error::InvalidReply), "session bus"),
                (Error::Zbus(zbus::Error::FDO(Box::new(standard("x")))), "does not answer"),
                (Error::ZbusFdo(standard("x")), "does not answer"),
                (Error::ZbusFdo(zbus::fdo::Error::ZBus(zbus::Error::InvalidReply)), "session bus"),
                (Error::Zvariant(zbus::zvariant::Error::IncorrectType), "cannot be understood"),
                (Error::Locked, "is locked"),
                (Error::NoResult, "no keychain can be reached"),
                (Error::Prompt, "closed without an answer"),
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

    /// The system's own store.
    pub(super) struct Keychain(Arc<CredentialStore>);

    /// An entry of the store.
    pub(super) struct Entry(keyring_core::Entry);

    impl Keychain {
        pub(super) fn connect() -> Result<Self, KeychainError> {
            #[cfg(target_os = "macos")]
            return Ok(Self(apple_native_keyring_store::keychain::Store::new()?));
            #[cfg(windows)]
            return Ok(Self(windows_native_keyring_store::Store::new()?));
        }

        /// What is saved under a name, by whomever.
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

        /// Saves a new entry.
        pub(super) fn create_entry(&self, name: &str, secret: &[u8]) -> Result<(), KeychainError> {
            Ok(self.0.build(ENTRY_SERVICE, name, None)?.set_secret(secret)?)
        }
    }

    impl Entry {
        /// Saves over what is there.
        pub(super) fn overwrite(&self, secret: &[u8]) -> Result<(), KeychainError> {
            Ok(self.0.set_secret(secret)?)
        }

        pub(super) fn delete(&self) -> Result<(), KeychainError> {
            Ok(self.0.delete_credential()?)
        }
    }

    /// These systems unlock by themselves when an entry is read.
    pub(super) fn unlock(_name: &str, _asking: impl FnOnce()) -> Result<(), KeychainError> {
        Ok(())
    }

    impl From<Error> for KeychainError {
        fn from(error: Error) -> Self {
            // Not these errors' own words: some carry what was saved, others show the library's values.
            let words = match error {
                Error::NoEntry => return Self::NoEntry,
                Error::Ambiguous(_) => return Self::Ambiguous,
                Error::NoDefaultStore => return Self::Unavailable,
                Error::BadEncoding(_) | Error::BadDataFormat(..) => "the entry cannot be read".to_owned(),
                Error::BadStoreFormat(_) => "it is damaged".to_owned(),
                Error::NoStorageAccess(_) => "it does not let UL Keys in; unlock it and allow the access".to_owned(),
                Error::TooLong(_, most) => format!("the name or the key is longer than the {most} characters it takes"),
                Error::Invalid(..) => "it does not take such a name".to_owned(),
                Error::NotSupportedByStore(_) => "it cannot do this".to_owned(),
                // The system's own words.
                Error::PlatformFailure(error) => format!("the system reports “{error}”"),
                _ => "it reports an error without a reason".to_owned(),
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

    /// The positions of the selected entries; `None` where the choice is ambiguous.
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
        // Copies of one key, also with a line end.
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
