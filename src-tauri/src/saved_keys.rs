//! Which keys this app has saved in the keychain, and under which name: so that revoking a key removes it there, and
//! revoking any other key asks nothing of the keychain.
//!
//! A file of names and prefixes, no plaintext. A key that the service does not know stays where it is: it may be one of a
//! database that comes back. Deliberately absent: keys that other programs have put there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use ts_rs::TS;
use ulkeys_client::ApiClient;
use ulkeys_domain::wire::{ApiKey, KeyEvent};
use ulkeys_domain::{DEFAULT_ROTATION_DAYS, KeyId, KeyPrefix};

use crate::embedded::KeyService;
use crate::file_problem::reason;
use crate::keychain::{self, KeychainError};

/// The pause before a broken event stream is opened again.
const RECONNECT: Duration = Duration::from_secs(2);

/// Removes a key from the keychain.
type Remove = dyn Fn(SavedKey) -> BoxFuture<'static, Result<(), KeychainError>> + Send + Sync;

/// The file, and what could not be removed.
pub(crate) struct SavedKeys {
    path: PathBuf,
    /// Why the file could not be read.
    problem: Option<String>,
    entries: Mutex<BTreeMap<String, SavedKey>>,
    left_behind: watch::Sender<LeftBehind>,
    remove: Box<Remove>,
}

/// The revoked keys that could not be removed from the keychain, by their identifiers.
pub(crate) type LeftBehind = BTreeMap<String, LeftKey>;

/// A revoked key that could not be removed from the keychain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftKey {
    /// Its name when it was saved.
    pub(crate) name: String,
    /// Why it is still there.
    pub(crate) reason: LeftReason,
}

/// Why a key stays in the keychain, as far as a person can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum LeftReason {
    /// The keychain is locked.
    Locked,
    /// The person closed its question.
    Dismissed,
    /// No keychain answers.
    Unreachable,
    /// The keychain failed.
    Failed,
}

impl From<&KeychainError> for LeftReason {
    fn from(error: &KeychainError) -> Self {
        match error {
            KeychainError::Locked => Self::Locked,
            KeychainError::Refused => Self::Dismissed,
            KeychainError::Missing | KeychainError::Silent => Self::Unreachable,
            KeychainError::Taken
            | KeychainError::NoEntry
            | KeychainError::Several
            | KeychainError::List(_)
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

impl SavedKeys {
    pub(crate) fn load(path: PathBuf) -> Self {
        Self::load_with(path, Box::new(|saved| Box::pin(remove(saved))))
    }

    fn load_with(path: PathBuf, remove: Box<Remove>) -> Self {
        let (entries, problem) = match crate::files::read_json(&path) {
            Ok(entries) => (entries, None),
            Err(error) => {
                let problem = format!("the list of saved keys, {}, cannot be read: {}", path.display(), reason(&error));
                tracing::warn!("{problem}");
                (BTreeMap::new(), Some(problem))
            }
        };
        Self { path, problem, entries: Mutex::new(entries), left_behind: watch::Sender::default(), remove }
    }

    /// Why the list could not be read, and is empty.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// The keys, by name.
    pub(crate) fn list(&self) -> Vec<SavedKey> {
        let mut keys: Vec<_> = self.entries().values().cloned().collect();
        keys.sort_by(|one, other| one.name.cmp(&other.name));
        keys
    }

    /// The name under which a key was saved.
    pub(crate) fn name_of(&self, id: &KeyId) -> Option<String> {
        self.read_again().ok()?.get(id.as_str()).map(|saved| saved.name.clone())
    }

    /// The beginnings of the keys that were saved under a name.
    pub(crate) fn prefixes_of(&self, name: &str) -> Vec<KeyPrefix> {
        let entries = self.read_again().unwrap_or_else(|_| self.entries().clone());
        let saved = entries.values().filter(|saved| saved.name == name);
        saved.filter_map(|saved| KeyPrefix::parse(&saved.key_prefix)).collect()
    }

    /// Reads the file again, because the command line may have changed it.
    fn read_again(&self) -> std::io::Result<BTreeMap<String, SavedKey>> {
        crate::files::read_json(&self.path)
    }

    /// Remembers a key and then saves it, so that no crash in between leaves an entry that nobody knows of. What had its
    /// name is replaced by it.
    pub(crate) fn saving(
        &self,
        key: &ApiKey,
        save: impl FnOnce() -> Result<(), KeychainError>,
    ) -> Result<(), KeychainError> {
        let id = key.key_id.as_str();
        let saved = SavedKey { name: key.name.clone(), key_prefix: key.key_prefix.clone() };
        let was_there = self.entries().contains_key(id);
        self.change(|entries| drop(entries.insert(id.to_owned(), saved.clone()))).map_err(KeychainError::List)?;
        match save() {
            Ok(()) => self
                .change(|entries| entries.retain(|other, entry| other == id || entry.name != saved.name))
                .map_err(KeychainError::List),
            Err(error) if was_there => Err(error),
            Err(error) => {
                self.change(|entries| drop(entries.remove(id))).map_err(KeychainError::List)?;
                Err(error)
            }
        }
    }

    /// Forgets the key of this name, which is no longer in the keychain.
    pub(crate) fn remove_name(&self, name: &str) -> std::io::Result<()> {
        self.change(|entries| entries.retain(|_, saved| saved.name != name))
    }

    /// The revoked keys that could not be removed from the keychain, and are still there.
    pub(crate) fn left_behind(&self) -> watch::Receiver<LeftBehind> {
        self.left_behind.subscribe()
    }

    /// Takes revoked keys out of the keychain, as soon as they are revoked by whomever. Runs until the app ends.
    pub(crate) async fn follow(&self, service: &KeyService) {
        let mut status = service.subscribe();
        loop {
            status.borrow_and_update();
            if let Some(client) = service.client() {
                tokio::select! {
                    changed = status.changed() => if changed.is_err() { return },
                    () = self.follow_events(&client) => tokio::time::sleep(RECONNECT).await,
                }
            } else if status.changed().await.is_err() {
                return;
            }
        }
    }

    async fn follow_events(&self, client: &ApiClient) {
        let Ok(mut events) = client.events().await else {
            return;
        };
        while let Some(event) = events.next().await {
            match event {
                KeyEvent::Revoked(revoked) => self.forget(revoked.key_id.as_str()).await,
                KeyEvent::Resync => self.forget_revoked(client).await,
                _ => {}
            }
        }
    }

    /// Removes the keys that were revoked while nobody followed.
    async fn forget_revoked(&self, client: &ApiClient) {
        let saved: Vec<String> = self.entries().keys().cloned().collect();
        for id in saved {
            if is_revoked(client, &id).await {
                self.forget(&id).await;
            }
        }
    }

    /// Removes a revoked key from the keychain. One that stays is tried again at the next start.
    async fn forget(&self, id: &str) {
        let Some(saved) = self.entries().get(id).cloned() else {
            return;
        };
        let name = saved.name.clone();
        match (self.remove)(saved).await {
            Ok(()) => {
                if let Err(error) = self.change(|entries| drop(entries.remove(id))) {
                    tracing::warn!(%error, "the list of saved keys cannot be written");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a revoked key stays in the keychain");
                // Unless it was forgotten meanwhile.
                let entries = self.entries();
                if entries.contains_key(id) {
                    let left_key = LeftKey { name, reason: LeftReason::from(&error) };
                    self.left_behind.send_if_modified(|left| left.insert(id.to_owned(), left_key).is_none());
                }
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, SavedKey>)) -> std::io::Result<()> {
        let mut entries = self.entries();
        // The command line may have changed it.
        let mut changed = crate::files::read_to_replace(&self.path)?;
        change(&mut changed);
        crate::files::write_json(&self.path, &changed)?;
        self.left_behind.send_if_modified(|left| {
            let before = left.len();
            left.retain(|id, _| changed.contains_key(id));
            left.len() < before
        });
        *entries = changed;
        Ok(())
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, SavedKey>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the service knows that a key is revoked. One that it does not know may be good elsewhere.
async fn is_revoked(client: &ApiClient, id: &str) -> bool {
    let Some(id) = KeyId::parse(id) else {
        return false;
    };
    client.get_key(&id, DEFAULT_ROTATION_DAYS).await.is_ok_and(|key| key.revoked_at.is_some())
}

async fn remove(saved: SavedKey) -> Result<(), KeychainError> {
    let name = saved.name.clone();
    let work = move || match KeyPrefix::parse(&saved.key_prefix) {
        Some(prefix) => keychain::forget_key(&saved.name, &prefix),
        None => Ok(()),
    };
    keychain::work(name, work).await
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
    use ulkeys_service::{Account, CheckpointConfig, Config, SessionToken, TrainingConfig};
    use ulkeys_store::SqliteStore;

    use super::*;

    /// Names in a keychain of which some stay where they are.
    #[derive(Default)]
    struct Keychain {
        names: BTreeSet<String>,
        stuck: BTreeSet<String>,
    }

    /// Saved keys in `folder`, and the keychain that they are in.
    fn saved_keys(folder: &Path) -> (SavedKeys, Arc<Mutex<Keychain>>) {
        let keychain = Arc::<Mutex<Keychain>>::default();
        let remove = {
            let keychain = keychain.clone();
            move |saved: SavedKey| -> BoxFuture<'static, _> {
                let mut keychain = keychain.lock().expect("no panic");
                if keychain.stuck.contains(&saved.name) {
                    return Box::pin(std::future::ready(Err(KeychainError::Refused)));
                }
                keychain.names.remove(&saved.name);
                Box::pin(std::future::ready(Ok(())))
            }
        };
        (SavedKeys::load_with(folder.join("saved-keys.json"), Box::new(remove)), keychain)
    }

    /// A service with a database in `folder`, and its client.
    async fn service(folder: &Path) -> (ApiClient, CancellationToken) {
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
        };
        let shutdown = CancellationToken::new();
        tokio::spawn(ulkeys_service::serve(vec![listener], store, config, shutdown.clone()));
        (client, shutdown)
    }

    async fn make(client: &ApiClient, name: &str) -> ApiKey {
        let key = CreateKey { name: name.to_owned(), scopes: vec!["read".to_owned()], replaces: None };
        client.create_key(&key).await.expect("made").info
    }

    fn save(saved_keys: &SavedKeys, keychain: &Mutex<Keychain>, key: &ApiKey) {
        let save = || {
            keychain.lock().expect("no panic").names.insert(key.name.clone());
            Ok(())
        };
        saved_keys.saving(key, save).expect("saved");
    }

    fn names(keychain: &Mutex<Keychain>) -> Vec<String> {
        keychain.lock().expect("no panic").names.iter().cloned().collect()
    }

    fn left(left_behind: &watch::Receiver<LeftBehind>) -> Vec<String> {
        left_behind.borrow().values().map(|left| left.name.clone()).collect()
    }

    #[tokio::test]
    async fn what_the_service_knows_to_be_revoked_leaves_the_keychain_and_nothing_else() {
        let (before, now) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (client, shutdown) = service(before.path()).await;
        let (saved_keys, keychain) = saved_keys(now.path());
        // Of a database that somebody has moved away.
        save(&saved_keys, &keychain, &make(&client, "elsewhere").await);
        shutdown.cancel();
        saved_keys.forget_revoked(&client).await;
        assert_eq!(names(&keychain), ["elsewhere"], "nobody answers");

        let (client, _) = service(now.path()).await;
        let gone = make(&client, "gone").await;
        for key in [&gone, &make(&client, "good").await] {
            save(&saved_keys, &keychain, key);
        }
        client.revoke_key(&gone.key_id).await.expect("revoked");
        saved_keys.forget_revoked(&client).await;
        assert_eq!(names(&keychain), ["elsewhere", "good"]);
        let listed: Vec<_> = saved_keys.list().into_iter().map(|saved| saved.name).collect();
        assert_eq!(listed, ["elsewhere", "good"]);
    }

    #[tokio::test]
    async fn all_that_stay_are_told_until_they_have_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let (client, _) = service(folder.path()).await;
        let (saved_keys, keychain) = saved_keys(folder.path());
        let keys = [make(&client, "one").await, make(&client, "two").await, make(&client, "three").await];
        for key in &keys {
            save(&saved_keys, &keychain, key);
            keychain.lock().expect("no panic").stuck.insert(key.name.clone());
            client.revoke_key(&key.key_id).await.expect("revoked");
        }
        let mut left_behind = saved_keys.left_behind();
        assert_eq!(left(&left_behind), [""; 0]);
        saved_keys.forget_revoked(&client).await;
        let mut all = left(&left_behind);
        all.sort();
        assert_eq!(all, ["one", "three", "two"]);
        assert!(left_behind.borrow().values().all(|left| left.reason == LeftReason::Dismissed), "true reasons");

        // Trying again in vain is no news.
        left_behind.mark_unchanged();
        saved_keys.forget_revoked(&client).await;
        assert!(!left_behind.has_changed().expect("open"));

        keychain.lock().expect("no panic").stuck.remove("one");
        saved_keys.forget(keys[0].key_id.as_str()).await;
        saved_keys.remove_name("two").expect("written");
        assert_eq!(left(&left_behind), ["three"]);
        // Another key takes its place.
        save(&saved_keys, &keychain, &make(&client, "three").await);
        assert_eq!(left(&saved_keys.left_behind()), [""; 0]);
        assert_eq!(names(&keychain), ["three", "two"]);
    }
}
