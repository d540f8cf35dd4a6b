//! Which keys this app has saved in the keychain, and under which name: so that revoking a key removes it there, and
//! revoking any other key asks nothing of the keychain.
//!
//! A file of names and prefixes, no plaintext. A key that the service does not know stays where it is: it may be one of
//! a database that comes back. Deliberately absent: keys that other programs have put there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use ts_rs::TS;
use ulkeys_client::ApiClient;
use ulkeys_domain::wire::{ApiKey, KeyEvent};
use ulkeys_domain::{DEFAULT_ROTATION_DAYS, KeyId, KeyPrefix};

use crate::file_problem::describe_io_error;
use crate::keychain::{self, KeychainError};
use crate::service_supervisor::ServiceSupervisor;

/// The pause before a broken event stream is opened again.
const RECONNECT_DELAY: Duration = Duration::from_secs(2);

/// Removes a key from the keychain.
type RemoveKeyFn = dyn Fn(SavedKey) -> BoxFuture<'static, Result<(), KeychainError>> + Send + Sync;

/// The file, and what could not be removed.
pub(crate) struct KeychainIndex {
    path: PathBuf,
    /// Why the file could not be read.
    read_error: Option<String>,
    entries: Mutex<BTreeMap<String, SavedKey>>,
    undeletable: watch::Sender<UndeletableKeys>,
    remove: Box<RemoveKeyFn>,
}

/// The revoked keys that could not be removed from the keychain, by their identifiers.
pub(crate) type UndeletableKeys = BTreeMap<String, UndeletableKey>;

/// A revoked key that could not be removed from the keychain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UndeletableKey {
    /// Its name when it was saved.
    pub(crate) name: String,
    /// Why it is still there.
    pub(crate) reason: UndeletableReason,
}

/// Why a key stays in the keychain, as far as a person can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum UndeletableReason {
    /// The keychain is locked.
    Locked,
    /// The person closed its question.
    Dismissed,
    /// No keychain answers.
    Unreachable,
    /// The keychain failed.
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

/// A key in the keychain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SavedKey {
    /// Its name when it was saved, which is the account of its entry.
    pub(crate) name: String,
    /// Its first 11 characters.
    pub(crate) key_prefix: String,
}

impl KeychainIndex {
    pub(crate) fn load(path: PathBuf) -> Self {
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

    /// Why the list could not be read, and is empty.
    pub(crate) fn read_error(&self) -> Option<&str> {
        self.read_error.as_deref()
    }

    /// The keys, by name.
    pub(crate) fn list_keys(&self) -> Vec<SavedKey> {
        let mut keys: Vec<_> = self.entries.lock().values().cloned().collect();
        keys.sort_by(|one, other| one.name.cmp(&other.name));
        keys
    }

    /// The name under which a key was saved.
    pub(crate) fn name_of(&self, id: &KeyId) -> Option<String> {
        self.read_entries().ok()?.get(id.as_str()).map(|saved| saved.name.clone())
    }

    /// The beginnings of the keys that were saved under a name.
    pub(crate) fn prefixes_of(&self, name: &str) -> Vec<KeyPrefix> {
        let entries = self.read_entries().unwrap_or_else(|_| self.entries.lock().clone());
        let saved = entries.values().filter(|saved| saved.name == name);
        saved.filter_map(|saved| KeyPrefix::parse(&saved.key_prefix)).collect()
    }

    /// Reads the file again, because the command line may have changed it.
    fn read_entries(&self) -> std::io::Result<BTreeMap<String, SavedKey>> {
        crate::files::read_json(&self.path)
    }

    /// Adds a key to the index and then saves it, so that a crash in between leaves no entry that the index lacks. It
    /// replaces another key of the same name.
    pub(crate) fn save_with(
        &self,
        key: &ApiKey,
        save: impl FnOnce() -> Result<(), KeychainError>,
    ) -> Result<(), KeychainError> {
        let id = key.key_id.as_str();
        let saved = SavedKey { name: key.name.clone(), key_prefix: key.key_prefix.clone() };
        let was_there = self.entries.lock().contains_key(id);
        self.update_file(|entries| drop(entries.insert(id.to_owned(), saved.clone())))
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

    /// Removes the key of this name, which is no longer in the keychain, from the index.
    pub(crate) fn remove_entry(&self, name: &str) -> std::io::Result<()> {
        self.update_file(|entries| entries.retain(|_, saved| saved.name != name))
    }

    /// The revoked keys that could not be removed from the keychain, and are still there.
    pub(crate) fn subscribe_undeletable(&self) -> watch::Receiver<UndeletableKeys> {
        self.undeletable.subscribe()
    }

    /// Deletes keys from the keychain as soon as they are revoked, by any client. Runs until the app ends.
    pub(crate) async fn watch_revocations(&self, service: &ServiceSupervisor) {
        let mut status = service.subscribe_status();
        loop {
            status.borrow_and_update();
            if let Some(client) = service.api_client() {
                tokio::select! {
                    changed = status.changed() => if changed.is_err() { return },
                    () = self.watch_revocation_events(&client) => tokio::time::sleep(RECONNECT_DELAY).await,
                }
            } else if status.changed().await.is_err() {
                return;
            }
        }
    }

    async fn watch_revocation_events(&self, client: &ApiClient) {
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

    /// Deletes the keys that were revoked while no event stream was open.
    async fn delete_revoked_keys(&self, client: &ApiClient) {
        let saved: Vec<String> = self.entries.lock().keys().cloned().collect();
        for id in saved {
            if is_key_revoked(client, &id).await {
                self.delete_from_keychain(&id).await;
            }
        }
    }

    /// Removes a revoked key from the keychain. One that stays is tried again at the next start.
    async fn delete_from_keychain(&self, id: &str) {
        let Some(saved) = self.entries.lock().get(id).cloned() else {
            return;
        };
        let name = saved.name.clone();
        match (self.remove)(saved).await {
            Ok(()) => {
                if let Err(error) = self.update_file(|entries| drop(entries.remove(id))) {
                    tracing::warn!(%error, "the list of saved keys cannot be written");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a revoked key stays in the keychain");
                // Unless its entry was removed in between.
                let entries = self.entries.lock();
                if entries.contains_key(id) {
                    let left_key = UndeletableKey { name, reason: UndeletableReason::from(&error) };
                    self.undeletable.send_if_modified(|left| left.insert(id.to_owned(), left_key).is_none());
                }
            }
        }
    }

    fn update_file(&self, change: impl FnOnce(&mut BTreeMap<String, SavedKey>)) -> std::io::Result<()> {
        let mut entries = self.entries.lock();
        // The command line may have changed it.
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

/// Whether the service knows that a key is revoked. One that it does not know may be good elsewhere.
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
    use std::path::Path;
    use std::sync::Arc;

    use rand::rngs::SysRng;
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;
    use ulkeys_domain::RateLimits;
    use ulkeys_domain::wire::CreateKey;
    use ulkeys_service::{Account, CheckpointConfig, Config, SessionToken, Timing, TrainingConfig};
    use ulkeys_store::SqliteStore;

    use super::*;

    /// Names in a keychain of which some stay where they are.
    #[derive(Default)]
    struct FakeKeychain {
        names: BTreeSet<String>,
        stuck: BTreeSet<String>,
    }

    /// Saved keys in `folder`, and the keychain that they are in.
    fn index_and_keychain(folder: &Path) -> (KeychainIndex, Arc<Mutex<FakeKeychain>>) {
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
        (KeychainIndex::load_with_remover(folder.join("saved-keys.json"), Box::new(remove)), keychain)
    }

    /// A service with a database in `folder`, and its client.
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
            timing: Timing::default(),
        };
        let shutdown = CancellationToken::new();
        tokio::spawn(ulkeys_service::serve(vec![listener], store, config, shutdown.clone()));
        (client, shutdown)
    }

    async fn create_key(client: &ApiClient, name: &str) -> ApiKey {
        let key = CreateKey { name: name.to_owned(), scopes: vec!["read".to_owned()], replaces: None };
        client.create_key(&key).await.expect("made").info
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
        // Of a database that somebody has moved away.
        save_key(&keychain_index, &keychain, &create_key(&client, "elsewhere").await);
        shutdown.cancel();
        keychain_index.delete_revoked_keys(&client).await;
        assert_eq!(keychain_names(&keychain), ["elsewhere"], "nobody answers");

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
        assert!(undeletable.borrow().values().all(|left| left.reason == UndeletableReason::Dismissed), "true reasons");

        // A retry that fails again publishes nothing.
        undeletable.mark_unchanged();
        keychain_index.delete_revoked_keys(&client).await;
        assert!(!undeletable.has_changed().expect("open"));

        keychain.lock().stuck.remove("one");
        keychain_index.delete_from_keychain(keys[0].key_id.as_str()).await;
        keychain_index.remove_entry("two").expect("written");
        assert_eq!(undeletable_names(&undeletable), ["three"]);
        // Another key takes its place.
        save_key(&keychain_index, &keychain, &create_key(&client, "three").await);
        assert_eq!(undeletable_names(&keychain_index.subscribe_undeletable()), [""; 0]);
        assert_eq!(keychain_names(&keychain), ["three", "two"]);
    }
}
