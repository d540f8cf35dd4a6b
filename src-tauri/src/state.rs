//! What the commands share.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::AbortHandle;
use ulkeys_client::Client;
use ulkeys_domain::wire::ErrorCode;

use crate::clipboard::Clipboard;
use crate::embedded::KeyService;
use crate::error::CommandError;
use crate::paths::Paths;
use crate::secret::HeldSecret;
use crate::settings::Settings;

pub(crate) struct AppState {
    pub(crate) service: Arc<KeyService>,
    pub(crate) settings: Settings,
    pub(crate) clipboard: Arc<Clipboard>,
    pub(crate) held_secret: HeldSecret,
    watcher: Mutex<Option<AbortHandle>>,
}

impl AppState {
    pub(crate) fn new(paths: Paths) -> Self {
        Self {
            service: Arc::new(KeyService::new(paths.database)),
            settings: Settings::load(paths.settings),
            clipboard: Arc::default(),
            held_secret: HeldSecret::default(),
            watcher: Mutex::default(),
        }
    }

    /// The client of the running service.
    pub(crate) fn client(&self) -> Result<Client, CommandError> {
        self.service
            .client()
            .ok_or_else(|| CommandError::new(ErrorCode::ServiceUnavailable, "the key service is not running"))
    }

    /// Keeps the task that tells the page of changes, ending the one before. `None` when the page goes.
    pub(crate) fn set_watcher(&self, watcher: Option<AbortHandle>) {
        let mut slot = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(previous) = std::mem::replace(&mut *slot, watcher) {
            previous.abort();
        }
    }
}
