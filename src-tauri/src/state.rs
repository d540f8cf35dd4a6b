//! The state that all commands share.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;
use ulkeys_client::ApiClient;
use ulkeys_local::keychain_index::KeychainIndex;
use ulkeys_local::paths::{FileLocations, Paths};
use ulkeys_local::settings::{Closing, Settings};
use ulkeys_local::start_at_login::LoginEntry;
use ulkeys_service::{Setting, TrainingConfig};

use crate::clipboard::Clipboard;
use crate::error::{AppErrorCode, CommandError};
use crate::menu::MenuAction;
use crate::one_time_secret::OneTimeSecret;
use crate::quit_confirmation::QuitConfirmation;
use crate::service_supervisor::{ServiceSupervisor, find_background_program};

pub(crate) struct AppState {
    pub(crate) service: Arc<ServiceSupervisor>,
    pub(crate) settings: Settings,
    pub(crate) clipboard: Arc<Clipboard>,
    pub(crate) one_time: Arc<OneTimeSecret>,
    pub(crate) keychain_index: Arc<KeychainIndex>,
    pub(crate) quit_confirmation: QuitConfirmation,
    /// Whether a screen reader is running.
    pub(crate) screen_reader: watch::Sender<bool>,
    pub(crate) file_locations: FileLocations,
    /// Starts the service at login; `None` if this system cannot do that.
    pub(crate) login_entry: Option<LoginEntry>,
    /// The folder for WebKit's cache.
    pub(crate) web_cache: PathBuf,
    /// Sends the actions that the user selects in the menu to the list window's page.
    pub(crate) menu_actions: broadcast::Sender<MenuAction>,
    /// The tasks that send events to the windows' pages, by window label.
    event_tasks: Mutex<HashMap<String, AbortHandle>>,
}

impl AppState {
    pub(crate) fn new(paths: Paths) -> Self {
        let places = FileLocations::from(&paths);
        let data = paths.database.parent().filter(|_| !paths.is_default).map(Path::to_owned);
        let settings = Settings::load(paths.settings);
        let days = |days: u32| Duration::from_hours(24 * u64::from(days));
        let preferences = || settings.subscribe_preferences();
        let limits = Setting::follow(preferences(), |preferences| preferences.limits);
        let keeps_running = Setting::follow(preferences(), |preferences| preferences.closing == Closing::KeepRunning);
        let training = TrainingConfig {
            limits: Setting::follow(preferences(), |preferences| preferences.storage),
            retention: Setting::follow(preferences(), move |preferences| preferences.run_days.map(days)),
        };
        Self {
            file_locations: places,
            login_entry: find_background_program().and_then(|program| LoginEntry::locate(program, data)),
            web_cache: paths.web_cache,
            service: Arc::new(ServiceSupervisor::new(
                paths.database,
                paths.revocations,
                limits,
                training,
                keeps_running,
            )),
            settings,
            clipboard: Arc::default(),
            one_time: Arc::default(),
            quit_confirmation: QuitConfirmation::default(),
            screen_reader: watch::Sender::default(),
            keychain_index: Arc::new(KeychainIndex::load(paths.keychain_index)),
            menu_actions: broadcast::channel(16).0,
            event_tasks: Mutex::default(),
        }
    }

    /// Returns a client for the key service, or an error if the service is not running.
    pub(crate) fn api_client(&self) -> Result<ApiClient, CommandError> {
        self.service
            .api_client()
            .ok_or_else(|| CommandError::new(AppErrorCode::ServiceUnavailable, "the key service is not running"))
    }

    /// Stores the task that sends events to a window's page, and aborts the window's previous task. Pass `None` when
    /// the page has been unloaded.
    pub(crate) fn replace_event_task(&self, window: &str, watcher: Option<AbortHandle>) {
        let mut watchers = self.event_tasks.lock();
        let previous = match watcher {
            Some(watcher) => watchers.insert(window.to_owned(), watcher),
            None => watchers.remove(window),
        };
        if let Some(previous) = previous {
            previous.abort();
        }
    }
}
