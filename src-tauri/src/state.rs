//! What the commands share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;
use ulkeys_client::ApiClient;
use ulkeys_domain::wire::ErrorCode;
use ulkeys_service::TrainingConfig;

use crate::clipboard::Clipboard;
use crate::closing::Closing;
use crate::embedded::KeyService;
use crate::error::CommandError;
use crate::menu::MenuAction;
use crate::one_time::OneTime;
use crate::paths::{Paths, Places};
use crate::saved_keys::SavedKeys;
use crate::settings::Settings;

pub(crate) struct AppState {
    pub(crate) service: Arc<KeyService>,
    pub(crate) settings: Settings,
    pub(crate) clipboard: Arc<Clipboard>,
    pub(crate) one_time: Arc<OneTime>,
    pub(crate) saved_keys: Arc<SavedKeys>,
    pub(crate) closing: Closing,
    /// Whether a screen reader is running.
    pub(crate) screen_reader: watch::Sender<bool>,
    pub(crate) places: Places,
    /// The folder for what WebKit keeps of the windows' pages.
    pub(crate) web_cache: PathBuf,
    /// What was chosen in the menu.
    pub(crate) menu: broadcast::Sender<MenuAction>,
    /// By the window's label.
    watchers: Mutex<HashMap<String, AbortHandle>>,
}

impl AppState {
    pub(crate) fn new(paths: Paths) -> Self {
        let places = Places::from(&paths);
        let settings = Settings::load(paths.settings);
        let days = |days: u32| Duration::from_hours(24 * u64::from(days));
        let limits = settings.follow(|preferences| preferences.limits);
        let training = TrainingConfig {
            limits: settings.follow(|preferences| preferences.storage),
            retention: settings.follow(move |preferences| preferences.run_days.map(days)),
        };
        Self {
            places,
            web_cache: paths.web_cache,
            service: Arc::new(KeyService::new(paths.database, paths.revocations, limits, training)),
            settings,
            clipboard: Arc::default(),
            one_time: Arc::default(),
            closing: Closing::default(),
            screen_reader: watch::Sender::default(),
            saved_keys: Arc::new(SavedKeys::load(paths.saved_keys)),
            menu: broadcast::channel(16).0,
            watchers: Mutex::default(),
        }
    }

    /// The client of the running service.
    pub(crate) fn client(&self) -> Result<ApiClient, CommandError> {
        self.service
            .client()
            .ok_or_else(|| CommandError::new(ErrorCode::ServiceUnavailable, "the key service is not running"))
    }

    /// Keeps the task that tells a window's page of changes, ending the one before. `None` when the page goes.
    pub(crate) fn set_watcher(&self, window: &str, watcher: Option<AbortHandle>) {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        let previous = match watcher {
            Some(watcher) => watchers.insert(window.to_owned(), watcher),
            None => watchers.remove(window),
        };
        if let Some(previous) = previous {
            previous.abort();
        }
    }
}
