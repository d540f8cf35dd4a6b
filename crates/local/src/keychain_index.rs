//! Records which keys this app has saved in the keychain, and under which names. When a key in this index is revoked,
//! it is deleted from the keychain. When any other key is revoked, the keychain is not accessed.
//!
//! The index file contains names and key prefixes, but no plaintext. A key that the service does not recognize stays in
//! the index, because it may belong to a database that is restored later. Deliberately omitted: keys that other
//! programs have saved in the keychain.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use ts_rs::TS;
use ulkeys_api::{ApiKey, KeyEvent};
use ulkeys_client::ApiClient;
use ulkeys_domain::{DEFAULT_ROTATION_DAYS, KeyId, KeyPrefix};

use crate::file_problem::describe_io_error;
use crate::keychain::{self, KeychainError};
use crate::thread_panic::thread_panic_error;

/// Maximum time to wait until other processes have changed the index file. A change takes milliseconds, so a process
/// that holds the lock for longer has stopped.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A function that removes a key from the keychain. Tests use a fake keychain.
type RemoveKeyFn = dyn Fn(SavedKey) -> BoxFuture<'static, Result<(), KeychainError>> + Send + Sync;

/// The index file, and the revoked keys that could not be deleted from the keychain.
pub struct KeychainIndex {
    path: PathBuf,
    /// The reason why the index file could not be read, or `None` if it was read.
    read_error: Option<String>,
    entries: Mutex<BTreeMap<String, SavedKey>>,
    undeletable: watch::Sender<UndeletableKeys>,
    remove: Box<RemoveKeyFn>,
}

/// The revoked keys that could not be deleted from the keychain, by key ID.
pub type UndeletableKeys = BTreeMap<String, UndeletableKey>;

/// A revoked key that could not be deleted from the keychain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndeletableKey {
    /// The key's name when it was saved.
    pub name: String,
    /// The reason why the key is still in the keychain.
    pub reason: UndeletableReason,
}

/// Why a revoked key could not be deleted from the keychain, distinguished by what the user can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum UndeletableReason {
    /// The keychain is locked.
    Locked,
    /// The user dismissed the keychain's prompt.
    Dismissed,
    /// No keychain is running, or the keychain does not answer.
    Unreachable,
    /// The keychain reported another error.
    Failed,
}

impl From<&KeychainError> for UndeletableReason {
    fn from(error: &KeychainError) -> Self {
        match error {
            KeychainError::Locked => Self::Locked,
            KeychainError::Dismissed => Self::Dismissed,
            KeychainError::Unavailable | KeychainError::Unresponsive => Self::Unreachable,
            KeychainError::NameTaken
            | KeychainError::NoEntry
            | KeychainError::Ambiguous
            | KeychainError::IndexNotWritten(_)
            | KeychainError::Failed(_) => Self::Failed,
        }
    }
}

/// A key that this app has saved in the keychain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedKey {
    /// The key's name when it was saved, which is used as the account name of its keychain entry.
    pub name: String,
    /// The key's first 11 characters.
    pub key_prefix: String,
}

impl KeychainIndex {
    /// Reads the index from a file. If the file cannot be read, the index is empty; see [`Self::read_error`].
    pub fn load(path: PathBuf) -> Self {
        Self::load_with_remover(path, Box::new(|saved| Box::pin(remove_from_keychain(saved))))
    }

    fn load_with_remover(path: PathBuf, remove: Box<RemoveKeyFn>) -> Self {
        let (entries, read_error) = match crate::files::read_json(&path) {
            Ok(entries) => (entries, None),
            Err(error) => {
                let problem = format!(
                    "the list of saved keys, {}, cannot be read: {}",
                    path.display(),
                    describe_io_error(&error)
                );
                tracing::warn!("{problem}");
                (BTreeMap::new(), Some(problem))
            }
        };
        Self { path, read_error, entries: Mutex::new(entries), undeletable: watch::Sender::default(), remove }
    }

    /// Returns the reason why the index file could not be read, or `None` if it was read. An unreadable index counts as
    /// empty.
    pub fn read_error(&self) -> Option<&str> {
        self.read_error.as_deref()
    }

    /// Returns the saved keys, sorted by name.
    pub fn list_keys(&self) -> Vec<SavedKey> {
        let mut keys: Vec<_> = self.entries.lock().values().cloned().collect();
        keys.sort_by(|one, other| one.name.cmp(&other.name));
        keys
    }

    /// Returns the name under which a key is saved in the keychain, or `None` if the key is not in the index.
    pub fn name_of(&self, id: &KeyId) -> Option<String> {
        self.read_entries().ok()?.get(id.as_str()).map(|saved| saved.name.clone())
    }

    /// Returns the prefixes of the keys that were saved under a name.
    pub fn prefixes_of(&self, name: &str) -> Vec<KeyPrefix> {
        let entries = self.read_entries().unwrap_or_else(|_| self.entries.lock().clone());
        let saved = entries.values().filter(|saved| saved.name == name);
        saved.filter_map(|saved| KeyPrefix::parse(&saved.key_prefix)).collect()
    }

    /// Rereads the index file, because a `ul-keys` command in a terminal may have changed it.
    fn read_entries(&self) -> io::Result<BTreeMap<String, SavedKey>> {
        crate::files::read_json(&self.path)
    }

    /// Adds a key to the index and then calls `save`, which saves the key in the keychain. Because of this order, a
    /// crash cannot leave a keychain entry that is missing from the index. If `save` succeeds, other keys with the same
    /// name are removed from the index, because the new key has overwritten their entries.
    pub fn save_with(
        &self,
        key: &ApiKey,
        save: impl FnOnce() -> Result<(), KeychainError>,
    ) -> Result<(), KeychainError> {
        let id = key.key_id.as_str();
        let saved = SavedKey { name: key.name.clone(), key_prefix: key.key_prefix.clone() };
        let mut was_there = false;
        self.update_file(|entries| was_there = entries.insert(id.to_owned(), saved.clone()).is_some())
            .map_err(KeychainError::IndexNotWritten)?;
        match save() {
            Ok(()) => self
                .update_file(|entries| entries.retain(|other, entry| other == id || entry.name != saved.name))
                .map_err(KeychainError::IndexNotWritten),
            Err(error) if was_there => Err(error),
            Err(error) => {
                self.update_file(|entries| drop(entries.remove(id))).map_err(KeychainError::IndexNotWritten)?;
                Err(error)
            }
        }
    }

    /// Removes the keys saved under a name from the index. Call this after the name's entry was deleted from the
    /// keychain.
    pub fn remove_entry(&self, name: &str) -> io::Result<()> {
        self.update_file(|entries| entries.retain(|_, saved| saved.name != name))
    }

    /// Subscribes to the revoked keys that could not be deleted from the keychain.
    pub fn subscribe_undeletable(&self) -> watch::Receiver<UndeletableKeys> {
        self.undeletable.subscribe()
    }

    /// Deletes keys from the keychain as soon as any client revokes them, until the event stream of `client` ends.
    pub async fn watch_revocations(self: &Arc<Self>, client: &ApiClient) {
        let Ok(mut events) = client.open_event_stream().await else {
            return;
        };
        while let Some(event) = events.next().await {
            match event {
                KeyEvent::Revoked(revoked) => self.delete_from_keychain(revoked.key_id.as_str()).await,
                KeyEvent::Resync => self.delete_revoked_keys(client).await,
                _ => {}
            }
        }
    }

    /// Deletes from the keychain the keys that were revoked while no event stream was open.
    async fn delete_revoked_keys(self: &Arc<Self>, client: &ApiClient) {
        let saved: Vec<String> = self.entries.lock().keys().cloned().collect();
        for id in saved {
            if is_key_revoked(client, &id).await {
                self.delete_from_keychain(&id).await;
            }
        }
    }

    /// Deletes a revoked key from the keychain. A failed deletion is tried again when an event stream is next opened.
    async fn delete_from_keychain(self: &Arc<Self>, id: &str) {
        let Some(saved) = self.entries.lock().get(id).cloned() else {
            return;
        };
        let name = saved.name.clone();
        match (self.remove)(saved).await {
            Ok(()) => {
                let (index, id) = (self.clone(), id.to_owned());
                // The update can wait for a lock, so it does not run on the threads that serve the window.
                let update = move || index.update_file(|entries| drop(entries.remove(&id)));
                let updated = tokio::task::spawn_blocking(update).await;
                if let Err(error) = updated.map_err(thread_panic_error).flatten() {
                    tracing::warn!(%error, "could not write the list of saved keys");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "could not delete a revoked key from the keychain");
                // Do not report a key that was removed from the index during the attempt to delete it.
                let entries = self.entries.lock();
                if entries.contains_key(id) {
                    let left_key = UndeletableKey { name, reason: UndeletableReason::from(&error) };
                    self.undeletable.send_if_modified(|left| left.insert(id.to_owned(), left_key).is_none());
                }
            }
        }
    }

    /// Changes the index file. Can block for [`LOCK_TIMEOUT`].
    fn update_file(&self, change: impl FnOnce(&mut BTreeMap<String, SavedKey>)) -> io::Result<()> {
        let _lock = lock_index(&self.path, LOCK_TIMEOUT)?;
        let mut entries = self.entries.lock();
        // Reread the file, because a `ul-keys` command in a terminal may have changed it.
        let mut changed = crate::files::read_json_before_replace(&self.path)?;
        change(&mut changed);
        crate::files::write_json(&self.path, &changed)?;
        self.undeletable.send_if_modified(|left| {
            let before = left.len();
            left.retain(|id, _| changed.contains_key(id));
            left.len() < before
        });
        *entries = changed;
        Ok(())
    }
}

/// Locks the index file for the time of a change, so that no other process changes it as well: the window and a
/// `ul-keys` command in a terminal would otherwise overwrite each other's entries. The lock is a separate file, because
/// each change replaces the index file. It is never deleted, because another process may be waiting for it.
///
/// Returns `None` if the file system does not support locks. The change is then made without a lock, because
/// simultaneous changes are rare, whereas without any change, no key could be saved, and no revoked key would leave the
/// list.
///
/// # Errors
/// Returns an error if the lock file cannot be opened, or if another process holds the lock for longer than `timeout`.
fn lock_index(index: &Path, timeout: Duration) -> io::Result<Option<File>> {
    if let Some(folder) = index.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let path = index.with_extension("lock");
    let deadline = Instant::now() + timeout;
    loop {
        match crate::files::try_lock_file(&path) {
            Ok(Some(lock)) => return Ok(Some(lock)),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(LOCK_POLL_INTERVAL),
            Ok(None) => {
                let text = format!("another program has locked {} and does not release it", path.display());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            Err(error) if ulkeys_store::is_locking_unsupported(&error) => {
                tracing::warn!(%error, "changing the list of saved keys without a lock");
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Returns whether the service reports the key as revoked. A key that the service does not recognize counts as not
/// revoked, because it may belong to another database.
async fn is_key_revoked(client: &ApiClient, id: &str) -> bool {
    let Some(id) = KeyId::parse(id) else {
        return false;
    };
    client.get_key(&id, DEFAULT_ROTATION_DAYS).await.is_ok_and(|key| key.revoked_at.is_some())
}

async fn remove_from_keychain(saved: SavedKey) -> Result<(), KeychainError> {
    let name = saved.name.clone();
    let work = move || match KeyPrefix::parse(&saved.key_prefix) {
        Some(prefix) => keychain::remove_key(&saved.name, &prefix),
        None => Ok(()),
    };
    keychain::run_unlocked(name, work).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Barrier;

    use rand::rngs::SysRng;
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;
    use ulkeys_api::CreateKey;
    use ulkeys_domain::RateLimits;
    use ulkeys_service::{Account, CheckpointConfig, Config, KeyService, SessionToken, Timing, TrainingConfig};
    use ulkeys_store::SqliteStore;

    use super::*;

    /// A fake keychain with at most one entry per name. The entries in `stuck` cannot be deleted.
    #[derive(Default)]
    struct FakeKeychain {
        names: BTreeSet<String>,
        stuck: BTreeSet<String>,
    }

    /// Creates an index in `folder`, and the fake keychain from which it deletes keys.
    fn index_and_keychain(folder: &Path) -> (Arc<KeychainIndex>, Arc<Mutex<FakeKeychain>>) {
        let keychain = Arc::<Mutex<FakeKeychain>>::default();
        let remove = {
            let keychain = keychain.clone();
            move |saved: SavedKey| -> BoxFuture<'static, _> {
                let mut keychain = keychain.lock();
                if keychain.stuck.contains(&saved.name) {
                    return Box::pin(std::future::ready(Err(KeychainError::Dismissed)));
                }
                keychain.names.remove(&saved.name);
                Box::pin(std::future::ready(Ok(())))
            }
        };
        let index = KeychainIndex::load_with_remover(folder.join("saved-keys.json"), Box::new(remove));
        (Arc::new(index), keychain)
    }

    /// Starts a service with a database in `folder`, and returns a client for it.
    async fn start_service(folder: &Path) -> (ApiClient, CancellationToken) {
        let store = Arc::new(SqliteStore::open(&folder.join("keys.db")).expect("a new database"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let session = SessionToken::generate(&mut SysRng).expect("randomness");
        let client = ApiClient::new(&url, session.expose()).expect("a client");
        let config = Config {
            session,
            account: Account { name: "Ada".to_owned(), username: "ada".to_owned() },
            clock: ulkeys_service::system_clock,
            limits: RateLimits::uniform(u32::MAX).into(),
            checkpoints: CheckpointConfig::in_folder(folder.join("checkpoints")),
            training: TrainingConfig::default(),
            database: None,
            timing: Timing::default(),
        };
        let shutdown = CancellationToken::new();
        let service = KeyService::load(store, config).await.expect("no keys");
        tokio::spawn(service.serve(vec![listener], shutdown.clone()));
        (client, shutdown)
    }

    async fn create_key(client: &ApiClient, name: &str) -> ApiKey {
        let key = CreateKey { name: name.to_owned(), scopes: vec!["read".to_owned()], replaces: None };
        client.create_key(&key, 90).await.expect("created").info
    }

    fn save_key(keychain_index: &KeychainIndex, keychain: &Mutex<FakeKeychain>, key: &ApiKey) {
        let save = || {
            keychain.lock().names.insert(key.name.clone());
            Ok(())
        };
        keychain_index.save_with(key, save).expect("saved");
    }

    fn keychain_names(keychain: &Mutex<FakeKeychain>) -> Vec<String> {
        keychain.lock().names.iter().cloned().collect()
    }

    fn undeletable_names(undeletable: &watch::Receiver<UndeletableKeys>) -> Vec<String> {
        undeletable.borrow().values().map(|left| left.name.clone()).collect()
    }

    #[tokio::test]
    async fn revoked_keys_are_deleted_from_keychain_and_others_stay() {
        let (before, now) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (client, shutdown) = start_service(before.path()).await;
        let (keychain_index, keychain) = index_and_keychain(now.path());
        // This key belongs to the first service's database, which the second service does not open.
        save_key(&keychain_index, &keychain, &create_key(&client, "elsewhere").await);
        shutdown.cancel();
        keychain_index.delete_revoked_keys(&client).await;
        assert_eq!(keychain_names(&keychain), ["elsewhere"], "the service is stopped");

        let (client, _) = start_service(now.path()).await;
        let gone = create_key(&client, "gone").await;
        for key in [&gone, &create_key(&client, "good").await] {
            save_key(&keychain_index, &keychain, key);
        }
        client.revoke_key(&gone.key_id).await.expect("revoked");
        keychain_index.delete_revoked_keys(&client).await;
        assert_eq!(keychain_names(&keychain), ["elsewhere", "good"]);
        let listed: Vec<_> = keychain_index.list_keys().into_iter().map(|saved| saved.name).collect();
        assert_eq!(listed, ["elsewhere", "good"]);
    }

    #[tokio::test]
    async fn undeletable_keys_are_published_until_deleted() {
        let folder = tempfile::tempdir().expect("a folder");
        let (client, _) = start_service(folder.path()).await;
        let (keychain_index, keychain) = index_and_keychain(folder.path());
        let keys =
            [create_key(&client, "one").await, create_key(&client, "two").await, create_key(&client, "three").await];
        for key in &keys {
            save_key(&keychain_index, &keychain, key);
            keychain.lock().stuck.insert(key.name.clone());
            client.revoke_key(&key.key_id).await.expect("revoked");
        }
        let mut undeletable = keychain_index.subscribe_undeletable();
        assert_eq!(undeletable_names(&undeletable), [""; 0]);
        keychain_index.delete_revoked_keys(&client).await;
        let mut all = undeletable_names(&undeletable);
        all.sort();
        assert_eq!(all, ["one", "three", "two"]);
        assert!(undeletable.borrow().values().all(|left| left.reason == UndeletableReason::Dismissed), "the reasons");

        // When a second attempt fails as well, no change is published.
        undeletable.mark_unchanged();
        keychain_index.delete_revoked_keys(&client).await;
        assert!(!undeletable.has_changed().expect("open"));

        keychain.lock().stuck.remove("one");
        keychain_index.delete_from_keychain(keys[0].key_id.as_str()).await;
        keychain_index.remove_entry("two").expect("written");
        assert_eq!(undeletable_names(&undeletable), ["three"]);
        // Saving another key under the same name overwrites the undeletable key, so the key is no longer reported.
        save_key(&keychain_index, &keychain, &create_key(&client, "three").await);
        assert_eq!(undeletable_names(&keychain_index.subscribe_undeletable()), [""; 0]);
        assert_eq!(keychain_names(&keychain), ["three", "two"]);
    }

    fn add_entry(index: &KeychainIndex, name: &str) -> io::Result<()> {
        let saved = SavedKey { name: name.to_owned(), key_prefix: "ul_01234567".to_owned() };
        index.update_file(|entries| drop(entries.insert(name.to_owned(), saved)))
    }

    /// The lock belongs to an open file, so two indexes exclude each other in one process as they do in two.
    #[test]
    fn simultaneous_updates_of_two_indexes_keep_all_entries() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("saved-keys.json");
        // Both threads begin each round together, so that their updates overlap.
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            for thread in ["window", "terminal"] {
                let (path, barrier) = (path.clone(), &barrier);
                scope.spawn(move || {
                    let index = KeychainIndex::load(path);
                    let add_in_round = |round| {
                        barrier.wait();
                        add_entry(&index, &format!("{thread}-{round}")).err()
                    };
                    let errors: Vec<_> = (0..50).filter_map(add_in_round).collect();
                    assert!(errors.is_empty(), "{errors:?}");
                });
            }
        });
        assert_eq!(KeychainIndex::load(path).list_keys().len(), 100);
    }

    #[test]
    fn update_of_locked_index_names_lock_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let index = folder.path().join("config/saved-keys.json");
        let _lock = lock_index(&index, Duration::ZERO).expect("the folder is created").expect("free");
        let error = lock_index(&index, Duration::ZERO).expect_err("held").to_string();
        assert!(error.contains(&folder.path().join("config/saved-keys.lock").display().to_string()), "{error}");
    }

    /// The environment variable with the path of the index to which [`child_process_adds_entry`] adds an entry.
    const INDEX_PATH_VARIABLE: &str = "UL_KEYS_TEST_INDEX";

    /// Tests nothing by itself: [`update_without_file_locks_writes_index`] runs it in a separate process under strace.
    #[test]
    fn child_process_adds_entry() {
        if let Some(path) = std::env::var_os(INDEX_PATH_VARIABLE) {
            add_entry(&KeychainIndex::load(path.into()), "trainer").expect("written");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn update_without_file_locks_writes_index() {
        for error in ["ENOSYS", "ENOLCK", "EOPNOTSUPP", "EINVAL"] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("saved-keys.json");
            let output = std::process::Command::new("strace")
                .args([
                    "-f",
                    "-qq",
                    "-o",
                    "/dev/null",
                    "-e",
                    "trace=flock",
                    "-e",
                    &format!("inject=flock:error={error}"),
                ])
                .arg(std::env::current_exe().expect("this program"))
                .args(["--exact", "keychain_index::tests::child_process_adds_entry"])
                .env(INDEX_PATH_VARIABLE, &path)
                .output()
                .expect("strace");
            let names: Vec<_> = KeychainIndex::load(path).list_keys().into_iter().map(|saved| saved.name).collect();
            assert_eq!(names, ["trainer"], "{error}: {}", String::from_utf8_lossy(&output.stdout));
        }
    }
}
