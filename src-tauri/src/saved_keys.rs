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
use ts_rs::TS;
use ulkeys_client::Client;
use ulkeys_domain::wire::{ApiKey, ErrorCode, KeyEvent};
use ulkeys_domain::{KeyId, KeyPrefix};

use crate::embedded::KeyService;
use crate::keychain;

/// The pause before a broken event stream is opened again.
const RECONNECT: Duration = Duration::from_secs(2);

/// The file, and what could not be removed.
pub(crate) struct SavedKeys {
    path: PathBuf,
    entries: Mutex<BTreeMap<String, SavedKey>>,
    left_behind: watch::Sender<Option<LeftBehind>>,
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

/// A revoked key that is still in the keychain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeftBehind {
    name: String,
    code: ErrorCode,
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

    /// Remembers a key that was saved, instead of any that had its name.
    pub(crate) fn add(&self, key: &ApiKey) -> std::io::Result<()> {
        let saved = SavedKey { name: key.name.clone(), key_prefix: key.key_prefix.clone() };
        self.change(|entries| {
            entries.retain(|_, other| other.name != saved.name);
            entries.insert(key.key_id.as_str().to_owned(), saved);
        })
    }

    /// Forgets the key of this name, which is no longer in the keychain.
    pub(crate) fn remove_name(&self, name: &str) -> std::io::Result<()> {
        self.change(|entries| entries.retain(|_, saved| saved.name != name))
    }

    /// The last revoked key that could not be removed from the keychain.
    pub(crate) fn left_behind(&self) -> watch::Receiver<Option<LeftBehind>> {
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
                self.left_behind.send_replace(Some(LeftBehind { name: saved.name, code: error.code() }));
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, SavedKey>)) -> std::io::Result<()> {
        let mut entries = self.entries();
        let mut changed = entries.clone();
        change(&mut changed);
        crate::files::write_json(&self.path, &changed)?;
        *entries = changed;
        Ok(())
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, SavedKey>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
