//! Which keys this app has saved in the keychain, and under which name: so that revoking a key removes it there, and
//! revoking any other key asks nothing of the keychain.
//!
//! A file of names and prefixes, no plaintext. Deliberately absent: keys that other programs have put there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use ulkeys_client::Client;
use ulkeys_domain::wire::{ApiKey, KeyEvent};
use ulkeys_domain::{KeyId, KeyPrefix};

use crate::embedded::KeyService;
use crate::keychain::{self, KeychainError};

/// The pause before a broken event stream is opened again.
const RECONNECT: Duration = Duration::from_secs(2);

/// The file, and what could not be removed.
pub(crate) struct SavedKeys {
    path: PathBuf,
    entries: Mutex<BTreeMap<String, SavedKey>>,
    left_behind: watch::Sender<Option<String>>,
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
        let entries = crate::files::read_json(&path);
        Self { path, entries: Mutex::new(entries), left_behind: watch::channel(None).0 }
    }

    /// The keys, by name.
    pub(crate) fn list(&self) -> Vec<SavedKey> {
        let mut keys: Vec<_> = self.entries().values().cloned().collect();
        keys.sort_by(|one, other| one.name.cmp(&other.name));
        keys
    }

    /// The name under which a key was saved.
    pub(crate) fn name_of(&self, id: &KeyId) -> Option<String> {
        // The command line may have changed it.
        let entries: BTreeMap<String, SavedKey> = crate::files::read_json(&self.path);
        entries.get(id.as_str()).map(|saved| saved.name.clone())
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
        let cannot = |error: std::io::Error| KeychainError::Failed(format!("the list of saved keys: {error}"));
        let was_there = self.entries().contains_key(id);
        self.change(|entries| drop(entries.insert(id.to_owned(), saved.clone()))).map_err(cannot)?;
        match save() {
            Ok(()) => self
                .change(|entries| entries.retain(|other, entry| other == id || entry.name != saved.name))
                .map_err(cannot),
            Err(error) if was_there => Err(error),
            Err(error) => {
                self.change(|entries| drop(entries.remove(id))).map_err(cannot)?;
                Err(error)
            }
        }
    }

    /// Forgets the key of this name, which is no longer in the keychain.
    pub(crate) fn remove_name(&self, name: &str) -> std::io::Result<()> {
        self.change(|entries| entries.retain(|_, saved| saved.name != name))
    }

    /// The name of the last revoked key that could not be removed from the keychain.
    pub(crate) fn left_behind(&self) -> watch::Receiver<Option<String>> {
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

    async fn follow_events(&self, client: &Client) {
        let Ok(mut events) = client.events().await else {
            return;
        };
        while let Some(event) = events.next().await {
            match event {
                KeyEvent::Revoked(revoked) => self.forget(revoked.key_id.as_str()).await,
                KeyEvent::Resync if !self.entries().is_empty() => {
                    let Ok(list) = client.list_keys().await else {
                        continue;
                    };
                    let active: Vec<KeyId> = list.keys.into_iter().map(|key| key.key_id).collect();
                    let saved: Vec<String> = self.entries().keys().cloned().collect();
                    for id in saved.iter().filter(|id| !active.iter().any(|active| active.as_str() == *id)) {
                        self.forget(id).await;
                    }
                }
                _ => {}
            }
        }
    }

    /// Removes a revoked key from the keychain. One that stays is tried again at the next start.
    async fn forget(&self, id: &str) {
        let Some(saved) = self.entries().get(id).cloned() else {
            return;
        };
        let forgotten = keychain::work({
            let saved = saved.clone();
            move || match KeyPrefix::parse(&saved.key_prefix) {
                Some(prefix) => keychain::forget_key(&saved.name, &prefix),
                None => Ok(()),
            }
        });
        match forgotten.await {
            Ok(()) => {
                if let Err(error) = self.change(|entries| drop(entries.remove(id))) {
                    tracing::warn!(%error, "the list of saved keys cannot be written");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a revoked key stays in the keychain");
                self.left_behind.send_replace(Some(saved.name));
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, SavedKey>)) -> std::io::Result<()> {
        let mut entries = self.entries();
        // The command line may have changed it.
        let mut changed = crate::files::read_json(&self.path);
        change(&mut changed);
        crate::files::write_json(&self.path, &changed)?;
        *entries = changed;
        Ok(())
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, SavedKey>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
